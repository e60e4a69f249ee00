"""
A relay as one writes it first with Twisted: ``python -m benchmarks.peers.naive ENDPOINT``.

Lines by `LineReceiver`, TLS as the endpoint has it, and a write for each recipient.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import count
from typing import Any, ClassVar

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure


class Room:
    """Who is in it, and how much was said."""

    def __init__(self) -> None:
        self.members: set[Chat] = set()
        self.seq = 0


class Chat(LineReceiver):
    """One connection."""

    MAX_LENGTH = 65_536
    _names = count(1)
    _rooms: ClassVar[defaultdict[bytes, Room]] = defaultdict(Room)

    def __init__(self) -> None:
        self._name = b"u%d" % next(self._names)
        self._joined: list[Room] = []

    def lineReceived(self, line: bytes) -> None:
        verb, name, *payload = line.split(b" ", 2)
        room = self._rooms[name]
        if verb == b"join":
            room.members.add(self)
            self._joined.append(room)
            self.sendLine(b"joined %b" % name)
        else:
            room.seq += 1
            for member in room.members:
                member.sendLine(b"message %b %d %b %b" % (name, room.seq, self._name, payload[0]))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for room in self._joined:
            room.members.discard(self)


async def main(reactor: Any, endpoint: str) -> None:
    await serverFromString(reactor, endpoint).listen(Factory.forProtocol(Chat))
    await Deferred()  # until it is killed


if __name__ == "__main__":
    task.react(lambda reactor: Deferred.fromCoroutine(main(reactor, sys.argv[1])))
