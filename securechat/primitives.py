"""
The few cryptographic functions that the protocol is written in, each bound to a label.

=============================  ======================================================
``digest(label, …)``           SHA-256 (FIPS 180-4)
``sign``, ``verify``           Ed25519 (RFC 8032)
``seal``, ``open_sealed``      HPKE (RFC 9180), single shot, with X-Wing
                               (MLKEM768-X25519), HKDF-SHA256 and ChaCha20-Poly1305
``extract``, ``expand``        HKDF (RFC 5869) with SHA-256
``mac``                        HMAC-SHA256 (RFC 2104)
``encrypt``, ``decrypt``       ChaCha20-Poly1305 (RFC 8439)
=============================  ======================================================

Every label is used in one place of the protocol, and every structure carries
``"securechat/v1"``, so that no value made for one purpose can stand for another. All
primitives come from the ``cryptography`` package; nothing of the kind is written here.
Python cannot wipe memory: "erased" means, everywhere in this project, that no reference to
a secret is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from securechat.encoding import Value, encode
from securechat.errors import BadCiphertext, BadSignature, EncodingError

PROTOCOL = "securechat/v1"

HASH_LENGTH = 32
KEY_LENGTH = 32
SIGNATURE_LENGTH = 64
ED25519_LENGTH = 32
NONCE_LENGTH = 12
XWING_LENGTH = 1216  # ML-KEM-768 1184, then X25519 32
_MLKEM_LENGTH = 1184
_MLKEM_SEED_LENGTH = 64
XWING_SECRET_LENGTH = _MLKEM_SEED_LENGTH + 32

_SHA256 = SHA256()
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def random_bytes(length: int) -> bytes:
    """Return *length* bytes from the operating system's generator."""
    return os.urandom(length)


def digest(label: str, *values: Value) -> bytes:
    """Return H(label, …): SHA-256 over the CBOR array [protocol, label, …], 32 bytes."""
    return hashlib.sha256(encode(PROTOCOL, label, *values)).digest()


class Label:
    """
    A label, for `digest`, `sign` and `verify` of values that are encoded already, one after
    another: those of every message. It gives what the functions of these names give.
    """

    def __init__(self, name: str, values: int) -> None:
        """
        :param values: how many of them are bound to it, one at least.
        """
        self.name = name
        self._prefix = encode(PROTOCOL, name, *[0] * values)[:-values]

    def digest(self, items: bytes) -> bytes:
        """Return H(label, …), 32 bytes."""
        return hashlib.sha256(self._prefix + items).digest()

    def sign(self, key: Ed25519PrivateKey, items: bytes) -> bytes:
        """Return Sign(label, …), 64 bytes."""
        return key.sign(self._prefix + items)

    def verify(self, public: bytes, signature: bytes, items: bytes) -> None:
        """
        Check a signature, as the function `verify` does.

        :raises BadSignature: if it does not hold.
        """
        _verify(public, signature, self.name, self._prefix + items)


def sign(key: Ed25519PrivateKey, label: str, *values: Value) -> bytes:
    """Return Sign(label, …): Ed25519 over the CBOR array [protocol, label, …], 64 bytes."""
    return key.sign(encode(PROTOCOL, label, *values))


def verify(public: bytes, signature: bytes, label: str, *values: Value) -> None:
    """
    Check *signature* by the Ed25519 key *public* (32 bytes) over the same array as `sign`.

    :raises BadSignature: if it does not hold.
    """
    _verify(public, signature, label, encode(PROTOCOL, label, *values))


def _verify(public: bytes, signature: bytes, label: str, data: bytes) -> None:
    try:
        _ed25519(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise BadSignature(what=label) from None


@lru_cache(maxsize=1_024)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    """Return the key object of *public*: most signatures are by somebody who signed before."""
    return Ed25519PublicKey.from_public_bytes(public)


def extract(salt: bytes, secret: bytes) -> bytes:
    """Return HKDF-Extract(salt, secret), 32 bytes (RFC 5869, section 2.2)."""
    return hmac.digest(salt, secret, "sha256")


def expand(key: bytes, label: str, context: Value) -> bytes:
    """Return Expand(key, label, context): HKDF-Expand to 32 bytes (RFC 5869, section 2.3)."""
    return _expand(key, encode(PROTOCOL, label, context))


def expander(label: str, context: Value) -> Callable[[bytes], bytes]:
    """Return `expand` with the one *label* and *context*, which are encoded once."""
    info = encode(PROTOCOL, label, context)
    return lambda key: _expand(key, info)


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(_SHA256, KEY_LENGTH, info).derive(key)


def mac(key: bytes, *values: Value) -> bytes:
    """Return HMAC-SHA256 under *key* over the CBOR array of *values*, 32 bytes."""
    return hmac.digest(key, encode(*values), "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)


def encrypt(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Return ChaCha20-Poly1305 of *plaintext*, with its 16-byte tag at the end."""
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, associated)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """
    Return the plaintext of what `encrypt` made.

    :raises BadCiphertext: if key, nonce, ciphertext or associated data are not the same.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, associated)
    except (InvalidTag, ValueError):
        raise BadCiphertext() from None


class XWing:
    """
    The secret half of an X-Wing key pair (ML-KEM-768 and X25519, combined as in HPKE's
    post-quantum draft): what is sealed to it stays secret while either half holds.
    """

    def __init__(self, secret: bytes) -> None:
        """
        :param secret: 96 bytes: the ML-KEM seed (64), then the X25519 scalar (32).
        """
        mlkem = MLKEM768PrivateKey.from_seed_bytes(secret[:_MLKEM_SEED_LENGTH])
        x25519 = X25519PrivateKey.from_private_bytes(secret[_MLKEM_SEED_LENGTH:])
        self._key = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.secret = secret
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "<XWing, secret>"

    @classmethod
    def generate(cls) -> XWing:
        """Make a new key pair."""
        return cls(random_bytes(XWING_SECRET_LENGTH))

    def open_sealed(self, ciphertext: bytes, label: str, context: Value) -> bytes:
        """
        Return what was sealed to this key under the same *label* and *context*.

        :raises BadCiphertext: if anything of it is not the same.
        """
        try:
            return _SUITE.decrypt(ciphertext, self._key, info=digest(label, context))
        except (InvalidTag, ValueError):
            raise BadCiphertext() from None


def seal(public: bytes, label: str, context: Value, plaintext: bytes) -> bytes:
    """
    Return Seal(public, label, context, plaintext) to the X-Wing key *public* (1216 bytes).

    *context* is bound, not sent: who opens must know it. The result is 1,136 bytes longer
    than *plaintext*.

    :raises EncodingError: if *public* is no usable key; it may come from a stranger.
    """
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_LENGTH]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_LENGTH:]),
        )
        return _SUITE.encrypt(plaintext, key, info=digest(label, context))
    except ValueError:
        raise EncodingError(what="no usable X-Wing public key") from None
