"""Deterministic CBOR: one encoding for each value, and no value but of four types."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import (
    MAX_INTEGER,
    Value,
    array,
    decode,
    encode,
    number,
    octets,
    shaped,
)
from securechat.errors import EncodingError

leaves = st.integers(0, MAX_INTEGER) | st.binary() | st.text()
values: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6), max_leaves=12
).filter(lambda value: depth(value) < 8)


def depth(value: object) -> int:
    """How many arrays deep *value* is."""
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An encoding of which one byte is another, is gone, or is there twice."""
    data = encode(*draw(st.lists(values, max_size=4)))
    at = draw(st.integers(0, len(data) - 1))
    middle = draw(st.sampled_from([b"", data[at : at + 1] * 2]) | st.binary(min_size=1, max_size=1))
    return data[:at] + middle + data[at + 1 :]


class RoundTripTests(SynchronousTestCase):
    """`encode` and `decode` are each other's inverse."""

    @given(st.lists(values, max_size=6))
    def test_decode_returns_what_was_encoded(self, wanted: list[Any]) -> None:
        """All values that the protocol uses survive."""
        self.assertEqual(decode(encode(*wanted)), wanted)

    @given(st.binary() | damaged())
    @example(b"")
    def test_any_bytes_decode_to_their_own_value_or_are_refused(self, data: bytes) -> None:
        """Nothing is read that encodes to other bytes, and only one error is raised."""
        try:
            value = decode(data)
        except EncodingError:
            return
        self.assertEqual(encode(*value), data)

    def test_the_bytes_are_those_of_the_rfc(self) -> None:
        """Examples of RFC 8949, appendix A, each as the one element of an array."""
        examples: list[tuple[Value, str]] = [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (1000, "1903e8"),
            (1000000, "1a000f4240"),
            (1000000000000, "1b000000e8d4a51000"),
            (b"\1\2\3\4", "4401020304"),
            ("IETF", "6449455446"),
            ("\u6c34", "63e6b0b4"),
            ([], "80"),
            ([1, [2, 3], [4, 5]], "8301820203820405"),
        ]
        for value, encoded in examples:
            self.assertEqual(encode(value).hex(), "81" + encoded)

    def test_a_sequence_is_an_array(self) -> None:
        """A tuple encodes as a list does, and comes back as a list."""
        self.assertEqual(decode(encode((1, (2,)))), [[1, [2]]])


class ItemTests(SynchronousTestCase):
    """Arrays of items that are encoded one by one are those that `encode` makes."""

    @given(st.integers(0, MAX_INTEGER))
    @example(0)
    @example(23)
    @example(24)
    @example(2**8 - 1)
    @example(2**8)
    @example(2**16 - 1)
    @example(2**16)
    @example(2**32 - 1)
    @example(2**32)
    def test_a_number(self, value: int) -> None:
        """Every integer has its shortest form."""
        self.assertEqual(array(number(value)), encode(value))

    def test_a_byte_string(self) -> None:
        """Its length is in the shortest form."""
        for length in (0, 23, 24, 2**8 - 1, 2**8, 2**16 - 1, 2**16):
            self.assertEqual(array(octets(bytes(length))), encode(bytes(length)))

    @given(st.lists(st.integers(0, MAX_INTEGER), max_size=30))
    def test_an_array(self, values: list[int]) -> None:
        """However many items there are, and also in another array."""
        items = array(*map(number, values))
        self.assertEqual(items, encode(*values))
        self.assertEqual(array(items, octets(b"a")), encode(values, b"a"))


