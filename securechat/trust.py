"""
Trust: which identities this user knows, by which petname, and which are revoked.

An identity that was revoked is never trusted again, whether it was before or not: its
certificate is kept, as evidence for others and so that it cannot be added. An identity that
was succeeded has given its petname, and is not trusted beside its successor.

Several programs may share one store. Each change is made to what is on disk at that moment;
a program that only looks calls `TrustStore.refresh` before it decides. Time comes from the
caller: no clock is read here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import (
    AlreadyTrusted,
    BadPetname,
    BundleMismatch,
    DamagedFile,
    IdentityRevoked,
    IdentitySucceeded,
    Malformed,
    NotTrusted,
    PetnameTaken,
    SecureChatError,
    SuccessorOfRevoked,
)
from securechat.fingerprint import to_groups
from securechat.identity import Bundle, Identity
from securechat.revocation import check_revocation
from securechat.sealedfile import SealedFile
from securechat.succession import check_succession
from securechat.text import clean_name
from securechat.trusted import How, Revoked, Trusted, Verification, Way

TRUST_FILE = "trust"
VERSION = 3


class TrustStore:
    """The trusted identities, in the order in which they came, and those that are revoked."""

    def __init__(self, file: SealedFile | None = None) -> None:
        """
        :param file: where they are kept; None: in memory only.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        self._file = file
        self._known = _Known()
        self.refresh()

    @classmethod
    def open(cls, home: Path, identity: Identity) -> TrustStore:
        """Return the store of *identity* in the directory *home*; arguments as for `SealedFile`."""
        older = {1: _from_1, 2: _from_2}
        return cls(SealedFile(home / TRUST_FILE, identity, "trust", VERSION, older))

    def refresh(self) -> None:
        """
        Take over what other programs have changed on disk.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        if self._file is not None:
            content = self._file.read()
            self._known = _Known() if content is None else _Known.of(self._file.path, content)

    # Who is trusted

    def __iter__(self) -> Iterator[Trusted]:
        return iter(self._known.trusted.values())

    def __len__(self) -> int:
        return len(self._known.trusted)

    def __contains__(self, fp: object) -> bool:
        return fp in self._known.trusted

    def find(self, fp: bytes) -> Trusted | None:
        """Return the trusted identity with the fingerprint *fp*."""
        return self._known.trusted.get(fp)

    def by_name(self, petname: str) -> Trusted | None:
        """Return the trusted identity of that petname; case does not matter."""
        return self._known.by_name(petname)

    def successor(self, fp: bytes) -> Trusted | None:
        """Return the trusted identity that took the place of *fp*, by one step or by several."""
        return self._known.successor(fp)

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

        To add one again keeps its bundle and that it was compared, and lets a verified one stay
        verified.

        :raises BadPetname: if it is none.
        :raises PetnameTaken: if it is another's.
        :raises AlreadyTrusted: if the identity has another petname.
        :raises IdentityRevoked, IdentitySucceeded: if the identity is never, or not any more,
            to be trusted.
        :raises BundleMismatch: if *bundle* is another's.
        """
        new = Trusted(petname, fp, how, when, voucher, bundle)
        with self._changing() as known:
            return known.add(new)

    def add_all(
        self, offers: Iterable[tuple[str, Bundle]], when: datetime, *, trial: bool = False
    ) -> list[Trusted | SecureChatError]:
        """
        Trust identities whose bundles came by files, each under its petname, in one change. Of
        one that is verified already only the bundle is learnt.

        :param trial: change nothing, and return what would be.
        :returns: for each what is known of it then, or why it is not trusted: see `add`.
        """
        with self._changing(trial=trial) as known:
            return [known.try_to_add(petname, bundle, when) for petname, bundle in offers]

    def remove(self, petname: str) -> Trusted:
        """
        Trust the identity of that petname no more; returns what was known of it.

        :raises NotTrusted: if there is none.
        """
        with self._changing() as known:
            found = known.by_name(petname)
            if found is None:
                raise NotTrusted(who=clean_name(petname))
            del known.trusted[found.fingerprint]
        return found

    def verify(self, fp: bytes, way: Way, when: datetime) -> Trusted:
        """
        Note that the user has compared the fingerprint *fp* with what its owner sees.

        :raises NotTrusted: if *fp* is not trusted, or not any more.
        """
        with self._changing() as known:
            if fp not in known.trusted:
                raise NotTrusted(who=to_groups(fp))
            found = attrs.evolve(known.trusted[fp], verification=Verification(way, when))
            known.trusted[fp] = found
        return found

    def learn_bundle(self, fp: bytes, bundle: Bundle) -> None:
        """
        Keep the *bundle* of a trusted identity.

        :raises NotTrusted: if *fp* is not trusted.
        :raises BundleMismatch: if the bundle is another's.
        """
        with self._changing() as known:
            if fp not in known.trusted:
                raise NotTrusted(who=to_groups(fp))
            known.trusted[fp] = attrs.evolve(known.trusted[fp], bundle=bundle)

    # Who is trusted no more

    @property
    def revoked(self) -> tuple[Revoked, ...]:
        """The identities that are never to be trusted again, in the order in which they came."""
        return tuple(self._known.revoked.values())

    def revocation(self, fp: bytes) -> bytes | None:
        """
        Return the signature, 64 bytes, by which *fp* revoked itself, None if it is not known to
        have done so: the evidence for its removal from a room.
        """
        found = self._known.revoked.get(fp)
        return None if found is None else found.signature

    def revoke(self, certificate: bytes, when: datetime) -> Revoked:
        """
        Never trust the identity again that *certificate* revokes, nor let it be added.

        Whoever took its place before stays trusted: `successor` tells.

        :raises EncodingError, UnsupportedVersion, BadSignature: as `check_revocation`.
        """
        fp = check_revocation(certificate)
        with self._changing() as known:
            return known.revoke(Revoked(fp, certificate, when))

    def follow(self, certificate: bytes, when: datetime) -> tuple[Trusted, Trusted]:
        """
        Trust the new identity that the succession *certificate* names, in the old one's place.

        :returns: what was known of the old one, and what is of the new one.
        :raises EncodingError, UnsupportedVersion, BadSignature: as `check_succession`.
        :raises NotTrusted: if the old one is not trusted.
        :raises SuccessorOfRevoked: if the old one is revoked, at whatever time it signed this.
        :raises IdentityRevoked: if the new one is.
        :raises IdentitySucceeded: if one of them has a successor.
        :raises AlreadyTrusted: if the new one is trusted under a name of its own.
        """
        said = check_succession(certificate)
        with self._changing() as known:
            if said.old in known.revoked:
                raise SuccessorOfRevoked(fingerprint=to_groups(said.old))
            known.check_current(said.old)
            known.check_current(said.new.fingerprint)
            was = known.trusted.get(said.old)
            if was is None:
                raise NotTrusted(who=to_groups(said.old))
            if (other := known.trusted.get(said.new.fingerprint)) is not None:
                raise AlreadyTrusted(petname=other.petname)
            now = was.succeeded(said.new, when)
            rows = [now if each is was else each for each in known.trusted.values()]
            known.trusted = {each.fingerprint: each for each in rows}
        return was, now

    def take_over(self, other: TrustStore, me: bytes) -> list[Trusted]:
        """
        Trust whom *other* trusts, where nothing is known of them here, and revoke whom it does.

        :param me: whom this store belongs to, who is not among them.
        :returns: those who are not taken over, since their petname is another's here, or an
            earlier identity of theirs is trusted here still.
        """
        left = []
        with self._changing() as known:
            for revoked in other.revoked:
                known.revoke(revoked)
            names = {_key(each.petname) for each in known.trusted.values()}
            before = {fp for each in known.trusted.values() for fp in each.before}
            for each in other:
                if each.fingerprint in {me, *known.trusted, *known.revoked, *before}:
                    continue
                if _key(each.petname) in names or known.trusted.keys() & {*each.before}:
                    left.append(each)
                else:
                    known.trusted[each.fingerprint] = each
        return left

    @contextmanager
    def _changing(self, *, trial: bool = False) -> Iterator[_Known]:
        """
        Give a copy to change, which takes the place of what is known once it is on disk; of a
        *trial* nothing stays.
        """
        with nullcontext() if self._file is None else self._file.locked():
            self.refresh()
            known = _Known(dict(self._known.trusted), dict(self._known.revoked))
            yield known
            if trial:
                return
            if self._file is not None:
                self._file.write(known.encode())
            self._known = known


