"""
A thread in which one thing at a time is done, in order.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool


class Worker:
    """
    A thread that starts when it is first needed: none survives a fork.

    :param reactor: where the results arrive.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, "securechat history")

    def run(self, function: Callable[[], None]) -> Deferred[None]:
        """Call *function* in the thread; fires when it has returned, or fails as it does."""
        if not self._pool.started:
            self._pool.start()
        done: Deferred[None] = deferToThreadPool(self._reactor, self._pool, function)
        return done

    def stop(self) -> None:
        """End the thread, after what it does at the moment."""
        if self._pool.started:
            self._pool.stop()
