"""
The entries of the membership log: what they hold, how they are hashed and signed.

An entry *ent* is an array; `tag` confirms that its author holds the epoch's key, and the
signature covers both. `SignedEntry.head` is the hash of a log that ends with it. This module
gives entries their bytes; `securechat.group.detail` has what is particular to each type, and
`securechat.group.rules` what may follow what.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.group.detail import Detail, detail_of
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, SIGNATURE_LENGTH, digest, verify

ZERO = bytes(HASH_LENGTH)
"""What stands where there is nothing yet: before the first entry, before the first frame."""


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
    detail: Detail

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
        return cls(
            Entry(
                room,
                epoch,
                prev,
                seq,
                transcript,
                author,
                state_hash,
                detail_of(kind, detail),
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
