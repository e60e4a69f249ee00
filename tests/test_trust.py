"""Tests of `securechat.trust`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import encode
from securechat.errors import (
    AlreadyTrusted,
    BadPetname,
    BundleMismatch,
    DamagedFile,
    NotTrusted,
    PetnameTaken,
)
from securechat.fingerprint import short, to_groups
from securechat.identity import Identity
from securechat.sealedfile import SealedFile
from securechat.trust import TRUST_FILE, VERSION, Trusted, TrustStore, check_petname

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
        """Whoever came by another's word is not verified; whom the user met is."""
        for how in ("typed", "file"):
            self.assertTrue(Trusted("bob", BOB.fingerprint, how, NOON).verified)
        vouched = Trusted("bob", BOB.fingerprint, "vouched", NOON, ALICE.fingerprint)
        self.assertFalse(vouched.verified)

    def test_voucher(self) -> None:
        """There is a voucher exactly where somebody vouched."""
        for how, voucher in (("vouched", None), ("typed", ALICE.fingerprint), ("dreamt", None)):
            with self.assertRaises(ValueError):
                Trusted("bob", BOB.fingerprint, how, NOON, voucher)  # type: ignore[arg-type]  # any

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


class StoreTests(SynchronousTestCase):
    """The store, in memory."""

    def setUp(self) -> None:
        self.store = self.open()

    def open(self) -> TrustStore:
        """Return a store to try."""
        return TrustStore()

    def test_add(self) -> None:
        """Who was added is found by fingerprint and by petname, of any case."""
        bob = self.store.add("Bob", BOB.fingerprint, "typed", NOON)
        self.assertEqual(bob, Trusted("Bob", BOB.fingerprint, "typed", NOON))
        self.assertEqual(self.store.find(BOB.fingerprint), bob)
        self.assertEqual(self.store.by_name("bOB"), bob)
        self.assertIn(BOB.fingerprint, self.store)
        self.assertNotIn(CAROL.fingerprint, self.store)
        self.assertIsNone(self.store.find(CAROL.fingerprint))
        self.assertIsNone(self.store.by_name("carol"))

    def test_order(self) -> None:
        """They stand in the order in which they came."""
        for name, identity in (("zoe", BOB), ("carol", CAROL), ("alice", ALICE)):
            self.store.add(name, identity.fingerprint, "typed", NOON)
        self.assertEqual([each.petname for each in self.store], ["zoe", "carol", "alice"])
        self.assertEqual(len(self.store), 3)

    def test_one_petname_one_identity(self) -> None:
        """A petname that is taken, in any case, is refused and stays with whom it names."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        error = self.assertRaises(
            PetnameTaken, self.store.add, "BOB", CAROL.fingerprint, "typed", NOON
        )
        self.assertIn(to_groups(BOB.fingerprint), str(error))
        self.assertNotIn(CAROL.fingerprint, self.store)

    def test_one_identity_one_petname(self) -> None:
        """An identity that has another petname is refused, and that one is told."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        error = self.assertRaises(
            AlreadyTrusted, self.store.add, "rob", BOB.fingerprint, "typed", NOON
        )
        self.assertIn("trust remove 'bob'", str(error))

    def test_add_again(self) -> None:
        """To add one again tells the newer way it came, and keeps its bundle."""
        self.store.add("bob", BOB.fingerprint, "vouched", NOON, BOB.bundle, ALICE.fingerprint)
        later = NOON + timedelta(days=1)
        self.store.add("bob", BOB.fingerprint, "typed", later)
        expected = Trusted("bob", BOB.fingerprint, "typed", later, bundle=BOB.bundle)
        self.assertEqual(list(self.store), [expected])

    def test_hearsay_changes_nothing(self) -> None:
        """Whom the user verified stays so when others vouch; only the bundle is learnt."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        later = NOON + timedelta(days=1)
        self.store.add("bob", BOB.fingerprint, "vouched", later, BOB.bundle, ALICE.fingerprint)
        expected = Trusted("bob", BOB.fingerprint, "typed", NOON, bundle=BOB.bundle)
        self.assertEqual(list(self.store), [expected])

    def test_remove(self) -> None:
        """Who was removed is trusted no more, and the petname is free."""
        bob = self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.assertEqual(self.store.remove("Bob"), bob)
        self.assertNotIn(BOB.fingerprint, self.store)
        self.store.add("bob", CAROL.fingerprint, "typed", NOON)

    def test_remove_nobody(self) -> None:
        """Who is not there cannot be removed."""
        error = self.assertRaises(NotTrusted, self.store.remove, "bob\x1b")
        self.assertIn("bob is not among", str(error))

    def test_learn_bundle(self) -> None:
        """The bundle of a trusted identity is kept; all else stays."""
        bob = self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.assertIsNone(bob.bundle)
        self.store.learn_bundle(BOB.fingerprint, BOB.bundle)
        expected = Trusted("bob", BOB.fingerprint, "typed", NOON, bundle=BOB.bundle)
        self.assertEqual(list(self.store), [expected])

    def test_learn_wrong_bundle(self) -> None:
        """Another's bundle is refused, and so is that of who is not trusted."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        learn = self.store.learn_bundle
        self.assertRaises(BundleMismatch, learn, BOB.fingerprint, CAROL.bundle)
        error = self.assertRaises(NotTrusted, learn, CAROL.fingerprint, CAROL.bundle)
        self.assertIn(to_groups(CAROL.fingerprint), str(error))
        self.assertEqual(list(self.store), [Trusted("bob", BOB.fingerprint, "typed", NOON)])