class RefusalTests(SynchronousTestCase):
    """What is no value of the protocol raises `EncodingError`."""

    def refused(self, data: str, what: str = "") -> None:
        """*data*, in hexadecimal, is refused, in words that contain *what*."""
        error = self.assertRaises(EncodingError, decode, bytes.fromhex(data))
        self.assertIn(what, str(error))

    def test_no_array(self) -> None:
        """What stands outside an array has no place in the protocol."""
        for data in ("01", "4401020304", "6449455446"):
            self.refused(data, "not a CBOR array")

    def test_nothing_or_too_little(self) -> None:
        """Truncated data is refused wherever it ends."""
        whole = encode([1000, b"bytes"], "text").hex()
        for end in range(0, len(whole), 2):
            self.refused(whole[:end])

    def test_something_left_over(self) -> None:
        """Data goes on after the array."""
        for data in ("8100", "00"), ("80", "80"), ("8100", "f6"):
            self.refused("".join(data), "deterministic")

    def test_a_tag(self) -> None:
        """Tags are refused before what they hold is understood: dates, big numbers, any."""
        for data in ("c100", "c001", "c34101", "d82a4100", "d9d9f700", "c48221191234"):
            self.refused("81" + data, "not the CBOR")

    def test_a_big_number(self) -> None:
        """An integer beyond 64 bits is a tag, and so none of ours."""
        self.refused("81c249010000000000000000", "not the CBOR")

    def test_an_integer_out_of_range(self) -> None:
        """Integers are unsigned and below 2^53, so that every language has them exactly."""
        self.assertEqual(decode(encode(MAX_INTEGER)), [2**53 - 1])
        for data in ("1b0020000000000000", "1bffffffffffffffff", "20", "3903e7"):
            self.refused("81" + data, "out of range")

    def test_another_type(self) -> None:
        """Floats, maps, booleans, null and undefined are refused."""
        for data in ("f90000", "fb3ff199999999999a", "a0", "a10102", "f4", "f5", "f6", "f7"):
            self.refused("81" + data, "does not use")
            self.refused("8181" + data, "does not use")

    def test_another_simple_value(self) -> None:
        """Simple values without a meaning are refused."""
        for data in ("e0", "f820", "f8ff"):
            self.refused("81" + data)

    def test_an_indefinite_length(self) -> None:
        """Strings and arrays say their length first."""
        for data in ("9f00ff", "815f4101ff", "817f6161ff", "819f00ff"):
            self.refused(data)

    def test_an_integer_longer_than_needed(self) -> None:
        """Numbers and lengths have one, the shortest, form."""
        for data in ("811800", "81190017", "811a000003e8", "81580101", "9800", "81780161"):
            self.refused(data, "deterministic")

    def test_text_that_is_not_utf8(self) -> None:
        """Text is UTF-8, also without surrogates."""
        for data in ("8161ff", "8163eda080"):
            self.refused(data)

    def test_a_length_beyond_the_data(self) -> None:
        """A great length is believed no further than the data goes: nothing is allocated."""
        for data in ("9b7fffffffffffffff", "815b7fffffffffffffff", "817b7fffffffffffffff"):
            self.refused(data)

    def test_arrays_too_deep(self) -> None:
        """Values lie in eight arrays at most, and no depth exhausts the reader."""
        self.assertEqual(depth(decode(bytes.fromhex("81" * 8 + "00"))), 8)
        for levels in (9, 1_000, 100_000):
            self.refused("81" * levels + "00", "not the CBOR")

    def test_the_error_does_not_repeat_the_data(self) -> None:
        """What came from elsewhere may be a secret that came to the wrong place."""
        error = self.assertRaises(EncodingError, decode, encode("swordfish") + b"swordfish")
        self.assertNotIn("swordfish", str(error))
        self.assertIsNone(error.__cause__)


class ShapedTests(SynchronousTestCase):
    """`shaped` tells whether an array is what its reader takes it for."""

    def test_the_shape_is_right(self) -> None:
        """The very same array is returned."""
        value = [1, b"xy", b"any", "text", [[]]]
        self.assertIs(shaped(value, int, 2, bytes, str, list), value)

    def test_no_array_or_of_another_length(self) -> None:
        """The message says how many elements there ought to be."""
        for value in (7, "a", (1,), [], [1, 2]):
            error = self.assertRaises(EncodingError, shaped, value, int)
            self.assertIn("not an array of 1", str(error))

    def test_a_byte_string_of_another_length(self) -> None:
        """A number in a shape is the length of a byte string, and of nothing else."""
        for value in (b"x", b"xyz", "xy", [0, 0], 2):
            error = self.assertRaises(EncodingError, shaped, [value], 2)
            self.assertIn("not a byte string of 2", str(error))

    def test_another_type(self) -> None:
        """The message names the type that ought to be there."""
        for value, kind in [(1, str), ("1", bytes), (b"1", int), (True, int), (None, list)]:
            error = self.assertRaises(EncodingError, shaped, [value], kind)
            self.assertIn(f"not of type {kind.__name__}", str(error))
