"""
What is particular to each type of entry in the membership log.

====  ========  =================================================================
type  detail    what it does
====  ========  =================================================================
1     `Create`  makes the room, with its founder
2     `Add`     lets somebody in, who agreed
3     `Remove`  takes members off the roster, each with the evidence that it may be
4     `Update`  gives its author a new leaf key
5     `Reform`  gives the room another policy, other owners or other moderators
====  ========  =================================================================

A *fresh* detail brings a secret that its author seals to each member who remains; the keys of
the others follow from what every member has already. This module gives details their bytes,
and knows what their own signatures sign; `securechat.group.rules` says when they may be.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import attrs

from securechat.encoding import shaped
from securechat.errors import EncodingError
from securechat.group.roster import Policy, Row
from securechat.identity import Bundle, fingerprint
from securechat.primitives import (
    ED25519_LENGTH,
    HASH_LENGTH,
    SIGNATURE_LENGTH,
    XWING_LENGTH,
    digest,
    verify,
)
from securechat.wire import LABEL

MAX_REMOVALS = 100
"""How many members one entry may remove."""

MAX_OFFICES = 64
"""How many owners, and how many moderators, one entry may name."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return H("leaf", the X-Wing leaf key), as the roster's rows hold it."""
    return digest("leaf", leaf)


@attrs.frozen
class Subject:
    """Whom an entry puts on the roster, and the leaf key that later secrets are sealed to."""

    version: int
    ed25519: bytes
    xwing_hash: bytes
    leaf: bytes

    SHAPE: ClassVar[tuple[object, ...]] = (int, ED25519_LENGTH, HASH_LENGTH, XWING_LENGTH)

    @classmethod
    def of(cls, bundle: Bundle, leaf: bytes) -> Subject:
        """Return the subject that is *bundle*'s owner with the leaf key *leaf*."""
        return cls(bundle.version, bundle.ed25519, bundle.xwing_hash, leaf)

    @cached_property
    def fingerprint(self) -> bytes:
        return fingerprint(self.version, self.ed25519, self.xwing_hash)

    def value(self) -> list[Any]:
        """Return the CBOR array [version, Ed25519 key, hash of the X-Wing key, leaf key]."""
        return [self.version, self.ed25519, self.xwing_hash, self.leaf]

    def row(self, epoch: int, voucher: bytes) -> Row:
        """Return the roster's row for this subject from *epoch* on."""
        return Row(
            self.version, self.ed25519, self.xwing_hash, leaf_hash(self.leaf), epoch, voucher
        )


@attrs.frozen
class Create:
    """What is particular to the create entry: it makes the room."""

    random: bytes
    """32 bytes, so that no two rooms are the same."""
    label: str
    policy: Policy
    subject: Subject

    KIND: ClassVar[int] = 1
    FRESH: ClassVar[bool] = True

    def value(self) -> list[Any]:
        return [self.random, self.label, self.policy.value(), self.subject.value()]

    @classmethod
    def of(cls, value: object) -> Create:
        random, label, policy, subject = shaped(value, HASH_LENGTH, str, list, list)
        if not LABEL.fullmatch(label):
            raise EncodingError(what="no label of a room")
        return cls(random, label, Policy.of(policy), Subject(*shaped(subject, *Subject.SHAPE)))


@attrs.frozen
class Add:
    """What is particular to an add entry: whom it adds, and that this one agreed."""

    subject: Subject
    init_hash: bytes
    th1: bytes
    consent: bytes
    consent_epoch: int
    consent_head: bytes

    KIND: ClassVar[int] = 2
    FRESH: ClassVar[bool] = False

    def value(self) -> list[Any]:
        return [
            self.subject.value(),
            self.init_hash,
            self.th1,
            self.consent,
            self.consent_epoch,
            self.consent_head,
        ]

    @classmethod
    def of(cls, value: object) -> Add:
        subject, *rest = shaped(
            value, list, HASH_LENGTH, HASH_LENGTH, SIGNATURE_LENGTH, int, HASH_LENGTH
        )
        return cls(Subject(*shaped(subject, *Subject.SHAPE)), *rest)

    def check_consent(self, room: bytes, voucher: bytes) -> None:
        """
        Check that the subject agreed to be added to *room* by *voucher*.

        :raises BadSignature: if it did not.
        """
        verify(
            self.subject.ed25519,
            self.consent,
            "consent",
            *consent(
                room,
                self.consent_epoch,
                self.consent_head,
                self.subject.fingerprint,
                voucher,
                self.init_hash,
                leaf_hash(self.subject.leaf),
                self.th1,
            ),
        )


