"""
One room's stream on its way to one client.

A `Cursor` is the client's place in the stream. As long as the client reads it is one of the
room's audience; one that does not keeps its place, costs nothing, and is caught up from the
history once it reads again. Coming back after an absence is the same thing. However fast it
reads, others have their turn after each part; and where the relay holds much for all together it
has to wait for its own (`securechat.relay.buffers`). For a member that was removed the stream ends
with the entry that did so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.group.entry import SignedEntry
from securechat.relay.audience import Audience
from securechat.relay.counts import Counts
from securechat.relay.history import IHistory, Item
from securechat.relay.refusal import subject
from securechat.wire import (
    Changed,
    Code,
    ErrorLine,
    Leaving,
    Resumed,
    Slice,
    UserAdded,
    parse,
    serialise,
)

if TYPE_CHECKING:
    from securechat.relay.session import Session

_log = Logger()

_UNREADABLE = ErrorLine(Code.STORAGE, "-", "this relay cannot read what it has stored")

BATCH = 65_536
"""Bytes that are written before others have their turn, or the transport enough."""


def entry_of(item: Item) -> SignedEntry:
    """Return the entry that *item* of a stream shows."""
    said = parse(item.line.removesuffix(b"\r\n"))
    assert isinstance(said, UserAdded | Changed)
    return SignedEntry.decode(said.entry)


def _epoch_of(item: Item) -> int:
    """Return the epoch that *item* starts, or the one that it is a frame of."""
    if item.is_entry:
        return entry_of(item).entry.epoch
    _, _, _, epoch, _ = item.line.split(b" ", 4)
    return int(epoch)


class Cursor:
    """
    The place of *session*'s client in the stream of *room* (G).

    :param audience: the room's.
    :param seq: the newest number that the client has.
    :param leaves: who wants to leave the room at any time, fingerprint to signature. The client
        is told once it knows the roster that they are on.
    :param resuming: whether the client wants to be told when it has all of it.
    :param until: the epoch of the entry that removed the client, after which there is nothing
        for it.
    :param clock: the reactor, or what keeps time in its place.
    :param counts: where it counts how often it reads.
    :ivar seq: the newest number that the client has been written; while it is in the audience,
        the audience knows.
    """

    def __init__(
        self,
        session: Session,
        history: IHistory,
        room: bytes,
        audience: Audience,
        seq: int,
        leaves: Mapping[bytes, bytes],
        *,
        clock: IReactorTime,
        counts: Counts,
        resuming: bool,
        until: int | None = None,
    ) -> None:
        self.session = session
        self.until = until
        self.seq = seq
        self._history = history
        self._room = room
        self._audience = audience
        self._leaves = leaves
        self._clock = clock
        self._counts = counts
        self._resuming = resuming
        self._reading = False
        self._owes_leaves = True
        self._over = False

    def tell(self, line: Leaving) -> None:
        """Say that a member leaves, unless the client is behind."""
        if self in self._audience:
            self.session.say(line)
        else:
            self._owes_leaves = True

    def fall_behind(self) -> None:
        """The client has enough for now: write it nothing more of the stream by itself."""
        self._audience.leave(self)

    def catch_up(self) -> None:
        """Write what the client does not have, until its transport has enough."""
        if not self._reading:
            self._reading = True
            Deferred.fromCoroutine(self._catch_up()).addErrback(self._broken)

    def stop(self) -> None:
        """Write nothing any more."""
        self._over = True
        self._audience.leave(self)

    def write(self, items: Iterable[Item]) -> None:
        """Write *items*, which are the next, up to where the stream ends for the client."""
        if self._over:
            return
        lines, ends = [], False
        for item in items:
            left = 1 if self.until is None else self.until - _epoch_of(item)
            if ends := left < 0 or (left == 0 and not item.is_entry):
                break
            self.seq = item.seq
            sealed = item.slices.get(self.session.fingerprint)
            if sealed is not None:
                lines.append(serialise(Slice(self._room, item.seq, sealed)) + b"\r\n")
            lines.append(item.line)
            if ends := left == 0:
                break
        self.session.wire.write(b"".join(lines))
        if ends:
            self._end()

    async def _catch_up(self) -> None:
        try:
            while self.session.wire.writable and not self._over and self not in self._audience:
                newest = self._history.newest(self._room)
                if self.seq >= newest:
                    self._caught_up()
                    break
                if not self.session.wire.may_catch_up():
                    break
                member = self.session.fingerprint
                self._counts.catch_up_reads += 1
                items = await self._history.read(self._room, self.seq, BATCH, member)
                self.write(items)
                if not items:
                    self.seq = newest  # what is missing at the end, too, was not kept
                elif self.seq < newest:
                    await self._next_turn()
        finally:
            self._reading = False

    def _next_turn(self) -> Deferred[None]:
        turn: Deferred[None] = Deferred()
        self._clock.callLater(0, turn.callback, None)
        return turn

    def _caught_up(self) -> None:
        if self.until is not None:  # the client says that it has what came after it was removed
            self._end()
            return
        self._audience.enter(self, self.session.wire.stream)
        if self._owes_leaves:
            self._owes_leaves = False
            for member, signature in self._leaves.items():
                self.session.say(Leaving(self._room, member, signature))
        if self._resuming:
            self._resuming = False
            self.session.say(Resumed(self._room, self.seq))

    def _end(self) -> None:
        self.stop()
        del self.session.rooms[self._room]
        if self._resuming:
            words = "you are not a member of this room any more: you were removed"
            self.session.say(ErrorLine(Code.NOT_MEMBER, subject(self._room), words))

    def _broken(self, reason: Failure) -> None:
        _log.failure("the history of a room cannot be read", reason)
        self.session.wire.hang_up(_UNREADABLE)
