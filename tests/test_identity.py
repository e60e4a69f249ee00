"""Tests of `securechat.identity`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import primitives
from securechat.encoding import encode, number, octets
from securechat.errors import (
    BadCiphertext,
    BadSignature,
    EncodingError,
    Malformed,
    UnsupportedVersion,
)
from securechat.fingerprint import short, to_groups
from securechat.identity import VERSION, Bundle, Identity, fingerprint

ALICE = Identity.generate()
BOB = Identity.generate()


class BundleTests(SynchronousTestCase):
    """The public half."""

    def test_fingerprint(self) -> None:
        """The fingerprint is the hash of version, signing key and hash of the sealing key."""
        bundle = ALICE.bundle
        xwing_hash = primitives.digest("xwing", bundle.xwing)
        self.assertEqual(bundle.xwing_hash, xwing_hash)
        self.assertEqual(bundle.fingerprint, primitives.digest("id", 1, bundle.ed25519, xwing_hash))
        self.assertEqual(bundle.fingerprint, fingerprint(VERSION, bundle.ed25519, xwing_hash))

    def test_fingerprint_binds_every_part(self) -> None:
        """Another version, signing key or sealing key is another identity."""
        bundle, other = ALICE.bundle, BOB.bundle
        for different in (
            Bundle(2, bundle.ed25519, bundle.xwing),
            Bundle(1, other.ed25519, bundle.xwing),
            Bundle(1, bundle.ed25519, other.xwing),
        ):
            self.assertNotEqual(different.fingerprint, bundle.fingerprint)

    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=1216, max_size=1216))
    def test_round_trip(self, ed25519: bytes, xwing: bytes) -> None:
        """Decoding gives what was encoded, as bytes and as text."""
        bundle = Bundle(VERSION, ed25519, xwing)
        self.assertEqual(Bundle.decode(bundle.encode()), bundle)
        self.assertEqual(Bundle.from_armour(bundle.armour()), bundle)

    @given(st.binary(max_size=2000))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are a bundle that encodes to them, or are refused as malformed."""
        try:
            bundle = Bundle.decode(data)
        except Malformed:
            return
        self.assertEqual(bundle.encode(), data)

    def test_shape(self) -> None:
        """Missing, additional, too short and wrongly typed parts are refused."""
        bundle = ALICE.bundle
        for fields in (
            [],
            [1],
            [b"1", bundle.ed25519, bundle.xwing],
            [1, bundle.ed25519[1:], bundle.xwing],
            [1, bundle.ed25519, bundle.xwing + b"\0"],
            [1, bundle.ed25519, bundle.xwing, 0],
        ):
            self.assertRaises(EncodingError, Bundle.decode, encode(*fields))

    def test_versions(self) -> None:
        """A bundle of another version is refused, and the one who is behind is named."""
        newer = self.assertRaises(UnsupportedVersion, Bundle.decode, encode(2, b"new shape"))
        self.assertIn("version 2", str(newer))
        self.assertIn("version 1: you must upgrade", str(newer))
        older = self.assertRaises(UnsupportedVersion, Bundle.decode, encode(0))
        self.assertIn("whoever made it must upgrade", str(older))

    def test_armour_shows_the_fingerprint(self) -> None:
        """The text of a bundle shows its fingerprint, and a text that shows another is refused."""
        text = ALICE.bundle.armour()
        mine, other = to_groups(ALICE.fingerprint), to_groups(BOB.fingerprint)
        self.assertIn(mine, text)
        self.assertRaises(EncodingError, Bundle.from_armour, text.replace(mine, other))
        self.assertEqual(Bundle.from_armour(text.replace("# " + mine, "")), ALICE.bundle)

    def test_repr(self) -> None:
        """A bundle shows as the beginning of its fingerprint."""
        self.assertEqual(repr(ALICE.bundle), f"<Bundle {short(ALICE.fingerprint)}>")

    def test_unusable_key(self) -> None:
        """To seal to a key that is none is refused as malformed."""
        bundle = Bundle(1, bytes(32), b"\xff" * 1216)
        self.assertRaises(EncodingError, bundle.seal, "test", "", b"")


class IdentityTests(SynchronousTestCase):
    """The secret half."""

    def test_sign(self) -> None:
        """A signature holds for the same identity, label and values only."""
        signature = ALICE.sign("test", 1, b"two")
        ALICE.bundle.verify(signature, "test", 1, b"two")
        items = number(1) + octets(b"two")
        self.assertEqual(ALICE.sign_items(primitives.Label("test", 2), items), signature)
        for bundle, label, values in (
            (BOB.bundle, "test", (1, b"two")),
            (ALICE.bundle, "other", (1, b"two")),
            (ALICE.bundle, "test", (1, b"too")),
        ):
            self.assertRaises(BadSignature, bundle.verify, signature, label, *values)

    def test_seal(self) -> None:
        """What is sealed opens for the same identity, label and context only."""
        ciphertext = ALICE.bundle.seal("test", b"context", b"secret")
        self.assertEqual(ALICE.open_sealed(ciphertext, "test", b"context"), b"secret")
        for identity, label, context in (
            (BOB, "test", b"context"),
            (ALICE, "other", b"context"),
            (ALICE, "test", b"another"),
        ):
            self.assertRaises(BadCiphertext, identity.open_sealed, ciphertext, label, context)

    def test_round_trip(self) -> None:
        """What was encoded decodes to an identity that signs, opens and derives the same."""
        again = Identity.decode(ALICE.encode())
        self.assertEqual(again.bundle, ALICE.bundle)
        self.assertEqual(again.encode(), ALICE.encode())
        self.assertEqual(again.sign("test"), ALICE.sign("test"))
        self.assertEqual(again.derive("test", ""), ALICE.derive("test", ""))
        self.assertEqual(again.open_sealed(ALICE.bundle.seal("t", "", b"s"), "t", ""), b"s")

    def test_shape(self) -> None:
        """Secrets of another version or shape are refused."""
        self.assertRaises(UnsupportedVersion, Identity.decode, encode(2))
        self.assertRaises(EncodingError, Identity.decode, encode(1, bytes(32), bytes(96)))

    def test_derive(self) -> None:
        """Derived keys have 32 bytes and differ by identity, label and context."""
        keys = {
            identity.derive(label, context)
            for identity in (ALICE, BOB)
            for label in ("one", "two")
            for context in ("", "more")
        }
        self.assertEqual(len(keys), 8)
        self.assertEqual({len(key) for key in keys}, {32})

    def test_repr(self) -> None:
        """An identity shows as the beginning of its fingerprint, and of its secrets nothing."""
        self.assertEqual(repr(ALICE), f"<Identity {short(ALICE.fingerprint)}>")
