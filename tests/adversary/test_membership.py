"""
Attacks on the membership log: on who is in a room, in whose eyes, and since when.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode, encode
from securechat.errors import AdmissionRefused, BadCiphertext
from securechat.group.entry import SignedEntry
from securechat.group.events import Alarm, Confirmed, FramesMissing, MemberAdded, Reason
from securechat.group.keys import Ratchet
from securechat.group.log import MAX_SNAPSHOT
from securechat.group.messages import Frame, Header, open_frame
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.primitives import random_bytes
from securechat.testing import Person
from securechat.wire import (
    MAX_CHUNK,
    AddUser,
    Code,
    ErrorLine,
    FrameLine,
    Nack,
    NewUser,
    Page,
    Resume,
    Resumed,
    Roster,
    Send,
    Stale,
    UserAdded,
)
from tests.adversary.forgery import (
    Rogue,
    adding,
    agreeing,
    framed,
    landing,
    lying_log,
    page,
    writing,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts


def reasons(person: Person) -> list[Reason]:
    """Return why *person* was alarmed."""
    return [each.reason for each in person.heard(Alarm)]


def passed_on(line: Send, where: Room) -> FrameLine:
    """Return the frame that a relay makes of *line*, as the next that *where* expects."""
    header = Header(line.epoch, line.row, line.n)
    return framed(where, Frame(header, line.nonce, line.ciphertext))


class Forgery(SynchronousTestCase):
    """D1: somebody is put on the roster who must not be, or a member is hidden."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob, self.mallory = self.network.members("alice", "bob", "mallory")
        self.dave = Identity.generate()

    def entry(self, author: Identity, signer: Identity, consents: Identity) -> SignedEntry:
        """Return an entry of *author* that adds Dave, signed and consented to by others."""
        where = room(self.bob)
        add = agreeing(self.dave.bundle, consents, where.place, author.fingerprint)
        return adding(where, author.bundle, signer, add)[0]

    def assertBadEntry(self, signed: SignedEntry) -> None:
        """Check that Bob, to whom the relay shows *signed*, does not follow it."""
        place = room(self.bob).place
        self.network.tell(self.bob, landing(room(self.bob), signed))
        self.assertEqual(reasons(self.bob)[-1], Reason.BAD_ENTRY)
        self.assertEqual(self.bob.heard(MemberAdded), [])
        self.assertEqual(room(self.bob).place, place)

    def assertRefusedByTheRelay(self, signed: SignedEntry) -> None:
        """Check that the relay does not take *signed* from Mallory as the end of an attempt."""
        carol = self.network.client("carol", trusts=[self.alice, self.bob, self.mallory])
        for other in (self.alice, self.bob):
            self.network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=other)
        Rogue(self.network, self.mallory, lambda _: (signed, random_bytes(32)))
        carol.chat.join(LABEL).addErrback(lambda _: None)
        self.network.turn(2)
        self.assertEqual(heard(self.mallory, ErrorLine)[-1].code, Code.ENTRY)

    def test_relay_invents_an_entry(self) -> None:
        """
        The relay is no member. It signs itself, as itself or as Alice; Dave, who is its friend,
        agrees.
        """
        relay = Identity.generate()
        self.assertBadEntry(self.entry(relay, relay, self.dave))
        self.assertBadEntry(self.entry(self.alice.identity, relay, self.dave))
        # With Alice's signature it is true.
        true = self.entry(self.alice.identity, self.alice.identity, self.dave)
        self.network.tell(self.bob, landing(room(self.bob), true))
        self.assertEqual(len(self.bob.heard(MemberAdded)), 1)

    def test_insider_adds_somebody_without_consent(self) -> None:
        """Mallory puts Dave on the roster, who has never heard of the room."""
        mallory = self.mallory.identity
        signed = self.entry(mallory, mallory, consents=mallory)
        self.assertBadEntry(signed)
        self.assertRefusedByTheRelay(signed)

    def test_insider_signs_as_another_member(self) -> None:
        """Dave wants to come in, and Mallory makes it look as if Alice had vouched for him."""
        signed = self.entry(self.alice.identity, self.mallory.identity, self.dave)
        self.assertBadEntry(signed)
        self.assertRefusedByTheRelay(signed)

    def test_relay_hides_an_entry(self) -> None:
        """
        Alice is not to know that Carol is there. But Carol's epoch has keys that come from her
        entry: Alice cannot read what is said from then on, and is alarmed.
        """
        carol = self.network.client("carol", trusts=[self.bob])
        self.bob.trust(carol)
        self.network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=self.alice)
        hidden = self.network.hold(UserAdded, to=self.alice)
        self.network.get(carol.chat.join(LABEL))
        self.assertEqual(len(hidden), 1)
        self.network.speak(self.bob, "Alice does not know that Carol is here")
        self.assertEqual(texts(self.alice), [])
        self.assertEqual(set(reasons(self.alice)), {Reason.FORGED})
        self.assertEqual(len(self.alice.heard(FramesMissing)), 1)


