"""Where the relay listens by default, and what addresses that makes."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import address
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    connectProtocol,
)
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from securechat.address import Address
from securechat.relay.listening import EverywhereEndpoint, tls_addresses, unix_addresses

reactor: Any = _reactor

PIN = bytes(32)


class Port:
    """A listening port at a given address."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def getHost(self) -> Any:
        return self._host


def ports(*hosts: Any) -> Any:
    """Return ports at *hosts*."""
    return [Port(host) for host in hosts]


class Greeter(Protocol):
    """Says that somebody has come."""

    def __init__(self, came: Deferred[str]) -> None:
        self.came = came

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()
        self.came.callback("came")


class Greeters(Factory[Greeter]):
    """Makes one greeter, and makes it again."""

    noisy = False

    def __init__(self) -> None:
        self.came: Deferred[str] = Deferred()

    def buildProtocol(self, addr: object) -> Greeter:
        return Greeter(self.came)


class EverywhereTests(TestCase):
    """`EverywhereEndpoint` on real sockets."""

    async def reached(self, endpoint: type[Any], host: str) -> None:
        """Listen, and be reached at *host*."""
        greeters = Greeters()
        port = await EverywhereEndpoint(reactor, 0).listen(greeters)
        self.addCleanup(port.stopListening)
        here: Any = port.getHost()
        await connectProtocol(endpoint(reactor, host, here.port), Protocol())
        self.assertEqual(await greeters.came, "came")

    async def test_over_ipv4(self) -> None:
        """Whether or not there is IPv6."""
        await self.reached(TCP4ClientEndpoint, "127.0.0.1")

    async def test_over_ipv6(self) -> None:
        """On the same port."""
        if not socket.has_dualstack_ipv6():
            raise SkipTest("no IPv6 here")
        await self.reached(TCP6ClientEndpoint, "::1")

    async def test_where_there_is_no_ipv6(self) -> None:
        """It listens on IPv4 alone."""
        self.patch(socket, "has_dualstack_ipv6", lambda: False)
        await self.reached(TCP4ClientEndpoint, "127.0.0.1")

    async def test_a_port_that_is_taken(self) -> None:
        """It fails as Twisted's own endpoints do."""
        port = await EverywhereEndpoint(reactor, 0).listen(Greeters())
        self.addCleanup(port.stopListening)
        here: Any = port.getHost()
        with self.assertRaises(CannotListenError):
            await EverywhereEndpoint(reactor, here.port).listen(Greeters())


class AddressTests(SynchronousTestCase):
    """How clients reach what listens."""

    def test_both_protocols_on_one_port_are_one_address(self) -> None:
        """The name leads to both."""
        found = tls_addresses(
            ports(address.IPv6Address("TCP", "::", 7), address.IPv4Address("TCP", "0.0.0.0", 7)),
            "relay.example",
            PIN,
        )
        self.assertEqual(found, [Address(host="relay.example", port=7, pin=PIN)])

    def test_each_port_has_its_own(self) -> None:
        """In the order in which they are listened on."""
        hosts = [address.IPv4Address("TCP", "127.0.0.1", port) for port in (9, 8)]
        found = tls_addresses(ports(*hosts), "relay.example", None)
        self.assertEqual(
            [str(each) for each in found],
            ["securechat://relay.example:9", "securechat://relay.example:8"],
        )

    def test_what_is_no_port_has_no_address_over_tls(self) -> None:
        """There is no way to write TLS over a unix socket."""
        self.assertEqual(tls_addresses(ports(address.UNIXAddress("/x")), "relay", PIN), [])

    def test_a_unix_socket_is_known_by_its_path(self) -> None:
        """The absolute one."""
        found = unix_addresses(ports(address.UNIXAddress("/run/relay")))
        self.assertEqual(found, [Address("unix", path="/run/relay")])

    def test_other_listeners_are_not(self) -> None:
        """Nor sockets without a name."""
        hosts = address.UNIXAddress(None), address.IPv4Address("TCP", "127.0.0.1", 1)
        self.assertEqual(unix_addresses(ports(*hosts)), [])
