"""
Frames: how one message is padded, signed and encrypted.

::

    header = epoch ‖ sender's row ‖ n
    pt     = kind ‖ seen_seq ‖ seen_T ‖ body, then 0x80 and zeros to a multiple of 64
    sig    = Sign_sender("msg", G ‖ head ‖ header ‖ pt)
    ct     = ChaCha20-Poly1305(mk_{i,n}, nonce, ad = H("ad", G, head, header), pt ‖ sig)

Everybody in a room can derive everybody's message keys; the signature says who wrote. Both it
and the encryption hold room, head and header, so that a frame is of use nowhere else.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import attrs

from securechat.encoding import array, decode, number, octets, shaped
from securechat.errors import BadSignature, EncodingError, MessageTooLong
from securechat.group.keys import Ratchet
from securechat.identity import Identity
from securechat.primitives import (
    HASH_LENGTH,
    NONCE_LENGTH,
    SIGNATURE_LENGTH,
    Label,
    decrypt,
    encrypt,
    random_bytes,
)

MAX_BODY = 32_768
"""Bytes in the body of one message."""

_BLOCK = 64

_SIGNED = Label("msg", 4)
_ASSOCIATED = Label("ad", 3)
_FRAME = Label("frame", 1)


class Kind(IntEnum):
    """What a message's body is."""

    HEARTBEAT = 0
    """Nothing: it only shows what its sender has seen."""
    HELLO = 1
    """The seed's `hello_i_am`: CBOR [name, fingerprint]."""
    TEXT = 2
    """UTF-8 text."""


@attrs.frozen
class Header:
    """What the relay may know of a frame: its epoch, its sender's row, and the count n."""

    epoch: int
    row: int
    n: int

    def value(self) -> list[int]:
        return [self.epoch, self.row, self.n]

    def items(self) -> tuple[bytes, bytes, bytes]:
        """Return each value, encoded."""
        return number(self.epoch), number(self.row), number(self.n)


@attrs.frozen
class Frame:
    """A message as it travels."""

    header: Header
    nonce: bytes
    ciphertext: bytes

    def value(self) -> list[Any]:
        """Return the CBOR array [epoch, row, n, nonce, ciphertext]."""
        return [*self.header.value(), self.nonce, self.ciphertext]

    @classmethod
    def of(cls, value: object) -> Frame:
        """Return the frame of which *value* is the array; raise `EncodingError`."""
        *header, nonce, ciphertext = shaped(value, int, int, int, NONCE_LENGTH, bytes)
        return cls(Header(*header), nonce, ciphertext)

    @property
    def digest(self) -> bytes:
        """H("frame", bytes): what the transcript folds."""
        frame = array(*self.header.items(), octets(self.nonce), octets(self.ciphertext))
        return _FRAME.digest(octets(frame))


@attrs.frozen
class Content:
    """What a frame says: a message, and up to where its sender had seen the stream."""

    kind: int
    seen_seq: int
    seen_transcript: bytes
    body: bytes = attrs.field(repr=False)

    def padded(self) -> bytes:
        """Return pt: the bytes to sign, a multiple of 64 of them (ISO/IEC 7816-4)."""
        data = array(
            *(number(self.kind), number(self.seen_seq)),
            *(octets(self.seen_transcript), octets(self.body)),
        )
        return data + b"\x80" + bytes(-(len(data) + 1) % _BLOCK)

    @classmethod
    def unpadded(cls, padded: bytes) -> Content:
        """
        Return the content that *padded* is made of.

        :raises EncodingError: if it is made of none.
        """
        data, mark, rest = padded.rpartition(b"\x80")
        if not mark or rest.strip(b"\0") or len(rest) >= _BLOCK or len(padded) % _BLOCK:
            raise EncodingError(what="padding that is none")
        return cls(*shaped(decode(data), int, int, HASH_LENGTH, bytes))


def check_size(body: bytes) -> None:
    """
    Check that a message may have this *body*.

    :raises MessageTooLong: if it is larger than 32 KiB.
    """
    if len(body) > MAX_BODY:
        raise MessageTooLong(size=len(body), most=MAX_BODY)


def seal_frame(
    sender: Identity, ratchet: Ratchet, room: bytes, head: bytes, header: Header, content: Content
) -> Frame:
    """
    Return the frame that says *content*, under the next key of *ratchet*.

    :raises MessageTooLong: if the body is larger than 32 KiB.
    """
    check_size(content.body)
    bound, padded = _bound(room, head, header), octets(content.padded())
    signature = sender.sign_items(_SIGNED, bound + padded)
    nonce, payload = random_bytes(NONCE_LENGTH), array(padded, octets(signature))
    ciphertext = encrypt(ratchet.message_key, nonce, payload, _ASSOCIATED.digest(bound))
    return Frame(header, nonce, ciphertext)


def open_frame(
    frame: Frame, sender: bytes, ratchet: Ratchet, room: bytes, head: bytes
) -> tuple[bytes, Ratchet]:
    """
    Return what *sender* signed, for `Content.unpadded`, and the ratchet after *frame*.

    :param sender: the Ed25519 key of the row that the frame names.
    :param ratchet: that row's ratchet, standing at the frame's n.
    :raises BadCiphertext: if it does not open under these keys.
    :raises BadSignature: if the sender did not write it: another member did.
    """
    key, after = ratchet.step()
    bound = _bound(room, head, frame.header)
    opened = decrypt(key, frame.nonce, frame.ciphertext, _ASSOCIATED.digest(bound))
    try:
        padded, signature = shaped(decode(opened), bytes, SIGNATURE_LENGTH)
    except EncodingError:
        raise BadSignature(what="msg") from None
    _SIGNED.verify(sender, signature, bound + octets(padded))
    return padded, after


def _bound(room: bytes, head: bytes, header: Header) -> bytes:
    """Return G ‖ head ‖ header, encoded one after another."""
    return octets(room) + octets(head) + array(*header.items())
