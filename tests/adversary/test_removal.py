"""
Attacks by who is not to be in a room any more, and on who has a right to be.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import BadCiphertext, NotAMember
from securechat.group.detail import Add, Removal, Why
from securechat.group.entry import SignedEntry
from securechat.group.events import Alarm, KeysLost, MemberRemoved, Message, Reason, Removed
from securechat.group.keys import EpochKeys, epoch_secret
from securechat.group.messages import open_frame
from securechat.group.slices import seal_slice
from securechat.primitives import XWing, random_bytes
from securechat.testing import Person
from securechat.wire import (
    SLICE,
    Begin,
    Changed,
    Code,
    Commit,
    ErrorLine,
    FrameLine,
    Leave,
    Slices,
    UserAdded,
)
from tests.adversary.forgery import adding, landing, removing
from tests.adversary.invariants import Loot, slices_of
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts
from tests.adversary.test_broadcast import as_frame, reasons


class RemovalCase(SynchronousTestCase):
    """Alice, who has founded it, Bob and Mallory are in the room "lobby"."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob, self.mallory = self.network.members("alice", "bob", "mallory")

    def changed(self, person: Person) -> SignedEntry:
        """Return the newest change that *person* was shown."""
        return SignedEntry.decode(heard(person, Changed)[-1].entry)

    def kick(self, person: Person) -> None:
        """Let Alice throw *person* out."""
        self.network.get(self.alice.chat.kick(room(self.alice), person.fingerprint))
        self.network.settle()


class FormerMember(RemovalCase):
    """D2: who was a member goes on reading, with all that it had, and all that the relay hears."""

    def loot(self) -> Loot:
        """Return what Mallory keeps of the room, before her client erases it."""
        keys = room(self.mallory)._keys
        return Loot(keys.chain, (keys.leaf.secret,))

    def reads_nothing(self, loot: Loot) -> None:
        """Check that *loot* leads to no key of the room as it is now."""
        lobby, entry = room(self.alice), self.changed(self.alice).entry
        slices = [
            each
            for person in (self.alice, self.bob)
            for line in said(person, Slices)
            for each in slices_of(line)
        ]
        self.assertNotIn(lobby._keys.chain, loot.follow([entry], slices))
        self.network.speak(self.alice, "without Mallory")
        frame = as_frame(heard(self.bob, FrameLine)[-1])
        hers = self.alice.identity.bundle.ed25519
        for fresh in (bytes(32), *loot.opened(entry, slices)):
            keys = EpochKeys.of(epoch_secret(loot.chain, fresh, entry), lobby.log.membership.index)
            ratchet = keys.ratchets[0].skip(frame.header.n)
            self.assertRaises(
                BadCiphertext, open_frame, frame, hers, ratchet, lobby.id, lobby.log.head
            )
        self.assertEqual(texts(self.bob)[-1], (self.alice.fingerprint, "without Mallory"))

    def test_who_was_kicked(self) -> None:
        """The new keys come from a secret that nobody has sealed to her."""
        loot = self.loot()
        self.kick(self.mallory)
        self.reads_nothing(loot)
        self.assertEqual(self.mallory.heard(Message), [])
        self.assertEqual(self.mallory.chat.rooms, ())

    def test_who_has_left(self) -> None:
        """The same when she asked for it, and kept her keys all the same."""
        loot = self.loot()
        self.network.get(self.mallory.chat.leave(room(self.mallory)))
        self.network.turn(5)
        self.assertEqual(len(self.bob.heard(MemberRemoved)), 1)
        self.reads_nothing(loot)

    def test_who_is_not_told(self) -> None:
        """
        The relay keeps from her that she was removed, and shows her what is said since. Her
        client shows nothing of it. When she is told in the end, she is told by whom and why.
        """
        held = self.network.hold(Changed, to=self.mallory)
        frames = self.network.hold(FrameLine, to=self.mallory)
        self.kick(self.mallory)
        self.network.speak(self.alice, "without Mallory")
        self.network.be_honest()
        self.assertEqual(frames, [])  # an honest relay shows her none
        line = heard(self.bob, FrameLine)[-1]
        self.network.tell(self.mallory, attrs.evolve(line, seq=room(self.mallory).seq + 1))
        self.assertEqual(reasons(self.mallory), [Reason.FORGED])
        self.assertEqual(self.mallory.heard(Message), [])
        where = room(self.mallory)
        self.network.tell(self.mallory, attrs.evolve(held[0], seq=where.seq + 1))
        (removed,) = self.mallory.heard(Removed)
        self.assertEqual((removed.by, removed.why), (self.alice.fingerprint, Why.KICKED))
        self.assertRaises(NotAMember, self.mallory.chat.send, where, "and I?")

    def test_who_is_away(self) -> None:
        """
        The relay keeps no slice for who is removed while it is away. So that one reads only what
        was said before the first change, is told that its keys are lost, and then why.
        """
        self.network.speak(self.alice, "one")
        self.network.reachable = False
        self.network.wire(self.mallory).near.lose()
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.speak(self.alice, "two")
        self.kick(self.mallory)
        self.network.reachable = True
        self.network.turn(5)
        self.assertEqual([text for _, text in texts(self.mallory)], ["one"])
        (lost,) = self.mallory.heard(KeysLost)
        (removed,) = self.mallory.heard(Removed)
        self.assertLess(lost.seq, removed.seq)
        self.assertEqual(removed.by, self.alice.fingerprint)
        self.assertEqual(self.mallory.chat.rooms, ())


