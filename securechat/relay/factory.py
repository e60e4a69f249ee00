"""
The relay, as a factory that any Twisted application can listen with.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Container, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from securechat.address import Address
from securechat.primitives import HASH_LENGTH, random_bytes
from securechat.relay.buffers import Buffers
from securechat.relay.counts import Census, Counts
from securechat.relay.history import IHistory
from securechat.relay.limits import Limits
from securechat.relay.memory import MemoryHistory
from securechat.relay.protocol import Connection
from securechat.relay.registry import Registry
from securechat.relay.sources import Doorstep, Quota
from securechat.relay.watch import Watch
from securechat.wire import PROTOCOL_VERSION, Banner, Code, ErrorLine, serialise

LINGER = 5.0
"""Seconds between the close of a connection and its abortion."""

LINGER_AT_END = 4.0
"""The same when the relay shuts down, so that it is gone within 5 seconds."""


MAX_LOGGED = 32
"""Refusals and hang-ups of one source that are logged in a minute."""


def _spelled(nonce: bytes) -> bytes:
    return urlsafe_b64encode(nonce).rstrip(b"=")


_NO_NONCE = _spelled(bytes(HASH_LENGTH))

_CLOSING = ErrorLine(Code.CLOSING, "-", "this relay is shutting down: connect again later")


class RelayFactory(Factory[Connection]):
    """
    A relay. Listen with it on an endpoint that speaks TLS 1.3, or where that is not needed: on a
    unix socket, or behind an onion service.

    :param clock: the reactor, or what tells and keeps time in its place.
    :param limits: what the relay bounds.
    :param history: where it keeps the rooms' streams; by default in memory. Who has opened it
        closes it.
    :param addresses: where clients reach this relay without TLS; nobody can prove an identity
        there under another address.
    :param founders: the fingerprints (32 bytes each) that may found rooms; None: everybody.
    :param log_connections: whether it is logged who comes and goes.
    :param log_wire: whether each line that a client says is logged, its first 120 bytes.
    :ivar connections: those that there are, proved or not.
    :ivar buffers: what is held for all of them.
    :ivar watch: who looks after them, as long as there is a port that listens.
    :ivar counts: what has happened; `census` is what there is.
    :ivar notes: how much of that is logged, so that nobody fills the operator's disk.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        *,
        limits: Limits | None = None,
        history: IHistory | None = None,
        addresses: Sequence[Address] = (),
        founders: Container[bytes] | None = None,
        log_connections: bool = False,
        log_wire: bool = False,
    ) -> None:
        self.clock = clock
        self.limits = limits or Limits()
        self.addresses = addresses
        self.log_connections = log_connections
        self.log_wire = log_wire
        self.history = history or MemoryHistory(clock)
        self.counts = Counts(commits=self.history.commits)
        self.registry = Registry(clock, self.limits, self.history, founders, self.counts)
        self.linger = LINGER
        self.notes = Quota(clock, MAX_LOGGED)
        banner = Banner((PROTOCOL_VERSION,), bytes(HASH_LENGTH), self.limits.announced())
        self._banner = serialise(banner)  # but for the nonce the same for everybody
        self._doorstep = Doorstep(self.limits.unproved_per_address)
        self._turned_away = Doorstep(self.limits.unproved_per_address)
        self._closing: dict[Connection, None] = {}  # in order
        self.connections: set[Connection] = set()
        self.buffers = Buffers(clock, self.limits.buffered_bytes, self.connections)
        self.watch = Watch(clock, self.limits, self.connections)
        self._waiting_for_end: list[Deferred[None]] = []

    def startFactory(self) -> None:
        self.watch.start()

    def stopFactory(self) -> None:
        self.watch.stop()

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self)

    def close(self) -> Deferred[None]:
        """
        Tell all clients that the relay is shutting down, and hang up.

        :return: fires when they are gone.
        """
        gone: Deferred[None] = Deferred()
        self._waiting_for_end.append(gone)
        self.linger = LINGER_AT_END
        for connection in list(self.connections):
            connection.hang_up(_CLOSING)
        self._check_end()
        return gone

    def banner(self) -> bytes:
        """Return a banner with a fresh nonce, as a line without its CRLF."""
        return self._banner.replace(_NO_NONCE, _spelled(random_bytes(HASH_LENGTH)))

    def census(self) -> Census:
        """Count what there is now: connections, rooms, members."""
        return self.registry.census(len(self.connections), self.buffers.total)

    # What connections report

    def arrived(self, connection: Connection) -> bool:
        """Take note of *connection*; false if there are too many from where it comes."""
        self.connections.add(connection)
        self.counts.connections_accepted += 1
        return self._doorstep.enter(connection.source, connection)

    def turned_away(self, connection: Connection) -> bool:
        """
        Take note that *connection* was one too many; false if so many are on their way out
        already that this one has to be gone at once: until it is told why, it takes up room.
        """
        return self._turned_away.enter(connection.source, connection)

    def proved(self, connection: Connection) -> None:
        """
        *connection* has proved its identity. Who is on its way out makes way for it, if it has to.
        """
        while self._closing and self._in_all >= self.limits.connections_in_all:
            oldest = next(iter(self._closing))
            del self._closing[oldest]
            oldest.abort()
        self._doorstep.leave(connection.source, connection)
        self.counts.connections_proved += 1

    @property
    def _in_all(self) -> int:
        return self.registry.connected + len(self._closing)

    def closes(self, connection: Connection) -> None:
        """*connection* is being closed: it takes up room until it has read why."""
        self._closing[connection] = None

    def left(self, connection: Connection) -> None:
        """*connection* is gone."""
        self._closing.pop(connection, None)
        self._doorstep.leave(connection.source, connection)
        self._turned_away.leave(connection.source, connection)
        self.connections.remove(connection)
        self._check_end()

    def _check_end(self) -> None:
        while self._waiting_for_end and not self.connections:
            self._waiting_for_end.pop().callback(None)
