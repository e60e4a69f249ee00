"""
How fast a room may be spoken in.

A relay takes what a member says as fast as it can read, and who cannot hear it as fast is caught
up from the history. If that is most of a room the history is all that fills: with what hardly
anybody has heard, until it drops what is older. So once more than half of the others are behind,
and that much has been said meanwhile, whoever speaks is not listened to until half of them have
caught up. What was read is taken; the rest waits at its sender, as TCP has it. But who is not
listened to is not heard in its other rooms either, and those who are behind may want just that:
so it waits for some seconds at most, after which as much again may be said.

The same holds where a room is spoken in faster than its history gets onto the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from securechat.relay.counts import Counts
from securechat.relay.history import IHistory
from securechat.relay.session import Session

LAG = 2**20
"""Bytes that a room is told while most of it is behind, before who speaks has to wait."""

BACKLOG = 8 * 2**20
"""Bytes on their way to the disk, beyond which who speaks has to wait."""

PATIENCE = 10.0
"""Seconds for which who speaks waits for a room at most."""


class Pace:
    """
    The pace of one room.

    :param most_behind: tells whether most of the room's members are behind.
    :param counts: where it counts who has to wait.
    """

    def __init__(
        self,
        clock: IReactorTime,
        history: IHistory,
        most_behind: Callable[[], bool],
        counts: Counts,
    ) -> None:
        self._clock = clock
        self._history = history
        self._most_behind = most_behind
        self._counts = counts
        self._lag = 0
        self._held: set[Session] = set()
        self._patience: IDelayedCall | None = None

    def said(self, size: int) -> None:
        """The room was told *size* bytes."""
        if self._most_behind():
            self._lag += size
        else:
            self.eased()

    def eased(self) -> None:
        """Somebody has caught up."""
        if self._lag and not self._most_behind():
            self._let_speak()

    def _let_speak(self) -> None:
        self._lag = 0
        self._stop_waiting()
        held, self._held = self._held, set()
        for session in held:
            session.release()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def left(self, session: Session) -> None:
        """*session* is not here any more, though it may be in other rooms."""
        if session in self._held:
            self._held.remove(session)
            session.release()
            if not self._held:
                self._stop_waiting()
        self.eased()

    def speaks(self, session: Session) -> None:
        """*session* has spoken: see whether it has to wait."""
        if self._lag > LAG and session not in self._held:
            if self._patience is None:
                self._patience = self._clock.callLater(PATIENCE, self._let_speak)
            self._held.add(session)
            self._hold(session)
        elif self._history.backlog > BACKLOG:
            self._hold(session)
            self._history.relief().addCallback(lambda _: session.release())

    def _hold(self, session: Session) -> None:
        self._counts.senders_held += 1
        session.hold()
