"""
A TCP proxy before the relay, which cuts connections in the middle of a line.

It knows bytes only. Of one direction of a connection it lets a number of them through, and then
breaks the connection: who reads there has half a line, or half a record of TLS, and who writes
cannot know how much of it came.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

WITHIN_BYTES = 3_000
"""After how many bytes at most a cut comes: some lines, all sizes of them."""


class End(Protocol):
    """
    One end of a connection: with a client, or with the relay.

    :ivar left: how many more bytes from here go on before the cut; None: there is none.
    """

    transport: Any

    def __init__(self, cut: Callable[[], None]) -> None:
        """:param cut: called when the connection is cut."""
        self.left: int | None = None
        self.other: End | None = None
        self._held = b""
        self._cut = cut

    def dataReceived(self, data: bytes) -> None:
        if self.other is None:
            self._held += data
            return
        self.other.transport.write(data[: self.left])
        if self.left is None:
            return
        self.left -= len(data)
        if self.left <= 0:
            self.other.transport.loseConnection()  # once what went on is written
            self.transport.abortConnection()
            self._cut()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.other is not None:
            self.other.transport.loseConnection()

    def meet(self, other: End) -> None:
        """Be the other end of *other*, and it of this one."""
        for mine, theirs in ((self, other), (other, self)):
            mine.other = theirs
            mine.transport.registerProducer(theirs.transport, True)
        self.dataReceived(self._held)


class Proxy(Factory[End]):
    """
    Listens for clients, and connects each to the relay.

    :ivar cuts: how many connections were cut.
    """

    noisy = False

    def __init__(self, reactor: Any, relay: int, chance: random.Random) -> None:
        """:param relay: the port of the relay, on this machine."""
        self.cuts = 0
        self._reactor = reactor
        self._relay = TCP4ClientEndpoint(reactor, "127.0.0.1", relay)
        self._far: Factory[End] = Factory.forProtocol(self._end)
        self._far.noisy = False
        self._chance = chance
        self._ends: list[End] = []
        self._port: Any = None

    async def listen(self) -> int:
        """Listen on a free port, and return it."""
        endpoint = TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1")
        self._port = await endpoint.listen(self)
        number: int = self._port.getHost().port
        return number

    async def close(self) -> None:
        """Listen no more, and break all connections."""
        await self._port.stopListening()
        for end in self._ends:
            end.transport.abortConnection()

    def buildProtocol(self, _: object) -> End:
        near = self._end()
        self._relay.connect(self._far).addCallbacks(
            near.meet, lambda _: near.transport.abortConnection()
        )
        self._ends.append(near)
        return near

    def cut(self) -> None:
        """Cut one of the connections, in one direction, after some of the next bytes."""
        self._ends = [end for end in self._ends if end.transport.connected]
        whole = [
            (end, end.other)
            for end in self._ends
            if end.other is not None and end.left is end.other.left is None
        ]
        if whole:
            end = self._chance.choice(self._chance.choice(whole))
            end.left = self._chance.randint(1, WITHIN_BYTES)

    def _end(self) -> End:
        return End(self._count)

    def _count(self) -> None:
        self.cuts += 1
