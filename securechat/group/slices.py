"""
Slices: how a fresh secret s reaches each member who remains, and nobody else.

::

    slice_i = Seal(leaf_i, "rekey", H("ent", ent), s)        1,168 bytes

A slice is bound to its entry by the entry's hash, and sealed to a leaf key that the roster
names by its hash. Whether it holds the same s as everybody else's, the entry's tag shows.
"""

from __future__ import annotations

from securechat.errors import BadCiphertext, EncodingError
from securechat.group.detail import leaf_hash
from securechat.group.entry import Entry
from securechat.group.roster import Row
from securechat.primitives import KEY_LENGTH, XWing, seal
from securechat.wire import SLICE

ABSENT = bytes(SLICE)
"""Instead of a slice for who cannot get one."""


def seal_slice(row: Row, leaf: bytes, entry: Entry, fresh: bytes) -> bytes:
    """
    Return the slice of *entry* with s = *fresh* for the member of *row*: `ABSENT`, unless *leaf*
    is the member's leaf key, and one that can be used.
    """
    if leaf_hash(leaf) != row.leaf_hash:
        return ABSENT
    try:
        return seal(leaf, "rekey", entry.hash, fresh)
    except EncodingError:  # its owner has put something on the roster that is no key
        return ABSENT


def open_slice(leaf: XWing, entry: Entry, sealed: bytes) -> bytes:
    """
    Return s of *entry*, 32 bytes, from the slice *sealed* to *leaf*.

    :raises BadCiphertext: if it is absent, or not a slice of this entry for this leaf.
    """
    fresh = leaf.open_sealed(sealed, "rekey", entry.hash)
    if len(fresh) != KEY_LENGTH:
        raise BadCiphertext()
    return fresh
