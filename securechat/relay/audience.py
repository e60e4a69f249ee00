"""
Who of a room's members hears it as it speaks.

What a relay does most is to hand one line to all members of a room, and what it does for each
of them it does N times. So all that can be done once is done once, for those who are abreast of
the stream: they are at the same place in it, and are given the same bytes, as many lines at
once as there are. For each of them remains one call of the function that writes to its
transport, which has been looked up before.

Whoever does not read what it is written falls behind: it leaves the audience with its own place
in the stream, costs nothing until it reads again, and comes back once it has caught up from the
history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from securechat.relay.counts import Counts
from securechat.relay.history import Item

if TYPE_CHECKING:
    from securechat.relay.stream import Cursor

CHUNK = 60_000
"""Bytes after which lines are written, rather than joined to more: who has enough says so."""

Write = Callable[[bytes], None]


def together(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Divide *items* of a stream into what is written at once: frames, or a single entry."""
    first = size = 0
    for place, item in enumerate(items):
        if item.is_entry:
            if first < place:
                yield items[first:place]
            yield [item]
            first, size = place + 1, 0
            continue
        size += len(item.line)
        if size > CHUNK:
            yield items[first : place + 1]
            first, size = place + 1, 0
    if first < len(items):
        yield items[first:]


class Audience:
    """
    The members of one room who have all that it has said.

    :param seq: the newest number of the stream by now.
    :param entered: is called when somebody has entered.
    :param counts: where it counts what is said.
    :ivar seq: the newest number that all of them have been written.
    """

    def __init__(self, seq: int, entered: Callable[[], None], counts: Counts) -> None:
        self.seq = seq
        self._entered = entered
        self._counts = counts
        self._members: dict[Cursor, Write] = {}
        self._writes: list[Write] = []  # the same functions, or nothing where they have changed
        self._ahead: set[Cursor] = set()

    def __contains__(self, member: Cursor) -> bool:
        return member in self._members

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, member: Cursor, write: Write) -> None:
        """
        Let *member* hear what follows.

        :param write: what writes to its transport. It does not raise, and may have *member*
            leave, but nobody else.
        """
        if member.seq > self.seq:
            self._ahead.add(member)  # it has read what is about to be said
        else:
            self._members[member] = write
            self._writes = []
            self._entered()

    def leave(self, member: Cursor) -> None:
        """Tell *member* nothing more, as far as it is here."""
        self._ahead.discard(member)
        if self._members.pop(member, None) is not None:
            member.seq = self.seq
            self._writes = []

    def say(self, items: Sequence[Item]) -> None:
        """Write *items*, the next of the stream, which are one of those in `together`."""
        self.seq = items[-1].seq  # at first: who has enough now has been written these
        if items[0].is_entry:
            self._counts.entries += 1
            for member in [*self._members]:
                member.write(items)
        else:
            data = b"".join([item.line for item in items])
            writes = self._writes or self._looked_up()
            self._counts.said(len(items), len(data), len(writes))
            for write in writes:
                write(data)
        if self._ahead:
            ahead, self._ahead = self._ahead, set()
            for member in ahead:
                member.catch_up()

    def _looked_up(self) -> list[Write]:
        self._writes = list(self._members.values())
        return self._writes
