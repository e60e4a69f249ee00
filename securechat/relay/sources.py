"""
Where connections come from, how many of each source have not proved an identity yet, and how often
each source may bring something about.

A source is an IPv4 address, an IPv6 /64 (what one customer has), or a listener where addresses
say nothing: on a unix socket, or behind an onion service, everybody comes from here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from twisted.internet import address
from twisted.internet.interfaces import IReactorTime, ISSLTransport

_MINUTE = 60.0


def source(transport: Any) -> str:
    """Return the source of the connection on *transport*."""
    peer = transport.getPeer()
    if ISSLTransport.providedBy(transport) and isinstance(
        peer, address.IPv4Address | address.IPv6Address
    ):
        return _network(peer.host)
    return str(transport.getHost())


@lru_cache
def _network(host: str) -> str:
    found = ip_address(host)
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped  # how a socket for both shows who comes over IPv4
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found), 64), strict=False))
    return str(IPv4Network(found).network_address)


class Doorstep:
    """
    The connections that have not proved an identity yet, bounded for each source.

    :param most: how many of one source.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: defaultdict[str, set[object]] = defaultdict(set)

    def enter(self, source: str, connection: object) -> bool:
        """Count *connection* and return true, or return false where there are too many."""
        waiting = self._waiting[source]
        if len(waiting) >= self._most:
            return False
        waiting.add(connection)
        return True

    def leave(self, source: str, connection: object) -> None:
        """Count *connection* no more, if it was counted."""
        waiting = self._waiting[source]
        waiting.discard(connection)
        if not waiting:
            del self._waiting[source]


class Quota:
    """
    What happens because of each source, bounded for each minute: identities cost nothing to make.

    The minutes are the clock's, so that only one of them is remembered; at a turn of the minute
    twice as much may happen.

    :param most: how often it may in a minute.
    """

    def __init__(self, clock: IReactorTime, most: int) -> None:
        self._clock = clock
        self._most = most
        self._minute = 0.0
        self._taken = Counter[str]()

    def take(self, source: str) -> bool:
        """Count once more for *source*; whether it may be."""
        minute = self._clock.seconds() // _MINUTE
        if minute != self._minute:
            self._minute = minute
            self._taken.clear()
        self._taken[source] += 1
        return self._taken[source] <= self._most