class Newcomer(SynchronousTestCase):
    """D3: a newcomer is given what was said before it came."""

    def test_recorded_past_stays_closed(self) -> None:
        """
        Mallory is let in, and the relay has recorded all. No key that she has, nor one that
        follows from them, opens what is older; her client shows none of it, in whatever way it
        comes.
        """
        network = LyingNetwork()
        alice, bob = network.members("alice", "bob")
        then = room(bob).log.head
        row, ratchet = 0, room(bob)._keys.ratchets[0]
        network.speak(alice, "Mallory must not know this")
        (past,) = heard(bob, FrameLine)

        mallory = network.client("mallory", trusts=[alice])
        alice.trust(mallory)
        network.change(Resume, by=mallory, seq=0)  # she asks for all that there is
        network.get(mallory.chat.join(LABEL))
        lobby, frame = room(mallory), as_frame(past)
        self.assertIn(past, heard(mallory, FrameLine))
        keys = [Ratchet(lobby._keys.chain), *lobby._keys.ratchets.values()]
        for key in (key.skip(ahead) for key in keys for ahead in range(10)):
            for head in (then, lobby.log.head):
                self.assertRaises(
                    BadCiphertext, open_frame, frame, alice.identity.bundle.ed25519,
                    key, lobby.id, head,
                )  # fmt: skip
        for header in (frame.header, Header(lobby.log.epoch, row, 0)):
            network.tell(mallory, framed(lobby, attrs.evolve(frame, header=header)))
        self.assertEqual(texts(mallory), [])
        self.assertLessEqual({Reason.REPLAYED, Reason.FORGED}, set(reasons(mallory)))
        # Bob's key of that time opens it.
        open_frame(frame, alice.identity.bundle.ed25519, ratchet, lobby.id, then)


def as_frame(line: FrameLine) -> Frame:
    """Return the frame in *line*."""
    return Frame(Header(line.epoch, line.row, line.n), line.nonce, line.ciphertext)


class Race(SynchronousTestCase):
    """D4: two members let somebody in at the same time."""

    def test_two_entries_on_one_head(self) -> None:
        """
        Alice adds Carol, Bob adds Dave, both on the same head. The relay takes the first; the
        other is made anew on top of it, without the newcomer's doing. Nobody's roster differs.
        """
        network = LyingNetwork()
        alice, bob = network.members("alice", "bob")
        carol, dave = network.client("carol", trusts=[alice]), network.client("dave", trusts=[bob])
        alice.trust(carol)
        bob.trust(dave)
        held = [network.hold(AddUser, by=who) for who in (alice, bob)]
        joins = [who.chat.join(LABEL) for who in (carol, dave)]
        network.turn(2)
        entries = [SignedEntry.decode(line.entry).entry for (line,) in held]
        self.assertEqual(entries[0].prev, entries[1].prev)
        network.be_honest()
        for who, (line,) in zip((bob, alice), reversed(held), strict=True):
            network.say(who, line)
        for each in joins:
            network.get(each)
        self.assertEqual(len(heard(alice, Stale)), 1)
        self.assertEqual(heard(bob, Stale), [])
        rosters = {room(who).log.membership.hash for who in (alice, bob, carol, dave)}
        self.assertEqual(len(rosters), 1)
        names = [row.fingerprint for row in room(alice).roster[2:]]
        self.assertEqual(names, [dave.fingerprint, carol.fingerprint])


