"""Tests of `securechat.testing`, the kit for the tests of those who embed a client or a relay."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.client import ChatClient
from securechat.client.events import Connected, Disconnected
from securechat.client.state import MemoryState
from securechat.errors import ConnectFailed, MayNotFound, NoSuchRoom
from securechat.group.events import Message
from securechat.identity import Identity
from securechat.testing import ADDRESS, WRITTEN, MemoryTransport, Network
from securechat.trust import TrustStore


class Ear(Protocol):
    """Notes what it hears."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class TransportTests(SynchronousTestCase):
    """`MemoryTransport`, in pairs that a network carries bytes between."""

    def setUp(self) -> None:
        self.network = Network()
        self.ears = Ear(), Ear()
        self.near, self.far = MemoryTransport(), MemoryTransport()
        self.near.other, self.far.other = self.far, self.near
        for ear, transport in zip(self.ears, (self.near, self.far), strict=True):
            transport.protocol = ear
            ear.makeConnection(transport)
        self.network.transports.append(self.near)

    def lost(self) -> tuple[type[BaseException | None], ...]:
        """Return why each end was lost."""
        first, second = (each.lost.value for each in self.ears if each.lost is not None)
        return type(first), type(second)

    def test_bytes_arrive_in_both_directions(self) -> None:
        """When the network carries them, and not before."""
        self.near.write(b"he")
        self.near.writeSequence([b"ll", b"o"])
        self.far.write(b"you")
        self.assertEqual(self.ears[1].heard, b"")
        self.network.settle()
        self.assertEqual([each.heard for each in self.ears], [b"you", b"hello"])

    def test_addresses(self) -> None:
        """Both ends are at one place, which is none."""
        here = UNIXAddress("/in/memory")
        self.assertEqual((self.near.getPeer(), self.near.getHost()), (here, here))

    def test_close(self) -> None:
        """What was written before it arrives, and nothing after it."""
        for close in (self.near.loseConnection, self.near.stopProducing):
            self.near.write(b"bye")
            close()
            self.near.write(b"too late")
        self.assertEqual(self.ears[1].lost, None)
        self.network.settle()
        self.assertEqual(self.ears[1].heard, b"bye")
        self.assertEqual(self.lost(), (ConnectionDone, ConnectionDone))
        self.near.write(b"much too late")
        self.network.settle()
        self.assertEqual(self.ears[1].heard, b"bye")

    def test_abort(self) -> None:
        """What was under way is lost; nobody is told before the next turn."""
        self.near.write(b"x")
        self.far.write(b"x")
        self.near.abortConnection()
        self.near.write(b"x")
        self.assertEqual(self.ears[0].lost, None)
        self.network.settle()
        self.assertEqual(self.lost(), (ConnectionAborted, ConnectionAborted))
        self.assertEqual([each.heard for each in self.ears], [b"", b""])
        self.near.abortConnection()
        self.network.settle()

    def test_break(self) -> None:
        """A connection breaks at once, for both, and once."""
        self.near.write(b"x")
        self.near.lose()
        self.far.lose(Failure(ConnectionDone()))
        self.assertEqual(self.lost(), (ConnectionLost, ConnectionLost))
        self.assertEqual(self.ears[1].heard, b"")

    def test_peer_that_stalls(self) -> None:
        """Who is deaf hears nothing, not even that the other one closes."""
        self.far.deaf = True
        self.near.write(b"hello?")
        self.near.loseConnection()
        self.network.settle()
        self.assertEqual((self.ears[1].heard, self.ears[0].lost), (b"", None))
        self.far.deaf = False
        self.network.settle()
        self.assertEqual(self.ears[1].heard, b"hello?")

    def test_backpressure(self) -> None:
        """Who does not read is not written to, and who writes can be told to wait."""
        self.far.pauseProducing()
        self.near.write(b"hello")
        self.network.settle()
        self.assertEqual(self.ears[1].heard, b"")
        self.far.resumeProducing()
        self.network.settle()
        self.assertEqual(self.ears[1].heard, b"hello")

        asked: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                asked.append("pause")

            def resumeProducing(self) -> None:
                asked.append("resume")

        self.near.registerProducer(Producer(), True)
        self.near.pause_writer()
        self.near.resume_writer()
        self.near.unregisterProducer()
        self.assertEqual(asked, ["pause", "resume"])


