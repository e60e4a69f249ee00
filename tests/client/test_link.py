"""Tests of `securechat.client.link`: one connection after the other, to a relay in memory."""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from securechat.client.link import Link
from securechat.client.protocol import ABORT_SECONDS, ClientProtocol, Listener
from securechat.errors import (
    ConnectFailed,
    ConnectionLost,
    NotConnected,
    ProofRefused,
    RelayBusy,
    RelaySilent,
    SecureChatError,
    Superseded,
    UntrustedCertificate,
    VersionMismatch,
    WrongName,
    WrongPin,
)
from securechat.identity import Identity
from securechat.testing import ADDRESS, Network
from securechat.wire import ErrorLine, Join, Resumed

ME = Identity.generate()


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects when the test says so, or never."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.dials: list[Deferred[IProtocol]] = []
        self.factory: IProtocolFactory
        self.slow = False

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.factory = factory
        dial = Deferred[IProtocol](self.cancel)
        self.dials.append(dial)
        if not self.network.reachable:
            dial.errback(ConnectionRefusedError())
        elif not self.slow:
            self.network.connect(factory).chainDeferred(dial)
        return dial

    def cancel(self, dial: Deferred[IProtocol]) -> None:
        """As Twisted's own endpoints do."""
        dial.errback(ConnectingCancelledError(UNIXAddress("/in/memory")))


