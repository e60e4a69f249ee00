"""
One room at the relay: its log, its stream, and who is here.

The relay runs the same rules as every member (`securechat.group.log`), so that one bad entry
cannot jam the room, and gives entries and frames their numbers. Of a frame it checks whose it
is and that it is new; what is inside it cannot know.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import cached_property

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.errors import EntryRefused, SecureChatError
from securechat.fingerprint import short
from securechat.group.detail import Add
from securechat.group.entry import SignedEntry
from securechat.group.log import CONSENT_WINDOW, Log
from securechat.relay.door import Door
from securechat.relay.history import Draft, IHistory, Item, Landing
from securechat.relay.limits import Limits
from securechat.relay.refusal import Refusal, subject
from securechat.relay.session import Session
from securechat.relay.stream import Cursor
from securechat.wire import (
    Code,
    Member,
    Page,
    Response,
    Resume,
    Roster,
    Send,
    UserAdded,
    parse,
    serialise,
)

PAGE = 24_576
"""Bytes of a snapshot in one `page`."""


@attrs.frozen
class _State:
    """The log as of one epoch, for who was added then and asks for its roster."""

    log: Log

    @cached_property
    def snapshot(self) -> bytes:
        return self.log.snapshot()


@attrs.frozen
class _Handover:
    """What a newcomer gets once more if its connection broke when it was added."""

    response: Response
    added: bytes
    """The line `user_added`, with its CRLF."""


class Room:
    """
    One room. The registry makes it of a create entry that it has checked.

    :param log: the log that this entry begins.
    """

    _logger = Logger()

    def __init__(
        self, log: Log, founder: Session, clock: IReactorTime, history: IHistory, limits: Limits
    ) -> None:
        self.id = log.room
        self.label = log.label
        self.founder = founder.fingerprint
        self.clock = clock
        self.limits = limits
        self.door = Door(self)
        self._log = log
        self._history = history
        self._states: dict[int, _State] = {}
        self._live: dict[bytes, Cursor] = {}  # by fingerprint
        self._landed = 0  # the number of the newest entry
        self._sent: dict[int, int] = {}  # row to its last n in this epoch
        self._handovers: dict[bytes, _Handover] = {}  # by the newcomer's fingerprint
        history.subscribe(self.id, self._hear, self._failed)
        self._enter(founder, 0, resuming=False)
        self._append(log)

    # Who is here

    @property
    def online(self) -> list[Session]:
        """The members who are live here, in roster order."""
        index = self._log.membership.index
        return [self._live[each].session for each in sorted(self._live, key=index.__getitem__)]

    def leave(self, session: Session) -> None:
        """The connection of *session* is over."""
        del self._live[session.fingerprint]

    def join(self, session: Session) -> None:
        """
        Find somebody who vouches for *session*.

        :raises Refusal: if it may not join, or not now.
        """
        limits = self.limits
        if session.fingerprint in self._log.membership.index:
            self._hand_over_again(session)
        elif self.label in session.joins:
            raise Refusal(Code.STATE, "you are joining this room already", self.label)
        elif len(session.joins) >= limits.joins_per_connection:
            raise self._busy("you are joining too many rooms at once")
        elif len(session.rooms) >= limits.rooms_per_connection:
            raise self._busy("you are in too many rooms on this connection")
        elif self.full:
            raise self._busy("the room is full")
        else:
            self.door.knock(session)

    @property
    def full(self) -> bool:
        membership = self._log.membership
        most = min(self.limits.members_per_room, membership.policy.roster_maximum)
        return len(membership.rows) >= most

    def _hand_over_again(self, session: Session) -> None:
        handover = self._handovers.get(session.fingerprint)
        if handover is None:
            row = self._log.membership.rows[self._log.membership.index[session.fingerprint]]
            session.say(Member(self.label, self.id, row.leaf_hash))
            return
        session.admitted.add(self.id)
        session.say(handover.response)
        session.wire.write(handover.added)

    def _busy(self, words: str) -> Refusal:
        return Refusal(Code.BUSY, words, self.label)

    # Entries

    async def add(
        self, voucher: Session, joiner: Session, response: Response, entry: bytes
    ) -> None:
        """
        Take the *entry* by which *voucher* adds *joiner*, and tell everybody.

        :param response: what *voucher* answered the joiner's challenge with.
        :raises StaleEntry: if another entry came first.
        :raises EncodingError: if it is no entry.
        :raises EntryRefused: if it breaks a rule.
        """
        signed = SignedEntry.decode(entry)
        log = self._log.after(signed)
        added = signed.entry.detail
        if not isinstance(added, Add) or (signed.entry.author, added.subject.fingerprint) != (
            (voucher.fingerprint, joiner.fingerprint)
        ):
            raise EntryRefused(why="its author or its subject is not of this attempt")
        if not self._landed <= signed.entry.seq <= self._history.newest(self.id):
            raise EntryRefused(why="its view of the stream is not of this room")
        if self.full:
            raise EntryRefused(why="the room is full")
        seq = await self._append(log)
        line = _draft(log).numbered(self.id, seq)
        joiner.admitted.add(self.id)
        joiner.wire.write(line)
        self._handovers[joiner.fingerprint] = _Handover(response, line)
        self._logger.info(
            "{joiner} is admitted to #{label} by {voucher}",
            joiner=short(joiner.fingerprint),
            label=self.label,
            voucher=short(voucher.fingerprint),
        )

    @property
    def head(self) -> bytes:
        """The head of the log."""
        return self._log.head

    def _append(self, log: Log) -> Deferred[int]:
        """Have the newest entry of *log* put into the stream."""
        signed = log.recent[-1]
        return self._history.append_entry(
            self.id,
            Landing(
                _draft(log), signed.entry.prev, signed.head, log.epoch, log.label, log.snapshot()
            ),
        )

    def _hear(self, items: Sequence[Item]) -> None:
        """Take what is new in the stream, and tell everybody."""
        for item in items:
            if item.is_entry:
                self._land(item)
            for cursor in self._live.values():
                cursor.push(item)

    def _land(self, item: Item) -> None:
        said = parse(item.line.removesuffix(b"\r\n"))
        assert isinstance(said, UserAdded)
        signed = SignedEntry.decode(said.entry)
        if item.seq > 1:
            self._log = self._log.after(signed)
        self._states[self._log.epoch] = _State(self._log)
        self._states.pop(self._log.epoch - CONSENT_WINDOW, None)
        self._landed = item.seq
        self._sent.clear()

    # What members say

    def handle(self, session: Session, line: Send | Resume | Roster) -> None:
        """
        Take a member's *line* about this room.

        :raises Refusal: if it may not be said, or not now.
        """
        if session.fingerprint not in self._log.membership.index:
            raise Refusal(Code.NOT_MEMBER, "you are not a member of this room", subject(self.id))
        if isinstance(line, Send):
            self._send(session, line)
        elif isinstance(line, Resume):
            session.working(self._resume(session, line))
        else:
            self._page(session, line)

    def _send(self, session: Session, line: Send) -> None:
        if self.id not in session.rooms:
            raise Refusal(Code.STATE, "say resume first", subject(self.id))
        row = self._log.membership.index[session.fingerprint]
        if (line.epoch, line.row) != (self._log.epoch, row) or line.n <= self._sent.get(row, -1):
            return  # the stream alone says what became of a frame
        self._sent[row] = line.n
        self._handovers.pop(session.fingerprint, None)
        rest = serialise(line).split(b" ", 2)[2]
        self._history.append_frame(self.id, self._log.head, Draft(b"frame", rest))

    async def _resume(self, session: Session, line: Resume) -> None:
        known = await self._history.head(self.id, line.epoch)
        if known != line.head or line.seq > self._history.newest(self.id):
            raise Refusal(
                Code.FORK,
                "this relay's log of the room is not the one that you know",
                subject(self.id),
            )
        if self.id not in session.rooms and len(session.rooms) >= self.limits.rooms_per_connection:
            raise Refusal(
                Code.BUSY, "you are in too many rooms on this connection", subject(self.id)
            )
        session.admitted.discard(self.id)
        self._enter(session, line.seq, resuming=True).catch_up()

    def _enter(self, session: Session, seq: int, *, resuming: bool) -> Cursor:
        cursor = Cursor(session, self._history, self.id, seq, resuming=resuming)
        session.rooms[self.id] = self._live[session.fingerprint] = cursor
        return cursor

    def _failed(self, error: SecureChatError) -> None:
        """What was appended since the last item is lost, because of *error*."""
        self._logger.critical(
            "what was said in #{label} is lost: {why}", label=self.label, why=error
        )

    def _page(self, session: Session, line: Roster) -> None:
        state = self._states.get(line.epoch)
        if state is None or line.offset >= len(state.snapshot):
            raise Refusal(Code.GONE, "this relay has no such page of the roster", subject(self.id))
        chunk = state.snapshot[line.offset : line.offset + PAGE]
        session.say(Page(self.id, line.epoch, line.offset, len(state.snapshot), chunk))


def _draft(log: Log) -> Draft:
    """Return the line that shows the newest entry of *log* to everybody."""
    return Draft(b"user_added", urlsafe_b64encode(log.recent[-1].encode()).rstrip(b"="))
