"""The lines of the protocol: one spelling of each value, and one error for all that is none."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_type_hints

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import wire
from securechat.encoding import MAX_INTEGER
from securechat.errors import WireError
from securechat.wire import (
    FROM_CLIENT,
    FROM_RELAY,
    MAX_CIPHERTEXT,
    MAX_LINE,
    MAX_WORDS,
    Choice,
    Code,
    Decimal,
    Line,
    Octets,
    Passing,
    Send,
    Settings,
    Text,
    Versions,
    Words,
    parse,
    serialise,
)

TWO_LETTERS = [first + second for first in "ab" for second in "abcdefghijklmnop"]
CLASSES = sorted(FROM_CLIENT | FROM_RELAY, key=lambda line: line.verb)

numbers = st.integers(0, MAX_INTEGER)
printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "))


def forms(line: type[Line]) -> dict[str, Any]:
    """The form of each field of *line*, by the field's name."""
    hints = get_type_hints(line, include_extras=True)
    return {each.name: hints[each.name].__metadata__[0] for each in attrs.fields(line)}


def valid(form: object) -> st.SearchStrategy[Any]:
    """Values within the bounds of *form*."""
    match form:
        case Octets(least, most):
            short = st.binary(min_size=least, max_size=min(most, least + 40))
            return short | st.integers(least, most).map(lambda length: b"\xff" * length)
        case Decimal():
            return numbers
        case Text(pattern, _):
            return st.from_regex(re.compile(pattern.pattern, re.ASCII), fullmatch=True)
        case Versions():
            unique = st.lists(numbers, min_size=1, max_size=16, unique=True)
            return unique.map(sorted).map(tuple)
        case Settings():
            names = st.from_regex(r"[a-z][a-z-]{0,31}", fullmatch=True)
            return st.dictionaries(names, numbers, min_size=1, max_size=32)
        case Choice():
            return st.sampled_from(Code)
        case _:
            return printable.filter(lambda words: 1 <= len(words.encode()) <= MAX_WORDS)


def spoken(line: type[Line]) -> st.SearchStrategy[Line]:
    """Lines of the one class."""
    return st.builds(line, **{name: valid(form) for name, form in forms(line).items()})