class LinkCase(SynchronousTestCase):
    """A link, and all that it tells."""

    def setUp(self) -> None:
        self.network = Network()
        self.clock = self.network.clock
        self.endpoint = Endpoint(self.network)
        self.wanted = False
        self.told: list[object] = []
        self.pauses: list[float | None] = []
        self.link = Link(
            self.clock,
            self.endpoint,
            self.protocol,
            lambda: 0.5,
            wanted=lambda: self.wanted,
            connected=lambda: self.told.append("connected"),
            heard=self.told.append,
            disconnected=self.disconnected,
        )

    def protocol(self, listener: Listener) -> ClientProtocol:
        """Make the protocol of one connection."""
        return ClientProtocol(ME, ADDRESS, self.clock, listener)

    def disconnected(self, why: SecureChatError, retry_in: float | None) -> None:
        self.told.append(type(why))
        self.pauses.append(retry_in)

    def up(self) -> None:
        """Be connected, and want to stay so."""
        self.network.get(self.link.connect())
        self.wanted = True
        self.told.clear()

    def break_off(self) -> None:
        """Break the connection."""
        self.network.transports[-1].lose()

    def prove_nothing(self) -> None:
        """Let the relay accept connections from now on, and hear nothing."""
        self.network.connect, connect = self.deaf, self.network.connect  # type: ignore[method-assign]  # in its place
        self.honest = connect

    def deaf(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        done = self.honest(factory)
        self.network.transports[-1].other.deaf = True
        return done

    def assertAtRest(self) -> None:
        """Check that there is no connection, and nothing is done about it."""
        self.assertFalse(self.link.up)
        self.assertEqual([each for each in self.network.transports if not each.cut], [])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConnectTests(LinkCase):
    """`Link.connect`."""

    def test_fires_with_the_proof(self) -> None:
        """Not before; and who owns the link hears of it first."""
        connecting = self.link.connect()
        self.assertFalse(self.link.up)
        self.assertNoResult(connecting)
        connecting.addCallback(lambda _: self.told.append("fired"))
        self.network.settle()
        self.assertTrue(self.link.up)
        self.assertEqual(self.told, ["connected", "fired"])

    def test_one_connection_is_enough(self) -> None:
        """Who asks meanwhile waits for the same one, and who asks later has it already."""
        waiting = [self.link.connect(), self.link.connect()]
        self.network.settle()
        for each in [*waiting, self.link.connect()]:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(len(self.endpoint.dials), 1)

    def test_lines_in_both_directions(self) -> None:
        """What is said goes to the relay, and what it says is heard."""
        self.up()
        self.link.say(Join("lobby"))
        self.network.settle()
        (line,) = self.told
        self.assertIsInstance(line, ErrorLine)

    def test_nothing_is_said_to_nobody(self) -> None:
        """Without a connection there is nothing to say a line on, or to drop."""
        self.link.say(Join("lobby"))
        self.link.abort(RelaySilent(address="here", seconds=1))
        self.assertAtRest()

    def test_relay_is_not_there(self) -> None:
        """Everybody who waits is told, and that is all, if nothing else wants a connection."""
        self.network.reachable = False
        for each in (self.link.connect(), self.link.connect()):
            self.failureResultOf(each, ConnectFailed)
        self.assertEqual(self.told, [])
        self.assertAtRest()
        self.network.reachable = True
        self.network.get(self.link.connect())

    def test_relay_is_not_there_though_wanted(self) -> None:
        """It is tried again, and said so."""
        self.wanted = True
        self.network.reachable = False
        self.failureResultOf(self.link.connect(), ConnectFailed)
        self.assertEqual(self.told, [ConnectFailed])
        self.network.reachable = True
        self.network.turn(3)
        self.assertTrue(self.link.up)

    def test_again_out_of_despair(self) -> None:
        """Who connects again as soon as it is told of the failure is not told of another."""
        again: list[Deferred[None]] = []
        self.wanted = self.endpoint.slow = True

        def retry(_: Failure) -> None:
            self.endpoint.slow = False
            again.append(self.link.connect())

        self.link.connect().addErrback(retry)
        self.endpoint.dials[0].errback(ConnectionRefusedError())
        self.network.get(again[0])
        self.assertEqual(self.told, ["connected"])
        self.assertEqual(len(self.endpoint.dials), 2)

    def test_cancelled_while_dialling(self) -> None:
        """The dialling ends, and nothing is left of it."""
        self.endpoint.slow = True
        connecting = self.link.connect()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertTrue(self.endpoint.dials[0].called)
        self.assertEqual(self.told, [])
        self.assertAtRest()

    def test_cancelled_while_proving(self) -> None:
        """The connection is closed."""
        self.prove_nothing()
        connecting = self.link.connect()
        self.network.settle()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.network.turn(ABORT_SECONDS)
        self.assertEqual(self.told, [])
        self.assertAtRest()

    def test_cancelled_by_one_of_two(self) -> None:
        """The other one gets its connection."""
        first, second = self.link.connect(), self.link.connect()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.network.get(second)

    def test_cancelled_though_wanted(self) -> None:
        """Who is in a room gets the connection all the same."""
        self.up()
        self.break_off()
        self.link.connect().addErrback(lambda _: None).cancel()
        self.network.settle()
        self.assertTrue(self.link.up)

    def test_again_after_cancelling(self) -> None:
        """The new connection is made once the one that was given up is gone."""
        self.prove_nothing()
        connecting = self.link.connect()
        self.network.settle()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.network.connect = self.honest  # type: ignore[method-assign]  # in its place
        again = self.link.connect()
        self.network.settle()
        self.assertNoResult(again)
        self.network.get(again)
        self.assertEqual(len(self.endpoint.dials), 2)


class ReconnectTests(LinkCase):
    """A connection that is lost."""

    def setUp(self) -> None:
        super().setUp()
        self.up()

    def test_not_wanted(self) -> None:
        """Who is in no room is told, and stays without."""
        self.wanted = False
        self.break_off()
        self.assertEqual((self.told, self.pauses), ([ConnectionLost], [None]))
        self.assertAtRest()

    def test_wanted(self) -> None:
        """It is made anew, after a pause that is said before."""
        self.break_off()
        (pause,) = self.pauses
        assert pause is not None
        self.clock.advance(pause - 0.1)
        self.network.settle()
        self.assertEqual(self.told, [ConnectionLost])
        self.clock.advance(0.1)
        self.network.settle()
        self.assertEqual(self.told, [ConnectionLost, "connected"])

    def test_pauses_grow(self) -> None:
        """
        From seconds to a minute, until there is a connection on which something is said; then
        they begin anew. One that is lost at once, as by a client with a full disk, is a failure.
        """
        self.network.reachable = False
        self.break_off()
        while len(self.pauses) < 15:
            self.clock.advance(1)
        grown = [each for each in self.pauses if each is not None]
        self.assertEqual(grown, sorted(grown))
        self.assertLess(grown[0], 3)
        self.assertLess(grown[0], grown[1])
        self.assertEqual(grown[-1], 60.5)
        self.network.reachable = True
        self.network.turn(61)
        self.assertTrue(self.link.up)
        self.break_off()
        self.assertEqual(self.pauses[-1], grown[-1])
        self.network.turn(61)
        self.link.line_received(Resumed(bytes(32), 1))
        self.break_off()
        self.assertEqual(self.pauses[-1], grown[0])

    def test_hopeless(self) -> None:
        """Some reasons another try would not mend, or should not."""
        for hopeless in (
            Superseded(words="elsewhere"),
            ProofRefused(words="no"),
            VersionMismatch(mine=1, theirs=2),
            WrongPin(address="here", expected="one", shown="other"),
            WrongName(address="here", expected="one", shown="other"),
            UntrustedCertificate(address="here", why="unknown"),
        ):
            self.setUp()
            self.link.abort(hopeless)
            self.network.settle()
            self.assertEqual((self.told, self.pauses), ([type(hopeless)], [None]))
            self.assertAtRest()
        self.setUp()
        self.link.abort(RelayBusy(words="later"))
        self.network.settle()
        self.assertEqual(self.pauses, [2.0])

    def test_connect_during_the_pause(self) -> None:
        """There is no need to wait for its end, and only one connection is made."""
        self.break_off()
        self.network.get(self.link.connect())
        self.network.turn(10)
        self.assertEqual(len(self.endpoint.dials), 2)

    def test_connect_when_told(self) -> None:
        """Who connects as soon as it hears of the loss gets one connection, not two."""
        self.link._disconnected = lambda *_: self.told.append(self.link.connect())
        self.break_off()
        self.network.turn(10)
        self.assertTrue(self.link.up)
        self.assertEqual(len(self.endpoint.dials), 2)
        self.assertEqual(self.told[1:], ["connected"])


class CloseTests(LinkCase):
    """`Link.close`."""

    def test_without_a_connection(self) -> None:
        """There is nothing to close."""
        self.assertIsNone(self.successResultOf(self.link.close()))
        self.assertAtRest()

    def test_connected(self) -> None:
        """Fires once the connection is gone; it is not made anew."""
        self.up()
        closing = [self.link.close(), self.link.close()]
        self.assertFalse(self.link.up)
        self.assertNoResult(closing[0])
        self.network.settle()
        for each in closing:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual((self.told, self.pauses), ([ConnectionLost], [None]))
        self.assertAtRest()

    def test_relay_that_does_not_answer(self) -> None:
        """Is waited for for five seconds."""
        self.up()
        self.network.transports[-1].other.deaf = True
        closing = self.link.close()
        self.network.turn(ABORT_SECONDS - 1)
        self.assertNoResult(closing)
        self.network.turn(1)
        self.successResultOf(closing)
        self.assertAtRest()

    def test_during_the_pause(self) -> None:
        """There will be no other try."""
        self.up()
        self.break_off()
        self.successResultOf(self.link.close())
        self.assertAtRest()

    def test_while_dialling(self) -> None:
        """The dialling ends, and who waited for it is told."""
        self.endpoint.slow = True
        connecting = self.link.connect()
        self.successResultOf(self.link.close())
        self.failureResultOf(connecting, NotConnected)
        self.assertEqual(self.told, [])
        self.assertAtRest()

    def test_while_dialling_again(self) -> None:
        """Also where nobody but a room waits."""
        self.up()
        self.endpoint.slow = True
        self.break_off()
        self.clock.advance(2)
        self.assertEqual(len(self.endpoint.dials), 2)
        self.successResultOf(self.link.close())
        self.assertEqual(self.told, [ConnectionLost])
        self.assertAtRest()

    def test_while_proving(self) -> None:
        """Fires once the connection is gone, also where it was being closed already."""
        for cancelled in (False, True):
            self.setUp()
            self.prove_nothing()
            connecting = self.link.connect()
            self.network.settle()
            if cancelled:
                connecting.cancel()
            closing = self.link.close()
            self.failureResultOf(connecting, CancelledError if cancelled else NotConnected)
            self.network.settle()
            self.assertNoResult(closing)
            self.network.turn(ABORT_SECONDS)
            self.successResultOf(closing)
            self.assertAtRest()

    def test_connect_again(self) -> None:
        """While the old connection is being closed, and after that."""
        self.up()
        closing = self.link.close()
        connecting = self.link.connect()
        self.assertEqual(len(self.endpoint.dials), 1)
        self.network.get(connecting)
        self.successResultOf(closing)
        self.assertTrue(self.link.up)
        self.network.get(self.link.close())
        self.network.get(self.link.connect())
        self.assertTrue(self.link.up)
