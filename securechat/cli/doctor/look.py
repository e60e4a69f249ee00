"""
A look at what shows itself on a TLS connection, whoever it is: what it speaks, and which
certificate it has.

Nothing is judged here, and nothing is said: the connection is dropped once the handshake is
done. So there is something to tell where a chat would not go on.
"""

from __future__ import annotations

from typing import Any

import attrs
from cryptography.x509 import Certificate
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol, wrapClientTLS
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.address import Address
from securechat.client.refusals import bare, lost
from securechat.client.tls import is_ip
from securechat.errors import RelaySilent, SecureChatError

SECONDS = 10.0
"""How long a handshake may take."""

NEEDED = "TLSv1.3"


@attrs.frozen
class Shown:
    """What was shown. *group* is how the keys were agreed upon, as OpenSSL calls it."""

    version: str
    group: str
    certificate: Certificate


async def look(clock: IReactorTime, address: Address, endpoint: IStreamClientEndpoint) -> Shown:
    """
    Return what whoever is at *endpoint* shows to who asks for the relay of *address*.

    :raises Unreachable: if no TLS connection comes about.
    """
    protocol = _Look(address, clock)
    try:
        await connectProtocol(wrapClientTLS(_Anybody(address), endpoint), protocol)
    except Exception:  # whatever an endpoint fails with, `lost` puts into words
        raise lost(address, Failure()) from None
    return await protocol.done


@implementer(IHandshakeListener)
class _Look(Protocol):
    transport: Any

    def __init__(self, address: Address, clock: IReactorTime) -> None:
        self.done: Deferred[Shown] = Deferred(lambda _: self.transport.abortConnection())
        self._address = address
        self._clock = clock
        self._shown: Shown | None = None
        self._why: SecureChatError | None = None

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(SECONDS, self._silent)

    def handshakeCompleted(self) -> None:
        handle = self.transport.getHandle()
        certificate = handle.get_peer_certificate(as_cryptography=True)
        assert certificate is not None, "a TLS server always has a certificate"
        version = handle.get_protocol_version_name()
        self._shown = Shown(
            version, handle.get_group_name() or "a group without a name", certificate
        )
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer.active():
            self._timer.cancel()
        if self.done.called:
            return  # it was cancelled
        if self._shown is not None:
            self.done.callback(self._shown)
        else:
            self.done.errback(bare(self._why or lost(self._address, reason)))

    def _silent(self) -> None:
        self._why = RelaySilent(address=str(self._address.relay), seconds=SECONDS)
        self.transport.abortConnection()


@implementer(IOpenSSLClientConnectionCreator)
class _Anybody:
    """TLS to whoever is there, also of a version that a chat would not take."""

    def __init__(self, address: Address) -> None:
        self._host = address.host
        options = CertificateOptions(verify=False, insecurelyLowerMinimumTo=TLSVersion.TLSv1_2)
        self._context = options.getContext()

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not is_ip(self._host):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        return connection
