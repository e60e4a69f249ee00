"""Entries of the membership log: their bytes, hashes and signatures."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, decode, encode
from securechat.errors import BadSignature, EncodingError
from securechat.group.detail import (
    MAX_OFFICES,
    MAX_REMOVALS,
    SIGNED,
    Add,
    Create,
    Reform,
    Removal,
    Remove,
    Subject,
    Update,
    Why,
    consent,
    leaf_hash,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.primitives import digest
from securechat.wire import LABEL, MAX_ENTRY
from tests.group.kit import ALICE, BOB, CAROL, flipped
from tests.group.test_roster import hashes, numbers, policies

leaves = hashes.map(lambda data: data * 38)  # 1216 bytes
signatures = hashes.map(lambda data: data * 2)
subjects = st.builds(Subject, numbers, hashes, hashes, leaves)
labels = st.from_regex(LABEL, fullmatch=True)
creates = st.builds(Create, hashes, labels, policies, subjects)
adds = st.builds(Add, subjects, hashes, hashes, signatures, numbers, hashes)
removals = st.builds(Removal, hashes, st.sampled_from([Why.STALE, Why.KICKED])) | st.builds(
    Removal, hashes, st.sampled_from(SIGNED), signatures
)
removes = st.lists(
    removals, min_size=1, max_size=MAX_REMOVALS, unique_by=lambda each: each.member
).map(lambda several: Remove(tuple(several)))
updates = st.builds(Update, leaves)
offices = st.lists(hashes, max_size=MAX_OFFICES).map(tuple)
reforms = st.builds(Reform, policies, offices, offices)
details = st.one_of(creates, adds, removes, updates, reforms)
entries = st.builds(Entry, hashes, numbers, hashes, numbers, hashes, hashes, hashes, details)
signed_entries = st.builds(SignedEntry, entries, hashes, signatures)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An entry's bytes with one of them changed, left out or added."""
    data = draw(signed_entries).encode()
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]


