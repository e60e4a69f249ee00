"""
Identities: who a user is, to everybody, for ever.

An identity is an Ed25519 key, which signs, and an X-Wing key, which others seal to. The
public halves are the *bundle*; the *fingerprint* is the hash of the bundle, and is the name
by which people and programs know an identity. A bundle is self-certifying: it may come from
anywhere, since whoever wants one compares its fingerprint with the one they trust.

The fingerprint hashes in two levels, so that version, Ed25519 key and the hash of the X-Wing
key prove whose signing key it is without the 1,216 bytes of the X-Wing key.

`Identity` is the only holder of long-term secrets. It signs and opens for its callers, never
shows what it holds except to a key file, and knows nobody else's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from securechat import armour, primitives
from securechat.encoding import Value, decode, encode, shaped
from securechat.errors import EncodingError, UnsupportedVersion
from securechat.fingerprint import short, to_groups

VERSION = 1
"""The version of bundles, and of all that follows from them, that this code speaks."""

_KIND = "BUNDLE"
_SEED_LENGTH = 32


def fingerprint(version: int, ed25519: bytes, xwing_hash: bytes) -> bytes:
    """
    Return the fingerprint of an identity, 32 bytes.

    :param ed25519: the public signing key, 32 bytes.
    :param xwing_hash: ``digest("xwing", public X-Wing key)``, 32 bytes.
    """
    return primitives.digest("id", version, ed25519, xwing_hash)


def check_version(fields: Sequence[object], what: str, known: int = VERSION) -> None:
    """
    Check the version, the first of the decoded *fields*, before their shape: a later version
    may have another one.

    :param what: what they are, for the error.
    :raises UnsupportedVersion: if it is not the *known* one; it says who must upgrade.
    :raises EncodingError: if there is none.
    """
    version = fields[0] if fields else None
    if type(version) is not int:
        raise EncodingError(what=f"a {what} without a version")
    if version != known:
        raise UnsupportedVersion(what=what, version=version, known=known)


@attrs.frozen(repr=False)
class Bundle:
    """
    The public half of an identity.

    :param ed25519: 32 bytes; checks signatures.
    :param xwing: 1,216 bytes; others seal to it.
    """

    version: int
    ed25519: bytes
    xwing: bytes

    def __repr__(self) -> str:
        return f"<Bundle {short(self.fingerprint)}>"

    @cached_property
    def xwing_hash(self) -> bytes:
        """The hash of the X-Wing key, 32 bytes, as it stands in fingerprints and rosters."""
        return primitives.digest("xwing", self.xwing)

    @cached_property
    def fingerprint(self) -> bytes:
        """The identity that this bundle belongs to, 32 bytes."""
        return fingerprint(self.version, self.ed25519, self.xwing_hash)

    def seal(self, label: str, context: Value, plaintext: bytes) -> bytes:
        """
        Encrypt *plaintext* to this identity, bound to *label* and *context*.

        :raises EncodingError: if the X-Wing key is unusable; nobody checks a bundle's keys
            before they are needed.
        """
        return primitives.seal(self.xwing, label, context, plaintext)

    def verify(self, signature: bytes, label: str, *values: Value) -> None:
        """
        Check that this identity signed *values* under *label*.

        :raises BadSignature: if it did not.
        """
        primitives.verify(self.ed25519, signature, label, *values)

    def encode(self) -> bytes:
        """Return the bundle as bytes, always the same ones for the same bundle."""
        return encode(self.version, self.ed25519, self.xwing)

    @classmethod
    def decode(cls, data: bytes) -> Bundle:
        """
        Return the bundle that `encode` made *data* of.

        :raises EncodingError: if *data* is anything else.
        :raises UnsupportedVersion: if another version of securechat made it.
        """
        fields = decode(data)
        check_version(fields, "bundle")
        return cls(*shaped(fields, int, primitives.ED25519_LENGTH, primitives.XWING_LENGTH))

    def armour(self) -> str:
        """Return the bundle as lines of ASCII text for mail, chat or a file."""
        return armour.wrap(_KIND, self.encode(), comment=to_groups(self.fingerprint))

    @classmethod
    def from_armour(cls, text: str) -> Bundle:
        """
        Return the one bundle in *text*, which may have anything around it.

        A comment inside that shows another fingerprint than the bundle's is refused: somebody
        might believe it.

        :raises EncodingError: if there is no bundle, or not just one, or it is damaged.
        :raises UnsupportedVersion: if another version of securechat made it.
        """
        data, comment = armour.unwrap(_KIND, text)
        bundle = cls.decode(data)
        if comment not in ("", to_groups(bundle.fingerprint)):
            raise EncodingError(what="the bundle's comment shows another fingerprint")
        return bundle


class Identity:
    """
    The secret half of an identity.

    It holds three secrets that say nothing about each other: the Ed25519 seed, the X-Wing
    secret, and a key for what its user's programs keep on disk.
    """

    def __init__(self, ed25519: bytes, xwing: bytes, storage: bytes) -> None:
        """
        :param ed25519: the seed of the signing key, 32 bytes.
        :param xwing: the secret of the X-Wing key, 96 bytes.
        :param storage: the key that local keys are derived from, 32 bytes.
        """
        self._secrets = (ed25519, xwing, storage)
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519)
        self._xwing = primitives.XWing(xwing)
        self.bundle = Bundle(
            VERSION, self._ed25519.public_key().public_bytes_raw(), self._xwing.public
        )

    def __repr__(self) -> str:
        return f"<Identity {short(self.fingerprint)}>"

    @classmethod
    def generate(cls) -> Identity:
        """Make a new identity."""
        lengths = _SEED_LENGTH, primitives.XWING_SECRET_LENGTH, primitives.KEY_LENGTH
        return cls(*map(primitives.random_bytes, lengths))

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of the bundle, 32 bytes."""
        return self.bundle.fingerprint

    def sign(self, label: str, *values: Value) -> bytes:
        """Sign *values* under *label*; returns 64 bytes for `Bundle.verify`."""
        return primitives.sign(self._ed25519, label, *values)

    def sign_items(self, label: primitives.Label, items: bytes) -> bytes:
        """Sign values that are encoded already, under *label*; returns what `sign` does."""
        return label.sign(self._ed25519, items)

    def open_sealed(self, ciphertext: bytes, label: str, context: Value) -> bytes:
        """
        Return the plaintext of what `Bundle.seal` made.

        :raises BadCiphertext: if key, label or context are not the same.
        """
        return self._xwing.open_sealed(ciphertext, label, context)

    def derive(self, label: str, context: Value) -> bytes:
        """Return the key, 32 bytes, for what is kept on disk under *label* and *context*."""
        return primitives.expand(self._secrets[2], label, context)

    def encode(self) -> bytes:
        """Return the secrets as bytes: for a key file, and for nothing else."""
        return encode(VERSION, *self._secrets)

    @classmethod
    def decode(cls, data: bytes) -> Identity:
        """
        Return the identity that `encode` made *data* of.

        :raises EncodingError: if *data* is anything else.
        :raises UnsupportedVersion: if another version of securechat made it.
        """
        fields = decode(data)
        check_version(fields, "identity")
        _, *secrets = shaped(
            fields, int, _SEED_LENGTH, primitives.XWING_SECRET_LENGTH, primitives.KEY_LENGTH
        )
        return cls(*secrets)
