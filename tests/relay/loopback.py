"""
A relay on real sockets, on a clock that tests turn, and clients that read when they are told to.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
    wrapServerTLS,
)
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from securechat.channel import binding, pin_of
from securechat.identity import Identity
from securechat.relay.direct import DirectEndpoint
from securechat.relay.factory import RelayFactory
from securechat.relay.protocol import Connection
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.wire import (
    FROM_RELAY,
    Ack,
    Banner,
    ErrorLine,
    IdentityLine,
    Line,
    Resume,
    Resumed,
    parse,
    serialise,
)
from tests.relay.clients import ADDRESS, Client, Relay

reactor: Any = _reactor

L = TypeVar("L", bound=Line)

_NOT_NOW = (BlockingIOError, SSL.WantReadError, SSL.WantWriteError)


class Caller:
    """
    A client on a real socket, which reads when it is told to.

    :ivar connection: the relay's end.
    """

    def __init__(self, case: Loopback, connected: socket.socket) -> None:
        self.connection: Connection
        self._case = case
        self._socket = connected
        self._socket.setblocking(False)
        self._io: Any = self._socket
        self._read = bytearray()  # and not heard yet

    async def shake(self) -> None:
        """Have TLS."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._io = SSL.Connection(context, self._socket)
        self._io.set_connect_state()
        while True:
            try:
                self._io.do_handshake()
                return
            except _NOT_NOW:
                await self._case.turn()

    async def prove(self, identity: Identity) -> None:
        """Prove *identity*."""
        banner = await self.line()
        assert isinstance(banner, Banner)
        bound, pin = b"", ADDRESS.dialled
        if self._io is not self._socket:
            certificate = self._io.get_peer_certificate(as_cryptography=True)
            bound, pin = binding(self._io), pin_of(certificate)
        signed = serialise(banner), bound, pin, identity.fingerprint
        signature = identity.sign("identity", *signed)
        await self.says(IdentityLine(1, identity.bundle.encode(), signature))
        await self.hears(Ack)

    # Speaking

    def tries(self, data: bytes) -> bytes:
        """Send *data*, as much as the sockets take; return the rest."""
        try:
            while data:
                data = data[self._io.send(data[:16_384]) :]
        except _NOT_NOW:
            pass
        return data

    async def sends(self, data: bytes) -> None:
        """Send *data*."""
        while data := self.tries(data):
            await self._case.turn()

    async def says(self, *lines: Line) -> None:
        """Say *lines*."""
        await self.sends(b"".join(serialise(line) + b"\r\n" for line in lines))

    # Reading

    def reads(self, most: int = 16_384) -> bool:
        """Read *most* bytes at most; false if there is nothing."""
        try:
            self._read += self._io.recv(most)
        except _NOT_NOW:
            return False
        return True

    def next_line(self) -> Line | None:
        """Return the next line, if it has been read."""
        end = self._read.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._read[:end])
        del self._read[: end + 2]
        return parse(line, FROM_RELAY)

    async def line(self) -> Line:
        """Return the next line."""
        while (line := self.next_line()) is None:
            if not self.reads():
                await self._case.turn()
        return line

    async def hears(self, kind: type[L]) -> L:
        """Return the next line, which is of that *kind*."""
        line = await self.line()
        assert isinstance(line, kind), line
        return line

    async def hears_at_last(self, kind: type[L]) -> L:
        """Return the next line of that *kind*, whatever comes before."""
        while not isinstance(line := await self.line(), kind):
            pass
        return line

    async def refused(self) -> ErrorLine:
        """Return the `error` that comes, whatever comes before."""
        return await self.hears_at_last(ErrorLine)

    async def ends(self) -> type[Exception]:
        """Read to the end; return how it came."""
        while True:
            try:
                if self._io is self._socket and not self._io.recv(65_536):
                    return ConnectionError
                self._io.recv(65_536)
            except _NOT_NOW:
                await self._case.turn()
            except (OSError, SSL.Error) as error:
                return type(error)

    def close(self) -> None:
        """Be gone."""
        self._socket.close()


