"""How what happens is written, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli import happenings
from securechat.cli.happenings import (
    ComingBack,
    Entered,
    Failed,
    Happening,
    NotSent,
    Returned,
    SameName,
)
from securechat.cli.names import Names
from securechat.cli.views import JSONView, TextView
from securechat.cli.wording import ALARMS
from securechat.client import events as client_events
from securechat.client.events import (
    CaughtUp,
    Connected,
    Disconnected,
    NewcomerAsks,
    Refusal,
    StorageFailed,
)
from securechat.errors import (
    ConnectFailed,
    ConnectionLost,
    NotConnected,
    NotText,
    RelayClosing,
    RelaySilent,
    StateNotKept,
)
from securechat.fingerprint import short, to_groups, to_words
from securechat.group import events as room_events
from securechat.group.detail import Why
from securechat.group.events import Alarm, FramesMissing, Message, Named, Reason, RoomEvent
from securechat.group.roster import Policy
from securechat.trust import TrustStore

CLIENT = Path(__file__).resolve().parents[2] / "docs" / "client.md"

ME, BOB, EVE, SAM = (bytes([number]) * 32 for number in range(4))


def names() -> Names:
    """Alice, who trusts Bob."""
    store = TrustStore()
    store.add("bob", BOB, "typed", datetime.now(UTC))
    return Names(ME, "Alice", store)


def some(field: attrs.Attribute[Any]) -> Any:
    """A value for a field of an event."""
    values: dict[object, object] = {
        "bytes": EVE,
        "bytes | None": EVE,
        "str": "lobby",
        "str | None": "hello",
        "int": 7,
        "float": 2.0,
        "float | None": 2.0,
        "bool": True,
        "SecureChatError": NotConnected(),
        "SecureChatError | OSError": OSError(28, "No space left", "trust"),
        "tuple[bytes, ...]": (ME, EVE),
        "Reason": Reason.FORKED,
        "Why": Why.KICKED,
        "Policy": Policy(),
    }
    return values[field.type]


def every_happening() -> Iterator[Happening]:
    """One of each event that there is."""
    for module in room_events, client_events, happenings:
        for each in vars(module).values():
            if isinstance(each, type) and each.__module__ == module.__name__ and attrs.has(each):
                event: Any = each(*(some(field) for field in attrs.fields(each)))
                yield event


class TextTests(SynchronousTestCase):
    """Lines for people."""

    def setUp(self) -> None:
        self.names = names()
        self.view = TextView(self.names, asks=False, colour=False)

    def test_every_event_has_a_line_or_none(self) -> None:
        """Whatever happens is told in one line, or is nothing to tell a person."""
        silent = {"RoomEvent", "Replaying", "CaughtUp", "Delivered", "Vouched", "Failed"}
        silent |= {"SameName"}  # as that of a friend who is trusted no more
        for event in every_happening():
            line = TextView(names(), asks=False, colour=False)(event)
            name = type(event).__name__
            if name in silent:
                self.assertIsNone(line, name)
            else:
                assert line is not None, name
                self.assertRegex(line, r"\A[*!] [^\n]+\Z" if name != "Message" else ": lobby")

    def test_message(self) -> None:
        """A message is a name, a colon and the text."""
        self.assertEqual(self.view(Message("lobby", BOB, "hello", 3)), "bob: hello")

    def test_every_alarm_says_what_to_do(self) -> None:
        """Each reason has words of its own, and names who it is about."""
        self.assertEqual(set(ALARMS), set(Reason))
        for reason in Reason:
            line = self.view(Alarm("lobby", reason, BOB, 3))
            assert line is not None
            self.assertIn(f"! ALARM, {reason.value}: ", line)
            self.assertEqual("bob" in line, "{who}" in ALARMS[reason])
        self.assertIn("somebody", self.view(Alarm("lobby", Reason.FORGED, None, 3)) or "")

    def test_name_of_a_friend(self) -> None:
        """Each line of the warning is an alarm's, whole in colour; nobody's words are in it."""
        store = self.names.store
        self.names.hear(Named("lobby", EVE, "bob"))
        for voucher, who in (SAM, f"\\({short(SAM)}\\) let"), (BOB, "bob let"), (EVE, "founded it"):
            text = self.view(SameName("lobby", EVE, BOB, voucher))
            assert text is not None
            lines = text.split("\n")
            self.assertTrue(all(line == "!" or line.startswith("! ") for line in lines), lines)
            self.assertRegex(" ".join(text.split()), f"Somebody in #lobby, whom? !?.*{who}")
            words = " ".join(text.replace("!", "").split())
            for fp in BOB, EVE:
                self.assertIn(f"{to_groups(fp)} {to_words(fp)}", words)
        coloured = TextView(self.names, asks=False, colour=True)(SameName("lobby", EVE, BOB, EVE))
        for line in (coloured or "").split("\n"):
            self.assertRegex(line, r"\A\x1b\[31m\x1b\[1m![^\x1b]*\x1b\[0m\Z")
        store.remove("bob")
        self.assertIsNone(self.view(SameName("lobby", EVE, BOB, EVE)))

    def test_reconnection(self) -> None:
        """Who was away reads when the next try is, and when all is here; nobody else does."""
        lost = ConnectionLost(address="a", why="it broke")
        self.assertIsNone(self.view(CaughtUp("lobby", 3)))
        self.assertEqual(self.view(Disconnected(lost, 3.6)), "* connection lost, retrying in 4 s")
        failed = ConnectFailed(address="a", why="refused")
        self.assertIn("retrying in 1 s: refused", self.view(Disconnected(failed, 0.2)) or "")
        self.assertIsNotNone(self.view(CaughtUp("lobby", 5)))
        self.assertIsNone(self.view(CaughtUp("lobby", 6)))
        self.assertIsNone(self.view(Disconnected(lost, None)))

    def test_full_disk(self) -> None:
        """It is said once what is wrong, and with each try that nothing goes on until then."""
        full = StateNotKept(path="state.sqlite", why="disk is full")
        for _ in range(2):
            self.assertEqual(self.view(StorageFailed(full)), f"* {full}")
            for _ in range(2):
                self.assertIn("nothing is sent or shown", self.view(Disconnected(full, 2.0)) or "")
                self.assertIsNone(self.view(StorageFailed(full)))
            self.view(Connected())
        self.assertIn("a file of yours", self.view(StorageFailed(OSError(28, "full"))) or "")

    def test_why_the_relay_is_away(self) -> None:
        """A relay that stops, or says nothing, is told without advice."""
        closing, silent = RelayClosing(words="bye"), RelaySilent(address="a", seconds=63.2)
        self.assertEqual(
            self.view(Disconnected(closing, 2.0)),
            "* the relay is shutting down, retrying in 2 s",
        )
        self.assertEqual(
            self.view(Disconnected(silent, 2.0)),
            "* the relay has not answered for 63 s, retrying in 2 s",
        )

    def test_messages_missed(self) -> None:
        """What came since the connection was lost is counted, whatever came before."""
        lost = ConnectionLost(address="a", why="it broke")
        self.view(Message("lobby", BOB, "hello", 3))
        for _ in range(2):
            self.view(Disconnected(lost, 3.6))
            self.view(Message("lobby", BOB, "hello", 4))
            self.view(Disconnected(lost, 3.6))
            self.view(Message("lobby", BOB, "hello", 5))
            self.assertIn("2 messages since", self.view(CaughtUp("lobby", 5)) or "")

    def test_coming_back(self) -> None:
        """Who is alone reads so; what has not arrived is counted."""
        self.assertEqual(self.view(ComingBack("lobby", 0)), "* coming back to #lobby…")
        self.assertIn("2 lines of the last time", self.view(ComingBack("lobby", 2)) or "")
        self.assertEqual(
            self.view(Returned("lobby", (ME,), True, 0)),
            "* here again in #lobby, no message since you were away; alone",
        )
        self.assertIn("unconfirmed", self.view(Returned("lobby", (ME, BOB), False, 1)) or "")

    def test_members_of_a_confirmed_room(self) -> None:
        """Who enters sees who is there; what is confirmed is not called unconfirmed."""
        line = self.view(Entered("lobby", (BOB, EVE, ME), founded=False, confirmed=True))
        self.assertEqual(line, f"* you are in #lobby, with bob, ({short(EVE)})")

    def test_newcomers_when_the_user_is_asked(self) -> None:
        """Where a question follows, it is not announced as decided."""
        view = TextView(names(), asks=True, colour=False)
        self.assertIsNone(view(NewcomerAsks("lobby", BOB, trusted=True)))
        self.assertIn(to_groups(EVE), view(NewcomerAsks("lobby", EVE, trusted=False)) or "")

    def test_names_are_announced_once(self) -> None:
        """A name that was said before, or is the one that the user has given, is no news."""
        self.assertIsNone(self.view(Named("lobby", BOB, "bob")))
        self.assertIn("Robert", self.view(Named("lobby", BOB, "Robert")) or "")
        self.assertIsNone(self.view(Named("lobby", BOB, "Robert")))
        self.assertIsNone(self.view(Named("lobby", EVE, "***")))

    def test_colour(self) -> None:
        """Alarms stand out, messages stay plain."""
        view = TextView(names(), asks=False, colour=True)
        self.assertTrue((view(Alarm("lobby", Reason.FORKED, BOB, 3)) or "").startswith("\x1b[31m"))
        self.assertEqual(view(Message("lobby", BOB, "hello", 3)), "bob: hello")

    @given(st.text(), st.text(max_size=64))
    def test_anything_that_others_write(self, text: str, name: str) -> None:
        """No text and no name makes a line that a terminal obeys, or that looks like another."""
        view = TextView(names(), asks=False, colour=False)
        view(Named("lobby", EVE, name))
        line = view(Message("lobby", EVE, text, 3)) or ""
        self.assertTrue(line.isprintable(), ascii(line))
        self.assertRegex(line, rf"\A[^*!:]*\({short(EVE)}\): ")


class NamesTests(SynchronousTestCase):
    """Who is called what."""

    def test_trusted(self) -> None:
        """A friend bears the name that the user gave, whatever they say."""
        every = names()
        every.hear(Named("lobby", BOB, "Robert"))
        self.assertEqual(every.of(BOB), "bob")
        self.assertEqual(every.of(ME), "you")

    def test_stranger(self) -> None:
        """Anybody else bears the name that they say, and their fingerprint."""
        every = names()
        self.assertEqual(every.of(EVE), f"({short(EVE)})")
        every.hear(Named("lobby", EVE, "Eve: (hi)"))
        self.assertEqual(every.of(EVE), f"Eve hi ({short(EVE)})")

    def test_two_of_one_name(self) -> None:
        """Where somebody takes a friend's name, in whatever spelling, both show fingerprints."""
        every = names()
        every.hear(Named("lobby", BOB, "bob"))
        self.assertEqual(every.of(BOB), "bob")
        every.hear(Named("lobby", EVE, "BOB"))
        self.assertEqual(every.of(BOB), f"bob ({short(BOB)})")
        self.assertEqual(every.of(EVE), f"BOB ({short(EVE)})")


