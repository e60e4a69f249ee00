"""
The end of a room's stream, where numbers are given out.
"""

from __future__ import annotations

import attrs

from securechat.errors import StaleEntry
from securechat.group.entry import ZERO
from securechat.relay.history import Landing


@attrs.define
class Tip:
    """The newest number of a stream, and the head of its log."""

    newest: int = 0
    head: bytes = ZERO

    def copy(self) -> Tip:
        """Return the end of the stream as it is now."""
        return Tip(self.newest, self.head)

    def land(self, landing: Landing) -> int:
        """
        Return the number of *landing*, with which the stream ends now.

        :raises StaleEntry: if it stands on another head, or its number is taken.
        """
        seq = self.newest + 1 if landing.seq is None else landing.seq
        if self.head != landing.prev or seq <= self.newest:
            raise StaleEntry()
        self.newest, self.head = seq, landing.head
        return seq

    def follow(self, head: bytes) -> int | None:
        """Return the number of a frame under *head*, None if the log's head is another."""
        if self.head != head or not self.newest:
            return None
        self.newest += 1
        return self.newest

    def skip(self, seq: int) -> None:
        """Go on after *seq*, if the stream has begun and that is further."""
        if self.newest:
            self.newest = max(self.newest, seq)
