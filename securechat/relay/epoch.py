"""
The newest epoch's part of a room's stream: where it begins, and which frames were taken in it.

A frame's n is taken once, so that one that is sent again is not shown twice. After a restart,
and where a history has lost what it was given, that is read from the stream again.
"""

from __future__ import annotations

from securechat.group.log import Log
from securechat.relay.history import IHistory
from securechat.relay.stream import BATCH


class Epoch:
    """
    :param log: the log up to the entry that began it.
    :ivar number: the epoch's.
    :ivar head: the head of the log.
    :ivar rows: fingerprint to row, of all members.
    :ivar landed: the number of the entry that began it, as far as it is known.
    """

    def __init__(self, log: Log) -> None:
        self._of(log)
        self.landed = 0
        self._sent: dict[int, int] = {}  # row to its last n
        self._known = False

    def _of(self, log: Log) -> None:
        self.number, self.head, self.rows = log.epoch, log.head, log.membership.index

    def begin(self, log: Log, seq: int) -> None:
        """The newest entry of *log* has landed as number *seq*."""
        self._of(log)
        self.landed = seq
        self._sent = {}
        self._known = True

    def last(self, row: int) -> int:
        """Return the last n that was taken of *row*, -1 if nothing was."""
        return self._sent.get(row, -1)

    def take(self, row: int, n: int) -> None:
        """Take frame *n* of *row*."""
        self._sent[row] = n

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
                    continue
                for line in item.lines:
                    _, _, _, _, row, n, _ = line.split(b" ", 6)
                    sent[int(row)] = int(n)
        if not self._known:  # nobody else was faster
            self.landed, self._sent, self._known = landed, sent, True
