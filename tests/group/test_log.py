"""The membership log: every rule that an entry can break, and what a newcomer believes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, decode, encode
from securechat.errors import EncodingError, EntryRefused, StaleEntry
from securechat.group.admission import Place
from securechat.group.entry import ZERO, SignedEntry
from securechat.group.log import CONSENT_WINDOW, MAX_SNAPSHOT, Log
from securechat.group.roster import Membership, Policy, Vouchers
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    adding,
    consenting,
    flipped,
    founded,
    grown,
    place_of,
    resigned,
)
from tests.group.test_entry import places, replaced

ONE = b"\1" * 32


class RefusedTests(SynchronousTestCase):
    """What tests of refusals share."""

    def refused(self, why: str, call: Callable[..., Log], *args: object) -> None:
        """The call raises `EntryRefused` with *why* in its words."""
        self.assertIn(why, str(self.assertRaises(EntryRefused, call, *args)))


class FoundingTests(RefusedTests):
    """The create entry."""

    def create(self, **changes: Any) -> SignedEntry:
        """Alice's create entry, with *changes* under her signature."""
        signed = founded().recent[0]
        return SignedEntry.make(attrs.evolve(signed.entry, **changes), signed.tag, ALICE)

    def test_a_room_begins_with_its_founder(self) -> None:
        """The create entry's hash is the room; its author is the one row and the owner."""
        signed = self.create()
        log = Log.founded(signed)
        self.assertEqual((log.room, log.label, log.epoch), (signed.head, LABEL, 1))
        self.assertEqual((log.head, log.newest), (signed.head, signed.entry))
        self.assertEqual(log.membership.owners, (ALICE.fingerprint,))
        (row,) = log.membership.rows
        self.assertEqual((row.fingerprint, row.voucher), (ALICE.fingerprint,) * 2)
        self.assertEqual(log.heads, ((1, signed.head),))

    def test_a_create_entry_stands_on_nothing(self) -> None:
        """Room, epoch, prev, seq and T are fixed."""
        for changes in (
            {"room": ONE},
            {"epoch": 2},
            {"epoch": 0},
            {"prev": ONE},
            {"seq": 1},
            {"transcript": ONE},
        ):
            self.refused("stands on nothing", Log.founded, self.create(**changes))

    def test_a_founder_signs_for_itself(self) -> None:
        """Nobody founds a room in somebody else's name, nor by somebody else's signature."""
        self.refused("adds its author", Log.founded, self.create(author=BOB.fingerprint))
        forged = resigned(self.create(), MALLORY)
        self.refused("signature", Log.founded, forged)
        changed = attrs.evolve(self.create(), tag=ONE)
        self.refused("signature", Log.founded, changed)

    def test_the_state_hash_covers_the_policy(self) -> None:
        """A founder's entry with the state hash of another policy is refused."""
        other = founded(policy=Policy(Vouchers.MODERATORS)).newest.state_hash
        self.refused("state hash", Log.founded, self.create(state_hash=other))

    def test_a_log_does_not_begin_with_an_add(self) -> None:
        """An add entry makes no room."""
        self.refused("begins with a create", Log.founded, adding(founded(), BOB, ALICE))


