"""
Where the relay listens when nobody says where, and at which addresses it can then be reached.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any

from twisted.internet import address
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from securechat.address import Address

_BACKLOG = 512


@implementer(IStreamServerEndpoint)
class EverywhereEndpoint:
    """
    Listens on *port* of every IPv6 and IPv4 address, or of every IPv4 address where there is no
    IPv6.

    One socket takes both: to listen twice would fail or not, as the system is configured.

    :param reactor: provides `IReactorSocket`.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._port = port

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        return execute(self._listen, protocolFactory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        try:
            listening = socket.create_server(
                ("", self._port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
            )
        except OSError as error:
            raise CannotListenError(None, self._port, error) from None
        with listening:  # the reactor takes a duplicate of it
            listening.setblocking(False)
            port: IListeningPort = self._reactor.adoptStreamPort(
                listening.fileno(), family, factory
            )
        return port


def tls_addresses(ports: Iterable[IListeningPort], name: str, pin: bytes | None) -> list[Address]:
    """
    Return how clients reach *ports*, which speak TLS, each address once.

    :param name: this machine's host name or IP address, as clients know it.
    :param pin: see `securechat.relay.tls.ServerTLS.pin`.
    """
    hosts = [port.getHost() for port in ports]
    numbers = [
        host.port for host in hosts if isinstance(host, address.IPv4Address | address.IPv6Address)
    ]
    return [Address(host=name, port=number, pin=pin) for number in dict.fromkeys(numbers)]


def unix_addresses(ports: Iterable[IListeningPort]) -> list[Address]:
    """Return how clients reach those of *ports*, without TLS, that are unix sockets."""
    hosts = [port.getHost() for port in ports]
    paths = [host.name for host in hosts if isinstance(host, address.UNIXAddress) and host.name]
    return [Address("unix", path=os.path.abspath(os.fsdecode(path))) for path in paths]
