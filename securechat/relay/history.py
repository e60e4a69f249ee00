"""
The numbered stream of each room, as the relay keeps it, and what belongs to it.

Entries of the membership log and frames share one sequence of numbers, 1, 2, 3, … Whoever has
a line to add gives it as a `Draft`; the history numbers it, and tells everybody who subscribed
to the room once the line is as durable as it will be: nobody sees what could still be lost. An
entry is taken only where the log's head is the one that it stands on (compare and append), so
that of two entries on one head the first wins, whoever else appends; a frame is dropped where
the head has changed meanwhile. Entries are kept for ever, since the log is made of them; of the
frames, the newest.

With an entry go the *slices* that it has for single members, and the *state* from which the
room's log goes on after a restart. Beside the stream each room has a few named values, and a
list of who is present. A history knows lines and states as bytes. It looks into none.

`IHistory` is meant to fit a log that several relay processes share, so nothing in it is
answered at once that such a log would have to be asked for. `MemoryHistory` lives as long as
the relay; `securechat.relay.sqlite` is the one on disk.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred, fail, succeed

from securechat.errors import SecureChatError, StaleEntry
from securechat.group.entry import ZERO

_seq = attrgetter("seq")


@attrs.frozen
class Item:
    """One number of a room's stream."""

    seq: int
    line: bytes
    """The whole line that members get, with its CRLF: made once, sent to everybody."""
    is_entry: bool = False
    slices: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """Of an entry: fingerprint to slice; where it was read for one member, that one's alone."""


@attrs.frozen
class Draft:
    """A line of a room's stream that has no number yet."""

    verb: bytes
    rest: bytes
    """What stands in the line after room and number."""

    def numbered(self, room: bytes, seq: int) -> bytes:
        """Return the line, with its CRLF, as number *seq* of *room*."""
        spelled = urlsafe_b64encode(room).rstrip(b"=")
        return b"%b %b %d %b\r\n" % (self.verb, spelled, seq, self.rest)


@attrs.frozen
class Landing:
    """An entry, and all that becomes durable together with it."""

    draft: Draft
    prev: bytes
    """The head that the entry stands on; 32 zero bytes for a create entry."""
    head: bytes
    """The log's head with the entry."""
    epoch: int
    label: str
    state: bytes
    """What the room's log goes on from after a restart."""
    slices: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """Fingerprint to slice."""
    removed: frozenset[bytes] = frozenset()
    """The fingerprints that the entry takes off the roster: their slices are not kept."""
    values: Mapping[str, bytes | None] = attrs.field(factory=dict)
    """Named values of the room that change with it, see `IHistory.put`."""
    seq: int | None = None
    """The number that it has to get, which is beyond the newest: it is restored."""


@attrs.frozen
class Kept:
    """A room that a history holds from before."""

    room: bytes
    label: str
    head: bytes
    state: bytes
    values: Mapping[str, bytes]


Hear = Callable[[Sequence[Item]], None]
Failed = Callable[[SecureChatError], None]


