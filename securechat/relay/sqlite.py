"""
The history on disk: SQLite in a file of the relay's own.

What is appended in one turn of the reactor is numbered and checked at once, against what is on
its way to the disk as against what is there, and is written at the turn's end in one
transaction. Only then is it heard. If that fails, everything that was on its way is lost
together: whoever appended it is told so, and the streams go on from what the disk has, so that
the next turn may succeed. Nothing is ever heard that is not there after a crash.

How much of a crash is a choice. Without a `Worker` a commit outlasts the end of the process,
however sudden, and costs less than the way to a thread and back would; a loss of power may undo
the last commits, though never a part of one. With it a commit is on the medium when it is done,
for which the worker waits in its thread, while the reactor gathers the next turns into one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.errors import HistoryDamaged, HistoryError, HistoryFailed, StaleEntry
from securechat.group.entry import ZERO
from securechat.relay.counts import Commits
from securechat.relay.database import Database, explained, transaction
from securechat.relay.history import (
    MAX_SLICES,
    RUN,
    Draft,
    Failed,
    Hear,
    Item,
    Kept,
    Landing,
    run,
)
from securechat.relay.presence import Presence
from securechat.relay.retention import Retention, Tally
from securechat.relay.tip import Tip

T = TypeVar("T")

_AT_ONCE = 4_096
"""Frames of one room that are dropped in one turn, if there are that many to drop."""

_ROOMS = "SELECT id, room, head, newest, frames, bytes FROM rooms"
_KEPT = """
    SELECT id, rooms.room, label, head, state
    FROM rooms LEFT JOIN states ON states.room = rooms.id ORDER BY id
"""
_NAMED = "SELECT name, value FROM named WHERE room = ?"
_READ = """
    SELECT seq, line, 1, 1 FROM entries WHERE room = :room AND seq > :after AND seq <= :newest
    UNION ALL
    SELECT seq, line, 0, count FROM frames WHERE room = :room AND seq > :after AND seq <= :newest
    ORDER BY seq
"""
_SLICES = "SELECT seq, sealed FROM slices WHERE room = ? AND member = ? AND seq BETWEEN ? AND ?"
_HEAD = "SELECT head FROM entries WHERE room = ? AND epoch = ?"
_OLDEST = "SELECT seq, time, line, count FROM frames WHERE room = ? ORDER BY seq"

_ADD_ROOM = "INSERT INTO rooms VALUES (?, ?, ?, ?, 0, 0, 0)"
_SET_ROOM = "UPDATE rooms SET head = ?, newest = ?, frames = ?, bytes = ? WHERE id = ?"
_DROP_ROOM = "DELETE FROM rooms WHERE room = ?"
_SET_STATE = "REPLACE INTO states VALUES (?, ?)"
_ADD_ENTRY = "INSERT INTO entries VALUES (?, ?, ?, ?, ?)"
_ADD_RUN = "INSERT INTO frames VALUES (?, ?, ?, ?, ?)"
_DROP_RUNS = "DELETE FROM frames WHERE room = ? AND seq <= ?"
_CUT_RUN = "UPDATE frames SET line = ?, count = ? WHERE room = ? AND seq = ?"
_ADD_SLICE = "INSERT INTO slices VALUES (?, ?, ?, ?)"
_DROP_SLICES = "DELETE FROM slices WHERE room = ? AND member = ? AND seq <= ?"
_DROP_ALL_SLICES = "DELETE FROM slices WHERE room = ? AND member = ?"
_DROP_USELESS_SLICES = f"""
    DELETE FROM slices WHERE room = :room AND member IN (
        SELECT member FROM slices WHERE room = :room GROUP BY member HAVING count(*) > {MAX_SLICES}
    )