class SplitView(SynchronousTestCase):
    """D5: the relay shows one half of the room another past than the other half."""

    def test_two_logs(self) -> None:
        """
        Alice's entry is shown to Alice and Carol, Bob's to Bob and Dave, on one head. Each half
        has keys of its own now: one message from one to the other is enough, and is not shown.
        """
        network = LyingNetwork()
        people = alice, bob, carol, dave = network.members("alice", "bob", "carol", "dave")
        for author, other in ((alice, carol), (bob, dave)):
            newcomer = Identity.generate()
            add = agreeing(newcomer.bundle, newcomer, room(author).place, author.fingerprint)
            signed, _ = adding(room(author), author.identity.bundle, author.identity, add)
            for who in (author, other):
                network.tell(who, landing(room(who), signed))
        self.assertEqual([reasons(who) for who in people], [[], [], [], []])
        self.assertNotEqual(room(alice).place, room(bob).place)
        self.assertNotEqual(room(alice)._keys.chain, room(bob)._keys.chain)
        alice.chat.send(room(alice), "hello")
        network.settle()
        greeting, hello = said(alice, Send)
        network.tell(carol, passed_on(greeting, room(carol)))
        network.tell(carol, passed_on(hello, room(carol)))
        self.assertEqual(texts(carol), [(alice.fingerprint, "hello")])
        for who in (bob, dave):
            network.tell(who, passed_on(greeting, room(who)))
            self.assertEqual(reasons(who), [Reason.FORGED])
            network.tell(who, passed_on(hello, room(who)))
            self.assertEqual(texts(who), [])

    def test_two_streams(self) -> None:
        """
        Alice and Bob write at the same time, and Carol is shown it the other way round. Neither
        has seen the other's, so nothing is wrong with them; but the next message of anybody says
        what its author saw, and who saw something else is alarmed.
        """
        network = LyingNetwork()
        alice, bob, carol = network.members("alice", "bob", "carol")
        sent = [network.hold(Send, by=who) for who in (alice, bob)]
        alice.chat.send(room(alice), "this")
        bob.chat.send(room(bob), "that")
        network.settle()
        network.be_honest()
        shown = network.hold(FrameLine, to=carol)
        for who, (line,) in zip((alice, bob), sent, strict=True):
            network.say(who, line)
        first, second = shown
        network.be_honest()
        network.tell(
            carol, attrs.evolve(second, seq=first.seq), attrs.evolve(first, seq=second.seq)
        )
        self.assertEqual([text for _, text in texts(carol)], ["that", "this"])
        self.assertEqual([reasons(who) for who in (alice, bob, carol)], [[], [], []])
        network.speak(alice, "what did you see?")
        self.assertEqual(reasons(carol), [Reason.FORKED])
        self.assertEqual(reasons(bob), [])
        network.speak(carol, "something else")
        self.assertEqual([reasons(who) for who in (alice, bob)], [[Reason.FORKED]] * 2)


class PrivateFork(SynchronousTestCase):
    """D6: a former member and the relay lead a newcomer into a copy of the room for her alone."""

    def test_room_stays_unconfirmed(self) -> None:
        """
        Carol trusts Mallory and Alice. Mallory's entry is shown to Carol alone. Whatever Mallory
        says, as herself or as Alice, and whatever Alice said before, the room stays unconfirmed.
        """
        network = LyingNetwork()
        mallory, alice = network.members("mallory", "alice")
        network.speak(alice, "before")
        (before,) = heard(mallory, FrameLine)
        carol = network.client("carol", trusts=[mallory, alice])
        rogue = Rogue(network, mallory, submits=False)
        for line in (Roster, Resume):
            network.hold(line, by=carol)
        joined = carol.chat.join(LABEL)
        network.settle()
        (signed,) = rogue.made
        copy = landing(room(mallory), signed)
        network.tell(carol, copy, page(lying_log(room(mallory).log, signed)))
        network.tell(carol, copy, Resumed(copy.room, copy.seq))
        network.tell(mallory, copy)  # Mallory is in both
        lobby = network.get(joined)
        self.assertFalse(lobby.confirmed)

        fake = room(mallory)
        me, friend = mallory.identity, alice.identity
        for row, text in ((me, b"nice to see you"), (friend, b"it is me, Alice")):
            frame = writing(fake, row.fingerprint, me, text)
            network.tell(carol, framed(lobby, frame))
        network.tell(carol, attrs.evolve(before, seq=lobby.seq + 1))
        self.assertEqual(texts(carol), [(mallory.fingerprint, "nice to see you")])
        self.assertEqual(set(reasons(carol)), {Reason.FORGED})
        self.assertFalse(lobby.confirmed)
        self.assertEqual(carol.heard(Confirmed), [])

    def test_true_room_is_confirmed(self) -> None:
        """The same people, and the relay does not lie: one word of Alice is enough."""
        network = LyingNetwork()
        mallory, alice = network.members("mallory", "alice")
        carol = network.client("carol", trusts=[mallory, alice])
        Rogue(network, mallory)
        lobby = network.get(carol.chat.join(LABEL))
        self.assertFalse(lobby.confirmed)
        network.speak(alice, "hello")
        self.assertTrue(lobby.confirmed)
        self.assertEqual(carol.heard(Confirmed), [Confirmed(LABEL, alice.fingerprint)])


