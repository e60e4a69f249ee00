"""
Members who come back to a room: `resume`, and `restore` where it is the relay that was away.

A relay that was restored from an older copy may know less of a room than its members. Numbers
that a member has seen are not given out again, and the entries that it lacks it takes from any
member, by the same rules as all entries.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from securechat.errors import EntryRefused, Malformed, StaleEntry
from securechat.fingerprint import short
from securechat.group.entry import SignedEntry
from securechat.group.log import CONSENT_WINDOW
from securechat.relay.rates import Act
from securechat.relay.refusal import Refusal, subject
from securechat.relay.state import Kind, epoch_of
from securechat.wire import Behind, Code, Restore, Resume

if TYPE_CHECKING:
    from securechat.relay.room import Room
    from securechat.relay.session import Session

EVERYBODY_LEFT = "everybody has left this room: it is over"

MAX_SKIP = 2**24
"""How many numbers an older copy of a room may be behind. Who shows more shows another room."""

_AT_ONCE = CONSENT_WINDOW + 1  # a connection's lines about coming back that wait for their turn


class Returns:
    """Who comes back to *room*, one after the other: what one restores the next may resume from."""

    _logger = Logger()

    def __init__(self, room: Room) -> None:
        self._room = room
        self._turn = DeferredLock()

    def handle(self, session: Session, line: Resume | Restore) -> None:
        """
        Take a *line* of a member who comes back.

        :raises Refusal: if there are too many.
        """
        if session.returning >= _AT_ONCE:
            raise self._refusal(Code.BUSY, "you resume too often at once: wait for an answer")
        session.returning += 1
        if isinstance(line, Resume):
            session.working(self._in_turn(session, lambda: self._resume(session, line)))
        else:
            session.working(self._in_turn(session, lambda: self._restore(session, line)))

    async def _in_turn(
        self, session: Session, work: Callable[[], Coroutine[Deferred[Any], Any, None]]
    ) -> None:
        await self._turn.acquire()
        try:
            if not session.over:
                await work()
        finally:
            session.returning -= 1
            self._turn.release()

    async def _resume(self, session: Session, line: Resume) -> None:
        room = self._room
        session.restoring.discard(room.id)
        await room.ledger.recall()
        known = await room.history.head(room.id, line.epoch)
        newest = room.history.newest(room.id)
        if room.over:
            raise self._refusal(Code.NO_ROOM, EVERYBODY_LEFT)
        until = self._until(session, line)
        if known != line.head:
            if until is None and room.ledger.lacks and line.epoch > room.ledger.log.epoch:
                self._ask_to_restore(session)
                return
            raise self._fork()
        if line.seq > newest + MAX_SKIP or (until is not None and line.seq > newest):
            raise self._fork()
        if room.id not in session.rooms and len(session.rooms) >= room.limits.rooms_per_connection:
            raise self._refusal(Code.BUSY, "you are in too many rooms on this connection")
        if session.over:
            return
        if line.seq > newest:
            room.ledger.rates.check(Act.SKIP, session.fingerprint, subject(room.id))
            room.ledger.rates.count(Act.SKIP, session.fingerprint)
            room.history.skip(room.id, line.seq)
        room.enter(session, line.seq, resuming=True, until=until)

    def _until(self, session: Session, line: Resume) -> int | None:
        """Return the epoch at which *session*'s member was removed, if it was."""
        room, member = self._room, session.fingerprint
        if room.ledger.row_of(member) is not None:
            return None
        removed = room.ledger.values.of(Kind.REMOVED).get(member)
        if removed is None or epoch_of(removed) <= line.epoch:
            raise self._refusal(Code.NOT_MEMBER, "you are not a member of this room")
        return epoch_of(removed)

    def _ask_to_restore(self, session: Session) -> None:
        room = self._room
        self._logger.info(
            "{member} knows more of #{label} than this relay: it was restored from an older copy",
            member=short(session.fingerprint),
            label=room.label,
        )
        session.restoring.add(room.id)
        session.say(Behind(room.id, room.ledger.log.epoch, room.head))

    async def _restore(self, session: Session, line: Restore) -> None:
        room = self._room
        if room.id not in session.restoring:
            raise self._refusal(Code.STATE, "say resume first: it tells whether that is needed")
        session.restoring.discard(room.id)
        try:
            await self._take_back(session, line)
        except StaleEntry:
            raise self._fork() from None
        except (Malformed, EntryRefused) as error:
            raise self._refusal(Code.ENTRY, str(error)) from None
        session.restoring.add(room.id)

    async def _take_back(self, session: Session, line: Restore) -> None:
        room, ledger = self._room, self._room.ledger
        signed = SignedEntry.decode(line.entry)
        if await room.history.head(room.id, signed.entry.epoch) == signed.head:
            return  # another member was faster
        ledger.rates.check(Act.RESTORE, session.fingerprint, subject(room.id))
        ledger.rates.count(Act.RESTORE, session.fingerprint)
        log = ledger.log.after(signed)
        newest = room.history.newest(room.id)
        if not newest < line.seq <= newest + MAX_SKIP:
            raise EntryRefused(why="its number is not beyond what this relay has")
        ledger.check_view(signed.entry, line.seq - 1)
        await ledger.land(log, {}, seq=line.seq)

    def _fork(self) -> Refusal:
        words = "this relay's log of the room is not the one that you know"
        return self._refusal(Code.FORK, words)

    def _refusal(self, code: Code, words: str) -> Refusal:
        return Refusal(code, words, subject(self._room.id))
