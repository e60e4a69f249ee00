"""
Listening with the relay's own transports, on whatever endpoint there is.

The endpoint accepts connections as it always does. A connection that has a socket of its own is
then taken over: Twisted's transport lets go of the socket, and an `EagerTransport` or a
`TLSTransport` has it. One that has none (it is in memory, behind a proxy's header, in another's
TLS) stays what it is, with Twisted's TLS over it where TLS is asked for.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
    ISystemHandle,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.relay.eager import EagerTransport
from securechat.relay.tls import ServerTLS
from securechat.relay.tlssocket import TLSTransport


@implementer(IStreamServerEndpoint)
class DirectEndpoint:
    """
    Listens as *endpoint* does.

    :param tls: what connections speak; None: nothing.
    :param reactor: for Twisted's TLS; None: the global one.
    """

    def __init__(
        self, endpoint: IStreamServerEndpoint, tls: ServerTLS | None = None, reactor: Any = None
    ) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._reactor = reactor

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        listening: Deferred[IListeningPort] = self._endpoint.listen(
            _Direct(protocolFactory, self._tls, self._reactor)
        )
        return listening


class _Direct(Factory[Protocol]):
    """Has the protocols of *factory* connected to our transports."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, tls: ServerTLS | None, reactor: Any) -> None:
        self._factory = factory
        self._tls = tls
        self._stock = None if tls is None else TLSMemoryBIOFactory(tls, False, factory, reactor)

    def logPrefix(self) -> str:
        """Return whose port it is, as the log has it when it starts and stops."""
        return type(self._factory).__name__

    def startFactory(self) -> None:
        self._factory.doStart()

    def stopFactory(self) -> None:
        self._factory.doStop()

    def buildProtocol(self, addr: Any) -> Protocol | None:
        protocol = self._factory.buildProtocol(addr)
        return None if protocol is None else _Usher(self, protocol)

    def direct(self, transport: FileDescriptor, protocol: IProtocol) -> EagerTransport:
        """Return a transport for *protocol* on the socket that *transport* has had."""
        connected: Any = ISystemHandle(transport).getHandle()
        transport.stopReading()
        rest = protocol, transport.reactor, transport.getPeer(), transport.getHost()
        if self._tls is None:
            return EagerTransport(connected, *rest)
        return TLSTransport(connected, *rest, self._tls.on_socket(connected))

    def indirect(self, protocol: IProtocol) -> IProtocol:
        """Return what speaks for *protocol* on a transport that has no socket."""
        return protocol if self._stock is None else self._stock.protocol(self._stock, protocol)


class _Usher(Protocol):
    """Stands in for *protocol* until it is seen what it is connected with."""

    def __init__(self, factory: _Direct, protocol: IProtocol) -> None:
        self._direct = factory
        self._protocol = protocol

    def makeConnection(self, transport: ITransport) -> None:
        if isinstance(transport, FileDescriptor):  # and not what wraps one
            self._direct.direct(transport, self._protocol).begin()
            return
        self._protocol = self._direct.indirect(self._protocol)
        self._protocol.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._protocol.connectionLost(reason)
