"""Tests of `securechat.revocation`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode, encode
from securechat.errors import BadSignature, EncodingError, Malformed, UnsupportedVersion
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from securechat.revocation import check_revocation, from_armour, revocation, to_armour

ALICE = Identity.generate()
CERTIFICATE = revocation(ALICE)


class RevocationTests(SynchronousTestCase):
    """An identity's word that it is to be trusted no more."""

    def test_proves_itself(self) -> None:
        """A certificate gives the fingerprint of the identity that made it."""
        self.assertEqual(check_revocation(CERTIFICATE), ALICE.fingerprint)

    def test_nobody_else_can_make_it(self) -> None:
        """A certificate with the keys of one identity and the signature of another is refused."""
        *keys, _ = decode(CERTIFICATE)
        *_, signature = decode(revocation(Identity.generate()))
        self.assertRaises(BadSignature, check_revocation, encode(*keys, signature))

    @given(st.integers(0, len(CERTIFICATE) - 1), st.integers(1, 255))
    def test_any_byte_changed(self, place: int, change: int) -> None:
        """A certificate of which any one byte was changed is refused."""
        wrong = bytearray(CERTIFICATE)
        wrong[place] ^= change
        with self.assertRaises((Malformed, BadSignature)):
            check_revocation(bytes(wrong))

    def test_another_version(self) -> None:
        """A certificate of a later version is refused as such."""
        self.assertRaises(UnsupportedVersion, check_revocation, encode(2, b"anything"))

    def test_as_text(self) -> None:
        """A certificate survives as text, which shows the fingerprint that it revokes."""
        text = to_armour(CERTIFICATE)
        groups = to_groups(ALICE.fingerprint)
        self.assertIn(groups, text)
        self.assertEqual(from_armour(text), CERTIFICATE)
        self.assertEqual(from_armour(text.replace("# " + groups, "")), CERTIFICATE)

    def test_text_that_shows_another(self) -> None:
        """A text that shows another fingerprint than it revokes is refused."""
        text = to_armour(CERTIFICATE)
        wrong = text.replace(to_groups(ALICE.fingerprint), to_groups(bytes(32)))
        self.assertRaises(EncodingError, from_armour, wrong)

    def test_only_certificates_become_text(self) -> None:
        """What is no certificate is not armoured as one."""
        self.assertRaises(EncodingError, to_armour, b"no certificate")
