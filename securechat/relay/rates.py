"""
How often one member may change the membership: each entry makes work for everybody.
"""

from __future__ import annotations

from collections import deque

import attrs
from twisted.internet.interfaces import IReactorTime

from securechat.group.detail import Detail, Update
from securechat.relay.limits import Limits
from securechat.relay.refusal import Refusal
from securechat.wire import Code

MINUTE = 60.0


@attrs.define
class _Author:
    entries: deque[float]
    """When the last entries landed."""
    updated: float | None = None
    """When the last update did."""


class Rates:
    """The entries that landed lately in one room, by author."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._authors: dict[bytes, _Author] = {}

    def may_write(self, author: bytes) -> bool:
        """Whether *author* may land another entry now."""
        known = self._authors.get(author)
        return (
            known is None
            or len(known.entries) < self._limits.entries_per_minute
            or known.entries[0] <= self._clock.seconds() - MINUTE
        )

    def check(self, author: bytes, detail: Detail, about: str) -> None:
        """
        See that *author* may land an entry with *detail* now.

        :raises Refusal: about the subject *about*, if not.
        """
        if not self.may_write(author):
            raise Refusal(
                Code.BUSY, "you have changed this room too often: try again in a minute", about
            )
        known = self._authors.get(author)
        if isinstance(detail, Update) and known is not None and known.updated is not None:
            wait = known.updated + self._limits.update_seconds - self._clock.seconds()
            if wait > 0:
                words = f"you have updated your keys lately: try again in {wait:.0f} seconds"
                raise Refusal(Code.BUSY, words, about)

    def note(self, author: bytes, detail: Detail) -> None:
        """An entry by *author* has landed."""
        known = self._authors.get(author)
        if known is None:
            known = _Author(deque(maxlen=self._limits.entries_per_minute))
            self._authors[author] = known
        known.entries.append(self._clock.seconds())
        if isinstance(detail, Update):
            known.updated = self._clock.seconds()

    def forget(self, author: bytes) -> None:
        """*author* is not a member any more."""
        self._authors.pop(author, None)
