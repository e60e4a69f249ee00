"""
One room at the relay: who is here, and what they may say.

Members are live here each with a `Cursor`, and hear the stream as the history tells it. The
room knows the parts that handle their lines: its books, its door, who leaves and who comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.errors import EntryRefused, SecureChatError
from securechat.fingerprint import short
from securechat.group.detail import Add, Remove
from securechat.group.entry import Entry
from securechat.group.log import Log
from securechat.group.roster import Row
from securechat.relay.audience import Audience
from securechat.relay.counts import Counts
from securechat.relay.departures import Departures
from securechat.relay.door import Door
from securechat.relay.handover import Handover
from securechat.relay.history import IHistory, Item
from securechat.relay.ledger import Ledger, draft
from securechat.relay.limits import Limits
from securechat.relay.lookup import Lookup
from securechat.relay.pace import Pace
from securechat.relay.refusal import Refusal, subject
from securechat.relay.returns import EVERYBODY_LEFT, Returns
from securechat.relay.session import RoomLine, Session
from securechat.relay.staging import stage
from securechat.relay.state import Changes, Kind, Values
from securechat.relay.stream import Cursor
from securechat.wire import (
    Begin,
    Code,
    Commit,
    ErrorLine,
    Leave,
    Leaving,
    Member,
    Passing,
    Response,
    Restore,
    Resume,
    Slices,
)

_STORAGE = ErrorLine(
    Code.STORAGE, "-", "this relay cannot store what was said, as whoever runs it finds in its log"
)


class Room:
    """
    One room. The registry makes it of a create entry that it has checked, or of what the history
    has kept.

    :param log: the log up to its newest entry.
    :param values: what the history has kept by name.
    :param forget: is called when everybody has left.
    :param counts: where it counts what is said.
    :ivar over: whether everybody has.
    """

    _logger = Logger()

    def __init__(
        self,
        log: Log,
        values: Values,
        clock: IReactorTime,
        history: IHistory,
        limits: Limits,
        forget: Callable[[Room], None],
        counts: Counts,
    ) -> None:
        self.id = log.room
        self.label = log.label
        self.founder = log.created.entry.author
        self.clock = clock
        self.limits = limits
        self.history = history
        self.ledger = Ledger(log, values, clock, history, limits)
        self.door = Door(self)
        self.departures = Departures(self)
        self._returns = Returns(self)
        self._lookup = Lookup(self)
        self._live: dict[bytes, Cursor] = {}  # by fingerprint
        self._counts = counts
        self._pace = Pace(clock, history, self._most_behind, counts)
        self._audience = Audience(history.newest(self.id), self._pace.eased, counts)
        self._forget = forget
        self.over = False
        history.subscribe(self.id, self._hear, self._failed)

    @property
    def head(self) -> bytes:
        """The head of the log."""
        return self.ledger.log.head

    # Who is here

    @property
    def online(self) -> list[Session]:
        """The members who are live here, in roster order."""
        index = self.ledger.log.membership.index
        return [self._live[each].session for each in sorted(self._live, key=index.__getitem__)]

    @property
    def here(self) -> int:
        """How many members are live here."""
        return len(self._live)

    @property
    def behind(self) -> int:
        """How many of them have yet to catch up."""
        return len(self._live) - len(self._audience)

    def enter(
        self, session: Session, seq: int, *, resuming: bool, until: int | None = None
    ) -> None:
        """
        Let *session*, which has all up to the number *seq*, hear the rest.

        :param until: the epoch of the entry that removed its member, if one did: then it hears
            no more, and is not live.
        """
        if self.id in session.rooms:
            session.rooms[self.id].stop()
        cursor = Cursor(
            session,
            self.history,
            self.id,
            self._audience,
            seq,
            self.departures.pending,
            clock=self.clock,
            counts=self._counts,
            resuming=resuming,
            until=until,
        )
        session.rooms[self.id] = cursor
        session.admitted.discard(self.id)
        if until is None:
            self._live[session.fingerprint] = cursor
            self.history.arrive(self.id, session.fingerprint)
            self.history.has_seen(self.id, session.fingerprint, seq)
        cursor.catch_up()

    def leave(self, session: Session) -> None:
        """The connection of *session* is over, or its member is none any more."""
        if self._is_live(session):
            del self._live[session.fingerprint]
            self.history.depart(self.id, session.fingerprint)
            self._pace.left(session)

    def tell(self, line: Leaving) -> None:
        """Tell every member who is live."""
        for cursor in self._live.values():
            cursor.tell(line)

    def _most_behind(self) -> bool:
        """Whether more than half of those who are here with somebody who speaks are behind."""
        return 2 * (len(self._audience) - 1) < len(self._live) - 1

    def _is_live(self, session: Session) -> bool:
        cursor = self._live.get(session.fingerprint)
        return cursor is not None and cursor.session is session

    # Joining

    def join(self, session: Session) -> None:
        """
        Find somebody who vouches for *session*.

        :raises Refusal: if it may not join, or not now.
        """
        limits = self.limits
        if self.label in session.joins:
            raise Refusal(Code.STATE, "you are joining this room already", self.label)
        row = self.ledger.row_of(session.fingerprint)
        if row is not None and session.fingerprint not in self.departures.pending:
            self._say_member(session, row)
        elif len(session.joins) >= limits.joins_per_connection:
            raise self._busy("you are joining too many rooms at once")
        elif row is not None:
            self.departures.come_back(session)
        elif len(session.rooms) >= limits.rooms_per_connection:
            raise self._busy("you are in too many rooms on this connection")
        elif self.ledger.full:
            raise self._busy("the room is full")
        else:
            self.door.knock(session)

    def _busy(self, words: str) -> Refusal:
        return Refusal(Code.BUSY, words, self.label)

    def _say_member(self, session: Session, row: Row) -> None:
        kept = self.ledger.values.of(Kind.HANDOVER).get(session.fingerprint)
        if kept is None:
            session.say(Member(self.label, self.id, row.leaf_hash))
        else:
            session.working(self._hand_over_again(session, Handover.decode(kept)))

    async def _hand_over_again(self, session: Session, handover: Handover) -> None:
        added = await handover.added(self.history, self.id)
        session.admitted.add(self.id)
        session.say(handover.response)
        session.write(added)

    async def add(
        self, voucher: Session, joiner: Session, response: Response, entry: bytes
    ) -> None:
        """
        Take the *entry* by which *voucher* adds *joiner*, and tell everybody.

        :param response: what *voucher* answered the joiner's challenge with.
        :raises SecureChatError: as `Ledger.followed` and `Ledger.land` do.
        :raises Refusal: if *voucher* writes too many.
        """
        log = self.ledger.followed(voucher.fingerprint, entry)
        added = log.newest.detail
        if not isinstance(added, Add) or added.subject.fingerprint != joiner.fingerprint:
            raise EntryRefused(why="its subject is not of this attempt")
        if self.ledger.full:
            raise EntryRefused(why="the room is full")
        handover = Handover(response, self.history.newest(self.id)).encode()
        kept: Changes = {(Kind.HANDOVER, joiner.fingerprint): handover}
        seq = await self.ledger.land(log, {}, besides=kept)
        self.ledger.values.apply(kept)
        self._logger.info(
            "{joiner} is admitted to #{label} by {voucher}",
            joiner=short(joiner.fingerprint),
            label=self.label,
            voucher=short(voucher.fingerprint),
        )
        joiner.admitted.add(self.id)
        joiner.write(draft(log).numbered(self.id, seq))

    # What the history says

    def _hear(self, items: Sequence[Item]) -> None:
        """Take what is new in the stream, and tell everybody."""
        if self.over:
            return
        for item in items:
            removed = self._take(self.ledger.take(item)) if item.is_entry else []
            self._audience.say(item)
            for cursor in removed:
                self.leave(cursor.session)  # all of them, before others are asked in their place
            for cursor in removed:
                self._expel(cursor.session)
        self._pace.said(sum(len(item.line) for item in items))
        if any(item.is_entry for item in items):
            self.settle()

    def _take(self, entry: Entry) -> list[Cursor]:
        """An *entry* has landed; return the places of those who are here and whom it removes."""
        self._lookup.remember(self.ledger.log)
        if not isinstance(entry.detail, Remove):
            return []
        removed = []
        for removal in entry.detail.removals:
            self._logger.info(
                "{member} is removed from #{label} by {author}: {why}",
                member=short(removal.member),
                label=self.label,
                author=short(entry.author),
                why=removal.why.name.lower(),
            )
            cursor = self._live.get(removal.member)
            if cursor is not None:
                cursor.until = entry.epoch
                removed.append(cursor)
        return removed

    def _expel(self, session: Session) -> None:
        """The member of *session* is none any more: nothing that it began goes on."""
        if session.staging is not None and session.staging.room is self:
            session.staging.drop()
        for attempt in list(session.attempts.values()):
            if attempt.admission.room is self and attempt.voucher is session:
                attempt.end(None)

    def settle(self) -> None:
        """Do what follows from who is on the roster, and who wants to leave it."""
        if self.departures.everybody:
            self._end()
        else:
            self.departures.settle()

    def _end(self) -> None:
        """Everybody has left: there is no room any more."""
        self._logger.info("room #{label} is over: everybody has left", label=self.label)
        self.over = True
        self._forget(self)
        self.history.drop(self.id)
        gone = ErrorLine(Code.NO_ROOM, self.label, EVERYBODY_LEFT)
        self.door.close(gone)
        self.departures.close(gone)
        for session in self.online:
            session.rooms.pop(self.id).stop()
            self.leave(session)
            self._expel(session)
            session.say(ErrorLine(Code.NO_ROOM, subject(self.id), EVERYBODY_LEFT))

    def _failed(self, error: SecureChatError) -> None:
        """What was appended since the last item is not stored, because of *error*."""
        self._logger.critical(
            "what was said in #{label} is not stored, and not passed on: {why}",
            label=self.label,
            why=error,
        )
        self.ledger.forget()
        for session in self.online:
            session.wire.hang_up(_STORAGE)

    # What members say

    def handle(self, session: Session, line: RoomLine) -> None:
        """
        Take a member's *line* about this room.

        :raises Refusal: if it may not be said, or not now.
        """
        member = session.fingerprint
        if isinstance(line, Passing) and self._is_live(session):
            self.ledger.send(member, line)
            self._pace.speaks(session)
            return
        # Who was removed while it was away hears of it by `resume`.
        removed = isinstance(line, Resume) and member in self.ledger.values.of(Kind.REMOVED)
        if self.ledger.row_of(member) is None and not removed:
            raise Refusal(Code.NOT_MEMBER, "you are not a member of this room", subject(self.id))
        match line:
            case Resume() | Restore():
                self._returns.handle(session, line)
            case Leave():
                session.working(self.departures.leave(session, line))
            case Passing() | Begin() | Slices() | Commit():
                if isinstance(line, Passing) or not self._is_live(session):
                    raise Refusal(Code.STATE, "say resume first", subject(self.id))
                stage(session, self, line)
            case _:
                session.say(self._lookup.answer(line))
