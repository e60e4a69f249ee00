"""
One newcomer's join: whom to ask next.

First one member, in roster order among those who are here; then two, four, eight, and so on,
until somebody vouches or nobody is left. The newcomer sees one vouch at a time and the next
only after that one has failed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from securechat.relay.attempt import Attempt
from securechat.relay.rates import Act
from securechat.wire import Asked, Code, ErrorLine

if TYPE_CHECKING:
    from securechat.relay.room import Room
    from securechat.relay.session import Session

NOBODY_HERE = "no member of this room is here to vouch for you"
NOBODY_VOUCHES = "nobody who is here vouches for you"
TOO_MANY = "who could vouch for you here has let in many others just now: try again in a minute"


class Admission:
    """The join of *joiner* to *room*."""

    def __init__(self, room: Room, joiner: Session) -> None:
        self.room = room
        self.joiner = joiner
        self._asked: set[bytes] = set()
        self._batch = 1
        self._attempts: list[Attempt] = []  # of this batch, those that live
        self._current: Attempt | None = None  # the one that the newcomer knows of
        self._held: deque[Attempt] = deque()
        self._over = False

    def ask(self) -> None:
        """Ask the next batch of members; where nobody is left, tell the newcomer."""
        online = self.room.online
        # Who does not read what it was sent would not read this either.
        others = [
            member
            for member in online
            if member.fingerprint not in self._asked and member.wire.writable
        ]
        wait = self.room.ledger.rates.wait
        fresh = [member for member in others if wait(Act.ENTRY, member.fingerprint) <= 0][
            : self._batch
        ]
        self._batch *= 2
        self._asked.update(member.fingerprint for member in fresh)
        self._attempts = [Attempt(self, member) for member in fresh]
        for attempt in self._attempts:
            attempt.begin()
        if fresh:
            here = self._asked.union(member.fingerprint for member in online)
            self.joiner.say(Asked(self.room.label, len(self._asked), len(here)))
        elif others:
            self._turn_away(Code.BUSY, TOO_MANY)
        else:
            self._turn_away(Code.NOBODY, NOBODY_VOUCHES if self._asked else NOBODY_HERE)

    def _turn_away(self, code: Code, words: str) -> None:
        self._finish()
        self.joiner.turn_away(ErrorLine(code, self.room.label, words))

    def cancel(self) -> None:
        """The newcomer is gone, or no longer wants to join."""
        self._finish(by=self.joiner)

    def vouched(self, attempt: Attempt) -> None:
        """The member of *attempt* vouches: pass that on, now or when it is its turn."""
        if self._current is None:
            self._current = attempt
            attempt.pass_on()
        else:
            self._held.append(attempt)

    def ended(self, attempt: Attempt) -> None:
        """*attempt* came to nothing."""
        self._attempts.remove(attempt)
        if attempt in self._held:
            self._held.remove(attempt)
        if self._current is attempt:
            self._current = None
        if self._over:
            return
        if self._current is None and self._held:
            self.vouched(self._held.popleft())
        elif not self._attempts:
            self.ask()

    def landed(self, attempt: Attempt) -> None:
        """The entry of *attempt* is in the log: the newcomer is a member."""
        self._attempts.remove(attempt)
        self._finish()

    def _finish(self, by: Session | None = None) -> None:
        self._over = True
        for attempt in list(self._attempts):
            attempt.end(by)
        self.room.door.done(self)