class Loopback(TestCase):
    """Listens with a relay on the loopback, over TLS on the relay's own transports."""

    timeout = 30.0  # seconds until a test that waits for ever is a failure
    room_to_read = 4096
    """Bytes that the kernel takes for a client that does not read, at either end; or twice that."""

    def start(self, **settings: Any) -> None:
        """Have a relay in memory, and listen with it."""
        self.relay = Relay(**settings)
        self.listen(self.relay.factory)

    def listen(self, factory: RelayFactory) -> None:
        """Listen with *factory*."""
        self.factory = factory
        self.directory = Path(tempfile.mkdtemp())  # short, for a socket's path
        self.addCleanup(shutil.rmtree, self.directory)
        listening: Any = self.successResultOf(self.endpoint().listen(factory))
        self.port = listening
        # Else the kernel keeps megabytes, and may take all that waits in the relay at any time
        listening.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.room_to_read)
        self.addCleanup(self.stop)

    async def stop(self) -> None:
        """Stop listening, and end all connections: nothing is held any more."""
        await maybeDeferred(self.port.stopListening)
        for connection in list(self.factory.connections):
            connection.abort()
        await self.until(
            lambda: not [each for each in self.factory.connections if not in_memory(each)]
        )
        held = sum(connection.held for connection in self.factory.connections)
        self.assertEqual(self.factory.buffers.total, held)

    def endpoint(self) -> IStreamServerEndpoint:
        """Return what the relay listens on."""
        return DirectEndpoint(self.tcp(), self.tls())

    def tcp(self) -> IStreamServerEndpoint:
        """Return a port of the loopback."""
        return TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")

    def tls(self) -> ServerTLS:
        """Return the TLS of a relay."""
        return ServerTLS(*own_certificate(self.directory))

    # Time

    async def turn(self) -> None:
        """Let the reactor turn, and the relay do what it wants to do now."""
        self.relay.clock.advance(0)
        await deferLater(reactor, 0)

    async def until(self, is_so: Callable[[], object]) -> None:
        """Let the reactor turn until *is_so*."""
        while not is_so():
            await self.turn()

    # Clients

    def connected(self, source: str) -> socket.socket:
        """Return a socket from *source* to the relay."""
        family = socket.AF_INET
        host: Any = self.port.getHost()
        calling = socket.socket(family)
        calling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.room_to_read)
        calling.bind((source, 0))
        calling.connect((host.host, host.port))
        return calling

    async def call(self, source: str = "127.0.0.1") -> Caller:
        """Return a client that has said nothing yet."""
        before = set(self.factory.connections)
        caller = Caller(self, self.connected(source))
        self.addCleanup(caller.close)
        await self.greet(caller)
        (caller.connection,) = self.factory.connections - before
        return caller

    async def greet(self, caller: Caller) -> None:
        """Do what comes before the banner."""
        await caller.shake()

    async def proved(self, source: str = "127.0.0.1") -> Caller:
        """Return a client whose identity is proved."""
        caller = await self.call(source)
        await caller.prove(Identity.generate())
        return caller

    async def member(self, known: Client, source: str = "127.0.0.1") -> Caller:
        """Return a client that takes the place of *known*, and is live in its room."""
        caller = await self.call(source)
        await caller.prove(known.identity)
        await caller.says(Resume(known.log.room, known.log.epoch, known.log.head, known.seq))
        await caller.hears_at_last(Resumed)
        return caller


def in_memory(connection: Connection) -> bool:
    """Whether *connection* has no socket."""
    return not hasattr(connection.transport, "fileno")


class Plain(Loopback):
    """The same without TLS."""

    def endpoint(self) -> IStreamServerEndpoint:
        return DirectEndpoint(self.tcp())

    async def greet(self, caller: Caller) -> None:
        await self.until(lambda: caller.reads())


class Unix(Plain):
    """The same on a unix socket."""

    def endpoint(self) -> IStreamServerEndpoint:
        return DirectEndpoint(UNIXServerEndpoint(reactor, str(self.directory / "socket")))

    def connected(self, source: str) -> socket.socket:
        calling = socket.socket(socket.AF_UNIX)
        calling.connect(str(self.directory / "socket"))
        return calling


class StockTLS(Loopback):
    """The same over Twisted's TLS, on Twisted's transport."""

    def endpoint(self) -> IStreamServerEndpoint:
        return wrapServerTLS(self.tls(), self.tcp(), reactor)


class StockPlain(Plain):
    """The same on Twisted's transport alone."""

    def endpoint(self) -> IStreamServerEndpoint:
        return self.tcp()