@attrs.define
class _Known:
    """All that is in a store, by fingerprint."""

    trusted: dict[bytes, Trusted] = attrs.Factory(dict)
    revoked: dict[bytes, Revoked] = attrs.Factory(dict)

    def revoke(self, new: Revoked) -> Revoked:
        """Trust the identity no more; returns what is known of it, which once known stays."""
        fp = new.fingerprint
        was = self.trusted.pop(fp, None) or self.successor(fp)
        if was is not None:
            new = attrs.evolve(new, petname=was.petname)
        return self.revoked.setdefault(fp, new)

    def successor(self, fp: bytes) -> Trusted | None:
        return next((each for each in self.trusted.values() if fp in each.before), None)

    def by_name(self, petname: str) -> Trusted | None:
        key = _key(petname)
        return next((each for each in self.trusted.values() if _key(each.petname) == key), None)

    def check_current(self, fp: bytes) -> None:
        """:raises IdentityRevoked, IdentitySucceeded: if *fp* is one that was."""
        if fp in self.revoked:
            raise IdentityRevoked(fingerprint=to_groups(fp))
        if (now := self.successor(fp)) is not None:
            raise IdentitySucceeded(
                fingerprint=to_groups(fp),
                petname=now.petname,
                successor=to_groups(now.fingerprint),
            )

    def add(self, new: Trusted) -> Trusted:
        """:raises IdentityRevoked, IdentitySucceeded, PetnameTaken, AlreadyTrusted:"""
        self.check_current(new.fingerprint)
        holder = self.by_name(new.petname)
        if holder is not None and holder.fingerprint != new.fingerprint:
            raise PetnameTaken(petname=holder.petname, fingerprint=to_groups(holder.fingerprint))
        old = self.trusted.get(new.fingerprint)
        if old is not None:
            if holder is None:
                raise AlreadyTrusted(petname=old.petname)
            new = attrs.evolve(
                old if old.verified and not new.verified else new,
                bundle=new.bundle or old.bundle,
                before=old.before,
                verification=old.verification,
            )
        self.trusted[new.fingerprint] = new
        return new

    def try_to_add(self, petname: str, bundle: Bundle, when: datetime) -> Trusted | SecureChatError:
        try:
            new = Trusted(petname, bundle.fingerprint, "file", when, bundle=bundle)
            old = self.trusted.get(new.fingerprint)
            if old is not None and old.verified:
                new = attrs.evolve(old, petname=petname, bundle=bundle)
            return self.add(new)
        except SecureChatError as error:
            return error

    def encode(self) -> bytes:
        return encode(
            [each.value() for each in self.trusted.values()],
            [each.value() for each in self.revoked.values()],
        )

    @classmethod
    def of(cls, path: Path, content: bytes) -> _Known:
        try:
            trusted, revoked = shaped(decode(content), list, list)
            return cls(
                {each.fingerprint: each for each in map(Trusted.of, trusted)},
                {each.fingerprint: each for each in map(Revoked.of, revoked)},
            )
        except (Malformed, BadPetname, BundleMismatch, ValueError):
            # Only this identity can have written it, so it was a program with a fault.
            raise DamagedFile(path=path, what="it does not hold trusted identities") from None


def _key(petname: str) -> str:
    """Return what two petnames have in common that a person could mix up by their case."""
    return unicodedata.normalize("NFKC", petname).casefold()


def _from_1(content: bytes) -> bytes:
    """Return *content* of version 1, which knew neither successors nor revocations, as of 2."""
    rows = (shaped(row, str, bytes, str, str, bytes, bytes) for row in decode(content))
    return encode([[*row, []] for row in rows], [])


def _from_2(content: bytes) -> bytes:
    """Return *content* of version 2, in which a voucher was all that was not verified, as of 3."""
    trusted, revoked = shaped(decode(content), list, list)
    rows = (shaped(row, str, bytes, str, str, bytes, bytes, list) for row in trusted)
    return encode([[*row, int(row[2] == "succeeded" and not row[4]), []] for row in rows], revoked)
