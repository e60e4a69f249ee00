"""
The own leave from a room: a signature that lets the others take this member off the roster. A
leaver cannot make the new keys itself, so it goes as soon as the relay has stored its word.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from securechat.client.party import Party
from securechat.client.refusals import error_for, subject
from securechat.client.waiters import Waiters
from securechat.group.room import Room
from securechat.wire import Code, ErrorLine, Leave, Leaving

_OVER = (Code.NO_ROOM, Code.NOT_MEMBER)
"""What the relay says of the room where the leave has led to its end already."""


class Leaver:
    """
    :param left: called when this member has left, before anybody else hears of it.
    """

    def __init__(self, party: Party, room: Room, left: Callable[[], None]) -> None:
        self._party = party
        self._room = room
        self._left = left
        self._waiting: Waiters[None] = Waiters()
        self._signature: bytes | None = None
        self._signed_epoch = 0  # of the leaf key that the signature is about

    @property
    def wanted(self) -> bool:
        """Whether somebody waits to have left."""
        return bool(self._waiting)

    def leave(self) -> Deferred[None]:
        """Leave. Fires once the relay has stored it."""
        return self._waiting.wait()

    def settled(self, *, live: bool) -> None:
        """:param live: whether the relay hears, and nothing else of this member is on its way."""
        renewed = self._signed_epoch != self._room.leaf_epoch
        if live and self._waiting and (self._signature is None or renewed):
            self._signature, self._signed_epoch = self._room.leave(), self._room.leaf_epoch
            self._party.say(Leave(self._room.id, self._signature))

    def leaving(self, line: Leaving) -> bool:
        """Take `leaving`, if it says that the relay has stored the own leave."""
        mine = self._signature is not None and line.signature == self._signature
        if mine:
            self.done()
        return mine

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about that, or says that it has come to that already."""
        if not self._waiting or line.subject != subject(self._room.id):
            return False
        if line.code in _OVER:
            self.done()
            return True
        said, self._signature = self._signature, None
        if said is not None:
            self._waiting.fail(error_for(line, self._room.label))
        return said is not None

    def done(self) -> None:
        """This member has left, if it wanted to."""
        waiting, self._waiting = self._waiting, Waiters()
        if waiting:
            self._left()
            waiting.fire(None)

    def connection_lost(self) -> None:
        """Whether the relay has it will show."""
        self._signature = None

    def leave_alone(self, error: BaseException) -> None:
        """It will not come to that, because of *error*."""
        self._signature = None
        self._waiting.fail(error)
