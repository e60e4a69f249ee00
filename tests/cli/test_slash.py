"""Lines with a slash, who is meant by a name, and how a room's members are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.cli.happenings import AskToLeave, Happening, InviteOpen, Left, NotDone, Notice
from securechat.cli.names import Names
from securechat.cli.questions import Questions
from securechat.cli.roster import lines, policy_lines, value
from securechat.cli.slash import HELP, Slash
from securechat.cli.whom import member
from securechat.client.events import StorageFailed
from securechat.client.inviting import Invitation
from securechat.errors import (
    BadPetname,
    CalledYou,
    NobodyCalled,
    NoSuchCommand,
    NotConnected,
    OtherGone,
    SeveralCalled,
)
from securechat.fingerprint import short, to_groups
from securechat.group.events import Named
from securechat.trust import TrustStore
from tests.cli.chatting import ChatTestCase
from tests.group.kit import ALICE, BOB, CAROL, DAVE, room_of

A, B, C, D = (each.fingerprint for each in (ALICE, BOB, CAROL, DAVE))


class RoomTestCase(SynchronousTestCase):
    """Alice, who founded it, Bob, Carol and Dave are in a room; Alice trusts Bob."""

    def setUp(self) -> None:
        _, (alice, *_) = room_of(ALICE, BOB, CAROL, DAVE)
        self.room = alice.room
        trust = TrustStore()
        trust.add("Bob", B, "typed", datetime.now(UTC))
        self.names = Names(A, "alice", trust)

    def call(self, fp: bytes, name: str) -> None:
        """Let a member say its name."""
        self.names.hear(Named("lobby", fp, name))

    def means(self, name: str) -> bytes:
        """Whom *name* means, if it means one."""
        return member(name, self.room, self.names, me=A)


class WhomTests(RoomTestCase):
    """Who is meant."""

    def test_petname(self) -> None:
        """A friend is meant by the user's own name, whatever the case, and whoever takes it."""
        self.call(C, "bob")
        self.assertEqual(self.means("BOB"), B)

    def test_friend_who_is_not_there(self) -> None:
        """A petname of somebody who is no member means nobody; a member may be called so."""
        store = TrustStore()
        store.add("eve", bytes(32), "typed", datetime.now(UTC))
        self.names = Names(A, "alice", store)
        self.assertRaises(NobodyCalled, self.means, "eve")
        self.call(C, "Eve")
        self.assertEqual(self.means("eve"), C)

    def test_own_words(self) -> None:
        """What a member calls itself means it, if it is the only one of that name."""
        self.call(C, "Sam")
        self.assertEqual(self.means("sam"), C)
        self.call(D, "SAM")
        with self.assertRaisesRegex(SeveralCalled, f"Sam {to_groups(C)}, SAM {to_groups(D)}"):
            self.means("sam")

    def test_fingerprint(self) -> None:
        """The beginning of a fingerprint means its owner, from four characters on."""
        for text in (to_groups(D), short(D), short(D)[:4].lower(), to_groups(D)[:12]):
            self.assertEqual(self.means(text), D)
        self.assertRaises(NobodyCalled, self.means, to_groups(D)[:3])

    def test_nobody(self) -> None:
        """Who is not there is nobody."""
        for text in "", "eve", to_groups(bytes(32)):
            self.assertRaises(NobodyCalled, self.means, text)

    def test_you(self) -> None:
        """The user is "you", where that can be meant, by whatever name."""
        for text in "you", "Alice", short(A):
            self.assertRaises(CalledYou, self.means, text)
        self.assertEqual(member("you", self.room, self.names), A)