class NetworkTests(SynchronousTestCase):
    """`Network` and `Person`."""

    def test_the_example(self) -> None:
        """That of the module's docstring."""
        network = Network()
        alice = network.client("alice")
        bob = network.client("bob", trusts=[alice])
        alice.trust(bob)
        room = network.get(alice.chat.found("lobby"))
        same = network.get(bob.chat.join("lobby"))
        self.assertEqual(same.id, room.id)
        network.get(bob.chat.send(same, "hello"))
        (message,) = alice.heard(Message)
        self.assertEqual((message.sender, message.text), (bob.fingerprint, "hello"))
        self.assertIn(message, alice.events)

    def test_a_person_is_not_connected_yet(self) -> None:
        """A client is."""
        network = Network()
        carol = network.person("carol")
        self.assertEqual((carol.chat.connected, carol.lines), (False, []))
        network.get(carol.chat.connect())
        self.assertEqual([who for who, _ in carol.lines], ["R", "C", "R"])
        self.assertEqual(network.client("dave").events, [Connected()])

    def test_identity_and_trust_of_ones_own(self) -> None:
        """Instead of new ones."""
        identity, trust = Identity.generate(), TrustStore()
        friend = Network().person("friend")
        trust.add("friend", friend.fingerprint, "typed", WRITTEN)
        carol = Network().person("carol", identity=identity, trust=trust)
        self.assertEqual(carol.fingerprint, identity.fingerprint)
        self.assertEqual([each.petname for each in carol.trusted], ["friend"])

    def test_relay_of_ones_own(self) -> None:
        """Arguments are the relay's."""
        network = Network(founders=())
        self.assertRaises(MayNotFound, network.get, network.client("alice").chat.found("lobby"))

    def test_relay_that_cannot_be_reached(self) -> None:
        """For a while."""
        network = Network()
        network.reachable = False
        carol = network.person("carol")
        self.assertRaises(ConnectFailed, network.get, carol.chat.connect())
        network.reachable = True
        network.get(carol.chat.connect())

    def test_a_person_whose_program_dies(self) -> None:
        """It begins anew, with what its state has kept; where it keeps none, with nothing."""
        network = Network()
        for state in (None, MemoryState()):
            alice = network.client("alice", state=state)
            network.get(alice.chat.found(f"of-{alice.fingerprint.hex()[:8]}"))
            again = network.restarted(alice)
            self.assertEqual((again.fingerprint, again.events), (alice.fingerprint, []))
            self.assertEqual(len(again.chat.kept), 0 if state is None else 1)

    def test_connection_of_a_person(self) -> None:
        """The newest one, to break."""
        network = Network()
        alice = network.client("alice")
        network.get(alice.chat.found("lobby"))
        first = alice.transport
        first.lose()
        self.assertEqual(len(alice.heard(Disconnected)), 1)
        network.turn(5)
        self.assertTrue(alice.chat.connected)
        self.assertIsNot(alice.transport, first)
        self.assertEqual(network.transports, [alice.transport])

    def test_client_of_ones_own(self) -> None:
        """A client that an application makes goes to the relay through an endpoint."""
        network = Network()
        identity, way = Identity.generate(), network.endpoint()
        chat = ChatClient(network.clock, identity, TrustStore(), ADDRESS, endpoint=way)
        network.get(chat.connect())
        room = network.get(chat.found("lobby"))
        self.assertEqual(network.get(chat.online(room)), {identity.fingerprint})
        network.get(chat.close())

    def test_other_protocols(self) -> None:
        """Whatever speaks to the relay can be connected."""
        network = Network()
        ear = Ear()
        network.get(network.connect(Factory.forProtocol(lambda: ear)))
        network.settle()
        self.assertTrue(ear.heard.startswith(b"banner 1 "))

    def test_time(self) -> None:
        """Goes by in steps, and what is said meanwhile is carried."""
        network = Network()
        times: list[float] = []
        network.clock.callLater(0.3, lambda: times.append(network.clock.seconds()))
        network.turn(1, step=0.5)
        self.assertEqual(times, [0.5])
        self.assertEqual(network.clock.seconds(), 1)

    def test_get(self) -> None:
        """The result, or the error, or the news that there is neither within a minute."""
        network = Network()
        later: Deferred[str] = Deferred()
        network.clock.callLater(30, later.callback, "at last")
        self.assertEqual(network.get(later), "at last")
        alice = network.client("alice")
        self.assertRaises(NoSuchRoom, network.get, alice.chat.join("nowhere"))
        self.assertRaises(AssertionError, network.get, Deferred())
