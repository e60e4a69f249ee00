"""
A history for tests: it outlives relays, stores when it is told to, and can lose what waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from securechat.errors import SecureChatError
from securechat.relay.history import Draft, Failed, Hear, Item, Kept, Landing
from securechat.relay.memory import MemoryHistory


class Full(SecureChatError):
    """
    The disk is full.
    """


@attrs.frozen
class _Step:
    """One thing that a history was told to do."""

    name: str
    room: bytes
    rest: tuple[Any, ...]
    done: Deferred[Any] = attrs.field(factory=Deferred)


class StoredHistory(MemoryHistory):
    """
    A history that can be copied, as a disk can.

    :ivar slow: whether what is to be stored waits for `store`.
    :ivar slow_reads: whether what is read waits for `answer`.
    """

    def __init__(self, steps: Iterable[_Step] = ()) -> None:
        super().__init__(Clock())
        self.slow = self.slow_reads = False
        self._reading: list[tuple[Deferred[Any], Deferred[Any]]] = []
        self._waiting: list[_Step] = []
        self._done: list[_Step] = []
        self._rooms: dict[bytes, Kept] = {}
        self._dropped: set[bytes] = set()
        self._failed: dict[bytes, Failed] = {}
        for step in steps:
            self._do(attrs.evolve(step, done=Deferred()))

    def copy(self) -> StoredHistory:
        """Return a copy of what is stored, for another relay."""
        return StoredHistory(self._done)

    def store(self) -> None:
        """Store what waits."""
        waiting, self._waiting = self._waiting, []
        for step in waiting:
            self._do(step)

    def lose(self) -> None:
        """Lose what waits."""
        waiting, self._waiting = self._waiting, []
        for room in {step.room for step in waiting}:
            self._failed[room](Full())
        for step in waiting:
            step.done.errback(Full())

    def answer(self) -> None:
        """Answer what was asked for, with what was there then, the newest question first."""
        reading, self._reading = self._reading, []
        for asked, found in reversed(reading):
            found.chainDeferred(asked)

    def break_reads(self) -> None:
        """Answer what was asked for with an error."""
        reading, self._reading = self._reading, []
        for asked, _ in reading:
            asked.errback(Full())

    def _read(self, found: Deferred[Any]) -> Deferred[Any]:
        if not self.slow_reads:
            return found
        asked: Deferred[Any] = Deferred()
        self._reading.append((asked, found))
        return asked

    def value(self, room: bytes, name: str) -> bytes | None:
        """Return the value of *room* that is stored under *name*."""
        return self._rooms[room].values.get(name)

    def _take(self, name: str, room: bytes, *rest: Any) -> Deferred[Any]:
        step = _Step(name, room, rest)
        if self.slow:
            self._waiting.append(step)
        else:
            self._do(step)
        return step.done

    def _do(self, step: _Step) -> None:
        self._done.append(step)
        result: Deferred[Any] | None = getattr(super(), step.name)(step.room, *step.rest)
        if result is None:
            step.done.callback(None)
        else:
            result.addCallback(self._keep, step).chainDeferred(step.done)

    def _keep(self, result: Any, step: _Step) -> Any:
        if step.name == "append_entry":
            (landing,) = step.rest
            before = self._rooms.get(step.room)
            self._rooms[step.room] = Kept(
                step.room,
                landing.label,
                landing.head,
                landing.state,
                before.values if before else {},
            )
            self._put(step.room, landing.values)
        else:
            name, value = step.rest
            self._put(step.room, {name: value})
        return result

    def _put(self, room: bytes, values: Any) -> None:
        if room in self._rooms:
            kept = {**self._rooms[room].values, **values}
            present = {name: value for name, value in kept.items() if value is not None}
            self._rooms[room] = attrs.evolve(self._rooms[room], values=present)

    # IHistory

    def rooms(self) -> Iterable[Kept]:
        return [kept for kept in self._rooms.values() if kept.room not in self._dropped]

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        self._failed[room] = failed
        super().subscribe(room, hear, failed)

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        return self._take("append_entry", room, landing)

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        self._take("append_frame", room, head, draft).addErrback(lambda _: None)

    def put(self, room: bytes, name: str, value: bytes | None) -> Deferred[None]:
        return self._take("put", room, name, value)

    def skip(self, room: bytes, seq: int) -> None:
        self._take("skip", room, seq).addErrback(lambda _: None)

    def has_seen(self, room: bytes, member: bytes, seq: int) -> None:
        self._take("has_seen", room, member, seq).addErrback(lambda _: None)

    def read(self, room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
        return self._read(super().read(room, after, most, member))

    def head(self, room: bytes, epoch: int) -> Deferred[bytes | None]:
        return self._read(super().head(room, epoch))

    def drop(self, room: bytes) -> None:
        self._dropped.add(room)
        self._take("drop", room).addErrback(lambda _: None)
