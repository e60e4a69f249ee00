"""
Lines out of bytes, for who asks for one after the other.

What nobody asks for is not read: whoever writes faster than its lines are taken has to wait. A
line that is too long is counted and not kept, and the next one is as good as any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@attrs.frozen
class TooLong:
    """A line of *size* bytes, which are too many."""

    size: int


class LineQueue:
    """
    The lines that one source of bytes has written.

    :param most: how many bytes a line may have, without its end.
    :param flow: lets the source be read, or not.
    """

    def __init__(self, most: int, flow: Callable[[bool], None]) -> None:
        self._most = most
        self._flow = flow
        self._partial = b""
        self._dropped = 0
        """How many bytes before `_partial` the line had that were too many to keep."""
        self._lines: deque[bytes | TooLong] = deque()
        self._asking: Deferred[None] | None = None
        self._at_end = False

    async def next(self) -> bytes | TooLong | None:
        """Return the next line without its end; None where no more come."""
        while not self._lines:
            if self._at_end:
                return None
            self._asking = Deferred()
            self._flow(True)
            await self._asking
        return self._lines.popleft()

    def feed(self, data: bytes) -> None:
        """Take what the source wrote."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            self._end_line()
        self._keep(rest)
        self._wake()

    def end(self, *, whole: bool = True) -> None:
        """
        The source writes no more.

        :param whole: whether what it wrote last is a line, though it has no end.
        """
        if whole and (self._partial or self._dropped):
            self._end_line()
        self._at_end = True
        self._wake()

    def _keep(self, piece: bytes) -> None:
        self._partial += piece
        if len(self._partial) > self._most + 1:  # and one for a carriage return
            self._dropped += len(self._partial)
            self._partial = b""

    def _end_line(self) -> None:
        line = self._partial.removesuffix(b"\r")
        size = self._dropped + len(line)
        self._partial, self._dropped = b"", 0
        self._lines.append(TooLong(size) if size > self._most else line)

    def _wake(self) -> None:
        if (self._lines or self._at_end) and self._asking is not None:
            asking, self._asking = self._asking, None
            self._flow(False)
            asking.callback(None)


@implementer(IPushProducer)
@attrs.frozen
class Tide:
    """Tells of what is written somewhere whether that place has room."""

    full: Callable[[], None]
    free: Callable[[], None]
    """Called, too, where nobody reads any more: what is written piles up nowhere."""

    def pauseProducing(self) -> None:
        self.full()

    def resumeProducing(self) -> None:
        self.free()

    def stopProducing(self) -> None:
        self.free()
