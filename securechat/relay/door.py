"""
A room's door: a few newcomers are admitted at once, the others wait and know their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securechat.relay.admission import Admission
from securechat.relay.refusal import Refusal
from securechat.relay.session import KNOCKS
from securechat.wire import Code, ErrorLine, Queued

if TYPE_CHECKING:
    from securechat.relay.room import Room
    from securechat.relay.session import Session

AT_ONCE = 4
"""Admissions that a room runs at once: each may ask every member."""

_MINUTE = 60.0


class Door:
    """The joins of *room* that are not over, in the order in which they came."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._inside: list[Admission] = []
        self._waiting: list[Admission] = []
        self._letting_in = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many newcomers wait for their turn."""
        return len(self._waiting)

    def knock(self, joiner: Session) -> None:
        """
        Admit *joiner*, now or when it is its turn.

        :raises Refusal: if it has knocked too often, or too many wait already, in all or from
            where *joiner* comes: identities cost nothing to make.
        """
        limits, now = self._room.limits, self._room.clock.seconds()
        if len(joiner.knocks) == KNOCKS and now - joiner.knocks[0] < _MINUTE:
            raise self._busy("you have joined too often: try again in a minute")
        if len(self._waiting) >= limits.waiting_per_room:
            raise self._busy("too many wait to join this room: try again later")
        source = joiner.wire.source
        same = sum(each.joiner.wire.source == source for each in self._waiting)
        if same >= limits.waiting_per_address:
            raise self._busy("too many from your address wait to join this room: try again later")
        joiner.knocks.append(now)
        joiner.joins[self._room.label] = admission = Admission(self._room, joiner)
        self._waiting.append(admission)
        if len(self._inside) < AT_ONCE:
            self._let_in()
        else:
            self._say_place(admission, len(self._waiting))

    def _busy(self, words: str) -> Refusal:
        return Refusal(Code.BUSY, words, self._room.label)

    def done(self, admission: Admission) -> None:
        """*admission* is over, however it ended."""
        del admission.joiner.joins[self._room.label]
        if admission in self._inside:
            self._inside.remove(admission)
            self._let_in()
        else:
            self._waiting.remove(admission)
            if not self._closed:
                self._say_places()

    def _let_in(self) -> None:
        if self._letting_in or self._closed:
            return  # an admission that is over as it begins: the loop below goes on by itself
        self._letting_in = True
        waited = len(self._waiting)
        while self._waiting and len(self._inside) < AT_ONCE:
            admission = self._waiting.pop(0)
            self._inside.append(admission)
            admission.ask()
        self._letting_in = False
        if len(self._waiting) < waited:
            self._say_places()

    def _say_places(self) -> None:
        for place, admission in enumerate(self._waiting, start=1):
            self._say_place(admission, place)

    def close(self, error: ErrorLine) -> None:
        """There is no room behind it any more: all joins end with *error*."""
        self._closed = True
        for admission in [*self._inside, *self._waiting]:
            admission.cancel()
            admission.joiner.turn_away(error)

    def _say_place(self, admission: Admission, place: int) -> None:
        admission.joiner.say(Queued(self._room.label, place))
