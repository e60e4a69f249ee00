"""
The numbered stream of each room, as the relay keeps it, and what belongs to it.

Entries of the membership log and frames share one sequence of numbers, 1, 2, 3, … Whoever has
a line to add gives it as a `Draft`; the history numbers it, and tells everybody who subscribed
to the room once the line is as durable as it will be: nobody sees what could still be lost. An
entry is taken only where the log's head is the one that it stands on (compare and append), so
that of two entries on one head the first wins, whoever else appends; a frame is dropped where
the head has changed meanwhile. Entries are kept for ever, since the log is made of them; of the
frames, as many as the operator wants (`securechat.relay.retention`).

With an entry go the *slices* that it has for single members, and the *state* from which the
room's log goes on after a restart. Beside the stream each room has a few named values, and a
list of who is present. A history knows lines and states as bytes. It looks into none.

`IHistory` is meant to fit a log that several relay processes share, so nothing in it is
answered at once that such a log would have to be asked for. `securechat.relay.memory` has the
one that lives as long as the relay, `securechat.relay.sqlite` the one on disk.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred

from securechat.errors import SecureChatError
from securechat.relay.counts import Commits

MAX_SLICES = 512
"""How many slices are kept for one member of a room; who is away longer has lost its state."""

NO_SLICES: Final[Mapping[bytes, bytes]] = MappingProxyType({})


@lru_cache
def spelled(room: bytes) -> bytes:
    """Return how *room* is spelled in a line."""
    return urlsafe_b64encode(room).rstrip(b"=")


@attrs.define(hash=True)  # and not frozen, which costs time for each frame
class Item:
    """One number of a room's stream. Nobody changes it."""

    seq: int
    line: bytes
    """The whole line that members get, with its CRLF: made once, sent to everybody."""
    is_entry: bool = False
    slices: Mapping[bytes, bytes] = NO_SLICES
    """Of an entry: fingerprint to slice; where it was read for one member, that one's alone."""


@attrs.define  # likewise
class Draft:
    """A line of a room's stream that has no number yet."""

    verb: bytes
    rest: bytes
    """What stands in the line after room and number."""

    def numbered(self, room: bytes, seq: int) -> bytes:
        """Return the line, with its CRLF, as number *seq* of *room*."""
        return b"%b %b %d %b\r\n" % (self.verb, spelled(room), seq, self.rest)


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
    fingerprint. A room begins with its create entry: what is said of it before is forgotten.

    Numbers have no gaps when they are given out; later, old frames may be missing.

    :ivar backlog: bytes of lines that were appended and are not durable yet.
    :ivar commits: counts how often, and how long it took.
    """

    backlog: int
    commits: Commits

    def rooms(self) -> Iterable[Kept]:
        """Return the rooms that there are from before, when the relay starts."""

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        """
        Call *hear* with what was added to the stream of *room*, in order, each once, as soon as
        it is durable. Call *failed* where what was appended after that is lost, and why: the
        stream goes on from what is durable, and takes more as soon as it can.
        """

    def newest(self, room: bytes) -> int:
        """Return the newest number of the stream that is durable, 0 where there is none."""

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        """
        Add an entry to the stream. Fires with its number once it is durable, after *hear*; fails
        with `StaleEntry` if the log's head is another than the one it stands on, or the number
        that it has to get is taken; with the error why it could not be stored, after *failed*.
        """

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        """Add a frame to the stream, unless the log's head is another than *head* by then."""

    def relief(self) -> Deferred[None]:
        """Return what fires when `backlog` is less than now."""

    def read(self, room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
        """
        Return the items after the number *after* in order, each with the slice of *member*, those
        that are no longer kept left out. None is newer than `newest`.

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

    def expire(self) -> None:
        """Drop the frames that are too old by now; called every hour or so."""

    def close(self) -> Deferred[None]:
        """Make durable what was appended, and take no more. Fires when all files are closed."""

    def arrive(self, room: bytes, member: bytes) -> None:
        """*member* is present in *room*."""

    def depart(self, room: bytes, member: bytes) -> None:
        """*member* is not present in *room* any more."""

    def present(self, room: bytes) -> frozenset[bytes]:
        """Return who is present in *room*."""
