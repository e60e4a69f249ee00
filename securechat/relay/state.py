"""
What of a room outlives the relay, beside its stream.

A history keeps two things for a room: with each entry the log's snapshot, from which the log
goes on, and *values* by name. Each value is about one member: its leaf key, the `leave` that it
has signed, what it was handed over, the epoch that removed it. They are named values, and not
part of the snapshot, since an entry changes few of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import Enum

from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError
from securechat.group.detail import Add, Create, Remove, Update
from securechat.group.entry import SignedEntry
from securechat.group.log import Log
from securechat.group.roster import Membership


class Kind(Enum):
    """What a value says of a member."""

    LEAF = "leaf"
    """Its X-Wing leaf key."""
    LEAVE = "leave"
    """The signature by which it wants to be removed."""
    HANDOVER = "handover"
    """What it needs to enter the room, see `securechat.relay.handover`."""
    REMOVED = "removed"
    """The CBOR array [epoch] of the entry that removed it."""


Changes = Mapping[tuple[Kind, bytes], bytes | None]
"""Kind and fingerprint to a new value; None where there is none any more."""


def name(kind: Kind, member: bytes) -> str:
    """Return the name under which a history keeps the value of *kind* for *member*."""
    return f"{kind.value} {member.hex()}"


def named(changes: Changes) -> dict[str, bytes | None]:
    """Return *changes* as a history takes them."""
    return {name(kind, member): value for (kind, member), value in changes.items()}


class Values:
    """
    The values of one room that are durable, as a history has *kept* them.

    :raises EncodingError: where these are not a room's.
    """

    def __init__(self, kept: Mapping[str, bytes]) -> None:
        self._values: defaultdict[Kind, dict[bytes, bytes]] = defaultdict(dict)
        for each, value in kept.items():
            kind, _, member = each.partition(" ")
            try:
                self._values[Kind(kind)][bytes.fromhex(member)] = value
            except ValueError:
                raise EncodingError(what="not the name of a room's value") from None

    def of(self, kind: Kind) -> Mapping[bytes, bytes]:
        """Return fingerprint to value, in the order in which they came."""
        return self._values[kind]

    def apply(self, changes: Changes) -> None:
        """Take *changes*, which are durable."""
        for (kind, member), value in changes.items():
            if value is None:
                self._values[kind].pop(member, None)
            else:
                self._values[kind][member] = value


def changes_by(signed: SignedEntry) -> Changes:
    """Return what changes with the entry *signed*."""
    entry, detail = signed.entry, signed.entry.detail
    match detail:
        case Create() | Add():
            member = detail.subject.fingerprint
            return {(Kind.LEAF, member): detail.subject.leaf, (Kind.REMOVED, member): None}
        case Update():
            # Its `leave` was over the old leaf, and is void.
            return {(Kind.LEAF, entry.author): detail.leaf, (Kind.LEAVE, entry.author): None}
        case Remove():
            gone = dict.fromkeys(
                (kind, member)
                for kind in (Kind.LEAF, Kind.LEAVE, Kind.HANDOVER)
                for member in detail.members
            )
            removed = {(Kind.REMOVED, member): encode(entry.epoch) for member in detail.members}
            return {**gone, **removed}
        case _:
            return {}


def epoch_of(value: bytes) -> int:
    """Return the epoch that a value of `Kind.REMOVED` names."""
    (epoch,) = shaped(decode(value), int)
    assert isinstance(epoch, int)
    return epoch


def log_of(state: bytes) -> Log:
    """
    Return the log of which *state* is the snapshot. The relay has checked its entries when they
    landed; what a history keeps is believed.

    :raises EncodingError: if it is none.
    """
    membership, created_value, recent = shaped(decode(state), list, list, list)
    created = SignedEntry.of(created_value)
    if not isinstance(created.entry.detail, Create) or not recent:
        raise EncodingError(what="not the state of a room")
    return Log(
        created.head,
        created.entry.detail.label,
        Membership.of(membership),
        created,
        tuple(SignedEntry.of(each) for each in recent),
    )
