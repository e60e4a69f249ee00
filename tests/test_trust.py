"""Tests of `securechat.trust`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import Value, decode, encode
from securechat.errors import (
    AlreadyTrusted,
    BadPetname,
    BadSignature,
    BundleMismatch,
    DamagedFile,
    IdentityRevoked,
    IdentitySucceeded,
    NotTrusted,
    PetnameTaken,
    SuccessorOfRevoked,
    UnsupportedVersion,
)
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from securechat.revocation import revocation
from securechat.sealedfile import SealedFile
from securechat.succession import succession
from securechat.trust import TRUST_FILE, VERSION, TrustStore
from securechat.trusted import Revoked, Trusted, Verification

ALICE, BOB, CAROL, DAVE = (Identity.generate() for _ in range(4))
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def follows(old: Identity, new: Identity) -> bytes:
    """The certificate by which *new* takes the place of *old*."""
    return succession(old, new, date(2030, 1, 2))


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

    def test_verify(self) -> None:
        """That the user compared a fingerprint is noted; all else stays, and so does this."""
        bob = self.store.add("bob", BOB.fingerprint, "vouched", NOON, voucher=ALICE.fingerprint)
        found = self.store.verify(BOB.fingerprint, "voice", LATER)
        self.assertEqual(found, attrs.evolve(bob, verification=Verification("voice", LATER)))
        self.assertTrue(found.verified)
        self.store.add("bob", BOB.fingerprint, "vouched", LATER, BOB.bundle, ALICE.fingerprint)
        expected = attrs.evolve(found, bundle=BOB.bundle)
        self.assertEqual(list(self.store), [expected])
        typed = self.store.add("bob", BOB.fingerprint, "typed", LATER)
        self.assertEqual((typed.how, typed.verification), ("typed", found.verification))
        self.store.verify(BOB.fingerprint, "qr", LATER)
        _, now = self.store.follow(follows(BOB, CAROL), LATER)
        self.assertEqual((now.verified, now.verification), (True, None))

    def test_verify_nobody(self) -> None:
        """Who is not trusted cannot be verified, whoever is meant by the name."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        error = self.assertRaises(NotTrusted, self.store.verify, CAROL.fingerprint, "voice", LATER)
        self.assertIn(to_groups(CAROL.fingerprint), str(error))

    def test_first_use_changes_nothing(self) -> None:
        """Who was believed unattended is not verified, and takes no better word away."""
        self.store.add("bob", BOB.fingerprint, "first-use", NOON)
        self.assertEqual([each.verified for each in self.store], [False])
        invited = self.store.add("bob", BOB.fingerprint, "invited", LATER)
        self.store.add("bob", BOB.fingerprint, "first-use", LATER + timedelta(days=1))
        self.assertEqual(list(self.store), [invited])

    def test_add_all(self) -> None:
        """Each of many is trusted, or it is told why not; one that is refused stops no other."""
        self.store.add("dave", DAVE.fingerprint, "typed", NOON)
        self.store.revoke(revocation(ALICE), NOON)
        offers = [
            ("alice", ALICE.bundle),
            ("bob", BOB.bundle),
            ("Dave", CAROL.bundle),
            ("", CAROL.bundle),
            ("carol", CAROL.bundle),
            ("Bob", CAROL.bundle),
            ("dave", DAVE.bundle),
            ("rob", BOB.bundle),
        ]
        trial = self.store.add_all(offers, LATER, trial=True)
        self.assertEqual([each.petname for each in self.store], ["dave"])
        outcomes = self.store.add_all(offers, LATER)
        self.assertEqual([*map(type, trial)], [*map(type, outcomes)])
        self.assertEqual(
            [*map(type, outcomes)],
            [
                IdentityRevoked,
                Trusted,
                PetnameTaken,
                BadPetname,
                Trusted,
                PetnameTaken,
                Trusted,
                AlreadyTrusted,
            ],
        )
        self.assertEqual([each.petname for each in self.store], ["dave", "bob", "carol"])
        dave, bob, _ = self.store
        self.assertEqual(bob, Trusted("bob", BOB.fingerprint, "file", LATER, bundle=BOB.bundle))
        self.assertEqual((dave.how, dave.when, dave.bundle), ("typed", NOON, DAVE.bundle))

    def test_add_all_better(self) -> None:
        """Who was not verified is, once the owner's file is there."""
        self.store.add("bob", BOB.fingerprint, "vouched", NOON, voucher=ALICE.fingerprint)
        self.store.add_all([("bob", BOB.bundle)], LATER)
        self.assertEqual([(each.how, each.verified) for each in self.store], [("file", True)])

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

    # Revocation

    def test_revoke(self) -> None:
        """Who is revoked is not trusted any more, and is known as revoked, with the evidence."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.assertIsNone(self.store.revocation(BOB.fingerprint))
        revoked = self.store.revoke(revocation(BOB), LATER)
        self.assertEqual(revoked, Revoked(BOB.fingerprint, revocation(BOB), LATER, "bob"))
        self.assertEqual(self.store.revoked, (revoked,))
        self.assertNotIn(BOB.fingerprint, self.store)
        self.assertIsNone(self.store.find(BOB.fingerprint))
        self.assertIsNone(self.store.by_name("bob"))
        self.assertEqual(list(self.store), [])
        evidence = self.store.revocation(BOB.fingerprint)
        assert evidence is not None
        BOB.bundle.verify(evidence, "revocation", BOB.fingerprint)

    def test_revoked_is_never_added(self) -> None:
        """Who is revoked cannot be trusted, whether it was before or not; the name is free."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        for identity in BOB, CAROL:
            self.assertEqual(
                self.store.revoke(revocation(identity), NOON).petname,
                "bob" if identity is BOB else "",
            )
            error = self.assertRaises(
                IdentityRevoked, self.store.add, "bob", identity.fingerprint, "typed", LATER
            )
            self.assertIn(to_groups(identity.fingerprint), str(error))
        self.store.add("bob", DAVE.fingerprint, "typed", LATER)

    def test_revoke_again(self) -> None:
        """To revoke one again changes nothing of what is known."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        first = self.store.revoke(revocation(BOB), NOON)
        self.assertEqual(self.store.revoke(revocation(BOB), LATER), first)
        self.assertEqual(self.store.revoked, (first,))

    def test_nobody_else_revokes(self) -> None:
        """A certificate that the identity did not sign changes nothing."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        *keys, _ = decode(revocation(BOB))
        *_, signature = decode(revocation(CAROL))
        self.assertRaises(BadSignature, self.store.revoke, encode(*keys, signature), NOON)
        self.assertIn(BOB.fingerprint, self.store)

    # Succession

    def test_follow(self) -> None:
        """The new one has the name and the place of the old one, who is not trusted any more."""
        bob = self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.add("dave", DAVE.fingerprint, "typed", NOON)
        was, now = self.store.follow(follows(BOB, CAROL), LATER)
        self.assertEqual((was, now), (bob, bob.succeeded(CAROL.bundle, LATER)))
        self.assertEqual([each.petname for each in self.store], ["bob", "dave"])
        self.assertEqual(self.store.by_name("bob"), now)
        self.assertNotIn(BOB.fingerprint, self.store)
        self.assertEqual(self.store.successor(BOB.fingerprint), now)
        self.assertIsNone(self.store.successor(CAROL.fingerprint))

    def test_follow_who_was_vouched_for(self) -> None:
        """A successor is no better verified than whom it succeeded, until the user does it."""
        self.store.add("bob", BOB.fingerprint, "vouched", NOON, voucher=ALICE.fingerprint)
        _, now = self.store.follow(follows(BOB, CAROL), LATER)
        self.assertEqual((now.how, now.verified, now.voucher),
                         ("succeeded", False, ALICE.fingerprint))  # fmt: skip
        better = self.store.add("bob", CAROL.fingerprint, "typed", LATER)
        self.assertTrue(better.verified)
        self.assertEqual((better.before, better.bundle), ((BOB.fingerprint,), CAROL.bundle))

    def test_chain(self) -> None:
        """Who follows step by step comes to the last one; what is old stays old."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        first = follows(BOB, CAROL)
        self.store.follow(first, NOON)
        _, now = self.store.follow(follows(CAROL, DAVE), LATER)
        self.assertEqual(now.before, (BOB.fingerprint, CAROL.fingerprint))
        self.assertEqual(list(self.store), [now])
        for certificate in first, follows(CAROL, DAVE), follows(BOB, ALICE), follows(DAVE, BOB):
            error = self.assertRaises(IdentitySucceeded, self.store.follow, certificate, LATER)
            self.assertIn(to_groups(DAVE.fingerprint), str(error))
        self.assertEqual(list(self.store), [now])

    def test_succeeded_is_not_added_beside_its_successor(self) -> None:
        """Only whoever removes the successor can trust the old one again."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.follow(follows(BOB, CAROL), NOON)
        add = self.store.add
        error = self.assertRaises(IdentitySucceeded, add, "rob", BOB.fingerprint, "typed", LATER)
        self.assertIn("trust remove 'bob'", str(error))
        self.store.remove("bob")
        add("bob", BOB.fingerprint, "typed", LATER)

    def test_follow_whom_nobody_knows(self) -> None:
        """The successor of somebody who is not trusted is nobody."""
        error = self.assertRaises(NotTrusted, self.store.follow, follows(BOB, CAROL), NOON)
        self.assertIn(to_groups(BOB.fingerprint), str(error))
        self.assertEqual(list(self.store), [])

    def test_successor_with_a_name_of_its_own(self) -> None:
        """Where the new one is trusted already, the user decides which name is to go."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.add("rob", CAROL.fingerprint, "typed", NOON)
        follow, certificate = self.store.follow, follows(BOB, CAROL)
        error = self.assertRaises(AlreadyTrusted, follow, certificate, LATER)
        self.assertIn("trust remove 'rob'", str(error))
        self.store.remove("rob")
        follow(certificate, LATER)

    def test_revocation_wins(self) -> None:
        """Who is revoked names no successor, and nobody's successor is who is revoked."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.add("dave", DAVE.fingerprint, "typed", NOON)
        self.store.revoke(revocation(BOB), NOON)
        self.store.revoke(revocation(ALICE), NOON)
        follow = self.store.follow
        error = self.assertRaises(SuccessorOfRevoked, follow, follows(BOB, CAROL), LATER)
        self.assertIn("stole its key", str(error))
        self.assertRaises(IdentityRevoked, follow, follows(DAVE, ALICE), LATER)
        self.assertEqual([each.petname for each in self.store], ["dave"])

    def test_revocation_after_succession(self) -> None:
        """Whoever took the place before stays trusted; the old one can never come back."""
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        _, now = self.store.follow(follows(BOB, CAROL), NOON)
        self.assertEqual(self.store.revoke(revocation(BOB), LATER).petname, "bob")
        self.assertEqual(list(self.store), [now])
        self.assertEqual(self.store.successor(BOB.fingerprint), now)
        self.store.remove("bob")
        add = self.store.add
        self.assertRaises(IdentityRevoked, add, "bob", BOB.fingerprint, "typed", LATER)

    # Another identity of the same user

    def test_take_over(self) -> None:
        """A new identity trusts whom the old one did, as well, and revokes whom it did."""
        other = TrustStore()
        other.add("bob", BOB.fingerprint, "vouched", NOON, voucher=ALICE.fingerprint)
        other.add("dave", DAVE.fingerprint, "typed", NOON)
        other.add("me", ALICE.fingerprint, "typed", NOON)
        other.revoke(revocation(CAROL), NOON)
        self.assertEqual(self.store.take_over(other, ALICE.fingerprint), [])
        self.assertEqual([each.petname for each in self.store], ["bob", "dave"])
        self.assertEqual(list(self.store), list(other)[:2])
        self.assertEqual(self.store.revoked, other.revoked)
        self.assertEqual(self.store.take_over(other, ALICE.fingerprint), [])
        self.assertEqual(len(self.store), 2)

    def test_take_over_where_somebody_is_known(self) -> None:
        """What is known here stays; only a revocation counts, wherever it is known."""
        other = TrustStore()
        other.add("rob", BOB.fingerprint, "vouched", NOON, voucher=ALICE.fingerprint)
        other.add("Dave", DAVE.fingerprint, "typed", NOON)
        other.revoke(revocation(CAROL), NOON)
        bob = self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.add("dave", CAROL.fingerprint, "typed", NOON)
        self.store.take_over(other, ALICE.fingerprint)
        self.assertEqual([each.petname for each in self.store], ["bob", "Dave"])
        self.assertEqual(self.store.find(BOB.fingerprint), bob)
        self.assertEqual([each.petname for each in self.store.revoked], ["dave"])

    def test_take_over_names_that_are_taken(self) -> None:
        """Who has the petname of another here is left out, and told."""
        other = TrustStore()
        bob = other.add("Bob", BOB.fingerprint, "typed", NOON)
        self.store.add("bob", CAROL.fingerprint, "typed", NOON)
        self.assertEqual(self.store.take_over(other, ALICE.fingerprint), [bob])
        self.assertNotIn(BOB.fingerprint, self.store)

    def test_take_over_a_successor(self) -> None:
        """Nobody is trusted beside an earlier identity of theirs: the user follows, or decides."""
        other = TrustStore()
        other.add("rob", BOB.fingerprint, "typed", NOON)
        _, rob = other.follow(follows(BOB, CAROL), NOON)
        bob = self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.assertEqual(self.store.take_over(other, ALICE.fingerprint), [rob])
        self.assertEqual(list(self.store), [bob])

    def test_take_over_who_was_succeeded(self) -> None:
        """Whose successor is trusted here is not trusted again."""
        other = TrustStore()
        other.add("rob", BOB.fingerprint, "typed", NOON)
        self.store.add("bob", BOB.fingerprint, "typed", NOON)
        self.store.follow(follows(BOB, CAROL), NOON)
        self.assertEqual(self.store.take_over(other, ALICE.fingerprint), [])
        self.assertNotIn(BOB.fingerprint, self.store)


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
        self.store.follow(follows(BOB, DAVE), LATER)
        self.store.verify(DAVE.fingerprint, "in-person", LATER)
        self.store.revoke(revocation(CAROL), LATER)
        self.store.revoke(revocation(ALICE), LATER)
        again = self.open()
        self.assertEqual(list(again), list(self.store))
        self.assertEqual(again.revoked, self.store.revoked)
        self.assertEqual((len(again), len(again.revoked)), (1, 2))

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

    def test_older_file(self) -> None:
        """What the first version wrote is read as it was meant, and written as of this one."""
        rows: list[Value] = [
            ("bob", BOB.fingerprint, "file", NOON.isoformat(), b"", BOB.bundle.encode()),
            ("carol", CAROL.fingerprint, "vouched", NOON.isoformat(), BOB.fingerprint, b""),
        ]
        SealedFile(self.home / TRUST_FILE, ALICE, "trust", 1).write(encode(*rows))
        store = self.open()
        expected = [
            Trusted("bob", BOB.fingerprint, "file", NOON, bundle=BOB.bundle),
            Trusted("carol", CAROL.fingerprint, "vouched", NOON, BOB.fingerprint),
        ]
        self.assertEqual((list(store), store.revoked), (expected, ()))
        store.remove("carol")
        SealedFile(self.home / TRUST_FILE, ALICE, "trust", VERSION).read()
        self.assertEqual(list(self.open()), expected[:1])

    def test_file_of_version_2(self) -> None:
        """What the second version wrote is read as it was meant: nobody better or worse known."""
        fps = [each.fingerprint for each in (BOB, CAROL, DAVE)]
        when, voucher = NOON.isoformat(), Identity.generate().fingerprint
        old = [Identity.generate().fingerprint for _ in range(2)]
        rows: list[Value] = [
            ("bob", fps[0], "succeeded", when, b"", BOB.bundle.encode(), [old[0]]),
            ("carol", fps[1], "succeeded", when, voucher, b"", [old[1]]),
            ("dave", fps[2], "vouched", when, voucher, b"", []),
        ]
        revoked = Revoked(ALICE.fingerprint, revocation(ALICE), NOON, "al")
        file = SealedFile(self.home / TRUST_FILE, ALICE, "trust", 2)
        file.write(encode(rows, [revoked.value()]))
        store = self.open()
        self.assertEqual([each.verified for each in store], [True, False, False])
        self.assertEqual([each.how for each in store], ["succeeded", "succeeded", "vouched"])
        self.assertEqual([each.verification for each in store], [None] * 3)
        self.assertEqual([each.before for each in store], [(old[0],), (old[1],), ()])
        self.assertEqual(store.revoked, (revoked,))
        store.verify(fps[1], "qr", LATER)
        SealedFile(self.home / TRUST_FILE, ALICE, "trust", VERSION).read()
        self.assertEqual([each.verified for each in self.open()], [True, True, False])

    def test_newer_file(self) -> None:
        """What a later version wrote is told as such, and left as it is."""
        SealedFile(self.home / TRUST_FILE, ALICE, "trust", VERSION + 1).write(b"")
        self.assertRaises(UnsupportedVersion, self.open)

    def test_nonsense(self) -> None:
        """Content of another shape, as only a faulty program could write, is refused."""
        fp, when = BOB.fingerprint, NOON.isoformat()
        end = [[], 0, []]
        nonsense: list[Any] = [
            1,
            ["bob", fp, "typed", when, b"", b"", []],
            ["", fp, "typed", when, b"", b"", *end],
            ["bob", fp, "dreamt", when, b"", b"", *end],
            ["bob", fp, "typed", "noon", b"", b"", *end],
            ["bob", fp, "typed", when, b"", CAROL.bundle.encode(), *end],
            ["bob", fp, "typed", when, b"", encode(2), *end],
            ["bob", fp, "succeeded", when, b"", b"", *end],
            ["bob", fp, "typed", when, b"", b"", [fp[1:]], 0, []],
            ["bob", fp, "typed", when, b"", b"", [], 1, []],
            ["bob", fp, "typed", when, b"", b"", [], 0, ["hearsay", when]],
            ["bob", fp, "typed", when, b"", b"", [], 0, ["voice"]],
            ["bob", fp, "typed", when, b"", b"", [], 0, ["voice", "noon"]],
        ]
        contents = [b"", encode(1), encode([]), *(encode([row], []) for row in nonsense)]
        contents += [encode([], [[fp, b"", "noon", ""]]), encode([], [[fp, when]])]
        older = [(1, encode(1)), (1, b""), (2, encode([])), (2, encode([1], []))]
        for version, content in [*older, *((VERSION, each) for each in contents)]:
            SealedFile(self.home / TRUST_FILE, ALICE, "trust", version).write(content)
            self.assertRaises(DamagedFile, self.open)