class Rights(RemovalCase):
    """D7: who may throw out whom."""

    def refused(self, signed: SignedEntry) -> None:
        """Check that the relay does not take *signed* of Mallory, nor Bob if it does."""
        where = room(self.mallory)
        self.network.say(self.mallory, Begin(where.id, signed.encode()), Commit(where.id))
        errors = [each.code for each in heard(self.mallory, ErrorLine)]
        self.assertIn(Code.ENTRY, errors)
        place = room(self.bob).place
        self.network.tell(self.bob, Changed(where.id, room(self.bob).seq + 1, signed.encode()))
        self.assertEqual(reasons(self.bob)[-1], Reason.BAD_ENTRY)
        self.assertEqual(room(self.bob).place, place)

    def removal(self, who: Person, why: Why, evidence: bytes = b"") -> SignedEntry:
        """Return Mallory's entry that removes *who*."""
        removal = Removal(who.fingerprint, why, evidence)
        return removing(room(self.mallory), self.mallory.identity, removal)

    def test_kick_by_who_may_not(self) -> None:
        """Mallory is neither owner nor moderator, and throws out Alice."""
        self.refused(self.removal(self.alice, Why.KICKED))

    def test_leave_that_was_not_signed(self) -> None:
        """Mallory says that Alice has left, with a signature of her own."""
        self.refused(self.removal(self.alice, Why.LEFT, self.mallory.identity.sign("leave", b"")))

    def test_revocation_that_was_not_signed(self) -> None:
        """Mallory says that Alice's identity is revoked."""
        forged = self.mallory.identity.sign("revocation", self.alice.fingerprint)
        self.refused(self.removal(self.alice, Why.REVOKED, forged))

    def test_key_that_is_not_old(self) -> None:
        """Mallory says that Alice has not renewed her keys for long."""
        self.refused(self.removal(self.alice, Why.STALE))

    def test_leave_of_an_earlier_stay(self) -> None:
        """Carol left once, and came back. What she signed then is good for nothing now."""
        carol = self.network.client("carol", trusts=[self.alice])
        self.alice.trust(carol)
        self.network.get(carol.chat.join(LABEL))
        self.network.get(carol.chat.leave(room(carol)))
        signature = said(carol, Leave)[-1].signature
        self.network.turn(10)
        self.network.get(carol.chat.join(LABEL))
        self.network.turn(1)
        self.refused(self.removal(carol, Why.LEFT, signature))


