"""
A change of a room that its author has made and the relay does not have yet: the entry, and the
secret that goes with it, to be sealed to everybody who remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from securechat.group.entry import Entry, SignedEntry
from securechat.group.keys import NOTHING_FRESH, confirmation, epoch_secret
from securechat.group.roster import Row
from securechat.group.slices import seal_slice
from securechat.identity import Identity
from securechat.primitives import KEY_LENGTH, random_bytes


@attrs.frozen
class Change:
    """An entry that its author wants to land."""

    signed: SignedEntry
    rows: tuple[Row, ...]
    """The rows of the roster after it that get slices, in order; none where nothing is fresh."""
    _leaf: bytes
    _fresh: bytes = attrs.field(repr=False)

    @classmethod
    def make(
        cls, entry: Entry, rows: tuple[Row, ...], leaf: bytes, chain: bytes, author: Identity
    ) -> Change:
        """
        Return the change by *entry*, signed by *author*.

        :param rows: those of the roster after it; none where nothing is fresh.
        :param leaf: the leaf key of *author* in these rows.
        :param chain: of the epoch before it.
        """
        fresh = random_bytes(KEY_LENGTH) if entry.detail.FRESH else NOTHING_FRESH
        tag = confirmation(epoch_secret(chain, fresh, entry), entry)
        signed = SignedEntry.make(entry, tag, author)
        return cls(signed, rows, leaf, fresh)

    def slices(self, keys: Sequence[bytes]) -> Iterator[bytes]:
        """
        Yield the slices, 1,168 bytes each, one for each of `rows`.

        :param keys: the leaf keys of `rows` as the relay has them, in the same order, with any
            other bytes for one that is not to be had. The author knows its own: its slice is
            sealed to that, whatever is given here.
        """
        entry = self.signed.entry
        for row, key in zip(self.rows, keys, strict=True):
            if row.fingerprint == entry.author:
                key = self._leaf
            yield seal_slice(row, key, entry, self._fresh)
