"""Tables: what they hold, what of them has changed, and how they come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, encode
from securechat.errors import EncodingError
from securechat.group.table import Table, one

keys = st.binary(max_size=3)
steps = st.lists(st.tuples(keys, st.none() | st.integers(0, MAX_INTEGER)), max_size=12)


def numbers() -> Table[bytes, int]:
    """A table of numbers by bytes."""
    return Table("number", bytes, lambda number: [number], one(int))


def do(table: Table[bytes, int], key: bytes, number: int | None) -> None:
    """Set a row, or take it away where *number* is None."""
    if number is None:
        table.pop(key, None)
    else:
        table[key] = number


def store(kept: dict[str, bytes], table: Table[bytes, int]) -> None:
    """Do with the changes what whoever stores them does."""
    for name, data in table.changes():
        if data is None:
            kept.pop(name, None)
        else:
            kept[name] = data


class TableTests(SynchronousTestCase):
    """One table."""

    def test_it_is_a_dict(self) -> None:
        """In the order in which its keys came, without showing what it holds."""
        table = numbers()
        table[b"b"], table[b"a"] = 1, 2
        self.assertEqual(list(table.items()), [(b"b", 1), (b"a", 2)])
        self.assertEqual(table, {b"a": 2, b"b": 1})
        del table[b"b"]
        self.assertEqual((len(table), table.get(b"b"), b"a" in table), (1, None, True))
        self.assertEqual(repr(table), "<Table number, 1 rows>")
        self.assertRaises(KeyError, table.__delitem__, b"b")

    def test_what_is_cleared_is_gone(self) -> None:
        """Each row is among the changes, unless it was set again."""
        kept: dict[str, bytes] = {}
        table = numbers()
        table[b"a"], table[b"b"] = 1, 2
        store(kept, table)
        table.clear()
        self.assertEqual(table, {})
        table[b"b"] = 3
        store(kept, table)
        self.assertEqual(kept, {"number/62": encode(3)})

    def test_changes_are_told_once(self) -> None:
        """Each row that was set or taken away since, by its name."""
        table = numbers()
        table[b"\x0a"], table[b""] = 1, 2
        self.assertEqual(dict(table.changes()), {"number/0a": encode(1), "number/": encode(2)})
        self.assertEqual(dict(table.changes()), {})
        del table[b""]
        table[b"\x0a"] = 3
        self.assertEqual(dict(table.changes()), {"number/0a": encode(3), "number/": None})

    @given(st.lists(steps, max_size=4))
    def test_what_was_stored_comes_back(self, turns: list[list[tuple[bytes, int | None]]]) -> None:
        """However rows came and went between the times that they were stored."""
        table, kept = numbers(), dict[str, bytes]()
        for turn in turns:
            for key, number in turn:
                do(table, key, number)
            store(kept, table)
        back = numbers()
        back.fill({**kept, "other/00": b"not its own"})
        self.assertEqual(dict(back), dict(table))
        self.assertEqual(dict(back.changes()), {})

    def test_kinds_of_keys(self) -> None:
        """Numbers and words are spelled as they are; rows come back in the order of their keys."""
        ints: Table[int, int] = Table("n", int, lambda number: [number], one(int))
        ints.fill({"n/10": encode(1), "n/9": encode(2)})
        self.assertEqual(list(ints.items()), [(9, 2), (10, 1)])
        words: Table[str, bytes] = Table("w", str, lambda data: [data], one(bytes))
        words["chain"] = b"x"
        self.assertEqual(dict(words.changes()), {"w/chain": encode(b"x")})

    def test_parts_that_are_none(self) -> None:
        """A key or a value that is malformed is refused, in the words of what is stored."""
        for name, data in (
            ("number/xy", encode(1)),
            ("number/00", encode("text")),
            ("number/00", b"junk"),
            ("number/00", encode(1, 2)),
        ):
            self.assertRaises(EncodingError, numbers().fill, {name: data})
        strict: Table[int, int] = Table("n", int, lambda each: [each], lambda value: int(value[0]))
        self.assertRaises(EncodingError, strict.fill, {"n/1": encode("word")})
        self.assertRaises(EncodingError, strict.fill, {"n/one": encode(1)})
