"""The numbered streams of rooms: what is so in memory and on disk."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import StaleEntry
from securechat.group.entry import ZERO
from securechat.relay.history import MAX_SLICES, IHistory, Item
from securechat.relay.memory import MemoryHistory
from securechat.relay.retention import Retention
from securechat.relay.sqlite import SQLiteHistory
from tests.relay.histories import (
    ALICE,
    BOB,
    OTHER,
    ROOM,
    WIDTH,
    Listener,
    frame,
    head,
    landing,
    seqs,
    singly,
)

DAY = 86_400

SIZES = st.lists(st.integers(1, 60), max_size=80)


class Behaviours(SynchronousTestCase):
    """What every history does. The classes below say which one it is."""

    history: IHistory

    def setUp(self) -> None:
        self.begin()

    def make(self, clock: Clock, retention: Retention) -> IHistory:
        raise NotImplementedError  # each class below has its own

    def begin(self, **retention: int) -> None:
        """Begin anew with a history that keeps so much."""
        self.clock = Clock()
        self.history = self.make(self.clock, Retention(**retention))
        self.listener = Listener(self.history)

    def turn(self) -> None:
        """Let a turn of the reactor pass."""
        self.clock.advance(0)

    def found(self, room: bytes = ROOM) -> None:
        """Append the create entry of *room*."""
        self.history.append_entry(room, landing())
        self.turn()

    def say(self, *texts: bytes, room: bytes = ROOM, epoch: int = 1) -> None:
        """Append a frame for each of *texts*."""
        for text in texts:
            self.history.append_frame(room, head(epoch), frame(text))
        self.turn()

    def read(self, after: int = 0, most: int = 10_000, member: bytes = ALICE) -> Sequence[Item]:
        """Return what is read."""
        return self.successResultOf(self.history.read(ROOM, after, most, member))

    def test_an_unknown_room_is_empty(self) -> None:
        """Before the first entry the newest number is 0, and nothing is kept."""
        self.assertEqual(self.history.newest(ROOM), 0)
        self.history.append_frame(ROOM, ZERO, frame())
        self.history.skip(ROOM, 5)
        self.history.has_seen(ROOM, ALICE, 1)
        self.successResultOf(self.history.put(ROOM, "name", b"value"))
        self.history.drop(OTHER)
        self.turn()
        self.assertEqual(self.history.newest(ROOM), 0)
        self.assertEqual(self.read(), [])
        self.assertIsNone(self.successResultOf(self.history.head(ROOM, 0)))
        self.assertEqual(self.listener.events, [])

    def test_entries_and_frames_share_one_sequence(self) -> None:
        """They are read in the order of their numbers, after any number."""
        self.found()
        self.say(b"")
        self.history.append_entry(ROOM, landing(2))
        self.say(b"", epoch=2)
        self.assertEqual(self.history.newest(ROOM), 4)
        self.assertEqual(seqs(self.read()), [1, 2, 3, 4])
        self.assertEqual([item.is_entry for item in self.read()], [True, False, True, False])
        self.assertEqual(seqs(self.read(2)), [3, 4])
        self.assertEqual(self.read(4), [])
        self.assertEqual(self.read(9), [])

    def test_a_line_is_what_everybody_gets(self) -> None:
        """Verb, room, number and the rest, with its end: what is read is what was heard."""
        self.found()
        self.say(b"text")
        spelled = b"cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI"
        lines = [b"entry %b 1 1\r\n" % spelled, b"frame %b 2 text\r\n" % spelled]
        self.assertEqual([item.line for item in self.read()], lines)
        self.assertEqual([item.line for item in self.listener.heard], lines)

    def test_rooms_are_apart(self) -> None:
        """Each has its own numbers, its own log, and its own listeners."""
        other = Listener(self.history, OTHER)
        self.found()
        self.found(OTHER)
        self.say(b"", room=OTHER)
        self.assertEqual((self.history.newest(ROOM), self.history.newest(OTHER)), (1, 2))
        self.assertEqual(seqs(self.listener.heard), [1])
        self.assertEqual(seqs(other.heard), [1, 2])

    def test_who_subscribed_hears_first(self) -> None:
        """Then the Deferred fires, with the number."""
        self.listener.follow(self.history.append_entry(ROOM, landing()))
        self.turn()
        self.assertEqual(self.listener.events, [[1], 1])

    def test_nobody_has_to_listen(self) -> None:
        """What is appended is kept all the same."""
        self.history.append_entry(OTHER, landing())
        self.turn()
        self.assertEqual(self.history.newest(OTHER), 1)

    def test_of_two_entries_on_one_head_the_first_wins(self) -> None:
        """Compare and append, in one turn as in two."""
        first = self.history.append_entry(ROOM, landing())
        for _ in range(2):
            self.failureResultOf(self.history.append_entry(ROOM, landing()), StaleEntry)
            self.turn()
        self.assertEqual(self.successResultOf(first), 1)
        self.assertEqual(seqs(self.read()), [1])

    def test_a_frame_of_another_head_is_dropped(self) -> None:
        """Also where the head has changed in the same turn."""
        self.found()
        self.say(b"", epoch=2)
        self.history.append_entry(ROOM, landing(2))
        self.say(b"", epoch=1)
        self.assertEqual(seqs(self.read()), [1, 2])

    def test_heads_are_known_by_their_epoch(self) -> None:
        """All of them, for ever."""
        self.found()
        self.history.append_entry(ROOM, landing(2))
        self.turn()
        for epoch, expected in (0, None), (1, head(1)), (2, head(2)), (3, None):
            self.assertEqual(self.successResultOf(self.history.head(ROOM, epoch)), expected)

    def test_a_read_is_bounded(self) -> None:
        """It stops before the bound is passed, but gives one item at least."""
        self.found()
        for _ in range(4):
            self.say(b"f" * 50)
        self.assertEqual(seqs(self.read(1, 2 * (WIDTH + 50))), [2, 3])
        self.assertEqual(seqs(self.read(1, 2 * (WIDTH + 50) - 1)), [2])
        self.assertEqual(seqs(self.read(2, 1)), [3])

    def test_old_frames_are_dropped_and_entries_kept(self) -> None:
        """Frames beyond the bytes go, the oldest first."""
        self.begin(retain_bytes=10 * (WIDTH + 10))
        self.found()
        self.say(*[b"f" * 9] * 40)
        self.history.append_entry(ROOM, landing(2))
        self.turn()
        self.assertEqual(seqs(self.read()), [1, *range(32, 43)])
        self.assertEqual(seqs(self.read(38)), [39, 40, 41, 42])

    def test_a_number_of_frames_is_kept(self) -> None:
        """Whatever their size."""
        self.begin(retain_messages=3)
        self.found()
        self.say(*[b""] * 10)
        self.assertEqual(seqs(self.read()), [1, 9, 10, 11])

    def test_frames_get_too_old(self) -> None:
        """As others are said, or as somebody looks after it."""
        self.begin(retain_days=2)
        self.found()
        self.say(b"", b"")
        self.clock.advance(DAY)
        self.say(b"")
        self.clock.advance(DAY + 1)
        self.say(b"")
        self.assertEqual(seqs(self.read()), [1, 4, 5])
        self.clock.advance(DAY)
        self.history.expire()
        self.turn()
        self.assertEqual(seqs(self.read()), [1, 5])
        self.clock.advance(DAY + 1)
        for _ in range(2):
            self.history.expire()
            self.turn()
        self.assertEqual(seqs(self.read()), [1])
        self.say(b"")
        self.assertEqual(seqs(self.read()), [1, 6])

    def keep_what_fits(self, sizes: list[int], after: int) -> None:
        """See that of frames of *sizes* all that are kept fit, and one more would not."""
        self.begin(retain_bytes=500)
        self.found()
        self.say(*[b"f" * size for size in sizes])
        lines = {item.seq: len(item.line) for item in singly(self.listener.heard[1:])}
        kept = seqs(self.read(1))
        self.assertEqual(kept, list(range(len(sizes) - len(kept) + 2, len(sizes) + 2)))
        self.assertLessEqual(sum(lines[seq] for seq in kept), 500)
        if len(kept) < len(sizes):
            self.assertGreater(sum(lines[seq] for seq in [len(sizes) - len(kept) + 1, *kept]), 500)
        self.assertEqual(seqs(self.read(max(1, after))), [seq for seq in kept if seq > after])

    def test_a_slice_is_its_members(self) -> None:
        """Who reads gets the own ones; who listens can hand out all."""
        self.found()
        slices = {ALICE: b"for alice", BOB: b"for bob"}
        self.history.append_entry(ROOM, landing(2, slices=slices))
        self.say(b"", epoch=2)
        self.assertEqual(self.listener.heard[1].slices, slices)
        for member, sealed in slices.items():
            self.assertEqual(
                [dict(item.slices) for item in self.read(member=member)],
                [{}, {member: sealed}, {}],
            )
        self.assertEqual([dict(item.slices) for item in self.read(member=OTHER)], [{}, {}, {}])

    def test_slices_that_are_not_needed_any_more(self) -> None:
        """What a member has seen it does not need again; others' stay."""
        self.found()
        for epoch in range(2, 5):
            slices = {ALICE: b"%d" % epoch, BOB: b"%d" % epoch}
            self.history.append_entry(ROOM, landing(epoch, slices=slices))
        self.turn()
        self.history.has_seen(ROOM, ALICE, 3)
        self.turn()
        for member, expected in (ALICE, [4]), (BOB, [2, 3, 4]):
            kept = [item.seq for item in self.read(member=member) if item.slices]
            self.assertEqual(kept, expected)

    def test_who_is_removed_leaves_no_slices(self) -> None:
        """Those of a later membership are other ones."""
        self.found()
        self.history.append_entry(ROOM, landing(2, slices={ALICE: b"2", BOB: b"2"}))
        self.history.append_entry(
            ROOM, landing(3, slices={ALICE: b"3"}, removed=frozenset({BOB, OTHER}))
        )
        self.history.append_entry(ROOM, landing(4, slices={ALICE: b"4", BOB: b"4"}))
        self.turn()
        for member, expected in (ALICE, [2, 3, 4]), (BOB, [4]):
            kept = [item.seq for item in self.read(member=member) if item.slices]
            self.assertEqual(kept, expected)

    def test_too_many_slices_are_none(self) -> None:
        """Who is away for longer has lost its state: the later are useless without the first."""
        self.found()
        for epoch in range(2, 2 + MAX_SLICES):
            slices = {ALICE: b"s"} if epoch < 5 else {ALICE: b"s", BOB: b"s"}
            self.history.append_entry(ROOM, landing(epoch, slices=slices))
        self.turn()
        self.assertEqual(sum(bool(item.slices) for item in self.read(0, 10**6)), MAX_SLICES)
        slices = {ALICE: b"s", BOB: b"s"}
        self.history.append_entry(ROOM, landing(2 + MAX_SLICES, slices=slices))
        self.turn()
        self.assertFalse(any(item.slices for item in self.read(0, 10**6)))
        self.assertEqual(
            sum(bool(item.slices) for item in self.read(0, 10**6, BOB)), MAX_SLICES - 2
        )

    def test_numbers_that_were_given_out_before(self) -> None:
        """The stream goes on after them, at once, and never goes back."""
        self.found()
        self.history.skip(ROOM, 7)
        self.assertEqual(self.history.newest(ROOM), 7)
        self.history.skip(ROOM, 3)
        self.say(b"")
        self.assertEqual(seqs(self.read()), [1, 8])

    def test_an_entry_that_is_restored(self) -> None:
        """It gets the number that it had, if that is still to be had."""
        self.found()
        self.say(b"")
        for seq in 1, 2:
            taken = self.history.append_entry(ROOM, landing(2, seq=seq))
            self.failureResultOf(taken, StaleEntry)
        landed = self.history.append_entry(ROOM, landing(2, seq=9))
        self.turn()
        self.assertEqual(self.successResultOf(landed), 9)
        self.say(b"", epoch=2)
        self.assertEqual(seqs(self.read()), [1, 2, 9, 10])

    def test_a_room_that_is_over(self) -> None:
        """Nothing of it is kept, and nothing is taken for it."""
        self.found()
        self.say(b"")
        self.history.drop(ROOM)
        self.history.append_frame(ROOM, head(1), frame())
        self.turn()
        self.assertEqual(self.history.newest(ROOM), 0)
        self.assertEqual(self.read(), [])

    def test_values_are_taken(self) -> None:
        """Whether they outlast the relay is another question."""
        self.found()
        for value in b"value", None:
            put = self.history.put(ROOM, "name", value)
            self.turn()
            self.successResultOf(put)

    def test_who_is_present(self) -> None:
        """In each room; who departs without having been there is none the wiser."""
        self.history.arrive(ROOM, ALICE)
        self.history.arrive(ROOM, BOB)
        self.history.arrive(OTHER, BOB)
        self.history.depart(ROOM, BOB)
        self.history.depart(OTHER, ALICE)
        self.assertEqual(self.history.present(ROOM), {ALICE})
        self.assertEqual(self.history.present(OTHER), {BOB})

    def test_there_are_no_rooms_in_the_beginning(self) -> None:
        """Nor anything to close."""
        self.assertEqual(list(self.history.rooms()), [])
        self.successResultOf(self.history.close())


