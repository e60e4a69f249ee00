"""
What a user knows of one identity: that it is trusted, or that it was revoked.

A petname is the user's own word for a fingerprint; the bundle may be learnt later, from
anywhere, since it is checked against the fingerprint. Whoever came by the word of another, or
was believed at the first meeting, is not verified until the user compares the fingerprint:
hearsay never verifies, and a successor is as well verified as the identity whose place it took.

This module gives both their bytes, and knows of no other identity: `securechat.trust` does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

import attrs

from securechat.encoding import Value, shaped
from securechat.errors import BadPetname, BundleMismatch
from securechat.fingerprint import LENGTH, resembles, short, to_groups
from securechat.identity import Bundle
from securechat.primitives import SIGNATURE_LENGTH
from securechat.text import MAX_NAME, clean_name

How: TypeAlias = Literal["typed", "file", "invited", "first-use", "vouched", "succeeded"]
"""
The user typed the fingerprint, or took it from a bundle's file; or both sides proved that they
knew a one-time code; or it was believed at the first meeting, with nobody there to ask; or
another vouched for it; or an identity that was trusted named it as its successor.
"""

HEARSAY: frozenset[How] = frozenset({"first-use", "vouched"})
"""The ways by which a fingerprint comes from somebody else than its owner, for all we know."""

Way: TypeAlias = Literal["voice", "in-person", "qr", "other"]
"""
How the user compared a fingerprint: read aloud in a call, seen side by side, scanned, or by
another way in which its owner would be recognised.
"""


def check_petname(text: str) -> str:
    """
    Return *text*, in NFC, if it can be a petname.

    :raises BadPetname: if it cannot; it says why.
    """
    name = unicodedata.normalize("NFC", text)
    if not name:
        raise BadPetname(what="it is empty")
    if len(name) > MAX_NAME:
        raise BadPetname(what=f"it has {len(name)} characters, and {MAX_NAME} are the most")
    if name != clean_name(name):
        raise BadPetname(
            what="it has characters that do not show, or spaces at its ends or in rows"
        )
    if resembles(name):
        raise BadPetname(what="it could be taken for a fingerprint")
    return name


def _utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("a time without a time zone")
    return when.astimezone(UTC).replace(microsecond=0)


def _shown(fps: Iterable[bytes]) -> str:
    return " ".join(map(short, fps))


@attrs.frozen
class Verification:
    """
    That the user has compared a fingerprint with what its owner sees.

    :param when: in UTC, to the second.
    """

    way: Way = attrs.field(validator=attrs.validators.in_(get_args(Way)))
    when: datetime = attrs.field(converter=_utc)

    def value(self) -> Value:
        return (self.way, self.when.isoformat())

    @classmethod
    def of(cls, value: object) -> Verification:
        """:raises EncodingError, ValueError:"""
        way, when = shaped(value, str, str)
        return cls(way, datetime.fromisoformat(when))


@attrs.frozen
class Trusted:
    """
    One identity that the user trusts.

    :param fingerprint: 32 bytes.
    :param when: when it came, in UTC, to the second.
    :param voucher: the fingerprint of who vouched: where *how* is ``vouched``, and where the
        identity succeeded one that was vouched for.
    :param bundle: None until it is met.
    :param before: the fingerprints of the identities whose place it took, the first one first.
    :param was_verified: where *how* is ``succeeded``, whether the one before was verified.
    :param verification: None until the user has compared this very fingerprint.
    :raises BundleMismatch: if the bundle is of another identity.
    """

    petname: str = attrs.field(converter=check_petname)
    fingerprint: bytes = attrs.field(repr=short)
    how: How = attrs.field(validator=attrs.validators.in_(get_args(How)))
    when: datetime = attrs.field(converter=_utc)
    voucher: bytes | None = None
    bundle: Bundle | None = None
    before: tuple[bytes, ...] = attrs.field(default=(), repr=_shown)
    was_verified: bool = False
    verification: Verification | None = None

    def __attrs_post_init__(self) -> None:
        if self.how == "succeeded":
            if not self.before:
                raise ValueError("a successor of nobody")
        elif (self.how == "vouched") != (self.voucher is not None):
            raise ValueError("exactly who is vouched has a voucher")
        elif self.was_verified:
            raise ValueError("only a successor comes after who was verified")
        if self.bundle is not None and self.bundle.fingerprint != self.fingerprint:
            raise BundleMismatch(
                found=to_groups(self.bundle.fingerprint), wanted=to_groups(self.fingerprint)
            )

    @property
    def verified(self) -> bool:
        """
        Whether the user has compared the fingerprint, or had it from the identity's owner, as
        far as we know, or from an earlier identity of which that is so.
        """
        if self.verification is not None:
            return True
        return self.was_verified if self.how == "succeeded" else self.how not in HEARSAY

    def succeeded(self, new: Bundle, when: datetime) -> Trusted:
        """Return what is known of the identity *new* as this one's successor."""
        return Trusted(
            self.petname,
            new.fingerprint,
            "succeeded",
            when,
            self.voucher,
            new,
            (*self.before, self.fingerprint),
            was_verified=self.verified,
        )

    def value(self) -> Value:
        return (
            self.petname,
            self.fingerprint,
            self.how,
            self.when.isoformat(),
            self.voucher or b"",
            self.bundle.encode() if self.bundle else b"",
            self.before,
            int(self.was_verified),
            self.verification.value() if self.verification else (),
        )

    @classmethod
    def of(cls, value: object) -> Trusted:
        """:raises EncodingError, UnsupportedVersion, BadPetname, BundleMismatch, ValueError:"""
        fields: list[Any] = shaped(value, str, LENGTH, str, str, bytes, bytes, list, int, list)
        petname, fp, how, when, voucher, bundle, before, was_verified, verification = fields
        return cls(
            petname,
            fp,
            how,
            datetime.fromisoformat(when),
            voucher or None,
            Bundle.decode(bundle) if bundle else None,
            tuple(shaped(before, *[LENGTH] * len(before))),
            bool(was_verified),
            Verification.of(verification) if verification else None,
        )


@attrs.frozen
class Revoked:
    """
    One identity that is never to be trusted again.

    :param fingerprint: 32 bytes.
    :param certificate: its own word for it, as `securechat.revocation` checked it.
    :param when: when the user learnt it, in UTC, to the second.
    :param petname: what it was called while it was trusted, and its successor is if it has one;
        empty if it never was trusted.
    """

    fingerprint: bytes = attrs.field(repr=short)
    certificate: bytes = attrs.field(repr=False)
    when: datetime = attrs.field(converter=_utc)
    petname: str = ""

    @property
    def signature(self) -> bytes:
        """What proves it to everybody who knows the fingerprint's keys, 64 bytes."""
        return self.certificate[-SIGNATURE_LENGTH:]

    def value(self) -> Value:
        return (self.fingerprint, self.certificate, self.when.isoformat(), self.petname)

    @classmethod
    def of(cls, value: object) -> Revoked:
        """:raises EncodingError, ValueError:"""
        fp, certificate, when, petname = shaped(value, LENGTH, bytes, str, str)
        return cls(fp, certificate, datetime.fromisoformat(when), petname)
