"""
The terminal, or the pipes and files in its place, as lines in and lines out.

Lines in are asked for one by one: what nobody asks for is not read, so that a program that
writes faster than the room takes it has to wait. A line too long for a message, or that is no
text, comes as the error that it is, and the next one is as good as any.

Input from a terminal stays what the terminal makes of it: it edits the line, and ends it.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.errors import MessageTooLong, NotText, SecureChatError
from securechat.group.messages import MAX_BODY

FLUSH_SECONDS = 5.0
"""How long whoever reads the output may take for the rest of it."""

_ERASE = "\x1b[K"  # from here to the end of the line


@implementer(IHalfCloseableProtocol)
class Terminal(Protocol):
    """stdin and stdout of this process."""

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._partial = b""
        self._dropped = 0
        """How many bytes before `_partial` the line had that were too many to keep."""
        self._lines: deque[str | SecureChatError] = deque()
        self._asking: Deferred[None] | None = None
        self._at_end = False
        self._shown = ""
        self._read_by_somebody = True
        self._closed: Deferred[None] = Deferred()
        StandardIO(self, reactor=reactor)

    # What the conversation calls

    async def next_line(self) -> str | SecureChatError | None:
        """Return the next line without its end, or what is wrong with it; None at the end."""
        while not self._lines:
            if self._at_end:
                return None
            self._asking = Deferred()
            self.transport.resumeProducing()
            await self._asking
        return self._lines.popleft()

    def write(self, line: str) -> None:
        """Write *line*; if nobody reads the output any more, to nobody."""
        again = f"\r{_ERASE}" if self._shown else ""
        self.transport.write(f"{again}{line}\n{self._shown}".encode(errors="backslashreplace"))

    def show(self, text: str) -> None:
        """
        Show the short *text* below all lines, in the place of what was shown so before; empty:
        nothing. Only at a terminal.
        """
        self._shown = text
        self.transport.write(f"\r{text}{_ERASE}".encode(errors="backslashreplace"))

    async def close(self) -> None:
        """Wait until all is written, and leave stdin and stdout as they were."""
        if self._read_by_somebody:
            self.transport.loseConnection()
            self._closed.addTimeout(FLUSH_SECONDS, self._reactor, lambda _, __: None)
            await self._closed
        os.set_blocking(0, True)

    # What StandardIO calls

    def connectionMade(self) -> None:
        self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            self._end_line()
        self._keep(rest)
        self._wake()

    def readConnectionLost(self) -> None:
        if self._partial or self._dropped:
            self._end_line()
        self._at_end = True
        self._wake()

    def writeConnectionLost(self) -> None:
        """Whoever read the output has enough: that is the end of the input as well."""
        self._read_by_somebody = False
        self.transport.pauseProducing()
        self._at_end = True
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closed.callback(None)

    # Lines

    def _keep(self, piece: bytes) -> None:
        self._partial += piece
        if len(self._partial) > MAX_BODY + 1:  # and one for a carriage return
            self._dropped += len(self._partial)
            self._partial = b""

    def _end_line(self) -> None:
        line = self._partial.removesuffix(b"\r")
        size = self._dropped + len(line)
        self._partial, self._dropped = b"", 0
        if size > MAX_BODY:
            self._lines.append(MessageTooLong(size=size, most=MAX_BODY))
            return
        try:
            self._lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            self._lines.append(NotText())

    def _wake(self) -> None:
        if (self._lines or self._at_end) and self._asking is not None:
            asking, self._asking = self._asking, None
            self.transport.pauseProducing()
            asking.callback(None)
