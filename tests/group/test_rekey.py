"""New keys: changes and their slices, and what becomes of who gets none."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import BadCiphertext, EntryRefused, KeysGone
from securechat.group.change import Change
from securechat.group.detail import Removal, Update, Why, leaf_hash
from securechat.group.entry import SignedEntry
from securechat.group.events import (
    Alarm,
    FramesMissing,
    KeysLost,
    KeysRenewed,
    MemberAdded,
    MemberRemoved,
    Reason,
    RoomEvent,
    Uncertain,
)
from securechat.group.keys import NOTHING_FRESH, EpochKeys, confirmation, epoch_secret
from securechat.group.messages import Kind
from securechat.group.slices import ABSENT, open_slice, seal_slice
from securechat.primitives import XWing, seal
from securechat.wire import SLICE
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    Member,
    adding,
    flipped,
    founded,
    proposal,
    room_of,
)
from tests.group.test_room import texts


class RekeyCase(SynchronousTestCase):
    """Alice, who founded the room, Bob and Carol."""

    def setUp(self) -> None:
        """The stream holds three entries."""
        self.stream, (self.alice, self.bob, self.carol) = room_of(ALICE, BOB, CAROL)
        self.all = (self.alice, self.bob, self.carol)

    def chains(self, *members: Member) -> int:
        """How many different keys *members* have."""
        return len({each.room._keys.chain for each in members})


class SliceTests(SynchronousTestCase):
    """What is sealed to a leaf."""

    def setUp(self) -> None:
        """A leaf, the row that names it, and an entry."""
        self.leaf = XWing.generate()
        log = founded()
        (row,) = log.membership.rows
        self.row = attrs.evolve(row, leaf_hash=leaf_hash(self.leaf.public))
        self.entry = adding(log, BOB, ALICE).entry
        self.sealed = seal_slice(self.row, self.leaf.public, self.entry, b"\7" * 32)

    def test_what_is_sealed_is_opened(self) -> None:
        """A slice has one size, and its owner finds s in it."""
        self.assertEqual(len(self.sealed), SLICE)
        self.assertEqual(open_slice(self.leaf, self.entry, self.sealed), b"\7" * 32)

    def test_it_is_for_one_entry_and_one_leaf(self) -> None:
        """Under another entry, another leaf, or with a bit changed it does not open."""
        other = attrs.evolve(self.entry, seq=self.entry.seq + 1)
        for leaf, entry, sealed in (
            (self.leaf, other, self.sealed),
            (XWing.generate(), self.entry, self.sealed),
            (self.leaf, self.entry, flipped(self.sealed, 1_000)),
            (self.leaf, self.entry, self.sealed[:-1]),
            (self.leaf, self.entry, b""),
            (self.leaf, self.entry, ABSENT),
        ):
            self.assertRaises(BadCiphertext, open_slice, leaf, entry, sealed)

    def test_a_secret_of_another_size(self) -> None:
        """What opens and is not 32 bytes is no secret."""
        sealed = seal(self.leaf.public, "rekey", self.entry.hash, bytes(31))
        self.assertRaises(BadCiphertext, open_slice, self.leaf, self.entry, sealed)

    def test_a_leaf_that_is_not_the_rows(self) -> None:
        """A relay that shows another key, or none, gets nothing sealed to it."""
        for leaf in (XWing.generate().public, b"", bytes(1216)):
            self.assertEqual(seal_slice(self.row, leaf, self.entry, bytes(32)), ABSENT)

    def test_a_leaf_that_is_no_key(self) -> None:
        """Whoever has put junk on the roster gets no slice, and stops nobody else's."""
        junk = b"\xff" * 1216
        row = attrs.evolve(self.row, leaf_hash=leaf_hash(junk))
        self.assertEqual(seal_slice(row, junk, self.entry, bytes(32)), ABSENT)


