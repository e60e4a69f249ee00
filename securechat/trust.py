"""
Trust: which identities this user knows, by which petname, and how each came to be known.

A petname is the user's own word for a fingerprint; the bundle may be learnt later, from
anywhere, since it is checked against the fingerprint. Whoever came by the word of another
stays marked as vouched by that one until the user compares the fingerprint: hearsay never
verifies.

Several programs may share one store. Each change is made to what is on disk at that moment;
a program that only looks calls `TrustStore.refresh` before it decides. Time comes from the
caller: no clock is read here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import (
    AlreadyTrusted,
    BadPetname,
    BundleMismatch,
    DamagedFile,
    Malformed,
    NotTrusted,
    PetnameTaken,
)
from securechat.fingerprint import LENGTH, resembles, short, to_groups
from securechat.identity import Bundle, Identity
from securechat.sealedfile import SealedFile
from securechat.text import MAX_NAME, clean_name

How: TypeAlias = Literal["typed", "file", "vouched"]
"""The user typed the fingerprint, or took it from a bundle's file, or another vouched for it."""

TRUST_FILE = "trust"
VERSION = 1


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


@attrs.frozen
class Trusted:
    """
    One identity that the user knows.

    :param fingerprint: 32 bytes.
    :param when: when it came, in UTC, to the second.
    :param voucher: the fingerprint of who vouched, exactly where *how* is ``vouched``.
    :param bundle: None until it is met.
    :raises BundleMismatch: if the bundle is of another identity.
    """

    petname: str = attrs.field(converter=check_petname)
    fingerprint: bytes = attrs.field(repr=short)
    how: How = attrs.field(validator=attrs.validators.in_(get_args(How)))
    when: datetime = attrs.field(converter=_utc)
    voucher: bytes | None = None
    bundle: Bundle | None = None

    def __attrs_post_init__(self) -> None:
        if (self.how == "vouched") != (self.voucher is not None):
            raise ValueError("exactly who is vouched has a voucher")
        if self.bundle is not None and self.bundle.fingerprint != self.fingerprint:
            raise BundleMismatch(
                found=to_groups(self.bundle.fingerprint), wanted=to_groups(self.fingerprint)
            )

    @property
    def verified(self) -> bool:
        """Whether the user had the fingerprint from the identity's owner, as far as we know."""
        return self.how != "vouched"


class TrustStore:
    """The trusted identities, in the order in which they came."""

    def __init__(self, file: SealedFile | None = None) -> None:
        """
        :param file: where they are kept; None: in memory only.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        self._file = file
        self._rows: dict[bytes, Trusted] = {}
        self.refresh()

    @classmethod
    def open(cls, home: Path, identity: Identity) -> TrustStore:
        """Return the store of *identity* in the directory *home*; arguments as for `SealedFile`."""
        return cls(SealedFile(home / TRUST_FILE, identity, "trust", VERSION))

    def refresh(self) -> None:
        """
        Take over what other programs have changed on disk.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        if self._file is not None:
            content = self._file.read()
            self._rows = {} if content is None else _rows(self._file.path, content)

    def __iter__(self) -> Iterator[Trusted]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, fp: object) -> bool:
        return fp in self._rows

    def find(self, fp: bytes) -> Trusted | None:
        """Return the trusted identity with the fingerprint *fp*."""
        return self._rows.get(fp)

    def by_name(self, petname: str) -> Trusted | None:
        """Return the trusted identity of that petname; case does not matter."""
        return next((each for each in self if _key(each.petname) == _key(petname)), None)

    def add(
        self,
        petname: str,
        fp: bytes,
        how: How,
        when: datetime,
        bundle: Bundle | None = None,
        voucher: bytes | None = None,
    ) -> Trusted:
        """
        Trust the identity *fp* under *petname*.

        To add one again keeps its bundle, and lets a verified one stay verified.

        :raises BadPetname: if it is none.
        :raises PetnameTaken: if it is another's.
        :raises AlreadyTrusted: if the identity has another petname.
        :raises BundleMismatch: if *bundle* is another's.
        """
        new = Trusted(petname, fp, how, when, voucher, bundle)
        with self._changing() as rows:
            holder = self.by_name(new.petname)
            if holder is not None and holder.fingerprint != fp:
                raise PetnameTaken(
                    petname=holder.petname, fingerprint=to_groups(holder.fingerprint)
                )
            old = rows.get(fp)
            if old is not None:
                if holder is None:
                    raise AlreadyTrusted(petname=old.petname)
                better = old if old.verified and not new.verified else new
                new = attrs.evolve(better, bundle=new.bundle or old.bundle)
            rows[fp] = new
        return new

    def remove(self, petname: str) -> Trusted:
        """
        Trust the identity of that petname no more; returns what was known of it.

        :raises NotTrusted: if there is none.
        """
        with self._changing() as rows:
            found = self.by_name(petname)
            if found is None:
                raise NotTrusted(who=clean_name(petname))
            del rows[found.fingerprint]
        return found

    def learn_bundle(self, fp: bytes, bundle: Bundle) -> None:
        """
        Keep the *bundle* of a trusted identity.

        :raises NotTrusted: if *fp* is not trusted.
        :raises BundleMismatch: if the bundle is another's.
        """
        with self._changing() as rows:
            if fp not in rows:
                raise NotTrusted(who=to_groups(fp))
            rows[fp] = attrs.evolve(rows[fp], bundle=bundle)

    @contextmanager
    def _changing(self) -> Iterator[dict[bytes, Trusted]]:
        """Give a copy to change, which takes the place of the rows once it is safe on disk."""
        with nullcontext() if self._file is None else self._file.locked():
            self.refresh()
            rows = dict(self._rows)
            yield rows
            if self._file is not None:
                self._file.write(_content(rows))
            self._rows = rows


def _key(petname: str) -> str:
    """Return what two petnames have in common that a person could mix up by their case."""
    return unicodedata.normalize("NFKC", petname).casefold()


def _content(rows: dict[bytes, Trusted]) -> bytes:
    return encode(
        *(
            (
                each.petname,
                each.fingerprint,
                each.how,
                each.when.isoformat(),
                each.voucher or b"",
                each.bundle.encode() if each.bundle else b"",
            )
            for each in rows.values()
        )
    )


def _rows(path: Path, content: bytes) -> dict[bytes, Trusted]:
    try:
        return {row.fingerprint: row for row in map(_row, decode(content))}
    except (Malformed, BadPetname, BundleMismatch, ValueError):
        # Only this identity can have written it, so it was a program with a fault.
        raise DamagedFile(path=path, what="it does not hold trusted identities") from None


def _row(fields: Any) -> Trusted:
    petname, fp, how, when, voucher, bundle = shaped(fields, str, LENGTH, str, str, bytes, bytes)
    return Trusted(
        petname,
        fp,
        how,
        datetime.fromisoformat(when),
        voucher or None,
        Bundle.decode(bundle) if bundle else None,
    )
