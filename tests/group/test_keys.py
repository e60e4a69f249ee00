"""
The key schedule, against an independent little implementation of it.

What is expected here is computed with `hashlib` and `hmac` alone, and with CBOR written by hand,
so that nothing of the code under test says what is right.
"""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.group.entry import Entry
from securechat.group.keys import (
    NO_CHAIN,
    NOTHING_FRESH,
    EpochKeys,
    Ratchet,
    confirmation,
    epoch_secret,
)
from tests.group.kit import ALICE, BOB, adding, founded
from tests.group.test_entry import entries
from tests.group.test_roster import hashes


def head(major: int, length: int) -> bytes:
    """The first bytes of a CBOR item (RFC 8949, section 3)."""
    if length < 24:
        return bytes([major << 5 | length])
    size = 1 if length < 1 << 8 else 2 if length < 1 << 16 else 4 if length < 1 << 32 else 8
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + length.to_bytes(size, "big")


def cbor(value: object) -> bytes:
    """The deterministic encoding of *value*."""
    match value:
        case int():
            return head(0, value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list():
            return head(4, len(value)) + b"".join(map(cbor, value))
        case _:
            raise TypeError(type(value))


def extract(salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, section 2.2)."""
    return hmac.new(salt, secret, hashlib.sha256).digest()


def expand(key: bytes, label: str, context: bytes | str) -> bytes:
    """HKDF-Expand (RFC 5869, section 2.3) to 32 bytes: one block."""
    info = cbor(["securechat/v1", label, context])
    return hmac.new(key, info + b"\1", hashlib.sha256).digest()


def hashed(label: str, *values: object) -> bytes:
    """H(label, …)."""
    return hashlib.sha256(cbor(["securechat/v1", label, *values])).digest()


class ScheduleTests(SynchronousTestCase):
    """From one epoch to the next."""

    @given(hashes, hashes, entries)
    def test_epoch_secret(self, chain: bytes, fresh: bytes, entry: Entry) -> None:
        """es_E = Expand(Extract(chain_{E-1}, s_E), "epoch", H("ent", ent))."""
        self.assertEqual(
            epoch_secret(chain, fresh, entry),
            expand(extract(chain, fresh), "epoch", hashed("ent", entry.value())),
        )

    def test_confirmation(self) -> None:
        """The tag is HMAC(Expand(es, "confirm", ""), ent), as an array that holds ent alone."""
        entry = founded().newest
        key = expand(b"\7" * 32, "confirm", "")
        tag = hmac.new(key, cbor([entry.value()]), hashlib.sha256).digest()
        self.assertEqual(confirmation(b"\7" * 32, entry), tag)

    @given(hashes, st.lists(hashes, max_size=5))
    def test_epoch_keys(self, secret: bytes, roster: list[bytes]) -> None:
        """The chain, and one key for the fingerprint of each row."""
        keys = EpochKeys.of(secret, roster)
        self.assertEqual(keys.chain, expand(secret, "chain", ""))
        self.assertEqual(
            keys.ratchets,
            {row: Ratchet(expand(secret, "sender", fp)) for row, fp in enumerate(roster)},
        )

    def test_the_first_two_epochs(self) -> None:
        """A room is founded on a fresh secret; an add needs none, and depends on the past."""
        log = founded()
        fresh = b"\5" * 32
        first = expand(extract(bytes(32), fresh), "epoch", hashed("ent", log.newest.value()))
        self.assertEqual(epoch_secret(NO_CHAIN, fresh, log.newest), first)
        later = log.after(adding(log, BOB, ALICE))
        chain = EpochKeys.of(first, [ALICE.fingerprint]).chain
        second = expand(
            extract(expand(first, "chain", ""), bytes(32)),
            "epoch",
            hashed("ent", later.newest.value()),
        )
        self.assertEqual(epoch_secret(chain, NOTHING_FRESH, later.newest), second)

    def test_keys_are_kept_apart(self) -> None:
        """No two of the keys that come from one secret are the same."""
        secret = b"\7" * 32
        keys = EpochKeys.of(secret, [ALICE.fingerprint, BOB.fingerprint])
        message, after = keys.ratchets[0].step()
        derived = [
            secret,
            keys.chain,
            expand(secret, "confirm", ""),
            keys.ratchets[0].key,
            keys.ratchets[1].key,
            message,
            after.key,
        ]
        self.assertEqual(len(set(derived)), len(derived))


class RatchetTests(SynchronousTestCase):
    """One sender's keys."""

    @given(hashes, st.integers(0, 1000))
    def test_a_step(self, key: bytes, n: int) -> None:
        """One key for the message, another to go on from; n counts."""
        message, after = Ratchet(key, n).step()
        self.assertEqual(message, expand(key, "message", ""))
        self.assertEqual(after, Ratchet(expand(key, "next", ""), n + 1))

    @given(hashes, st.integers(0, 30))
    def test_to_skip_is_to_step(self, key: bytes, count: int) -> None:
        """Skipping n messages leads where n steps lead; skipping none changes nothing."""
        stepped = skipped = Ratchet(key)
        for _ in range(count):
            _, stepped = stepped.step()
        self.assertEqual(skipped.skip(count), stepped)
        self.assertEqual(stepped.n, count)

    def test_old_ratchets_stay_as_they_are(self) -> None:
        """A step gives a new ratchet: one that led nowhere is just dropped."""
        ratchet = Ratchet(bytes(32))
        ratchet.step()
        ratchet.skip(3)
        self.assertEqual(ratchet, Ratchet(bytes(32), 0))


class SecrecyTests(SynchronousTestCase):
    """What is not shown."""

    def test_no_key_is_in_a_repr(self) -> None:
        """Neither ratchets nor an epoch's keys show what they hold."""
        keys = EpochKeys.of(b"\7" * 32, [ALICE.fingerprint])
        for text in (repr(keys), repr(keys.ratchets), repr(keys.ratchets[0])):
            for key in (keys.chain, keys.ratchets[0].key):
                self.assertNotIn(repr(key)[2:10], text)
                self.assertNotIn(key.hex(), text)