class RosterTests(RoomTestCase):
    """How members are shown."""

    def test_lines(self) -> None:
        """A line each, in the order in which they came."""
        self.call(C, "Carola\x1b")
        self.call(B, "Robert")
        self.room.take_leave(D, self.leave_of(D))
        first, *rows = lines(self.room, self.names, {A, C})
        self.assertEqual(first, "#lobby has 4 members:")
        self.assertEqual(
            [" ".join(row.split()) for row in rows[:4]],
            [
                f"you {short(A)} online owner, founded it, calls themselves alice",
                f"Bob {short(B)} away vouched for by you, calls themselves Robert",
                f"Carola ({short(C)}) {short(C)} online vouched for by you",
                f"({short(D)}) {short(D)} away vouched for by you, leaving",
            ],
        )
        self.assertTrue(all(row.isprintable() for row in rows))
        rows = value(self.room, self.names, {A})["members"]
        self.assertEqual([each["online"] for each in rows], [True, False, False, False])
        self.assertEqual([each["leaving"] for each in rows], [False, False, False, True])

    def leave_of(self, fp: bytes) -> bytes:
        """The leave that Dave signs."""
        row = self.room.roster[self.room.log.membership.index[fp]]
        return DAVE.sign("leave", self.room.id, fp, row.leaf_hash)

    def test_lost_keys(self) -> None:
        """Who has lost the keys is told so."""
        self.room._keys.wipe()
        self.assertIn("You have lost its keys", list(lines(self.room, self.names, ()))[-1])

    def test_policy(self) -> None:
        """The rules are lines, too."""
        shown = list(policy_lines(self.room.log.membership, self.names))
        self.assertEqual(shown[-2:], ["owners      you", "moderators  nobody"])


class SlashTests(RoomTestCase):
    """What a line with a slash does, with a client that the test plays."""

    def setUp(self) -> None:
        super().setUp()
        self.told: list[Happening] = []
        self.asked: list[tuple[Any, ...]] = []
        self.answers: list[Deferred[Any]] = []
        self.questions = Questions(Clock(), self.told.append, somebody=True)
        self.gone = 0
        self.address = Address(host="relay.example")
        self.connected = True
        client: Any = self
        self.slash = Slash(client, self.room, self.names, self.questions, self.told.append, self.go)

    def go(self) -> None:
        self.gone += 1

    def _ask(self, *what: Any) -> Deferred[Any]:
        self.asked.append(what)
        self.answers.append(Deferred())
        return self.answers[-1]

    def online(self, room: object) -> Deferred[Any]:
        return self._ask("online")

    def kick(self, room: object, *members: bytes) -> Deferred[Any]:
        return self._ask("kick", *members)

    def leave(self, room: object) -> Deferred[Any]:
        return self._ask("leave")

    def invite(self, room: object, petname: str | None) -> Deferred[Any]:
        return self._ask("invite", petname)

    def test_what_is_said(self) -> None:
        """A line without a slash is said as it is; of two slashes one is said."""
        self.assertEqual(self.slash.take("hello /members"), "hello /members")
        self.assertEqual(self.slash.take("//members"), "/members")
        self.assertEqual(self.told, [])

    def test_help(self) -> None:
        """It names every command."""
        self.assertIsNone(self.slash.take("/help"))
        self.assertEqual(self.told, [Notice(each) for each in HELP])

    def test_members(self) -> None:
        """It shows who is there, once the relay has said who is online."""
        self.assertIsNone(self.slash.take("/members"))
        self.assertEqual(self.told, [])
        self.answers[0].callback(frozenset({A}))
        self.assertEqual(self.told, [Notice(each) for each in lines(self.room, self.names, {A})])

    def test_kick(self) -> None:
        """It removes whom the name means; an error is told."""
        self.slash.take("/kick  bob ")
        self.assertEqual(self.asked, [("kick", B)])
        self.answers[0].callback(None)
        self.assertEqual(self.told, [])
        self.slash.take("/kick eve")
        self.slash.take("/kick alice")
        self.slash.take("/kick")
        self.slash.take("/kick bob")
        self.answers[1].errback(NotConnected())
        whys = [type(each.why) for each in self.told if isinstance(each, NotDone)]
        self.assertEqual(whys, [NobodyCalled, CalledYou, NoSuchCommand, NotConnected])

    def test_invite(self) -> None:
        """It tells the code, and what becomes of it; a name that fakes something is none."""
        self.slash.take("/invite Robert")
        self.slash.take("/invite")
        self.slash.take("/invite bob:")
        self.assertEqual(self.asked, [("invite", "Robert"), ("invite", None)])
        first, second = (
            Invitation("lobby", f"{number}-piano-cactus", 600.0, Deferred()) for number in (7, 8)
        )
        self.answers[0].callback(first)
        self.answers[1].callback(second)
        name, *opened = self.told
        assert isinstance(name, NotDone)
        self.assertIsInstance(name.why, BadPetname)
        command = "securechat accept securechat://relay.example/lobby"
        self.assertEqual(
            opened,
            [InviteOpen("lobby", f"{number}-piano-cactus", command, 600.0) for number in (7, 8)],
        )
        first.friend.errback(OtherGone(label="lobby"))
        self.assertIsInstance(self.told[-1], NotDone)
        second.friend.errback(OSError(28, "No space left on device", "trust"))
        self.assertIsInstance(self.told[-1], StorageFailed)

    def test_end_of_an_invite(self) -> None:
        """With the chat the invite ends."""
        gone: list[object] = []
        self.slash.take("/invite")
        self.answers[0].callback(Invitation("lobby", "7-a-b", 600.0, Deferred(gone.append)))
        self.slash.end()
        self.assertEqual(len(gone), 1)

    def test_without_a_connection(self) -> None:
        """What has to wait says so."""
        self.connected = False
        for line in "/kick bob", "/leave":
            self.slash.take(line)
            self.questions.answer("y")
            self.assertEqual(self.told[-1], Notice("that is done once there is a connection again"))

    def test_leave(self) -> None:
        """It asks; after a yes the user has left once the relay has stored it."""
        self.slash.take("/leave")
        self.assertEqual(self.told, [AskToLeave("lobby")])
        self.questions.answer("n")
        self.assertEqual(self.asked, [])
        self.slash.take("/leave")
        self.questions.answer("y")
        self.assertEqual((self.asked, self.gone), ([("leave",)], 0))
        self.answers[0].callback(None)
        self.assertEqual((self.told[-1], self.gone), (Left("lobby"), 1))

    def test_unknown(self) -> None:
        """What is no command is not said, but told, with what to type instead."""
        self.slash.take("/memebrs")
        self.assertIn("begin it with two", str(self.told[-1]))

    def test_end(self) -> None:
        """What is under way at the end is given up, without a word."""
        self.slash.take("/members")
        self.slash.take("/kick bob")
        self.slash.end()
        self.assertEqual(self.told, [])


