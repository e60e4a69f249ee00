"""
The members of a room who have signed their `leave`, and those of them who wait to come back.

A leaver cannot make the key that it is not to have, so it asks: the request is stored, shown to
the other members, and stands until one of them writes the entry that removes it. Whoever has
lost the room's keys leaves and joins again at once; such a join waits for that entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securechat.errors import BadSignature
from securechat.group.detail import leaving
from securechat.primitives import verify
from securechat.relay.refusal import Refusal, subject
from securechat.relay.state import Kind, name
from securechat.wire import Code, ErrorLine, Leave, Leaving, Queued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from securechat.relay.room import Room
    from securechat.relay.session import Session


class Comeback:
    """The join of *joiner*, a member who leaves, to the same room."""

    def __init__(self, departures: Departures, joiner: Session) -> None:
        self.joiner = joiner
        self._departures = departures

    def cancel(self) -> None:
        """The member is gone, or no longer wants to join."""
        self._departures.forget(self)


class Departures:
    """Who leaves *room*."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._comebacks: dict[bytes, Comeback] = {}

    @property
    def pending(self) -> Mapping[bytes, bytes]:
        """Who waits to be removed: fingerprint to signature."""
        return self._room.values.of(Kind.LEAVE)

    @property
    def everybody(self) -> bool:
        """Whether nobody remains who could remove the others."""
        return self.pending.keys() >= self._room.log.membership.index.keys()

    async def leave(self, session: Session, line: Leave) -> None:
        """
        Take the *line* by which the member of *session* leaves.

        :raises Refusal: if its signature is not of its row.
        :raises SecureChatError: if it cannot be stored.
        """
        room, member = self._room, session.fingerprint
        row = room.row_of(member)
        assert row is not None
        try:
            verify(row.ed25519, line.signature, "leave", *leaving(room.id, row))
        except BadSignature:
            words = "the signature is not yours over this room and your row: ask for it by join"
            raise Refusal(Code.PROOF, words, subject(room.id)) from None
        if member not in self.pending:
            key = name(Kind.LEAVE, member)
            await room.history.put(room.id, key, line.signature)
            if room.over:
                return
            if room.row_of(member) != row:
                await room.history.put(room.id, key, None)
                words = "your row has changed meanwhile: ask for it by join"
                raise Refusal(Code.STATE, words, subject(room.id))
            room.values.apply({(Kind.LEAVE, member): line.signature})
        told = Leaving(room.id, member, line.signature)
        room.tell(told)
        if room.id not in session.rooms:
            session.say(told)
        room.settle()

    def come_back(self, joiner: Session) -> None:
        """Let *joiner*, who leaves, wait until it is removed."""
        label = self._room.label
        joiner.joins[label] = self._comebacks[joiner.fingerprint] = Comeback(self, joiner)
        joiner.say(Queued(label, 1))

    def settle(self) -> None:
        """Admit those who wait and have been removed; tell those whose `leave` is void."""
        for member, comeback in list(self._comebacks.items()):
            if member not in self.pending:
                comeback.cancel()
                try:
                    self._room.join(comeback.joiner)
                except Refusal as refusal:
                    comeback.joiner.turn_away(refusal.line)

    def close(self, error: ErrorLine) -> None:
        """Tell those who wait that there is no room to come back to."""
        for comeback in list(self._comebacks.values()):
            comeback.cancel()
            comeback.joiner.turn_away(error)

    def forget(self, comeback: Comeback) -> None:
        """*comeback* is over."""
        del comeback.joiner.joins[self._room.label]
        del self._comebacks[comeback.joiner.fingerprint]
