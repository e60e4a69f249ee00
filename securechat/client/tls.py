"""
TLS to a relay: version 1.3 only, and never without knowing whose key it is.

Where the address has a pin, the relay's public key must have that SHA-256 hash; names and
certificate authorities do not matter. Where it has none, a certificate authority that this
machine trusts must have certified the host name (service-identity, RFC 9525).
"""

from __future__ import annotations

from functools import partial

from cryptography.x509 import Certificate, SubjectAlternativeName
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.address import Address, pin_text
from securechat.channel import pin_of
from securechat.errors import WrongName, WrongPin
from securechat.text import printable


def shown_pin(connection: SSL.Connection, address: Address) -> bytes:
    """
    Return the SHA-256, 32 bytes, of the public key that the relay has proved to hold.

    That it is the relay of *address* the handshake has checked. It is checked again, since
    Twisted lets a certificate pass that service-identity finds to be for nobody at all.

    :raises WrongPin, WrongName: if it is not.
    """
    certificate = connection.get_peer_certificate(as_cryptography=True)
    assert certificate is not None, "a TLS server always has a certificate"
    _check(certificate, address)
    return pin_of(certificate)


def shown_names(certificate: Certificate) -> str:
    """Return the names that *certificate* is for, as they can be shown."""
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except Exception:  # there is none, or none that makes sense
        return "nobody"
    return printable(", ".join(str(name.value) for name in names))[:200]


def _check(certificate: Certificate, address: Address) -> None:
    """
    Check that *certificate*, whoever signed it, is that of the relay of *address*.

    :raises WrongPin, WrongName: if it is not.
    """
    if address.pin is not None:
        if (shown := pin_of(certificate)) != address.pin:
            raise WrongPin(
                address=str(address), expected=pin_text(address.pin), shown=pin_text(shown)
            )
        return
    verify = verify_certificate_ip_address if is_ip(address.host) else verify_certificate_hostname
    try:
        verify(certificate, address.host)
    except Exception:  # it is for somebody else, or what it holds makes no sense
        raise WrongName(
            address=str(address), expected=address.host, shown=shown_names(certificate)
        ) from None


def is_ip(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


def connection_creator(address: Address) -> IOpenSSLClientConnectionCreator:
    """Return what makes TLS connections that let only the relay of *address* be."""
    if address.pin is not None:
        return _Pinned(address)
    return optionsForClientTLS(
        address.host, extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_3}
    )


@implementer(IOpenSSLClientConnectionCreator)
class _Pinned:
    """TLS to whoever holds the key of one pin."""

    def __init__(self, address: Address) -> None:
        self._address = address
        options = CertificateOptions(verify=False, raiseMinimumTo=TLSVersion.TLSv1_3)
        self._context = options.getContext()

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not is_ip(self._address.host):
            connection.set_tlsext_host_name(self._address.host.encode("ascii"))
        connection.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, partial(self._judge, protocol)
        )
        return connection

    def _judge(
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
        if depth:
            return True
        try:
            _check(certificate.to_cryptography(), self._address)
        except WrongPin as wrong:
            protocol.failVerification(Failure(wrong))
            return False
        return True
