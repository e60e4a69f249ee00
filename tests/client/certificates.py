"""A certificate authority for tests, and certificates with all that can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL.crypto import X509
from twisted.internet.ssl import CertificateOptions, TLSVersion

END = datetime(2090, 1, 1, tzinfo=UTC)


class Authority:
    """Certifies whatever it is asked to."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name
        self._certificate = self._certify(name, self._key, authority=True)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, for those who are to trust it."""
        return self._certificate.public_bytes(Encoding.PEM)

    def certificate(
        self,
        *names: x509.GeneralName,
        key: ec.EllipticCurvePrivateKey | None = None,
        end: datetime = END,
    ) -> x509.Certificate:
        """Return a certificate for *names*, from 2020 until *end*."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        return self._certify("relay", key, names, end=end)

    def server(
        self, *names: x509.GeneralName, highest: Any = TLSVersion.TLSv1_3, end: datetime = END
    ) -> Any:
        """Return what a TLS server with a certificate for *names*, and its chain, needs."""
        key: Any = ec.generate_private_key(ec.SECP256R1())
        certificate: Any = self.certificate(*names, key=key, end=end)
        return CertificateOptions(
            privateKey=key,
            certificate=certificate,
            extraCertChain=[X509.from_cryptography(self._certificate)],
            insecurelyLowerMinimumTo=TLSVersion.TLSv1_2,
            lowerMaximumSecurityTo=highest,
        )

    def _certify(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[x509.GeneralName] = (),
        *,
        authority: bool = False,
        end: datetime = END,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_common_name(name))
            .issuer_name(_common_name(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, SHA256())


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
