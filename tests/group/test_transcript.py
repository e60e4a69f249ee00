"""The transcript: what was folded, what is known of it, and how much is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER
from securechat.group.transcript import WINDOW, Transcript
from securechat.primitives import digest

ZERO = bytes(32)


def item(seq: int) -> bytes:
    """The digest of number *seq* of the stream."""
    return digest("test item", seq)


def value(seq: int) -> bytes:
    """T at *seq*, of the stream whose items are `item`."""
    folded = ZERO
    for number in range(1, seq + 1):
        folded = digest("T", folded, number, item(number))
    return folded


def folded(*seqs: int) -> Transcript:
    """A transcript that began at zero, after the numbers *seqs*."""
    transcript = Transcript.starting(0, ZERO)
    for seq in seqs:
        transcript.fold(seq, item(seq))
    return transcript


class FoldTests(SynchronousTestCase):
    """Items in their order."""

    def test_each_item_is_hashed_into_the_next(self) -> None:
        """T_n = H("T", T_{n-1}, n, digest of item n), known at every number that was folded."""
        transcript = folded(*range(1, 6))
        self.assertEqual(transcript.newest, (5, value(5)))
        for seq in range(6):
            self.assertEqual(transcript.at(seq), value(seq))
        self.assertIsNone(transcript.at(6))

    def test_it_may_start_anywhere(self) -> None:
        """Who knows T at one number folds on from there."""
        transcript = Transcript.starting(3, value(3))
        self.assertEqual(transcript.newest, (3, value(3)))
        transcript.fold(4, item(4))
        self.assertEqual((transcript.seq, transcript.newest), (4, (4, value(4))))
        self.assertIsNone(transcript.at(2))

    def test_the_same_items_in_another_order_are_another_past(self) -> None:
        """Order, numbers and contents are all in T."""
        one = folded(1, 2)
        other = Transcript.starting(0, ZERO)
        other.fold(1, item(2))
        other.fold(2, item(1))
        self.assertNotEqual(one.newest, other.newest)


class GapTests(SynchronousTestCase):
    """Where items are missing."""

    def test_after_a_gap_nothing_is_known(self) -> None:
        """T stays what it was before the gap, and is not known at later numbers."""
        transcript = folded(1, 2, 5, 6)
        self.assertEqual(transcript.seq, 6)
        self.assertEqual(transcript.newest, (2, value(2)))
        self.assertIsNone(transcript.at(6))

    def test_numbers_that_will_not_come_are_passed_over(self) -> None:
        """To pass over numbers is to miss them; it never goes back."""
        transcript = folded(1, 2)
        transcript.pass_over(4)
        self.assertEqual((transcript.seq, transcript.newest), (4, (2, value(2))))
        transcript.fold(5, item(5))
        self.assertIsNone(transcript.at(5))
        transcript.pass_over(3)
        self.assertEqual(transcript.seq, 5)

    def test_what_an_author_saw_fills_the_gap(self) -> None:
        """Once T is told at a number after the gap, what came since is folded on to it."""
        transcript = folded(1, 2, 5, 6, 7)
        transcript.learn(4, value(4))
        self.assertEqual(transcript.newest, (7, value(7)))
        self.assertEqual(transcript.at(5), value(5))
        transcript.fold(8, item(8))
        self.assertEqual(transcript.newest, (8, value(8)))

    def test_what_an_author_saw_inside_of_a_gap(self) -> None:
        """Where more is missing after it, T is known there and no further."""
        transcript = folded(1, 5, 6)
        transcript.learn(3, value(3))
        self.assertEqual(transcript.newest, (3, value(3)))
        self.assertIsNone(transcript.at(6))
        transcript.learn(5, value(5))
        self.assertEqual(transcript.newest, (6, value(6)))

    def test_what_is_known_is_not_learnt(self) -> None:
        """No author replaces a T that was folded here, with a gap after it or without."""
        for transcript in (folded(1, 2, 3, 4), folded(1, 2, 3, 9)):
            newest = transcript.newest
            for seq in (0, 1, 2, 3):
                transcript.learn(seq, b"\1" * 32)
                self.assertEqual(transcript.at(seq), value(seq))
            self.assertEqual(transcript.newest, newest)

    def test_what_lies_ahead_is_not_learnt(self) -> None:
        """An author who claims to have seen what did not come yet is not believed."""
        transcript = folded(1, 2, 9)
        for seq in (9, 10, MAX_INTEGER):
            transcript.learn(seq, b"\1" * 32)
            self.assertEqual((transcript.seq, transcript.newest), (9, (2, value(2))))

    @given(st.sets(st.integers(1, 12)), st.integers(0, 14))
    def test_whatever_is_known_is_true(self, seqs: set[int], told: int) -> None:
        """With an honest author, T is right at every number at which it is known at all."""
        transcript = folded(*sorted(seqs))
        transcript.learn(told, value(told))
        for seq in range(15):
            self.assertIn(transcript.at(seq), (None, value(seq)))
        newest, known = transcript.newest
        self.assertEqual(known, value(newest))


class WindowTests(SynchronousTestCase):
    """How much is kept."""

    def kept(self, transcript: Transcript) -> int:
        """Of how many numbers something is kept."""
        return len(transcript.slots)

    def test_the_last_4096_values_are_kept(self) -> None:
        """The oldest is forgotten first."""
        transcript = folded(*range(1, WINDOW + 11))
        self.assertEqual(self.kept(transcript), WINDOW)
        self.assertIsNone(transcript.at(10))
        self.assertIsNotNone(transcript.at(11))
        self.assertIsNotNone(transcript.at(WINDOW + 10))

    def test_gaps_do_not_use_up_memory(self) -> None:
        """A relay that leaves out every second number has no more kept than one that does not."""
        transcript = folded(*range(0, 4 * WINDOW, 2))
        self.assertLessEqual(self.kept(transcript), WINDOW)
        self.assertEqual(transcript.newest, (0, ZERO))

    def test_learning_does_not_use_up_memory(self) -> None:
        """Authors who fill gap after gap leave no more than the window either."""
        transcript = folded(*range(1, WINDOW))
        for seq in range(WINDOW + 1, 2 * WINDOW):
            transcript.fold(seq, item(seq))
        transcript.learn(WINDOW, b"\1" * 32)
        self.assertEqual(self.kept(transcript), WINDOW)
        self.assertEqual(transcript.newest[0], 2 * WINDOW - 1)

    def test_what_is_learnt_of_long_ago(self) -> None:
        """T at a number that is out of the window is taken, and not kept."""
        transcript = folded(1, WINDOW + 9)
        transcript.learn(3, value(3))
        self.assertEqual(transcript.newest, (3, value(3)))
        self.assertIsNone(transcript.at(3))

    def test_a_jump_to_the_last_number(self) -> None:
        """A relay that jumps to the end of all numbers has shown one item."""
        transcript = folded(1, MAX_INTEGER)
        self.assertEqual(transcript.newest, (1, value(1)))
        self.assertLess(self.kept(transcript), 4)
