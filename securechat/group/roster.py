"""
The roster of a room: its members in join order, and the policy they gave themselves.

The *state hash* covers all of it, and every membership entry is signed over the state hash of
the roster that it leads to; so a roster that somebody else hands over can be checked.
Everything here is public.
"""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum
from functools import cached_property
from typing import Any

import attrs

from securechat.encoding import shaped
from securechat.errors import EncodingError
from securechat.identity import fingerprint
from securechat.primitives import ED25519_LENGTH, HASH_LENGTH, digest

MAX_ROSTER = 10_000
"""Rows that any policy may allow."""


class Vouchers(IntEnum):
    """Who may vouch for newcomers."""

    ANYONE = 0
    MODERATORS = 1


@attrs.frozen
class Policy:
    """The rules that the members of a room gave themselves."""

    vouchers: Vouchers = Vouchers.ANYONE
    rounds: int = 30
    """After rounds · N entries without a new leaf key a row of N may be removed by anyone."""
    roster_maximum: int = 1_000

    def value(self) -> list[Any]:
        """Return the CBOR array [vouchers, rounds, roster maximum]."""
        return [int(self.vouchers), self.rounds, self.roster_maximum]

    @classmethod
    def of(cls, value: object) -> Policy:
        """Return the policy of which `value` is the array; raise `EncodingError`."""
        vouchers, rounds, maximum = shaped(value, int, int, int)
        if vouchers not in set(Vouchers) or not rounds or not 1 <= maximum <= MAX_ROSTER:
            raise EncodingError(what="no policy")
        return cls(Vouchers(vouchers), rounds, maximum)


@attrs.frozen
class Row:
    """One member on the roster."""

    version: int
    ed25519: bytes
    xwing_hash: bytes
    leaf_hash: bytes
    leaf_epoch: int
    voucher: bytes
    """The fingerprint of who vouched; the founder's own for the founder."""

    def value(self) -> list[Any]:
        """Return the row as the CBOR array of its fields, in their order."""
        # Spelled out: attrs would look for more attrs in each field, of each row of the roster.
        return [
            self.version,
            self.ed25519,
            self.xwing_hash,
            self.leaf_hash,
            self.leaf_epoch,
            self.voucher,
        ]

    @classmethod
    def of(cls, value: object) -> Row:
        """Return the row of which `value` is the array; raise `EncodingError`."""
        return cls(*shaped(value, int, ED25519_LENGTH, HASH_LENGTH, HASH_LENGTH, int, HASH_LENGTH))

    @cached_property
    def fingerprint(self) -> bytes:
        """The member's identity, which these three fields prove."""
        return fingerprint(self.version, self.ed25519, self.xwing_hash)


@attrs.frozen
class Membership:
    """What the state hash covers: the policy, who has a say, and the rows in join order."""

    policy: Policy
    owners: tuple[bytes, ...]
    moderators: tuple[bytes, ...]
    rows: tuple[Row, ...]

    def value(self) -> list[Any]:
        """Return the CBOR array [policy, owners, moderators, rows]."""
        return [
            self.policy.value(),
            list(self.owners),
            list(self.moderators),
            [row.value() for row in self.rows],
        ]

    @classmethod
    def of(cls, value: object) -> Membership:
        """Return the membership of which *value* is the array; raise `EncodingError`."""
        policy, owners, moderators, rows = shaped(value, list, list, list, list)
        return cls(
            Policy.of(policy),
            tuple(shaped(owners, *[HASH_LENGTH] * len(owners))),
            tuple(shaped(moderators, *[HASH_LENGTH] * len(moderators))),
            tuple(Row.of(row) for row in rows),
        )

    @cached_property
    def hash(self) -> bytes:
        """H("state", policy, owners, moderators, rows)."""
        return digest("state", *self.value())

    @cached_property
    def index(self) -> dict[bytes, int]:
        """Fingerprint to row number."""
        return {row.fingerprint: number for number, row in enumerate(self.rows)}

    def may_vouch(self, member: bytes) -> bool:
        """Whether the policy lets the fingerprint *member*, if on the roster, vouch."""
        if self.policy.vouchers is Vouchers.ANYONE:
            return member in self.index
        return member in self.index and member in (*self.owners, *self.moderators)

    def may_kick(self, author: bytes, member: bytes) -> bool:
        """Whether *author* may remove *member* for no other reason than that it wants to."""
        return author in self.owners or (author in self.moderators and member not in self.owners)

    def with_row(self, row: Row) -> Membership:
        """Return the membership with *row* at the end."""
        return attrs.evolve(self, rows=(*self.rows, row))

    def with_leaf(self, member: bytes, leaf_hash: bytes, epoch: int) -> Membership:
        """Return the membership in which *member* has another leaf key from *epoch* on."""
        number = self.index[member]
        row = attrs.evolve(self.rows[number], leaf_hash=leaf_hash, leaf_epoch=epoch)
        return attrs.evolve(self, rows=(*self.rows[:number], row, *self.rows[number + 1 :]))

    def without(self, members: Container[bytes]) -> Membership:
        """
        Return the membership without *members*. Where no owner remains, the first row is one.
        """
        rows = tuple(row for row in self.rows if row.fingerprint not in members)
        owners = tuple(each for each in self.owners if each not in members)
        return attrs.evolve(
            self,
            owners=owners or tuple(row.fingerprint for row in rows[:1]),
            moderators=tuple(
                each
                for each in self.moderators
                if each not in members and (owners or each != rows[0].fingerprint)
            ),
            rows=rows,
        )

    def reformed(
        self, policy: Policy, owners: tuple[bytes, ...], moderators: tuple[bytes, ...]
    ) -> Membership:
        """Return the membership under another policy, with others who have a say."""
        return attrs.evolve(self, policy=policy, owners=owners, moderators=moderators)
