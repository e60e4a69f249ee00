"""Tests of `securechat.fingerprint`."""

from __future__ import annotations

import hashlib
import itertools
import re
from importlib import resources

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import fingerprint
from securechat.errors import BadFingerprint, DamagedInstallation
from securechat.fingerprint import parse, resembles, short, to_groups, to_words, wordlist

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
FP = hashlib.sha256(b"an example").digest()

fingerprints = st.binary(min_size=32, max_size=32)
separators = st.lists(st.sampled_from([" ", "-", "\n", "\t", ", ", " · ", ". "]), min_size=70)
cases = st.sampled_from([str.upper, str.lower, str.title])


def refused(test: SynchronousTestCase, text: str) -> str:
    """Return what the refusal of *text* says."""
    return str(test.assertRaises(BadFingerprint, parse, text))


class GroupTests(SynchronousTestCase):
    """Eight groups of characters."""

    def test_form(self) -> None:
        """A fingerprint is 8 groups of 8 base32 characters; its short form is the first."""
        groups = to_groups(FP).split("-")
        self.assertEqual([len(group) for group in groups], [8] * 8)
        self.assertLessEqual(set("".join(groups)), set(BASE32))
        self.assertEqual(short(FP), groups[0])

    def test_known_value(self) -> None:
        """The form is fixed: zero bytes show as the CRC-8 of each position alone."""
        self.assertEqual(
            to_groups(bytes(32)),
            "AAAAAAAW-AAAAAABM-AAAAAAB2-AAAAAACY-AAAAAACO-AAAAAADU-AAAAAADC-AAAAAAFQ",
        )

    def test_check(self) -> None:
        """The check is CRC-8/SMBUS, whose catalogued value for these nine digits is F4."""
        self.assertEqual(fingerprint._crc(0, b"123456789"), 0xF4)

    @given(fingerprints, separators, cases)
    def test_case_and_spacing(self, fp: bytes, between: list[str], case: object) -> None:
        """Any case, and any spacing and punctuation anywhere, are taken."""
        text = "".join(map("".join, zip(to_groups(fp), between, strict=False)))
        text += to_groups(fp)[len(between) :]
        self.assertEqual(parse(case(text)), fp)  # type: ignore[operator]  # a method of str
        self.assertEqual(parse(to_groups(fp).replace("-", "")), fp)

    @given(fingerprints)
    def test_lookalikes(self, fp: bytes) -> None:
        """0 and 8 are read as the letters that they look like."""
        self.assertEqual(parse(to_groups(fp).replace("O", "0").replace("B", "8")), fp)

    @given(fingerprints, st.integers(0, 63), st.sampled_from(BASE32))
    def test_one_wrong_character(self, fp: bytes, place: int, character: str) -> None:
        """One wrong character is always found, and its group, and no other, is named."""
        text = to_groups(fp).replace("-", "")
        assume(text[place] != character)
        message = refused(self, text[:place] + character + text[place + 1 :])
        self.assertEqual(re.findall("group ([1-8]) [(]", message), [str(place // 8 + 1)])

    def test_any_two_characters_swapped(self) -> None:
        """Any two different characters of a group that are swapped are found, as is proved by
        trying: the code is linear, so what matters is the two characters' difference alone."""
        for first, second in itertools.combinations(range(8), 2):
            for difference in range(1, 32):
                change = difference << 5 * (7 - first) ^ difference << 5 * (7 - second)
                value, check = divmod(change, 256)
                self.assertNotEqual(
                    fingerprint._crc(0, value.to_bytes(4, "big")), check, (first, second)
                )

    @given(fingerprints, st.permutations(range(8)))
    def test_groups_in_another_order(self, fp: bytes, order: list[int]) -> None:
        """Each group that is out of its place is named."""
        groups = to_groups(fp).split("-")
        text = " ".join(groups[index] for index in order)
        wrong = [str(at) for at, index in enumerate(order, start=1) if at != index + 1]
        if wrong:
            message = refused(self, text)
            self.assertEqual(re.findall("group ([1-8]) [(]", message), wrong)
        else:
            self.assertEqual(parse(text), fp)

    def test_misplaced_group(self) -> None:
        """Of a group that belongs elsewhere it is said where."""
        groups = to_groups(FP).split("-")
        groups[2], groups[4] = groups[4], groups[2]
        message = refused(self, " ".join(groups))
        self.assertIn(f"group 3 ({groups[2]}) should be group 5", message)
        self.assertIn(f"group 5 ({groups[4]}) should be group 3", message)

    def test_strange_character(self) -> None:
        """A digit that base32 does not have is named, with its group."""
        groups = to_groups(FP).split("-")
        groups[6] = "1" + groups[6][1:]
        self.assertIn(f"group 7 ({groups[6]}) has a 1", refused(self, "-".join(groups)))

    def test_missing_character(self) -> None:
        """Where one group of eight is too short or too long, it is named."""
        groups = to_groups(FP).split("-")
        short_one = [*groups[:3], groups[3][1:], *groups[4:]]
        message = refused(self, " ".join(short_one))
        self.assertIn("it has 63 characters", message)
        self.assertIn("group 4 has 7, not 8", message)

    def test_wrong_length(self) -> None:
        """Else the number of characters is told."""
        groups = to_groups(FP).split("-")
        message = refused(self, " ".join(groups[1:]))
        self.assertIn("it has 56 characters, and a fingerprint has 64", message)
        self.assertNotIn("group", message)
        self.assertIn("it has 0 characters", refused(self, ""))


class WordTests(SynchronousTestCase):
    """Twenty-four words."""

    def test_known_value(self) -> None:
        """The form is fixed."""
        words = to_words(bytes(32)).split()
        self.assertEqual(words[:23], ["abandon"] * 23)
        self.assertEqual(len(words), 24)

    @given(fingerprints, cases, st.sampled_from([" ", "\n", ", ", "-", " / "]))
    def test_case_and_spacing(self, fp: bytes, case: object, between: str) -> None:
        """Any case, spacing and punctuation are taken."""
        text = between.join(to_words(fp).split())
        self.assertEqual(parse(case(text)), fp)  # type: ignore[operator]  # a method of str

    @given(fingerprints, st.integers(4, 7))
    def test_beginnings(self, fp: bytes, length: int) -> None:
        """Four letters of each word, or more, are enough."""
        text = " ".join(word[:length] for word in to_words(fp).split())
        self.assertEqual(parse(text), fp)

    @given(fingerprints, st.integers(0, 23), st.sampled_from(wordlist()))
    def test_one_wrong_word(self, fp: bytes, place: int, word: str) -> None:
        """A wrong word of the list never passes for the same fingerprint. One in 256 passes for
        another, which is then nobody's: the check is eight bits."""
        words = to_words(fp).split()
        assume(words[place] != word)
        words[place] = word
        try:
            found = parse(" ".join(words))
        except BadFingerprint as error:
            self.assertIn("one is wrong or they are misplaced", str(error))
        else:
            self.assertNotEqual(found, fp)
            self.assertEqual(to_words(found).split(), words)

    def test_share_of_wrong_words_found(self) -> None:
        """Of all wrong words at one place about 255 in 256 are found."""
        words = to_words(FP).split()
        passed = 0
        for word in wordlist():
            try:
                parse(" ".join([word, *words[1:]]))
            except BadFingerprint:
                continue
            passed += 1
        self.assertGreaterEqual(passed, 1)  # the right one
        self.assertLessEqual(passed, 2048 // 256 * 3)

    def test_unknown_words(self) -> None:
        """Unknown words are named by place, with near ones where there are."""
        words = ["abandn", "zzzzzz", *to_words(FP).split()[2:]]
        message = refused(self, " ".join(words))
        self.assertIn("word 1 (abandn) is unknown; near it are: abandon", message)
        self.assertIn("word 2 (zzzzzz) is unknown. Compare", message)

    def test_wrong_number(self) -> None:
        """Too few and too many words are counted."""
        words = to_words(FP).split()
        for wrong in (words[1:], [*words, "zoo"]):
            self.assertIn(f"it has {len(wrong)} words", refused(self, " ".join(wrong)))

    def test_words_of_a_wallet(self) -> None:
        """The checksum is not that of BIP-39: a wallet's seed is no fingerprint."""
        refused(self, " ".join(["abandon"] * 23 + ["art"]))


class ParseTests(SynchronousTestCase):
    """Whatever people type."""

    @given(st.text() | st.lists(st.sampled_from(wordlist()), max_size=25).map(" ".join))
    @example("zo zo zo")
    @example("\u017f" * 64)
    def test_any_text(self, text: str) -> None:
        """Any text is a fingerprint, or is refused in words that a terminal can show."""
        try:
            fp = parse(text)
        except BadFingerprint as error:
            self.assertTrue(str(error).isprintable())
        else:
            self.assertEqual(len(fp), 32)

    def test_too_long(self) -> None:
        """A text that is too long is refused before it is looked at."""
        self.assertIn("too long", refused(self, to_groups(FP) + " " * fingerprint.MAX_TEXT))

    def test_resembles(self) -> None:
        """A fingerprint, or its first groups in any form, could be taken for one; names cannot."""
        groups = to_groups(FP)
        for text in (groups, groups.lower(), short(FP), groups[:17], groups.replace("-", "")):
            self.assertTrue(resembles(text))
        for text in ("", "alice", "margaret", groups[1:], groups[:12], groups[9:17]):
            self.assertFalse(resembles(text))


class WordlistTests(SynchronousTestCase):
    """The list of words."""

    def test_list(self) -> None:
        """The list has 2,048 words, no two of which begin with the same four letters."""
        self.assertEqual(len(wordlist()), 2048)
        self.assertEqual(len({word[:4] for word in wordlist()}), 2048)

    def test_licence(self) -> None:
        """The licence of the list is installed beside it."""
        folder = resources.files("securechat").joinpath("wordlist")
        self.assertIn("MIT", folder.joinpath("LICENSE").read_text())
        self.assertIn("python-mnemonic", folder.joinpath("README").read_text())

    def test_damaged(self) -> None:
        """A list that was changed is refused: it would give other fingerprints."""
        self.patch(fingerprint, "_WORDLIST_SHA256", "0" * 64)
        wordlist.cache_clear()
        self.addCleanup(wordlist.cache_clear)
        error = self.assertRaises(DamagedInstallation, wordlist)
        self.assertIn("Install securechat again", str(error))
