"""
The check of a history, without any key: is every room's chain whole?

All that the relay stores of a room follows from its entries: the log by the rules of
`securechat.group.log`, and from the log which frames, slices and state there can be. So a
history is checked by doing it all again, from each room's create entry on. What is inside
frames and slices only members can check.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import attrs

from securechat.errors import EntryRefused, HistoryDamaged, Malformed, StaleEntry
from securechat.group.detail import Add, Create
from securechat.group.entry import SignedEntry
from securechat.group.log import Log
from securechat.relay.database import explained, open_to_read
from securechat.relay.history import Item
from securechat.relay.state import Kind, Values, changes_by, name
from securechat.wire import SLICE, Changed, FrameLine, UserAdded, parse

_ROOMS = "SELECT id FROM rooms ORDER BY label"
_ROOM = """
    SELECT rooms.room, label, head, newest, frames, bytes, state
    FROM rooms LEFT JOIN states ON states.room = rooms.id WHERE id = ?
"""
_STREAM = """
    SELECT seq, line, 1, epoch, head FROM entries WHERE room = :room
    UNION ALL
    SELECT seq, line, count, NULL, NULL FROM frames WHERE room = :room
    ORDER BY seq
"""
_SLICES = "SELECT seq, member, length(sealed) FROM slices WHERE room = ?"
_NAMED = "SELECT name, value FROM named WHERE room = ?"

_FOLLOWING = (Kind.LEAF, Kind.REMOVED)
"""The kinds of values that follow from the entries alone."""


@attrs.frozen
class Verdict:
    """What was found of one room, up to where something is wrong."""

    room: bytes
    label: str
    entries: int
    frames: int
    wrong: str | None
    """What is wrong, and where; None: nothing is."""


def verify(path: Path) -> Iterator[Verdict]:
    """
    Check the history *path*, be it a backup or one that a relay is using.

    :return: a verdict on each room, in the order of their labels, as it is found. The first
        takes a while, since before it the file itself is checked.
    :raises HistoryError: if there is none, it is damaged as a file, or cannot be read.
    :raises OSError: if the system does not let it be read.
    """
    with closing(open_to_read(path)) as connection, explained(path):
        _check_file(connection, path)
        for (key,) in connection.execute(_ROOMS).fetchall():
            connection.execute("BEGIN")  # each room as of one moment; meanwhile others go on
            verdict = _verdict(connection, key)
            connection.execute("COMMIT")
            if verdict is not None:
                yield verdict


def _check_file(connection: sqlite3.Connection, path: Path) -> None:
    for (found,) in connection.execute("PRAGMA integrity_check(1)"):
        if found != "ok":
            raise HistoryDamaged(path=path, what=found)
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        raise HistoryDamaged(path=path, what=f"there are {table} of no room")


def _verdict(connection: sqlite3.Connection, key: int) -> Verdict | None:
    row = connection.execute(_ROOM, (key,)).fetchone()
    if row is None:
        return None  # it was dropped meanwhile
    room, label, *stored = row
    replay = _Replay(room)
    for seq, member, length in connection.execute(_SLICES, (key,)):
        replay.slices[seq][member] = length
    wrong = None
    try:
        for seq, line, count, epoch, head in connection.execute(_STREAM, {"room": key}):
            replay.take_all(seq, line, count, epoch, head)
        replay.end(label, *stored)
        replay.end_values(dict(connection.execute(_NAMED, (key,))))
    except _Wrong as error:
        wrong = str(error)
    return Verdict(room, label, replay.entries, replay.frames, wrong)


class _Wrong(Exception):
    """Something in a room is not as it follows from its entries."""


@attrs.define
class _Replay:
    """A room, made anew from its stream."""

    room: bytes
    slices: defaultdict[int, dict[bytes, int]] = attrs.Factory(lambda: defaultdict(dict))
    """Those that are stored and not checked yet: number to fingerprint to length."""
    log: Log | None = None
    seq: int = 0
    entries: int = 0
    frames: int = 0
    size: int = 0
    """Bytes of the frames."""
    landed: int = 0
    """The number of the newest entry."""
    sent: dict[int, int] = attrs.Factory(dict)
    """Row to its last n in this epoch."""
    values: Values = attrs.Factory(lambda: Values({}))

    def take_all(
        self, seq: int, line: bytes, count: int, epoch: int | None, head: bytes | None
    ) -> None:
        """
        Take the next of the stream, a run up to the number *seq*; with *epoch* and *head* if it
        is stored as an entry.
        """
        lines = Item(seq, line).lines
        for number, each in enumerate(lines, seq - count + 1):
            self._take(number, each, epoch, head)
        if len(lines) != count or not line.endswith(b"\r\n"):
            self.seq = seq
            self.wrong("its lines are not as many as they should be, or not whole")

    def _take(self, seq: int, line: bytes, epoch: int | None, head: bytes | None) -> None:
        last, self.seq = self.seq, seq
        try:
            said = parse(line)
            if not isinstance(said, UserAdded | Changed | FrameLine):
                self.wrong("it is neither an entry nor a frame")
            if (said.room, said.seq) != (self.room, seq) or seq <= last:
                self.wrong("its line is of another place")
            if isinstance(said, FrameLine) is not (epoch is None):
                self.wrong("entries and frames are exchanged")
            if isinstance(said, FrameLine):
                self._frame(said, len(line) + len(b"\r\n"))
            else:
                self._entry(said, epoch, head)
        except (EntryRefused, StaleEntry, Malformed) as error:
            self.wrong(str(error))

    def end(
        self, label: str, head: bytes, newest: int, frames: int, size: int, state: bytes | None
    ) -> None:
        """See that what is stored beside the stream is what it leads to."""
        if self.log is None:
            raise _Wrong("there is no entry")
        for seq in self.slices:
            raise _Wrong(f"there are slices of number {seq}, which is no entry")
        for what, found, expected in (
            ("label", label, self.log.label),
            ("head", head, self.log.head),
            ("state", state, self.log.snapshot()),
            ("newest number", max(newest, self.seq), newest),
            ("number of frames", frames, self.frames),
            ("size of the frames", size, self.size),
        ):
            if found != expected:
                raise _Wrong(f"the stored {what} is not that of the stream")

    def end_values(self, stored: Mapping[str, bytes]) -> None:
        """See that of the values *stored* those are right that follow from the entries."""
        for kind in _FOLLOWING:
            expected = {name(kind, each): value for each, value in self.values.of(kind).items()}
            found = {each: stored[each] for each in stored if each.startswith(f"{kind.value} ")}
            if found != expected:
                raise _Wrong(f"the stored values {kind.value!r} are not those of the stream")

    def wrong(self, why: str) -> NoReturn:
        """Complain about the number that was taken last."""
        raise _Wrong(f"number {self.seq}: {why}")

    def _entry(self, said: UserAdded | Changed, epoch: int | None, head: bytes | None) -> None:
        signed = SignedEntry.decode(said.entry)
        entry = signed.entry
        log = Log.founded(signed) if self.log is None else self.log.after(signed)
        if log.room != self.room:
            self.wrong("it founds another room")
        if (log.epoch, log.head) != (epoch, head):
            self.wrong("epoch or head is stored wrongly")
        if isinstance(entry.detail, Create | Add) is not isinstance(said, UserAdded):
            self.wrong("its line is for entries of another type")
        if not self.landed <= entry.seq < self.seq:
            self.wrong("its author's view is not of this stream")
        for member, length in self.slices.pop(self.seq, {}).items():
            if not entry.detail.FRESH or length != SLICE or member not in log.membership.index:
                self.wrong("it has a slice that it cannot have")
        self.log = log
        self.values.apply(changes_by(signed))
        self.entries += 1
        self.landed = self.seq
        self.sent.clear()

    def _frame(self, said: FrameLine, size: int) -> None:
        if self.log is None or said.epoch != self.log.epoch:
            self.wrong("it is a frame of another epoch")
        if said.row >= len(self.log.membership.rows):
            self.wrong("it is a frame of no member")
        if said.n <= self.sent.get(said.row, -1):
            self.wrong("it is a frame that its sender had sent before")
        self.sent[said.row] = said.n
        self.frames += 1
        self.size += size
