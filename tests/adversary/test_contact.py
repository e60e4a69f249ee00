"""
Attacks on first contact: `identity` and `ack`, and which room a label stands for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import (
    SSL4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    wrapServerTLS,
)
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from securechat.address import Address, pin_text
from securechat.client.client import ChatClient
from securechat.client.events import Disconnected, Refusal
from securechat.client.known import KnownRooms
from securechat.errors import FoundedAnew, ProofRefused, RoomKnown, Superseded, WrongPin
from securechat.identity import Identity
from securechat.relay.factory import RelayFactory
from securechat.relay.limits import Limits
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.testing import ADDRESS, Network, Person
from securechat.trust import TrustStore
from securechat.wire import Ack, Banner, Code, ErrorLine, Found, FrameLine, IdentityLine
from tests.adversary.forgery import stolen
from tests.adversary.kit import LABEL, LyingNetwork, Script, dial, heard, said, texts

reactor: Any = _reactor  # a module, to the type checker


class Squatter(SynchronousTestCase):
    """A1: Mallory says that she is Alice, whose fingerprint and bundle everybody knows."""

    def setUp(self) -> None:
        self.network = LyingNetwork()

    def test_fingerprint_without_its_key(self) -> None:
        """
        Mallory logs in with Alice's bundle and a signature by her own key. The relay checks the
        signature by the key in the bundle, and the fingerprint is the hash of that.
        """
        alice = Identity.generate()
        mallory = self.network.person("mallory", identity=stolen(alice))
        self.assertRaises(ProofRefused, self.network.get, mallory.chat.connect())
        (claim,) = said(mallory, IdentityLine)
        self.assertEqual(claim.bundle, alice.bundle.encode())
        # With the signing key, which is all that she lacks, she gets in.
        thief = self.network.client("thief", identity=stolen(alice, signing=True))
        self.assertTrue(thief.chat.connected)

    def test_failed_proof_displaces_nobody(self) -> None:
        """
        Mallory tries the same while Alice is there, to throw her out. Only a proof that holds
        supersedes a connection.
        """
        alice, bob = self.network.members("alice", "bob")
        mallory = self.network.person("mallory", identity=stolen(alice.identity))
        self.assertRaises(ProofRefused, self.network.get, mallory.chat.connect())
        self.network.speak(bob, "still there?")
        self.assertEqual(texts(alice), [(bob.fingerprint, "still there?")])
        self.assertEqual(alice.heard(Disconnected), [])


# A2 and A3 need the real thing for what TLS does.


class Pipe(Protocol):
    """One side of an evil relay: what arrives here goes out at the other side."""

    other: Pipe
    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.other.transport.loseConnection()


class PipeFactory(Factory[Pipe]):
    """An evil relay, which connects each of its clients to the relay behind *honest*."""

    noisy = False

    def __init__(self, honest: SSL4ClientEndpoint) -> None:
        self._honest = honest

    def buildProtocol(self, addr: object) -> Pipe:
        near, far = Pipe(), Pipe()
        near.other, far.other = far, near
        connectProtocol(self._honest, far)
        return near


class Loopback(TestCase):
    """Relays over real TLS on this machine."""

    def certificate(self, name: str) -> ServerTLS:
        """Return a new key, and a certificate for it."""
        directory = Path(self.mktemp())
        directory.mkdir(mode=0o700)
        return ServerTLS(*own_certificate(directory))

    async def listen(self, factory: IProtocolFactory, tls: ServerTLS) -> int:
        """Listen with *factory* behind *tls*, and return the port."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        listening: Any = await wrapServerTLS(tls, endpoint).listen(factory)
        self.addCleanup(listening.stopListening)
        return int(listening.getHost().port)

    async def relay(self, tls: ServerTLS) -> int:
        """Run an honest relay, and return its port."""
        relay = RelayFactory(reactor)
        self.addCleanup(relay.close)
        return await self.listen(relay, tls)

    def client(self, port: int, tls: ServerTLS) -> ChatClient:
        """Return a client that is to connect to the relay on *port*, and to *tls* alone."""
        address = Address(host="127.0.0.1", port=port, pin=tls.pin)
        self.said: list[bytes] = []
        chat = ChatClient(
            reactor,
            Identity.generate(),
            TrustStore(),
            address,
            tap=lambda who, line: self.said.append(line),
        )
        self.addCleanup(chat.close)
        return chat


