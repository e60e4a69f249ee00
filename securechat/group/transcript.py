"""
The transcript of a room's stream: T_n = H("T", T_{n-1}, n, digest of item n).

The relay numbers every frame and every entry of a room in one sequence. Whoever has folded
the same items has the same T, so one hash inside a message shows whether its sender and its
reader saw the same past. The values of the last 4,096 numbers are kept.

Where items are missing (before a newcomer's entry, or past what the relay still holds) T is
unknown until a verified entry tells (number, T) of its author; from there it is folded on.
"""

from __future__ import annotations

import attrs

from securechat.primitives import digest

WINDOW = 4_096


@attrs.define
class Transcript:
    """The digests and values of T for the newest items of one stream."""

    seq: int
    """The newest number that was folded."""
    _values: dict[int, bytes]
    _digests: dict[int, bytes] = attrs.field(factory=dict)

    @classmethod
    def starting(cls, seq: int, value: bytes) -> Transcript:
        """Return the transcript that continues from T = *value* at *seq*."""
        return cls(seq, {seq: value})

    def fold(self, seq: int, item: bytes) -> None:
        """
        Take the item *seq* of which *item* is the digest. Where *seq* is not the next number,
        what lies between is missing and T is unknown from here.
        """
        previous = self._values.get(seq - 1)
        self.seq = seq
        self._digests[seq] = item
        if previous is not None:
            self._values[seq] = digest("T", previous, seq, item)
        self._forget()

    def pass_over(self, seq: int) -> None:
        """What did not come up to *seq* will not come: the next number is the one after it."""
        self.seq = max(self.seq, seq)

    def at(self, seq: int) -> bytes | None:
        """Return T at *seq*, or None where it is not known, or no longer."""
        return self._values.get(seq)

    @property
    def newest(self) -> tuple[int, bytes]:
        """The newest (number, T) that is known: what a sender says it has seen."""
        return next(reversed(self._values.items()))  # they are always added in rising order

    def learn(self, seq: int, value: bytes) -> None:
        """
        Where T is unknown, believe that it was *value* at *seq*, and fold on over the items
        after *seq* that are here. What was folded here already is not unlearnt.
        """
        known, _ = self.newest
        if not known < seq < self.seq:
            return
        self._values[seq] = value
        while (item := self._digests.get(seq + 1)) is not None:
            value = digest("T", value, seq + 1, item)
            seq += 1
            self._values[seq] = value
        self._forget()

    def _forget(self) -> None:
        for kept in (self._digests, self._values):
            while len(kept) > WINDOW:
                del kept[next(iter(kept))]
