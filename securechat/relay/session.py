"""
A proved identity on a connection: what it may say, and to which part of the relay that goes.

Rooms and admissions know their people as sessions: a fingerprint, a bundle, and a way to say
a line. A session knows in which rooms it is live, which it is joining, and the attempts that
it has been told of; a line about any other attempt is about none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.errors import SecureChatError
from securechat.identity import Bundle
from securechat.relay.refusal import Refusal, subject
from securechat.wire import (
    AddUser,
    Begin,
    Cancel,
    Challenge,
    Claim,
    Close,
    Code,
    Commit,
    ErrorLine,
    Found,
    Invite,
    Join,
    Leave,
    Leaves,
    Line,
    Mail,
    Nack,
    Passing,
    Response,
    Restore,
    Resume,
    Roster,
    Slices,
    Vouch,
    Who,
)

if TYPE_CHECKING:
    from securechat.relay.admission import Admission
    from securechat.relay.attempt import Attempt
    from securechat.relay.departures import Comeback
    from securechat.relay.mailboxes import Mailbox
    from securechat.relay.registry import Registry
    from securechat.relay.staging import Staging
    from securechat.relay.stream import Cursor

RoomLine: TypeAlias = (
    Passing | Resume | Restore | Leave | Begin | Slices | Commit | Roster | Leaves | Who
)
"""What clients say about a room, by its name."""

KNOCKS = 10
"""Joins that a connection begins in a minute: each is shown to somebody, and costs nothing."""

_log = Logger()

_NO_HISTORY = ErrorLine(
    Code.STORAGE,
    "-",
    "this relay cannot use its history, as whoever runs it finds in its log: connect again later",
)
_FAULT = ErrorLine(Code.STORAGE, "-", "this relay has a fault: connect again later")


class Wire(Protocol):
    """What a session needs of its connection."""

    source: str
    """Where the connection comes from, as limits count it."""

    @property
    def writable(self) -> bool:
        """Whether the client has read what it was sent, or nearly so."""

    @property
    def stream(self) -> Callable[[bytes], None]:
        """
        What writes to the transport without further ado, for what is not written to a client
        that is not `writable`. It never raises.
        """

    def say(self, line: Line) -> None: ...

    def write(self, data: bytes) -> None: ...

    def keeps(self, change: int) -> None:
        """The bytes that are kept of what the client has said have become more by *change*."""

    def may_catch_up(self) -> bool:
        """Whether a part of a stream may be written. If not, `Session.catch_up` is called later."""

    def hold(self) -> None:
        """Take no line of the client's, until `release` has been called as often."""

    def release(self) -> None: ...

    def refuse(self, refusal: Refusal) -> None: ...

    def hang_up(self, error: ErrorLine) -> None: ...


