"""One founding of a room, from `found` to the greeting."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from securechat.client.party import Party
from securechat.client.refusals import bare, error_for
from securechat.client.rooms import Rooms
from securechat.errors import SecureChatError
from securechat.group.room import Room
from securechat.wire import Code, ErrorLine, Found


class Founding:
    """
    A room that is real once its first entry is in the relay's stream.

    :ivar done: fires with the room then. Cancelling it forgets the room.
    """

    def __init__(self, party: Party, rooms: Rooms, room: Room, over: Callable[[str], None]) -> None:
        """:param over: called with the label when the founding has ended, however it did."""
        self.done: Deferred[Room] = Deferred(lambda _: self._stop())
        self._rooms = rooms
        self._party = party
        self._membership = rooms.seat(room)
        self._over = over
        # The relay may take the room though nobody hears of it here any more: only who has its
        # keys then can come back.
        self._membership.kept = True
        party.journal.note(self._membership)
        if party.journal.commit():
            party.say(Found(room.first_entry.encode()))

    def landed(self) -> None:
        """The first entry is in the stream: the client is the room's first member."""
        self._over(self._membership.room.label)
        self._membership.began()
        self._membership.enter()
        self.done.callback(self._membership.room)

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about this founding."""
        # That an entry is refused the relay says without a subject.
        nameless = line.code is Code.ENTRY and line.subject == "-"
        mine = nameless or line.subject == self._membership.room.label
        if mine:
            self.failed(error_for(line))
        return mine

    def failed(self, error: SecureChatError) -> None:
        """There will be no such room, because of *error*."""
        self._stop()
        self.done.errback(bare(error))

    def _stop(self) -> None:
        self._over(self._membership.room.label)
        self._rooms.unseat(self._membership)
        self._party.journal.forget(self._membership.room.id)