class EvilRelay(Loopback):
    """
    A2: a relay that Alice uses shows her the banner of another one, and wants to log in there as
    Alice with what she signs.
    """

    async def test_proof_passed_on_over_tls(self) -> None:
        """
        Alice's signature holds the key of the relay that she sees, and the exporter of her own
        TLS connection, which nobody can give another one. So it fails for an evil relay with a
        key of its own, and for one that has the honest relay's key too.
        """
        honest, evil = self.certificate("honest"), self.certificate("evil")
        port = await self.relay(honest)
        for tls in (evil, honest):
            towards = SSL4ClientEndpoint(reactor, "127.0.0.1", port, CertificateOptions())
            between = await self.listen(PipeFactory(towards), tls)
            with self.assertRaises(ProofRefused):
                await self.client(between, tls).connect()
            self.assertTrue(any(line.startswith(b"identity") for line in self.said))
        # The pipe is no hindrance by itself: she gets in where she goes by herself.
        await self.client(port, honest).connect()

    def test_proof_passed_on_without_tls(self) -> None:
        """
        On a unix socket or an onion service Alice signs the address that she dialled: the evil
        relay's, which the other relay does not answer to.
        """
        network = Network()
        alice = network.person("alice")
        # The evil relay passes all that she says to the honest one, and back.
        alice.chat.address = Address(kind="unix", path="/evil")
        self.assertRaises(ProofRefused, network.get, alice.chat.connect())
        self.assertEqual(len(said(alice, IdentityLine)), 1)
        alice.chat.address = ADDRESS
        network.get(alice.chat.connect())

    def test_proof_replayed(self) -> None:
        """
        A recorded `identity` is said again on another connection. Each banner is new, and it is
        signed.
        """
        network = LyingNetwork()
        alice = network.client("alice")
        (recorded,) = said(alice, IdentityLine)
        mallory = dial(network)
        mallory.say(recorded)
        network.settle()
        banner, answer = mallory.heard
        self.assertIsInstance(banner, Banner)
        self.assertEqual(cast(ErrorLine, answer).code, Code.PROOF)
        self.assertTrue(mallory.lost)
        self.assertTrue(alice.chat.connected)


class FalseRelay(Loopback):
    """A3: another relay at the address, or somebody on the way who changes what it says."""

    async def test_another_key_than_the_pin(self) -> None:
        """
        Whoever answers at the address has another key. The client has not said a word when it
        sees that, and shows both.
        """
        expected, shown = self.certificate("expected"), self.certificate("shown")
        port = await self.relay(shown)
        chat = self.client(port, expected)
        with self.assertRaises(WrongPin) as caught:
            await chat.connect()
        self.assertEqual(caught.exception.expected, pin_text(expected.pin or b""))
        self.assertEqual(caught.exception.shown, pin_text(shown.pin or b""))
        self.assertEqual(self.said, [])

    def test_banner_changed_on_the_way(self) -> None:
        """
        Where there is no TLS somebody on the way puts other versions or limits into the banner.
        The client signs what it saw, the relay checks what it said.
        """
        for changed in ({"versions": (1, 2)}, {"limits": {"line": 1}}):
            network = LyingNetwork()
            network.change(Banner, **changed)
            alice = network.person("alice")
            self.assertRaises(ProofRefused, network.get, alice.chat.connect())
            (banner,) = heard(alice, Banner)
            (name,) = changed
            self.assertEqual(getattr(banner, name), changed[name])
            self.assertEqual(len(said(alice, IdentityLine)), 1)
            network.be_honest()
            network.get(alice.chat.connect())


