"""
TLS to a relay: version 1.3 only, and never without knowing whose key it is.

Where the address has a pin, the relay's public key must have that SHA-256 hash; names and
certificate authorities do not matter. Where it has none, a certificate authority that this
machine trusts must have certified the host name (service-identity, RFC 9525).
"""

from __future__ import annotations

import hashlib
from functools import partial

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.address import Address, pin_text
from securechat.errors import WrongPin

_EXPORTER = b"EXPORTER-Channel-Binding"
_BINDING_LENGTH = 32


def exported_binding(connection: SSL.Connection) -> bytes:
    """Return the connection's ``tls-exporter`` channel binding, 32 bytes (RFC 9266)."""
    return connection.export_keying_material(_EXPORTER, _BINDING_LENGTH, b"")


def shown_pin(connection: SSL.Connection) -> bytes:
    """Return the SHA-256, 32 bytes, of the public key that the relay has proved to hold."""
    certificate = connection.get_peer_certificate(as_cryptography=True)
    assert certificate is not None, "a TLS server always has a certificate"
    return _pin(certificate)


def _pin(certificate: Certificate) -> bytes:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


def connection_creator(address: Address) -> IOpenSSLClientConnectionCreator:
    """Return what makes TLS connections that let only the relay of *address* be."""
    if address.pin is not None:
        return _Pinned(address, address.pin)
    return optionsForClientTLS(
        address.host, extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_3}
    )


@implementer(IOpenSSLClientConnectionCreator)
class _Pinned:
    """TLS to whoever holds the key of one pin."""

    def __init__(self, address: Address, pin: bytes) -> None:
        self._address = address
        self._pin = pin
        options = CertificateOptions(verify=False, raiseMinimumTo=TLSVersion.TLSv1_3)
        self._context = options.getContext()

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not (isIPAddress(host := self._address.host) or isIPv6Address(host)):
            connection.set_tlsext_host_name(host.encode("ascii"))
        connection.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, partial(self._check, protocol)
        )
        return connection

    def _check(
        self,
        protocol: TLSMemoryBIOProtocol,
        connection: SSL.Connection,
        certificate: X509,
        error: int,
        depth: int,
        ok: int,
    ) -> bool:
        """
        Let a certificate pass if its key is the pinned one. Nothing else about it counts, and
        TLS 1.3 goes on to prove that the relay holds that key.
        """
        if depth or (shown := _pin(certificate.to_cryptography())) == self._pin:
            return True
        wrong = WrongPin(
            address=str(self._address), expected=pin_text(self._pin), shown=pin_text(shown)
        )
        protocol.failVerification(Failure(wrong))
        return False
