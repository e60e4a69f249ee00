"""
All that a member has to keep secret of one room: the chain, everybody's ratchets, its own leaf.

There is one epoch's chain and ratchets at a time. Who lost them, since its slice of an entry
was missing or wrong, can derive none of the later ones: the keyring is wiped and stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable

from securechat.errors import BadCiphertext
from securechat.group.detail import leaf_hash
from securechat.group.entry import Entry
from securechat.group.keys import NOTHING_FRESH, EpochKeys, Ratchet, epoch_secret
from securechat.group.slices import open_slice
from securechat.group.table import Table, one
from securechat.primitives import XWing

_CHAIN, _LEAF, _NEXT = "chain", "leaf", "next"


class Keyring:
    """The keys of one member in one room."""

    def __init__(self) -> None:
        self.secrets: Table[str, bytes] = Table("secret", str, lambda each: [each], one(bytes))
        self.ratchets: Table[int, Ratchet] = Table("ratchet", int, Ratchet.value, Ratchet.of)
        """Row number to that member's ratchet."""

    @property
    def lost(self) -> bool:
        """Whether there are no keys any more."""
        return not self.secrets

    @property
    def chain(self) -> bytes:
        """What the next epoch's secret stands on."""
        return self.secrets[_CHAIN]

    @property
    def leaf(self) -> XWing:
        """The key that this member's slices are sealed to."""
        return XWing(self.secrets[_LEAF])

    def fits(self, rows: int) -> bool:
        """Whether these are keys for a roster of so many *rows*, or none at all."""
        secrets, ratchets = self.secrets.keys() - {_NEXT}, self.ratchets.keys()
        if self.lost:
            return not ratchets
        return secrets == {_CHAIN, _LEAF} and ratchets == set(range(rows))

    def begin(self, leaf: XWing, secret: bytes, roster: Iterable[bytes]) -> None:
        """Take the first epoch's keys, with es = *secret*, of who came in with *leaf*."""
        self.secrets[_LEAF] = leaf.secret
        self.renew(secret, roster)

    def next_leaf(self) -> XWing:
        """
        Return the leaf key that an update of this member would bring: the same until an entry
        lands, so that there is never more than one to keep.
        """
        if _NEXT not in self.secrets:
            self.secrets[_NEXT] = XWing.generate().secret
        return XWing(self.secrets[_NEXT])

    def secret_of(self, entry: Entry, sealed: bytes | None, row_leaf: bytes) -> bytes:
        """
        Return es of the epoch that *entry* starts. The next leaf becomes the own one if it is
        in this entry, and is dropped if it is not.

        :param sealed: the own slice, where there is one.
        :param row_leaf: the hash of the own leaf key, as the roster after *entry* has it.
        :raises BadCiphertext: if there has to be a slice, and this is none.
        """
        if (renewed := self.secrets.pop(_NEXT, None)) and leaf_hash(
            XWing(renewed).public
        ) == row_leaf:
            self.secrets[_LEAF] = renewed
        if not entry.detail.FRESH:
            return epoch_secret(self.chain, NOTHING_FRESH, entry)
        if sealed is None:
            raise BadCiphertext()
        return epoch_secret(self.chain, open_slice(self.leaf, entry, sealed), entry)

    def renew(self, secret: bytes, roster: Iterable[bytes]) -> None:
        """Take the keys of es = *secret* for the fingerprints of *roster*, in row order."""
        keys = EpochKeys.of(secret, roster)
        self.secrets[_CHAIN] = keys.chain
        self.ratchets.clear()
        self.ratchets.update(keys.ratchets)

    def wipe(self) -> None:
        """Keep nothing."""
        self.secrets.clear()
        self.ratchets.clear()
