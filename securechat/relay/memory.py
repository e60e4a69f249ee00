"""
A history that lives as long as the relay: for tests, for embedders, and for who wants nothing
on disk.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from securechat.errors import StaleEntry
from securechat.relay.counts import Commits
from securechat.relay.history import MAX_SLICES, Draft, Failed, Hear, Item, Kept, Landing
from securechat.relay.presence import Presence
from securechat.relay.retention import Retention, Tally
from securechat.relay.tip import Tip

_seq = attrgetter("seq")

_DROPPED = Item(0, b"")


@attrs.define
class _Stream:
    """The stream of one room."""

    tip: Tip = attrs.Factory(Tip)
    heads: dict[int, bytes] = attrs.Factory(dict)
    """Epoch to head."""
    entries: list[Item] = attrs.Factory(list)
    frames: list[Item] = attrs.Factory(list)
    times: list[float] = attrs.Factory(list)
    """When each of `frames` came."""
    dropped: int = 0
    """How many of the first `frames` are no longer kept, though still in the list."""
    tally: Tally = attrs.Factory(Tally)
    slices: defaultdict[bytes, dict[int, bytes]] = attrs.Factory(lambda: defaultdict(dict))
    """Fingerprint to number to slice."""
    hear: Hear = lambda _: None

    def add_frame(self, item: Item, time: float) -> None:
        self.frames.append(item)
        self.times.append(time)
        self.tally.add(1, len(item.line), time)

    def drop_frames(self, retention: Retention, now: float) -> None:
        last = retention.excess(self.tally, self._oldest(), now)
        if last is None:
            return
        after = bisect_right(self.frames, last, lo=self.dropped, key=_seq)
        self.frames[self.dropped : after] = [_DROPPED] * (after - self.dropped)
        self.dropped = after
        if self.dropped * 2 > len(self.frames):  # now and then, since it moves all of them
            del self.frames[: self.dropped], self.times[: self.dropped]
            self.dropped = 0

    def _oldest(self) -> Iterator[tuple[int, float, int]]:
        for place in range(self.dropped, len(self.frames)):
            item = self.frames[place]
            yield item.seq, self.times[place], len(item.line)

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
    A history in memory: what is appended is as durable as it will be at once.

    :param clock: the reactor, or what tells time in its place.
    :param retention: what is kept of each room.
    """

    backlog = 0

    def __init__(self, clock: IReactorTime, retention: Retention | None = None) -> None:
        super().__init__()
        self.commits = Commits()
        self._clock = clock
        self._retention = retention or Retention()
        self._streams: defaultdict[bytes, _Stream] = defaultdict(_Stream)

    def rooms(self) -> Iterable[Kept]:
        return ()

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        self._streams[room].hear = hear

    def newest(self, room: bytes) -> int:
        return self._streams[room].tip.newest

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        stream = self._streams[room]
        try:
            seq = stream.tip.land(landing)
        except StaleEntry as error:
            return fail(error)
        item = Item(seq, landing.draft.numbered(room, seq), True, landing.slices)
        stream.entries.append(attrs.evolve(item, slices={}))
        stream.heads[landing.epoch] = landing.head
        for member in landing.removed:
            stream.slices.pop(member, None)
        stream.add_slices(seq, landing.slices)
        stream.hear([item])
        return succeed(seq)

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        stream = self._streams[room]
        seq = stream.tip.follow(head)
        if seq is None:
            return
        item = Item(seq, draft.numbered(room, seq))
        now = self._clock.seconds()
        stream.add_frame(item, now)
        stream.drop_frames(self._retention, now)
        stream.hear([item])

    def relief(self) -> Deferred[None]:
        return succeed(None)

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
        self._streams[room].tip.skip(seq)

    def put(self, room: bytes, name: str, value: bytes | None) -> Deferred[None]:
        return succeed(None)

    def drop(self, room: bytes) -> None:
        self._streams.pop(room, None)

    def expire(self) -> None:
        for stream in self._streams.values():
            stream.drop_frames(self._retention, self._clock.seconds())

    def close(self) -> Deferred[None]:
        return succeed(None)