class ChangeTests(RekeyCase):
    """What an author makes."""

    def kick(self) -> Change:
        """Alice's change that removes Carol."""
        return self.alice.room.remove([Removal(CAROL.fingerprint, Why.KICKED)])

    def test_nothing_changes_before_it_lands(self) -> None:
        """The author takes its own entry from the stream, like everybody."""
        place = self.alice.room.place
        self.kick()
        self.alice.room.update()
        self.assertEqual(self.alice.room.place, place)
        self.stream.say(self.alice, "hello")
        self.assertEqual(texts(self.bob.heard), ["hello"])

    def test_who_gets_slices(self) -> None:
        """Each row of the new roster, in its order, the author too; none for a reform."""
        change = self.kick()
        self.assertEqual(change.rows, self.alice.room.roster[:2])
        self.assertEqual(len(list(change.slices([b"", b""]))), 2)
        self.assertEqual(len(self.bob.room.update().rows), 3)
        room = self.alice.room
        reform = room.reform(room.log.membership.policy, [ALICE.fingerprint], [])
        self.assertEqual((reform.rows, list(reform.slices([]))), ((), []))

    def test_slices_for_the_keys_that_are_there(self) -> None:
        """Where a key is not to be had there is an empty slice in its place."""
        change = self.kick()
        keys = [self.stream.leaves[row.leaf_hash] for row in change.rows]
        self.assertNotIn(ABSENT, list(change.slices(keys)))
        one, other = change.slices([keys[0], b""])
        self.assertNotEqual(one, ABSENT)
        self.assertEqual(other, ABSENT)

    def test_the_author_knows_its_own_key(self) -> None:
        """A relay that gives no right key for anybody does not make the author lose its keys."""
        change = self.kick()
        own, other = change.slices([b"", self.stream.leaves[change.rows[0].leaf_hash]])
        self.assertEqual(other, ABSENT)
        self.alice.feed(4, change.signed.encode(), own)
        self.assertFalse(self.alice.room.stuck)

    def test_as_many_keys_as_rows(self) -> None:
        """To forget one is a mistake of the program."""
        self.assertRaises(ValueError, list, self.kick().slices([b""]))

    def test_no_secret_is_in_a_repr(self) -> None:
        """The fresh secret does not show in logs."""
        change = self.kick()
        self.assertNotIn(repr(change._fresh)[2:10], repr(change))
        self.assertIn("Table", repr(self.alice.room._keys.secrets))

    def test_every_change_has_its_own_secret(self) -> None:
        """Two changes by the same entry's content have two keys."""
        one, other = self.kick(), self.kick()
        self.assertEqual(one.signed.entry, other.signed.entry)
        self.assertNotEqual(one.signed.tag, other.signed.tag)

    def test_who_may_not(self) -> None:
        """What the rules forbid is not made."""
        self.assertRaises(
            EntryRefused, self.bob.room.remove, [Removal(CAROL.fingerprint, Why.KICKED)]
        )


class UpdateTests(RekeyCase):
    """A new leaf."""

    def test_all_have_new_keys_and_its_author_a_new_leaf(self) -> None:
        """Everybody reads on, and is told whose leaf is new."""
        old = self.bob.room._keys.leaf.secret
        self.assertEqual(self.bob.room.leaf_epoch, 2)
        self.stream.update(self.bob)
        self.assertEqual(self.chains(*self.all), 1)
        for member in self.all:
            self.assertEqual(member.of(KeysRenewed), [KeysRenewed(LABEL, BOB.fingerprint, 4)])
        leaf = self.bob.room._keys.leaf
        self.assertNotEqual(leaf.secret, old)
        self.assertEqual(leaf_hash(leaf.public), self.alice.room.roster[1].leaf_hash)
        self.assertEqual(self.bob.room.leaf_epoch, 4)
        for member in self.all:
            self.stream.say(member, "still here")
        self.assertEqual(len(texts(self.carol.heard)), 2)

    def test_again_and_again(self) -> None:
        """Each update stands on the one before, whoever makes it."""
        for member in (self.alice, self.carol, self.alice, self.bob):
            self.stream.update(member)
        self.assertEqual(self.chains(*self.all), 1)
        self.assertFalse(any(each.room.stuck for each in self.all))

    def test_an_update_that_lost_a_race(self) -> None:
        """Its leaf is dropped with the head that it stood on, and the old one serves on."""
        self.bob.room.update()
        old = self.bob.room._keys.leaf.secret
        self.assertIn("next", self.bob.room._keys.secrets)
        self.stream.admit(DAVE, self.alice)
        self.assertNotIn("next", self.bob.room._keys.secrets)
        self.assertEqual(self.bob.room._keys.leaf.secret, old)
        self.stream.update(self.alice)
        self.assertFalse(self.bob.room.stuck)
        self.stream.update(self.bob)
        self.assertFalse(self.bob.room.stuck)

    def test_an_update_that_is_tried_again_on_one_head(self) -> None:
        """The same leaf: whichever of the entries lands, it is there."""
        one, other = self.bob.room.update(), self.bob.room.update()
        self.assertEqual(one.signed.entry.detail, other.signed.entry.detail)
        self.stream.land(one)
        self.assertFalse(self.bob.room.stuck)

    def test_an_entry_that_does_not_hold_drops_nothing(self) -> None:
        """Only what lands on the head ends a pending update."""
        change = self.bob.room.update()
        self.bob.feed(self.stream.seq + 1, b"junk")
        self.stream.items.append(b"junk")
        for member in (self.alice, self.carol):
            member.feed(self.stream.seq, b"junk")
        self.stream.land(change)
        self.assertFalse(self.bob.room.stuck)

    def test_an_update_by_somebody_who_has_the_identity(self) -> None:
        """An own update that was not made here: its slice is for another leaf."""
        leaf = XWing.generate()
        self.bob.room._keys.secrets["next"] = leaf.secret
        change = self.bob.room.update()
        del self.bob.room._keys.secrets["next"]
        self.stream.land(change)
        self.assertEqual(self.bob.heard[-1], KeysLost(LABEL, BOB.fingerprint, 4))


