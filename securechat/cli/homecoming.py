"""
Coming back to a room in which the user was when the last run ended: what was missed arrives,
what had not arrived goes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from securechat.cli.happenings import (
    ArrivedLate,
    CatchingUp,
    ComingBack,
    Happening,
    Returned,
)
from securechat.group.events import Delivered, Message
from securechat.group.room import Room

PROGRESS_SECONDS = 3.0
"""How long coming back may take before the user is told how far it is, and then again."""


class Homecoming:
    """The way back to *room*, and what is left of the last run in it."""

    def __init__(self, reactor: Any, room: Room, tell: Callable[[Happening], None]) -> None:
        """:param room: as the last run has kept it."""
        self._reactor = reactor
        self._room = room
        self._tell = tell
        self._unsent = frozenset(room.waiting)  # tickets
        self._messages = 0

    def hear(self, event: Happening) -> None:
        """Take what the client tells, on the way and after it."""
        match event:
            case Message():
                self._messages += 1
            case Delivered(text=str(text)) if event.ticket in self._unsent:
                self._tell(ArrivedLate(event.label, text, event.seq))

    async def watch(self, joining: Deferred[Room]) -> Room:
        """
        Return the room that *joining* comes back to, whether its keys are there or lost.

        :raises: as *joining* fails.
        """
        self._tell(ComingBack(self._room.label, len(self._unsent)))
        self._progress = self._reactor.callLater(PROGRESS_SECONDS, self._say_progress)
        try:
            room = await joining
        finally:
            self._progress.cancel()
        members = tuple(row.fingerprint for row in room.roster)
        self._tell(Returned(room.label, members, room.confirmed, self._messages))
        return room

    def _say_progress(self) -> None:
        self._tell(CatchingUp(self._room.label, self._messages))
        self._progress = self._reactor.callLater(PROGRESS_SECONDS, self._say_progress)
