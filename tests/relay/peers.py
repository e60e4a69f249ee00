"""Peers of the relay's transports, on real sockets, that behave and misbehave byte by byte."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from securechat.relay.direct import DirectEndpoint
from securechat.relay.tls import ServerTLS

reactor: Any = _reactor

SMALL = 4096
"""Bytes of a socket's buffer, for the sockets that are to be full soon."""


async def until(is_so: Callable[[], object]) -> None:
    """Let the reactor turn until *is_so*."""
    while not is_so():
        await deferLater(reactor, 0)


async def gone(protocol: Recorder) -> None:
    """Abort the connection of *protocol* unless it is lost already, and wait until it is."""
    if protocol.reason is None:
        protocol.transport.abortConnection()
    await until(lambda: protocol.reason)


async def turns(number: int) -> None:
    """Let the reactor turn *number* times."""
    for _ in range(number):
        await deferLater(reactor, 0)


class Recorder(Protocol):
    """Takes down what its transport does with it."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None
        self.metered: list[int] = []
        self.happened: list[str] = []
        self.at_first: Callable[[Any], object] = lambda transport: None
        self.on_data: Callable[[bytes], object] = lambda data: None
        self.paused: Callable[[], object] = lambda: None

    def connectionMade(self) -> None:
        self.transport.meter = self.metered.append
        self.at_first(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.on_data(data)

    def heard(self, data: bytes) -> bool:
        """Whether *data* is all that has come."""
        return self.data == data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value

    def pauseProducing(self) -> None:
        self.happened.append("pause")
        self.paused()

    def resumeProducing(self) -> None:
        self.happened.append("resume")

    def stopProducing(self) -> None:
        self.happened.append("stop")


class Peer:
    """The other end of a connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.setblocking(False)
        self.data = b""
        self.end = ""

    async def begin(self) -> None:
        """Do what comes before data."""

    async def raw(self, data: bytes) -> None:
        """Send bytes, in one piece where there is room."""
        while data:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                await turns(1)

    async def send(self, data: bytes) -> None:
        """Send *data*."""
        await self.raw(data)

    def take(self) -> bool:
        """Read what is there; false if that was nothing."""
        try:
            data = self.socket.recv(65_536)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            self.end = self.end or "reset"
        else:
            self.taken(data)
        return True

    def taken(self, data: bytes) -> None:
        """*data* was read."""
        self.data += data
        if not data:
            self.end = "FIN"

    async def receives(self, size: int) -> bytes:
        """Return the next *size* bytes, or what there is before the end."""
        while len(self.data) < size and not self.end:
            if not self.take():
                await turns(1)
        data, self.data = self.data[:size], self.data[size:]
        return data

    async def ends(self) -> str:
        """Read on to the end; return how it is said."""
        await self.receives(1 << 30)
        return self.end

    def fin(self) -> None:
        """End this direction of the socket."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def goodbye(self) -> None:
        """End in the way in which a peer should."""
        self.fin()


class TLSPeer(Peer):
    """The other end, over Python's TLS, with the records in our hands."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext | None = None) -> None:
        super().__init__(connected)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self.incoming, self.outgoing)

    async def begin(self) -> None:
        while not self.shake():
            await self.raw(self.outgoing.read())
            await until(self.take)
        await self.raw(self.outgoing.read())
        self.decrypt()

    def shake(self) -> bool:
        """Go on with the handshake; true if it is done."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def records(self, *data: bytes) -> bytes:
        """Return a TLS record for each of *data*."""
        for each in data:
            self.tls.write(each)
        return self.outgoing.read()

    async def send(self, data: bytes) -> None:
        await self.raw(self.records(data))

    def taken(self, data: bytes) -> None:
        if not data:
            self.end = self.end or "FIN"
            return
        self.incoming.write(data)
        if self.tls.version() is not None:  # the handshake is done
            self.decrypt()

    def decrypt(self) -> None:
        """Take what has come in whole records."""
        try:
            while decrypted := self.tls.read(65_536):
                self.data += decrypted
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            pass
        self.end = "close_notify"

    async def goodbye(self) -> None:
        with suppress(ssl.SSLWantReadError):  # the other side's has not come
            self.tls.unwrap()
        await self.raw(self.outgoing.read())


def client_context() -> ssl.SSLContext:
    """Return the TLS of a client that believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Listening(TestCase):
    """Listens with `DirectEndpoint` on a socket of the loopback."""

    tls: ServerTLS | None = None
    timeout = 10.0

    def setUp(self) -> None:
        self.made: list[Recorder] = []
        listening = socket.create_server(("127.0.0.1", 0))
        self.prepare_socket(listening)
        listening.setblocking(False)
        self.address = listening.getsockname()
        adopted = AdoptedStreamServerEndpoint(reactor, listening.detach(), socket.AF_INET)
        self.prepare = Recorder
        factory: Any = Factory.forProtocol(self.make)
        factory.noisy = False
        self.port = self.successResultOf(DirectEndpoint(adopted, self.tls).listen(factory))
        self.addCleanup(self.port.stopListening)

    def prepare_socket(self, listening: socket.socket) -> None:
        """Do something with the socket that listens, which those that it accepts inherit."""

    async def tearDown(self) -> None:  # type: ignore[override]  # trial's may be asynchronous
        """Whatever became of a connection, nothing is counted as queued any more."""
        for protocol in self.made:
            await gone(protocol)
            self.assertEqual(sum(protocol.metered), 0)
            self.assertEqual(protocol.transport.buffered, 0)

    def make(self) -> Recorder:
        """Make the next protocol."""
        self.made.append(self.prepare())
        return self.made[-1]

    def peer(self, small: bool = False) -> Any:
        """Return a peer whose socket is connected."""
        connecting = socket.socket()
        self.addCleanup(connecting.close)
        if small:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        connecting.connect(self.address)
        return Peer(connecting) if self.tls is None else TLSPeer(connecting)

    async def connected(self, small: bool = False) -> tuple[Recorder, Any]:
        """Return the two ends of a connection; with *small* buffers, in both of its sockets."""
        number = len(self.made)
        peer = self.peer(small)
        await peer.begin()
        await until(lambda: len(self.made) > number)
        protocol = self.made[number]
        await until(lambda: protocol.transport._direct or protocol.reason)  # the handshake is done
        if small:
            protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        return protocol, peer

    async def lost(self, protocol: Recorder, kind: type[Exception]) -> Exception:
        """See that *protocol* loses its connection for a reason of that *kind*; return it."""
        await until(lambda: protocol.reason)
        self.assertIs(type(protocol.reason), kind)
        reason: Exception = protocol.reason
        return reason


DONE, LOST, ABORTED = ConnectionDone, ConnectionLost, ConnectionAborted
