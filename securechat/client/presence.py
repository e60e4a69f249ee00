"""
Who is online in a room, as the relay says. It may lie: what follows from it is who is the first
to do something, never whether it may be done.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from securechat.client.party import Party
from securechat.client.waiters import Waiters
from securechat.group.room import Room
from securechat.wire import Online, Who

ASK_AGAIN_SECONDS = 1.0
"""How long to wait where the answer is about another roster than the newest."""


class Presence:
    """Asks the relay who is online in one room."""

    def __init__(self, party: Party, room: Room) -> None:
        self._party = party
        self._room = room
        self._live = False
        self._asking: Waiters[frozenset[bytes]] = Waiters()
        self._asked = False
        self._again: IDelayedCall | None = None

    def ask(self) -> Deferred[frozenset[bytes]]:
        """Return who is online, by fingerprint, once the relay has said so."""
        done = self._asking.wait()
        self._ask()
        return done

    def settled(self, *, live: bool) -> None:
        """
        What has become of the room is stored.

        :param live: whether the relay answers.
        """
        self._live = live
        self._ask()

    def online(self, line: Online) -> None:
        """Take `online`."""
        if not self._asked:
            return
        self._asked = False
        if line.epoch == self._room.place.epoch:
            bits = "".join(f"{byte:08b}" for byte in line.rows)
            online = zip(self._room.roster, bits, strict=False)
            self._asking.fire(frozenset(row.fingerprint for row, bit in online if bit == "1"))
        else:
            self._stop()
            self._again = self._party.clock.callLater(ASK_AGAIN_SECONDS, self._ask)

    def leave_alone(self, error: BaseException) -> None:
        """Nobody will answer, because of *error*."""
        self._live = self._asked = False
        self._stop()
        self._asking.fail(error)

    def _ask(self) -> None:
        if self._live and self._asking and not (self._asked or self._waits):
            self._asked = True
            self._party.say(Who(self._room.id))

    @property
    def _waits(self) -> bool:
        return self._again is not None and self._again.active()

    def _stop(self) -> None:
        if self._again is not None and self._again.active():
            self._again.cancel()
