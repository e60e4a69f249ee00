"""
Whom a client comes to trust by itself, where nobody sits before it who could compare a
fingerprint.

What it adds is hearsay: it is marked so in the trust store, it lets others in and is obeyed like
any other trust, but it never confirms a room. That a member is heard before it is added, and goes
again with a kick, keeps what a room's members do with each other in step with what is trusted of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import Enum
from itertools import count

import attrs

from securechat.client.events import Event, TrustAdded, TrustRemoved
from securechat.client.state import now
from securechat.group.detail import Why
from securechat.group.events import MemberRemoved, Message, Named, RoomEvent
from securechat.group.room import Room
from securechat.trust import TrustStore
from securechat.trusted import How

MAX_SAID = 24
"""How much of a name that somebody gave themselves, or of a voucher's, a petname has."""


class TrustPolicy(Enum):
    """Whom a client adds by itself to the identities that it trusts."""

    PIN = "pin"
    """Nobody: whoever owns the trust store has put everybody there."""
    VOUCHED = "vouched"
    """Each member whom somebody trusted has vouched for, once it is heard in the room."""
    FIRST_USE = "first-use"
    """
    Who lets the client into a room of which it knows nothing, unless somebody trusted is on the
    roster.
    """


@attrs.define
class Trusting:
    """What a client makes of its `TrustPolicy`."""

    policy: TrustPolicy
    _me: bytes
    _store: TrustStore
    _trusts: Callable[[bytes], bool]
    """Whether a fingerprint is trusted, as the store was a second ago."""
    _emit: Callable[[Event], None]
    _storing: Callable[[], AbstractContextManager[None]]
    """Tells, rather than raises, that the store could not be written."""

    def believes(self, voucher: bytes) -> bool:
        """Whether *voucher*, who is not trusted, may let the client into a room unknown to it."""
        return self.policy is TrustPolicy.FIRST_USE and self._may_be_added(voucher)

    def entered(self, room: Room) -> None:
        """The client has been let into *room*, of which it knew nothing."""
        members = room.log.membership
        voucher = members.rows[members.index[self._me]].voucher
        if self.believes(voucher) and not any(map(self._trusts, members.index)):
            self._add(room.label, voucher, "first-use", f"first in {_cut(room.label)}")

    def heard(self, room: Room, event: RoomEvent) -> None:
        """Something is about to be told of *room*."""
        if self.policy is not TrustPolicy.VOUCHED:
            return
        match event:
            case Named(member=member) | Message(sender=member):
                self._vouched(room, member)
            case MemberRemoved(member=member, why=Why.KICKED):
                self._kicked(room, member)

    def _vouched(self, room: Room, member: bytes) -> None:
        row = room.log.membership.index.get(member)
        if row is None or self._trusts(member) or not self._may_be_added(member):
            return
        voucher = room.roster[row].voucher
        if self._trusts(voucher) and (trusted := self._store.find(voucher)) is not None:
            said = _cut(room.names.get(member, "")) or "somebody"
            self._add(room.label, member, "vouched", f"{said} via {_cut(trusted.petname)}", voucher)

    def _kicked(self, room: Room, member: bytes) -> None:
        found = self._store.find(member)
        if found is not None and found.how == "vouched" and not found.verified:
            with self._storing():
                self._store.remove(found.petname)
                self._emit(TrustRemoved(room.label, member))

    def _may_be_added(self, fp: bytes) -> bool:
        return self._store.revocation(fp) is None and self._store.successor(fp) is None

    def _add(
        self, label: str, fp: bytes, how: How, name: str, voucher: bytes | None = None
    ) -> None:
        petname = next(each for each in _names(name) if self._store.by_name(each) is None)
        with self._storing():
            self._store.add(petname, fp, how, now(), voucher=voucher)
            self._emit(TrustAdded(label, fp, how, voucher))


def _cut(name: str) -> str:
    """
    Return of *name* what can stand in a petname beside other words: what a stranger calls itself
    must not look like another line of a chat.
    """
    plain = "".join(each if each.isalnum() or each in " -_" else "" for each in name)
    return " ".join(plain.split())[:MAX_SAID].rstrip()


def _names(name: str) -> Iterator[str]:
    """Yield petnames that are like *name*, without an end."""
    yield name
    yield from (f"{name} {number}" for number in count(2))