class StuckTests(RekeyCase):
    """Who gets no slice, or a wrong one."""

    def landed(self, author: Member, sealed: bytes | None) -> list[RoomEvent]:
        """An update by *author* lands, and Carol gets *sealed* for her slice. What she is told."""
        change = author.room.update()
        slices = self.stream.sealed(change)
        if sealed is None:
            del slices[CAROL.fingerprint]
        else:
            slices[CAROL.fingerprint] = sealed
        heard = len(self.carol.heard)
        self.stream.append(change.signed.encode(), slices)
        return self.carol.heard[heard:]

    def stuck(self, events: list[RoomEvent], by: bytes, seq: int) -> None:
        """Carol is told who wrote the entry, and has no key any more."""
        self.assertEqual(events[-1], KeysLost(LABEL, by, seq))
        self.assertTrue(self.carol.room.stuck)
        self.assertIsNone(self.carol.room.gone)
        keys = self.carol.room._keys
        self.assertEqual((dict(keys.secrets), dict(keys.ratchets)), ({}, {}))

    def test_no_slice(self) -> None:
        """A relay that withholds it, or lost it."""
        self.stuck(self.landed(self.bob, None), BOB.fingerprint, 4)

    def test_an_empty_slice(self) -> None:
        """An author who did not get the leaf key."""
        self.stuck(self.landed(self.bob, ABSENT), BOB.fingerprint, 4)

    def test_a_slice_that_does_not_open(self) -> None:
        """Junk, from whomever."""
        self.stuck(self.landed(self.bob, b"\5" * SLICE), BOB.fingerprint, 4)

    def test_a_slice_with_another_secret(self) -> None:
        """It opens, and the tag shows that everybody else has another one."""
        change = self.bob.room.update()
        slices = self.stream.sealed(change)
        row = change.rows[2]
        leaf = self.stream.leaves[row.leaf_hash]
        slices[CAROL.fingerprint] = seal_slice(row, leaf, change.signed.entry, bytes(32))
        self.stream.append(change.signed.encode(), slices)
        self.stuck(self.carol.heard, BOB.fingerprint, 4)
        self.assertEqual(self.chains(self.alice, self.bob), 1)

    def test_a_slice_of_another_entry(self) -> None:
        """A relay that hands out an old slice again."""
        self.stream.update(self.alice)
        old = self.stream.slices[4][CAROL.fingerprint]
        self.stuck(self.landed(self.bob, old), BOB.fingerprint, 5)

    def test_a_tag_of_another_key(self) -> None:
        """Where s is fresh nobody can know the key without the tag: all stop, and say by whom."""
        change = self.bob.room.update()
        signed = SignedEntry.make(change.signed.entry, bytes(32), BOB)
        self.stream.append(signed.encode(), self.stream.sealed(change))
        for member in self.all:
            self.assertEqual(member.heard[-1], KeysLost(LABEL, BOB.fingerprint, 4))

    def test_the_log_is_followed_all_the_same(self) -> None:
        """Entries are taken on their signatures, of every type; frames are folded, and not read."""
        self.landed(self.bob, None)
        heard = len(self.carol.heard)
        self.stream.say(self.alice, "not for Carol")
        self.stream.admit(DAVE, self.bob)
        self.stream.update(self.alice)
        self.stream.reform(self.alice, moderators=[self.bob])
        self.stream.remove(self.alice, self.bob)
        self.stream.say(self.alice, "nor this")
        room = self.carol.room
        self.assertEqual(room.place, self.alice.room.place)
        self.assertEqual(room.roster, self.alice.room.roster)
        self.assertEqual(room._transcript.newest, self.alice.room._transcript.newest)
        self.assertEqual(texts(self.carol.heard), [])
        self.assertEqual(self.carol.of(KeysLost), self.carol.heard[heard - 1 : heard])
        self.assertEqual(len(self.carol.of(MemberAdded)), 2)
        self.assertEqual(len(self.carol.of(MemberRemoved)), 1)
        self.assertEqual(room.alarms, [])

    def test_it_still_sees_what_the_relay_does(self) -> None:
        """Numbers left out, and junk, show without any key."""
        self.landed(self.bob, None)
        self.assertEqual(self.carol.feed(6, self.alice.said("x")), [FramesMissing(LABEL, 5, 5)])
        (alarm,) = self.carol.feed(7, b"junk")
        self.assertEqual(alarm, Alarm(LABEL, Reason.BAD_ENTRY, None, 7))

    def test_it_can_do_nothing_that_takes_a_key(self) -> None:
        """Neither say, vouch, remove, renew nor reform."""
        late = proposal(DAVE, self.carol)
        self.carol.room.say(Kind.TEXT, b"lost")
        self.landed(self.bob, None)
        room = self.carol.room
        self.assertEqual((room.unsent, room.held, len(room.outgoing)), (0, 0, 0))
        self.assertRaises(KeysGone, room.say, Kind.TEXT, b"hello")
        calls: list[Any] = [
            lambda: room.propose(late.entry.detail),  # type: ignore[arg-type]  # an Add
            lambda: room.remove([Removal(BOB.fingerprint, Why.KICKED)]),
            lambda: room.update(),
            lambda: room.reform(room.log.membership.policy, [CAROL.fingerprint], []),
        ]
        for call in calls:
            self.assertRaises(EntryRefused, call)
        self.assertEqual(room.caught_up(self.stream.seq), [])
        self.assertFalse(room.outgoing)

    def test_a_slice_where_none_is_due(self) -> None:
        """A relay that gives one with an add is not listened to."""
        signed = proposal(DAVE, self.bob)
        self.stream.append(signed.encode(), {CAROL.fingerprint: b"\5" * SLICE})
        self.assertFalse(self.carol.room.stuck)
        self.assertEqual(self.chains(*self.all), 1)


