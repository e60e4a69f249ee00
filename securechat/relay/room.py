"""
One room at the relay: its log, its stream, and who is here.

The relay runs the same rules as every member (`securechat.group.log`), so that one bad entry
cannot jam the room, and gives entries and frames their numbers. Of a frame it checks whose it
is and that it is new; what is inside it cannot know.
"""

from __future__ import annotations

from functools import cached_property

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.errors import EntryRefused
from securechat.fingerprint import short
from securechat.group.entry import Add, SignedEntry
from securechat.group.log import CONSENT_WINDOW, Log
from securechat.relay.door import Door
from securechat.relay.history import IHistory, Item
from securechat.relay.limits import Limits
from securechat.relay.refusal import Refusal, subject
from securechat.relay.session import Session
from securechat.relay.stream import Cursor
from securechat.wire import (
    Code,
    FrameLine,
    Page,
    Response,
    Resume,
    Roster,
    Send,
    UserAdded,
    serialise,
)

PAGE = 24_576
"""Bytes of a snapshot in one `page`."""

_CRLF = b"\r\n"


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
        self._heads: list[bytes] = []  # of epoch 1, 2, …
        self._states: dict[int, _State] = {}
        self._live: dict[bytes, Cursor] = {}  # by fingerprint
        self._landed = 0  # the number of the newest entry
        self._sent: dict[int, int] = {}  # row to its last n in this epoch
        self._handovers: dict[bytes, _Handover] = {}  # by the newcomer's fingerprint
        self._enter(founder, 0, resuming=False)
        self._land(log)

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
            raise Refusal(
                Code.MEMBER,
                "you are on the roster: resume, or have the room's keys been lost?",
                self.label,
            )
        session.admitted.add(self.id)
        session.say(handover.response)
        session.wire.write(handover.added)

    def _busy(self, words: str) -> Refusal:
        return Refusal(Code.BUSY, words, self.label)

    # Entries

    def add(self, voucher: Session, joiner: Session, response: Response, entry: bytes) -> None:
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
        assert isinstance(added, Add)  # the log takes no other entry after the first
        if (signed.entry.author, added.subject.fingerprint) != (
            (voucher.fingerprint, joiner.fingerprint)
        ):
            raise EntryRefused(why="its author or its subject is not of this attempt")
        if not self._landed <= signed.entry.seq <= self._history.newest(self.id):
            raise EntryRefused(why="its view of the stream is not of this room")
        if self.full:
            raise EntryRefused(why="the room is full")
        line = self._land(log)
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

    def _land(self, log: Log) -> bytes:
        """Put the newest entry of *log* into the stream; return its line."""
        signed = log.recent[-1]
        seq = self._history.newest(self.id) + 1
        line = serialise(UserAdded(self.id, seq, signed.encode())) + _CRLF
        item = Item(seq, line)
        self._history.append_entry(self.id, item, signed.entry.prev, signed.head)
        self._log = log
        self._heads.append(log.head)
        self._states[log.epoch] = _State(log)
        self._states.pop(log.epoch - CONSENT_WINDOW, None)
        self._landed = seq
        self._sent.clear()
        self._publish(item)
        return line

    def _publish(self, item: Item) -> None:
        for cursor in self._live.values():
            cursor.push(item)

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
            self._resume(session, line)
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
        seq = self._history.newest(self.id) + 1
        frame = FrameLine(self.id, seq, line.epoch, line.row, line.n, line.nonce, line.ciphertext)
        item = Item(seq, serialise(frame) + _CRLF)
        self._history.append_frame(self.id, item)
        self._publish(item)

    def _resume(self, session: Session, line: Resume) -> None:
        known = self._heads[line.epoch - 1 : line.epoch] if line.epoch else []
        if known != [line.head] or line.seq > self._history.newest(self.id):
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

    def _page(self, session: Session, line: Roster) -> None:
        state = self._states.get(line.epoch)
        if state is None or line.offset >= len(state.snapshot):
            raise Refusal(Code.GONE, "this relay has no such page of the roster", subject(self.id))
        chunk = state.snapshot[line.offset : line.offset + PAGE]
        session.say(Page(self.id, line.epoch, line.offset, len(state.snapshot), chunk))
