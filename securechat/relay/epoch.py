"""
The newest epoch's part of a room's stream: where it begins, and which frames were taken in it.

A frame's n is taken once, so that one that is sent again is not shown twice. After a restart,
and where a history has lost what it was given, that is read from the stream again.
"""

from __future__ import annotations

from securechat.relay.history import IHistory
from securechat.relay.stream import BATCH


class Epoch:
    """
    :ivar landed: the number of the entry that began it, as far as it is known.
    """

    def __init__(self) -> None:
        self.landed = 0
        self._sent: dict[int, int] = {}  # row to its last n
        self._known = False

    def begin(self, seq: int) -> None:
        """An entry has landed as number *seq*."""
        self.landed = seq
        self._sent = {}
        self._known = True

    def silent(self, row: int) -> bool:
        """Whether nothing was taken of *row* yet."""
        return row not in self._sent

    def take(self, row: int, n: int) -> bool:
        """Take frame *n* of *row*; false if that one, or a later one, was taken already."""
        if n <= self._sent.get(row, -1):
            return False
        self._sent[row] = n
        return True

    def forget(self) -> None:
        """What was taken may be lost: only the stream knows."""
        self._known = False

    async def recall(self, history: IHistory, room: bytes, view: int) -> None:
        """
        Read from the stream of *room* what is not known any more.

        :param view: the newest number that the author of the newest entry had seen. Between it
            and that entry there are frames alone.
        """
        if self._known:
            return
        seq, landed, sent = view, 0, dict[int, int]()
        while items := await history.read(room, seq, BATCH, b""):
            for item in items:
                seq = item.seq
                if item.is_entry:
                    landed, sent = seq, {}
                else:
                    _, _, _, _, row, n, _ = item.line.split(b" ", 6)
                    sent[int(row)] = int(n)
        if not self._known:  # nobody else was faster
            self.landed, self._sent, self._known = landed, sent, True
