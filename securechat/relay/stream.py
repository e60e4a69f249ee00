"""
One room's stream on its way to one client.

A `Cursor` is the client's place in the stream. As long as the client reads it is written each
item as it comes; one that does not keeps its place, costs nothing, and is caught up from the
history once it reads again. Coming back after an absence is the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securechat.relay.history import IHistory, Item
from securechat.wire import Resumed

if TYPE_CHECKING:
    from securechat.relay.session import Session

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

    def push(self, item: Item) -> None:
        """Write *item*, the newest of the stream, unless the client is behind already."""
        if self.session.wire.writable and self._seq == item.seq - 1:
            self._seq = item.seq
            self.session.wire.write(item.line)

    def catch_up(self) -> None:
        """Write what the client does not have, until its transport has enough."""
        newest = self._history.newest(self._room)
        while self.session.wire.writable and self._seq < newest:
            items = self._history.after(self._room, self._seq, BATCH)
            # What is missing at the end, too, was not kept.
            self._seq = items[-1].seq if items else newest
            self.session.wire.write(b"".join(item.line for item in items))
        if self._resuming and self._seq == newest:
            self._resuming = False
            self.session.say(Resumed(self._room, newest))
