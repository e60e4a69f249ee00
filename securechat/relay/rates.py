"""
How often one member may change a room: each entry makes work for everybody, and is kept for ever.

What counts is what the relay has to check; what came too late does not, since that happens to
honest members in a lively room.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from math import ceil

from twisted.internet.interfaces import IReactorTime

from securechat.group.log import CONSENT_WINDOW
from securechat.relay.limits import Limits
from securechat.relay.refusal import Refusal
from securechat.wire import Code

MAX_SKIPS = 4
"""How often in an hour. Once is enough for each time that a relay is restored."""


class Act(Enum):
    """What is counted."""

    ENTRY = auto()
    """An entry of its own that a member wants to land."""
    UPDATE = auto()
    """Of these, an update that has landed."""
    RESTORE = auto()
    """An entry that the relay lacks."""
    SKIP = auto()
    """To have seen numbers that the relay has not given out: they are passed over."""


_WORDS = {
    Act.ENTRY: "you have changed this room too often",
    Act.UPDATE: "you have updated your keys lately",
    Act.RESTORE: "you have restored as much as a member can know",
    Act.SKIP: "you have been ahead of this relay too often",
}


class Rates:
    """What the members of one room have done lately."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._bounds = {  # how many, in how many seconds
            Act.ENTRY: (limits.entries_per_minute, 60.0),
            Act.UPDATE: (1, limits.update_seconds),
            Act.RESTORE: (CONSENT_WINDOW, 3_600.0),
            Act.SKIP: (MAX_SKIPS, 3_600.0),
        }
        self._times: dict[tuple[Act, bytes], deque[float]] = {}

    def wait(self, act: Act, member: bytes) -> float:
        """Return the seconds until *member* may do so; at most 0 where it may now."""
        most, seconds = self._bounds[act]
        times = self._times.get((act, member))
        if times is None or len(times) < most:
            return 0
        return times[0] + seconds - self._clock.seconds()

    def check(self, act: Act, member: bytes, about: str) -> None:
        """
        See that *member* may do so now.

        :raises Refusal: about the subject *about*, if not.
        """
        wait = self.wait(act, member)
        if wait > 0:
            words = f"{_WORDS[act]}: try again in {ceil(wait)} seconds"
            raise Refusal(Code.BUSY, words, about)

    def count(self, act: Act, member: bytes) -> None:
        """*member* does so."""
        most, _ = self._bounds[act]
        times = self._times.setdefault((act, member), deque(maxlen=most))
        times.append(self._clock.seconds())

    def forgive(self, act: Act, member: bytes) -> None:
        """What *member* did last does not count."""
        if times := self._times.get((act, member)):
            times.pop()

    def forget(self, member: bytes) -> None:
        """*member* is none any more."""
        for act in Act:
            self._times.pop((act, member), None)
