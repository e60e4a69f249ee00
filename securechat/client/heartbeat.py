"""
The heartbeat of one room: who has been silent for max(60 s, N · 2 s) in a room of N says with an
empty message what it has seen, so that a relay which shows different streams to different
members, or drops the newest, is found out. A heartbeat comes back like any message; where in as
much time nothing comes back of what this member has said, the connection is taken for dead.

Who may say nothing in the room at the time, since somebody departs or its keys are lost, asks the
relay who is there instead, so that the relay does not take its connection for dead.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from securechat.client.party import Party
from securechat.group.messages import Kind
from securechat.group.room import Room
from securechat.wire import Who

HEARTBEAT_SECONDS = 60.0
HEARTBEAT_SECONDS_PER_MEMBER = 2.0


def patience(members: int, chance: float) -> float:
    """
    Return after how many seconds of silence a member of a room of *members* says a heartbeat:
    a minute, or more where there are many, and up to a fifth more by *chance*. So a room costs
    at most half a heartbeat a second.

    :param chance: a random number from 0 to 1.
    """
    quiet = max(HEARTBEAT_SECONDS, HEARTBEAT_SECONDS_PER_MEMBER * members)
    return quiet * (1 + chance / 5)


class Heartbeat:
    """What this member says in one room when it has nothing to say."""

    def __init__(self, party: Party, room: Room, store: Callable[[], None]) -> None:
        """:param store: has the room stored, and what is outgoing then sent."""
        self._party = party
        self._room = room
        self._store = store
        self._call: IDelayedCall | None = None
        self._owed = False  # whether nothing has come back since this member spoke

    def settled(self, *, live: bool, spoke: bool) -> None:
        """
        What has become of the room is stored.

        :param spoke: whether this member has said something, which puts the next one off, unless
            it has not heard yet what it said before.
        """
        if spoke and not self._owed:
            self._stop()
            self._owed = True
        if live and self._call is None:
            seconds = patience(len(self._room.roster), self._party.chance())
            self._call = self._party.clock.callLater(seconds, self._beat, seconds)

    def answered(self) -> None:
        """Something that this member has said has come back, or will be said anew."""
        self._owed = False

    def connection_lost(self) -> None:
        """There is nobody to hear it."""
        self._stop()
        self._owed = False

    def _beat(self, seconds: float) -> None:
        self._call = None
        if self._owed:
            self._party.silent(seconds)
            return
        if self._room.stuck or self._room.leaving:  # nothing would come back
            self._party.say(Who(self._room.id))
        else:
            self._room.say(Kind.HEARTBEAT, b"")
        self._store()

    def _stop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
