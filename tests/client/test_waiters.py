"""Tests of `securechat.client.waiters`."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.waiters import Waiters
from securechat.errors import NotConnected


class WaitersTests(SynchronousTestCase):
    """`Waiters`."""

    def setUp(self) -> None:
        self.cancelled = 0
        self.waiters: Waiters[int] = Waiters(self.count)

    def count(self) -> None:
        self.cancelled += 1

    def test_all_are_told_in_their_order(self) -> None:
        """Everybody who waits gets the result, and nobody waits then."""
        told: list[tuple[int | str, ...]] = []
        for name in ("first", "second", "third"):
            self.waiters.wait().addCallback(lambda *told_now: told.append(told_now), name)
        self.assertTrue(self.waiters)
        self.waiters.fire(7)
        self.assertEqual(told, [(7, "first"), (7, "second"), (7, "third")])
        self.assertFalse(self.waiters)

    def test_a_failure_brings_no_frames(self) -> None:
        """The error that all get has no traceback, whose frames would be kept alive with it."""
        waiting = self.waiters.wait(), self.waiters.wait()
        try:
            raise NotConnected()
        except NotConnected as error:
            self.waiters.fail(error)
        for each in waiting:
            failed = self.failureResultOf(each, NotConnected).value
            self.assertIsNone(failed.__context__)

    def test_who_cancels_waits_no_more(self) -> None:
        """The others are not disturbed, and the owner hears of it."""
        first, second = self.waiters.wait(), self.waiters.wait()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.cancelled, 1)
        self.waiters.fire(5)
        self.assertEqual(self.successResultOf(second), 5)

    def test_who_is_told_cancels_another(self) -> None:
        """It makes no difference that the other one was to be told next."""
        first, second = self.waiters.wait(), self.waiters.wait()
        first.addCallback(lambda _: second.cancel())
        self.waiters.fire(5)
        self.failureResultOf(second, CancelledError)

    def test_who_is_told_waits_again(self) -> None:
        """That is for the next time."""
        again: list[Deferred[int]] = []
        self.waiters.wait().addErrback(lambda _: again.append(self.waiters.wait()))
        self.waiters.fail(NotConnected())
        self.assertNoResult(again[0])
        self.waiters.fire(6)
        self.assertEqual(self.successResultOf(again[0]), 6)
        self.assertEqual(len(again), 1)
