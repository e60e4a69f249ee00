"""
One room at the relay: its log, its stream, and who is here.

The relay runs the same rules as every member (`securechat.group.log`), so that one bad entry
cannot jam the room, and gives entries and frames their numbers. Of a frame it checks whose it
is and that it is new; what is inside it cannot know. What it has given to its history it
believes, and tells, only once that says that it is durable.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.errors import EntryRefused, SecureChatError
from securechat.fingerprint import short
from securechat.group.detail import Add, Create, Remove
from securechat.group.entry import Entry, SignedEntry
from securechat.group.log import Log
from securechat.group.roster import Row
from securechat.relay.departures import Departures
from securechat.relay.door import Door
from securechat.relay.epoch import Epoch
from securechat.relay.handover import Handover
from securechat.relay.history import Draft, IHistory, Item, Landing
from securechat.relay.limits import Limits
from securechat.relay.lookup import Lookup
from securechat.relay.rates import Rates
from securechat.relay.refusal import Refusal, subject
from securechat.relay.returns import Returns
from securechat.relay.session import Session
from securechat.relay.staging import stage
from securechat.relay.state import Changes, Kind, Values, changes_by, name, named
from securechat.relay.stream import Cursor, entry_of
from securechat.wire import (
    Begin,
    Code,
    Commit,
    ErrorLine,
    Leave,
    Leaves,
    Leaving,
    Line,
    Member,
    Response,
    Restore,
    Resume,
    Roster,
    Send,
    Slices,
    Who,
    serialise,
)

RoomLine = Send | Resume | Restore | Leave | Begin | Slices | Commit | Roster | Leaves | Who
"""What members say about a room."""

_STORAGE = ErrorLine(
    Code.STORAGE, "-", "this relay cannot store what was said: connect again, and say it again"
)


class Room:
    """
    One room. The registry makes it of a create entry that it has checked, or of what the history
    has kept.

    :param log: the log up to its newest entry.
    :param values: what the history has kept by name.
    :param forget: is called when everybody has left.
    :ivar over: whether everybody has left.
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
    ) -> None:
        self.id = log.room
        self.label = log.label
        self.founder = log.created.entry.author
        self.clock = clock
        self.limits = limits
        self.history = history
        self.log = log
        self.values = values
        self.epoch = Epoch()
        self.rates = Rates(clock, limits)
        self.door = Door(self)
        self.departures = Departures(self)
        self._returns = Returns(self)
        self._lookup = Lookup(self)
        self._lookup.remember(log)
        self._live: dict[bytes, Cursor] = {}  # by fingerprint
        self._forget = forget
        self.over = False
        history.subscribe(self.id, self._hear, self._failed)

    # Who is here

    @property
    def online(self) -> list[Session]:
        """The members who are live here, in roster order."""
        index = self.log.membership.index
        return [self._live[each].session for each in sorted(self._live, key=index.__getitem__)]

    def row_of(self, member: bytes) -> Row | None:
        """Return the row of the fingerprint *member*, None where it is not on the roster."""
        membership = self.log.membership
        number = membership.index.get(member)
        return None if number is None else membership.rows[number]

    def enter(
        self, session: Session, seq: int, *, resuming: bool, until: int | None = None
    ) -> None:
        """
        Let *session*, which has all up to the number *seq*, be live here, or hear the rest.

        :param until: the epoch of the entry that removed its member, if one did.
        """
        older = session.rooms.get(self.id)
        if older is not None:
            older.stop()
        cursor = session.rooms[self.id] = Cursor(
            session,
            self.history,
            self.id,
            seq,
            self.departures.pending,
            resuming=resuming,
            until=until,
        )
        session.admitted.discard(self.id)
        if until is None:
            self._live[session.fingerprint] = cursor
            self.history.arrive(self.id, session.fingerprint)
            self.history.has_seen(self.id, session.fingerprint, seq)
        cursor.catch_up()

    def leave(self, session: Session) -> None:
        """The connection of *session* is over, or it is no member any more."""
        cursor = self._live.get(session.fingerprint)
        if cursor is not None and cursor.session is session:
            del self._live[session.fingerprint]
            self.history.depart(self.id, session.fingerprint)

    def tell(self, line: Leaving) -> None:
        """Tell every member who is live."""
        for cursor in self._live.values():
            cursor.tell(line)

    # Joining

    def join(self, session: Session) -> None:
        """
        Find somebody who vouches for *session*.

        :raises Refusal: if it may not join, or not now.
        """
        limits = self.limits
        if self.label in session.joins:
            raise Refusal(Code.STATE, "you are joining this room already", self.label)
        row = self.row_of(session.fingerprint)
        if row is not None and session.fingerprint not in self.departures.pending:
            self._say_member(session, row)
        elif len(session.joins) >= limits.joins_per_connection:
            raise self._busy("you are joining too many rooms at once")
        elif row is not None:
            self.departures.come_back(session)
        elif len(session.rooms) >= limits.rooms_per_connection:
            raise self._busy("you are in too many rooms on this connection")
        elif self.full:
            raise self._busy("the room is full")
        else:
            self.door.knock(session)

    @property
    def full(self) -> bool:
        membership = self.log.membership
        most = min(self.limits.members_per_room, membership.policy.roster_maximum)
        return len(membership.rows) >= most

    def _say_member(self, session: Session, row: Row) -> None:
        kept = self.values.of(Kind.HANDOVER).get(session.fingerprint)
        if kept is None:
            session.say(Member(self.label, self.id, row.leaf_hash))
        else:
            session.working(self._hand_over_again(session, Handover.decode(kept)))

    async def _hand_over_again(self, session: Session, handover: Handover) -> None:
        added = await handover.added(self.history, self.id)
        session.admitted.add(self.id)
        session.say(handover.response)
        session.write(added)

    def _busy(self, words: str) -> Refusal:
        return Refusal(Code.BUSY, words, self.label)

    # Entries

    @property
    def head(self) -> bytes:
        """The head of the log."""
        return self.log.head

    def followed(self, author: bytes, entry: bytes) -> Log:
        """
        Return the log with *entry* at its end, which *author* wants to land.

        :raises StaleEntry: if another entry came first.
        :raises EncodingError: if it is no entry.
        :raises EntryRefused: if it breaks a rule.
        :raises Refusal: if *author* writes too many.
        """
        signed = SignedEntry.decode(entry)
        if signed.entry.author != author:
            raise EntryRefused(why="its author is another")
        self.rates.check(author, signed.entry.detail, subject(self.id))
        log = self.log.after(signed)
        if not self.epoch.landed <= signed.entry.seq <= self.history.newest(self.id):
            raise EntryRefused(why="its view of the stream is not of this room")
        return log

    def land(
        self,
        log: Log,
        slices: Mapping[bytes, bytes],
        *,
        besides: Changes | None = None,
        seq: int | None = None,
    ) -> Deferred[int]:
        """
        Have the newest entry of *log* put into the stream.

        :param slices: fingerprint to slice.
        :param besides: what changes with it and is not in the entry.
        :param seq: the number that it has to get.
        :return: fires with its number; fails with `StaleEntry`, or why it could not be stored.
        """
        signed, detail = log.recent[-1], log.newest.detail
        landing = Landing(
            _draft(log),
            signed.entry.prev,
            signed.head,
            log.epoch,
            log.label,
            log.snapshot(),
            slices,
            detail.members if isinstance(detail, Remove) else frozenset(),
            named({**changes_by(signed), **(besides or {})}),
            seq,
        )
        landed = self.history.append_entry(self.id, landing)
        if seq is None:
            landed.addCallback(self._noted, signed.entry)
        return landed

    def _noted(self, seq: int, entry: Entry) -> int:
        self.rates.note(entry.author, entry.detail)
        return seq

    async def add(
        self, voucher: Session, joiner: Session, response: Response, entry: bytes
    ) -> None:
        """
        Take the *entry* by which *voucher* adds *joiner*, and tell everybody.

        :param response: what *voucher* answered the joiner's challenge with.
        :raises SecureChatError: as `followed` and `land` do.
        :raises Refusal: if *voucher* writes too many.
        """
        log = self.followed(voucher.fingerprint, entry)
        added = log.newest.detail
        if not isinstance(added, Add) or added.subject.fingerprint != joiner.fingerprint:
            raise EntryRefused(why="its subject is not of this attempt")
        if self.full:
            raise EntryRefused(why="the room is full")
        handover = Handover(response, log.newest.seq).encode()
        kept: Changes = {(Kind.HANDOVER, joiner.fingerprint): handover}
        seq = await self.land(log, {}, besides=kept)
        self.values.apply(kept)
        self._logger.info(
            "{joiner} is admitted to #{label} by {voucher}",
            joiner=short(joiner.fingerprint),
            label=self.label,
            voucher=short(voucher.fingerprint),
        )
        joiner.admitted.add(self.id)
        joiner.write(_draft(log).numbered(self.id, seq))

    # What the history says

    def _hear(self, items: Sequence[Item]) -> None:
        """Take what is new in the stream, and tell everybody."""
        if self.over:
            return
        for item in items:
            removed = self._take(item) if item.is_entry else []
            for cursor in self._live.values():
                cursor.push(item)
            for cursor in removed:
                self._expel(cursor.session)
        if any(item.is_entry for item in items):
            self.settle()

    def _take(self, item: Item) -> list[Cursor]:
        """Take the entry *item*; return the places of those that it removes."""
        signed = entry_of(item)
        if signed.entry.epoch > 1:
            self.log = self.log.after(signed)
        self._lookup.remember(self.log)
        self.epoch.begin(item.seq)
        self.values.apply(changes_by(signed))
        entry, detail = signed.entry, signed.entry.detail
        if not isinstance(detail, Remove):
            return []
        for removal in detail.removals:
            self.rates.forget(removal.member)
            self._logger.info(
                "{member} is removed from #{label} by {author}: {why}",
                member=short(removal.member),
                label=self.label,
                author=short(entry.author),
                why=removal.why.name.lower(),
            )
        removed = [self._live[each] for each in detail.members if each in self._live]
        for cursor in removed:
            cursor.until = entry.epoch
        return removed

    def _expel(self, session: Session) -> None:
        """The member of *session* has been removed."""
        self.leave(session)
        session.admitted.discard(self.id)
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
        self.history.drop(self.id)
        self.over = True
        self._forget(self)
        words = "everybody has left this room: it is over"
        for cursor in list(self._live.values()):
            session = cursor.session
            cursor.stop()
            self._expel(session)
            del session.rooms[self.id]
            session.say(ErrorLine(Code.NO_ROOM, subject(self.id), words))
        gone = ErrorLine(Code.NO_ROOM, self.label, words)
        self.door.close(gone)
        self.departures.close(gone)

    def _failed(self, error: SecureChatError) -> None:
        """What was appended since the last item is lost, because of *error*."""
        self._logger.critical(
            "what was said in #{label} is lost: {why}", label=self.label, why=error
        )
        self.epoch.forget()
        for cursor in list(self._live.values()):
            cursor.session.wire.hang_up(_STORAGE)

    async def recall(self) -> None:
        """Read again from the stream what was taken in this epoch, where that is not known."""
        await self.epoch.recall(self.history, self.id, self.log.newest.seq)

    # What members say

    def handle(self, session: Session, line: RoomLine) -> None:
        """
        Take a member's *line* about this room.

        :raises Refusal: if it may not be said, or not now.
        """
        member = self.row_of(session.fingerprint) is not None
        # Who was removed while it was away hears of it by `resume`.
        removed = isinstance(line, Resume) and session.fingerprint in self.values.of(Kind.REMOVED)
        if not member and not removed:
            raise Refusal(Code.NOT_MEMBER, "you are not a member of this room", subject(self.id))
        match line:
            case Send():
                self._check_live(session)
                self._send(session, line)
            case Resume() | Restore():
                self._returns.handle(session, line)
            case Leave():
                session.working(self.departures.leave(session, line))
            case Begin() | Slices() | Commit():
                self._check_live(session)
                stage(session, self, line)
            case Roster() | Leaves() | Who():
                answer: Line = self._lookup.answer(line)
                session.say(answer)

    def _check_live(self, session: Session) -> None:
        cursor = self._live.get(session.fingerprint)
        if cursor is None or cursor.session is not session:
            raise Refusal(Code.STATE, "say resume first", subject(self.id))

    def _send(self, session: Session, line: Send) -> None:
        member = session.fingerprint
        row = self.log.membership.index[member]
        if (line.epoch, line.row) != (self.log.epoch, row):
            return  # the stream alone says what became of a frame
        if self.epoch.silent(row):
            # It speaks in this epoch, so it has the entry, and its slice.
            self.history.has_seen(self.id, member, self.epoch.landed)
        if not self.epoch.take(row, line.n):
            return
        if member in self.values.of(Kind.HANDOVER):
            self.values.apply({(Kind.HANDOVER, member): None})
            # Where that fails it is kept for longer than it is needed.
            self.history.put(self.id, name(Kind.HANDOVER, member), None).addErrback(lambda _: None)
        rest = serialise(line).split(b" ", 2)[2]
        self.history.append_frame(self.id, self.log.head, Draft(b"frame", rest))


def _draft(log: Log) -> Draft:
    """Return the line that shows the newest entry of *log* to everybody."""
    verb = b"user_added" if isinstance(log.newest.detail, Create | Add) else b"changed"
    return Draft(verb, urlsafe_b64encode(log.recent[-1].encode()).rstrip(b"="))