def consent(
    room: bytes,
    epoch: int,
    head: bytes,
    joiner: bytes,
    voucher: bytes,
    init_hash: bytes,
    leaf_hash: bytes,
    th1: bytes,
) -> tuple[int | bytes, ...]:
    """Return what a joiner signs under the label "consent", in its order."""
    return (room, epoch, head, joiner, voucher, init_hash, leaf_hash, th1)


class Why(IntEnum):
    """Why a member is removed: what the evidence for it is."""

    LEFT = 1
    """It signed a `leave`."""
    STALE = 2
    """Its leaf key has not been renewed for the policy's rounds."""
    KICKED = 3
    """The author, an owner or a moderator, decided so."""
    REVOKED = 4
    """Its identity was revoked: the evidence is the certificate's signature."""


SIGNED = (Why.LEFT, Why.REVOKED)
"""The reasons of which the evidence is a signature of whom they are about."""


@attrs.frozen
class Removal:
    """One member that an entry removes, and why."""

    member: bytes
    """The fingerprint."""
    why: Why
    evidence: bytes = b""
    """64 bytes where it is a signature, else none."""

    def value(self) -> list[Any]:
        return [self.member, int(self.why), self.evidence]

    @classmethod
    def of(cls, value: object) -> Removal:
        member, why, evidence = shaped(value, HASH_LENGTH, int, bytes)
        if why not in set(Why) or len(evidence) != SIGNATURE_LENGTH * (why in SIGNED):
            raise EncodingError(what="no reason to remove a member")
        return cls(member, Why(why), evidence)


def leaving(room: bytes, row: Row) -> tuple[bytes, ...]:
    """Return what the member of *row* signs under the label "leave" to be taken off the roster."""
    return (room, row.fingerprint, row.leaf_hash)


@attrs.frozen
class Remove:
    """What is particular to a remove entry: whom it removes, each once."""

    removals: tuple[Removal, ...]

    KIND: ClassVar[int] = 3
    FRESH: ClassVar[bool] = True

    def value(self) -> list[Any]:
        return [each.value() for each in self.removals]

    @classmethod
    def of(cls, value: object) -> Remove:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_REMOVALS:
            raise EncodingError(what="an entry that removes nobody, or too many")
        removals = tuple(Removal.of(each) for each in value)
        if len({each.member for each in removals}) != len(removals):
            raise EncodingError(what="an entry that removes somebody twice")
        return cls(removals)

    @property
    def members(self) -> frozenset[bytes]:
        """The fingerprints of who is removed."""
        return frozenset(each.member for each in self.removals)


@attrs.frozen
class Update:
    """What is particular to an update entry: its author's new X-Wing leaf key."""

    leaf: bytes

    KIND: ClassVar[int] = 4
    FRESH: ClassVar[bool] = True

    def value(self) -> list[Any]:
        return [self.leaf]

    @classmethod
    def of(cls, value: object) -> Update:
        return cls(*shaped(value, XWING_LENGTH))


@attrs.frozen
class Reform:
    """What is particular to a policy entry: the policy, and who has a say, from now on."""

    policy: Policy
    owners: tuple[bytes, ...]
    moderators: tuple[bytes, ...]

    KIND: ClassVar[int] = 5
    FRESH: ClassVar[bool] = False

    def value(self) -> list[Any]:
        return [self.policy.value(), list(self.owners), list(self.moderators)]

    @classmethod
    def of(cls, value: object) -> Reform:
        policy, owners, moderators = shaped(value, list, list, list)
        return cls(Policy.of(policy), _offices(owners), _offices(moderators))


def _offices(value: list[Any]) -> tuple[bytes, ...]:
    if len(value) > MAX_OFFICES:
        raise EncodingError(what="too many owners or moderators")
    return tuple(shaped(value, *[HASH_LENGTH] * len(value)))


Detail: TypeAlias = Create | Add | Remove | Update | Reform

_DETAILS: dict[int, type[Detail]] = {
    each.KIND: each for each in (Create, Add, Remove, Update, Reform)
}


def detail_of(kind: int, value: object) -> Detail:
    """Return the detail of an entry of the type *kind*; raise `EncodingError`."""
    if kind not in _DETAILS:
        raise EncodingError(what="an entry of a type that this version does not know")
    return _DETAILS[kind].of(value)
