"""How the members of a room are shown: as lines for people, as JSON for programs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any

from securechat.cli.names import Names
from securechat.fingerprint import short
from securechat.group.room import Room
from securechat.group.roster import Membership, Policy, Row, Vouchers
from securechat.text import printable

UNCONFIRMED = (
    "The room is unconfirmed: nobody whom you trust, other than your voucher, has spoken here yet."
)


def lines(room: Room, names: Names, online: Container[bytes]) -> Iterator[str]:
    """
    Yield a line for each member of *room*, one above them, and what else there is to know.

    :param online: who is there now, as the relay says.
    """
    rows = [_described(row, room, names, online) for row in room.roster]
    yield f"#{room.label} has {count(len(rows), 'member')}:"
    for each in rows:
        yield "  ".join([each[0].ljust(max(len(name) for name, *_ in rows)), *each[1:]]).rstrip()
    if not room.confirmed:
        yield UNCONFIRMED
    if room.stuck:
        yield "You have lost its keys, and can neither read nor write: leave it and join again."


def people(members: Iterable[bytes], names: Names) -> list[dict[str, object]]:
    """Return who *members* are, by their fingerprints, for programs."""
    return [names.person(each) for each in members]


def value(room: Room, names: Names, online: Container[bytes]) -> dict[str, Any]:
    """Return the same for programs."""
    membership = room.log.membership
    return {
        "room": room.label,
        "confirmed": room.confirmed,
        "keys_lost": room.stuck,
        "members": [
            {
                **names.person(row.fingerprint),
                "says": names.said(row.fingerprint) or None,
                "role": role(membership, row.fingerprint),
                "voucher": names.person(row.voucher),
                "online": row.fingerprint in online,
                "leaving": row.fingerprint in room.leaving,
            }
            for row in room.roster
        ],
    }


def policy_lines(membership: Membership, names: Names) -> Iterator[str]:
    """Yield the rules of a room, a line each."""
    rules = membership.policy
    anyone = rules.vouchers is Vouchers.ANYONE
    yield f"vouchers    {'every member' if anyone else 'owners and moderators'}"
    yield f"maximum     {count(rules.roster_maximum, 'member')}"
    yield (
        f"rounds      {rules.rounds}: who has not renewed their keys for {rules.rounds} changes of "
        "the room for each member may be removed by anyone"
    )
    yield f"owners      {_list(membership.owners, names)}"
    yield f"moderators  {_list(membership.moderators, names)}"


def policy_value(label: str, membership: Membership, names: Names) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "room": label,
        **rules(membership.policy),
        "owners": people(membership.owners, names),
        "moderators": people(membership.moderators, names),
    }


def rules(policy: Policy) -> dict[str, Any]:
    """Return the policy of a room for programs."""
    return {
        "vouchers": policy.vouchers.name.lower(),
        "rounds": policy.rounds,
        "roster_maximum": policy.roster_maximum,
    }


def role(membership: Membership, member: bytes) -> str | None:
    """Return what say the fingerprint *member* has."""
    if member in membership.owners:
        return "owner"
    return "moderator" if member in membership.moderators else None


def count(number: int, noun: str) -> str:
    """Return *number* of what *noun* names."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _described(row: Row, room: Room, names: Names, online: Container[bytes]) -> tuple[str, ...]:
    fp = row.fingerprint
    said, founder = names.said(fp), row.voucher == fp
    called = f"calls themselves {said}" if said and said not in names.of(fp) else ""
    notes = [
        role(room.log.membership, fp),
        "founded it" if founder else f"vouched for by {names.of(row.voucher)}",
        "leaving" if fp in room.leaving else None,
        called,
    ]
    return (
        printable(names.of(fp)),
        short(fp),
        "online" if fp in online else "away  ",
        printable(", ".join(filter(None, notes))),
    )


def _list(members: tuple[bytes, ...], names: Names) -> str:
    return ", ".join(printable(names.of(each)) for each in members) or "nobody"
