"""`DirectEndpoint`: the relay's transports under any endpoint, Twisted's where they cannot be."""

from __future__ import annotations

import gc
import socket
from typing import Any

from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
    wrapServerTLS,
)
from twisted.internet.interfaces import IStreamServerEndpoint, ITCPTransport
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Server
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.haproxy import proxyEndpoint
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SkipTest, TestCase

from securechat.relay.direct import DirectEndpoint
from securechat.relay.eager import EagerTransport
from securechat.relay.listening import EverywhereEndpoint
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.relay.tlssocket import TLSTransport
from tests.relay.peers import Peer, Recorder, TLSPeer, gone, reactor, until
from tests.relay.test_tls import Files


class Recorders(Factory[Any]):
    """Makes recorders, as long as there are to be any, and says when it is used."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Recorder] = []
        self.happened: list[str] = []
        self.closed = False

    def startFactory(self) -> None:
        self.happened.append("start")

    def stopFactory(self) -> None:
        self.happened.append("stop")

    def buildProtocol(self, addr: object) -> Recorder | None:
        if self.closed:
            return None
        self.made.append(Recorder())
        return self.made[-1]


class DirectTests(TestCase):
    """Endpoints of all kinds."""

    def setUp(self) -> None:
        self.tls = ServerTLS(*own_certificate(Files(self.mktemp()).directory))
        self.factory = Recorders()
        self.local = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")

    async def tearDown(self) -> None:  # type: ignore[override]  # trial's may be asynchronous
        """Let go of all connections."""
        for protocol in self.factory.made:
            await gone(protocol)

    def test_whose_port_it_is(self) -> None:
        """The log names the factory that somebody listens with."""
        with capturedLogs() as events:
            self.listen(DirectEndpoint(self.local))
        shown = [formatEvent(event) or "" for event in events]
        self.assertTrue(any(line.startswith("Recorders starting on") for line in shown), shown)

    def listen(self, endpoint: Any) -> Any:
        """Listen on *endpoint*, and return its address."""
        port = self.successResultOf(endpoint.listen(self.factory))
        self.addCleanup(port.stopListening)
        return port.getHost()

    async def talk(self, where: Any, peer: type[Any], first: bytes = b"") -> Recorder:
        """Connect a *peer* with *where*, let both sides talk, and return ours."""
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        connecting = socket.socket(socket.AF_INET6 if len(where) == 4 else family)
        self.addCleanup(connecting.close)
        connecting.connect(where)
        other = peer(connecting)
        await other.raw(first)
        await other.begin()
        await other.send(b"question")
        await until(lambda: self.factory.made and self.factory.made[0].data == b"question")
        (protocol,) = self.factory.made
        protocol.transport.write(b"answer")
        self.assertEqual(await other.receives(6), b"answer")
        return protocol

    async def test_tcp(self) -> None:
        """On a transport of ours."""
        self.assertTrue(IStreamServerEndpoint.providedBy(DirectEndpoint(self.local)))
        here = self.listen(DirectEndpoint(self.local))
        protocol = await self.talk((here.host, here.port), Peer)
        self.assertIs(type(protocol.transport), EagerTransport)
        self.assertTrue(ITCPTransport.providedBy(protocol.transport))

    async def test_tls(self) -> None:
        """On a transport of ours."""
        here = self.listen(DirectEndpoint(self.local, self.tls))
        protocol = await self.talk((here.host, here.port), TLSPeer)
        self.assertIs(type(protocol.transport), TLSTransport)

    async def test_ipv6(self) -> None:
        """The addresses are what Twisted makes of them."""
        if not socket.has_dualstack_ipv6():
            raise SkipTest("no IPv6 here")
        here = self.listen(DirectEndpoint(EverywhereEndpoint(reactor, 0), self.tls))
        protocol = await self.talk(("::1", here.port, 0, 0), TLSPeer)
        self.assertIs(type(protocol.transport), TLSTransport)
        self.assertEqual(protocol.transport.getPeer().host, "::1")

    async def test_a_unix_socket(self) -> None:
        """On a transport of ours, that claims nothing of TCP."""
        path = self.mktemp()
        self.listen(DirectEndpoint(UNIXServerEndpoint(reactor, path)))
        protocol = await self.talk(path, Peer)
        self.assertIs(type(protocol.transport), EagerTransport)
        self.assertFalse(ITCPTransport.providedBy(protocol.transport))
        self.assertEqual(protocol.transport.getHost().name, path.encode())

    async def test_tls_on_a_unix_socket(self) -> None:
        """Works like any other."""
        path = self.mktemp()
        self.listen(DirectEndpoint(UNIXServerEndpoint(reactor, path), self.tls))
        protocol = await self.talk(path, TLSPeer)
        self.assertIs(type(protocol.transport), TLSTransport)

    async def test_behind_a_proxys_header(self) -> None:
        """What has no socket of its own stays Twisted's, and so does what it says of the peer."""
        here = self.listen(DirectEndpoint(proxyEndpoint(self.local)))
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 7117\r\n"
        protocol = await self.talk((here.host, here.port), Peer, header)
        self.assertNotIsInstance(protocol.transport, EagerTransport)
        self.assertEqual(protocol.transport.getPeer().host, "192.0.2.1")

    async def test_tls_behind_a_proxys_header(self) -> None:
        """It is Twisted's TLS then."""
        here = self.listen(DirectEndpoint(proxyEndpoint(self.local), self.tls, reactor))
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 7117\r\n"
        protocol = await self.talk((here.host, here.port), TLSPeer, header)
        self.assertIsInstance(protocol.transport, TLSMemoryBIOProtocol)
        self.assertEqual(protocol.transport.getPeer().host, "192.0.2.1")

    async def test_twisteds_tls(self) -> None:
        """Who embeds the relay may go on to listen with `wrapServerTLS`."""
        here = self.listen(wrapServerTLS(self.tls, self.local, reactor))
        protocol = await self.talk((here.host, here.port), TLSPeer)
        self.assertIsInstance(protocol.transport, TLSMemoryBIOProtocol)

    async def test_twisteds_transport_is_gone(self) -> None:
        """Nothing holds it, nor waits for a garbage collection."""
        here = self.listen(DirectEndpoint(self.local))
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        before = sum(isinstance(each, Server) for each in gc.get_objects())
        await self.talk((here.host, here.port), Peer)
        self.assertEqual(sum(isinstance(each, Server) for each in gc.get_objects()), before)

    async def test_the_factory_may_refuse(self) -> None:
        """Who it builds nothing for is closed."""
        here = self.listen(DirectEndpoint(self.local, self.tls))
        self.factory.closed = True
        peer = Peer(socket.create_connection((here.host, here.port)))
        self.addCleanup(peer.socket.close)
        self.assertEqual(await peer.ends(), "FIN")

    async def test_the_factory_is_started_and_stopped(self) -> None:
        """As with any endpoint."""
        port: Any = await DirectEndpoint(self.local).listen(self.factory)
        self.assertEqual(self.factory.happened, ["start"])
        await port.stopListening()
        self.assertEqual(self.factory.happened, ["start", "stop"])
