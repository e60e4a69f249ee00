"""What binds a proof to a TLS connection; both ends over real TLS are in the wings' tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from twisted.trial.unittest import SynchronousTestCase

from securechat.channel import binding, pin_of
from securechat.relay.tls import own_certificate


class Exporter:
    """Notes what is asked of it."""

    def export_keying_material(self, label: bytes, olen: int, context: bytes) -> bytes:
        return repr((label, olen, context)).encode()


class ChannelTests(SynchronousTestCase):
    """The exporter and the pin."""

    def test_the_exporter_is_that_of_the_standard(self) -> None:
        """RFC 9266, section 4: this label, 32 bytes, and an empty context."""
        self.assertEqual(binding(Exporter()), b"(b'EXPORTER-Channel-Binding', 32, b'')")

    def test_the_pin_is_of_the_key_alone(self) -> None:
        """It hashes the SubjectPublicKeyInfo, so a new certificate of the same key keeps it."""
        path, _ = own_certificate(Path(self.mktemp()))
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
        der = certificate.tbs_certificate_bytes
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        # SubjectPublicKeyInfo is DER inside the certificate: find the bytes that are this key.
        for start in range(len(der)):
            try:
                found = load_der_public_key(der[start : start + 91])
            except ValueError:
                continue
            if found == key:
                self.assertEqual(
                    pin_of(certificate), hashlib.sha256(der[start : start + 91]).digest()
                )
                return
        self.fail("the certificate does not hold its key")