class JSONTests(SynchronousTestCase):
    """Lines for programs."""

    def setUp(self) -> None:
        self.view = JSONView(names())

    def test_every_event(self) -> None:
        """Each event is an object with its name and its fields, in one line of ASCII."""
        for event in every_happening():
            line = self.view(event)
            self.assertTrue(line.isascii() and line.isprintable(), line)
            value = json.loads(line)
            self.assertRegex(value.pop("event"), r"\A[a-z]+(_[a-z]+)*\Z")
            fields = {field.name for field in attrs.fields(type(event))}
            self.assertEqual(set(value), {"room" if f == "label" else f for f in fields})

    def test_people(self) -> None:
        """A member is its fingerprint, its name, and whether the user trusts it."""
        for fp, name, trusted, me in (
            (BOB, "bob", True, False),
            (ME, "Alice", False, True),
            (EVE, "Eve", False, False),
            (SAM, None, False, False),
        ):
            self.view(Named("lobby", EVE, "Eve"))
            sender = json.loads(self.view(Message("lobby", fp, "hello", 3)))["sender"]
            self.assertEqual(
                sender, {"fingerprint": to_groups(fp), "name": name, "trusted": trusted, "me": me}
            )

    def test_alarm(self) -> None:
        """An alarm has its reason; about nobody in particular it has no sender."""
        value = json.loads(self.view(Alarm("lobby", Reason.FORGED, None, 3)))
        self.assertEqual(
            value,
            {"event": "alarm", "room": "lobby", "reason": "forged", "sender": None, "seq": 3},
        )

    def test_every_event_is_documented(self) -> None:
        """``docs/client.md`` has each event with its fields, and no other."""
        rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| ", CLIENT.read_text("utf-8"), re.MULTILINE)
        documented = {name: re.findall(r"`(\w+)`", fields) for name, fields in rows}
        del documented["identity"], documented["profile"], documented["trust"], documented["rooms"]
        del documented["remembered"]
        written = {}
        for event in every_happening():
            if type(event) is not RoomEvent:  # what events of a room have in common
                name, *fields = json.loads(self.view(event)).items()
                written[name[1]] = [field for field, _ in fields]
        self.assertEqual(documented, written)

    def test_names_of_events(self) -> None:
        """Names are in lower case, with _ between words."""
        for event, name in (
            (FramesMissing("lobby", 1, 2), "frames_missing"),
            (Connected(), "connected"),
            (Refusal(NotConnected()), "refusal"),
            (NotSent(NotText()), "not_sent"),
        ):
            self.assertEqual(json.loads(self.view(event))["event"], name)

    def test_errors(self) -> None:
        """An error has its class and its words."""
        full = OSError(28, "No space left", "trust")
        for error, words in (NotText(), str(NotText())), (full, str(full)):
            event = Failed(error) if isinstance(error, NotText) else StorageFailed(error)
            value = json.loads(self.view(event))
            self.assertEqual(value["why"], {"error": type(error).__name__, "words": words})
