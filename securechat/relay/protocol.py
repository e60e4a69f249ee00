"""
One connection to the relay: bytes to lines, lines to the session, and back.

It greets, has the identity proved, and hands every later line to the `Session`. It bounds
what it reads and what it holds for a client that does not read: while its transport has
enough to write, it writes no stream (the session catches up later) and handles no further
line. It knows no room. What it holds is counted in the relay's `buffers`; that something still
goes on is seen by the relay's `watch`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.errors import WireError
from securechat.fingerprint import short
from securechat.identity import Bundle
from securechat.relay.eager import EagerTransport
from securechat.relay.identification import Channel, check_version, prove
from securechat.relay.life import life_machine
from securechat.relay.lines import END, Lines
from securechat.relay.refusal import Refusal
from securechat.relay.session import Session
from securechat.relay.sockets import keep_alive
from securechat.relay.sources import source
from securechat.relay.watch import DOES_NOT_READ, DOES_NOT_SPEAK
from securechat.wire import (
    FROM_CLIENT,
    MAX_LINE,
    Ack,
    Code,
    ErrorLine,
    IdentityLine,
    Line,
    Passing,
    parse,
    serialise,
)

if TYPE_CHECKING:
    from securechat.relay.factory import RelayFactory

TOO_MANY = "too many connections from your address have not proved an identity yet: try again later"

ENOUGH = 2**16
"""Bytes that a transport has at least when it has enough, where it does not tell how many."""

AT_ONCE = 256
"""Lines that are taken before others have their turn: 64 KiB may be thousands."""

_ACK = serialise(Ack()) + END

_SHOWN = 120  # bytes of a line in the log

MAX_REFUSALS_LOGGED = 16
"""Refusals of one connection that are logged, so that nobody fills the operator's disk."""


