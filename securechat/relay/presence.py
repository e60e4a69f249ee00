"""
Who is present in which room, for a relay of one process.
"""

from __future__ import annotations

from collections import defaultdict


class Presence:
    """That part of `securechat.relay.history.IHistory` which is never stored."""

    def __init__(self) -> None:
        self._present: defaultdict[bytes, set[bytes]] = defaultdict(set)

    def arrive(self, room: bytes, member: bytes) -> None:
        self._present[room].add(member)

    def depart(self, room: bytes, member: bytes) -> None:
        self._present[room].discard(member)

    def present(self, room: bytes) -> frozenset[bytes]:
        return frozenset(self._present[room])