"""
_SET_VALUE = "REPLACE INTO named VALUES (?, ?, ?)"
_DROP_VALUE = "DELETE FROM named WHERE room = ? AND name = ?"


class IWorker(Protocol):
    """What writes where the reactor need not wait, see `securechat.relay.worker.Worker`."""

    def run(self, function: Callable[[], None]) -> Deferred[None]: ...

    def stop(self) -> None: ...


@attrs.define(eq=False)
class _Stream:
    """What is known of a room's stream without the disk."""

    key: int = 0
    """The room's id in the database; 0 before its create entry."""
    tip: Tip = attrs.Factory(Tip)
    """Its end, with what is on its way to the disk…"""
    durable: Tip = attrs.Factory(Tip)
    """… and without."""
    tally: Tally = attrs.Factory(Tally)
    is_over: bool = False
    """Whether its room has been dropped."""
    hear: Hear = lambda _: None
    failed: Failed = lambda _: None


@attrs.define
class _Share:
    """What a turn has for one stream."""

    items: list[Item] = attrs.Factory(list)
    size: int = 0
    """Bytes of the frames."""
    tip: Tip = attrs.Factory(Tip)
    """The end of the stream after it…"""
    tally: Tally = attrs.Factory(Tally)
    """… and how much is kept then."""
    _run: list[bytes] = attrs.Factory(list)
    """The lines of the newest run, …"""
    _seq: int = 0
    """… the number of the last of them, …"""
    _left: int = RUN
    """… and the bytes until the run ends."""

    @property
    def is_heard(self) -> bool:
        return bool(self.items or self._run)

    def row(self, key: int) -> tuple[bytes, int, int, int, int]:
        """Return what is known after it of the room whose id is *key*."""
        return self.tip.head, self.tip.newest, self.tally.count, self.tally.size, key

    def add_entry(self, item: Item) -> None:
        self.end_run()
        self.items.append(item)

    def add_frame(self, seq: int, line: bytes) -> None:
        if seq != self._seq + 1 or self._left <= 0:
            self.end_run()
        self._run.append(line)
        self._seq = seq
        self._left -= len(line)
        self.size += len(line)

    def end_run(self) -> None:
        """What comes next does not belong to what came before."""
        if self._run:
            self.items.append(run(self._seq, self._run))
            self._run, self._left = [], RUN


@attrs.define
class _Turn:
    """What is written together."""

    statements: list[tuple[str, list[Any]]] = attrs.Factory(list)
    """In order, each with the parameters of all the times that it is executed."""
    drops: list[bytes] = attrs.Factory(list)
    """The rooms that are over."""
    shares: dict[_Stream, _Share] = attrs.Factory(dict)
    waiting: list[tuple[Deferred[Any], object]] = attrs.Factory(list)
    """Who wants to be told that it is durable, and with which result."""
    time: float = 0.0
    began: float = 0.0
    """When it began to be written, by `perf_counter`."""

    @property
    def is_empty(self) -> bool:
        return not (self.statements or self.drops or self.shares or self.waiting)

    def add(self, statement: str, parameters: Any) -> None:
        if not self.statements or self.statements[-1][0] is not statement:
            self.statements.append((statement, []))
        self.statements[-1][1].append(parameters)

    def share(self, stream: _Stream) -> _Share:
        share = self.shares.get(stream)
        if share is None:
            share = self.shares[stream] = _Share()
        return share

    def wait(self, result: T) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        self.waiting.append((done, result))
        return done

    def end(self, time: float) -> None:
        """Nothing is added any more."""
        self.time = time
        for stream, share in self.shares.items():
            share.end_run()
            share.tip, share.tally = stream.tip.copy(), stream.tally.copy()


