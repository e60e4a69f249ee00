"""Frames: what binds them to room, head, header and sender, and how they are padded."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, encode
from securechat.errors import BadCiphertext, BadSignature, EncodingError, MessageTooLong
from securechat.group.keys import Ratchet
from securechat.group.messages import (
    MAX_BODY,
    Content,
    Frame,
    Header,
    Kind,
    open_frame,
    seal_frame,
)
from securechat.identity import Identity
from securechat.primitives import NONCE_LENGTH, digest, encrypt
from securechat.wire import MAX_CIPHERTEXT
from tests.group.kit import ALICE, BOB, flipped
from tests.group.test_roster import hashes, numbers

ROOM = b"\1" * 32
HEAD = b"\2" * 32
RATCHET = Ratchet(b"\3" * 32, 5)
HEADER = Header(7, 2, 5)

contents = st.builds(Content, numbers, numbers, hashes, st.binary(max_size=300))


def text(body: bytes = b"hello") -> Content:
    """A text message."""
    return Content(Kind.TEXT, 9, bytes(32), body)


def sealed(content: Content, sender: Identity = ALICE) -> Frame:
    """The frame of *content*."""
    return seal_frame(sender, RATCHET, ROOM, HEAD, HEADER, content)


def opened(frame: Frame, sender: Identity = ALICE) -> Content:
    """What *frame* says, where all about it is as it should be."""
    signed, after = open_frame(frame, sender.bundle.ed25519, RATCHET, ROOM, HEAD)
    assert after == RATCHET.skip(1)
    return Content.unpadded(signed)


def frame_of(payload: bytes) -> Frame:
    """A frame whose plaintext is *payload*: what somebody makes who has the key."""
    key, _ = RATCHET.step()
    nonce = bytes(NONCE_LENGTH)
    associated = digest("ad", ROOM, HEAD, HEADER.value())
    return Frame(HEADER, nonce, encrypt(key, nonce, payload, associated))


class FrameTests(SynchronousTestCase):
    """One message, sealed and opened."""

    @given(contents)
    def test_what_was_sealed_is_opened(self, content: Content) -> None:
        """Kind, view and body come out as they went in, whatever they are."""
        self.assertEqual(opened(sealed(content)), content)

    def test_frames_are_bound_to_room_and_head(self) -> None:
        """C7, D5: in another room, or at another head of the log, a frame does not open."""
        frame, key = sealed(text()), ALICE.bundle.ed25519
        self.assertRaises(BadCiphertext, open_frame, frame, key, RATCHET, HEAD, HEAD)
        self.assertRaises(BadCiphertext, open_frame, frame, key, RATCHET, ROOM, ROOM)

    def test_frames_are_bound_to_their_header(self) -> None:
        """E2: with another epoch, row or n before it, a frame does not open."""
        frame = sealed(text())
        for header in (Header(8, 2, 5), Header(7, 3, 5), Header(7, 2, 6)):
            self.assertRaises(BadCiphertext, opened, attrs.evolve(frame, header=header))

    def test_frames_are_bound_to_their_key(self) -> None:
        """Another number's key opens nothing."""
        args = ALICE.bundle.ed25519, RATCHET.skip(1), ROOM, HEAD
        self.assertRaises(BadCiphertext, open_frame, sealed(text()), *args)

    @given(st.data())
    def test_changed_frames_do_not_open(self, data: st.DataObject) -> None:
        """No bit of nonce or ciphertext can be changed, and no byte left out or added."""
        frame = sealed(text())
        at = data.draw(st.integers(0, len(frame.ciphertext) - 1))
        others = [
            attrs.evolve(frame, nonce=flipped(frame.nonce, at % NONCE_LENGTH)),
            attrs.evolve(frame, ciphertext=flipped(frame.ciphertext, at)),
            attrs.evolve(frame, ciphertext=frame.ciphertext[:at]),
            attrs.evolve(frame, ciphertext=frame.ciphertext + b"\0"),
            attrs.evolve(frame, nonce=b""),
        ]
        for other in others:
            self.assertRaises(BadCiphertext, opened, other)

    def test_insiders_cannot_speak_as_others(self) -> None:
        """E1: Bob, who has all the keys of the room, cannot sign as Alice."""
        frame = sealed(text(), sender=BOB)
        self.assertRaises(BadSignature, opened, frame)
        self.assertEqual(opened(frame, sender=BOB), text())

    def test_insiders_cannot_move_what_others_said(self) -> None:
        """A padded text with its signature, encrypted anew in another place, is no frame."""
        padded = text().padded()
        for room, head, header in (
            (HEAD, HEAD, HEADER),
            (ROOM, ROOM, HEADER),
            (ROOM, HEAD, Header(6, 2, 5)),
            (ROOM, HEAD, Header(7, 1, 5)),
            (ROOM, HEAD, Header(7, 2, 4)),
        ):
            signature = ALICE.sign("msg", room, head, header.value(), padded)
            self.assertRaises(BadSignature, opened, frame_of(encode(padded, signature)))
        signature = ALICE.sign("msg", ROOM, HEAD, HEADER.value(), padded)
        self.assertEqual(opened(frame_of(encode(padded, signature))), text())

    def test_what_nobody_signed_is_nobodys(self) -> None:
        """Junk under the right key says nothing about the member whose row it names."""
        for payload in (b"", b"junk", encode(), encode(b"x"), encode(b"x", b"short"), encode(1, 2)):
            self.assertRaises(BadSignature, opened, frame_of(payload))

    def test_digests_tell_frames_apart(self) -> None:
        """Header, nonce and ciphertext are all in what the transcript folds."""
        frame = sealed(text())
        others = [
            attrs.evolve(frame, header=Header(7, 2, 6)),
            attrs.evolve(frame, nonce=flipped(frame.nonce)),
            attrs.evolve(frame, ciphertext=flipped(frame.ciphertext)),
        ]
        self.assertEqual(len({each.digest for each in (frame, *others)}), 4)

    def test_every_sealing_has_its_nonce(self) -> None:
        """The same message sealed twice makes two frames."""
        self.assertNotEqual(sealed(text()), sealed(text()))

    def test_a_body_has_a_limit(self) -> None:
        """32 KiB can be said and fit into a line; one byte more is refused with both numbers."""
        longest = Content(MAX_INTEGER, MAX_INTEGER, bytes(32), bytes(MAX_BODY))
        self.assertLessEqual(len(sealed(longest).ciphertext), MAX_CIPHERTEXT)
        error = self.assertRaises(MessageTooLong, sealed, text(bytes(MAX_BODY + 1)))
        self.assertIn("32769", str(error))
        self.assertIn("32768", str(error))

    def test_no_text_is_in_a_repr(self) -> None:
        """What people say is not shown to who logs an object."""
        self.assertNotIn("hello", repr(text()))