class KeyTests(RekeyCase):
    """Which keys there are after it."""

    def test_the_schedule(self) -> None:
        """es = Expand(Extract(chain, s), …) with the s of the slices, and the tag is of es."""
        chain = self.alice.room._keys.chain
        change = self.bob.room.update()
        secret = epoch_secret(chain, change._fresh, change.signed.entry)
        self.assertEqual(change.signed.tag, confirmation(secret, change.signed.entry))
        assert isinstance(change.signed.entry.detail, Update)
        row = change.rows[1]
        self.assertEqual(row.leaf_hash, leaf_hash(change.signed.entry.detail.leaf))
        self.stream.land(change)
        self.assertNotEqual(self.alice.room._keys.chain, chain)

    def test_the_old_chain_is_not_enough(self) -> None:
        """Without s the key does not follow: who has only the chain derives another."""
        chain = self.alice.room._keys.chain
        self.stream.remove(self.alice, self.carol)
        entry = self.alice.room.log.newest
        guess = EpochKeys.of(epoch_secret(chain, NOTHING_FRESH, entry), [])
        self.assertNotEqual(guess.chain, self.alice.room._keys.chain)


class UncertainTests(RekeyCase):
    """What became of a message that may be among the missing numbers."""

    def test_after_an_entry(self) -> None:
        """Nobody can know, so it is not said again; what was said after the gap is."""
        self.bob.room.say(Kind.TEXT, b"perhaps")
        self.assertEqual(self.bob.room.caught_up(4), [FramesMissing(LABEL, 4, 4)])
        self.bob.room.say(Kind.TEXT, b"surely")
        signed = proposal(DAVE, self.alice)
        events = self.bob.feed(5, signed.encode())
        self.assertEqual(events[-1], Uncertain(LABEL, 0, "perhaps"))
        self.assertEqual(self.bob.room.unsent, 1)
        (frame,) = self.bob.room.outgoing
        self.assertEqual((frame.header.epoch, frame.header.n), (4, 0))

    def test_while_the_epoch_lasts_the_same_bytes_do_no_harm(self) -> None:
        """A relay that has the frame drops it, so it is sent again; if it was lost, it arrives."""
        frame = self.bob.said("perhaps")
        self.bob.room.caught_up(4)
        self.assertEqual(list(self.bob.room.outgoing), [frame])
        self.assertEqual(len(self.bob.feed(5, frame)), 1)
        self.assertEqual(self.bob.room.unsent, 0)

    def test_a_later_frame_settles_it(self) -> None:
        """The relay takes each n once and in order: what comes before a later one has come."""
        self.bob.said("perhaps")
        self.bob.room.caught_up(4)
        later = self.bob.said("surely")
        events = self.bob.feed(5, later)
        self.assertEqual([type(each).__name__ for each in events], ["Uncertain", "Delivered"])
        self.assertEqual((events[0], self.bob.room.unsent), (Uncertain(LABEL, 0, "perhaps"), 0))

    def test_without_a_gap_nothing_is_uncertain(self) -> None:
        """A relay that shows a later frame first has left one out; it is not forgotten here."""
        self.bob.said("one")
        events = self.bob.feed(4, self.bob.said("two"))
        self.assertEqual(len(events), 1)
        self.assertEqual(self.bob.room.unsent, 1)

    def test_a_gap_in_an_earlier_epoch(self) -> None:
        """What was missing before an entry holds nothing of what was said after it."""
        self.bob.room.caught_up(4)
        signed = proposal(DAVE, self.alice)
        self.bob.feed(5, signed.encode())
        self.bob.room.say(Kind.TEXT, b"surely")
        for member in (self.alice, self.carol):
            member.room.caught_up(4)
            member.feed(5, signed.encode())
        again = self.carol.room.update()
        self.stream.items = [b""] * 5
        keys = [self.stream.leaves.get(row.leaf_hash, b"") for row in again.rows]
        sealed = list(again.slices(keys))[1]
        events = self.bob.feed(6, again.signed.encode(), sealed)
        self.assertNotIn(Uncertain, map(type, events))
        self.assertEqual(self.bob.room.unsent, 1)