class TerminalTests(ChatTestCase):
    """The same at a terminal, with a relay."""

    async def test_at_a_terminal(self) -> None:
        """Who is there is shown, somebody is removed, and the user leaves, without an end."""
        await self.meet(self.alice, self.bob)
        bob = self.chat(self.bob, terminal=True)
        await bob.says("here again in #lobby")
        alice = self.chat(self.alice, terminal=True, NO_COLOR="1")
        await alice.says("here again in #lobby, no message since you were away; with bob")
        alice.type("/members")
        await alice.says(r"\* #lobby has 2 members:")
        await alice.says(r"\* bob  \w+  online  vouched for by you")
        alice.type("//shrug")
        await bob.says("alice: /shrug")
        alice.type("/kick bob")
        await alice.says("you removed bob")
        await self.ends(bob, 5)
        self.assertIn("alice removed you", bob.output)
        self.assertNotIn("you stay a member", bob.output)
        alice.type("/leave")
        await alice.says(r"leave #lobby for good\? \[y/N\]")
        alice.type("y")
        await alice.says("you have left #lobby")
        await self.ends(alice, 0)
        self.assertNotIn("you stay a member", alice.output)

    async def test_between_pipes(self) -> None:
        """A pipe says lines as they are."""
        await self.meet(self.alice, self.bob)
        bob = self.chat(self.bob)
        await bob.says("here again")
        alice = self.chat(self.alice)
        alice.type("/leave", "//x")
        alice.end_input()
        await self.ends(alice, 0)
        await bob.says("alice: /leave\nalice: //x\n")
