"""
What the client's rooms became in this turn of the reactor: kept first, then sent and shown.

A message key that was used must never be used again after a crash, and what was shown once must
not be shown as new. So nothing that a room does leaves this process before the room is where
it would be found after a crash: all that one turn brings is stored in one transaction, and only
then do frames go out, events to the observers, and results to who waits for them.

Where the state cannot be stored (the disk is full) nothing goes out and nothing is shown; the
connection is dropped, and everything is tried again with the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from securechat.address import Address
from securechat.client.state import State
from securechat.errors import SecureChatError, StateNotKept
from securechat.group.events import Delivered, Message, RoomEvent
from securechat.group.room import Room


class Keeper(Protocol):
    """A room's membership, as the journal knows it."""

    room: Room
    kept: bool
    """Whether the room is one to come back to."""

    def changes(self) -> dict[str, bytes | None]:
        """Return the parts to keep that have changed since the last time."""

    def stored(self) -> None:
        """What has happened is stored: send what waited for that."""

    def settled(self, events: list[RoomEvent]) -> None:
        """And now tell it."""


class Journal:
    """
    The rooms that have changed since the last commit.

    :param state: where they are kept; None: nowhere, and nothing waits.
    :param failed: hears why the state could not be stored.
    """

    def __init__(
        self,
        clock: IReactorTime,
        state: State | None,
        relay: Address,
        failed: Callable[[SecureChatError], None],
    ) -> None:
        self._clock = clock
        self._state = state
        self._relay = relay
        self._failed = failed
        self._noted: dict[Keeper, list[RoomEvent]] = {}
        self._call: IDelayedCall | None = None

    def note(self, keeper: Keeper, events: Iterable[RoomEvent] = ()) -> None:
        """*keeper*'s room has changed, and has *events* to tell."""
        if self._state is None:
            keeper.stored()
            keeper.settled(list(events))
            return
        noted = self._noted.setdefault(keeper, [])
        for event in events:
            noted.append(event)
            match event:
                case Message(sender=sender, text=text, seq=seq):
                    self._state.keep_message(keeper.room.id, seq, sender, text)
                case Delivered(text=str(text), seq=seq):
                    self._state.keep_message(keeper.room.id, seq, keeper.room.me, text)
        self._wait()

    def awaits(self, keeper: Keeper) -> bool:
        """Whether *keeper*'s room has changed since it was stored."""
        return keeper in self._noted

    def forget(self, room: bytes) -> None:
        """Keep nothing of *room* but what was said there."""
        if self._state is not None:
            self._state.forget(room)
            self._wait()

    def commit(self) -> bool:
        """Store what was noted, then let it out; return whether it could be stored."""
        self._stop_waiting()
        if self._state is not None:
            for keeper in self._noted:
                if keeper.kept:
                    self._state.save(self._relay, keeper.room.id, keeper.changes())
            try:
                self._state.commit()
            except StateNotKept as error:
                self._failed(error)
                return False
        noted, self._noted = self._noted, {}
        # All is sent before anything is told: who is told may say more, which is not stored yet.
        for keeper in noted:
            keeper.stored()
        for keeper, events in noted.items():
            keeper.settled(events)
        return True

    def _wait(self) -> None:
        if self._call is None:
            self._call = self._clock.callLater(0, self.commit)

    def _stop_waiting(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
