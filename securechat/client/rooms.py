"""
The rooms that the client is in or about to enter, and the rooms that labels stand for.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import CancelledError

from securechat.address import Address
from securechat.client.known import KnownRooms
from securechat.client.membership import Membership
from securechat.client.party import Party
from securechat.client.refusals import removed
from securechat.errors import KeysGone, NotAMember, SecureChatError
from securechat.group.admission import Place
from securechat.group.room import Room


class Rooms:
    """
    The memberships of one client, by G.

    :param relay: the address at which labels stand for rooms.
    :param name: what the client calls itself in every room.
    """

    def __init__(self, party: Party, known: KnownRooms, relay: Address, name: str) -> None:
        self._party = party
        self._known = known
        self._relay = relay
        self._name = name
        self._memberships: dict[bytes, Membership] = {}
        self._absent: dict[str, Room] = {}
        self._renewals: dict[bytes, bytes] = {}  # by G, of rooms that were kept

    def __iter__(self) -> Iterator[Membership]:
        return iter(list(self._memberships.values()))

    def find(self, room: bytes) -> Membership | None:
        """Return the membership of the room G, if there is one."""
        return self._memberships.get(room)

    def has(self, room: bytes) -> bool:
        """Whether the client is in the room G, or may come back to it."""
        return room in self._memberships or any(each.id == room for each in self._absent.values())

    def of(self, room: Room) -> Membership:
        """
        Return the membership of *room*.

        :raises NotAMember: if the client is not in it; `WasRemoved` says by whom it was removed.
        """
        membership = self.find(room.id)
        if membership is None:
            raise NotAMember(label=room.label) if room.gone is None else removed(room.gone)
        return membership

    def known(self, label: str) -> bytes | None:
        """Return G of the room that *label* stands for, if that is known; raises as `find`."""
        return self._known.find(self._relay, label)

    def last(self, label: str) -> Place | None:
        """Return the room that *label* stands for, as it was last known; raises as `known`."""
        return self._known.last(self._relay, label)

    def may_be(self, room: bytes, label: str, known: bytes | None) -> bool:
        """
        Whether the room G may be the one that *label* stands for, of which nothing is here any
        more. If not, it is another room of this user's that a relay wants to have it out of.

        :param known: G of the room that *label* stood for, if that was known.
        """
        return (
            known in (None, room)
            and not self.has(room)
            and all(each != room or other == label for _, other, each in self._known)
        )

    def learn(self, label: str, room: bytes) -> None:
        """
        Let *label* stand for the room G from now on, which the client has not been in yet.

        :raises FoundedAnew: if it stands for another one.
        :raises DamagedFile, NotPrivate, UnsupportedVersion, OSError: if that cannot be kept.
        """
        self._known.learn(self._relay, label, room)

    def pin(self, room: Room) -> None:
        """Let the label of *room* stand for it from now on."""
        with self._party.storing():
            self._known.learn(self._relay, room.label, room.id)

    def remember(self, room: Room, renewal: bytes | None = None) -> None:
        """
        The client is a member of *room*, and may come back to it.

        :param renewal: what is kept of its `Schedule`.
        """
        self._absent[room.label] = room
        if renewal is not None:
            self._renewals[room.id] = renewal

    @property
    def kept(self) -> tuple[Room, ...]:
        """The rooms to which the client may come back."""
        return tuple(each for each in self._absent.values() if each.gone is None)

    def absent(self, label: str, *, stuck: bool) -> Room | None:
        """
        Return the room *label* to which the client may come back. Nothing more is kept of one
        that it was removed from.

        :param stuck: whether that may be one whose keys are lost; else nothing is kept of it.
        """
        room = self._absent.get(label)
        if room is not None and (room.gone is not None or (room.stuck and not stuck)):
            del self._absent[label]
            self._party.journal.forget(room.id)
            return None
        return room

    def end_stuck(self, label: str) -> None:
        """Keep nothing of the room *label* if the client is in it and has lost its keys."""
        for each in self:
            if each.room.label == label and each.room.stuck:
                self.end(each, KeysGone(label=label))

    def seat(self, room: Room) -> Membership:
        """Take the stream of *room* from now on."""
        self._absent.pop(room.label, None)
        renewal = self._renewals.get(room.id)
        membership = Membership(self._party, room, self._name, self.end, renewal)
        self._memberships[room.id] = membership
        return membership

    def unseat(self, membership: Membership) -> None:
        """The client does not come into that room after all."""
        del self._memberships[membership.room.id]
        membership.leave_alone(CancelledError())

    def end(self, membership: Membership, error: SecureChatError) -> None:
        """The client is no member of that room any more, because of *error*: keep nothing of it."""
        room = membership.room
        membership.kept = False
        self._memberships.pop(room.id, None)
        with self._party.storing():
            self._known.left(self._relay, room.label, room.place)
        self._party.journal.forget(room.id)
        room.wipe()
        membership.leave_alone(error)
