"""``securechat history``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from securechat import keyfile
from securechat.address import Address
from securechat.cli import history
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.fingerprint import parse, short
from tests.cli import CommandTestCase, invoke

ADDRESS = "securechat://relay.example/lobby"
RELAY = Address.parse(ADDRESS).relay
ROOM, OTHER = bytes(32), bytes(range(32))
EVE = bytes(31) + b"E"
WHEN = datetime(2026, 1, 1, 12, tzinfo=UTC)


class HistoryTests(CommandTestCase):
    """What was kept of a room."""

    def setUp(self) -> None:
        super().setUp()
        self.init()
        self.identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        friend = self.friend("bob")["fingerprint"]
        self.ok("trust", "add", "bob", friend)
        self.bob = parse(friend)
        known = KnownRooms.open(self.home, self.identity)
        known.learn(RELAY, "lobby", ROOM)
        known.learn(RELAY, "attic", OTHER)

    def keep(self, *texts: str, room: bytes = ROOM, sender: bytes | None = None) -> None:
        """Keep messages, by Bob if nobody else is given."""
        with StateDirectory.open(
            self.home, self.identity, messages=True, clock=lambda: WHEN
        ) as state:
            first = len(state.messages(room)) + 1
            for seq, text in enumerate(texts, first):
                state.keep_message(room, seq, sender or self.bob, text)
            state.commit()

    def test_shows_them_in_order(self) -> None:
        """Each is a line with the time and the sender's name, and can look like no other."""
        self.keep("hello", "2026-01-01 12:00 eve: two\nlines\x1b[2J")
        self.keep("hi", sender=self.identity.fingerprint)
        self.keep("psst", sender=EVE)
        self.keep("elsewhere", room=OTHER)
        when = WHEN.astimezone().strftime("%Y-%m-%d %H:%M")
        lines = self.ok("history", ADDRESS).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(lines[0], f"{when} bob: hello")
        self.assertTrue(lines[1].startswith(f"{when} bob: 2026-01-01 12:00 eve: two"))
        self.assertNotIn("\x1b", lines[1])
        self.assertEqual(lines[2], f"{when} you: hi")
        self.assertEqual(lines[3], f"{when} ({short(EVE)}): psst")

    def test_for_programs(self) -> None:
        """With --json it writes an object a line, as chat does, with the time in UTC."""
        self.keep("hello", "there")
        first, second = map(json.loads, self.ok("history", ADDRESS, "--json").splitlines())
        self.assertEqual(second["text"], "there")
        self.assertEqual(first.pop("sender")["name"], "bob")
        self.assertEqual(
            first,
            {
                "event": "message",
                "room": "lobby",
                "text": "hello",
                "seq": 1,
                "when": "2026-01-01T12:00:00+00:00",
            },
        )

    def test_the_last(self) -> None:
        """All are shown, however many, or the newest."""
        self.patch(history, "_PAGE", 3)
        self.keep(*map(str, range(10)))
        for options, numbers in ([], range(10)), (["--last", "2"], range(8, 10)):
            lines = self.ok("history", *options, ADDRESS).splitlines()
            self.assertEqual([line.split()[-1] for line in lines], [*map(str, numbers)])

    def test_forget(self) -> None:
        """The messages of one room can be deleted; those of another stay."""
        self.keep("hello")
        self.keep("elsewhere", room=OTHER)
        self.ok("history", "--forget", ADDRESS)
        self.assertIn("--keep-messages", self.nothing(ADDRESS))
        self.assertIn("elsewhere", self.ok("history", ADDRESS.replace("lobby", "attic")))

    def test_while_a_client_runs(self) -> None:
        """It takes no lock: it shows what a client that is running has committed."""
        with StateDirectory.open(self.home, self.identity, messages=True) as state:
            state.keep_message(ROOM, 1, EVE, "hello")
            state.commit()
            self.assertIn("hello", self.ok("history", ADDRESS))
            self.ok("history", "--forget", ADDRESS)
            state.keep_message(ROOM, 2, EVE, "again")
            state.commit()
        self.assertIn("again", self.ok("history", ADDRESS))

    def nothing(self, address: str) -> str:
        """See that no message is shown, and return what is said instead."""
        result = invoke("--home", self.home, "history", address)
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        return result.stderr

    def test_nothing_kept(self) -> None:
        """Where there is nothing it says so, and makes no file."""
        before = sorted(self.home.iterdir())
        for address in (ADDRESS, ADDRESS.replace("lobby", "cellar")):
            self.assertIn("--keep-messages", self.nothing(address))
        self.assertEqual(sorted(self.home.iterdir()), before)
