"""
What a client keeps between its runs: its rooms and, if its user wants that, their messages.

A room is kept as the *parts* that `Room.changes` gives, each under its name; `Room.restore`
makes a room of them again. What is given is gathered until `commit`, which keeps all of it or
nothing, and only once it returns may anything that follows from it be shown or sent: so a key
of a ratchet that was used once is, after any crash, known to be used. Nothing is reserved
ahead.

`State` is the interface. `MemoryState` keeps everything as long as the program runs;
`securechat.client.directory` keeps it on disk. Neither knows what a part holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

import attrs

from securechat.address import Address
from securechat.errors import StateNotKept

RoomKey: TypeAlias = tuple[bytes, bytes]
"""A room at a relay: `Address.dialled` and G."""


@attrs.frozen
class KeptMessage:
    """
    One message as it was shown.

    :param seq: its number in the room's stream.
    :param sender: a fingerprint.
    :param when: when it was kept, in UTC, to the second.
    """

    seq: int
    sender: bytes
    text: str
    when: datetime


class State(Protocol):
    """
    What keeps a client's rooms. *room* is always G, 32 bytes; a relay is known without its pin.

    What is read is what the last `commit` kept.
    """

    def rooms(self, relay: Address) -> list[dict[str, bytes]]:
        """Return the parts of each room that is kept for *relay*."""

    def save(self, relay: Address, room: bytes, parts: Mapping[str, bytes | None]) -> None:
        """Take *parts* of a room in the place of those of the same names; None: have it no more."""

    def forget(self, room: bytes) -> None:
        """Have no part of *room* any more, at any relay. Its messages stay."""

    def keep_message(self, room: bytes, seq: int, sender: bytes, text: str) -> None:
        """Keep a message, if messages are kept here."""

    def forget_messages(self, room: bytes) -> None:
        """Have no message of *room* any more."""

    def messages(self, room: bytes, *, after: int = 0, most: int = 100) -> list[KeptMessage]:
        """Return the first *most* messages after the number *after*, in order."""

    def commit(self) -> None:
        """
        Keep all that was given since the last time, as one, and durably.

        :raises StateNotKept: if that failed: nothing was kept, and nothing is lost, so that a
            later one can do it all.
        """

    def close(self) -> None:
        """Let go of everything; what was not committed is lost."""


def now() -> datetime:
    """Return the time of day, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


class Gathering:
    """
    What was given to be kept since the last commit: the half that every `State` has in common.

    Forgetting comes first: what was given after it is kept.
    """

    def __init__(self, *, messages: bool, clock: Callable[[], datetime]) -> None:
        self._keeps_messages = messages
        self._clock = clock
        self._gathered_nothing()

    def _gathered_nothing(self) -> None:
        self._forgotten: set[bytes] = set()
        self._parts: dict[RoomKey, dict[str, bytes | None]] = {}
        self._emptied: set[bytes] = set()
        self._messages: dict[bytes, list[KeptMessage]] = {}

    @property
    def _gathered(self) -> bool:
        return bool(self._forgotten or self._parts or self._emptied or self._messages)

    def save(self, relay: Address, room: bytes, parts: Mapping[str, bytes | None]) -> None:
        self._parts.setdefault((relay.dialled, room), {}).update(parts)

    def forget(self, room: bytes) -> None:
        self._forgotten.add(room)
        for key in [key for key in self._parts if key[1] == room]:
            del self._parts[key]

    def keep_message(self, room: bytes, seq: int, sender: bytes, text: str) -> None:
        if self._keeps_messages:
            message = KeptMessage(seq, sender, text, self._clock())
            self._messages.setdefault(room, []).append(message)

    def forget_messages(self, room: bytes) -> None:
        self._emptied.add(room)
        self._messages.pop(room, None)


class MemoryState(Gathering):
    """
    A state that lives as long as the program.

    A test that has a client crash makes a new one on its `survivor`.

    :ivar full: set it, and `commit` fails as on a full disk.
    """

    def __init__(self, *, messages: bool = False, clock: Callable[[], datetime] = now) -> None:
        super().__init__(messages=messages, clock=clock)
        self.full = False
        self._rooms: dict[RoomKey, dict[str, bytes]] = {}
        self._kept: dict[bytes, dict[int, KeptMessage]] = {}

    def rooms(self, relay: Address) -> list[dict[str, bytes]]:
        return [dict(parts) for key, parts in self._rooms.items() if key[0] == relay.dialled]

    def messages(self, room: bytes, *, after: int = 0, most: int = 100) -> list[KeptMessage]:
        kept = self._kept.get(room, {})
        return [kept[seq] for seq in sorted(kept) if seq > after][:most]

    def commit(self) -> None:
        if self.full:
            raise StateNotKept(path="memory", why="it is full")
        for key in [key for key in self._rooms if key[1] in self._forgotten]:
            del self._rooms[key]
        for key, changed in self._parts.items():
            merged = {**self._rooms.get(key, {}), **changed}
            self._rooms[key] = {
                name: content for name, content in merged.items() if content is not None
            }
            if not self._rooms[key]:
                del self._rooms[key]
        for room in self._emptied:
            self._kept.pop(room, None)
        for room, messages in self._messages.items():
            self._kept.setdefault(room, {}).update((each.seq, each) for each in messages)
        self._gathered_nothing()

    def close(self) -> None:
        self._gathered_nothing()

    def survivor(self) -> MemoryState:
        """Return what another program finds after this one has ended without a warning."""
        other = MemoryState(messages=self._keeps_messages, clock=self._clock)
        other._rooms = {key: dict(parts) for key, parts in self._rooms.items()}
        other._kept = {room: dict(messages) for room, messages in self._kept.items()}
        return other
