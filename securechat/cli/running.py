"""How a command runs on the reactor: the only place that takes the global one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet import task
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python.failure import Failure
from zope.interface import provider

T = TypeVar("T")


def run(main: Callable[[Any], Coroutine[Deferred[Any], Any, T]]) -> T:
    """
    Return what *main*, called with the reactor, returns.

    Ctrl-C, SIGTERM and the end of the terminal cancel what it waits for, and the reactor runs on
    until it has ended: what it does in a ``finally`` may take its time, on the network too.

    :raises KeyboardInterrupt: if it was cancelled.
    :raises: what *main* raises.
    """
    _log_faults()
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


def _log_faults() -> None:
    """
    Write to stderr what Twisted does without this, faults of the program, but for one kind.

    Of a certificate that is for nobody Twisted logs a traceback, though the connection fails
    with an error that says it in words.
    """
    write = textFileLogObserver(sys.stderr)

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        is_certificate = event["log_namespace"] == "twisted.internet._sslverify"
        if event["log_level"] is LogLevel.critical and not is_certificate:
            write(event)

    globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)
