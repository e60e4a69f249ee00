"""
A command as a process of its own: its stdin and stdout as lines, its stderr left alone.

Both pipes push back. A command that does not read lets the client wait, and so fall behind the
room; one that writes without reading the answers is not read. What waits for it in memory is
bounded all the same: some things happen without anything being read from the relay.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from securechat.cli.lines import LineQueue, Tide, TooLong
from securechat.client.client import ChatClient
from securechat.client.waiters import Waiters
from securechat.errors import CommandEnded

MAX_LINE = 262_144
"""
Bytes of a line of the command: as much as the longest message takes in which JSON escapes every
character, and more.
"""

MAX_WAITING = 16_777_216
"""Bytes that may wait for a command that does not read, past what the pipe holds."""

END_SECONDS = 5.0
"""How long a command may take to end once its stdin is closed, and again after SIGTERM."""


class Child(ProcessProtocol):
    """One command, and what it and we write to each other."""

    transport: Any

    def __init__(self, reactor: Any, client: ChatClient) -> None:
        """:param client: has to wait where the command does not read."""
        self._reactor = reactor
        self._client = client
        self._lines = LineQueue(MAX_LINE, self._flow)
        self._exit: Waiters[None] = Waiters()
        self._status: int | None = None
        self._free: Waiters[None] | None = None
        """While its stdin is full: who waits until it is not."""
        self._waiting = 0
        self._deaf = False
        self._closing = False
        self._killed = False
        self.finished = False
        """Whether it has said all that it wants to, of its own accord."""

    def start(self, command: Sequence[str]) -> None:
        """Start it, with this process's environment and stderr."""
        self._reactor.spawnProcess(
            self, command[0], list(command), env=os.environ, childFDs={0: "w", 1: "r", 2: 2}
        )

    async def next_line(self) -> bytes | TooLong | None:
        """Return the next line that it writes, None where no more come."""
        while self._free is not None:
            await self._free.wait()
        return await self._lines.next()

    def write(self, line: str) -> None:
        """Write *line* to it; if it does not read any more, to nobody."""
        data = f"{line}\n".encode("ascii")
        if self._free is not None:
            self._waiting += len(data)
            self._deaf = self._deaf or self._waiting > MAX_WAITING
        if self._deaf:
            self.stop_reading()
            self._drained()
        else:
            self.transport.write(data)

    def stop_reading(self) -> None:
        """Take no more lines than have come."""
        self._lines.end(whole=False)

    async def close(self) -> None:
        """Close its stdin, and wait until it has ended; if it does not by itself, end it."""
        self._closing = True
        self.transport.unregisterProducer()
        self.transport.closeStdin()
        self.transport.resumeProducing()  # what it still writes must not keep it
        for signal in "TERM", "KILL":
            if await self._has_ended():
                break
            self._killed = True
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess(signal)
        while self._status is None:
            await self._exit.wait()
        self.transport.loseConnection()  # somebody else may hold its stdout

    def check(self) -> None:
        """
        Check that it has gone well.

        :raises CommandEnded: if it has not.
        """
        if self._deaf:
            raise CommandEnded(how="it did not read what happened in the room, and was ended")
        if self._status and not self._killed:
            if self._status < 0:
                raise CommandEnded(how=f"signal {-self._status} has ended it")
            raise CommandEnded(how=f"it has ended with status {self._status}")

    async def _has_ended(self) -> bool:
        if self._status is None:
            with suppress(TimeoutError):
                await self._exit.wait().addTimeout(END_SECONDS, self._reactor)
        return self._status is not None

    # What the process tells

    def connectionMade(self) -> None:
        self._flow(False)
        self.transport.registerProducer(Tide(self._full, self._drained), True)

    def outReceived(self, data: bytes) -> None:
        if not self._closing:
            self._lines.feed(data)

    def outConnectionLost(self) -> None:
        self.finished = not self._closing
        self._lines.end()

    def processExited(self, reason: Failure) -> None:
        end: Any = reason.value  # a ProcessDone or a ProcessTerminated
        self._status = -end.signal if end.exitCode is None else end.exitCode
        self._exit.fire(None)

    def _full(self) -> None:
        if self._free is None:  # it is told with every write
            self._free, self._waiting = Waiters(), 0
            self._client.pause_reading()

    def _drained(self) -> None:
        if self._free is not None:
            free, self._free = self._free, None
            self._client.resume_reading()
            free.fire(None)

    def _flow(self, flowing: bool) -> None:
        if flowing:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()
