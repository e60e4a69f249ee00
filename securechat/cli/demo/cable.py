"""A network cable that can be cut, and mended."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from securechat.address import Address


@implementer(IStreamClientEndpoint)
class Cable:
    """An endpoint on which the relay is reached, as long as the cable is whole."""

    def __init__(self, reactor: Any, address: Address) -> None:
        self._endpoint = TCP4ClientEndpoint(reactor, address.host, address.port)
        self._cut: Deferred[None] | None = None
        self._protocol: Any = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, if the cable is cut once it is mended."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    def cut(self) -> None:
        """Break the connection, without a goodbye."""
        self._cut = Deferred()
        self._protocol.transport.abortConnection()

    def mend(self) -> None:
        """Let connections through again."""
        assert self._cut is not None, "it is whole"
        cut, self._cut = self._cut, None
        cut.callback(None)

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        if self._cut is not None:
            await self._cut
        protocol: IProtocol = await self._endpoint.connect(factory)
        self._protocol = protocol
        return protocol
