"""
What is wrong with the stream of a room, as far as its numbers and its transcript show it.

It knows what came and what never did, what each member says that it had seen, and keeps the
alarms. It knows no key.
"""

from __future__ import annotations

from securechat.encoding import shaped
from securechat.errors import EncodingError
from securechat.group.events import Alarm, FramesMissing, Reason, RoomEvent
from securechat.group.table import Table, one
from securechat.group.transcript import Transcript
from securechat.primitives import HASH_LENGTH


class Watch:
    """
    The watch over one room's stream.

    :ivar missed: numbers of this epoch that never came, and that no skipped key explains yet.
    :ivar last_missed: the newest number of this epoch that never came, 0 where there is none.
    """

    def __init__(self, label: str, transcript: Transcript) -> None:
        self.label = label
        self.transcript = transcript
        self.missed = 0
        self.last_missed = 0
        self.seen: Table[bytes, int] = Table("seen", bytes, lambda seq: [seq], one(int))
        """Each member's newest seen_seq, by fingerprint."""
        self.alarms: Table[int, Alarm] = Table("alarm", int, _write, self._read)
        """The first alarm of each reason and sender; they do not go away."""

    def expect(self, seq: int) -> list[RoomEvent]:
        """Say what is wrong if *seq* is not the next number, and make it the next."""
        if seq <= self.transcript.seq:
            return [self.alarm(Reason.REPLAYED, None, seq)]
        first, last = self.transcript.seq + 1, seq - 1
        if first > last:
            return []
        self.missed += last - first + 1
        self.last_missed = last
        self.transcript.pass_over(last)
        return [FramesMissing(self.label, first, last)]

    def new_epoch(self) -> None:
        """What was missing before an entry explains nothing after it."""
        self.missed = self.last_missed = 0

    def check_view(self, sender: bytes, seq: int, seen_seq: int, seen: bytes) -> list[RoomEvent]:
        """
        Compare what *sender* had seen with what is here; where that is not known, since numbers
        are missing, believe *sender*, so that others are held to it from here on.
        """
        if seen_seq >= seq or seen_seq < self.seen.get(sender, 0):
            return [self.alarm(Reason.REORDERED, sender, seq)]
        self.seen[sender] = seen_seq
        self.transcript.learn(seen_seq, seen)
        if self.transcript.at(seen_seq) not in (None, seen):
            return [self.alarm(Reason.FORKED, sender, seq)]
        return []

    def alarm(self, reason: Reason, sender: bytes | None, seq: int) -> Alarm:
        """Return an alarm, and keep it if it is the first of its kind."""
        alarm = Alarm(self.label, reason, sender, seq)
        if (reason, sender) not in {(each.reason, each.sender) for each in self.alarms.values()}:
            self.alarms[len(self.alarms)] = alarm
        return alarm

    def _read(self, value: list[object]) -> Alarm:
        reason, sender, seq = shaped(value, str, bytes, int)
        if len(sender) not in (0, HASH_LENGTH):
            raise EncodingError(what="no sender of an alarm")
        return Alarm(self.label, Reason(reason), sender or None, seq)


def _write(alarm: Alarm) -> list[str | bytes | int]:
    return [alarm.reason.value, alarm.sender or b"", alarm.seq]
