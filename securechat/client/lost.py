"""
The leave of a member who has nothing of the room any more but its label, and the identity.

Asked to let this identity in, a relay answers that it is a member, by which row. That row is
enough to sign the leave of; the room of which it is has to be the one that the label stands for.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from securechat.client.party import Party
from securechat.client.refusals import bare, error_for, subject
from securechat.client.rooms import Rooms
from securechat.errors import FoundedAnew, NotAMember, SecureChatError
from securechat.identity import Identity
from securechat.wire import (
    Asked,
    Cancel,
    Code,
    ErrorLine,
    Join,
    Leave,
    Leaving,
    Line,
    Member,
    Queued,
)


def signed_away(me: Identity, line: Member) -> Leave:
    """Return the leave of *me* from the room in which the relay says that it has a row."""
    return Leave(line.room, me.sign("leave", line.room, me.fingerprint, line.leaf))


class LeavingLost:
    """
    It takes the place of a join, which it begins as.

    :ivar done: fires when the relay has stored the leave. Cancelling it ends the waiting.
    """

    def __init__(self, party: Party, rooms: Rooms, label: str, left: Callable[[], None]) -> None:
        """
        :param left: called when it is over.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: if what is known of rooms cannot
            be read.
        """
        self.label = label
        self.done: Deferred[None] = Deferred(lambda _: self._left())
        self._party = party
        self._rooms = rooms
        self._known = rooms.known(label)
        self._left = left
        self._said: Leave | None = None

    def start(self) -> None:
        """Ask the relay as somebody who wants to join does."""
        self._party.say(Join(self.label))

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.done.called

    def hear(self, line: Line) -> None:
        """Take a line that may be about this; others are ignored."""
        match line:
            case Member() if line.label == self.label and self._said is None:
                self._member(line)
            case Leaving() if self._said is not None and line.signature == self._said.signature:
                self._left()
                self.done.callback(None)
            case Queued() | Asked() if line.label == self.label:
                self._not_a_member()

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about this."""
        if line.subject == self.label:
            nobody = line.code is Code.NOBODY  # to vouch for a newcomer
            self.failed(NotAMember(label=self.label) if nobody else error_for(line))
            return True
        if self._said is not None and line.subject == subject(self._said.room):
            self.failed(error_for(line, self.label))
            return True
        return False

    def failed(self, error: SecureChatError) -> None:
        """It is over, because of *error*."""
        self._left()
        self.done.errback(bare(error))

    connection_lost = failed

    def _member(self, line: Member) -> None:
        if self._rooms.may_be(line.room, self.label, self._known):
            self._said = signed_away(self._party.identity, line)
            self._party.say(self._said)
        else:
            self.failed(FoundedAnew(label=self.label))

    def _not_a_member(self) -> None:
        """The relay has begun to let a newcomer in: there is nobody to leave."""
        self._party.say(Cancel(self.label))
        self.failed(NotAMember(label=self.label))
