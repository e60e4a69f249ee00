"""
Who is present in which room, for a relay of one process.
"""

from __future__ import annotations

from collections import defaultdict


class Presence:
    """That part of `securechat.relay.history.IHistory` which is never stored."""

    def __init__(self) -> None:
        self._present: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._frozen: dict[bytes, frozenset[bytes]] = {}  # what has been told since it changed

    def arrive(self, room: bytes, member: bytes) -> None:
        self._present[room].add(member)
        self._frozen.pop(room, None)

    def depart(self, room: bytes, member: bytes) -> None:
        self._present[room].discard(member)
        self._frozen.pop(room, None)

    def present(self, room: bytes) -> frozenset[bytes]:
        if room not in self._frozen:
            self._frozen[room] = frozenset(self._present[room])
        return self._frozen[room]
