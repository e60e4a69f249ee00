"""
How this member comes back to the stream of one room: it asks for what is after the newest number
that it has. A relay that was restored from an older copy may know less than the member; then it
is shown the entries that it lacks, once.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from securechat.client.events import Replaying
from securechat.client.party import Party
from securechat.client.refusals import error_for, subject
from securechat.client.waiters import Waiters
from securechat.errors import RelayForked, SecureChatError
from securechat.group.events import RoomEvent
from securechat.group.room import Room
from securechat.wire import Behind, ErrorLine, Restore, Resume

PROGRESS = 1_000
"""After how many numbers of the stream it is told again how far it is."""


class Resuming:
    """
    The ways back of this member.

    :ivar refusal: why the relay did not let the room be resumed, if it did not.
    """

    def __init__(self, party: Party, room: Room) -> None:
        self.refusal: SecureChatError | None = None
        self._party = party
        self._room = room
        self._asked = 0  # how often `resume` was said and not answered
        self._shown = False  # whether the relay was shown what it lacks
        self._waiting: Waiters[int] = Waiters()

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for the end of it."""
        return bool(self._waiting)

    def wait(self) -> Deferred[int]:
        """Return what fires with the relay's newest number once all is here."""
        return self._waiting.wait()

    def ask(self) -> None:
        """Ask for what is after the newest number."""
        self._asked += 1
        self.refusal = None
        place = self._room.place
        self._party.say(Resume(place.room, place.epoch, place.head, self._room.seq))

    def progress(self, seq: int) -> list[RoomEvent]:
        """Number *seq* is here: say so now and then, where that was missed."""
        return [Replaying(self._room.label, seq)] if self._asked and not seq % PROGRESS else []

    def caught_up(self, seq: int) -> None:
        """All up to *seq* is here, and stored: tell those who wait."""
        self._waiting.fire(seq)

    # What the relay says

    def resumed(self) -> bool:
        """Return whether `resumed` answers this member, and is not said without reason."""
        if not self._asked:
            return False
        self._asked -= 1
        self._shown = False
        return True

    def behind(self, line: Behind) -> bool:
        """
        Take `behind`; return whether it answers this member. `refusal` says if the relay shows
        another past.
        """
        if not self._asked:
            return False
        self._asked -= 1
        later = None if self._shown else self._room.entries_after(line.epoch, line.head)
        if later is None:
            self.refusal = RelayForked(label=self._room.label)
            return True
        self._shown = True
        for seq, signed in later:
            self._party.say(Restore(self._room.id, seq, signed.encode()))
        self.ask()
        return True

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it refuses to resume this room; `refusal` says why."""
        if not self._asked or line.subject != subject(self._room.id):
            return False
        if self._room.gone is None:  # else the entry before has said it, and more
            self.refusal = error_for(line, self._room.label)
        return True

    def connection_lost(self, error: BaseException) -> None:
        """Nothing comes any more, because of *error*."""
        self._asked, self._shown = 0, False
        self._waiting.fail(error)
