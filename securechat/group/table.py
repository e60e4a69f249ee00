"""
Tables: what a room keeps, such that it can be stored in small parts.

A `Table` is a dict that knows which of its rows changed. Each row is one part, named
"table/key", with a CBOR array for its value; so a message that is taken or said changes a few
parts of a few dozen bytes, however large the room. Who stores the parts gives them all back to
`Table.fill`, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

from securechat.encoding import Value, decode, encode, shaped
from securechat.errors import EncodingError

K = TypeVar("K", int, bytes, str)
V = TypeVar("V")

_READ_KEY: Mapping[type, Callable[[str], Any]] = {int: int, bytes: bytes.fromhex, str: str}


class Table(MutableMapping[K, V]):
    """
    A dict in the order in which its keys came.

    :param name: what its parts begin with.
    :param keys: the type of its keys: numbers, bytes (spelled in hexadecimal), or words.
    :param write: returns the values of a row's CBOR array.
    :param read: makes a row of that array; raises `EncodingError` or ValueError.
    """

    def __init__(
        self,
        name: str,
        keys: type[K],
        write: Callable[[V], Sequence[Value]],
        read: Callable[[list[Any]], V],
    ) -> None:
        self.name = name
        self._rows: dict[K, V] = {}
        self._changed: set[K] = set()
        self._read_key = _READ_KEY[keys]
        self._write = write
        self._read = read

    def __repr__(self) -> str:
        return f"<Table {self.name}, {len(self)} rows>"

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __setitem__(self, key: K, row: V) -> None:
        self._rows[key] = row
        self._changed.add(key)

    def __delitem__(self, key: K) -> None:
        del self._rows[key]
        self._changed.add(key)

    def clear(self) -> None:
        self._changed.update(self._rows)
        self._rows.clear()

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield the parts that changed since the last call; None for a row that is gone."""
        for key in self._changed:
            data = encode(*self._write(self._rows[key])) if key in self._rows else None
            yield f"{self.name}/{_spelled(key)}", data
        self._changed = set()

    def fill(self, parts: Mapping[str, bytes]) -> None:
        """
        Take the rows that are among *parts*, in the order of their keys.

        :raises EncodingError: if one of them is malformed.
        """
        rows: dict[K, V] = {}
        for name, data in parts.items():
            table, _, key = name.partition("/")
            if table == self.name:
                try:
                    rows[self._read_key(key)] = self._read(decode(data))
                except ValueError:
                    raise EncodingError(what="a part of a room that is none") from None
        self._rows = dict(sorted(rows.items()))


def _spelled(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


def one(*shape: object) -> Callable[[list[Any]], Any]:
    """Return what reads a row that is an array of a single value, of that `shaped` *shape*."""
    return lambda value: shaped(value, *shape)[0]
