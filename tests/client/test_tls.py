"""
Tests of `securechat.client.tls`, and of all that only real connections show: TLS, TCP and unix
sockets on the loopback interface, with the real reactor.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest import mock

from cryptography import x509
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import TLSVersion
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from securechat.address import Address, pin_text
from securechat.channel import binding, pin_of
from securechat.client import protocol as protocol_module
from securechat.client.client import ChatClient
from securechat.client.events import Connected, Disconnected, Event
from securechat.client.protocol import ClientProtocol
from securechat.client.tls import connection_creator, shown_names
from securechat.errors import (
    ConnectFailed,
    ConnectionLost,
    NotARelay,
    ProofRefused,
    RelayBusy,
    RelayClosing,
    RelaySilent,
    SecureChatError,
    UntrustedCertificate,
    WrongName,
    WrongPin,
)
from securechat.group.events import Message
from securechat.identity import Identity
from securechat.relay.factory import RelayFactory
from securechat.relay.limits import Limits
from securechat.trust import TrustStore
from securechat.wire import Banner, serialise
from tests.client.certificates import Authority
from tests.client.test_protocol import Listener

reactor: Any = _reactor  # a module, to the type checker

E = TypeVar("E")

AUTHORITY = Authority()
NAME = x509.DNSName("relay.example")
BANNER = Banner((1,), bytes(32), {"line": 65_536})


class Scripted(Protocol):
    """A server that is no relay: it says one thing, and notes what it hears."""

    transport: Any

    def __init__(self, said: bytes, closes: bool, gone: DeferredQueue[bytes]) -> None:
        self._said = said
        self._closes = closes
        self._gone = gone
        self._heard = b""

    def connectionMade(self) -> None:
        if self._said:
            self.transport.write(self._said)
        if self._closes:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone.put(self._heard)


class Pipe(Protocol):
    """One side of a machine in the middle: what arrives here goes out at the other side."""

    transport: Any
    other: Pipe

    def dataReceived(self, data: bytes) -> None:
        self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.other.transport.loseConnection()


class Between(Factory[Pipe]):
    """Passes on what it hears to the relay on *port*, and back."""

    noisy = False

    def __init__(self, port: int) -> None:
        towards = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        creator = connection_creator(Address(host="relay.example"))
        self._endpoint = wrapClientTLS(creator, towards)

    def buildProtocol(self, _: object) -> Pipe:
        near, far = Pipe(), Pipe()
        near.other, far.other = far, near
        connectProtocol(self._endpoint, far)
        return near


class Loopback(TestCase):
    """Servers and clients on the loopback interface."""

    timeout = 30

    def setUp(self) -> None:
        self.said: list[bytes] = []
        self.events: list[Event] = []
        self.gone: DeferredQueue[bytes] = DeferredQueue()
        trusted = Path(self.mktemp())
        trusted.write_bytes(AUTHORITY.pem)
        environment = mock.patch.dict(os.environ, SSL_CERT_FILE=str(trusted))
        environment.start()
        self.addCleanup(environment.stop)

    async def listen(self, factory: IProtocolFactory, tls: Any = None) -> int:
        """Listen with *factory*, under TLS unless *tls* is None, and return the port."""
        endpoint: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        if tls is not None:
            endpoint = wrapServerTLS(tls, endpoint)
        port = await endpoint.listen(factory)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def relay(self, tls: Any, **settings: Any) -> int:
        """Run a relay, and return its port."""
        self.factory = RelayFactory(reactor, **settings)
        self.addCleanup(self.factory.close)
        return await self.listen(self.factory, tls)

    async def scripted(self, tls: Any, said: bytes = b"", *, closes: bool = False) -> int:
        """Run a server that says *said*, and return its port."""
        factory = Factory.forProtocol(lambda: Scripted(said, closes, self.gone))
        return await self.listen(factory, tls)

    def client(self, port: int, host: str = "relay.example", **address: Any) -> ChatClient:
        """Return a client that believes that *host* is on *port* of this machine."""
        chat = ChatClient(
            reactor,
            Identity.generate(),
            TrustStore(),
            Address(host=host, **address),
            endpoint=TCP4ClientEndpoint(reactor, "127.0.0.1", port),
            tap=lambda who, line: self.said.append(line) if who == "C" else None,
        )
        chat.observe(self.events.append)
        self.addCleanup(chat.close)
        return chat

    async def refused(self, chat: ChatClient, kind: type[SecureChatError]) -> str:
        """Check that *chat* cannot connect and says nothing, and return why."""
        self.said.clear()
        with self.assertRaises(kind) as caught:
            await chat.connect()
        self.assertEqual(self.said, [])
        return str(caught.exception)


class RightRelayTests(Loopback):
    """The relay is the one that the address names."""

    async def test_pin(self) -> None:
        """With the pin, neither the name nor who certified it matters."""
        tls = Authority("nobody knows it").server()
        port = await self.relay(tls)
        chat = self.client(port, pin=pin_of(tls.certificate))
        await chat.connect()
        self.assertTrue(chat.connected)
        await chat.close()
        self.assertEqual(self.events, [Connected()])

    async def test_name_under_an_authority(self) -> None:
        """Without a pin an authority that this machine trusts has certified the name."""
        port = await self.relay(AUTHORITY.server(x509.DNSName("other.example"), NAME))
        await self.client(port).connect()

    async def test_ip_address_under_an_authority(self) -> None:
        """Or the IP address."""
        port = await self.relay(AUTHORITY.server(x509.IPAddress(ip_address("192.0.2.1"))))
        await self.client(port, "192.0.2.1").connect()
        await self.refused(self.client(port, "192.0.2.2"), WrongName)

    async def test_host_and_port_are_dialled(self) -> None:
        """Where nobody says how to get there."""
        tls = Authority("nobody knows it").server()
        port = await self.relay(tls)
        address = Address(host="127.0.0.1", port=port, pin=pin_of(tls.certificate))
        chat = ChatClient(reactor, Identity.generate(), TrustStore(), address)
        self.addCleanup(chat.close)
        await chat.connect()


class WrongRelayTests(Loopback):
    """The relay is not the one that the address names: nothing is said to it."""

    async def test_wrong_pin(self) -> None:
        """Both pins are shown."""
        tls = AUTHORITY.server(NAME)
        port = await self.scripted(tls)
        why = await self.refused(self.client(port, pin=bytes(32)), WrongPin)
        self.assertIn(pin_text(bytes(32)), why)
        self.assertIn(pin_text(pin_of(tls.certificate)), why)
        self.assertEqual(await self.gone.get(), b"")

    async def test_wrong_name(self) -> None:
        """Both names are shown."""
        tls = AUTHORITY.server(x509.DNSName("evil.example"))
        why = await self.refused(self.client(await self.scripted(tls)), WrongName)
        self.assertIn("relay.example", why)
        self.assertIn("evil.example", why)
        self.assertEqual(await self.gone.get(), b"")

    async def test_certificate_for_nobody(self) -> None:
        """
        A certificate without any name is for nobody. Twisted only logs that service-identity
        cannot judge it, and lets it pass.
        """
        port = await self.scripted(AUTHORITY.server(), serialise(BANNER) + b"\r\n")
        why = await self.refused(self.client(port), WrongName)
        self.assertIn("for nobody, not for relay.example", why)
        self.assertEqual(await self.gone.get(), b"")
        self.flushLoggedErrors()

    async def test_unknown_authority(self) -> None:
        """The right name, certified by nobody whom this machine knows."""
        tls = Authority("nobody knows it").server(NAME)
        why = await self.refused(self.client(await self.scripted(tls)), UntrustedCertificate)
        self.assertIn("verify failed", why)
        self.assertEqual(await self.gone.get(), b"")

    async def test_older_tls(self) -> None:
        """A server that speaks TLS 1.2 at most is refused, with its pin or its name."""
        tls = AUTHORITY.server(NAME, highest=TLSVersion.TLSv1_2)
        for pin in (None, pin_of(tls.certificate)):
            port = await self.scripted(tls)
            why = await self.refused(self.client(port, pin=pin), ConnectFailed)
            self.assertIn("TLS failed", why)
            self.assertIn("version", why)
            self.assertEqual(await self.gone.get(), b"")


class NoRelayTests(Loopback):
    """What answers is no relay, or does not answer."""

    async def test_nobody_listens(self) -> None:
        """The reason says so."""
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory())
        chat = self.client(port.getHost().port)
        await port.stopListening()
        self.assertIn("refused", await self.refused(chat, ConnectFailed))

    async def test_no_tls(self) -> None:
        """Somebody speaks, but not TLS."""
        port = await self.scripted(None, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assertIn("TLS failed", await self.refused(self.client(port), ConnectFailed))

    async def test_close_before_tls(self) -> None:
        """Somebody accepts, and closes."""
        await self.refused(self.client(await self.scripted(None, closes=True)), ConnectionLost)

    async def test_silence(self) -> None:
        """Somebody accepts, and says nothing: without TLS, and with it."""
        self.patch(protocol_module, "PROOF_SECONDS", 0.1)
        for tls in (None, AUTHORITY.server(NAME)):
            await self.refused(self.client(await self.scripted(tls)), RelaySilent)

    async def test_cancelled(self) -> None:
        """To cancel ends the handshake, and leaves nothing."""
        for tls in (None, AUTHORITY.server(NAME)):
            chat = self.client(await self.scripted(tls))
            connecting = chat.connect()
            connecting.cancel()
            await self.assertFailure(connecting, CancelledError)
            await chat.close()

    async def test_garbage(self) -> None:
        """Somebody has the right certificate, and speaks another protocol."""
        port = await self.scripted(AUTHORITY.server(NAME), b"220 mail.example ESMTP\r\n")
        await self.refused(self.client(port), NotARelay)

    async def test_relay_has_no_room_for_another(self) -> None:
        """What the relay says in place of a banner is the reason."""
        port = await self.relay(AUTHORITY.server(NAME), limits=Limits(unproved_per_address=1))
        silent = Protocol()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), silent)
        await self.refused(self.client(port), RelayBusy)
        assert silent.transport is not None
        silent.transport.loseConnection()


class BindingTests(Loopback):
    """A proof is for one connection."""

    async def test_machine_in_the_middle(self) -> None:
        """
        Somebody has a certificate for the relay's name, by an authority that was fooled, passes
        on all that is said, and has the client's signature: which is for another connection.
        """
        honest = AUTHORITY.server(NAME)
        port = await self.relay(honest)
        for tls in (AUTHORITY.server(NAME), honest):  # with a key of its own, or a stolen one
            between = await self.listen(Between(port), tls)
            with self.assertRaises(ProofRefused):
                await self.client(between).connect()
        self.assertEqual(len(self.said), 2)
        await self.client(port).connect()

    async def test_no_handshake_no_signature(self) -> None:
        """Without the exporter nothing is signed: there is none before the handshake is done."""
        connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        connection.set_connect_state()
        self.assertRaises(SSL.Error, binding, connection)

    def test_no_tls_no_signature(self) -> None:
        """A relay that is to be reached over TLS gets no signature without it."""
        transport = StringTransport()
        address = Address(host="relay.example")
        client = ClientProtocol(Identity.generate(), address, reactor, Listener())
        self.patch(protocol_module, "PROOF_SECONDS", 3_600)
        client.makeConnection(transport)
        client._stop_waiting()
        self.assertRaises(AttributeError, client.dataReceived, serialise(BANNER) + b"\r\n")
        self.assertEqual(transport.value(), b"")


class ConversationTests(Loopback):
    """Chatting over real connections."""

    async def members(self, address: Address) -> tuple[ChatClient, ChatClient]:
        """Return Alice and Bob, who are in a room at *address*."""
        people = [Identity.generate(), Identity.generate()]
        trust = TrustStore()
        for name, each in zip(("alice", "bob"), people, strict=True):
            trust.add(name, each.fingerprint, "typed", datetime(2030, 1, 1, tzinfo=UTC))
        # They do not wait long before they connect again.
        alice, bob = (
            ChatClient(reactor, each, trust, address, chance=lambda: -0.9) for each in people
        )
        for chat in (alice, bob):
            self.addCleanup(chat.close)
            await chat.connect()
        await alice.found("lobby")
        await bob.join("lobby")
        return alice, bob

    def heard(self, kind: type[E]) -> Deferred[E]:
        """Return what fires with the next event of that kind that bob hears."""
        heard: Deferred[E] = Deferred()

        def hear(event: Event) -> None:
            if isinstance(event, kind):
                forget()
                heard.callback(event)

        forget = self.bob.observe(hear)
        return heard

    async def test_over_tls(self) -> None:
        """A message arrives; a relay that shuts down says so, and is tried again."""
        tls = Authority("nobody knows it").server()
        port = await self.relay(tls)
        address = Address(host="127.0.0.1", port=port, pin=pin_of(tls.certificate))
        alice, self.bob = await self.members(address)
        heard, lost = self.heard(Message), self.heard(Disconnected)
        await alice.send(alice.rooms[0], "hello")
        self.assertEqual((await heard).text, "hello")
        await self.factory.close()
        gone = await lost
        self.assertIsInstance(gone.why, RelayClosing)
        self.assertIsNotNone(gone.retry_in)

    async def test_connection_breaks(self) -> None:
        """Where nobody has said good bye under TLS, that is what is told."""
        tls = Authority("nobody knows it").server()
        port = await self.relay(tls)
        address = Address(host="127.0.0.1", port=port, pin=pin_of(tls.certificate))
        alice, self.bob = await self.members(address)
        lost, again = self.heard(Disconnected), self.heard(Connected)
        for each in list(self.factory.connections):
            each.transport.abortConnection()
        self.assertIsInstance((await lost).why, ConnectionLost)
        await again
        await alice.send(alice.rooms[0], "hello again")

    async def test_over_a_unix_socket(self) -> None:
        """The same without TLS, where the address that was dialled is signed."""
        directory = TemporaryDirectory()  # a path that is short enough
        self.addCleanup(directory.cleanup)
        path = f"{directory.name}/relay"
        address = Address("unix", path=path)
        factory = RelayFactory(reactor, addresses=[address])
        self.addCleanup(factory.close)
        port = await UNIXServerEndpoint(reactor, path).listen(factory)
        self.addCleanup(port.stopListening)
        alice, self.bob = await self.members(address)
        heard = self.heard(Message)
        await alice.send(alice.rooms[0], "hello")
        self.assertEqual((await heard).text, "hello")

    async def test_unix_socket_that_is_not_there(self) -> None:
        """Is said to be so."""
        address = Address("unix", path="/nowhere/relay")
        chat = ChatClient(reactor, Identity.generate(), TrustStore(), address)
        with self.assertRaises(ConnectFailed) as caught:
            await chat.connect()
        self.assertIn("/nowhere/relay", str(caught.exception))


class CertificateTests(SynchronousTestCase):
    """What a certificate shows."""

    def test_names(self) -> None:
        """All of them, without what a terminal would obey, and not without end."""
        names = [x509.DNSName("a.example"), x509.IPAddress(ip_address("192.0.2.1"))]
        shown = shown_names(AUTHORITY.certificate(*names))
        self.assertEqual(shown, "a.example, 192.0.2.1")
        evil = x509.DNSName("\x1b[2Jevil.example")
        self.assertNotIn("\x1b", shown_names(AUTHORITY.certificate(evil)))
        many = [x509.DNSName(f"{number}.example") for number in range(100)]
        self.assertEqual(len(shown_names(AUTHORITY.certificate(*many))), 200)
        self.assertEqual(shown_names(AUTHORITY.certificate()), "nobody")