class AddTests(RefusedTests):
    """What may follow."""

    def setUp(self) -> None:
        """Alice founded the room and Bob is in it."""
        self.log = founded()
        self.log = self.log.after(adding(self.log, BOB, ALICE))
        self.good = adding(self.log, CAROL, BOB)

    def changed(self, **changes: Any) -> SignedEntry:
        """Bob's good entry for Carol, with *changes* under his signature."""
        return resigned(self.good, BOB, **changes)

    def test_a_member_adds_a_newcomer(self) -> None:
        """The newcomer's row is the last, names its voucher, and the head moves on."""
        log = self.log.after(self.good)
        row = log.membership.rows[-1]
        self.assertEqual((row.fingerprint, row.voucher), (CAROL.fingerprint, BOB.fingerprint))
        self.assertEqual((row.leaf_epoch, log.epoch, log.head), (3, 3, self.good.head))
        self.assertEqual((log.room, log.label), (self.log.room, LABEL))
        self.assertEqual(len(self.log.membership.rows), 2, "a log is immutable")

    def test_a_room_is_created_once(self) -> None:
        """Neither the same create entry follows, nor another one, nor one that would fit."""
        for create in (self.log.recent[0], founded(BOB).recent[0]):
            self.refused("another room", self.log.after, create)
        create = self.changed(detail=self.log.created.entry.detail)
        self.refused("created once", self.log.after, create)

    def test_entries_of_another_room(self) -> None:
        """An entry is for the room that it names."""
        self.refused("another room", self.log.after, self.changed(room=ONE))

    def test_an_entry_that_does_not_stand_on_the_head(self) -> None:
        """Who came second is told so, which is not the same as being refused."""
        self.assertRaises(StaleEntry, self.log.after, self.changed(prev=ONE))
        self.assertRaises(StaleEntry, self.log.after(self.good).after, self.good)
        self.assertRaises(StaleEntry, self.log.after, self.log.recent[-1])

    def test_epochs_count_entries(self) -> None:
        """An entry's epoch is the next number."""
        for epoch in (0, 2, 4):
            self.refused("epoch", self.log.after, self.changed(epoch=epoch))

    def test_a_wild_view_of_the_stream_jams_no_room(self) -> None:
        """What an author claims to have seen binds nobody who comes after it."""
        log = self.log.after(self.changed(seq=MAX_INTEGER))
        self.assertEqual(log.after(resigned(adding(log, DAVE, ALICE), ALICE, seq=3)).epoch, 4)

    def test_strangers_add_nobody(self) -> None:
        """The author is on the roster."""
        self.refused("not a member", self.log.after, adding(self.log, CAROL, MALLORY))
        self.refused("not a member", self.log.after, adding(self.log, CAROL, CAROL))

    def test_policy_says_who_vouches(self) -> None:
        """Where only owners and moderators vouch, another member's entry is refused."""
        log = founded(policy=Policy(Vouchers.MODERATORS))
        log = log.after(adding(log, BOB, ALICE))
        self.refused("may not vouch", log.after, adding(log, CAROL, BOB))
        self.assertEqual(log.after(adding(log, CAROL, ALICE)).epoch, 3)

    def test_nobody_is_added_twice(self) -> None:
        """Who is on the roster is not added again."""
        self.refused("already", self.log.after, adding(self.log, BOB, ALICE))
        self.refused("already", self.log.after, adding(self.log, ALICE, ALICE))

    def test_a_full_room_stays_as_it_is(self) -> None:
        """The policy's maximum holds."""
        log = founded(policy=Policy(roster_maximum=2))
        log = log.after(adding(log, BOB, ALICE))
        self.refused("full", log.after, adding(log, CAROL, ALICE))

    def test_signatures_are_the_authors(self) -> None:
        """Another member's signature does not hold for the author, nor one for another tag."""
        self.refused("signature", self.log.after, resigned(self.good, ALICE))
        self.refused("signature", self.log.after, attrs.evolve(self.good, tag=ONE))

    def test_the_newcomer_has_agreed(self) -> None:
        """C2: a voucher cannot add somebody who did not sign a consent to just this."""
        add = consenting(CAROL, place_of(self.log), BOB)
        forged = attrs.evolve(add, consent=consenting(MALLORY, place_of(self.log), BOB).consent)
        self.refused("did not agree", self.log.after, self.changed(detail=forged))

    def test_consent_names_the_voucher(self) -> None:
        """What was agreed with Alice does not let Bob add Carol."""
        add = consenting(CAROL, place_of(self.log), ALICE)
        self.refused("did not agree", self.log.after, self.changed(detail=add))

    def test_consent_names_the_room(self) -> None:
        """C7: a consent from another room is of no use in this one, even at the same head."""
        add = consenting(CAROL, Place(ONE, self.log.epoch, self.log.head), BOB)
        self.refused("did not agree", self.log.after, self.changed(detail=add))

    def test_consent_to_a_head_that_never_was(self) -> None:
        """Epoch and head of a consent are both those of one entry."""
        for place in (
            Place(self.log.room, self.log.epoch, ONE),
            Place(self.log.room, 1, self.log.head),
            Place(self.log.room, self.log.epoch + 1, self.log.head),
            Place(self.log.room, 0, ZERO),
        ):
            self.refused("too old", self.log.after, adding(self.log, CAROL, BOB, place))

    def test_state_hash_is_of_the_roster_after_it(self) -> None:
        """The state hash of the roster before, or of any other, is refused."""
        self.refused(
            "state hash", self.log.after, self.changed(state_hash=self.log.membership.hash)
        )
        self.refused("state hash", self.log.after, self.changed(state_hash=ONE))

    @given(st.data())
    def test_any_changed_field_is_refused(self, data: st.DataObject) -> None:
        """Whatever single field of a valid entry is another one, the entry does not follow."""
        value = self.good.value()
        path = data.draw(st.sampled_from([each for each in places(value) if each]))
        old = value
        for at in path:
            old = old[at]
        match old:
            case int():
                new: object = data.draw(st.integers(0, MAX_INTEGER).filter(lambda n: n != old))
            case bytes():
                new = flipped(old, data.draw(st.integers(0, len(old) - 1)))
            case _:
                new = []
        try:
            signed = SignedEntry.of(replaced(value, path, new))
        except EncodingError:
            return  # it is no entry any more
        self.assertRaises((EntryRefused, StaleEntry), self.log.after, signed)


