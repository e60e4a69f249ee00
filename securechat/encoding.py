"""
Deterministic CBOR, the one encoding of everything that is hashed, signed, sealed or stored.

The protocol writes ``a ‖ b ‖ …`` for the CBOR array ``[a, b, …]`` in the deterministic
encoding of RFC 8949, section 4.2. Four types exist: unsigned integers below 2^53, byte
strings, text, and arrays of these. There are no tags, floats, maps, nulls or indefinite
lengths, and only one encoding of each value: what does not encode again to the very same
bytes is refused, and so is anything left over. Two parties that hash a parsed value have
therefore hashed the same bytes.

This module knows sizes and types. It knows no key and no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Any, NoReturn, TypeAlias

import cbor2

from securechat.errors import EncodingError

Value: TypeAlias = "int | bytes | str | Sequence[Value]"

MAX_INTEGER = 2**53 - 1
_MAX_DEPTH = 8
_UNSIGNED, _BYTES, _ARRAY = 0x00, 0x40, 0x80


class _EveryTag(dict[int, Any]):
    """A table of tag decoders in which every tag is there, and is refused before it is read."""

    def __missing__(self, tag: int) -> Any:
        return _refuse


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a tag")


_TAGS = _EveryTag()


def encode(*values: Value) -> bytes:
    """
    Return the CBOR array of *values* in deterministic encoding.

    Callers pass values that they built or that `decode` returned; nothing is checked here.
    """
    return cbor2.dumps(values)


def array(*items: bytes) -> bytes:
    """
    Return the array of *items* that are encoded already, by `number`, `octets` or `array`: what
    `encode` makes, in a third of its time, where every message has an array of this shape.
    """
    return _head(_ARRAY, len(items)) + b"".join(items)


def number(value: int) -> bytes:
    """Return the encoding of an integer."""
    return _head(_UNSIGNED, value)


def octets(value: bytes) -> bytes:
    """Return the encoding of a byte string."""
    return _head(_BYTES, len(value)) + value


def _head(major: int, argument: int) -> bytes:
    """Return how an item begins: its type and a number (RFC 8949, section 3)."""
    if argument < 24:
        return pack(">B", major | argument)
    if argument < 1 << 8:
        return pack(">BB", major | 24, argument)
    if argument < 1 << 16:
        return pack(">BH", major | 25, argument)
    if argument < 1 << 32:
        return pack(">BL", major | 26, argument)
    return pack(">BQ", major | 27, argument)


def decode(data: bytes) -> list[Any]:
    """
    Return the array whose deterministic encoding is exactly *data*.

    The elements are of the four types of this module, arrays as lists; their number and
    meaning are the caller's to check, with `shaped`.

    :raises EncodingError: for anything else. The message never repeats the data.
    """
    try:
        value = cbor2.loads(
            data, allow_indefinite=False, max_depth=_MAX_DEPTH, semantic_decoders=_TAGS
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError):
        raise EncodingError(what="not the CBOR that this protocol uses") from None
    if type(value) is not list:
        raise EncodingError(what="not a CBOR array")
    _only_the_four_types(value)
    if cbor2.dumps(value) != data:
        raise EncodingError(what="not in deterministic encoding")
    return value


def _only_the_four_types(value: object) -> None:
    if type(value) is list:
        for each in value:
            if type(each) is not bytes:  # as most are
                _only_the_four_types(each)
    elif type(value) is int:
        if not 0 <= value <= MAX_INTEGER:
            raise EncodingError(what="an integer out of range")
    elif type(value) is not bytes and type(value) is not str:
        raise EncodingError(what="a type that this protocol does not use")


def shaped(value: object, *shape: object) -> list[Any]:
    """
    Return *value* if it is an array of exactly the given *shape*, one element for each.

    A shape element is a type (``int``, ``bytes``, ``str``, ``list``) or a number n, which
    stands for a byte string of length n.

    :raises EncodingError: where number, type or length differ.
    """
    if type(value) is not list or len(value) != len(shape):
        raise EncodingError(what=f"not an array of {len(shape)}")
    for each, want in zip(value, shape, strict=True):
        if type(each) is not want and (type(each) is not bytes or len(each) != want):
            if isinstance(want, int):
                raise EncodingError(what=f"not a byte string of {want}")
            raise EncodingError(what=f"not of type {getattr(want, '__name__', want)}")
    return value