class SQLiteHistory(Presence):
    """
    A history in a file.

    :param path: the file, which is made if there is none.
    :param clock: the reactor, or what tells and keeps time in its place.
    :param retention: what is kept of each room.
    :param worker: the thread to write in, so that commits outlast a loss of power; without one
        they outlast the end of the process.
    :raises HistoryError, OSError: if the file cannot be used.
    """

    _log = Logger()

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        retention: Retention | None = None,
        worker: IWorker | None = None,
    ) -> None:
        super().__init__()
        self.backlog = 0
        self.commits = Commits()
        self.database = Database(path, durable=worker is not None)
        self._clock = clock
        self._retention = retention or Retention()
        self._worker = worker
        self._turn = _Turn()
        self._call: IDelayedCall | None = None
        self._writing: _Turn | None = None
        self._relief: list[Deferred[None]] = []
        self._streams: dict[bytes, _Stream] = {}
        try:
            with explained(self.database.path):
                self._load()
        except BaseException:
            self.database.close()
            raise
        self._keys = count(1 + max((each.key for each in self._streams.values()), default=0))

    def _load(self) -> None:
        for key, room, head, newest, frames, size in self.database.reader.execute(_ROOMS):
            self._streams[room] = _Stream(
                key, Tip(newest, head), Tip(newest, head), Tally(frames, size)
            )

    # What is on disk

    def rooms(self) -> Iterable[Kept]:
        with explained(self.database.path):
            reader = self.database.reader
            for key, room, label, head, state in reader.execute(_KEPT):
                if state is None:
                    raise HistoryDamaged(
                        path=self.database.path, what=f"the room #{label} has no state"
                    )
                yield Kept(room, label, head, state, dict(reader.execute(_NAMED, (key,))))

    def newest(self, room: bytes) -> int:
        stream = self._streams.get(room)
        return 0 if stream is None else stream.durable.newest

    def read(self, room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
        return execute(self._read, room, after, most, member)

    def _read(self, room: bytes, after: int, most: int, member: bytes) -> list[Item]:
        stream = self._streams.get(room) or _Stream()
        where = {"room": stream.key, "after": after, "newest": stream.durable.newest}
        found: list[Item] = []
        size = 0
        with explained(self.database.path):
            reader = self.database.reader
            with closing(reader.execute(_READ, where)) as rows:
                for seq, line, is_entry, count in rows:
                    size += len(line)
                    if found and size > most:
                        break
                    found.append(Item(seq, line, bool(is_entry), count=count))
            entries = [item.seq for item in found if item.is_entry]
            found[:1] = [item.after(after) for item in found[:1]]
            if not entries:
                return found
            between = (stream.key, member, entries[0], entries[-1])
            slices = dict(reader.execute(_SLICES, between))
        return [
            attrs.evolve(item, slices={member: slices[item.seq]}) if item.seq in slices else item
            for item in found
        ]

    def head(self, room: bytes, epoch: int) -> Deferred[bytes | None]:
        return execute(self._head, room, epoch)

    def _head(self, room: bytes, epoch: int) -> bytes | None:
        stream = self._streams.get(room) or _Stream()
        with explained(self.database.path):
            row = self.database.reader.execute(_HEAD, (stream.key, epoch)).fetchone()
        return row[0] if row else None

    # What is to be there

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        stream = self._streams.setdefault(room, _Stream())
        stream.hear, stream.failed = hear, failed

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        stream = self._streams.setdefault(room, _Stream())
        try:
            seq = stream.tip.land(landing)
        except StaleEntry as error:
            return fail(error)
        turn = self._begin()
        if landing.prev == ZERO:
            stream.key = next(self._keys)
            turn.add(_ADD_ROOM, (stream.key, room, landing.label, landing.head))
        key = stream.key
        item = Item(seq, landing.draft.numbered(room, seq), True, landing.slices)
        turn.share(stream).add_entry(item)
        turn.add(_ADD_ENTRY, (key, seq, landing.epoch, landing.head, item.line))
        turn.add(_SET_STATE, (key, landing.state))
        for member in landing.removed:
            turn.add(_DROP_ALL_SLICES, (key, member))
        for member, sealed in landing.slices.items():
            turn.add(_ADD_SLICE, (key, member, seq, sealed))
        if landing.slices:
            turn.add(_DROP_USELESS_SLICES, {"room": key})
        for name, value in landing.values.items():
            self._set(turn, key, name, value)
        return turn.wait(seq)

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        stream = self._streams.get(room)
        seq = stream and stream.tip.follow(head)
        if not stream or not seq:
            return
        line = draft.numbered(room, seq)
        self._begin().share(stream).add_frame(seq, line)
        self.backlog += len(line)

    def relief(self) -> Deferred[None]:
        relief: Deferred[None] = Deferred()
        self._relief.append(relief)
        return relief

    def has_seen(self, room: bytes, member: bytes, seq: int) -> None:
        if stream := self._begun(room):
            self._begin().add(_DROP_SLICES, (stream.key, member, seq))

    def skip(self, room: bytes, seq: int) -> None:
        if stream := self._begun(room):
            is_durable = stream.tip == stream.durable
            stream.tip.skip(seq)
            if is_durable:  # nothing is on its way that could be lost or heard late
                stream.durable.skip(seq)
            self._begin().share(stream)

    def put(self, room: bytes, name: str, value: bytes | None) -> Deferred[None]:
        stream = self._begun(room)
        if not stream:
            return succeed(None)
        turn = self._begin()
        self._set(turn, stream.key, name, value)
        return turn.wait(None)

    def _set(self, turn: _Turn, key: int, name: str, value: bytes | None) -> None:
        if value is None:
            turn.add(_DROP_VALUE, (key, name))
        else:
            turn.add(_SET_VALUE, (key, name, value))

    def _begun(self, room: bytes) -> _Stream | None:
        """Return the stream of *room* if that has its create entry, be it on its way."""
        stream = self._streams.get(room)
        return stream if stream and stream.tip.newest else None

    def drop(self, room: bytes) -> None:
        stream = self._streams.pop(room, None)
        if stream:
            stream.is_over = True
            turn = self._begin()
            if share := turn.shares.pop(stream, None):
                self.backlog -= share.size
            turn.drops.append(room)

    def expire(self) -> None:
        now = self._clock.seconds()
        for stream in self._streams.values():
            if self._retention.is_passed(stream.tally, now):
                self._begin().share(stream)

    def rest(self) -> None:
        """Close the file until it is used again, such as after a fork; others cannot take it."""
        self.database.rest()

    def close(self) -> Deferred[None]:
        if self._writing is None and self._turn.is_empty:
            self._close()
            return succeed(None)
        return self._begin().wait(None).addBoth(self._close)

    def _close(self, _: object = None) -> None:
        if self._worker is not None:
            self._worker.stop()
        self.database.close()

    # Turn by turn

    def _begin(self) -> _Turn:
        """Return the turn that is not written yet, which will be."""
        if self._call is None and self._writing is None:
            self._call = self._clock.callLater(0, self._flush)
        return self._turn

    def _flush(self) -> None:
        self._call = None
        turn, self._turn = self._turn, _Turn()
        turn.end(self._clock.seconds())
        self._writing = turn
        turn.began = perf_counter()
        if self._worker is not None:
            self._worker.run(partial(self._write, turn)).addCallbacks(self._written, self._lost)
            return
        try:
            self._write(turn)
        except Exception:  # whatever it is, as a worker's Deferred has it: nothing is durable
            self._lost(Failure())
        else:
            self._written(None)

    def _write(self, turn: _Turn) -> None:
        """Write *turn*: all of it, or nothing. Where there is a worker, this is in its thread."""
        with explained(self.database.path), transaction(self.database.writer) as connection:
            for statement, parameters in turn.statements:
                connection.executemany(statement, parameters)
            if turn.drops:
                connection.executemany(_DROP_ROOM, [(room,) for room in turn.drops])
            shares = [(stream.key, share) for stream, share in turn.shares.items()]
            connection.executemany(_ADD_RUN, self._runs(shares, turn.time))
            for key, share in shares:
                if self._retention.is_passed(share.tally, turn.time):
                    self._drop_excess(connection, key, share.tally, turn.time)
            connection.executemany(_SET_ROOM, [share.row(key) for key, share in shares])

    def _runs(
        self, shares: Iterable[tuple[int, _Share]], now: float
    ) -> Iterator[tuple[int, int, float, bytes, int]]:
        """Yield the rows of the runs in *shares*, which are then counted."""
        for key, share in shares:
            for item in share.items:
                if not item.is_entry:
                    share.tally.add(item.count, len(item.line), now)
                    yield key, item.seq, now, item.line, item.count

    def _drop_excess(
        self, connection: sqlite3.Connection, key: int, tally: Tally, now: float
    ) -> None:
        with closing(_oldest(connection, key)) as frames:
            last = self._retention.excess(tally, islice(frames, _AT_ONCE), now)
        if last is not None:
            _drop(connection, key, last)

    def _written(self, _: None) -> None:
        turn, self._writing = self._writing, None
        assert turn is not None
        self.commits.done += 1
        self.commits.seconds += perf_counter() - turn.began
        for stream, share in turn.shares.items():
            self.backlog -= share.size
            share.tip.skip(stream.durable.newest)  # it may have skipped since
            stream.durable, stream.tally = share.tip, share.tally
        for stream, share in turn.shares.items():
            if share.items:
                with self._log.failuresHandled("what is new could not be passed on"):
                    stream.hear(share.items)
            if self._retention.is_passed(stream.tally, turn.time) and not stream.is_over:
                self._turn.share(stream)  # there is more to drop
        for done, result in turn.waiting:
            done.callback(result)
        if not self._turn.is_empty:
            self._begin()
        self._relieve()

    def _lost(self, failure: Failure) -> None:
        """Nothing of what was on its way is durable, nor will be."""
        written, gathered = self._writing, self._turn
        assert written is not None
        self._writing, self._turn = None, _Turn()
        self.commits.failed += 1
        self._turn.drops = [*written.drops, *gathered.drops]  # with the next that is written
        if not isinstance(error := failure.value, HistoryError):
            self._log.failure("the history could not be written", failure)
            error = HistoryFailed(path=self.database.path, why=str(error))
        shares = [*written.shares.items(), *gathered.shares.items()]
        for stream, _ in shares:
            stream.tip = stream.durable.copy()
        self.backlog = 0
        for stream in dict.fromkeys(stream for stream, share in shares if share.is_heard):
            with self._log.failuresHandled("nobody could be told that something is lost"):
                stream.failed(error)
        for done, _ in (*written.waiting, *gathered.waiting):
            done.errback(error)
        self._relieve()

    def _relieve(self) -> None:
        """Fewer bytes are on their way: let who waits for that append more, a little at first."""
        relief, self._relief = self._relief, []
        for each in relief:
            each.callback(None)


def _oldest(
    connection: sqlite3.Connection, key: int
) -> Generator[tuple[int, float, int], None, None]:
    """Yield number, time and size of the frames of a room, the oldest first."""
    with closing(connection.execute(_OLDEST, (key,))) as rows:
        for seq, time, line, count in rows:
            for number, each in enumerate(Item(seq, line).lines, seq - count + 1):
                yield number, time, len(each) + len(b"\r\n")


def _drop(connection: sqlite3.Connection, key: int, last: int) -> None:
    """Drop the frames of a room up to number *last*, which may be in the middle of a run."""
    connection.execute(_DROP_RUNS, (key, last))
    oldest = connection.execute(_OLDEST, (key,)).fetchone()
    if oldest is not None:
        seq, _, line, count = oldest
        whole = Item(seq, line, count=count)
        left = whole.after(last)
        if left is not whole:
            connection.execute(_CUT_RUN, (left.line, left.count, key, seq))