def places(value: object, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The paths to all that is inside of the arrays of *value*."""
    if not isinstance(value, list):
        return [path]
    inner = [places(each, (*path, number)) for number, each in enumerate(value)]
    return [path, *(each for some in inner for each in some)]


def replaced(value: Any, path: tuple[int, ...], new: object) -> Any:
    """*value* with what is at *path* replaced by *new*."""
    if not path:
        return new
    at, *rest = path
    return [*value[:at], replaced(value[at], tuple(rest), new), *value[at + 1 :]]


class EncodingTests(SynchronousTestCase):
    """From entries to bytes and back."""

    @given(signed_entries)
    def test_entries_survive(self, signed: SignedEntry) -> None:
        """What is encoded and decoded is the same, hashes to the same, and fits into a line."""
        back = SignedEntry.decode(signed.encode())
        self.assertEqual(back, signed)
        self.assertEqual((back.head, back.entry.hash), (signed.head, signed.entry.hash))
        self.assertLessEqual(len(signed.encode()), MAX_ENTRY)

    @given(st.binary() | damaged())
    @example(encode())
    @example(encode(0, 0, 0))
    @example(encode([], bytes(32), bytes(64)))
    def test_any_bytes_are_an_entry_or_are_refused(self, data: bytes) -> None:
        """What decodes encodes to the same bytes; the rest raises `EncodingError` alone."""
        try:
            signed = SignedEntry.decode(data)
        except EncodingError:
            return
        self.assertEqual(signed.encode(), data)

    @given(signed_entries, st.data())
    def test_every_field_is_checked(self, signed: SignedEntry, data: st.DataObject) -> None:
        """Wherever another type stands, the entry is refused."""
        value = signed.value()
        path = data.draw(st.sampled_from(places(value)))
        old: Any = value
        for at in path:
            old = old[at]
        new = data.draw(st.sampled_from([0, b"", "text", []]))
        if type(new) is not type(old):
            self.assertRaises(EncodingError, SignedEntry.of, replaced(value, path, new))

    @given(signed_entries, st.integers(6, MAX_INTEGER) | st.just(0))
    def test_entries_of_unknown_types_are_refused(self, signed: SignedEntry, kind: int) -> None:
        """Only create, add, remove, update and policy are known."""
        error = self.assertRaises(
            EncodingError, SignedEntry.of, replaced(signed.value(), (0, 0), kind)
        )
        self.assertIn("a type that this version does not know", str(error))

    @given(creates, st.sampled_from(["", "Lobby", "#lobby", "a" * 65, "lobby\n", "l\u00f6bby"]))
    def test_labels_are_checked(self, create: Create, label: str) -> None:
        """A create entry holds a label that can stand in a line."""
        value = attrs.evolve(create, label=label).value()
        self.assertRaises(EncodingError, Create.of, value)


class HashTests(SynchronousTestCase):
    """What the hashes cover."""

    @given(signed_entries, st.data())
    def test_every_field_is_under_the_head(self, signed: SignedEntry, data: st.DataObject) -> None:
        """No byte of an entry, its tag or its signature changes without changing the head."""
        encoded = signed.encode()
        at = data.draw(st.integers(0, len(encoded) - 1))
        try:
            other = SignedEntry.decode(flipped(encoded, at))
        except EncodingError:
            return
        self.assertNotEqual(other.head, signed.head)
        same_content = other.entry == signed.entry
        self.assertEqual(other.entry.hash == signed.entry.hash, same_content)

    def test_leaves_are_hashed_under_their_own_label(self) -> None:
        """A leaf's hash is never that of another key."""
        self.assertEqual(leaf_hash(bytes(1216)), digest("leaf", bytes(1216)))

    def test_subject_is_the_owner_of_the_bundle(self) -> None:
        """A subject made of a bundle has its fingerprint; so has the row made of the subject."""
        subject = Subject.of(BOB.bundle, bytes(1216))
        self.assertEqual(subject.fingerprint, BOB.fingerprint)
        row = subject.row(7, ALICE.fingerprint)
        self.assertEqual(row.fingerprint, BOB.fingerprint)
        self.assertEqual(
            (row.leaf_hash, row.leaf_epoch, row.voucher),
            (leaf_hash(bytes(1216)), 7, ALICE.fingerprint),
        )


class SignatureTests(SynchronousTestCase):
    """Who signed what."""

    def add(self) -> Add:
        """Bob's consent to be added by Alice to the room of zeros."""
        subject = Subject.of(BOB.bundle, b"\1" * 1216)
        add = Add(subject, b"\2" * 32, b"\3" * 32, bytes(64), 5, b"\4" * 32)
        agreed = consent(
            bytes(32),
            5,
            b"\4" * 32,
            BOB.fingerprint,
            ALICE.fingerprint,
            add.init_hash,
            leaf_hash(subject.leaf),
            add.th1,
        )
        return attrs.evolve(add, consent=BOB.sign("consent", *agreed))

    def test_consent_holds(self) -> None:
        """A consent is to one room, one voucher, one head, with these keys."""
        self.add().check_consent(bytes(32), ALICE.fingerprint)

    def test_consent_to_anything_else_does_not_hold(self) -> None:
        """Room, voucher, subject, leaf, init, th1, epoch and head are all bound."""
        add = self.add()
        self.assertRaises(BadSignature, add.check_consent, b"\1" * 32, ALICE.fingerprint)
        self.assertRaises(BadSignature, add.check_consent, bytes(32), CAROL.fingerprint)
        others = [
            attrs.evolve(add, subject=Subject.of(CAROL.bundle, add.subject.leaf)),
            attrs.evolve(add, subject=attrs.evolve(add.subject, leaf=bytes(1216))),
            attrs.evolve(add, subject=attrs.evolve(add.subject, version=2)),
            attrs.evolve(add, init_hash=bytes(32)),
            attrs.evolve(add, th1=bytes(32)),
            attrs.evolve(add, consent=flipped(add.consent, 9)),
            attrs.evolve(add, consent_epoch=6),
            attrs.evolve(add, consent_head=bytes(32)),
        ]
        for other in others:
            self.assertRaises(BadSignature, other.check_consent, bytes(32), ALICE.fingerprint)

    def test_an_author_signs_entry_and_tag(self) -> None:
        """The signature holds for this entry, this tag and this author alone."""
        entry = Entry(bytes(32), 1, bytes(32), 0, bytes(32), bytes(32), bytes(32), self.add())
        signed = SignedEntry.make(entry, b"\5" * 32, ALICE)
        signed.check_signature(ALICE.bundle.ed25519)
        self.assertRaises(BadSignature, signed.check_signature, BOB.bundle.ed25519)
        others = [
            attrs.evolve(signed, tag=bytes(32)),
            attrs.evolve(signed, entry=attrs.evolve(entry, epoch=2)),
            attrs.evolve(signed, signature=flipped(signed.signature)),
        ]
        for other in others:
            self.assertRaises(BadSignature, other.check_signature, ALICE.bundle.ed25519)

    def test_decoding_verifies_nothing(self) -> None:
        """Bytes become an entry whoever made them: who believes it checks it first."""
        entry = Entry(bytes(32), 1, bytes(32), 0, bytes(32), bytes(32), bytes(32), self.add())
        signed = SignedEntry(entry, bytes(32), bytes(64))
        self.assertEqual(SignedEntry.decode(signed.encode()), signed)
        self.assertEqual(decode(signed.encode()), signed.value())
