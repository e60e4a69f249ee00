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
        self._asking: set[bytes] = set()  # whose request is not stored yet
        # A request from before may have become void while it was stored.
        for member, signature in list(self.pending.items()):
            if not self._holds(member, signature):
                room.ledger.values.apply({(Kind.LEAVE, member): None})

    @property
    def pending(self) -> Mapping[bytes, bytes]:
        """Who waits to be removed: fingerprint to signature."""
        return self._room.ledger.values.of(Kind.LEAVE)

    @property
    def everybody(self) -> bool:
        """Whether nobody remains who could remove the others."""
        return self.pending.keys() >= self._room.ledger.log.membership.index.keys()

    async def leave(self, session: Session, line: Leave) -> None:
        """
        Take the *line* by which the member of *session* leaves.

        :raises Refusal: if its signature is not of its row.
        :raises SecureChatError: if it cannot be stored.
        """
        room, member = self._room, session.fingerprint
        if not self._holds(member, line.signature):
            raise self._void("the signature is not yours over this room and your row")
        told = Leaving(room.id, member, line.signature)
        if member in self.pending:
            session.say(told)
        elif member not in self._asking:
            self._asking.add(member)
            try:
                await self._store(member, line.signature)
            finally:
                self._asking.discard(member)
            room.tell(told)
            if room.id not in session.rooms:
                session.say(told)
            room.settle()

    async def _store(self, member: bytes, signature: bytes) -> None:
        room, key = self._room, name(Kind.LEAVE, member)
        await room.history.put(room.id, key, signature)
        if not self._holds(member, signature):
            await room.history.put(room.id, key, None)
            raise self._void("your row has changed meanwhile")
        room.ledger.values.apply({(Kind.LEAVE, member): signature})

    def _holds(self, member: bytes, signature: bytes) -> bool:
        room = self._room
        row = room.ledger.row_of(member)
        try:
            if row is not None:
                verify(row.ed25519, signature, "leave", *leaving(room.id, row))
        except BadSignature:
            return False
        return row is not None

    def _void(self, words: str) -> Refusal:
        return Refusal(Code.PROOF, f"{words}: ask for it by join", subject(self._room.id))

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
