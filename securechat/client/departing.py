"""
Departures: who has said that it leaves, or has revoked its identity, is taken off the roster by
a member who remains.

Everybody knows of a departure at about the same time, and one entry is enough. So the members
who are online take turns, in an order that nobody can choose: the first acts at once, the next
two seconds later if nothing has landed by then, and so on. Who has something to say, which waits
for the new keys, does not wait for its turn.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from securechat.client.changing import Changing
from securechat.client.events import Refusal
from securechat.client.intents import Removing
from securechat.client.party import Party
from securechat.client.presence import Presence
from securechat.errors import EntryRefused, RelayRefused, SecureChatError
from securechat.group.detail import Removal, Why
from securechat.group.room import Room
from securechat.primitives import digest

PICK_SECONDS = 2.0
"""How long each member gives the one before it."""

WHO_SECONDS = 10.0
"""How long the relay may take to say who is online before this member does not wait for that."""

LOOK_SECONDS = 60.0
"""How often the trusted identities are looked through for revoked ones."""

REST_SECONDS = 60.0
"""How long to wait after the relay has refused."""


class Departing:
    """Who departs from one room, and whether it is this member who has to act."""

    def __init__(self, party: Party, room: Room, changing: Changing, presence: Presence) -> None:
        self._party = party
        self._room = room
        self._changing = changing
        self._presence = presence
        self._head = b""
        self._looked = 0.0
        self._revoked: dict[bytes, bytes] = {}
        self._turn: Deferred[None] | None = None
        self._removing: Deferred[None] | None = None
        self._rest: IDelayedCall | None = None

    def due(self) -> list[Removal]:
        """Return whom an entry is to remove, each with the evidence, but for this member itself."""
        me, leaving = self._party.identity.fingerprint, self._room.leaving
        left = [Removal(each, Why.LEFT, signature) for each, signature in leaving.items()]
        revoked = [
            Removal(each, Why.REVOKED, evidence)
            for each, evidence in self._revoked.items()
            if each not in leaving and each in self._room.log.membership.index
        ]
        return [each for each in (*left, *revoked) if each.member != me]

    def settled(self, *, live: bool) -> None:
        """
        What has become of the room is stored.

        :param live: whether this member is one who can remove somebody now.
        """
        if not live:
            self._stop()
            return
        self._look()
        if not self.due():
            self._stop()
        elif self._room.held:
            self._write()
        elif self._turn is None and self._rest is None:
            self._turn = Deferred.fromCoroutine(self._take_turn())
            self._turn.addErrback(lambda reason: reason.trap(CancelledError))

    def connection_lost(self) -> None:
        """Nobody can be removed now."""
        self._stop()

    def _look(self) -> None:
        head, now = self._room.place.head, self._party.clock.seconds()
        if head != self._head:
            self._head = head
            self._stop()
        elif now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        found = (
            (row.fingerprint, self._party.revoked(row.fingerprint)) for row in self._room.roster
        )
        self._revoked = {member: evidence for member, evidence in found if evidence is not None}

    async def _take_turn(self) -> None:
        clock, me = self._party.clock, self._party.identity.fingerprint
        try:
            online = await self._presence.ask().addTimeout(WHO_SECONDS, clock)
        except TimeoutError:
            online = frozenset({me})
        online -= {each.member for each in self.due()}
        order = sorted(online, key=lambda each: digest("pick", self._head, each))
        place = order.index(me) if me in order else len(order)
        await deferLater(clock, place * PICK_SECONDS)
        self._write()

    def _write(self) -> None:
        if self._removing is None and self._rest is None:
            self._removing = removing = self._changing.want(Removing(self.due))
            removing.addErrback(self._refused)
            removing.addCallback(self._removed)

    def _removed(self, _: None) -> None:
        self._removing = None

    def _refused(self, reason: Failure) -> None:
        reason.trap(SecureChatError, CancelledError)
        if isinstance(reason.value, RelayRefused | EntryRefused):
            self._party.emit(Refusal(reason.value))
            self._rest = self._party.clock.callLater(REST_SECONDS, self._rested)

    def _rested(self) -> None:
        self._rest = self._turn = None
        self.settled(live=True)

    def _stop(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.cancel()
