"""
The primitives alone: what `benchmarks.client` measures a client against.

They are called in ``cryptography``, ``hashlib`` and ``hmac`` with nothing around them. Key objects
that last longer than one step are made beforehand, as a client may; what is new with each message
or each newcomer is made inside.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
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

_SIGNATURES = 100

Call: TypeAlias = Callable[[], object]


class Bare:
    """Each method returns a call of one primitive, on input of *size* bytes where that counts."""

    _SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._signing = Ed25519PrivateKey.generate()
        self._verifying = self._signing.public_key()
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        self._opening = MLKEM768X25519PrivateKey(mlkem, x25519)
        self._mlkem = mlkem.public_key().public_bytes_raw()
        self._x25519 = x25519.public_key().public_bytes_raw()

    def hash(self, size: int) -> Call:
        data = bytes(size)
        return lambda: hashlib.sha256(data).digest()

    def mac(self, size: int) -> Call:
        key, data = self._key, bytes(size)
        return lambda: hmac.digest(key, data, "sha256")

    def expand(self) -> Call:
        key, info = self._key, bytes(25)
        return lambda: HKDFExpand(SHA256(), 32, info).derive(key)

    def sign(self, size: int) -> Call:
        key, data = self._signing, bytes(size)
        return lambda: key.sign(data)

    def verify(self, size: int) -> Call:
        """Check a signature of somebody who is known, and another one the next time."""
        data = [os.urandom(size) for _ in range(_SIGNATURES)]
        checks = cycle(
            [partial(self._verifying.verify, self._signing.sign(each), each) for each in data]
        )
        return lambda: next(checks)()

    def verify_new(self, size: int) -> Call:
        """Check a signature of somebody who has just come."""
        key, data = self._verifying.public_bytes_raw(), bytes(size)
        signature = self._signing.sign(data)
        return lambda: Ed25519PublicKey.from_public_bytes(key).verify(signature, data)

    def encrypt(self, size: int) -> Call:
        key, data, associated = self._key, bytes(size), bytes(32)
        return lambda: ChaCha20Poly1305(key).encrypt(os.urandom(12), data, associated)

    def decrypt(self, size: int) -> Call:
        key, nonce, associated = self._key, bytes(12), bytes(32)
        data = ChaCha20Poly1305(key).encrypt(nonce, bytes(size), associated)
        return lambda: ChaCha20Poly1305(key).decrypt(nonce, data, associated)

    def pair(self) -> Call:
        """Make an X-Wing key pair, with its public half as bytes."""

        def make() -> bytes:
            mlkem = MLKEM768PrivateKey.from_seed_bytes(os.urandom(64))
            x25519 = X25519PrivateKey.from_private_bytes(os.urandom(32))
            MLKEM768X25519PrivateKey(mlkem, x25519)
            return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

        return make

    def seal(self, size: int) -> Call:
        """Seal to a key that has just come, as everybody's does."""
        mlkem, x25519, data, info = self._mlkem, self._x25519, bytes(size), bytes(32)

        def seal() -> bytes:
            key = MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(mlkem),
                X25519PublicKey.from_public_bytes(x25519),
            )
            return self._SUITE.encrypt(data, key, info=info)

        return seal

    def open(self, size: int) -> Call:
        info, key = bytes(32), self._opening
        sealed = self._SUITE.encrypt(bytes(size), key.public_key(), info=info)
        return lambda: self._SUITE.decrypt(sealed, key, info=info)