class MemoryHistoryTests(Behaviours):
    """`MemoryHistory`."""

    def make(self, clock: Clock, retention: Retention) -> IHistory:
        return MemoryHistory(clock, retention)

    @given(SIZES, st.integers(0, 90))
    def test_the_newest_frames_that_fit_are_kept(self, sizes: list[int], after: int) -> None:
        """Whatever their sizes."""
        self.keep_what_fits(sizes, after)

    def test_nothing_is_on_its_way(self) -> None:
        """What is appended is as durable as it will be, so nobody has to wait."""
        self.found()
        self.say(b"x" * 10_000)
        self.assertEqual(self.history.backlog, 0)
        self.assertIsNone(self.successResultOf(self.history.relief()))

    def test_what_is_dropped_is_forgotten(self) -> None:
        """At once: while it takes place in a list, it takes none elsewhere."""

        def items() -> int:
            return sum(isinstance(each, Item) for each in gc.get_objects())

        self.begin(retain_messages=10)
        before = items()
        self.found()
        self.say(*[b""] * 17)
        self.listener.heard.clear()
        self.assertEqual(items() - before, len(self.read()))


class SQLiteHistoryTests(Behaviours):
    """`SQLiteHistory`; what is its alone is in ``test_sqlite``."""

    def make(self, clock: Clock, retention: Retention) -> IHistory:
        directory = Path(self.mktemp())
        directory.mkdir(0o700)
        history = SQLiteHistory(directory / "history.sqlite", clock, retention)
        self.addCleanup(history.database.close)
        return history

    @given(SIZES, st.integers(0, 90))
    def test_the_newest_frames_that_fit_are_kept(self, sizes: list[int], after: int) -> None:
        """Whatever their sizes."""
        self.keep_what_fits(sizes, after)


del Behaviours  # by itself it is none
