"""Tests of `securechat.trusted`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode, encode
from securechat.errors import BadPetname, BundleMismatch
from securechat.fingerprint import short, to_groups
from securechat.identity import Identity
from securechat.revocation import revocation
from securechat.trusted import Revoked, Trusted, Verification, check_petname

ALICE, BOB, CAROL = (Identity.generate() for _ in range(3))
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class PetnameTests(SynchronousTestCase):
    """The user's own words for others."""

    def test_names(self) -> None:
        """Names of any script, with single spaces, are taken, in NFC."""
        for name in ("bob", "Bob the Builder", "Жанна", "李", "x" * 64):
            self.assertEqual(check_petname(name), name)
        self.assertEqual(check_petname("Ren\u0065\u0301"), "Ren\u00e9")

    def test_others(self) -> None:
        """What cannot be a petname is refused with the reason."""
        groups = to_groups(BOB.fingerprint)
        for text, what in {
            "": "empty",
            "x" * 65: "65 characters",
            " bob": "spaces",
            "bob  b": "spaces",
            "bob\n": "spaces",
            "b\u202eob": "do not show",
            "\x1b[2J": "do not show",
            "\u200b": "do not show",
            groups.replace("-", ""): "fingerprint",
            short(BOB.fingerprint).lower(): "fingerprint",
        }.items():
            error = self.assertRaises(BadPetname, check_petname, text)
            self.assertIn(what, str(error))

    @given(st.text(st.characters(exclude_categories=())))
    def test_any_text(self, text: str) -> None:
        """Any text is a petname, which stays as it is, or is refused in words that show."""
        try:
            name = check_petname(text)
        except BadPetname as error:
            self.assertTrue(str(error).isprintable())
        else:
            self.assertEqual(check_petname(name), name)


class TrustedTests(SynchronousTestCase):
    """What is known of one identity."""

    def test_hearsay_is_never_verified(self) -> None:
        """Whoever came by another's word, or was just believed, is not verified; others are."""
        for how in ("typed", "file", "invited"):
            self.assertTrue(Trusted("bob", BOB.fingerprint, how, NOON).verified)
        vouched = Trusted("bob", BOB.fingerprint, "vouched", NOON, ALICE.fingerprint)
        self.assertFalse(vouched.verified)
        self.assertFalse(Trusted("bob", BOB.fingerprint, "first-use", NOON).verified)

    def test_compared_is_verified(self) -> None:
        """Whom the user has compared is verified, however the fingerprint came."""
        compared = Verification("voice", NOON)
        vouched = Trusted("bob", BOB.fingerprint, "vouched", NOON, ALICE.fingerprint)
        first = Trusted("bob", BOB.fingerprint, "first-use", NOON)
        for each in vouched, first, vouched.succeeded(CAROL.bundle, NOON):
            self.assertFalse(each.verified)
            self.assertTrue(attrs.evolve(each, verification=compared).verified)

    def test_ways_to_compare(self) -> None:
        """The ways are few, and no other is noted; the time is in UTC, to the second."""
        with self.assertRaises(ValueError):
            Verification("hearsay", NOON)  # type: ignore[arg-type]  # that is the point
        with self.assertRaises(ValueError):
            Verification("voice", datetime(2030, 1, 2))
        self.assertEqual(Verification("qr", NOON.replace(microsecond=1)).when, NOON)

    def test_voucher(self) -> None:
        """There is a voucher exactly where somebody vouched, and a successor is one of somebody."""
        for how, voucher in (
            ("vouched", None),
            ("typed", ALICE.fingerprint),
            ("invited", ALICE.fingerprint),
            ("first-use", ALICE.fingerprint),
            ("dreamt", None),
            ("succeeded", None),
        ):
            with self.assertRaises(ValueError):
                Trusted("bob", BOB.fingerprint, how, NOON, voucher)  # type: ignore[arg-type]  # any

    def test_successor(self) -> None:
        """Has the name of whom it succeeded, is as well verified, and knows whom it succeeded."""
        later = NOON + timedelta(days=1)
        bob = Trusted("bob", BOB.fingerprint, "typed", NOON)
        new = bob.succeeded(CAROL.bundle, later)
        self.assertEqual(
            new,
            Trusted(
                "bob",
                CAROL.fingerprint,
                "succeeded",
                later,
                bundle=CAROL.bundle,
                before=(BOB.fingerprint,),
                was_verified=True,
            ),
        )
        self.assertTrue(new.verified)
        vouched = attrs.evolve(bob, how="vouched", voucher=ALICE.fingerprint)
        self.assertFalse(vouched.succeeded(CAROL.bundle, later).verified)
        compared = attrs.evolve(vouched, verification=Verification("qr", NOON))
        successor = compared.succeeded(CAROL.bundle, later)
        self.assertEqual((successor.verified, successor.verification), (True, None))
        first = attrs.evolve(bob, how="first-use")
        self.assertFalse(first.succeeded(CAROL.bundle, later).verified)
        with self.assertRaises(ValueError):
            attrs.evolve(bob, was_verified=True)
        newest = new.succeeded(ALICE.bundle, later)
        self.assertEqual(newest.before, (BOB.fingerprint, CAROL.fingerprint))

    def test_bundle(self) -> None:
        """A bundle that does not have the fingerprint is refused, and both are shown."""
        with self.assertRaises(BundleMismatch) as caught:
            Trusted("bob", BOB.fingerprint, "file", NOON, bundle=CAROL.bundle)
        for identity in (BOB, CAROL):
            self.assertIn(to_groups(identity.fingerprint), str(caught.exception))

    def test_time(self) -> None:
        """Time is kept in UTC to the second; without a time zone it is none."""
        there = timezone(timedelta(hours=2))
        local = datetime(2030, 1, 2, 14, 0, 0, 999, tzinfo=there)
        when = Trusted("bob", BOB.fingerprint, "typed", local).when
        self.assertEqual((when, when.tzinfo), (NOON, UTC))
        with self.assertRaises(ValueError):
            Trusted("bob", BOB.fingerprint, "typed", datetime(2030, 1, 2))

    def test_repr(self) -> None:
        """What is known shows in a log by the beginnings of fingerprints."""
        shown = repr(Trusted("bob", BOB.fingerprint, "typed", NOON).succeeded(CAROL.bundle, NOON))
        self.assertIn(f"before={short(BOB.fingerprint)}", shown)


class RevokedTests(SynchronousTestCase):
    """What is known of an identity that is never to be trusted again."""

    def test_signature(self) -> None:
        """Is the one in the certificate, which the owner's key has made."""
        bob = Revoked(BOB.fingerprint, revocation(BOB), NOON)
        BOB.bundle.verify(bob.signature, "revocation", BOB.fingerprint)

    def test_round_trip(self) -> None:
        """What is known comes back from its bytes as it was."""
        bob = Revoked(BOB.fingerprint, revocation(BOB), NOON, "bob")
        (value,) = decode(encode(bob.value()))
        self.assertEqual(Revoked.of(value), bob)
