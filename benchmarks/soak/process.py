"""A process that can be talked to in lines, and killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

ROOT = Path(__file__).absolute().parents[2]
"""Where the package of this is."""


class Process(ProcessProtocol):
    """
    Python, with *arguments*.

    :ivar ended: fires with the exit status; negative: the signal that it died of.
    """

    transport: Any

    def __init__(
        self, reactor: Any, arguments: list[str], log: Path, hear: Callable[[str], None]
    ) -> None:
        """
        :param log: a file to which its stderr is appended.
        :param hear: hears each line that it writes on stdout.
        """
        self.ended: Deferred[int] = Deferred()
        self._hear = hear
        self._begun = b""
        here = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with log.open("ab") as errors:
            reactor.spawnProcess(
                self,
                sys.executable,
                [sys.executable, *arguments],
                env={**os.environ, "PYTHONPATH": here},
                childFDs={0: "w", 1: "r", 2: errors.fileno()},
            )

    def say(self, line: str) -> None:
        """Write *line* to its stdin."""
        self.transport.write(f"{line}\n".encode())

    def kill(self) -> Deferred[int]:
        """Kill it with SIGKILL, if it has not ended by itself; fires when it has ended."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        return self.ended

    def outReceived(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._hear(line.decode())

    def processEnded(self, reason: Failure) -> None:
        end: Any = reason.value  # a ProcessDone or a ProcessTerminated
        self.ended.callback(-end.signal if end.exitCode is None else end.exitCode)
