"""The numbered stream of a room in memory."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import StaleEntry
from securechat.group.entry import ZERO
from securechat.relay.history import Item, MemoryHistory

ROOM = b"r" * 32
HEAD = b"h" * 32


def frame(seq: int, size: int = 10) -> Item:
    """Return frame number *seq*, *size* bytes long."""
    return Item(seq, b"f" * size)


class MemoryHistoryTests(SynchronousTestCase):
    """`MemoryHistory`."""

    def setUp(self) -> None:
        self.history = MemoryHistory(100)

    def seqs(self, after: int = 0, most: int = 10_000) -> list[int]:
        """Return the numbers of what is read."""
        return [item.seq for item in self.history.after(ROOM, after, most)]

    def test_an_unknown_room_is_empty(self) -> None:
        """Before the first entry the newest number is 0."""
        self.assertEqual(self.history.newest(ROOM), 0)
        self.assertEqual(self.seqs(), [])

    def test_entries_and_frames_share_one_sequence(self) -> None:
        """They are read in the order of their numbers, after any number."""
        self.history.append_entry(ROOM, Item(1, b"e"), ZERO, HEAD)
        self.history.append_frame(ROOM, frame(2))
        self.history.append_entry(ROOM, Item(3, b"e"), HEAD, ZERO)
        self.history.append_frame(ROOM, frame(4))
        self.assertEqual(self.history.newest(ROOM), 4)
        self.assertEqual(self.seqs(), [1, 2, 3, 4])
        self.assertEqual(self.seqs(2), [3, 4])
        self.assertEqual(self.seqs(4), [])
        self.assertEqual(self.seqs(9), [])

    def test_rooms_are_apart(self) -> None:
        """Each room has its own numbers."""
        self.history.append_frame(ROOM, frame(1))
        self.assertEqual(self.history.newest(b"s" * 32), 0)

    def test_of_two_entries_on_one_head_the_first_wins(self) -> None:
        """Compare and append."""
        self.history.append_entry(ROOM, Item(1, b"e"), ZERO, HEAD)
        with self.assertRaises(StaleEntry):
            self.history.append_entry(ROOM, Item(2, b"e"), ZERO, b"i" * 32)
        self.assertEqual(self.seqs(), [1])

    def test_a_read_is_bounded(self) -> None:
        """It stops before the bound is passed, but gives one item at least."""
        for seq in range(1, 6):
            self.history.append_frame(ROOM, frame(seq))
        self.assertEqual(self.seqs(0, 25), [1, 2])
        self.assertEqual(self.seqs(2, 1), [3])

    def test_old_frames_are_dropped_and_entries_kept(self) -> None:
        """Frames beyond the bound go, the oldest first."""
        self.history.append_entry(ROOM, Item(1, b"e" * 500), ZERO, HEAD)
        for seq in range(2, 50):
            self.history.append_frame(ROOM, frame(seq))
        self.assertEqual(self.seqs(), [1, *range(40, 50)])
        self.assertEqual(self.seqs(45), [46, 47, 48, 49])

    def test_what_is_dropped_is_forgotten(self) -> None:
        """At once: while it takes place in a list, it takes none elsewhere."""

        def items() -> int:
            return sum(isinstance(each, Item) for each in gc.get_objects())

        before = items()
        for seq in range(1, 18):
            self.history.append_frame(ROOM, frame(seq))
        self.assertEqual(items() - before, len(self.seqs()))

    @given(st.lists(st.integers(1, 60), max_size=80), st.integers(0, 90))
    def test_the_newest_frames_that_fit_are_kept(self, sizes: list[int], after: int) -> None:
        """Whatever their sizes: all that are kept fit, and one more would not."""
        self.history = MemoryHistory(100)
        for seq, size in enumerate(sizes, start=1):
            self.history.append_frame(ROOM, frame(seq, size))
        kept = self.seqs(0)
        self.assertEqual(kept, list(range(len(sizes) - len(kept) + 1, len(sizes) + 1)))
        self.assertLessEqual(sum(sizes[seq - 1] for seq in kept), 100)
        if len(kept) < len(sizes):
            self.assertGreater(sum(sizes[-len(kept) - 1 :]), 100)
        self.assertEqual(self.seqs(after), [seq for seq in kept if seq > after])