lines = st.sampled_from(CLASSES).flatmap(spoken)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A line with some bytes of it replaced by others, by none, or by more."""
    line = serialise(draw(lines))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 3)))
    middle = draw(st.binary(max_size=3) | st.sampled_from([b" ", b"  ", b"=", b",", b"0", b"\r\n"]))
    return line[:start] + middle + line[end:]


@st.composite
def imitated(draw: st.DrawFn) -> bytes:
    """A verb of the protocol, and fields that may look like its own."""
    verb = draw(st.sampled_from(CLASSES)).verb.encode()
    alike = st.from_regex(rb"[A-Za-z0-9_-]{0,45}|[0-9]{1,17}|[a-z]+=[0-9]+", fullmatch=True)
    return b" ".join([verb, *draw(st.lists(alike | st.binary(max_size=8), max_size=8))])


@st.composite
def almost_sent(draw: st.DrawFn) -> bytes:
    """A `send` line of which one byte may be another, be missing, or be one too many."""
    line = serialise(draw(spoken(Send)))
    place = draw(st.integers(0, len(line)))
    end = draw(st.integers(place, min(len(line), place + 1)))
    return line[:place] + draw(st.binary(max_size=1) | st.just(b" ")) + line[end:]


class PassingTests(SynchronousTestCase):
    """`send` lines as the relay takes them."""

    @given(spoken(Send))
    def test_the_header_is_read_and_the_rest_is_as_it_was(self, line: Send) -> None:
        """What is passed on is, after the room, what was said."""
        said = serialise(line)
        passing = Passing.of(said)
        self.assertEqual(
            (passing.room, passing.epoch, passing.row, passing.n),
            (line.room, line.epoch, line.row, line.n),
        )
        self.assertEqual(passing.rest, said.split(b" ", 2)[2])

    @given(almost_sent())
    @example(b"send")
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA ")
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA AA\n")
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA A")
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA AB")
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA A\xc3\x84A")
    @example(b"send " + b"A" * 43 + b" 1 02 3 AAAAAAAAAAAAAAAA AA")
    @example(b"send " + b"A" * 43 + b" 1 2 %d AAAAAAAAAAAAAAAA AA" % (MAX_INTEGER + 1))
    @example(b"send " + b"A" * 43 + b" 1 2 3 AAAAAAAAAAAAAAAA " + b"A" * 54_616)
    def test_it_takes_what_parse_takes(self, line: bytes) -> None:
        """Nothing else passes, since those whom it is passed on to would not understand it."""
        try:
            parsed = parse(line)
        except WireError:
            parsed = None
        if isinstance(parsed, Send):
            self.assertEqual(Passing.of(line).n, parsed.n)
        else:
            self.assertRaises(WireError, Passing.of, line)

    def test_the_largest(self) -> None:
        """A frame may be as large as `Send` lets it be, and no larger."""
        largest = serialise(Send(bytes(32), 0, 0, 0, bytes(12), bytes(MAX_CIPHERTEXT)))
        self.assertEqual(Passing.of(largest).n, 0)
        self.assertRaises(WireError, Passing.of, largest + b"AA")


class LineTests(SynchronousTestCase):
    """Whole lines."""

    @given(lines)
    def test_parse_returns_what_was_serialised(self, line: Line) -> None:
        """Every line survives; its bytes are one line and within the limit."""
        data = serialise(line)
        self.assertEqual(parse(data), line)
        self.assertLessEqual(len(data), MAX_LINE)
        self.assertNotRegex(data, rb"[\r\n\0]")

    @given(st.binary() | damaged() | imitated())
    @example(b"")
    @example(b" ")
    @example(b"ack ")
    @example(b"nack  ")
    def test_any_bytes_parse_to_their_own_line_or_are_refused(self, data: bytes) -> None:
        """What parses serialises to the same bytes; the rest raises `WireError` alone."""
        try:
            line = parse(data)
        except WireError:
            return
        self.assertEqual(serialise(line), data)

    def test_the_largest_line_of_each_verb_is_within_the_limit(self) -> None:
        """No field's bound lets a line grow beyond 64 KiB."""
        largest = {
            Octets: lambda form: b"\xff" * form.most,
            Decimal: lambda form: MAX_INTEGER,
            Text: lambda form: "a" * 64,
            Versions: lambda form: tuple(range(MAX_INTEGER - 15, MAX_INTEGER + 1)),
            Settings: lambda form: {
                chr(97 + n % 26) * (32 - n // 26): MAX_INTEGER for n in range(32)
            },
            Choice: lambda form: Code.SUPERSEDED,
            Words: lambda form: "a" * MAX_WORDS,
        }
        for line in CLASSES:
            values = {name: largest[type(form)](form) for name, form in forms(line).items()}
            biggest = line(**values)
            self.assertLessEqual(len(serialise(biggest)), MAX_LINE)
            self.assertEqual(parse(serialise(biggest)), biggest)

    def test_a_line_beyond_64_kib_is_refused(self) -> None:
        """The length is looked at before anything else."""
        error = self.assertRaises(WireError, parse, b"error busy - " + b"a" * MAX_LINE)
        self.assertIn("64 KiB", str(error))

    @given(lines)
    def test_each_side_speaks_its_own_verbs(self, line: Line) -> None:
        """A verb of the other side is as unknown as one of nobody's."""
        for speaks in (FROM_CLIENT, FROM_RELAY):
            if type(line) in speaks:
                self.assertEqual(parse(serialise(line), speaks), line)
            else:
                error = self.assertRaises(WireError, parse, serialise(line), speaks)
                self.assertTrue(error.unknown)

    def test_who_says_what(self) -> None:
        """What passes through the relay as it stands both sides say, but for `send` lines."""
        both = {line.verb for line in FROM_CLIENT & FROM_RELAY}
        self.assertEqual(both, {"vouch", "challenge", "response", "mail"})
        self.assertEqual(
            {line.verb for line in FROM_CLIENT} - both,
            {
                *("identity", "found", "join", "cancel", "nack", "add_user", "roster"),
                *(
                    "leave",
                    "who",
                    "leaves",
                    "begin",
                    "slices",
                    "commit",
                    "resume",
                    "restore",
                    "send",
                ),
                *("invite", "claim", "close"),
            },
        )

    def test_each_verb_is_one_class(self) -> None:
        """No two classes share a verb, and every class of the module is spoken by somebody."""
        self.assertEqual(len({line.verb for line in CLASSES}), len(CLASSES))
        classes = {each for each in vars(wire).values() if inspect.isclass(each)}
        self.assertEqual(
            set(CLASSES), {each for each in classes if issubclass(each, Line)} - {Line}
        )

    def test_unknown_verbs(self) -> None:
        """No verb, the wrong case, a verb in part: all are unknown."""
        for data in (b"", b"hello", b"ACK", b"ac", b"ack\r", b"\xff\xfe", b" ack"):
            self.assertTrue(self.assertRaises(WireError, parse, data).unknown)

    def test_a_wrong_number_of_fields_is_refused(self) -> None:
        """Every verb has its number of fields, and a space is never just filling."""
        for data in (
            b"ack ",
            b"ack x",
            b"join",
            b"join a b",
            b"join  a",
            b"join a ",
            b"error busy -",
        ):
            error = self.assertRaises(WireError, parse, data)
            self.assertFalse(error.unknown, data)

    def test_words_keep_their_spaces(self) -> None:
        """The words at the end of an error line are as they were said, spaces and all."""
        line = wire.ErrorLine(Code.BUSY, "lobby", "  too  many joins ")
        self.assertEqual(serialise(line), b"error busy lobby   too  many joins ")
        self.assertEqual(parse(serialise(line)), line)

    @given(lines, st.data())
    def test_errors_never_repeat_what_came(self, line: Line, data: st.DataObject) -> None:
        """An error's words are the protocol's own, whatever an enemy wrote."""
        good = serialise(line)
        at = data.draw(st.integers(0, len(good)))
        try:
            parse(good[:at] + b"!xyzzy!" + good[at:])
        except WireError as error:
            self.assertNotIn("xyzzy", str(error))


class FormTests(SynchronousTestCase):
    """The bounds of one field."""

    def refused(self, form: Any, *fields: bytes) -> None:
        """No one of *fields* parses as *form*."""
        for field in fields:
            self.assertRaises(WireError, form.parse, field)

    def test_octets_have_a_length(self) -> None:
        """From the least to the most, both ways; one byte less or more is refused."""
        form = Octets(2, 5)
        for length in range(8):
            value = bytes(length)
            spelled = b"A" * (length * 4 // 3 + bool(length % 3))
            if 2 <= length <= 5:
                self.assertEqual(form.serialise(value), spelled)
                self.assertEqual(form.parse(spelled), value)
            else:
                self.assertRaises(WireError, form.serialise, value)
                self.refused(form, spelled)

    def test_octets_have_one_spelling(self) -> None:
        """Padding, the other alphabet, spare bits and impossible lengths are refused."""
        form = Octets(1, 9)
        self.assertEqual(form.parse(b"-_8"), b"\xfb\xff")
        self.refused(
            form, b"", b"-_8=", b"+/8", b"-_9", b"AB", b"AAB", b"A", b"AAAAA", b"A A", b"\xff"
        )

    def test_too_many_octets_are_refused_before_they_are_read(self) -> None:
        """A field far too long is refused for its length alone, even where it is no base64url."""
        self.refused(Octets(1, 3), b"!" * 60_000)

    def test_decimals_are_below_2_to_the_53(self) -> None:
        """Zero and 2^53 - 1 are numbers; one more is none, either way."""
        form = Decimal()
        for number in (0, 1, MAX_INTEGER):
            self.assertEqual(form.parse(form.serialise(number)), number)
        self.assertRaises(WireError, form.serialise, MAX_INTEGER + 1)
        self.assertRaises(WireError, form.serialise, -1)
        self.refused(form, b"%d" % (MAX_INTEGER + 1), b"9" * 20, b"-1")

    def test_decimals_have_one_spelling(self) -> None:
        """Signs, leading zeros, spaces, underscores and other digits are refused."""
        self.refused(Decimal(), b"", b"00", b"01", b"+1", b" 1", b"1_0", b"1\n", "\u0661".encode())

    def test_labels(self) -> None:
        """1 to 64 lower-case letters, digits, dots, underscores and hyphens."""
        form = forms(wire.Join)["label"]
        for label in ("a", "0", "a.b_c-d", "a" * 64):
            self.assertEqual(form.parse(form.serialise(label)), label)
        for bad in ("", "A", "-a", ".", "_", "a" * 65, "a\n", "#a", "ä", "a b", "\u0661"):
            self.assertRaises(WireError, form.serialise, bad)
            self.refused(form, bad.encode())
        self.refused(form, b"\xff")

    def test_subjects(self) -> None:
        """The subject of an error is a label, a room or an attempt in base64url, or a hyphen."""
        form = forms(wire.ErrorLine)["subject"]
        for subject in ("-", "lobby", "A" * 43, "_-Az09" * 4):
            self.assertEqual(form.parse(form.serialise(subject)), subject)
        self.refused(form, b"", b"a" * 65, "ä".encode(), b"a/b")

    def test_versions_rise(self) -> None:
        """1 to 16 numbers, each higher than the one before."""
        form = Versions()
        self.assertEqual(form.serialise((1, 2, 10)), b"1,2,10")
        self.assertEqual(form.parse(b"1,2,10"), (1, 2, 10))
        self.refused(form, b"", b"1,1", b"2,1", b"1,", b",1", b"1, 2", b"x")
        self.refused(form, b",".join(b"%d" % number for number in range(17)))
        for versions in ((), (1, 1), (2, 1), tuple(range(17))):
            self.assertRaises(WireError, form.serialise, versions)

    def test_settings_name_each_limit_once(self) -> None:
        """1 to 32 limits in the relay's order, those of a later version too."""
        form = Settings()
        limits = {"rooms": 3, "a-later-limit": 0}
        self.assertEqual(form.serialise(limits), b"rooms=3,a-later-limit=0")
        self.assertEqual(list(form.parse(b"rooms=3,a-later-limit=0")), list(limits))
        self.refused(
            form, b"", b"a", b"a=", b"=1", b"a=1,a=2", b"a=1,", b"a=1=1", b"A=1", b"\xff=1"
        )
        self.refused(form, b"a" * 33 + b"=1")
        many = {"a" * length: length for length in range(1, 33)}
        self.assertEqual(form.parse(form.serialise(many)), many)
        self.refused(form, form.serialise(many) + b",b=1")
        self.assertRaises(WireError, form.serialise, {**many, "b": 1})
        self.assertRaises(WireError, form.serialise, {})
        self.assertRaises(WireError, form.serialise, {"A": 1})

    def test_lists_are_counted_before_they_are_parsed(self) -> None:
        """A list of thousands of numbers costs nothing: it is refused by its commas."""
        for form, field in ((Versions(), b"1" + b",x" * 16), (Settings(), b"a=1" + b",!" * 32)):
            error = self.assertRaises(WireError, form.parse, field)
            self.assertIn("no list", str(error))

    def test_codes_are_those_that_are_known(self) -> None:
        """Every code is a word of its own; any other word is refused."""
        form = Choice()
        for code in Code:
            self.assertEqual(form.parse(form.serialise(code)), code)
        self.refused(form, b"", b"BUSY", b"busy ", b"nonsense", b"\xff")

    def test_words_can_be_printed(self) -> None:
        """Controls, escapes, bidi and line separators are refused, either way."""
        form = Words()
        for words in ("a", "ask later", "ä水🙂", "a" * MAX_WORDS):
            self.assertEqual(form.parse(form.serialise(words)), words)
        for bad in ("", "a\x1b[2J", "a\r\nerror", "\u202e", "\u2028", "\0", "\x7f", "\x9b"):
            self.assertRaises(WireError, form.serialise, bad)
            self.refused(form, bad.encode())
        self.assertRaises(WireError, form.serialise, "\ud800")
        self.refused(form, b"\xff", b"\xed\xa0\x80")

    def test_words_are_bounded_in_bytes(self) -> None:
        """400 bytes, however many characters they make."""
        self.assertRaises(WireError, Words().serialise, "ä" * (MAX_WORDS // 2 + 1))
        self.refused(Words(), b"a" * (MAX_WORDS + 1))
