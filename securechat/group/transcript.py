"""
The transcript of a room's stream: T_n = H("T", T_{n-1}, n, digest of item n).

The relay numbers every frame and every entry of a room in one sequence. Whoever has folded
the same items has the same T, so one hash inside a message shows whether its sender and its
reader saw the same past. The values of the last 4,096 numbers are kept.

Where items are missing (before a newcomer's entry, or past what the relay still holds) T is
unknown until a verified entry tells (number, T) of its author; from there it is folded on.
"""

from __future__ import annotations

from typing import Any

import attrs

from securechat.encoding import number, octets, shaped
from securechat.errors import EncodingError
from securechat.group.table import Table
from securechat.primitives import HASH_LENGTH, Label

WINDOW = 4_096

_T = Label("T", 3)


@attrs.frozen
class Slot:
    """What is known of one number: the digest of its item and T, each None where it is not."""

    seq: int
    item: bytes | None
    value: bytes | None = None

    def fields(self) -> list[Any]:
        """Return the CBOR array [seq, item, value], with empty strings for what is not known."""
        return [self.seq, self.item or b"", self.value or b""]

    @classmethod
    def of(cls, value: object) -> Slot:
        """Return the slot of which *value* is the array; raise `EncodingError`."""
        seq, *known = shaped(value, int, bytes, bytes)
        if any(len(each) not in (0, HASH_LENGTH) for each in known):
            raise EncodingError(what="no digest")
        return cls(seq, *(each or None for each in known))


class Transcript:
    """
    The digests and values of T for the newest items of one stream, in a ring of slots.

    :ivar seq: the newest number that was folded or passed over.
    :ivar newest: the newest (number, T) that is known: what a sender says it has seen.
    """

    def __init__(self, seq: int, newest: tuple[int, bytes]) -> None:
        self.seq = seq
        self.newest = newest
        self.slots: Table[int, Slot] = Table("transcript", int, Slot.fields, Slot.of)

    @classmethod
    def starting(cls, seq: int, value: bytes) -> Transcript:
        """Return the transcript that continues from T = *value* at *seq*."""
        transcript = cls(seq, (seq, value))
        transcript._set(Slot(seq, None, value))
        return transcript

    def fold(self, seq: int, item: bytes) -> None:
        """
        Take the item *seq* of which *item* is the digest. Where *seq* is not the next number,
        what lies between is missing and T is unknown from here.
        """
        self.seq = seq
        known, value = self.newest
        if known != seq - 1:
            self._set(Slot(seq, item))
            return
        value = _after(value, seq, item)
        self._set(Slot(seq, item, value))
        self.newest = (seq, value)

    def pass_over(self, seq: int) -> None:
        """What did not come up to *seq* will not come: the next number is the one after it."""
        self.seq = max(self.seq, seq)

    def at(self, seq: int) -> bytes | None:
        """Return T at *seq*, or None where it is not known, or no longer."""
        slot = self._get(seq)
        return None if slot is None else slot.value

    def learn(self, seq: int, value: bytes) -> None:
        """
        Where T is unknown, believe that it was *value* at *seq*, and fold on over the items
        after *seq* that are here. What was folded here already is not unlearnt.
        """
        known, _ = self.newest
        if not known < seq < self.seq:
            return
        if seq > self.seq - WINDOW:
            slot = self._get(seq) or Slot(seq, None)
            self._set(attrs.evolve(slot, value=value))
        self._fold_from(seq, value)

    def _fold_from(self, seq: int, value: bytes) -> None:
        """T is *value* at *seq*: fold on over the items that follow."""
        while (slot := self._get(seq + 1)) is not None and slot.item is not None:
            seq += 1
            value = _after(value, seq, slot.item)
            self._set(Slot(seq, slot.item, value))
        self.newest = (seq, value)

    def _get(self, seq: int) -> Slot | None:
        slot = self.slots.get(seq % WINDOW)
        return slot if slot is not None and slot.seq == seq else None

    def _set(self, slot: Slot) -> None:
        self.slots[slot.seq % WINDOW] = slot


def _after(value: bytes, seq: int, item: bytes) -> bytes:
    """Return T_n, with n = *seq*, after T_{n-1} = *value*."""
    return _T.digest(octets(value) + number(seq) + octets(item))
