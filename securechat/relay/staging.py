"""
An entry on its way into the log, with its slices, in lines: `begin`, `slices`, `commit`.

The slices of a large room are more than a line holds. A connection stages one entry at a time;
until `commit` nothing of it is in the log, and it is dropped with the connection, by another
`begin`, or when it takes too long. `slices` are not answered: `commit` is, or `begin` where
already that cannot be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from securechat.errors import EntryRefused, Malformed, StaleEntry
from securechat.group.detail import Add
from securechat.group.log import Log
from securechat.relay.refusal import Refusal, subject
from securechat.wire import SLICE, Begin, Code, Commit, ErrorLine, Line, Overtaken, Slices

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from securechat.relay.room import Room
    from securechat.relay.session import Session


@attrs.define
class _Begun:
    """An entry that can land, and the slices of it that have come."""

    log: Log
    """The log with the entry at its end."""
    sealed: bytearray = attrs.Factory(bytearray)
    in_order: bool = True

    @property
    def members(self) -> list[bytes]:
        """Who gets a slice, in its order."""
        fresh = self.log.newest.detail.FRESH
        return [row.fingerprint for row in self.log.membership.rows] if fresh else []

    def take(self, line: Slices) -> None:
        """Take more slices, as many as there can be."""
        room_left = SLICE * len(self.log.membership.rows) - len(self.sealed)
        if line.first * SLICE != len(self.sealed) or len(line.sealed) > room_left:
            self.in_order = False
        if self.in_order:
            self.sealed += line.sealed

    def slices(self) -> Mapping[bytes, bytes]:
        """
        Return the slices by the fingerprints of their members.

        :raises EntryRefused: if they are not one for each.
        """
        members = self.members
        if not self.in_order or len(self.sealed) != SLICE * len(members):
            raise EntryRefused(why="there is not one slice for each member who remains")
        return {
            member: bytes(self.sealed[place * SLICE : (place + 1) * SLICE])
            for place, member in enumerate(members)
        }


class Staging:
    """
    What *session* has begun in *room*.

    :ivar landing: whether it is on its way into the log.
    """

    def __init__(self, session: Session, room: Room) -> None:
        self.room = room
        self._session = session
        self._begun: _Begun | None = None  # None where the client was told already that it is over
        self.landing = False
        self._timer: IDelayedCall = room.clock.callLater(
            room.limits.staging_seconds, self._too_late
        )

    @property
    def size(self) -> int:
        """The bytes of slices that have come."""
        return 0 if self._begun is None else len(self._begun.sealed)

    def begin(self, line: Begin) -> None:
        """
        Begin with an entry.

        :raises Refusal: if it cannot land; so does `commit`.
        """
        try:
            log = self.room.ledger.followed(self._session.fingerprint, line.entry)
            if isinstance(log.newest.detail, Add):
                raise EntryRefused(why="who is added is added in an attempt")
        except (StaleEntry, Malformed, EntryRefused) as error:
            self._answer(error)
        else:
            self._begun = _Begun(log)

    def take(self, line: Slices) -> None:
        """Take slices."""
        if self._begun is not None:
            before = self.size
            self._begun.take(line)
            self._session.wire.keeps(self.size - before)

    async def commit(self) -> None:
        """
        Let it land.

        :raises SecureChatError: if that cannot be stored.
        """
        begun, self.landing = self._take_begun(), True
        try:
            if begun is not None:
                await self.room.ledger.land(begun.log, begun.slices())
        except (StaleEntry, EntryRefused) as error:
            self._answer(error)
        finally:
            self.drop()

    def drop(self) -> None:
        """Forget it."""
        self._take_begun()
        if self._timer.active():
            self._timer.cancel()
        if self._session.staging is self:
            self._session.staging = None

    def _take_begun(self) -> _Begun | None:
        """Keep it no more here; return it."""
        self._session.wire.keeps(-self.size)
        begun, self._begun = self._begun, None
        return begun

    def _answer(self, error: Exception) -> None:
        about = subject(self.room.id)
        answer: Line = ErrorLine(Code.ENTRY, about, str(error))
        if isinstance(error, StaleEntry):
            answer = Overtaken(self.room.id, self.room.head)
        self._session.say(answer)

    def _too_late(self) -> None:
        if self._take_begun() is not None:
            words = "what you began took too long: begin it again"
            self._session.say(ErrorLine(Code.BUSY, subject(self.room.id), words))


def stage(session: Session, room: Room, line: Begin | Slices | Commit) -> None:
    """
    Take a *line* of the staging of *session* in *room*.

    :raises Refusal: if it may not be said, or not now.
    """
    staging = session.staging
    if staging is not None and staging.landing:
        raise Refusal(Code.STATE, "wait until what you committed has landed", subject(room.id))
    if isinstance(line, Begin):
        if staging is not None:
            staging.drop()
        session.staging = staging = Staging(session, room)
        staging.begin(line)
    elif staging is None or staging.room is not room:
        if isinstance(line, Commit):
            raise Refusal(Code.STATE, "you have begun nothing here", subject(room.id))
    elif isinstance(line, Slices):
        staging.take(line)
    else:
        session.working(staging.commit())
