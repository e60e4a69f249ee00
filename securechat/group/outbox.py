"""
What a member has said, until it is in the stream.

A message is *on its way* once it has a frame, and *held* while it has none: nobody sends
between a departure that is known and the new keys. What became of a frame is decided by the
stream alone:

* It comes back in the stream: it is delivered.
* A new entry comes first: nobody will open it any more; it is sealed anew, once, in the new
  epoch.
* The member has caught up, and neither: the same bytes are sent again.

Where numbers are missing in which the frame may have been, a new entry leaves nobody the means
to know, and it is not said again, since others might see it twice. The same where a later
frame of this member has come back: the relay takes each n once, in order.

An outbox knows no key: frames are sealed by who calls it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

from securechat.encoding import shaped
from securechat.group.messages import Frame, Kind
from securechat.group.table import Table

Seal: TypeAlias = Callable[[Kind, bytes], Frame]
"""Makes the next frame of this member in this epoch."""


@attrs.frozen
class Said:
    """A message that has not come back in the stream yet."""

    kind: Kind
    body: bytes = attrs.field(repr=False)
    frame: Frame | None = None
    """None while it is held."""
    since: int = 0
    """The newest number of the stream when the frame was made: it is not among the older."""

    @property
    def text(self) -> str | None:
        """What it says, if it is a text."""
        return self.body.decode("utf-8", "replace") if self.kind is Kind.TEXT else None

    def value(self) -> list[Any]:
        """Return the CBOR array [kind, body, since, frame], for what is kept."""
        return [int(self.kind), self.body, self.since, self.frame.value() if self.frame else []]

    @classmethod
    def of(cls, value: object) -> Said:
        """Return what *value* is the array of; raise `EncodingError` or ValueError."""
        kind, body, since, frame = shaped(value, int, bytes, int, list)
        return cls(Kind(kind), body, Frame.of(frame) if frame else None, since)


class Outbox:
    """
    The messages of one member in one room that have not come back.

    :ivar outgoing: frames to send, for whoever holds the connection.
    :ivar tickets: how many messages have been said.
    """

    def __init__(self) -> None:
        self.outgoing: deque[Frame] = deque()
        self.tickets = 0
        self.said: Table[int, Said] = Table("said", int, Said.value, Said.of)
        """By ticket, in order."""

    @property
    def unsent(self) -> int:
        """How many messages are on their way."""
        return sum(each.frame is not None for each in self.said.values())

    @property
    def held(self) -> int:
        """How many messages wait for new keys."""
        return len(self.said) - self.unsent

    def say(self, kind: Kind, body: bytes, seq: int, seal: Seal | None) -> int:
        """
        Take a message, and return its ticket.

        :param seq: the newest number of the stream.
        :param seal: None: the message is held; a heartbeat is not said at all then.
        """
        ticket = self.tickets
        self._take(ticket, kind, body, seq, seal)
        self.tickets += 1
        return ticket

    def anew(self, last_missed: int, seq: int, seal: Seal | None) -> dict[int, Said]:
        """
        An entry has come, and what was on its way is dead: say it all again, or hold it.

        :param last_missed: the newest number of the epoch before that never came.
        :returns: by ticket, of what nobody can know, and what is not said again.
        """
        self.outgoing.clear()
        uncertain = self._uncertain(last_missed, self.tickets)
        for ticket, each in list(self.said.items()):
            self._take(ticket, each.kind, each.body, seq, seal)
        return uncertain

    def came_back(self, frame: Frame, last_missed: int) -> tuple[int, Said, dict[int, Said]] | None:
        """
        A frame of this member is in the stream: return its ticket, what it said, and, by ticket,
        of what nobody can know; or None where no such frame is on its way.
        """
        for ticket, each in self.said.items():
            if each.frame == frame:
                del self.said[ticket]
                return ticket, each, self._uncertain(last_missed, ticket)
        return None

    def awaits(self, n: int) -> bool:
        """Whether a frame of this count is on its way."""
        return any(each.frame and each.frame.header.n == n for each in self.said.values())

    def send_again(self) -> None:
        """Send all that is on its way again, the same bytes."""
        self.outgoing = deque(each.frame for each in self.said.values() if each.frame)

    def wipe(self) -> None:
        """Keep nothing: it will never be sent."""
        self.outgoing.clear()
        self.said.clear()

    def _take(self, ticket: int, kind: Kind, body: bytes, seq: int, seal: Seal | None) -> None:
        if seal is not None:
            frame = seal(kind, body)
            self.said[ticket] = Said(kind, body, frame, seq)
            self.outgoing.append(frame)
        elif kind is not Kind.HEARTBEAT:
            self.said[ticket] = Said(kind, body)
        else:
            self.said.pop(ticket, None)

    def _uncertain(self, last_missed: int, before: int) -> dict[int, Said]:
        """Forget what may be among the missing numbers and was said before the ticket *before*."""
        found = {
            ticket: each
            for ticket, each in self.said.items()
            if each.frame and each.since < last_missed and ticket < before
        }
        for ticket in found:
            del self.said[ticket]
        return found
