"""Where connections come from, as far as limits know."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from securechat.relay.sources import Doorstep, Quota, source

LISTENER = IPv4Address("TCP", "192.0.2.1", 7117)


def tls(peer: IAddress) -> str:
    """Return the source of a TLS connection from *peer*."""
    transport = StringTransport(LISTENER, peer)
    alsoProvides(transport, ISSLTransport)
    return source(transport)


class SourceTests(SynchronousTestCase):
    """`source`."""

    def test_an_ipv4_address_is_one(self) -> None:
        """Whatever the port."""
        self.assertEqual(tls(IPv4Address("TCP", "192.0.2.7", 1)), "192.0.2.7")
        self.assertEqual(tls(IPv4Address("TCP", "192.0.2.7", 2)), "192.0.2.7")

    def test_ipv6_is_taken_by_64(self) -> None:
        """One customer has that many addresses."""
        first = tls(IPv6Address("TCP", "2001:db8:1:2::3", 1))
        self.assertEqual(first, "2001:db8:1:2::/64")
        self.assertEqual(tls(IPv6Address("TCP", "2001:db8:1:2:ffff::9", 1)), first)
        self.assertNotEqual(tls(IPv6Address("TCP", "2001:db8:1:3::3", 1)), first)

    def test_a_zone_makes_no_difference(self) -> None:
        """Link-local addresses come with one."""
        self.assertEqual(tls(IPv6Address("TCP", "fe80::1%eth0", 1)), "fe80::/64")

    def test_ipv4_on_a_socket_for_both(self) -> None:
        """It is shown as IPv6; not all of IPv4 is one source for that."""
        self.assertEqual(tls(IPv6Address("TCP", "::ffff:192.0.2.7", 1)), "192.0.2.7")

    def test_without_tls_the_listener_is_the_source(self) -> None:
        """Behind an onion service everybody comes from this machine."""
        transport = StringTransport(LISTENER, IPv4Address("TCP", "127.0.0.1", 1))
        self.assertEqual(source(transport), str(LISTENER))

    def test_what_has_no_ip_address(self) -> None:
        """TLS on a unix socket is as without."""
        self.assertEqual(tls(UNIXAddress(None)), str(LISTENER))


class DoorstepTests(SynchronousTestCase):
    """`Doorstep`."""

    def test_sources_are_apart(self) -> None:
        """One that is full does not fill another."""
        doorstep = Doorstep(1)
        self.assertTrue(doorstep.enter("a", 1))
        self.assertFalse(doorstep.enter("a", 2))
        self.assertTrue(doorstep.enter("b", 3))

    def test_who_left_twice_left_once(self) -> None:
        """To leave without having entered, or again, changes nothing."""
        doorstep = Doorstep(1)
        doorstep.enter("a", 1)
        doorstep.leave("a", 2)
        self.assertFalse(doorstep.enter("a", 3))
        doorstep.leave("a", 1)
        doorstep.leave("a", 1)
        self.assertTrue(doorstep.enter("a", 3))


class QuotaTests(SynchronousTestCase):
    """`Quota`."""

    def test_so_many_in_a_minute(self) -> None:
        """Of each source by itself."""
        clock = Clock()
        quota = Quota(clock, 2)
        for _ in range(2):
            self.assertEqual([quota.take("a") for _ in range(4)], [True, True, False, False])
            self.assertTrue(quota.take("b"))
            clock.advance(60)
