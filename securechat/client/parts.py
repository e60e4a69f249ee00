"""
The parts of rooms in a client's database.

A row's names stand for relay, room and part, and its box, bound to all three, holds the part
and its name. Beside them stands the *total*: the MACs of all rows, XORed, in a box of its own.
So the parts are together those of one commit, or are refused: none can be missing, exchanged,
or older than the others.

Who reads the file learns how many relays, rooms and parts there are, and how long each part is;
from two copies of it, which parts changed. That all of it is an older copy cannot be seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from securechat.client.database import Database
from securechat.client.safe import Safe
from securechat.client.state import RoomKey
from securechat.encoding import decode, encode, shaped
from securechat.errors import BadCiphertext, DamagedState
from securechat.identity import Identity

_TOTAL_LENGTH = 32


class Parts:
    """The parts of all rooms of one identity."""

    def __init__(self, database: Database, identity: Identity) -> None:
        """:raises DamagedState: if the parts are not those of one commit of this identity."""
        self._database = database
        self._safe = Safe(identity, "parts")
        total = 0
        for row in database.execute("SELECT relay, room, name, box FROM parts"):
            total ^= self._term(*row)
        if self._total() != total:
            raise self._damaged()

    def of(self, relay: bytes) -> list[dict[str, bytes]]:
        """Return the parts of each room at *relay*, by their names."""
        rows = self._database.execute(
            "SELECT relay, room, name, box FROM parts WHERE relay = ? ORDER BY room",
            self._safe.name("relay", relay),
        )
        return [
            dict(self._opened(*row) for row in parts)
            for _, parts in groupby(rows, key=itemgetter(1))
        ]

    def change(
        self, forgotten: Iterable[bytes], changed: Mapping[RoomKey, Mapping[str, bytes | None]]
    ) -> None:
        """Forget rooms by G, then change parts; for use in a transaction."""
        total = self._total()
        for room in forgotten:
            total ^= self._delete("room = ?", self._safe.name("room", room))
        for (relay, room), parts in changed.items():
            place = self._safe.name("relay", relay), self._safe.name("room", room)
            for name, content in parts.items():
                row = *place, self._safe.name("part", name)
                total ^= self._delete("relay = ? AND room = ? AND name = ?", *row)
                if content is not None:
                    box = self._safe.box(encode(name, content), *row)
                    self._database.execute("INSERT INTO parts VALUES (?, ?, ?, ?)", *row, box)
                    total ^= self._term(*row, box)
        box = self._safe.box(total.to_bytes(_TOTAL_LENGTH), "total")
        self._database.execute("DELETE FROM total")
        self._database.execute("INSERT INTO total VALUES (?)", box)

    def _delete(self, where: str, *names: bytes) -> int:
        """Delete rows, and return what they were of the total."""
        total = 0
        for row in self._database.execute(
            f"DELETE FROM parts WHERE {where} RETURNING relay, room, name, box", *names
        ):
            total ^= self._term(*row)
        return total

    def _term(self, *row: Any) -> int:
        """What one row is of the total, whatever its fields are after a damage."""
        return int.from_bytes(self._safe.name("row", *row))

    def _total(self) -> int:
        rows = self._database.execute("SELECT box FROM total")
        return int.from_bytes(self._open(rows[0][0], "total")) if rows else 0

    def _opened(self, *row: Any) -> tuple[str, bytes]:
        *place, box = row
        name, content = shaped(decode(self._open(box, *place)), str, bytes)
        return name, content

    def _open(self, box: object, *place: Any) -> bytes:
        try:
            return self._safe.open(box, *place)
        except BadCiphertext:
            raise self._damaged() from None

    def _damaged(self) -> DamagedState:
        return DamagedState(
            path=self._database.path, what="another identity wrote it, or somebody changed it"
        )
