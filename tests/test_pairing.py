"""Tests of `securechat.pairing`: codes, and both sides of an invite."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import pairing
from securechat.encoding import encode
from securechat.errors import BadCode, OwnInvite, UnsupportedVersion, WrongCode
from securechat.fingerprint import wordlist
from securechat.identity import Identity
from securechat.pairing import Code, Friend, Invited, Inviter, complete, draw
from securechat.wire import MAX_MAIL

ALICE, BOB = Identity.generate().bundle, Identity.generate().bundle
ROOM = bytes(range(32))
WORDS = "piano-cactus"
CODE = Code(7, WORDS)

words = st.sampled_from(wordlist())


class CodeTests(SynchronousTestCase):
    """What one tells the other."""

    def refused(self, text: str) -> str:
        """Return why *text* is no code."""
        return str(self.assertRaises(BadCode, Code.parse, text))

    @given(st.integers(1, 2**53 - 1), words, words)
    def test_every_code_is_read(self, number: int, first: str, second: str) -> None:
        """What is shown is read again, whole or with each word cut down to four letters."""
        code = Code(number, f"{first}-{second}")
        self.assertEqual(Code.parse(str(code)), code)
        self.assertEqual(Code.parse(f"{number}-{first[:4]}-{second[:4]}"), code)

    def test_case_and_spacing(self) -> None:
        """People write it in any case, and with what they like between."""
        for text in "7 piano cactus", " 7-Piano-CACTUS.\n", "7, pian / cact", "07-piano-cactus":
            self.assertEqual(Code.parse(text), CODE)

    def test_what_is_wrong(self) -> None:
        """The complaint names what is wrong by its place."""
        for text, complaint in (
            ("", "begins with a number"),
            ("piano-cactus", "begins with a number"),
            ("0-piano-cactus", "no invite has such a number"),
            ("9" * 17 + "-piano-cactus", "no invite has such a number"),
            (f"{2**53}-piano-cactus", "no invite has such a number"),
            ("7", "2 words after the number, not 0"),
            ("7-piano", "2 words after the number, not 1"),
            ("7-piano-cactus-piano", "2 words after the number, not 3"),
            ("7-paino-cactus", "the first word is not on the list"),
            ("7-piano-catcus", "the second word is not on the list"),
            ("7-pia-cactus", "the first word is not on the list"),
            ("7-pianos-cactus", "the first word is not on the list"),
            ("7-piano-cactus" + " " * 200, "too long"),
        ):
            self.assertIn(complaint, self.refused(text))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is a code or refused; nothing else happens, and nothing of it is repeated."""
        try:
            Code.parse(text)
        except BadCode as error:
            self.assertNotIn("cactus" * (text.count("cactus")) or "\0", error.what)

    def test_complaint_repeats_nothing(self) -> None:
        """A code with a slip in it is good still, so no part of it gets into a log."""
        complaint = self.refused("7-velvet-catcus").replace("7-piano-cactus", "")
        self.assertNotIn("velvet", complaint)
        self.assertNotIn("catcus", complaint)
        self.assertNotIn("piano", repr(CODE))

    def test_completion(self) -> None:
        """Each word that is begun becomes what it may be; after the first one goes on."""
        self.assertEqual(complete("7-pia"), ["7-piano-"])
        self.assertEqual(complete("7-cact"), ["7-cactus-"])
        self.assertEqual(complete("7-PIANO-cac"), ["7-piano-cactus"])
        self.assertEqual(complete("7-piano-ca")[:2], ["7-piano-cabbage", "7-piano-cabin"])
        self.assertEqual(len(complete("7-")), 2048)

    def test_nothing_to_complete(self) -> None:
        """Where no word is due, or none begins so, there is nothing."""
        for text in "", "7", "pia", "-pia", "7-xyz", "7-piano-cactus-", "x-pia":
            self.assertEqual(complete(text), [])

    def test_draw(self) -> None:
        """Two words of the list, others each time."""
        drawn = {draw() for _ in range(50)}
        self.assertGreater(len(drawn), 45)
        for each in drawn:
            self.assertEqual(Code.parse(f"1-{each}").words, each)

    def test_each_word_is_drawn_from_all(self) -> None:
        """Nothing narrows what the words are drawn from."""
        asked: list[int] = []

        def choice(choices: tuple[str, ...]) -> str:
            asked.append(len(choices))
            return choices[-1]

        self.patch(secrets, "choice", choice)
        self.assertEqual(draw(), "zoo-zoo")
        self.assertEqual(asked, [2048, 2048])


