"""
The terminal, or the pipes and files in its place, as lines in and lines out.

Lines in are asked for one by one: what nobody asks for is not read, so that a program that
writes faster than the room takes it has to wait. A line too long for a message, or that is no
text, comes as the error that it is, and the next one is as good as any.

Input from a terminal stays what the terminal makes of it: it edits the line, and ends it.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.cli.lines import LineQueue, Tide, TooLong
from securechat.client.client import ChatClient
from securechat.errors import MessageTooLong, NotText, SecureChatError
from securechat.group.messages import MAX_BODY

FLUSH_SECONDS = 5.0
"""How long whoever reads the output may take for the rest of it."""

_ERASE = "\x1b[K"  # from here to the end of the line


@implementer(IHalfCloseableProtocol)
class Terminal(Protocol):
    """
    stdin and stdout of this process.

    :ivar deserted: fires when nobody reads the output any more.
    """

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._input = LineQueue(MAX_BODY, self._flow)
        self._shown = ""
        self.deserted: Deferred[None] = Deferred()
        self._closed: Deferred[None] = Deferred()
        StandardIO(self, reactor=reactor)

    # What the conversation calls

    async def next_line(self) -> str | SecureChatError | None:
        """Return the next line without its end, or what is wrong with it; None at the end."""
        line = await self._input.next()
        if isinstance(line, TooLong):
            return MessageTooLong(size=line.size, most=MAX_BODY)
        try:
            return None if line is None else line.decode("utf-8")
        except UnicodeDecodeError:
            return NotText()

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

    def follow(self, client: ChatClient) -> None:
        """Let *client* hear no more than whoever reads the output takes."""
        self.transport.registerProducer(Tide(client.pause_reading, client.resume_reading), True)

    async def close(self) -> None:
        """Wait until all is written, and leave stdin and stdout as they were."""
        if not self.deserted.called:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            self._closed.addTimeout(FLUSH_SECONDS, self._reactor, lambda _, __: None)
            await self._closed
        os.set_blocking(0, True)

    # What StandardIO calls

    def connectionMade(self) -> None:
        self._flow(False)

    def dataReceived(self, data: bytes) -> None:
        self._input.feed(data)

    def readConnectionLost(self) -> None:
        self._input.end()

    def writeConnectionLost(self) -> None:
        """Whoever read the output has enough: that is the end of the input as well."""
        self._flow(False)
        self._input.end(whole=False)
        self.deserted.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closed.callback(None)

    def _flow(self, flowing: bool) -> None:
        if flowing:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()
