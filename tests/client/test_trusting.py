"""Whom a client comes to trust by itself."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import TrustAdded, TrustRemoved
from securechat.client.trusting import TrustPolicy
from securechat.errors import VoucherUnknown
from securechat.group.events import Confirmed
from securechat.group.room import Room
from securechat.identity import Bundle
from securechat.relay.limits import Limits
from securechat.revocation import revocation
from securechat.testing import WRITTEN, Network, Person


class TrustingCase(SynchronousTestCase):
    """Alice has founded the room "lobby", and trusts who comes."""

    policy = TrustPolicy.PIN

    def setUp(self) -> None:
        self.network = Network(limits=Limits(entries_per_minute=100))
        self.alice = self.network.client("alice")
        self.network.get(self.alice.chat.found("lobby"))
        self.bot = self.network.client("bot", trust_policy=self.policy)
        self.alice.trust(self.bot)

    def join(self, who: Person, label: str = "lobby") -> Room:
        """Let somebody join a room."""
        return self.network.get(who.chat.join(label))

    def speak(self, who: Person, text: str = "hello") -> None:
        """Let somebody say something in its first room."""
        self.network.get(who.chat.send(who.chat.rooms[0], text))
        self.network.settle()

    def newcomer(self, name: str, voucher: Person) -> Person:
        """Let somebody in by *voucher*."""
        person = self.network.client(name, trusts=[voucher])
        voucher.trust(person)
        self.join(person)
        self.network.settle()
        return person

    def refused(self, label: str = "lobby") -> None:
        """Check that the bot does not enter on the word of whom it does not know."""
        self.assertRaises(VoucherUnknown, self.join, self.bot, label)
        self.assertEqual(self.bot.heard(TrustAdded), [])


class PinTests(TrustingCase):
    """`TrustPolicy.PIN`."""

    def test_nobody_is_added(self) -> None:
        """Neither who lets it in, nor who is vouched for."""
        self.refused()
        self.bot.trust(self.alice)
        self.join(self.bot)
        self.speak(self.newcomer("bob", self.alice))
        self.assertEqual([each.petname for each in self.bot.trusted], ["alice"])


class FirstUseTests(TrustingCase):
    """`TrustPolicy.FIRST_USE`."""

    policy = TrustPolicy.FIRST_USE

    def test_who_lets_it_in(self) -> None:
        """Where nobody is known the voucher is trusted, unverified; it says so."""
        self.join(self.bot)
        (trusted,) = self.bot.trusted
        self.assertEqual(
            (trusted.fingerprint, trusted.petname, trusted.how, trusted.verified),
            (self.alice.fingerprint, "first in lobby", "first-use", False),
        )
        self.assertEqual(
            self.bot.heard(TrustAdded),
            [TrustAdded("lobby", self.alice.fingerprint, "first-use", None)],
        )

    def test_somebody_known_is_there(self) -> None:
        """Where somebody trusted is on the roster the voucher lets it in, and is not added."""
        bob = self.newcomer("bob", self.alice)
        self.bot.trust(bob)
        self.join(self.bot)
        self.assertEqual([each.petname for each in self.bot.trusted], ["bob"])

    def test_only_the_first_time(self) -> None:
        """Into a room that it knows no stranger lets it in any more."""
        room = self.join(self.bot)
        self.newcomer("eve", self.alice).trust(self.bot)
        self.network.get(self.bot.chat.leave(room))
        self.network.turn(5)
        self.network.get(self.alice.chat.close())
        self.bot.events.clear()
        self.refused()

    def test_two_rooms_of_one_label(self) -> None:
        """A petname is given once."""
        self.bot.trusted.add("First in Lobby", bytes(32), "typed", WRITTEN)
        self.join(self.bot)
        self.assertEqual(list(self.bot.trusted)[1].petname, "first in lobby 2")

    def test_revoked(self) -> None:
        """Who is known to be revoked is not believed."""
        self.bot.trusted.revoke(revocation(self.alice.identity), WRITTEN)
        self.refused()

    def test_confirms_nothing(self) -> None:
        """Who was believed at the first meeting does not confirm another room; a friend does."""
        self.join(self.bot)

        async def never(label: str, newcomer: Bundle) -> bool:
            return False

        eve = self.network.client("eve")
        self.network.get(eve.chat.found("attic"))
        friend = self.network.client("friend", trusts=[eve], may_vouch=never)
        eve.trust(friend, self.bot, self.alice)
        self.alice.trust(eve)
        self.join(friend, "attic")
        self.join(self.alice, "attic")
        attic = self.join(self.bot, "attic")
        self.assertEqual(len(self.bot.heard(TrustAdded)), 1)
        self.network.get(self.alice.chat.send(self.alice.chat.rooms[1], "hello"))
        self.network.settle()
        self.assertFalse(attic.confirmed)
        self.bot.trust(friend)
        self.network.turn(2)
        self.speak(friend)
        self.assertEqual(self.bot.heard(Confirmed), [Confirmed("attic", friend.fingerprint)])


class VouchedTests(TrustingCase):
    """`TrustPolicy.VOUCHED`."""

    policy = TrustPolicy.VOUCHED

    def setUp(self) -> None:
        super().setUp()
        self.refused()
        self.bot.trust(self.alice)
        self.join(self.bot)

    def names(self) -> list[str]:
        """Whom the bot trusts."""
        return [each.petname for each in self.bot.trusted]

    def test_who_is_vouched_for(self) -> None:
        """Whom a trusted member let in is trusted once it speaks, unverified; it says so."""
        bob = self.newcomer("bob", self.alice)
        self.assertEqual(self.names(), ["alice", "bob via alice"])
        trusted = self.bot.trusted.find(bob.fingerprint)
        assert trusted is not None
        self.assertEqual(
            (trusted.how, trusted.voucher, trusted.verified),
            ("vouched", self.alice.fingerprint, False),
        )
        self.assertEqual(
            self.bot.heard(TrustAdded),
            [TrustAdded("lobby", bob.fingerprint, "vouched", self.alice.fingerprint)],
        )
        self.speak(bob)
        self.assertFalse(self.bot.chat.rooms[0].confirmed)

    def test_chain(self) -> None:
        """And so on: whom such a member lets in, under what it calls itself, if it does."""
        bob = self.newcomer("bob", self.alice)
        nameless = self.network.client("", trusts=[bob])
        bob.trusted.add("x", nameless.fingerprint, "typed", WRITTEN)
        self.join(nameless)
        self.speak(nameless)
        second = self.network.client("bob", trusts=[self.alice])
        self.alice.trusted.add("another", second.fingerprint, "typed", WRITTEN)
        self.join(second)
        self.newcomer("*!:(x)", self.alice)
        self.network.settle()
        self.assertEqual(
            self.names(),
            [
                *("alice", "bob via alice", "somebody via bob via alice", "bob via alice 2"),
                "x via alice",
            ],
        )

    def test_founder_and_strangers(self) -> None:
        """Nobody has vouched for a founder; whom a stranger let in is a stranger."""
        self.bot.trusted.remove("alice")
        self.network.turn(2)
        self.speak(self.newcomer("bob", self.alice))
        self.speak(self.alice)
        self.assertEqual(self.names(), [])

    def test_kicked(self) -> None:
        """Who is kicked goes with the kick, but for whom the user has added."""
        bob, carol = self.newcomer("bob", self.alice), self.newcomer("carol", self.alice)
        self.bot.trusted.add("bob via alice", bob.fingerprint, "typed", WRITTEN)
        room = self.alice.chat.rooms[0]
        self.network.get(self.alice.chat.kick(room, bob.fingerprint, carol.fingerprint))
        self.network.settle()
        self.assertEqual(self.names(), ["alice", "bob via alice"])
        self.assertEqual(self.bot.heard(TrustRemoved), [TrustRemoved("lobby", carol.fingerprint)])

    def test_left(self) -> None:
        """Who leaves is trusted on; what it said before it was removed adds nobody later."""
        bob = self.newcomer("bob", self.alice)
        self.network.get(bob.chat.leave(bob.chat.rooms[0]))
        self.network.turn(5)
        self.assertEqual(self.names(), ["alice", "bob via alice"])

    def test_revoked(self) -> None:
        """Who is known to be revoked is not added."""
        bob = self.network.person("bob", trusts=[self.alice])
        self.bot.trusted.revoke(revocation(bob.identity), WRITTEN)
        self.network.get(bob.chat.connect())
        self.alice.trust(bob)
        self.join(bob)
        self.network.settle()
        self.assertEqual(self.names(), ["alice"])