class PaddingTests(SynchronousTestCase):
    """A message's length, hidden."""

    @given(contents)
    def test_lengths_are_multiples_of_64(self, content: Content) -> None:
        """So ciphertexts show a message's length in blocks only."""
        padded = content.padded()
        self.assertEqual(len(padded) % 64, 0)
        self.assertEqual(Content.unpadded(padded), content)
        self.assertLessEqual(len(padded) - len(encode(*attrs.astuple(content))), 64)

    def test_bodies_that_end_like_padding(self) -> None:
        """Zeros and the mark itself at the end of a body survive, at every length of it."""
        for length in range(130):
            for end in (b"\0", b"\x80", b"\x80\0", b"\0\x80"):
                content = text(b"x" * length + end)
                self.assertEqual(Content.unpadded(content.padded()), content)

    def test_padding_that_is_none(self) -> None:
        """No mark, a whole block too much, other bytes after it, odd lengths: refused."""
        good = text().padded()
        for bad in (
            b"",
            bytes(64),
            good[:-1],
            good + b"\0",
            good + bytes(64),
            good[:-1] + b"\1",
            good.replace(b"\x80" + bytes(3), b"\x80\1\0\0"),
            b"x" * 64,
        ):
            self.assertRaises(EncodingError, Content.unpadded, bad)

    @given(st.binary(max_size=200))
    def test_any_signed_bytes_are_content_or_are_refused(self, data: bytes) -> None:
        """What a member signs may be junk: `EncodingError` alone is raised."""
        padded = data + b"\x80" + bytes(-(len(data) + 1) % 64)
        try:
            content = Content.unpadded(padded)
        except EncodingError:
            return
        self.assertEqual(content.padded(), padded)

    def test_content_that_is_none(self) -> None:
        """Fields of other types or lengths, and too many or few of them, are refused."""
        for values in (
            (b"2", 9, bytes(32), b""),
            (2, b"9", bytes(32), b""),
            (2, 9, bytes(31), b""),
            (2, 9, bytes(32), "text"),
            (2, 9, bytes(32)),
            (2, 9, bytes(32), b"", b""),
        ):
            data = encode(*values)
            padded = data + b"\x80" + bytes(-(len(data) + 1) % 64)
            self.assertRaises(EncodingError, Content.unpadded, padded)
