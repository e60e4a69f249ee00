"""
What may follow what: the membership that each type of entry leads to, or why it may not be.

The rules look at the log alone, never at a clock nor at the relay's word, so that every member
and the relay come to the same answer. `securechat.group.log` checks beside them what all types
have in common: that an entry stands on the head, its author's signature, its state hash.
"""

from __future__ import annotations

from typing import Protocol

from securechat.errors import BadSignature, EntryRefused
from securechat.group.detail import (
    Add,
    Detail,
    Reform,
    Removal,
    Remove,
    Update,
    Why,
    leaf_hash,
    leaving,
)
from securechat.group.entry import SignedEntry
from securechat.group.roster import Membership, Row
from securechat.primitives import verify


class Before(Protocol):
    """What the rules know of the log that an entry is to follow."""

    @property
    def room(self) -> bytes: ...

    @property
    def epoch(self) -> int: ...

    @property
    def membership(self) -> Membership: ...

    @property
    def recent(self) -> tuple[SignedEntry, ...]: ...

    @property
    def heads(self) -> tuple[tuple[int, bytes], ...]: ...


def membership_after(log: Before, detail: Detail, author: bytes) -> Membership:
    """
    Return the membership that *detail* by the fingerprint *author* leads to.

    :raises EntryRefused: if it may not follow *log*.
    """
    if author not in log.membership.index:
        raise EntryRefused(why="its author is not a member")
    match detail:
        case Add():
            return _with(log, detail, author)
        case Remove():
            return _without(log, detail, author)
        case Update():
            return log.membership.with_leaf(author, leaf_hash(detail.leaf), log.epoch + 1)
        case Reform():
            return _reformed(log.membership, detail, author)
        case _:  # create
            raise EntryRefused(why="a room is created once")


def is_stale(membership: Membership, row: Row, epoch: int) -> bool:
    """Whether the entry that starts *epoch* may remove *row* since its leaf key is too old."""
    return epoch - row.leaf_epoch > membership.policy.rounds * len(membership.rows)


def _with(log: Before, add: Add, author: bytes) -> Membership:
    membership, newcomer = log.membership, add.subject.fingerprint
    if not membership.may_vouch(author):
        raise EntryRefused(why="its author may not vouch here")
    if newcomer in membership.index:
        raise EntryRefused(why="the newcomer is on the roster already")
    if len(membership.rows) >= membership.policy.roster_maximum:
        raise EntryRefused(why="the room is full")
    if (add.consent_epoch, add.consent_head) not in log.heads:
        raise EntryRefused(why="the newcomer's consent is too old")
    for each in log.recent:
        entry, detail = each.entry, each.entry.detail
        if (
            isinstance(detail, Remove)
            and entry.epoch > add.consent_epoch
            and newcomer in detail.members
        ):
            raise EntryRefused(why="the newcomer was removed since it agreed")
    try:
        add.check_consent(log.room, author)
    except BadSignature:
        raise EntryRefused(why="the newcomer did not agree to it") from None
    return membership.with_row(add.subject.row(log.epoch + 1, author))


def _without(log: Before, remove: Remove, author: bytes) -> Membership:
    if author in remove.members:
        raise EntryRefused(why="its author removes itself")
    for removal in remove.removals:
        _check_removal(log, removal, author)
    return log.membership.without(remove.members)


def _check_removal(log: Before, removal: Removal, author: bytes) -> None:
    membership = log.membership
    number = membership.index.get(removal.member)
    if number is None:
        raise EntryRefused(why="who is removed is not a member")
    row = membership.rows[number]
    try:
        match removal.why:
            case Why.LEFT:
                verify(row.ed25519, removal.evidence, "leave", *leaving(log.room, row))
            case Why.REVOKED:
                verify(row.ed25519, removal.evidence, "revocation", row.fingerprint)
            case Why.STALE if not is_stale(membership, row, log.epoch + 1):
                raise EntryRefused(why="the leaf key of who is removed is not that old")
            case Why.KICKED if not membership.may_kick(author, removal.member):
                raise EntryRefused(why="its author may not remove that member")
    except BadSignature:
        raise EntryRefused(why="the signature of who is removed does not hold") from None


def _reformed(membership: Membership, reform: Reform, author: bytes) -> Membership:
    if author not in membership.owners:
        raise EntryRefused(why="its author is not an owner of the room")
    offices = (*reform.owners, *reform.moderators)
    if not reform.owners:
        raise EntryRefused(why="it leaves the room without an owner")
    if len(set(offices)) != len(offices) or not set(offices) <= membership.index.keys():
        raise EntryRefused(why="its owners and moderators are not members, each named once")
    return membership.reformed(reform.policy, reform.owners, reform.moderators)
