"""
Who is in a room under a name that the user has given to somebody else.

It may be a friend with a new identity, or somebody who poses as one: what a member calls itself
proves nothing. Who is trusted bears the user's own name, whatever it calls itself, and is not
meant here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from securechat.cli.happenings import Entered, Happening, Returned, SameName
from securechat.cli.names import Names
from securechat.group.events import MemberAdded, Named
from securechat.group.room import Room


class Namesakes:
    """Notices such members, each once for each friend."""

    def __init__(self, names: Names, rooms: Callable[[], Iterable[Room]]) -> None:
        """
        :param names: which has heard of an event before it comes here.
        :param rooms: returns those that the user is in, by now.
        """
        self._names = names
        self._rooms = rooms
        self._told: set[tuple[bytes, bytes]] = set()

    def after(self, event: Happening) -> Iterator[SameName]:
        """Yield what is to be told after *event*."""
        match event:
            case Named() | MemberAdded():
                yield from self._look(event.label, [event.member])
            case Entered() | Returned():
                yield from self._look(event.label, event.members)

    def _look(self, label: str, members: Iterable[bytes]) -> Iterator[SameName]:
        rows = {
            row.fingerprint: row
            for room in self._rooms()
            if room.label == label
            for row in room.roster
        }
        for member in members:
            friend = self._names.namesake(member)
            if friend is None or member not in rows or (member, friend.fingerprint) in self._told:
                continue
            self._told.add((member, friend.fingerprint))
            yield SameName(label, member, friend.fingerprint, rows[member].voucher)
