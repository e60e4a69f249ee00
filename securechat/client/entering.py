"""
The way into a room once an entry that adds the newcomer has landed: the roster in pages, the
room that it makes, and `resume`.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from securechat.client.membership import Membership
from securechat.client.party import Party
from securechat.client.refusals import as_error, bare, subject
from securechat.client.rooms import Rooms
from securechat.errors import (
    AdmissionRefused,
    EntryRefused,
    FoundedAnew,
    Malformed,
    SecureChatError,
)
from securechat.group.joiner import Entrance
from securechat.group.log import MAX_SNAPSHOT
from securechat.group.room import Room
from securechat.wire import ErrorLine, Page, Roster


class Entering:
    """
    A newcomer that holds the key.

    :ivar done: fires with the membership once all is here, the own entry included. Cancelling
        it leaves the room.
    """

    def __init__(
        self, party: Party, rooms: Rooms, label: str, known: bytes | None, entrance: Entrance
    ) -> None:
        """:param known: G of the room that the label has to lead to, if that is known."""
        self.done: Deferred[Membership] = Deferred(lambda _: self._leave())
        self._party = party
        self._rooms = rooms
        self._label = label
        self._known = known
        self._entrance = entrance
        self._entry = entrance.signed.entry
        self._snapshot = bytearray()
        self._membership: Membership | None = None
        self._fetch()

    def page(self, line: Page) -> None:
        """Take the next page of the roster; any other is ignored."""
        here = (self._entry.room, self._entry.epoch, len(self._snapshot))
        if self._membership is not None or (line.room, line.epoch, line.offset) != here:
            return
        if line.total > MAX_SNAPSHOT:
            self._fail(self._refused("the relay shows a roster that is too long"))
            return
        self._snapshot += line.chunk
        if len(self._snapshot) < line.total:
            self._fetch()
        else:
            self._enter()

    def is_refused_by(self, line: ErrorLine) -> bool:
        """Whether *line* refuses the roster."""
        return self._membership is None and line.subject == subject(self._entry.room)

    def _fetch(self) -> None:
        self._party.say(Roster(self._entry.room, self._entry.epoch, len(self._snapshot)))

    def _enter(self) -> None:
        me, confirms = self._party.identity, self._party.confirms
        try:
            room = Room.enter(me, self._label, self._entrance, bytes(self._snapshot), confirms)
        except (Malformed, EntryRefused) as error:
            self._fail(self._refused(str(error)))
            return
        if self._known not in (None, room.id):
            self._fail(FoundedAnew(label=self._label))
            return
        self._membership = self._rooms.seat(room)
        self._membership.resume().addCallbacks(self._caught_up, self._not_resumed)

    def _caught_up(self, _: int) -> None:
        assert self._membership is not None
        if self._membership.room.inside:
            self.done.callback(self._membership)
        else:
            self._fail(self._refused("the relay hides the entry that adds you"))

    def _not_resumed(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            self._fail(as_error(reason))

    def _refused(self, why: str) -> AdmissionRefused:
        return AdmissionRefused(label=self._label, step="user_added", why=why)

    def _fail(self, error: SecureChatError) -> None:
        self._leave()
        self.done.errback(bare(error))

    def _leave(self) -> None:
        if self._membership is not None:
            self._rooms.unseat(self._membership)
