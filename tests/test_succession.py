"""Tests of `securechat.succession`."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode, encode
from securechat.errors import BadSignature, EncodingError, Malformed, UnsupportedVersion
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from securechat.succession import (
    Succession,
    check_succession,
    from_armour,
    succession,
    to_armour,
)

OLD, NEW, MALLORY = (Identity.generate() for _ in range(3))
DAY = date(2030, 1, 2)
CERTIFICATE = succession(OLD, NEW, DAY)


class SuccessionTests(SynchronousTestCase):
    """An identity's word that another one takes its place."""

    def test_proves_itself(self) -> None:
        """A certificate gives who gives the place, who takes it, and when."""
        expected = Succession(OLD.fingerprint, NEW.bundle, DAY)
        self.assertEqual(check_succession(CERTIFICATE), expected)

    def test_nobody_gives_the_place_of_another(self) -> None:
        """Whoever does not have the old key cannot name a successor of it."""
        *said, _, by_new = decode(CERTIFICATE)
        *_, by_mallory, _ = decode(succession(MALLORY, NEW, DAY))
        self.assertRaises(BadSignature, check_succession, encode(*said, by_mallory, by_new))

    def test_nobody_is_made_a_successor(self) -> None:
        """Whoever does not have the new key cannot make it the successor of anything."""
        *said, by_old, _ = decode(CERTIFICATE)
        *_, by_mallory = decode(succession(OLD, MALLORY, DAY))
        self.assertRaises(BadSignature, check_succession, encode(*said, by_old, by_mallory))

    def test_signatures_exchanged(self) -> None:
        """The old key's signature is not the new one's, nor the other way round."""
        *said, by_old, by_new = decode(CERTIFICATE)
        self.assertRaises(BadSignature, check_succession, encode(*said, by_new, by_old))

    @given(st.integers(0, len(CERTIFICATE) - 1), st.integers(1, 255))
    def test_any_byte_changed(self, place: int, change: int) -> None:
        """A certificate of which any one byte was changed is refused."""
        wrong = bytearray(CERTIFICATE)
        wrong[place] ^= change
        with self.assertRaises((Malformed, BadSignature)):
            check_succession(bytes(wrong))

    def test_of_itself(self) -> None:
        """An identity is not its own successor."""
        self.assertRaises(EncodingError, check_succession, succession(OLD, OLD, DAY))

    def test_another_version(self) -> None:
        """A certificate of a later version, or for a later bundle, is refused as such."""
        self.assertRaises(UnsupportedVersion, check_succession, encode(2, b"anything"))
        fields = decode(CERTIFICATE)
        fields[3] = encode(2, b"anything")
        self.assertRaises(UnsupportedVersion, check_succession, encode(*fields))

    def test_a_day_has_one_spelling(self) -> None:
        """What is no day, or not spelled as it has to be, is refused before any signature."""
        fields = decode(CERTIFICATE)
        for text in ("", "today", "2030-02-30", "20300102", "2030-W01-3", "2030-01-02T00:00:00"):
            fields[4] = text
            self.assertRaises(EncodingError, check_succession, encode(*fields))

    def test_as_text(self) -> None:
        """A certificate survives as text, which shows both fingerprints."""
        text = to_armour(CERTIFICATE)
        old, new = to_groups(OLD.fingerprint), to_groups(NEW.fingerprint)
        self.assertIn(f"\n# {new} takes the place of {old}\n", text)
        self.assertEqual(from_armour(text), CERTIFICATE)
        self.assertEqual(from_armour(text.replace(f"# {new} takes the place of {old}", "")),
                         CERTIFICATE)  # fmt: skip

    def test_text_that_shows_others(self) -> None:
        """A text that shows another fingerprint than it is about is refused."""
        text = to_armour(CERTIFICATE)
        for identity in OLD, NEW:
            wrong = text.replace(to_groups(identity.fingerprint), to_groups(bytes(32)))
            self.assertRaises(EncodingError, from_armour, wrong)

    def test_only_certificates_become_text(self) -> None:
        """What is no certificate is not armoured as one."""
        self.assertRaises(EncodingError, to_armour, b"no certificate")