class RoomTakeover(SynchronousTestCase):
    """
    A4 and F7: the relay has lost or hides a room, and whoever comes first founds another one under
    its label.
    """

    def setUp(self) -> None:
        """Bob was in the room "lobby", and the relay has forgotten it."""
        network = Network()
        alice, self.known = network.client("alice"), KnownRooms()
        self.bob = network.client("bob", trusts=[alice], known=self.known)
        alice.trust(self.bob)
        network.get(alice.chat.found(LABEL))
        network.get(self.bob.chat.join(LABEL))
        self.network = LyingNetwork()

    def return_of_bob(self, known: KnownRooms, *trusts: Person) -> Person:
        """Bob connects to the relay that has forgotten the room."""
        return self.network.client("bob", trusts=trusts, identity=self.bob.identity, known=known)

    def test_room_founded_anew_under_a_known_label(self) -> None:
        """
        Mallory, whom Bob trusts, founds "lobby" anew and vouches for him. A room is the hash of
        its first entry, and Bob's client knows which one "lobby" is.
        """
        mallory = self.network.client("mallory", trusts=[self.bob])
        false = self.network.get(mallory.chat.found(LABEL))
        bob = self.return_of_bob(self.known, mallory)
        self.assertRaises(FoundedAnew, self.network.get, bob.chat.join(LABEL))
        self.assertNotIn(bob.fingerprint, false.log.membership.index)
        self.assertEqual(bob.chat.rooms, ())
        # To who never was there, hers is "lobby".
        fresh = self.network.client("carol", trusts=[mallory])
        mallory.trust(fresh)
        self.assertEqual(self.network.get(fresh.chat.join(LABEL)).id, false.id)

    def test_known_label_is_not_founded_anew_silently(self) -> None:
        """
        Everybody is the first user at once after a restart. Bob, who knows the room, does not
        found it, and his client does not take "no such room" for an answer either.
        """
        bob = self.return_of_bob(self.known)
        self.assertRaises(RoomKnown, self.network.get, bob.chat.join(LABEL))
        self.assertRaises(RoomKnown, self.network.get, bob.chat.found(LABEL))
        self.assertEqual(said(bob, Found), [])
        self.network.get(self.return_of_bob(KnownRooms()).chat.found(LABEL))

    def test_room_lost_while_its_member_is_away(self) -> None:
        """A member whose connection breaks, and who comes back to a relay without the room."""
        network = LyingNetwork()
        (alice,) = network.members("alice")
        network.relay = Network().relay  # the same address and clients, and nothing in memory
        network.transports[-1].abortConnection()
        network.turn(10)
        (refusal,) = alice.heard(Refusal)
        self.assertIsInstance(refusal.why, RoomKnown)
        self.assertEqual(said(alice, Found), [])


class TwoConnections(SynchronousTestCase):
    """A5: the same identity on two connections."""

    def test_second_proof_supersedes_the_first(self) -> None:
        """
        A thief of Alice's keys, or her other device, logs in: it is not possible unseen, since
        the older connection is told so, and it gets nothing from then on.
        """
        network = LyingNetwork()
        alice, bob = network.members("alice", "bob")
        thief = network.client("thief", identity=alice.identity)
        (gone,) = alice.heard(Disconnected)
        self.assertIsInstance(gone.why, Superseded)
        self.assertIsNone(gone.retry_in)
        network.speak(bob, "who is there?")
        self.assertEqual(heard(alice, FrameLine), [])
        self.assertEqual(heard(thief, FrameLine), [])  # that it is in no room changes nothing
        self.assertEqual(len(heard(thief, Ack)), 1)


class Flood(SynchronousTestCase):
    """A6: connections that cost the relay something, and never identify themselves."""

    def setUp(self) -> None:
        self.network = Network(limits=Limits(identify_seconds=10, unproved_per_address=3))

    def flood(self) -> Script:
        """Connect without an identity."""
        return dial(self.network)

    def assertSentAway(self, flooder: Script, code: Code) -> None:
        """Check that the relay said why, and hung up."""
        self.network.settle()
        last = flooder.heard[-1]
        assert isinstance(last, ErrorLine)
        self.assertEqual(last.code, code)
        self.assertTrue(flooder.lost)

    def test_silence_before_identity(self) -> None:
        """Who says a byte now and then has ten seconds, whatever it says."""
        flooder = self.flood()
        for _ in range(11):
            flooder.transport.write(b"i")
            self.network.turn(1)
        self.assertSentAway(flooder, Code.TIMEOUT)

    def test_endless_line_before_identity(self) -> None:
        """A line that does not end is not kept."""
        flooder = self.flood()
        flooder.transport.write(b"identity " + bytes(8_192))
        self.assertSentAway(flooder, Code.MALFORMED)

    def test_many_connections_of_one_address(self) -> None:
        """Who has not proved an identity takes no more than its address's share."""
        self.assertTrue(all(not self.flood().lost for _ in range(3)))
        self.assertSentAway(self.flood(), Code.BUSY)
