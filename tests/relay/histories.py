"""What the tests of histories share: drafts, landings, and somebody who hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from securechat.errors import SecureChatError
from securechat.relay.history import Draft, IHistory, Item, Landing

ROOM = b"r" * 32
OTHER = b"o" * 32
ALICE = b"a" * 32
BOB = b"b" * 32

WIDTH = len(Draft(b"frame", b"").numbered(ROOM, 1))
"""Bytes of a frame's line in which nothing is said, while its number has one digit."""


def head(epoch: int) -> bytes:
    """Return the head of a log at *epoch*; at 0 that of none."""
    return epoch.to_bytes(32)


def landing(epoch: int = 1, **more: Any) -> Landing:
    """Return the entry that starts *epoch*."""
    return Landing(
        Draft(b"entry", b"%d" % epoch),
        *(head(epoch - 1), head(epoch), epoch, "lobby", b"state %d" % epoch),
        **more,
    )


def frame(text: bytes = b"") -> Draft:
    """Return a frame that says *text*."""
    return Draft(b"frame", text)


def seqs(items: Sequence[Item]) -> list[int]:
    """Return the numbers of *items*."""
    return [seq for item in items for seq in range(item.seq - item.count + 1, item.seq + 1)]


def singly(items: Sequence[Item]) -> list[Item]:
    """Return *items* with runs divided into their frames."""
    divided = []
    for item in items:
        for seq, line in zip(seqs([item]), item.lines, strict=True):
            slices = dict(item.slices)
            divided.append(attrs.evolve(item, seq=seq, line=line + b"\r\n", slices=slices, count=1))
    return divided


class Listener:
    """Who subscribed to a room: what it heard, and what it was told is lost, in order."""

    def __init__(self, history: IHistory, room: bytes = ROOM) -> None:
        self.heard: list[Item] = []
        self.events: list[object] = []
        history.subscribe(room, self.hear, self.failed)

    def hear(self, items: Sequence[Item]) -> None:
        self.heard += items
        self.events.append(seqs(items))

    def failed(self, error: SecureChatError) -> None:
        self.events.append(error)

    def follow(self, done: Deferred[Any]) -> None:
        """Take note of when *done* fires, and with what; that it fails is expected."""
        done.addCallbacks(self.events.append, lambda failure: self.events.append(failure.type))
