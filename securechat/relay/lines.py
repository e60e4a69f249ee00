"""
Bytes to lines, as Twisted's `LineOnlyReceiver` has it, with nothing hidden: what is kept of a line
that is not whole yet belongs to what the relay holds for its clients, and is counted.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol

END = b"\r\n"


class Lines(Protocol):
    """
    A protocol that is told lines, without their end. Those that come after the connection is
    being closed are dropped.

    :ivar most: the bytes that a line has at most.
    :ivar rest: the beginning of a line whose end has not come.
    :ivar heard: is set whenever something comes.
    """

    transport: Any
    most: int
    rest = b""
    heard = False

    def dataReceived(self, data: bytes) -> None:
        if self.transport.disconnecting:
            return  # else it would be kept until the abort
        self.heard = True
        lines = (self.rest + data).split(END)
        rest = lines.pop()
        if rest or self.rest:
            self._keep(rest)
        for line in lines:
            if len(line) > self.most:
                self.line_too_long()
            else:
                self.line_received(line)
            if self.transport.disconnecting:
                return
        if len(rest.removesuffix(END[:1])) > self.most:  # half of its end may have come
            self.line_too_long()

    def drop_rest(self) -> None:
        """Forget a line whose end has not come."""
        self._keep(b"")

    def _keep(self, rest: bytes) -> None:
        self.keeps(len(rest) - len(self.rest))
        self.rest = rest

    # What there is to be done about it

    def line_received(self, line: bytes) -> None:
        """A whole line has come."""

    def line_too_long(self) -> None:
        """A line, whole or not, is longer than it may be. The connection has to be closed."""

    def keeps(self, change: int) -> None:
        """The bytes that are kept have become more by *change*."""