class Rollback(SynchronousTestCase):
    """D8: the relay goes back to an older state of the room."""

    def test_older_log_on_resume(self) -> None:
        """
        Bob comes back, and the relay, as of before Carol, lets the room go another way from
        there. Bob's log has a head; what stands on another one, or has an old number, is refused.
        """
        network = LyingNetwork()
        alice, bob = network.members("alice", "bob")
        friend = Identity.generate()
        add = agreeing(friend.bundle, friend, room(alice).place, alice.fingerprint)
        other, _ = adding(room(alice), alice.identity.bundle, alice.identity, add)
        carol = network.client("carol", trusts=[alice])
        alice.trust(carol)
        network.get(carol.chat.join(LABEL))
        network.speak(alice, "Carol is here")
        place, seq = room(bob).place, room(bob).seq
        old = [*heard(bob, UserAdded), *heard(bob, FrameLine)]
        self.assertEqual(len(bob.heard(MemberAdded)), 1)

        network.wire(bob).near.abortConnection()
        network.hold(Resume, by=bob)
        network.turn(10)
        network.tell(bob, *old, Resumed(place.room, 2))
        self.assertEqual(set(reasons(bob)), {Reason.REPLAYED})
        network.tell(bob, landing(room(bob), other))
        self.assertEqual(reasons(bob)[-1], Reason.BAD_ENTRY)
        self.assertEqual((room(bob).place, room(bob).seq), (place, seq + 1))
        self.assertEqual(texts(bob), [(alice.fingerprint, "Carol is here")])
        self.assertEqual(len(bob.heard(MemberAdded)), 1)

    def test_snapshot_of_another_roster(self) -> None:
        """
        A newcomer is shown the room without Bob, with the relay's friend, under another policy,
        or with another past. The entry that she got from her voucher is signed over all of it.
        """
        friend = Identity.generate()

        def lie(where: Room, what: str) -> bytes:
            members, *others = decode(where.log.snapshot())
            policy, owners, _, rows = members
            recent = others[-1]
            match what:
                case "without":
                    del rows[1]
                case "friend":
                    add = agreeing(friend.bundle, friend, where.place, rows[0][-1])
                    rows.insert(2, add.subject.row(2, rows[0][-1]).value())
                case "policy":
                    policy[1] += 1
                case "owner":
                    owners.append(friend.fingerprint)
                case "beginning":
                    del recent[0]
                case "past":
                    del recent[1]
                case "end":
                    del recent[-1]
                case "another past":
                    recent[1][1] = random_bytes(32)
            return encode(members, *others)

        whole = ("nothing", "without", "friend", "policy", "owner")
        for what in (*whole, "beginning", "past", "end", "another past"):
            network = LyingNetwork()
            alice, _ = network.members("alice", "bob")
            carol = network.client("carol", trusts=[alice])
            alice.trust(carol)

            def show(line: Page, what: str = what, alice: Person = alice) -> list[Page]:
                return [page(room(alice).log, lie(room(alice), what))]

            network.lie(Page, show, to=carol)
            joined = carol.chat.join(LABEL)
            if what == "nothing":
                network.get(joined)
                continue
            self.assertRaises(AdmissionRefused, network.get, joined)
            self.assertEqual(len(heard(carol, Page)), 1, what)
            self.assertEqual(carol.chat.rooms, (), what)


class Snapshot(SynchronousTestCase):
    """F5: the relay makes a newcomer keep, or compute with, more and more."""

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        (alice,) = network.members("alice")
        self.carol = network.client("carol", trusts=[alice])
        alice.trust(self.carol)

    def serve(self, total: int) -> list[Page]:
        """Serve pages of a snapshot without end, which is to be *total* bytes long."""
        served: list[Page] = []

        def more(line: Page) -> list[Any]:
            chunk = bytes(MAX_CHUNK)
            served.append(attrs.evolve(line, total=total, chunk=chunk, offset=self.asked()))
            return [served[-1]]

        self.network.lie(Page, more, to=self.carol)
        # The relay has no page at that offset: whatever is asked, it gives the first.
        self.network.change(Roster, by=self.carol, offset=0)
        return served

    def asked(self) -> int:
        """Return the offset that the newcomer asked for last."""
        return said(self.carol, Roster)[-1].offset

    def test_endless_snapshot(self) -> None:
        """It takes two megabytes at most, and then says that this is no roster."""
        served = self.serve(total=MAX_SNAPSHOT)
        self.assertRaises(AdmissionRefused, self.network.get, self.carol.chat.join(LABEL))
        self.assertEqual(len(served), MAX_SNAPSHOT // MAX_CHUNK + 1)

    def test_snapshot_that_says_that_it_is_too_long(self) -> None:
        """Of a longer one it does not ask for a second page."""
        served = self.serve(total=MAX_SNAPSHOT + 1)
        self.assertRaises(AdmissionRefused, self.network.get, self.carol.chat.join(LABEL))
        self.assertEqual(len(served), 1)
        self.assertEqual(len(said(self.carol, Roster)), 1)