@implementer(IPushProducer)
class Connection(Lines):
    """
    The relay's end of one connection. `RelayFactory` builds it.

    It is a producer, so that its transport tells it when enough, and when more, can be
    written; a `life.Core`, which does what the state of its life asks for; the `session.Wire` of
    its session; a `buffers.Holder`; and `watch.Watched`.
    """

    _log = Logger()
    _timer: IDelayedCall | None = None
    _session: Session | None = None
    _queued = 0  # bytes that the transport has, as far as is known
    _metered = False  # whether it tells how many
    _left = AT_ONCE  # lines that it may say in this turn
    _listening = False  # whether it is about to be listened to
    _granted = False  # whether it is its turn to catch up
    moved = False
    silent_since = 0.0
    stuck_since = 0.0
    untaken = 0

    def __init__(self, relay: RelayFactory) -> None:
        self._relay = relay
        self._life = life_machine(self)
        self._holds = 0  # reasons of others to take no line
        self._held: deque[bytes] = deque()  # lines that wait
        self._unread = 0  # bytes written while the transport has enough
        self._refusals = 0
        self.writable = True
        self.most = relay.limits.identify_bytes

    # The transport's events

    def connectionMade(self) -> None:
        self.source = self._name = source(self.transport)
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            keep_alive(self.transport, 2 * self._relay.limits.unread_seconds)
        if isinstance(self.transport, EagerTransport):
            self._metered = True
            self.transport.meter = self._queue
        self._wait(self._relay.limits.identify_seconds)
        if self._relay.arrived(self):
            self._banner = self._relay.banner()
            self.write(self._banner + END)
        elif self._relay.turned_away(self):
            self.hang_up(ErrorLine(Code.BUSY, "-", TOO_MANY))
        else:
            self._relay.counts.connections_dropped += 1
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        self._left = AT_ONCE
        super().dataReceived(data)

    def line_received(self, line: bytes) -> None:
        if self._held or self._holds or not self.writable:
            self._hold_back(line)
        elif not self._left:
            self._hold_back(line)
            self.transport.pauseProducing()
            self._listen_soon()
        else:
            self._left -= 1
            self._take(line)

    def line_too_long(self) -> None:
        words = f"a line is longer than {self.most} bytes"
        self.hang_up(ErrorLine(Code.MALFORMED, "-", words))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._life.lost()

    # Backpressure

    def pauseProducing(self) -> None:
        self.writable = False
        if not self._metered:
            self._queue(ENOUGH)
        self.transport.pauseProducing()  # who does not read is not listened to either
        if self._session is not None:
            self._session.fall_behind()

    def resumeProducing(self) -> None:
        self.writable = True
        self._unread = 0
        if not self._metered:
            self._queue(-self._queued)
        assert self._session is not None  # as long as this is the transport's producer
        self._session.catch_up()
        self._listen()

    def stopProducing(self) -> None:
        """Nothing to do: `connectionLost` follows."""

    def hold(self) -> None:
        self._holds += 1
        self.transport.pauseProducing()

    def release(self) -> None:
        self._holds -= 1
        self._listen_soon()  # and not now: who releases may be going through all of a room

    def _hold_back(self, line: bytes) -> None:
        self._held.append(line)
        self.keeps(len(line))

    def _listen_soon(self) -> None:
        if not self._listening:
            self._listening = True
            self._relay.clock.callLater(0, self._listen_now)

    def _listen_now(self) -> None:
        self._listening = False
        self._listen()

    def _listen(self) -> None:
        """Take the lines that wait, and then more, as far as nothing speaks against it."""
        for _ in range(AT_ONCE):
            if not (self._held and self.listens):
                break
            line = self._held.popleft()
            self.keeps(-len(line))
            self._take(line)
        if self._held and self.listens:
            self._listen_soon()
        elif self.listens:
            self.transport.resumeProducing()

    @property
    def listens(self) -> bool:
        return self.writable and not self._holds and self._session is not None

    def _take(self, line: bytes) -> None:
        if self._session is not None:
            self._serve(self._session, line)
        else:
            self._life.line(line)

    # What the session uses

    @property
    def stream(self) -> Callable[[bytes], None]:
        write: Callable[[bytes], None] = self.transport.write
        return write

    def say(self, line: Line) -> None:
        self.write(serialise(line) + END)

    def write(self, data: bytes) -> None:
        self.transport.write(data)
        if self.writable:
            return
        self._unread += len(data)
        if not self._metered:
            self._queue(len(data))
        if self._unread > self._relay.limits.unread_bytes and self._timer is None:
            # Not now: who writes may be going through all the members of a room.
            self._timer = self._relay.clock.callLater(0, self.hang_up, DOES_NOT_READ)

    def refuse(self, refusal: Refusal) -> None:
        if refusal.closes:
            self.hang_up(refusal.line)
            return
        self._relay.counts.refusals[refusal.line.code] += 1
        self._refusals += 1
        if self._refusals <= MAX_REFUSALS_LOGGED:
            self._log_error("{peer} is refused: {words}", refusal.line)
        self.say(refusal.line)

    def hang_up(self, error: ErrorLine) -> None:
        self._life.hang_up(error)

    # What is held for the client

    def keeps(self, change: int) -> None:
        self._relay.buffers.add(change)

    def may_catch_up(self) -> bool:
        granted, self._granted = self._granted, False
        return granted or self._relay.buffers.has_room(self)

    def go_on(self) -> None:
        session = self._session
        assert session is not None  # else it is forgotten
        self._granted = True
        for cursor in session.in_turn():
            cursor.catch_up()
            if not self._granted:
                break  # there was something for it; another room is the first next time
        self._granted = False
        session.catch_up()  # that is, have the others wait for it

    def _queue(self, change: int) -> None:
        """The transport has more to write by *change* bytes; with 0, something of it has gone."""
        if change <= 0 or not self._queued:
            self.moved = True
        self._queued += change
        self._relay.buffers.add(change)

    @property
    def waits(self) -> bool:
        return self._queued > 0

    @property
    def held(self) -> int:
        staged = 0 if self._session is None else self._session.staged
        return self._queued + len(self.rest) + sum(map(len, self._held)) + staged

    def throw_out(self, error: ErrorLine) -> None:
        self._relay.counts.greedy_clients += 1
        self.hang_up(error)
        if self._queued:
            self.abort()  # else it would be there as long as the goodbye may take
            self._queue(-self._queued)

    @property
    def session(self) -> Session | None:
        return self._session

    # What its life asks for

    def identify(self, line: bytes) -> None:
        if self._relay.log_wire:
            self._show(line)
        with self._answering():
            check_version(line)
            said = parse(line, FROM_CLIENT)
            if not isinstance(said, IdentityLine):
                raise Refusal(Code.STATE, "the first line is identity", closes=True)
            channel = Channel.of(self.transport, self._relay.addresses)
            self._life.proved(prove(said, self._banner, channel))

    def acknowledge(self, bundle: Bundle) -> None:
        self._stop_waiting()
        self._relay.proved(self)
        self._name = short(bundle.fingerprint)
        self.most = MAX_LINE
        with self._answering():
            self._session = Session(bundle, self, self._relay.registry)
            self.transport.registerProducer(self, True)  # which needs the session
            if self._relay.log_connections:
                self._log.info("{peer} is connected", peer=self._name)
            self.write(_ACK)

    def say_goodbye(self, error: ErrorLine) -> None:
        self._log_error("{peer} is sent away: {words}", error)
        self._relay.counts.hang_ups[error.code] += 1
        if error is DOES_NOT_READ:
            self._relay.counts.slow_clients += 1
        if error is DOES_NOT_SPEAK:
            self._relay.counts.silent_clients += 1
        proved = self._session is not None
        self._end_session()
        self.say(error)
        if proved:
            self.transport.resumeProducing()  # to see the other side's goodbye
            self.transport.unregisterProducer()  # else the transport waits for more
        self._relay.closes(self)  # first: some transports are gone at once
        self.transport.loseConnection()
        self._wait(self._relay.linger)

    def abort(self) -> None:
        self.transport.abortConnection()

    def forget(self) -> None:
        self._end_session()
        self._stop_waiting()
        self._queue(-self._queued)
        self._relay.left(self)
        if self._relay.log_connections:
            self._log.info("{peer} is gone", peer=self._name)

    def _serve(self, session: Session, line: bytes) -> None:
        if self._relay.log_wire:
            self._show(line)
        try:
            if line.startswith(b"send "):
                session.handle(Passing.of(line))
            else:
                session.handle(parse(line, FROM_CLIENT))
        except (WireError, Refusal) as error:
            self._answer(error)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Answer what is refused with one `error` line."""
        try:
            yield
        except (WireError, Refusal) as error:
            self._answer(error)

    def _answer(self, error: WireError | Refusal) -> None:
        if isinstance(error, Refusal):
            self.refuse(error)
        else:
            code = Code.UNKNOWN if error.unknown else Code.MALFORMED
            self.hang_up(ErrorLine(code, "-", str(error)))

    def _end_session(self) -> None:
        session, self._session = self._session, None
        self._relay.buffers.forget(self)
        self.keeps(-sum(map(len, self._held)))
        self._held.clear()
        self.drop_rest()
        if session is not None:
            session.end()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self._relay.clock.callLater(seconds, self._life.timeout)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _log_error(self, message: str, error: ErrorLine) -> None:
        if self._relay.notes.take(self.source):
            self._log.info(message, peer=self._name, code=error.code.value, words=error.words)

    def _show(self, line: bytes) -> None:
        shown = repr(line[:_SHOWN])[2:-1]  # nothing that a terminal would obey
        self._log.info("{peer} says: {line}", peer=self._name, line=shown)
