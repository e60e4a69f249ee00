"""Tests of `securechat.armour`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import armour
from securechat.errors import EncodingError


class ArmourTests(SynchronousTestCase):
    """Bytes as text."""

    @given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=40))
    def test_survives_what_surrounds_it(self, data: bytes, before: str, after: str) -> None:
        """What was wrapped is unwrapped, whatever stands around it."""
        text = before + armour.wrap("THING", data, comment="a comment") + after
        self.assertEqual(armour.unwrap("THING", text), (data, "a comment"))

    def test_white_space_does_not_matter(self) -> None:
        """Indented, with other line ends and with empty lines, it is the same."""
        text = armour.wrap("THING", bytes(200), comment="c").replace("\n", "\r\n \t \r\n  ")
        self.assertEqual(armour.unwrap("THING", text), (bytes(200), "c"))

    def test_needs_no_comment(self) -> None:
        """The comment may be missing."""
        text = armour.wrap("THING", b"data", comment="c").replace("# c\n", "")
        self.assertEqual(armour.unwrap("THING", text), (b"data", ""))

    def test_lines_fit_into_mail(self) -> None:
        """No line is longer than 64 characters if the comment is not."""
        lines = armour.wrap("THING", bytes(500), comment="c").splitlines()
        self.assertLessEqual(max(map(len, lines)), 64)

    def test_one_block_exactly(self) -> None:
        """No block, two blocks, and a block of another kind are refused."""
        text = armour.wrap("THING", b"data", comment="c")
        for wrong in ("", text * 2, text.replace("THING", "OTHER"), text[:40]):
            self.assertRaises(EncodingError, armour.unwrap, "THING", wrong)

    def test_damage(self) -> None:
        """Characters that are no base64, missing ones and bits left over are refused."""
        text = armour.wrap("THING", b"data", comment="c")
        for wrong in ("ZGF0YQ=", "ZGF0YR==", "ZGF0*Q==", "ZGF0YQ", "ZGF0YQé="):
            self.assertRaises(
                EncodingError, armour.unwrap, "THING", text.replace("ZGF0YQ==", wrong)
            )

    def test_too_long(self) -> None:
        """A text that is too long is refused before it is searched."""
        text = armour.wrap("THING", b"data", comment="c") + " " * armour.MAX_LENGTH
        self.assertRaises(EncodingError, armour.unwrap, "THING", text)