class PairCase(SynchronousTestCase):
    """Alice invites to #lobby, and Bob accepts."""

    def inviter(
        self, words: str | None = WORDS, label: str = "lobby", name: str = "alice"
    ) -> Inviter:
        return Inviter(ALICE, name, label, ROOM, words=words)

    def invited(self, code: Code = CODE, label: str = "lobby", name: str = "bob") -> Invited:
        return Invited(BOB, name, label, code)


class PairTests(PairCase):
    """What both sides say to each other."""

    def test_both_learn_who_the_other_is(self) -> None:
        """Each gets the other's bundle and name, and Bob the room."""
        alice, bob = self.inviter(), self.invited()
        friend, answer = alice.claimed(7, bob.claim(alice.pake))
        self.assertEqual(friend, Friend(BOB, "bob"))
        self.assertEqual(bob.answered(answer), (Friend(ALICE, "alice"), ROOM))

    def test_words_are_drawn(self) -> None:
        """Without words of the caller's each invite has its own."""
        alice = self.inviter(None)
        bob = self.invited(Code(7, alice.words))
        friend, _ = alice.claimed(7, bob.claim(alice.pake))
        self.assertEqual(friend.bundle, BOB)
        self.assertNotEqual(self.inviter(None).words, self.inviter(None).words)

    def test_names(self) -> None:
        """A name comes fit for a terminal, of whatever length it was said, or is empty."""
        for said, name in (("", ""), ("a\x1b[2Jb\u202e", "a[2Jb"), ("x" * 5_000, "x" * 64)):
            alice, bob = self.inviter(name=said), self.invited(name=said)
            mail = bob.claim(alice.pake)
            friend, answer = alice.claimed(7, mail)
            self.assertEqual((friend.name, bob.answered(answer)[0].name), (name, name))
            self.assertLess(max(len(mail), len(answer)), MAX_MAIL)

    def test_names_are_cleaned_by_who_hears_them(self) -> None:
        """What the other side's program has left in is taken out."""
        alice, bob = self.inviter(), self.invited()
        bob._name = "bob\x1b"
        friend, _ = alice.claimed(7, bob.claim(alice.pake))
        self.assertEqual(friend.name, "bob")

    def test_what_was_agreed_on_has_to_be_the_same(self) -> None:
        """Other words, another number or another room, and neither side gets anything."""
        for code, label in (
            (Code(7, "piano-lobster"), "lobby"),
            (Code(7, "cactus-piano"), "lobby"),
            (Code(8, WORDS), "lobby"),
            (CODE, "attic"),
        ):
            alice, bob = self.inviter(), self.invited(code, label)
            mail = bob.claim(alice.pake)
            self.assertRaises(WrongCode, alice.claimed, 7, mail)

    def test_one_try(self) -> None:
        """A side that was asked is spent, whether it was the right code or not."""
        for code in CODE, Code(7, "piano-lobster"):
            alice, bob = self.inviter(), self.invited(code)
            mail = bob.claim(alice.pake)
            self.assertRaises(WrongCode, bob.claim, alice.pake)
            if code == CODE:
                _, answer = alice.claimed(7, mail)
                bob.answered(answer)
                self.assertRaises(WrongCode, bob.answered, answer)
            else:
                self.assertRaises(WrongCode, alice.claimed, 7, mail)
            right = self.invited()
            self.assertRaises(WrongCode, alice.claimed, 7, right.claim(alice.pake))

    def test_answer_before_the_question(self) -> None:
        """An answer to what was not said is refused."""
        self.assertRaises(WrongCode, self.invited().answered, bytes(100))

    def test_own_side(self) -> None:
        """Who meets the own identity at the other side is told so."""
        alice = self.inviter()
        same = Invited(ALICE, "alice", "lobby", CODE)
        self.assertRaises(OwnInvite, alice.claimed, 7, same.claim(alice.pake))
        alice, bob = Inviter(BOB, "bob", "lobby", ROOM, words=WORDS), self.invited()
        other = Identity.generate().bundle
        bob._me = other  # what it says; what it has is compared below
        _, answer = alice.claimed(7, bob.claim(alice.pake))
        bob._me = BOB
        self.assertRaises(OwnInvite, bob.answered, answer)

    def test_secrets_do_not_show(self) -> None:
        """Neither side shows its code where it is printed by mistake."""
        self.assertNotIn("piano", f"{self.inviter()!r} {self.invited()!r}")

    def test_spake2_is_loaded_when_it_is_used(self) -> None:
        """Commands that invite nobody do not wait for its groups."""
        program = "import sys, securechat.client.client; print('spake2' in sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(loaded.stdout, "False\n", loaded.stderr)


