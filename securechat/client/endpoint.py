"""From a relay's address to a Twisted endpoint that dials it."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint

from securechat.address import Address
from securechat.client.tls import connection_creator
from securechat.errors import NeedsEndpoint


def endpoint_for(
    reactor: Any, address: Address, through: IStreamClientEndpoint | None = None
) -> IStreamClientEndpoint:
    """
    Return the endpoint that dials *address*, with TLS around it where the address has it.

    :param reactor: an IReactorTCP, IReactorUNIX, IReactorTime and resolver of names, as every
        reactor is.
    :param through: an endpoint to dial instead of the address's host and port: a tunnel or a
        proxy that leads there. What is proved stays the same.
    :raises NeedsEndpoint: for an onion service without *through*: only Tor gets there.
    """
    if address.kind == "onion" and through is None:
        raise NeedsEndpoint(address=str(address))
    if address.kind == "unix":
        return through or UNIXClientEndpoint(reactor, address.path)
    dialled = through or HostnameEndpoint(reactor, address.host, address.port)
    if address.kind == "tls":
        return wrapClientTLS(connection_creator(address), dialled, reactor)
    return dialled
