"""
The key schedule: from one epoch's secret to the next, and from each sender's key to its
messages' keys.

::

    es_E     = Expand(Extract(chain_{E-1}, s_E), "epoch", H("ent", ent_E))     chain_0 = 0^32
    chain_E  = Expand(es_E, "chain", "")
    confirm  = Expand(es_E, "confirm", "")         tag of the entry: HMAC(confirm, ent)
    ck_{i,0} = Expand(es_E, "sender", fp_i)
    mk_{i,n} = Expand(ck_{i,n}, "message", "")        ck_{i,n+1} = Expand(ck_{i,n}, "next", "")

s_E is fresh and secret where the past's keys must not be enough (create, remove, update), and
32 zero bytes for the rest: a newcomer who gets es_E cannot go back to chain_{E-1}. es_E itself
is erased once the three kinds of key are derived, and each key once it was used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from securechat.encoding import shaped
from securechat.group.entry import Entry
from securechat.primitives import KEY_LENGTH, expand, expander, extract, mac

NO_CHAIN = bytes(KEY_LENGTH)
"""chain_0, which the first epoch stands on."""

NOTHING_FRESH = bytes(KEY_LENGTH)
"""s_E of an entry that needs no fresh secret."""

_message = expander("message", "")
_next = expander("next", "")


def epoch_secret(chain: bytes, fresh: bytes, entry: Entry) -> bytes:
    """Return es_E, 32 bytes, of the epoch that *entry* starts after the epoch of *chain*."""
    return expand(extract(chain, fresh), "epoch", entry.hash)


def confirmation(secret: bytes, entry: Entry) -> bytes:
    """Return the tag, 32 bytes, by which the author of *entry* shows that it has es_E."""
    return mac(expand(secret, "confirm", ""), entry.value())


@attrs.frozen(repr=False)
class Ratchet:
    """One sender's place in its chain of message keys: the key *n* is the next to be used."""

    key: bytes
    n: int = 0

    def value(self) -> list[Any]:
        """Return the CBOR array [key, n], for what is kept."""
        return [self.key, self.n]

    @classmethod
    def of(cls, value: object) -> Ratchet:
        """Return the ratchet of which *value* is the array; raise `EncodingError`."""
        return cls(*shaped(value, KEY_LENGTH, int))

    @property
    def message_key(self) -> bytes:
        """The message key of *n*."""
        return _message(self.key)

    def step(self) -> tuple[bytes, Ratchet]:
        """Return the message key of *n* and the ratchet after it."""
        return _message(self.key), Ratchet(_next(self.key), self.n + 1)

    def skip(self, count: int) -> Ratchet:
        """Return the ratchet *count* messages later."""
        key = self.key
        for _ in range(count):
            key = _next(key)
        return Ratchet(key, self.n + count)


@attrs.define(repr=False)
class EpochKeys:
    """All that is kept of one epoch's secret."""

    chain: bytes
    ratchets: dict[int, Ratchet]
    """Row number to that member's ratchet."""

    @classmethod
    def of(cls, secret: bytes, roster: Iterable[bytes]) -> EpochKeys:
        """Derive the keys of es_E = *secret* for the fingerprints of *roster*, in row order."""
        return cls(
            expand(secret, "chain", ""),
            {row: Ratchet(expand(secret, "sender", member)) for row, member in enumerate(roster)},
        )