class OldConsent(RemovalCase):
    """C2': Mallory has a consent of Carol's, who has left since."""

    def test_consent_of_who_has_left(self) -> None:
        """
        Carol came in by Mallory, and has left. Mallory lets her in again by what she agreed to
        then: the consent still stands on one of the last 16 heads, and is refused all the same.
        """
        carol = self.network.client("carol", trusts=[self.mallory])
        self.mallory.trust(carol)
        self.network.get(carol.chat.join(LABEL))
        add = SignedEntry.decode(heard(self.bob, UserAdded)[-1].entry).entry.detail
        assert isinstance(add, Add)
        self.network.get(carol.chat.leave(room(carol)))
        self.network.turn(10)
        where, me = room(self.mallory), self.mallory.identity
        self.assertIn((add.consent_epoch, add.consent_head), where.log.heads)
        signed, _ = adding(where, me.bundle, me, add)
        place = room(self.bob).place
        self.network.tell(self.bob, landing(room(self.bob), signed))
        self.assertEqual(reasons(self.bob), [Reason.BAD_ENTRY])
        self.assertEqual(room(self.bob).place, place)
        self.assertNotIn(carol.fingerprint, room(self.bob).log.membership.index)


class WrongSlices(RemovalCase):
    """C4, for everybody at once: the author of new keys gives another secret to some."""

    def renew(self, sealed: bytes | None) -> None:
        """Let Mallory renew her keys, with *sealed* as Bob's slice; None: of another secret."""

        def cheat(line: Slices) -> list[Slices]:
            entry = SignedEntry.decode(said(self.mallory, Begin)[-1].entry).entry
            row = room(self.bob).roster[1]
            leaf = XWing(room(self.bob)._keys.leaf.secret).public
            bobs = seal_slice(row, leaf, entry, random_bytes(32)) if sealed is None else sealed
            slices = [*slices_of(line)[:1], bobs, *slices_of(line)[2:]]
            return [attrs.evolve(line, sealed=b"".join(slices))]

        self.network.lie(Slices, cheat, by=self.mallory)
        self.network.get(self.mallory.chat.renew(room(self.mallory)))
        self.network.settle()

    def bob_is_cut_off(self) -> None:
        """Check that Bob is told by whom, takes no key, and comes back by leaving and joining."""
        (lost,) = self.bob.heard(KeysLost)
        self.assertEqual(lost.by, self.mallory.fingerprint)
        self.network.speak(self.alice, "do you hear me?")
        self.assertEqual(self.bob.heard(Message), [])
        self.network.be_honest()
        self.network.get(self.bob.chat.join(LABEL, rejoin=True))
        self.network.speak(self.alice, "and now?")
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "and now?")])
        self.assertEqual(self.alice.heard(Alarm), [])

    def test_slice_of_another_secret(self) -> None:
        """It is sealed as it has to be; but the entry's tag is not of that secret."""
        self.renew(None)
        self.bob_is_cut_off()

    def test_slice_that_is_none(self) -> None:
        """It does not open."""
        self.renew(random_bytes(SLICE))
        self.bob_is_cut_off()


class Healing(RemovalCase):
    """F10: Mallory, who is no member, has copied all of Bob's keys of the room."""

    def test_thief_is_out_once_the_leaf_key_is_new(self) -> None:
        """
        She follows whatever others do, as Bob would. Once he has renewed his leaf key she does
        not: the secret was sealed to a key that she has not seen.
        """
        keys = room(self.bob)._keys
        loot = Loot(keys.chain, (keys.leaf.secret,))
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.settle()
        entries = [self.changed(self.bob).entry]
        slices = [each for line in said(self.alice, Slices) for each in slices_of(line)]
        self.assertIn(room(self.alice)._keys.chain, loot.follow(entries, slices))
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.network.settle()
        entries.append(self.changed(self.bob).entry)
        slices += [each for line in said(self.bob, Slices) for each in slices_of(line)]
        self.assertNotIn(room(self.alice)._keys.chain, loot.follow(entries, slices))
