"""
What the relay holds in memory for all of its connections together, and who has to go where that
is too much.

Each thing that waits is bounded for each connection: the stream stops where a client does not
read, other lines up to `--unread-bytes`, a line that is not whole at 64 KiB, a change of a room
at one slice for each member. But ten thousand times the bound is more than a machine has, and an
identity costs nothing to make. So the bytes are counted as they come and go: those that wait to
be written, those of lines that are not whole or wait for their turn, and those of changes that
are not complete. A connection on which all is well has none of them, and costs nothing here.

Where the sum passes the limit, somebody is thrown out, until it does not. Who? Not who came last:
that would be anybody, in a relay that an enemy keeps full. Not simply who holds most: an enemy
with many connections, each with a little less than an honest client that catches up, would have
that one thrown out. So it is the *source* (`securechat.relay.sources`) that holds most, and there
the connection that does. Thus a source that has no more than its even share of the limit is left
alone, whatever the others do; and within a source the same holds of its connections. To have a
client thrown out that holds little, somebody must hold as much from as many addresses, or come
from the client's own.

Where a line waits for many members of a room it is one in memory, and counted for each of them:
rather too much is counted than too little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heappush
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from securechat.wire import Code, ErrorLine

_HOLDS_MOST = ErrorLine(
    Code.BUSY, "-", "this relay holds too much for its clients, and most for you: connect again"
)


class Holder(Protocol):
    """A connection, for which something is held."""

    source: str
    """Where it comes from."""

    @property
    def held(self) -> int:
        """How many bytes."""

    def throw_out(self, error: ErrorLine) -> None:
        """Hold nothing for it any more, and end it because of *error*."""


class Buffers:
    """
    The bytes that are held.

    :param most: how many there may be.
    :param holders: the connections there are at any time.
    :ivar total: how many there are.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, most: int, holders: Collection[Holder]) -> None:
        self.total = 0
        self._clock = clock
        self._most = most
        self._holders = holders
        self._relieving = False

    def add(self, change: int) -> None:
        """There are more by *change*."""
        self.total += change
        if self.total > self._most and not self._relieving:
            # Not now: who writes may be going through all the members of a room.
            self._relieving = True
            self._clock.callLater(0, self._relieve)

    def _relieve(self) -> None:
        try:
            number = self._throw_out(self.total - self._most)
        finally:
            self._relieving = False
        if number:
            self._log.warn(
                "too much is held for clients: {number} who hold most are thrown out",
                number=number,
            )

    def _throw_out(self, excess: int) -> int:
        """Throw out as many as hold *excess* bytes; return how many these are."""
        number = 0
        for holder, held in greediest(self._holders):
            if excess <= 0:
                break
            excess -= held
            number += 1
            holder.throw_out(_HOLDS_MOST)
        return number


def greediest(holders: Collection[Holder]) -> Iterator[tuple[Holder, int]]:
    """Give those of *holders* that hold something, and how much, in the order that they go in."""
    sources: defaultdict[str, list[tuple[int, int, Holder]]] = defaultdict(list)
    for number, holder in enumerate(holders):
        if held := holder.held:
            sources[holder.source].append((held, number, holder))
    order = [
        (-sum(held for held, _, _ in each), name, sorted(each)) for name, each in sources.items()
    ]
    heapify(order)
    while order:
        total, name, rest = heappop(order)
        held, _, holder = rest.pop()
        yield holder, held
        if rest:
            heappush(order, (total + held, name, rest))
