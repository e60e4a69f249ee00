"""Lines out of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.lines import LineQueue, TooLong

PIECES = st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"e" * 9, b"\r"]), max_size=12)


class LineQueueTests(SynchronousTestCase):
    """`LineQueue`."""

    def setUp(self) -> None:
        self.flowing = False
        self.queue = LineQueue(8, self.flow)

    def flow(self, flowing: bool) -> None:
        self.flowing = flowing

    def next(self) -> Deferred[bytes | TooLong | None]:
        """Ask for the next line."""
        return Deferred.fromCoroutine(self.queue.next())

    def test_flow(self) -> None:
        """The source is read only while somebody waits, and no line is there."""
        self.assertFalse(self.flowing)
        first = self.next()
        self.queue.feed(b"on")
        self.assertTrue(self.flowing)
        self.queue.feed(b"e\ntwo\nth")
        self.assertFalse(self.flowing)
        self.assertEqual(self.successResultOf(first), b"one")
        self.assertEqual(self.successResultOf(self.next()), b"two")
        self.assertFalse(self.flowing)
        third = self.next()
        self.assertTrue(self.flowing)
        self.queue.end()
        self.assertEqual(self.successResultOf(third), b"th")
        self.assertIsNone(self.successResultOf(self.next()))

    def test_cut_off(self) -> None:
        """What has no end may be no line."""
        self.queue.feed(b"one\ntw")
        self.queue.end(whole=False)
        self.assertEqual(self.successResultOf(self.next()), b"one")
        self.assertIsNone(self.successResultOf(self.next()))

    @given(PIECES)
    def test_pieces(self, pieces: list[bytes]) -> None:
        """However it comes, it is the same lines, and what is too long has its size."""
        self.setUp()
        for piece in pieces:
            self.queue.feed(piece)
        self.queue.end()
        *lines, last = b"".join(pieces).split(b"\n")
        for line in [*lines, *([last] if last else [])]:
            whole = line.removesuffix(b"\r")
            got = self.successResultOf(self.next())
            if len(whole) > 8:
                assert isinstance(got, TooLong)
            else:
                self.assertEqual(got, whole)
        self.assertIsNone(self.successResultOf(self.next()))
