"""
What this member wants to be true in a room: that somebody is gone, that its leaf key is new, that
the policy is another.

An intent is no entry. It is looked at again on each head of the log, since somebody else may have
made it true by then, or taken away the right to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol, TypeAlias

import attrs

from securechat.errors import MayNotKick, MayNotReform
from securechat.group.change import Change
from securechat.group.detail import MAX_REMOVALS, Removal, Why
from securechat.group.room import Room
from securechat.group.roster import Policy

Departures: TypeAlias = Callable[[], Iterable[Removal]]
"""Whom the next entry that removes somebody removes in any case."""


class Intent(Protocol):
    """
    Something that an entry of this member can make true. Two that are equal are one.

    :ivar fresh: whether that takes a fresh secret, and so slices.
    """

    @property
    def fresh(self) -> bool: ...

    def holds(self, room: Room) -> bool:
        """Whether it is still to be done."""

    def change(self, room: Room) -> Change:
        """
        Return what would do it, or a part of it.

        :raises SecureChatError: if it may not be done.
        """


@attrs.frozen
class Removing:
    """*members* are to go, because of *why*; and with them whoever departs anyhow."""

    departures: Departures
    members: frozenset[bytes] = frozenset()
    why: Why = Why.LEFT

    fresh: ClassVar[bool] = True

    def holds(self, room: Room) -> bool:
        return bool(self._named(room) if self.members else list(self.departures()))

    def change(self, room: Room) -> Change:
        removals = {each: Removal(each, self.why) for each in self._named(room)}
        for each in self.departures():
            removals.setdefault(each.member, each)
        return room.remove(tuple(removals.values())[:MAX_REMOVALS])

    def _named(self, room: Room) -> list[bytes]:
        # In the roster's order, so that who is removed first does not depend on hashes.
        there = room.stale if self.why is Why.STALE else room.log.membership.index
        return [each for each in there if each in self.members]


@attrs.frozen
class Kicking(Removing):
    """The user wants *members* to go. Only owners and moderators can have that."""

    me: bytes = b""

    def change(self, room: Room) -> Change:
        self.check(room)
        return super().change(room)

    def check(self, room: Room) -> None:
        """
        Check that it may be done now.

        :raises MayNotKick: if not.
        """
        membership = room.log.membership
        if not all(membership.may_kick(self.me, each) for each in self._named(room)):
            raise MayNotKick(label=room.label)


@attrs.frozen
class Renewing:
    """The own leaf key is to be newer than that of *epoch*."""

    epoch: int

    fresh: ClassVar[bool] = True

    def holds(self, room: Room) -> bool:
        return room.leaf_epoch <= self.epoch

    def change(self, room: Room) -> Change:
        return room.update()


@attrs.frozen
class Reforming:
    """The policy, the owners and the moderators are to be these; None: whatever they are."""

    me: bytes
    policy: Policy | None
    owners: tuple[bytes, ...] | None
    moderators: tuple[bytes, ...] | None

    fresh: ClassVar[bool] = False

    def holds(self, room: Room) -> bool:
        membership = room.log.membership
        return self._wanted(room) != (membership.policy, membership.owners, membership.moderators)

    def change(self, room: Room) -> Change:
        self.check(room)
        return room.reform(*self._wanted(room))

    def check(self, room: Room) -> None:
        """
        Check that it may be done now.

        :raises MayNotReform: if not.
        """
        if self.me not in room.log.membership.owners:
            raise MayNotReform(label=room.label)

    def _wanted(self, room: Room) -> tuple[Policy, tuple[bytes, ...], tuple[bytes, ...]]:
        membership = room.log.membership
        return (
            membership.policy if self.policy is None else self.policy,
            membership.owners if self.owners is None else self.owners,
            membership.moderators if self.moderators is None else self.moderators,
        )
