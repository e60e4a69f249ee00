"""How far a member has got in a room: the one part of what is stored that always changes."""

from __future__ import annotations

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.group.detail import Why
from securechat.group.events import Removed
from securechat.primitives import HASH_LENGTH


@attrs.frozen
class Progress:
    """A few numbers. Each is explained where it is used."""

    inside: bool
    confirmed: bool
    tickets: int
    missed: int
    last_missed: int
    seq: int
    newest: tuple[int, bytes]
    gone: Removed | None

    def encode(self) -> bytes:
        gone = self.gone
        return encode(
            *(int(self.inside), int(self.confirmed), self.tickets),
            *(self.missed, self.last_missed, self.seq, *self.newest),
            [gone.by, int(gone.why), gone.seq] if gone else [],
        )

    @classmethod
    def decode(cls, label: str, data: bytes) -> Progress:
        """
        Return the progress in the room *label* that *data* encodes.

        :raises EncodingError, ValueError: if it encodes none.
        """
        inside, confirmed, tickets, missed, last_missed, seq, known, value, gone = shaped(
            decode(data), *[int] * 7, HASH_LENGTH, list
        )
        return cls(
            bool(inside),
            bool(confirmed),
            tickets,
            missed,
            last_missed,
            seq,
            (known, value),
            _removed(label, gone) if gone else None,
        )


def _removed(label: str, value: list[object]) -> Removed:
    by, why, seq = shaped(value, HASH_LENGTH, int, int)
    return Removed(label, by, Why(why), seq)
