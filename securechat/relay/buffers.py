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

Nobody shall have to go because many catch up at the same time: what they are written can wait in
the history as well. So once half of the limit is held they go on one after the other, by one part
each time: without delay where less is held again, and else with a little time in between. They do
not wait for it to become less, since others may hold it for as long as they like. Here, too, the
sources take turns, and in each of them its clients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heappush
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from securechat.wire import Code, ErrorLine

_HOLDS_MOST = ErrorLine(
    Code.BUSY, "-", "this relay holds too much for its clients, and most for you: connect again"
)


APART = 0.05
"""
Seconds between two who catch up while more than half of the limit is held. So ten thousand have
had their turn before the first of them was silent for too long; and before those who do not read
are disconnected the default limit is not reached, by a part of 64 KiB for each turn.
"""


class Holder(Protocol):
    """A connection, for which something is held."""

    source: str
    """Where it comes from."""

    @property
    def held(self) -> int:
        """How many bytes."""

    def throw_out(self, error: ErrorLine) -> None:
        """Hold nothing for it any more, and end it because of *error*."""

    def go_on(self) -> None:
        """Catch up by one part, which `Buffers.has_room` has put off."""


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
        self._waiting: dict[str, dict[Holder, None]] = {}  # of each source; both in order
        self._next: IDelayedCall | None = None

    def add(self, change: int) -> None:
        """There are more by *change*."""
        self.total += change
        if self.total > self._most and not self._relieving:
            # Not now: who writes may be going through all the members of a room.
            self._relieving = True
            self._clock.callLater(0, self._relieve)

    def has_room(self, holder: Holder) -> bool:
        """Whether *holder* may catch up now. If not it is told to go on when it is its turn."""
        if not self._is_half_full and not self._waiting:
            return True
        self._waiting.setdefault(holder.source, {}).setdefault(holder)
        self._plan()
        return False

    def forget(self, holder: Holder) -> None:
        """*holder* does not catch up any more."""
        waiting = self._waiting.get(holder.source, {})
        if holder in waiting:
            del waiting[holder]
            if not waiting:
                del self._waiting[holder.source]

    @property
    def _is_half_full(self) -> bool:
        return self.total > self._most // 2

    def _plan(self) -> None:
        if self._next is None and self._waiting:
            seconds = APART if self._is_half_full else 0
            self._next = self._clock.callLater(seconds, self._let_go_on)

    def _let_go_on(self) -> None:
        self._next = None
        if not self._waiting:
            return
        source, waiting = next(iter(self._waiting.items()))
        holder = next(iter(waiting))
        del self._waiting[source], waiting[holder]
        if waiting:
            self._waiting[source] = waiting  # next time it is the last
        with self._log.failuresHandled("a client could not be caught up"):
            holder.go_on()
        self._plan()

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
