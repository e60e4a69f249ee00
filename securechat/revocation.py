"""
Revocation certificates: an identity's own word that it is to be trusted no more.

One is made together with the identity and kept apart from it, so that it is there when the
key is stolen or lost. It holds what a fingerprint is made of except the X-Wing key itself
(version, Ed25519 key, hash of the X-Wing key) and is signed under "revocation": it proves
itself to whoever knows the fingerprint. It has no date, since it never ends.
"""

from __future__ import annotations

from securechat import armour, primitives
from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError
from securechat.fingerprint import to_groups
from securechat.identity import Identity, check_version, fingerprint

_KIND = "REVOCATION"


def revocation(identity: Identity) -> bytes:
    """Return the certificate that revokes *identity*."""
    bundle = identity.bundle
    signature = identity.sign("revocation", bundle.fingerprint)
    return encode(bundle.version, bundle.ed25519, bundle.xwing_hash, signature)


def check_revocation(data: bytes) -> bytes:
    """
    Return the fingerprint (32 bytes) of the identity that the certificate *data* revokes.

    :raises EncodingError: if *data* is no certificate.
    :raises UnsupportedVersion: if it is for another version of securechat.
    :raises BadSignature: if the identity did not sign it.
    """
    fields = decode(data)
    check_version(fields, "revocation certificate")
    version, ed25519, xwing_hash, signature = shaped(
        fields, int, primitives.ED25519_LENGTH, primitives.HASH_LENGTH, primitives.SIGNATURE_LENGTH
    )
    fp = fingerprint(version, ed25519, xwing_hash)
    primitives.verify(ed25519, signature, "revocation", fp)
    return fp


def to_armour(certificate: bytes) -> str:
    """
    Return *certificate* as lines of ASCII text.

    :raises EncodingError, UnsupportedVersion, BadSignature: as `check_revocation`.
    """
    return armour.wrap(_KIND, certificate, comment=to_groups(check_revocation(certificate)))


def from_armour(text: str) -> bytes:
    """
    Return the one certificate in *text*, checked; there may be anything around it.

    :raises EncodingError, UnsupportedVersion, BadSignature: as `check_revocation`, and if the
        comment inside shows another fingerprint.
    """
    data, comment = armour.unwrap(_KIND, text)
    if comment not in ("", to_groups(check_revocation(data))):
        raise EncodingError(what="the certificate's comment shows another fingerprint")
    return data
