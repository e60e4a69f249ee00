"""Tests of `securechat.text`."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.text import clean_name, printable

everything = st.text(st.characters(exclude_categories=()))


class PrintableTests(SynchronousTestCase):
    """What others wrote, before a terminal gets it."""

    def test_escape_sequences(self) -> None:
        """Control characters of both ranges are taken out, so no sequence is left."""
        self.assertEqual(printable("a\x1b[2Jb\x07c\x9bd\x00\x7fe"), "a[2Jbcde")

    def test_lines(self) -> None:
        """Every line end and tab becomes a space: nobody can fake a line of another."""
        self.assertEqual(
            printable("hi\nbob: yes\r\nx\ty\u2028z\x85w\vv\fu\u2029t"), "hi bob: yes  x y z w v u t"
        )

    def test_direction(self) -> None:
        """Characters that turn the direction of what follows are taken out."""
        bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        self.assertEqual(printable(f"a{bidi}b"), "ab")

    def test_unseen(self) -> None:
        """Characters without width, blank letters, tags, private and unassigned ones go."""
        unseen = (
            "\u200b\u200d\ufeff\u00ad\u2060\u3164\uffa0\u115f\u2800\u034f\U000e0041\ue000\u0378"
        )
        self.assertEqual(printable(f"a{unseen}b"), "ab")
        self.assertEqual(printable("a\ud800b"), "ab")

    def test_ordinary_text(self) -> None:
        """Ordinary text of any script stays as it is."""
        for text in ("Grüße, Ægir!", "Привет", "你好", "שלום", "नमस्ते", "👍🏽", "e=mc²"):
            self.assertEqual(printable(text), unicodedata.normalize("NFC", text))

    @given(everything)
    def test_any_text(self, text: str) -> None:
        """Of any text remains what is in NFC, shows, and would remain again."""
        shown = printable(text)
        self.assertTrue(shown.isprintable() or any(map(str.isspace, shown)))
        self.assertFalse({unicodedata.category(each)[0] for each in shown} & {"C"})
        self.assertTrue(unicodedata.is_normalized("NFC", shown))
        self.assertEqual(printable(shown), shown)
        shown.encode()


class CleanNameTests(SynchronousTestCase):
    """Names that others gave themselves."""

    @given(everything)
    def test_any_name(self, text: str) -> None:
        """A name has at most 64 characters, no spaces in rows, and stays as it is again."""
        name = clean_name(text)
        self.assertLessEqual(len(name), 64)
        self.assertEqual(name, " ".join(name.split()))
        self.assertEqual(clean_name(name), name)

    def test_spaces(self) -> None:
        """Spaces of every kind are one space each, and none at the ends."""
        self.assertEqual(clean_name("\u3000 Bob\u00a0\n the  builder "), "Bob the builder")

    def test_cut(self) -> None:
        """A name that is too long is cut, and does not end in a space."""
        self.assertEqual(clean_name("x" * 63 + " y"), "x" * 63)

    def test_nothing_left(self) -> None:
        """A name of which nothing shows is empty."""
        self.assertEqual(clean_name("\u200b\x1b\u202e"), "")
