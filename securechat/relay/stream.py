"""
One room's stream on its way to one client.

A `Cursor` is the client's place in the stream. As long as the client reads it is written each
item as it comes; one that does not keeps its place, costs nothing, and is caught up from the
history once it reads again. Coming back after an absence is the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.relay.history import IHistory, Item
from securechat.wire import Code, ErrorLine, Resumed, Slice

if TYPE_CHECKING:
    from securechat.relay.session import Session

_log = Logger()

_UNREADABLE = ErrorLine(Code.STORAGE, "-", "this relay cannot read what it has stored")

BATCH = 65_536
"""Bytes that are written before the transport is asked again whether it has enough."""


class Cursor:
    """
    The place of *session*'s client in the stream of *room* (G).

    :param seq: the newest number that the client has.
    :param resuming: whether the client wants to be told when it has all of it.
    """

    def __init__(
        self, session: Session, history: IHistory, room: bytes, seq: int, *, resuming: bool
    ) -> None:
        self.session = session
        self._history = history
        self._room = room
        self._seq = seq
        self._resuming = resuming
        self._reading = False

    def push(self, item: Item) -> None:
        """Write *item*, the newest of the stream, unless the client is behind already."""
        if self.session.wire.writable and not self._reading and self._seq == item.seq - 1:
            self._write(item)

    def catch_up(self) -> None:
        """Write what the client does not have, until its transport has enough."""
        if not self._reading:
            self._reading = True
            Deferred.fromCoroutine(self._catch_up()).addErrback(self._broken)

    async def _catch_up(self) -> None:
        try:
            while self.session.wire.writable and self._seq < self._history.newest(self._room):
                newest = self._history.newest(self._room)
                member = self.session.fingerprint
                items = await self._history.read(self._room, self._seq, BATCH, member)
                for item in items:
                    self._write(item)
                if not items:
                    self._seq = newest  # what is missing at the end, too, was not kept
        finally:
            self._reading = False
        if self._resuming and self._seq == self._history.newest(self._room):
            self._resuming = False
            self.session.say(Resumed(self._room, self._seq))

    def _write(self, item: Item) -> None:
        self._seq = item.seq
        sealed = item.slices.get(self.session.fingerprint)
        if sealed is not None:
            self.session.say(Slice(self._room, item.seq, sealed))
        self.session.wire.write(item.line)

    def _broken(self, reason: Failure) -> None:
        _log.failure("the history of a room cannot be read", reason)
        self.session.wire.hang_up(_UNREADABLE)
