"""
What the relay does on signals: SIGHUP reads the certificate again, SIGTERM ends it in order.

Twisted's own handler of SIGTERM also ends in order, but then kills the process by the same
signal, so that it exits with a failure where nothing has failed.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger


class Signals(Service):
    """
    Handles signals from its start on, until the process ends.

    :param reactor: the one that is run, in the main thread.
    :param reload: called on SIGHUP.
    """

    _log = Logger()

    def __init__(self, reactor: Any, reload: Callable[[], object]) -> None:
        self._reactor = reactor
        self._reload = reload

    def startService(self) -> None:
        super().startService()
        # As it begins to run, the reactor sets handlers of its own.
        self._reactor.callWhenRunning(self._handle)

    def _handle(self) -> None:
        signal.signal(signal.SIGHUP, self._hang_up)
        signal.signal(signal.SIGTERM, self._terminate)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._reload)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._stop)

    def _stop(self) -> None:
        if self.running:  # else it is stopping already
            self._log.info("the relay is asked to end")
            self._reactor.stop()
