"""
When this member renews its leaf key, and with it the room's keys: once in max(24 h, N · 15 min),
so that what somebody has stolen is of no use after that.

The time is one of the wall clock, and is kept with the room: who is away when it comes renews
when it is back, though not all who come back at once do so at once.
"""

from __future__ import annotations

from contextlib import suppress

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall

from securechat.client.changing import Changing
from securechat.client.intents import Departures, Removing, Renewing
from securechat.client.party import Party
from securechat.client.presence import Presence
from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError, SecureChatError
from securechat.group.detail import Why
from securechat.group.room import Room

PERIOD_SECONDS = 24 * 3600.0
PERIOD_SECONDS_PER_MEMBER = 15 * 60.0

SPREAD_SECONDS_PER_MEMBER = 15.0
"""Within how many seconds for each member those renew who all have to do so at once."""

AGAIN_SECONDS = 3600.0
"""How long after a refusal it is tried again: a relay takes one update an hour."""


def period(members: int, chance: float) -> float:
    """
    Return after how many seconds a member of a room of *members* renews its leaf key: a day, or
    more where there are many, and up to a fifth more by *chance*.

    :param chance: a random number from 0 to 1.
    """
    return max(PERIOD_SECONDS, PERIOD_SECONDS_PER_MEMBER * members) * (1 + chance / 5)


class Schedule:
    """The renewals of one member in one room."""

    PART = "renewal"
    """The name under which its time is kept with the room's parts."""

    def __init__(
        self,
        party: Party,
        room: Room,
        changing: Changing,
        presence: Presence,
        departures: Departures,
        kept: bytes | None,
    ) -> None:
        """:param kept: the part of this name as `changes` gave it; None: the leaf key is new."""
        self._party = party
        self._room = room
        self._changing = changing
        self._presence = presence
        self._departures = departures
        self._leaf_epoch = room.leaf_epoch
        self._hurries = False
        self._changed = True
        self._call: IDelayedCall | None = None
        self._tending = False
        self._work: Deferred[None] | None = None
        try:
            self._due = float(*shaped(decode(kept or b""), int))
        except EncodingError:
            self._due = self._next()

    def changes(self) -> dict[str, bytes | None]:
        """Return the part to keep, if it has changed since the last time."""
        changed, self._changed = self._changed, False
        return {self.PART: encode(int(self._due))} if changed else {}

    def settled(self, *, live: bool) -> None:
        """
        What has become of the room is stored.

        :param live: whether this member is one who can change it now.
        """
        room = self._room
        if self._leaf_epoch != room.leaf_epoch:
            self._leaf_epoch, self._hurries = room.leaf_epoch, False
            self._set(self._next())
        age, rounds = room.place.epoch - room.leaf_epoch, room.log.membership.policy.rounds
        if 2 * age > rounds * len(room.roster):
            self.hurry()  # half way to where anybody may remove this member
        if not live:
            self.connection_lost()
        elif self._call is None and not self._tending:
            self._wait()

    def hurry(self) -> None:
        """Renew soon."""
        if not self._hurries:
            self._hurries = True
            self._set(min(self._due, self._soon()))

    def connection_lost(self) -> None:
        """Nothing can be renewed now."""
        self._stop()
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def _wait(self) -> None:
        """Wait until it is time."""
        now = self._party.clock.seconds()
        if self._due < now:
            self._set(self._soon())
        self._call = self._party.clock.callLater(self._due - now, self._renew)

    def _renew(self) -> None:
        self._call = None
        self._tending = True
        self._work = Deferred.fromCoroutine(self._tend())
        self._work.addErrback(lambda reason: reason.trap(CancelledError))
        self._work.addCallback(self._done)

    async def _tend(self) -> None:
        try:
            await self._changing.want(Renewing(self._room.leaf_epoch))
        except SecureChatError:
            self._set(self._party.clock.seconds() + AGAIN_SECONDS * (1 + self._party.chance()))
            return
        with suppress(SecureChatError):  # next time
            if self._room.stale:
                # Who is online is left to renew by itself.
                stale = frozenset(self._room.stale) - await self._presence.ask()
                if stale:
                    await self._changing.want(Removing(self._departures, stale, Why.STALE))

    def _done(self, _: object) -> None:
        self._tending = False

    def _next(self) -> float:
        return self._party.clock.seconds() + period(len(self._room.roster), self._party.chance())

    def _soon(self) -> float:
        spread = SPREAD_SECONDS_PER_MEMBER * len(self._room.roster)
        return self._party.clock.seconds() + spread * self._party.chance()

    def _set(self, due: float) -> None:
        self._due, self._changed = due, True
        self._stop()

    def _stop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
