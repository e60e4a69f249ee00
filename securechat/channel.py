"""
What a proof of identity is bound to on TLS: the one connection, and the relay's key.

Both ends compute both values for themselves, so neither can be passed on to another connection
or another relay.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate

_LABEL = b"EXPORTER-Channel-Binding"
_LENGTH = 32


class Exporter(Protocol):
    """A TLS connection, as OpenSSL has it."""

    def export_keying_material(self, label: bytes, olen: int, context: bytes) -> bytes: ...


def binding(connection: Exporter) -> bytes:
    """
    Return the ``tls-exporter`` channel binding of *connection*, 32 bytes (RFC 9266). It is
    there once the handshake is done.
    """
    return connection.export_keying_material(_LABEL, _LENGTH, b"")


def pin_of(certificate: Certificate) -> bytes:
    """Return the SHA-256 of the certificate's public key, 32 bytes, as addresses have it."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()