class IHistory(Protocol):
    """
    What keeps the streams of the relay's rooms. *room* is always G, 32 bytes, *member* a
    fingerprint.

    Numbers have no gaps when they are given out; later, old frames may be missing.
    """

    def rooms(self) -> Iterable[Kept]:
        """Return the rooms that there are from before, when the relay starts."""

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        """
        Call *hear* with what was added to the stream of *room*, in order, each once, as soon as
        it is durable; call *failed* where what was appended since is lost, and why.
        """

    def newest(self, room: bytes) -> int:
        """Return the newest number of the stream that is durable, 0 where there is none."""

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        """
        Add an entry to the stream. Fires with its number once it is durable, after *hear*; fails
        with `StaleEntry` if the log's head is another than the one it stands on, or with the
        error why it could not be stored.
        """

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        """Add a frame to the stream, unless the log's head is another than *head* by then."""

    def read(self, room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
        """
        Return the items after the number *after* in order, each with the slice of *member*, those
        that are no longer kept left out.

        :param most: bytes at which to stop; the first item is returned whatever its size.
        """

    def head(self, room: bytes, epoch: int) -> Deferred[bytes | None]:
        """Return the head of the log at *epoch*, None where there is none."""

    def has_seen(self, room: bytes, member: bytes, seq: int) -> None:
        """*member* has all up to *seq*: its slices up to there are not needed any more."""

    def skip(self, room: bytes, seq: int) -> None:
        """The numbers up to *seq* have been given out, before this history was restored."""

    def put(self, room: bytes, name: str, value: bytes | None) -> Deferred[None]:
        """Keep *value* for *room* under *name*, or nothing any more. Fires when it is durable."""

    def drop(self, room: bytes) -> None:
        """*room* is over: keep nothing of it."""

    def arrive(self, room: bytes, member: bytes) -> None:
        """*member* is present in *room*."""

    def depart(self, room: bytes, member: bytes) -> None:
        """*member* is not present in *room* any more."""

    def present(self, room: bytes) -> frozenset[bytes]:
        """Return who is present in *room*."""


MAX_SLICES = 512
"""How many slices are kept for one member of a room; who is away longer has lost its state."""


class Presence:
    """Who is present where, for a relay of one process."""

    def __init__(self) -> None:
        self._present: defaultdict[bytes, set[bytes]] = defaultdict(set)

    def arrive(self, room: bytes, member: bytes) -> None:
        self._present[room].add(member)

    def depart(self, room: bytes, member: bytes) -> None:
        self._present[room].discard(member)

    def present(self, room: bytes) -> frozenset[bytes]:
        return frozenset(self._present[room])


_DROPPED = Item(0, b"")


@attrs.define
class _Stream:
    """The stream of one room in memory."""

    keeps: int
    newest: int = 0
    head: bytes = ZERO
    heads: dict[int, bytes] = attrs.Factory(dict)
    entries: list[Item] = attrs.Factory(list)
    frames: list[Item] = attrs.Factory(list)
    slices: defaultdict[bytes, dict[int, bytes]] = attrs.Factory(lambda: defaultdict(dict))
    """Fingerprint to number to slice."""
    dropped: int = 0
    """How many of the first `frames` are no longer kept, though still in the list."""
    size: int = 0
    """Bytes of the frames that are kept."""
    hear: Hear = lambda _: None

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

    def add_slices(self, seq: int, slices: Mapping[bytes, bytes]) -> None:
        for member, sealed in slices.items():
            kept = self.slices[member]
            kept[seq] = sealed
            if len(kept) > MAX_SLICES:
                kept.clear()  # a member cannot use the later ones without the earlier

    def after(self, seq: int) -> Iterator[Item]:
        entries = self.entries[bisect_right(self.entries, seq, key=_seq) :]
        first = bisect_right(self.frames, seq, lo=self.dropped, key=_seq)
        frames = (self.frames[place] for place in range(first, len(self.frames)))
        return merge(entries, frames, key=_seq)


class MemoryHistory(Presence):
    """
    A history that lives as long as the relay. What is appended is as durable as it will be at
    once.

    :param frame_bytes: how many bytes of frames are kept for each room.
    """

    def __init__(self, frame_bytes: int) -> None:
        super().__init__()
        self._streams: defaultdict[bytes, _Stream] = defaultdict(lambda: _Stream(frame_bytes))

    def rooms(self) -> Iterable[Kept]:
        return ()

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        self._streams[room].hear = hear

    def newest(self, room: bytes) -> int:
        return self._streams[room].newest

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        stream = self._streams[room]
        if stream.head != landing.prev:
            return fail(StaleEntry())
        seq = landing.seq or stream.newest + 1
        item = Item(seq, landing.draft.numbered(room, seq), True, landing.slices)
        stream.entries.append(attrs.evolve(item, slices={}))
        stream.newest, stream.head = seq, landing.head
        stream.heads[landing.epoch] = landing.head
        for member in landing.removed:
            stream.slices.pop(member, None)
        stream.add_slices(seq, landing.slices)
        stream.hear([item])
        return succeed(seq)

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        stream = self._streams[room]
        if stream.head != head:
            return
        stream.newest += 1
        item = Item(stream.newest, draft.numbered(room, stream.newest))
        stream.add_frame(item)
        stream.hear([item])

    def read(self, room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
        stream = self._streams[room]
        slices = stream.slices.get(member, {})
        found: list[Item] = []
        size = 0
        for item in stream.after(after):
            size += len(item.line)
            if found and size > most:
                break
            if item.seq in slices:
                item = attrs.evolve(item, slices={member: slices[item.seq]})
            found.append(item)
        return succeed(found)

    def head(self, room: bytes, epoch: int) -> Deferred[bytes | None]:
        return succeed(self._streams[room].heads.get(epoch))

    def has_seen(self, room: bytes, member: bytes, seq: int) -> None:
        slices = self._streams[room].slices.get(member, {})
        for each in [each for each in slices if each <= seq]:
            del slices[each]

    def skip(self, room: bytes, seq: int) -> None:
        stream = self._streams[room]
        stream.newest = max(stream.newest, seq)

    def put(self, room: bytes, name: str, value: bytes | None) -> Deferred[None]:
        return succeed(None)

    def drop(self, room: bytes) -> None:
        self._streams.pop(room, None)
