"""How a command runs on the reactor: the only place that takes the global one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet import task
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def run(main: Callable[[Any], Coroutine[Deferred[Any], Any, T]]) -> T:
    """
    Return what *main*, called with the reactor, returns.

    Ctrl-C, SIGTERM and the end of the terminal cancel what it waits for, and the reactor runs on
    until it has ended: what it does in a ``finally`` may take its time, on the network too.

    :raises KeyboardInterrupt: if it was cancelled.
    :raises: what *main* raises.
    """
    ended: list[T | Failure] = []

    async def watched(reactor: Any) -> None:
        running = Deferred.fromCoroutine(main(reactor))

        def stop() -> Deferred[None]:
            running.cancel()
            return finished

        reactor.addSystemEventTrigger("before", "shutdown", stop)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # and not ignored, as by nohup
            signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))
        finished: Deferred[None] = running.addBoth(ended.append)
        await finished

    with suppress(SystemExit):
        task.react(watched)
    (end,) = ended
    if not isinstance(end, Failure):
        return end
    if end.check(CancelledError):
        raise KeyboardInterrupt
    end.raiseException()
