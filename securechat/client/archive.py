"""
The messages that a client's user wants to keep, in the client's database.

A row has the room's name, the message's number and the day on which it was kept in the open,
and its sender and text in a box that is bound to them. So who reads the file learns how many
messages each room had on which day, and how long they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import attrs

from securechat.client.database import Database
from securechat.client.safe import Safe
from securechat.client.state import KeptMessage
from securechat.encoding import decode, encode, shaped
from securechat.errors import BadCiphertext, DamagedState
from securechat.fingerprint import LENGTH
from securechat.identity import Identity


@attrs.frozen
class Retention:
    """
    Which messages are kept.

    :param count: so many of each room, the newest.
    :param days: those of so many days before today.
    """

    count: int = 100_000
    days: int = 366


RETENTION = Retention()


class Archive:
    """The kept messages of all rooms of one identity."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._safe = Safe(identity, "messages")

    def read(self, room: bytes, after: int, most: int) -> list[KeptMessage]:
        """
        Return the first *most* messages of *room* after the number *after*, in order.

        :raises DamagedState: if one is not as it was kept.
        """
        rows = self._database.execute(
            "SELECT room, seq, day, box FROM messages WHERE room = ? AND seq > ?"
            " ORDER BY seq LIMIT ?",
            self._safe.name(room),
            after,
            most,
        )
        return [self._opened(*row) for row in rows]

    def keep(self, room: bytes, messages: Iterable[KeptMessage]) -> None:
        """Keep *messages* of *room*; for use in a transaction."""
        for each in messages:
            place = self._safe.name(room), each.seq, each.when.date().toordinal()
            content = encode(each.sender, each.text, int(each.when.timestamp()))
            self._database.execute(
                "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)",
                *place,
                self._safe.box(content, *place),
            )

    def forget(self, room: bytes) -> None:
        """Forget the messages of *room*; for use in a transaction."""
        self._database.execute("DELETE FROM messages WHERE room = ?", self._safe.name(room))

    def prune(self, retention: Retention, today: date) -> None:
        """Forget what is not to be kept any longer; for use in a transaction."""
        self._database.execute(
            "DELETE FROM messages WHERE day < ?", today.toordinal() - retention.days
        )
        self._database.execute(
            "DELETE FROM messages WHERE (room, seq) IN (SELECT room, seq FROM (SELECT room, seq,"
            " row_number() OVER (PARTITION BY room ORDER BY seq DESC) AS place FROM messages)"
            " WHERE place > ?)",
            retention.count,
        )

    def _opened(self, *row: Any) -> KeptMessage:
        *place, box = row
        try:
            content = self._safe.open(box, *place)
        except BadCiphertext:
            raise DamagedState(
                path=self._database.path, what="somebody changed a message in it"
            ) from None
        sender, text, when = shaped(decode(content), LENGTH, str, int)
        return KeptMessage(place[1], sender, text, datetime.fromtimestamp(when, UTC))
