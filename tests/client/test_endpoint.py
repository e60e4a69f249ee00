"""Tests of `securechat.client.endpoint`; those that connect are in `tests.client.test_tls`."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.client.endpoint import endpoint_for
from securechat.errors import NeedsEndpoint

ONION = Address("onion", host="a" * 56 + ".onion")
UNIX = Address("unix", path="/run/relay")


class EndpointTests(SynchronousTestCase):
    """`endpoint_for`."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.tunnel: Any = UNIXClientEndpoint(self.reactor, "/run/tunnel")

    def test_tls(self) -> None:
        """TLS goes around whatever leads there."""
        endpoint = endpoint_for(self.reactor, Address(host="relay.example"), self.tunnel)
        endpoint.connect(Factory.forProtocol(Protocol))
        ((path, factory, *_),) = self.reactor.unixClients
        self.assertEqual(path, "/run/tunnel")
        protocol = factory.buildProtocol(None)._wrappedProtocol
        self.assertIsInstance(protocol, TLSMemoryBIOProtocol)

    def test_unix_socket(self) -> None:
        """Is dialled as it is, or through what was given."""
        self.assertIsInstance(endpoint_for(self.reactor, UNIX), UNIXClientEndpoint)
        self.assertIs(endpoint_for(self.reactor, UNIX, self.tunnel), self.tunnel)

    def test_onion_service(self) -> None:
        """Only Tor gets there: the user has to say how, and there is no TLS around it."""
        error = self.assertRaises(NeedsEndpoint, endpoint_for, self.reactor, ONION)
        self.assertIn(ONION.host, str(error))
        self.assertIs(endpoint_for(self.reactor, ONION, self.tunnel), self.tunnel)