class ConsentWindowTests(RefusedTests):
    """How long a consent holds."""

    def test_consent_holds_while_its_head_is_one_of_the_last_16(self) -> None:
        """At the oldest of the last 16 heads it is good; at the one before it is not."""
        log = founded()
        heads = [place_of(log)]
        for _ in range(CONSENT_WINDOW + 3):
            log = grown(log, 1)
            heads.append(place_of(log))
        self.assertEqual(len(log.heads), CONSENT_WINDOW)
        for place in heads[-CONSENT_WINDOW:]:
            self.assertEqual(log.after(adding(log, BOB, ALICE, place)).epoch, log.epoch + 1)
        for place in heads[:-CONSENT_WINDOW]:
            self.refused("too old", log.after, adding(log, BOB, ALICE, place))

    def test_only_the_last_16_entries_are_kept(self) -> None:
        """However long a log grows, the state after it has 16 entries."""
        log = grown(founded(), CONSENT_WINDOW + 3)
        self.assertEqual(len(log.recent), CONSENT_WINDOW)
        self.assertEqual(log.recent[-1].entry.epoch, CONSENT_WINDOW + 4)


class SnapshotTests(RefusedTests):
    """What the newcomer takes from the relay, and what of it is believed."""

    def entering(self, length: int, place: int = -1) -> tuple[Log, SignedEntry]:
        """The log of *length* entries, the last of which adds Bob, who agreed at *place*."""
        logs = [founded()]
        while len(logs) < length - 1:
            logs.append(grown(logs[-1], 1))
        signed = adding(logs[-1], BOB, ALICE, place_of(logs[place]))
        return logs[-1].after(signed), signed

    def test_newcomers_know_what_members_know(self) -> None:
        """In short rooms and in long ones the log that was entered is the members' own."""
        for length in (2, 3, 15, 16, 17, 18, 40):
            log, signed = self.entering(length)
            self.assertEqual(Log.entered(LABEL, signed, log.snapshot()), log)

    def test_consent_at_any_head_that_still_holds(self) -> None:
        """A newcomer whose voucher was overtaken by others comes in all the same."""
        for length in (16, 17, 18, 30):
            for place in range(-min(CONSENT_WINDOW, length - 1), 0):
                log, signed = self.entering(length, place)
                self.assertEqual(Log.entered(LABEL, signed, log.snapshot()), log)

    def snapshot(
        self,
        log: Log,
        membership: Membership | None = None,
        recent: tuple[SignedEntry, ...] | None = None,
    ) -> bytes:
        """The snapshot of *log*, with another membership or other entries in it."""
        return attrs.evolve(
            log,
            membership=membership or log.membership,
            recent=log.recent if recent is None else recent,
        ).snapshot()

    def test_another_roster_is_refused(self) -> None:
        """F5, D1: what the relay adds to, takes from or changes in the roster shows."""
        log, signed = self.entering(4)
        rows = log.membership.rows
        add = consenting(MALLORY, place_of(log), ALICE)
        more = add.subject.row(5, ALICE.fingerprint)
        for lie in (
            attrs.evolve(log.membership, rows=rows[1:]),
            attrs.evolve(log.membership, rows=rows[::-1]),
            attrs.evolve(log.membership, rows=(more, *rows[1:])),
            attrs.evolve(log.membership, rows=(*rows, more)),
            attrs.evolve(log.membership, owners=(MALLORY.fingerprint,)),
            attrs.evolve(log.membership, policy=Policy(roster_maximum=5)),
            attrs.evolve(log.membership, rows=()),
        ):
            self.refused("state hash", Log.entered, LABEL, signed, self.snapshot(log, lie))

    def test_another_past_is_refused(self) -> None:
        """Entries left out, added, exchanged, or of another room: they do not lead here."""
        log, signed = self.entering(20)
        recent = log.recent
        other = grown(founded(label="other"), 17)
        for lie in (
            (),
            recent[1:],
            recent[:-1],
            recent[::-1],
            (recent[0], *recent),
            (*recent[:-1], recent[-2]),
            (recent[0], recent[2], recent[1], *recent[3:]),
            (*other.recent[:8], *recent[8:]),
            (*recent[:-1], adding(log, CAROL, ALICE)),
        ):
            self.refused(
                "entries before it", Log.entered, LABEL, signed, self.snapshot(log, None, lie)
            )

    def test_a_changed_entry_in_the_past_is_refused(self) -> None:
        """A single bit of an earlier entry, its tag or its signature breaks the chain."""
        log, signed = self.entering(5)
        for at in range(len(log.recent) - 1):
            for changed in (
                attrs.evolve(log.recent[at], tag=ONE),
                attrs.evolve(log.recent[at], signature=bytes(64)),
                resigned(log.recent[at], ALICE, seq=99),
            ):
                lie = (*log.recent[:at], changed, *log.recent[at + 1 :])
                self.assertRaises(
                    EntryRefused, Log.entered, LABEL, signed, self.snapshot(log, None, lie)
                )

    def test_a_past_whose_epochs_do_not_count_is_refused(self) -> None:
        """A voucher that makes up a past has to number it, entry by entry."""
        log, signed = self.entering(20)
        for epoch, refused in ((log.recent[0].entry.epoch, False), (99, True)):
            past = [resigned(log.recent[0], ALICE, epoch=epoch)]
            for each in log.recent[1:-1]:
                past.append(resigned(each, ALICE, prev=past[-1].head))
            add = consenting(BOB, Place(log.room, signed.entry.epoch - 1, past[-1].head), ALICE)
            entrance = resigned(signed, ALICE, prev=past[-1].head, detail=add)
            snapshot = self.snapshot(log, None, (*past, entrance))
            if refused:
                self.refused("do not lead", Log.entered, LABEL, entrance, snapshot)
            else:
                self.assertEqual(Log.entered(LABEL, entrance, snapshot).head, entrance.head)

    def test_snapshots_that_are_none(self) -> None:
        """Malformed bytes raise `EncodingError`, and too many are not even looked at."""
        log, signed = self.entering(3)
        good = log.snapshot()
        for bad in (b"", good[:-1], good + b"\0", encode(*decode(good), 0), encode([], [])):
            self.assertRaises(EncodingError, Log.entered, LABEL, signed, bad)
        error = self.assertRaises(
            EncodingError, Log.entered, LABEL, signed, bytes(MAX_SNAPSHOT + 1)
        )
        self.assertIn("too long", str(error))

    def test_the_room_is_the_one_that_was_founded(self) -> None:
        """The create entry's hash is the room that the newcomer's entry names."""
        log = founded()
        other = attrs.evolve(log, room=ONE)
        signed = adding(other, BOB, ALICE)
        after = attrs.evolve(
            log, membership=other.after(signed).membership, recent=(*log.recent, signed)
        )
        self.refused("founded", Log.entered, LABEL, signed, after.snapshot())

    def test_the_room_has_the_label_that_was_asked_for(self) -> None:
        """A relay that leads who wants #other to #lobby shows a create entry that says so."""
        for length in (3, 20):
            log, signed = self.entering(length)
            self.refused("founded", Log.entered, "other", signed, log.snapshot())

    def test_the_beginning_is_the_create_entry(self) -> None:
        """A past that is as long as the room's, but begins otherwise, is not the room's."""
        log, signed = self.entering(3)
        other = founded(label="elsewhere")
        past = [other.created]
        for each in log.recent[1:-1]:
            past.append(resigned(each, ALICE, prev=past[-1].head))
        add = consenting(BOB, Place(log.room, signed.entry.epoch - 1, past[-1].head), ALICE)
        entrance = resigned(signed, ALICE, prev=past[-1].head, detail=add)
        snapshot = self.snapshot(log, None, (*past, entrance))
        self.refused("another beginning", Log.entered, LABEL, entrance, snapshot)

    def test_newcomers_do_not_enter_by_a_create_entry(self) -> None:
        """A create entry that adds somebody alone is no entrance."""
        log = founded()
        self.refused("founded", Log.entered, LABEL, log.recent[0], log.snapshot())

    def test_newcomers_check_their_own_entry_like_everybody(self) -> None:
        """
        A voucher cannot sign a roster without the newcomer, with itself missing, or over a
        consent that is too old: members would refuse it, and so does the newcomer.
        """
        before = founded()
        good = adding(before, BOB, ALICE)
        membership = before.after(good).membership
        rows = membership.rows

        def lied(membership: Membership, **changes: Any) -> tuple[SignedEntry, bytes]:
            signed = resigned(good, ALICE, state_hash=membership.hash, **changes)
            return signed, self.snapshot(before, membership, (before.recent[0], signed))

        carol = consenting(CAROL, place_of(before), ALICE)
        for roster in (
            attrs.evolve(membership, rows=rows[:1]),
            attrs.evolve(membership, rows=rows[1:]),
            attrs.evolve(membership, rows=rows[::-1]),
            attrs.evolve(membership, rows=()),
            attrs.evolve(membership, rows=(*rows, carol.subject.row(2, ALICE.fingerprint))),
            attrs.evolve(membership, rows=(rows[0], rows[1], rows[1])),
            attrs.evolve(membership, policy=Policy(roster_maximum=1)),
            attrs.evolve(membership, policy=Policy(Vouchers.MODERATORS), owners=()),
        ):
            signed, snapshot = lied(roster)
            self.assertRaises(EntryRefused, Log.entered, LABEL, signed, snapshot)
        add = consenting(BOB, Place(before.room, 7, before.head), ALICE)
        signed, snapshot = lied(membership, detail=add)
        self.assertRaises(EntryRefused, Log.entered, LABEL, signed, snapshot)
        signed, snapshot = lied(membership)
        self.assertEqual(Log.entered(LABEL, signed, snapshot).head, signed.head)

    def test_an_entry_of_epoch_zero_is_no_entrance(self) -> None:
        """A voucher's nonsense is refused, and is not an accident."""
        log, signed = self.entering(2)
        for epoch in (0, 1):
            lie = resigned(signed, ALICE, epoch=epoch)
            for recent in ((), (lie,), (log.recent[0], lie)):
                self.assertRaises(
                    EntryRefused, Log.entered, LABEL, lie, self.snapshot(log, None, recent)
                )
