"""
All that the relay has: who is connected, which rooms there are, and which mailboxes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Set

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.errors import EncodingError, EntryRefused, Malformed
from securechat.fingerprint import short
from securechat.group.entry import SignedEntry
from securechat.group.log import Log
from securechat.relay.counts import Census, Counts
from securechat.relay.history import IHistory
from securechat.relay.limits import Limits
from securechat.relay.mailboxes import Mailboxes
from securechat.relay.refusal import Refusal, subject
from securechat.relay.room import Room
from securechat.relay.session import Session
from securechat.relay.state import Values, log_of
from securechat.wire import Code, Found


class Registry:
    """
    The relay's sessions, rooms and mailboxes.

    :param founders: the fingerprints that may found rooms; None: everybody.
    :param counts: where rooms count.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        history: IHistory,
        founders: Container[bytes] | None,
        counts: Counts,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._history = history
        self._founders = founders
        self._counts = counts
        self._sessions: dict[bytes, Session] = {}
        self._rooms: dict[bytes, Room] = {}
        self._by_label: dict[str, Room] = {}
        self.mailboxes = Mailboxes(clock, limits, counts)
        self._founding: dict[str, bytes] = {}  # label to founder, of rooms not stored yet
        for kept in history.rooms():
            try:
                self._add(self._room(log_of(kept.state), kept.values))
            except EncodingError:
                raise EncodingError(what=f"what is kept of the room #{kept.label}") from None
        for room in list(self._rooms.values()):
            room.settle()

    def enter(self, session: Session) -> None:
        """
        Take *session*; an older one of the same identity makes way.

        :raises Refusal: if the relay has no place for another one.
        """
        older = self._sessions.get(session.fingerprint)
        if older is not None:
            older.supersede()
        elif self.connected >= self._limits.connections_in_all:
            raise Refusal(Code.BUSY, "this relay has no place for another connection", closes=True)
        self._sessions[session.fingerprint] = session

    def leave(self, session: Session) -> None:
        """*session* is over."""
        del self._sessions[session.fingerprint]
        for identifier in session.rooms.keys() & self._rooms.keys():
            self._rooms[identifier].leave(session)

    @property
    def connected(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def census(self, connections: int, buffered: int) -> Census:
        """
        Count what there is, besides that many *connections*, and *buffered* bytes for them; this
        looks at each room.
        """
        rooms = self._rooms.values()
        return Census(
            connections=connections,
            sessions=self.connected,
            rooms=len(rooms),
            members_online=sum(room.here for room in rooms),
            members_behind=sum(room.behind for room in rooms),
            newcomers_waiting=sum(room.door.waiting for room in rooms),
            mailboxes=len(self.mailboxes),
            buffered_bytes=buffered,
            history_backlog_bytes=self._history.backlog,
        )

    def room(self, identifier: bytes) -> Room:
        """
        Return the room whose G is *identifier*.

        :raises Refusal: if there is none.
        """
        try:
            return self._rooms[identifier]
        except KeyError:
            raise Refusal(Code.NO_ROOM, "there is no such room here", subject(identifier)) from None

    def most_members(self, rooms: Set[bytes]) -> int:
        """Return how many members the largest of *rooms* has; 0: there is none."""
        found = (self._rooms[room] for room in rooms & self._rooms.keys())
        return max((len(room.ledger.log.membership.rows) for room in found), default=0)

    def labelled(self, label: str) -> Room:
        """
        Return the room *label*.

        :raises Refusal: if there is none.
        """
        try:
            return self._by_label[label]
        except KeyError:
            raise Refusal(Code.NO_ROOM, "there is no room of that label here", label) from None

    def found(self, session: Session, line: Found) -> None:
        """
        Make the room that *session* founds.

        :raises Refusal: if the entry, the label, the operator or a limit forbids it.
        """
        try:
            log = Log.founded(SignedEntry.decode(line.entry))
        except (Malformed, EntryRefused) as error:
            raise Refusal(Code.ENTRY, str(error)) from None
        if log.newest.author != session.fingerprint:
            raise Refusal(Code.ENTRY, "the entry is not yours")
        self._check_may_found(session, log.label)
        self._founding[log.label] = session.fingerprint
        session.working(self._found(session, log))

    async def _found(self, session: Session, log: Log) -> None:
        room = self._room(log, {})
        try:
            await room.ledger.land(log, {})
        finally:
            del self._founding[log.label]
        self._add(room)
        self._log.info(
            "room #{label} is founded by {peer}",
            label=room.label,
            peer=short(session.fingerprint),
        )
        if not session.over:
            room.enter(session, 0, resuming=False)

    def _room(self, log: Log, values: Mapping[str, bytes]) -> Room:
        return Room(
            log,
            Values(values),
            self._clock,
            self._history,
            self._limits,
            self._forget,
            self._counts,
        )

    def _add(self, room: Room) -> None:
        self._rooms[room.id] = self._by_label[room.label] = room

    def _forget(self, room: Room) -> None:
        del self._rooms[room.id], self._by_label[room.label]

    def _check_may_found(self, session: Session, label: str) -> None:
        limits, founder = self._limits, session.fingerprint
        if self._founders is not None and founder not in self._founders:
            raise Refusal(
                Code.FOUNDERS, "this relay's operator has not allowed you to found rooms", label
            )
        if label in self._by_label or label in self._founding:
            raise Refusal(Code.TAKEN, "there is a room of that label already", label)
        if len(session.rooms) >= limits.rooms_per_connection:
            raise Refusal(Code.BUSY, "you are in too many rooms on this connection", label)
        founders = [*(room.founder for room in self._rooms.values()), *self._founding.values()]
        if founders.count(founder) >= limits.rooms_per_founder:
            raise Refusal(Code.BUSY, "you have founded too many rooms here", label)
        if len(founders) >= limits.rooms_in_all:
            raise Refusal(Code.BUSY, "this relay has no place for another room", label)
