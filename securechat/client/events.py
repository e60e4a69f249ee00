"""
What a client has to tell besides what happens in its rooms (`securechat.group.events`): how
its connection fares, and how admissions go, its own and those of newcomers.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from securechat.errors import SecureChatError
from securechat.group.events import RoomEvent


@attrs.frozen
class Connected:
    """The relay has accepted the identity, for the first time or again."""


@attrs.frozen
class Disconnected:
    """
    There is no connection, because of *why*. The next try is in *retry_in* seconds; None means
    that there will be none.
    """

    why: SecureChatError
    retry_in: float | None


@attrs.frozen
class Refusal:
    """The relay refused something that no caller waits for."""

    why: SecureChatError


@attrs.frozen
class StorageFailed:
    """
    A file of this user's, of trusted identities or of known rooms, could not be read or written,
    because of *why*. The client goes on with what it has in memory.
    """

    why: SecureChatError | OSError


@attrs.frozen
class Waiting(RoomEvent):
    """The room admits others first; *position* 1 is next."""

    position: int


@attrs.frozen
class Rejoining(RoomEvent):
    """This newcomer is a member whose keys are lost: it leaves, to be let in again."""


@attrs.frozen
class MembersAsked(RoomEvent):
    """*asked* of the *online* members have been asked about this newcomer by now."""

    asked: int
    online: int


@attrs.frozen
class VoucherMet(RoomEvent):
    """The trusted member *voucher* vouches for this newcomer; the two check each other."""

    voucher: bytes


@attrs.frozen
class NewcomerAsks(RoomEvent):
    """The relay asks whether this member knows *newcomer*, who is *trusted* or not."""

    newcomer: bytes
    trusted: bool


@attrs.frozen
class Vouched(RoomEvent):
    """This member has vouched for *newcomer*, and given it the room's key."""

    newcomer: bytes


@attrs.frozen
class NotVouched(RoomEvent):
    """This member has not vouched for *newcomer*, because of *why*."""

    newcomer: bytes
    why: str


@attrs.frozen
class Paired(RoomEvent):
    """
    By an invite to the room this user trusts *friend* now, whom it calls *petname*, and is trusted
    by them.
    """

    friend: bytes
    petname: str


@attrs.frozen
class TrustAdded(RoomEvent):
    """
    By its `TrustPolicy` the client trusts *member* from now on: it let this newcomer in
    (*how* is ``first-use``), or the trusted *voucher* has vouched for it (``vouched``).
    """

    member: bytes
    how: str
    voucher: bytes | None


@attrs.frozen
class TrustRemoved(RoomEvent):
    """
    By its `TrustPolicy` the client trusts *member* no more, which was kicked, and for which only
    a voucher's word stood.
    """

    member: bytes


@attrs.frozen
class Replaying(RoomEvent):
    """What was missed is on its way: all up to *seq* is here, and there is more."""

    seq: int


@attrs.frozen
class CaughtUp(RoomEvent):
    """All that the relay has of the room is here; from now on it is live."""

    seq: int


Event: TypeAlias = RoomEvent | Connected | Disconnected | Refusal | StorageFailed