class RestoreTests(RekeyCase):
    """What a relay from an old backup can be given."""

    def test_entries_after_a_head(self) -> None:
        """Each later entry with its number; nothing after the newest."""
        room = self.alice.room
        heads = dict(room.log.heads)
        self.stream.say(self.bob, "between")
        self.stream.update(self.bob)
        entries = room.entries_after(1, heads[1])
        assert entries is not None
        self.assertEqual([seq for seq, _ in entries], [2, 3, 5])
        self.assertEqual([each for _, each in entries], list(room.log.recent[1:]))
        self.assertEqual(room.entries_after(room.log.epoch, room.log.head), [])

    def test_a_head_that_is_not_known(self) -> None:
        """Another head, or one that is too old: the relay's log is another."""
        room = self.alice.room
        self.assertIsNone(room.entries_after(2, room.log.head))
        self.assertIsNone(room.entries_after(9, room.log.head))
        first = room.log.head
        for _ in range(16):
            self.stream.update(self.bob)
        self.assertIsNone(room.entries_after(3, first))
        self.assertEqual(len(room._landed), 16)

    def test_entries_from_before_ones_own(self) -> None:
        """A newcomer has never heard their numbers."""
        room = self.carol.room
        heads = dict(room.log.heads)
        self.assertIsNone(room.entries_after(1, heads[1]))
        entries = room.entries_after(2, heads[2])
        assert entries is not None
        self.assertEqual(entries, [(3, room.log.recent[-1])])