class Session:
    """
    One client, identified.

    :ivar rooms: where it is live: G to its place in the room's stream.
    :ivar joins: the labels that it is joining.
    :ivar knocks: when it began to join last, in any room.
    :ivar attempts: the attempts that it knows of, as voucher or as joiner.
    :ivar mailboxes: those that it has opened or claimed, by their numbers.
    :ivar admitted: the rooms that it was added to on this connection.
    :ivar staging: the entry that it has begun.
    :ivar restoring: the rooms in which it may restore entries.
    :ivar returning: how many of its lines about coming back wait for their turn.
    :ivar over: whether its connection is.
    """

    def __init__(self, bundle: Bundle, wire: Wire, registry: Registry) -> None:
        self.fingerprint = bundle.fingerprint
        self.bundle = bundle.encode()
        self.rooms: dict[bytes, Cursor] = {}
        self.joins: dict[str, Admission | Comeback] = {}
        self.knocks: deque[float] = deque(maxlen=KNOCKS)
        self.attempts: dict[bytes, Attempt] = {}
        self.mailboxes: dict[int, Mailbox] = {}
        self.admitted: set[bytes] = set()
        self.staging: Staging | None = None
        self.restoring: set[bytes] = set()
        self.returning = 0
        self.over = False
        self.wire = wire
        self._registry = registry
        registry.enter(self)

    def handle(self, line: Line | Passing) -> None:
        """
        Take *line*.

        :raises Refusal: if the client may not say it, or not now.
        """
        if isinstance(line, RoomLine):
            self._registry.room(line.room).handle(self, line)
            return
        match line:
            case Nack() | Vouch() | Challenge() | Response() | AddUser():
                self._attempt(line.attempt).handle(self, line)
            case Found():
                self._registry.found(self, line)
            case Join():
                self._registry.labelled(line.label).join(self)
            case Cancel():
                self._cancel(line.label)
            case Invite() | Claim() | Mail() | Close():
                self._registry.mailboxes.handle(self, line)
            case _:
                raise Refusal(Code.STATE, f"{line.verb} was said already", closes=True)

    @property
    def live(self) -> bool:
        """Whether it is live in a room, as who is removed and catches up is not."""
        return any(cursor.until is None for cursor in self.rooms.values())

    @property
    def staged(self) -> int:
        """The bytes that are kept of what the client has begun."""
        return 0 if self.staging is None else self.staging.size

    @property
    def most_members(self) -> int:
        """How many members the largest of the rooms has in which it is live; 0: there is none."""
        return self._registry.most_members(self.rooms.keys())

    def say(self, line: Line) -> None:
        """Say *line* to the client, if it is still there."""
        if not self.over:
            self.wire.say(line)

    def write(self, data: bytes) -> None:
        """Write *data*, a line that is spelled already, to the client, if it is still there."""
        if not self.over:
            self.wire.write(data)

    def hold(self) -> None:
        """Do not listen to the client, which says more than can be passed on."""
        self.wire.hold()

    def release(self) -> None:
        """Listen to it again, if it is still there."""
        if not self.over:
            self.wire.release()

    def working(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Let *work* for the client go on, and answer it where it ends in a `Refusal`."""
        Deferred.fromCoroutine(work).addErrback(self._refused)

    def _refused(self, reason: Failure) -> None:
        if self.over and reason.check(Refusal, SecureChatError):
            return
        if isinstance(reason.value, Refusal):
            self.wire.refuse(reason.value)
        elif isinstance(reason.value, SecureChatError):
            _log.critical("a client cannot be answered: {why}", why=reason.value)
            self.wire.hang_up(_NO_HISTORY)
        else:
            _log.failure("A client's line could not be handled", reason)
            self.wire.hang_up(_FAULT)

    def supersede(self) -> None:
        """Make way for a newer connection of the same identity."""
        self.wire.hang_up(ErrorLine(Code.SUPERSEDED, "-", "the same identity has connected anew"))

    def fall_behind(self) -> None:
        """The client has enough for now."""
        for cursor in self.rooms.values():
            cursor.fall_behind()

    def catch_up(self) -> None:
        """Write what the rooms' streams have for the client, now that it reads again."""
        for cursor in self.in_turn():
            cursor.catch_up()

    def in_turn(self) -> Iterator[Cursor]:
        """Yield its places in the rooms' streams, each from then on the last, while it reads."""
        for room in list(self.rooms):
            if not self.wire.writable:
                break
            cursor = self.rooms[room] = self.rooms.pop(room)
            yield cursor

    def turn_away(self, error: ErrorLine) -> None:
        """Say that a join came to nothing; who has no other business here has to go."""
        if self.rooms or self.joins or self.admitted or self.mailboxes:
            self.say(error)
        else:
            self.wire.hang_up(error)

    def end(self) -> None:
        """The connection is over: leave all rooms, end all joins, attempts and mailboxes."""
        self.over = True
        self._registry.leave(self)
        for cursor in self.rooms.values():
            cursor.stop()
        if self.staging is not None:
            self.staging.drop()
        for admission in list(self.joins.values()):
            admission.cancel()
        for attempt in list(self.attempts.values()):
            attempt.end(self)
        for mailbox in list(self.mailboxes.values()):
            mailbox.end(self)

    def _attempt(self, identifier: bytes) -> Attempt:
        try:
            return self.attempts[identifier]
        except KeyError:
            raise Refusal(
                Code.ATTEMPT, "there is no such attempt, or it is over", subject(identifier)
            ) from None

    def _cancel(self, label: str) -> None:
        admission = self.joins.get(label)
        if admission is None:
            raise Refusal(Code.STATE, "you are not joining this room", label)
        admission.cancel()
