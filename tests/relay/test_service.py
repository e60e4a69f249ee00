"""The relay as a service."""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from securechat.errors import CannotListen
from securechat.relay.factory import RelayFactory
from securechat.relay.memory import MemoryHistory
from securechat.relay.retention import Retention
from securechat.relay.service import RelayService
from securechat.wire import Code
from tests.relay.clients import Relay
from tests.relay.histories import ROOM, frame, head, landing, seqs

TAKEN = CannotListenError(None, 7117, OSError(98, "Address already in use"))


class Port:
    """A port that is open until it is closed."""

    closed = False

    def stopListening(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


@implementer(IStreamServerEndpoint)
class Endpoint:
    """An endpoint that does as a test wants."""

    def __init__(self, result: Any = None) -> None:
        self.port: Any = Port()
        self.result: Deferred[IListeningPort] = result or succeed(self.port)
        self.factory: IProtocolFactory | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        assert self.factory is None, "nobody listens twice"
        self.factory = protocolFactory
        return self.result


class ServiceTests(SynchronousTestCase):
    """`RelayService`."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.endpoints = [Endpoint(), Endpoint()]
        self.service = RelayService(self.relay.factory, self.endpoints)

    def test_it_listens_when_it_starts(self) -> None:
        """On all of its endpoints, with the relay."""
        self.service.startService()
        for endpoint in self.endpoints:
            self.assertIs(endpoint.factory, self.relay.factory)
        self.assertEqual(self.service.ports, [each.port for each in self.endpoints])

    def test_it_may_listen_before(self) -> None:
        """Then it does not when it starts."""
        self.successResultOf(self.service.listen())
        self.service.startService()
        self.assertEqual(len(self.service.ports), 2)

    def test_it_stops(self) -> None:
        """It listens no more at once, and has stopped when its clients are gone."""
        client = self.relay.client()
        self.service.startService()
        stopped = self.service.stopService()
        for endpoint in self.endpoints:
            self.assertTrue(endpoint.port.closed)
        self.assertIs(client.refused(), Code.CLOSING)
        self.assertNoResult(stopped)
        client.lose()
        self.successResultOf(stopped)

    def test_it_stops_where_it_never_started(self) -> None:
        """There is nothing to be done then."""
        self.successResultOf(self.service.stopService())

    def test_it_stops_while_it_waits_for_an_endpoint(self) -> None:
        """Some take their time, such as onion services."""
        pending: Deferred[IListeningPort] = Deferred()
        service = RelayService(self.relay.factory, [Endpoint(pending)])
        listening = service.listen()
        service.startService()
        self.successResultOf(service.stopService())
        self.failureResultOf(listening, CancelledError)

    def test_old_messages_are_dropped(self) -> None:
        """Every hour, as long as it runs, also where nothing is said."""
        clock = self.relay.clock
        history = MemoryHistory(clock, Retention(retain_days=1))
        service = RelayService(RelayFactory(clock, history=history), [])
        service.startService()
        history.append_entry(ROOM, landing())
        history.append_frame(ROOM, head(1), frame())
        for hours, kept in (24, [1, 2]), (1, [1]):
            clock.pump([3_600] * hours)
            read = self.successResultOf(history.read(ROOM, 0, 1_000, ROOM))
            self.assertEqual(seqs(read), kept)
        service.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_what_cannot_be_had_is_said(self) -> None:
        """In one line for people."""
        service = RelayService(self.relay.factory, [Endpoint(fail(TAKEN))])
        failure = self.failureResultOf(service.listen(), CannotListen)
        self.assertIn("Address already in use. If another program", str(failure.value))

    def test_a_port_that_there_is_not(self) -> None:
        """That is said in one line as well, though Python has an error of its own for it."""
        endpoint = TCP4ServerEndpoint(reactor, 99_999)
        service = RelayService(self.relay.factory, [endpoint])
        failure = self.failureResultOf(service.listen(), CannotListen)
        self.assertIn("port must be 0-65535", str(failure.value))

    def test_what_cannot_be_had_at_the_start_is_logged(self) -> None:
        """Without traceback; other services of the application go on."""
        application = MultiService()
        service = RelayService(RelayFactory(Clock()), [Endpoint(fail(TAKEN))])
        service.setServiceParent(application)
        with capturedLogs() as events:
            application.startService()
        (event,) = [each for each in events if each["log_level"] is LogLevel.critical]
        self.assertIn("Address already in use", formatEvent(event))
        self.assertNotIn("log_failure", event)
        self.successResultOf(application.stopService())
