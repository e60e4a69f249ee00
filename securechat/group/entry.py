"""
The entries of the membership log: what they hold, how they are hashed and signed.

An entry *ent* is an array; `tag` confirms that its author holds the epoch's key, and the
signature covers both. `SignedEntry.head` is the hash of a log that ends with it. This module
gives entries their bytes; `securechat.group.log` has the rules for what may follow what.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError
from securechat.group.roster import Policy, Row
from securechat.identity import Bundle, Identity, fingerprint
from securechat.primitives import (
    ED25519_LENGTH,
    HASH_LENGTH,
    SIGNATURE_LENGTH,
    XWING_LENGTH,
    digest,
    verify,
)
from securechat.wire import LABEL

ZERO = bytes(HASH_LENGTH)
"""What stands where there is nothing yet: before the first entry, before the first frame."""

_CREATE = 1
_ADD = 2


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

    KIND: ClassVar[int] = _CREATE

    def value(self) -> list[Any]:
        return [self.random, self.label, self.policy.value(), list(attrs.astuple(self.subject))]

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

    KIND: ClassVar[int] = _ADD

    def value(self) -> list[Any]:
        return [
            list(attrs.astuple(self.subject)),
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


_DETAILS: dict[int, type[Create] | type[Add]] = {each.KIND: each for each in (Create, Add)}


@attrs.frozen
class Entry:
    """An entry's content *ent*, before tag and signature."""

    room: bytes
    epoch: int
    prev: bytes
    seq: int
    """The newest number of the room's stream that the author had seen…"""
    transcript: bytes
    """… and its transcript T there."""
    author: bytes
    state_hash: bytes
    detail: Create | Add

    def value(self) -> list[Any]:
        """
        Return the CBOR array [type, G, epoch, prev, seq, T, author, state hash, detail].
        """
        return [
            self.detail.KIND,
            self.room,
            self.epoch,
            self.prev,
            self.seq,
            self.transcript,
            self.author,
            self.state_hash,
            self.detail.value(),
        ]

    @cached_property
    def hash(self) -> bytes:
        """H("ent", ent), which the epoch's key is derived with."""
        return digest("ent", self.value())


@attrs.frozen
class SignedEntry:
    """An entry with its confirmation tag and its author's signature, as it travels."""

    entry: Entry
    tag: bytes
    signature: bytes

    @classmethod
    def make(cls, entry: Entry, tag: bytes, author: Identity) -> SignedEntry:
        """Sign *entry* and its *tag* as *author*."""
        return cls(entry, tag, author.sign("entry", entry.value(), tag))

    @cached_property
    def head(self) -> bytes:
        """The hash of the log that ends with this entry."""
        return digest("log", self.entry.value(), self.tag, self.signature)

    def value(self) -> list[Any]:
        """Return the CBOR array [ent, tag, signature]."""
        return [self.entry.value(), self.tag, self.signature]

    def encode(self) -> bytes:
        """Return the bytes of this entry, as they travel."""
        return encode(*self.value())

    @classmethod
    def decode(cls, data: bytes) -> SignedEntry:
        """
        Return the entry that *data* encodes. Nothing is verified yet.

        :raises EncodingError: if it encodes none.
        """
        return cls.of(decode(data))

    @classmethod
    def of(cls, value: object) -> SignedEntry:
        """Return the entry of which *value* is the array; raise `EncodingError`."""
        ent, tag, signature = shaped(value, list, HASH_LENGTH, SIGNATURE_LENGTH)
        kind, room, epoch, prev, seq, transcript, author, state_hash, detail = shaped(
            ent,
            *(int, HASH_LENGTH, int, HASH_LENGTH, int),
            *(HASH_LENGTH, HASH_LENGTH, HASH_LENGTH, list),
        )
        if kind not in _DETAILS:
            raise EncodingError(what="an entry of a type that this version does not know")
        return cls(
            Entry(
                room,
                epoch,
                prev,
                seq,
                transcript,
                author,
                state_hash,
                _DETAILS[kind].of(detail),
            ),
            tag,
            signature,
        )

    def check_signature(self, author: bytes) -> None:
        """
        Check the signature by the Ed25519 key *author*.

        :raises BadSignature: if it does not hold.
        """
        verify(author, self.signature, "entry", self.entry.value(), self.tag)