class FileStoreTests(StoreTests):
    """The same on disk, and what only a file can meet."""

    def open(self) -> TrustStore:
        if not hasattr(self, "home"):
            self.home = Path(self.mktemp()).resolve() / "home"
        return TrustStore.open(self.home, ALICE)

    def test_round_trip(self) -> None:
        """All that is known is there again, in the same order."""
        self.store.add("bob", BOB.fingerprint, "file", NOON, BOB.bundle)
        self.store.add("Жанна", CAROL.fingerprint, "vouched", NOON, voucher=BOB.fingerprint)
        self.assertEqual(list(self.open()), list(self.store))
        self.assertEqual(len(self.store), 2)

    def test_two_programs(self) -> None:
        """What another program added is not lost by one's own change, and shows on refresh."""
        other = self.open()
        other.add("bob", BOB.fingerprint, "typed", NOON)
        self.assertNotIn(BOB.fingerprint, self.store)
        self.store.refresh()
        self.assertIn(BOB.fingerprint, self.store)
        other.add("carol", CAROL.fingerprint, "typed", NOON)
        self.store.learn_bundle(BOB.fingerprint, BOB.bundle)
        self.assertEqual([each.petname for each in self.open()], ["bob", "carol"])

    def test_failed_change(self) -> None:
        """What could not be written is not believed either."""

        def full(content: bytes) -> None:
            raise OSError("no space left")

        file = SealedFile(self.home / TRUST_FILE, ALICE, "trust", VERSION)
        self.patch(file, "write", full)
        store = TrustStore(file)
        self.assertRaises(OSError, store.add, "bob", BOB.fingerprint, "typed", NOON)
        self.assertNotIn(BOB.fingerprint, store)

    def test_foreign_file(self) -> None:
        """The file of another identity is refused, for reading and for change, and stays."""
        TrustStore.open(self.home, BOB).add("carol", CAROL.fingerprint, "typed", NOON)
        before = (self.home / TRUST_FILE).read_bytes()
        self.assertRaises(DamagedFile, self.open)
        self.assertRaises(DamagedFile, self.store.add, "bob", BOB.fingerprint, "typed", NOON)
        self.assertEqual((self.home / TRUST_FILE).read_bytes(), before)

    def test_nonsense(self) -> None:
        """Content of another shape, as only a faulty program could write, is refused."""
        fp, when = BOB.fingerprint, NOON.isoformat()
        for content in (
            b"",
            encode(1),
            encode(["bob", fp, "typed", when, b""]),
            encode(["", fp, "typed", when, b"", b""]),
            encode(["bob", fp, "dreamt", when, b"", b""]),
            encode(["bob", fp, "typed", "noon", b"", b""]),
            encode(["bob", fp, "typed", when, b"", CAROL.bundle.encode()]),
            encode(["bob", fp, "typed", when, b"", encode(2)]),
        ):
            SealedFile(self.home / TRUST_FILE, ALICE, "trust", VERSION).write(content)
            error = self.assertRaises(DamagedFile, self.open)
            self.assertIn("trusted identities", str(error))