class HostileTests(PairCase):
    """What comes instead of what was agreed on."""

    @given(st.binary(max_size=80) | st.binary(min_size=33, max_size=33))
    @settings(max_examples=40, deadline=None)
    def test_any_pake(self, pake: bytes) -> None:
        """Whatever stands in the inviter's place is refused, or leads to a key of nobody's."""
        bob = self.invited()
        try:
            bob.claim(pake)
        except WrongCode:
            return
        self.assertRaises(WrongCode, bob.answered, bytes(64))

    @given(st.binary(max_size=200))
    @settings(max_examples=40, deadline=None)
    def test_any_mail(self, mail: bytes) -> None:
        """Whatever is mailed is refused, at both sides."""
        alice, bob = self.inviter(), self.invited()
        bob.claim(alice.pake)
        self.assertRaises(WrongCode, alice.claimed, 7, mail)
        self.assertRaises(WrongCode, bob.answered, mail)

    def test_points_that_are_none(self) -> None:
        """The neutral point, one of small order, one off the curve, and lengths, are refused."""
        neutral = bytes([1]) + bytes(31)
        small = b"\xec" + b"\xff" * 30 + b"\x7f"
        nowhere = b"\x02" + bytes(31)
        for side, claim in self.sides():
            for point in neutral, small, nowhere, bytes(31), bytes(33), b"":
                self.assertRaises(WrongCode, claim(), side + point)

    def test_whose_it_is(self) -> None:
        """A point is refused where the byte before it is not that of the other side."""
        alice, bob = self.inviter(), self.invited()
        mine, theirs = alice.pake, bob._pake
        for byte in b"ABS\0":
            if byte != ord("A"):
                self.assertRaises(WrongCode, self.invited().claim, bytes([byte]) + mine[1:])
            if byte != ord("B"):
                mail = encode(bytes([byte]) + theirs[1:], bytes(100))
                self.assertRaises(WrongCode, self.inviter().claimed, 7, mail)

    def sides(self) -> list[tuple[bytes, Callable[[], Callable[[bytes], object]]]]:
        """Both sides: the byte of the other one, and what a new one does with its message."""

        def claimed() -> Callable[[bytes], object]:
            alice = self.inviter()
            return lambda pake: alice.claimed(7, encode(pake, bytes(100)))

        return [(b"A", lambda: self.invited().claim), (b"B", claimed)]

    def test_content(self) -> None:
        """Under the right key, too, only what is due is taken; of versions it says who upgrades."""
        good = [1, BOB.encode(), "bob"]
        for content, error in (
            ([2, "something new"], UnsupportedVersion),
            ([2, *good[1:]], UnsupportedVersion),
            ([], WrongCode),
            (["1", *good[1:]], WrongCode),
            ([*good, ROOM], WrongCode),
            ([1, BOB.encode()[:-1], "bob"], WrongCode),
            ([1, encode(2, b""), "bob"], UnsupportedVersion),
            ([1, BOB.encode(), b"bob"], WrongCode),
        ):
            alice, bob = self.inviter(), self.invited()
            self.patch(pairing, "encode", self.saying(content))
            mail = bob.claim(alice.pake)
            self.patch(pairing, "encode", encode)
            self.assertRaises(error, alice.claimed, 7, mail)

    def saying(self, content: list[object]) -> Callable[..., bytes]:
        """Return what encodes *content* in the place of the first thing that is encoded."""
        rest = [content]

        def encoded(*values: object) -> bytes:
            return encode(*(rest.pop() if rest else values))

        return encoded
