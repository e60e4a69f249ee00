"""Deferreds that fire together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from securechat.client.refusals import bare

T = TypeVar("T")


class Waiters(Generic[T]):
    """
    Those who wait for one thing. Who cancels waits no more, and disturbs nobody else.

    :param cancelled: called after somebody has cancelled.
    """

    def __init__(self, cancelled: Callable[[], object] = lambda: None) -> None:
        self._cancelled = cancelled
        self._waiting: dict[Deferred[T], None] = {}  # in the order in which they came

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def wait(self) -> Deferred[T]:
        """Return a Deferred that fires with the others."""
        done: Deferred[T] = Deferred(self._forget)
        self._waiting[done] = None
        return done

    def fire(self, result: T) -> None:
        """It has come: tell those who have waited for it."""
        for each in self._taken():
            each.callback(result)

    def fail(self, error: BaseException) -> None:
        """It will not come, because of *error*: tell those who have waited for it."""
        for each in self._taken():
            each.errback(bare(error))

    def _taken(self) -> Iterator[Deferred[T]]:
        # Who is told may cancel others, or wait anew.
        for each in list(self._waiting):
            if each in self._waiting:
                del self._waiting[each]
                yield each

    def _forget(self, done: Deferred[T]) -> None:
        del self._waiting[done]
        self._cancelled()
