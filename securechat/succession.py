"""
Succession certificates: an identity's own word that another one takes its place.

Nobody but the owner of both can make one: the old key and the new one sign the same array,
under "succession". So neither can the new identity take a place that was not given, nor the
old one give its name to somebody who did not ask. Of the old identity the certificate holds
what a fingerprint is made of, of the new one the whole bundle, which friends can use at once.

The date is for people. It decides nothing, since whoever has the keys can write any: who has
followed one certificate follows no other of the same identity, and a revocation, which has no
date, wins over all of them (`securechat.trust`).
"""

from __future__ import annotations

from datetime import date

import attrs

from securechat import armour, primitives
from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError
from securechat.fingerprint import short, to_groups
from securechat.identity import Bundle, Identity, check_version, fingerprint

_KIND = "SUCCESSION"


@attrs.frozen
class Succession:
    """
    What a certificate says.

    :param old: the fingerprint of the identity that gives its place, 32 bytes.
    :param new: the bundle of the one that takes it.
    :param day: when, in UTC.
    """

    old: bytes = attrs.field(repr=short)
    new: Bundle
    day: date

    def signed(self) -> tuple[bytes | str, ...]:
        """Return what both sign under the label "succession", in its order."""
        return (self.old, self.new.fingerprint, self.new.encode(), self.day.isoformat())


def succession(old: Identity, new: Identity, day: date) -> bytes:
    """Return the certificate by which *new* takes the place of *old*; *day* is in UTC."""
    said = Succession(old.fingerprint, new.bundle, day)
    return encode(
        old.bundle.version,
        old.bundle.ed25519,
        old.bundle.xwing_hash,
        new.bundle.encode(),
        day.isoformat(),
        old.sign("succession", *said.signed()),
        new.sign("succession", *said.signed()),
    )


def check_succession(data: bytes) -> Succession:
    """
    Return what the certificate *data* says.

    :raises EncodingError: if *data* is no certificate.
    :raises UnsupportedVersion: if it, or the new bundle, is for another version of securechat.
    :raises BadSignature: if one of the two did not sign it.
    """
    fields = decode(data)
    check_version(fields, "succession certificate")
    version, ed25519, xwing_hash, bundle, day, by_old, by_new = shaped(
        fields,
        int,
        primitives.ED25519_LENGTH,
        primitives.HASH_LENGTH,
        bytes,
        str,
        primitives.SIGNATURE_LENGTH,
        primitives.SIGNATURE_LENGTH,
    )
    said = Succession(fingerprint(version, ed25519, xwing_hash), Bundle.decode(bundle), _day(day))
    if said.old == said.new.fingerprint:
        raise EncodingError(what="an identity that succeeds itself")
    primitives.verify(ed25519, by_old, "succession", *said.signed())
    said.new.verify(by_new, "succession", *said.signed())
    return said


def to_armour(certificate: bytes) -> str:
    """
    Return *certificate* as lines of ASCII text.

    :raises EncodingError, UnsupportedVersion, BadSignature: as `check_succession`.
    """
    return armour.wrap(_KIND, certificate, comment=_comment(certificate))


def from_armour(text: str) -> bytes:
    """
    Return the one certificate in *text*, checked; there may be anything around it.

    :raises EncodingError, UnsupportedVersion, BadSignature: as `check_succession`, and if the
        comment inside shows other fingerprints.
    """
    data, comment = armour.unwrap(_KIND, text)
    if comment not in ("", _comment(data)):
        raise EncodingError(what="the certificate's comment shows other fingerprints")
    return data


def _comment(certificate: bytes) -> str:
    said = check_succession(certificate)
    return f"{to_groups(said.new.fingerprint)} takes the place of {to_groups(said.old)}"


def _day(text: str) -> date:
    """Return the day that is spelled *text*, of which there is one spelling: 2030-01-02."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise EncodingError(what="a date that is none") from None
    if day.isoformat() != text:
        raise EncodingError(what="a date in another spelling")
    return day
