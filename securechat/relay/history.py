"""
The numbered stream of each room, as the relay holds it.

Entries of the membership log and frames share one sequence of numbers, 1, 2, 3, … An entry is
taken only where the log's head is the one that it stands on (compare and append), so that of
two entries on one head the first wins, whoever else appends. Entries are kept for ever, since
the log is made of them; of the frames, the newest.

A history knows lines as bytes. It looks into none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import Protocol

import attrs

from securechat.errors import StaleEntry
from securechat.group.entry import ZERO

_seq = attrgetter("seq")


@attrs.frozen
class Item:
    """One number of a room's stream."""

    seq: int
    line: bytes
    """The whole line that members get, with its CRLF: made once, sent to everybody."""


class IHistory(Protocol):
    """
    What keeps the streams of the relay's rooms. *room* is always G, 32 bytes.

    Numbers have no gaps when they are given out; later, old frames may be missing.
    """

    def newest(self, room: bytes) -> int:
        """Return the newest number of the stream, 0 where there is none."""

    def append_entry(self, room: bytes, item: Item, prev: bytes, head: bytes) -> None:
        """
        Take *item*, an entry, as the next of the stream; afterwards *head* is the log's head.

        :param prev: the head that the entry stands on; 32 zero bytes for a create entry.
        :raises StaleEntry: if the log's head is another.
        """

    def append_frame(self, room: bytes, item: Item) -> None:
        """Take *item*, a frame, as the next of the stream."""

    def after(self, room: bytes, seq: int, most: int) -> Sequence[Item]:
        """
        Return the items after number *seq* in order, those that are no longer kept left out.

        :param most: bytes at which to stop; the first item is returned whatever its size.
        """


_DROPPED = Item(0, b"")


@attrs.define
class _Stream:
    """The stream of one room in memory."""

    keeps: int
    newest: int = 0
    head: bytes = ZERO
    entries: list[Item] = attrs.Factory(list)
    frames: list[Item] = attrs.Factory(list)
    dropped: int = 0
    """How many of the first `frames` are no longer kept, though still in the list."""
    size: int = 0
    """Bytes of the frames that are kept."""

    def add_frame(self, item: Item) -> None:
        self.frames.append(item)
        self.size += len(item.line)
        while self.size > self.keeps:
            self.size -= len(self.frames[self.dropped].line)
            self.frames[self.dropped] = _DROPPED
            self.dropped += 1
        if self.dropped * 2 > len(self.frames):  # now and then, since it moves all of them
            del self.frames[: self.dropped]
            self.dropped = 0

    def after(self, seq: int) -> Iterator[Item]:
        entries = self.entries[bisect_right(self.entries, seq, key=_seq) :]
        first = bisect_right(self.frames, seq, lo=self.dropped, key=_seq)
        frames = (self.frames[place] for place in range(first, len(self.frames)))
        return merge(entries, frames, key=_seq)


class MemoryHistory:
    """
    A history that lives as long as the relay.

    :param frame_bytes: how many bytes of frames are kept for each room.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._streams: defaultdict[bytes, _Stream] = defaultdict(lambda: _Stream(frame_bytes))

    def newest(self, room: bytes) -> int:
        return self._streams[room].newest

    def append_entry(self, room: bytes, item: Item, prev: bytes, head: bytes) -> None:
        stream = self._streams[room]
        if stream.head != prev:
            raise StaleEntry()
        stream.entries.append(item)
        stream.newest, stream.head = item.seq, head

    def append_frame(self, room: bytes, item: Item) -> None:
        stream = self._streams[room]
        stream.add_frame(item)
        stream.newest = item.seq

    def after(self, room: bytes, seq: int, most: int) -> Sequence[Item]:
        found: list[Item] = []
        size = 0
        for item in self._streams[room].after(seq):
            size += len(item.line)
            if found and size > most:
                break
            found.append(item)
        return found
