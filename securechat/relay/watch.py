"""
Connections on which nothing goes on any more: of clients that do not read, and that do not speak.

A client that *does not read* costs its room little: the stream stops, and goes on from the history.
But what waits for it stays, and so does its place among the members who are here. So a connection
is ended for which bytes wait, and on which none could be written for `--unread-seconds`. How slow
a client is does not matter: as long as it takes something now and then it stays. What it takes
shows where the transport tells of it, where it asks for more, and in what the kernel still has.

A client that *does not speak* may be stuck, or gone without a word. Members have to speak: by
heartbeats, the slowest of which follows from the size of the largest room that the client is in.
Where nothing has come for three times that, nothing will. Who is in no room and joins none has
`--idle-seconds`. Nobody has to speak while bytes wait for it (it catches up, perhaps for hours,
and members do that in silence), nor while it is not listened to.

There is no timer for each connection. All are looked at now and then, which takes about a
microsecond for each; what happens meanwhile only sets a flag.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from securechat.relay.limits import Limits
from securechat.relay.session import Session
from securechat.relay.sockets import untaken
from securechat.wire import Code, ErrorLine

PERIOD = 15.0
"""Seconds between two looks."""

_HEARTBEAT = 1.2 * 60.0
_HEARTBEAT_PER_MEMBER = 1.2 * 2.0
_HEARTBEATS = 3

DOES_NOT_READ = ErrorLine(Code.BUSY, "-", "you do not read what you are sent: connect again")
DOES_NOT_SPEAK = ErrorLine(Code.TIMEOUT, "-", "you have said nothing for too long: connect again")


def patience(members: int, idle_seconds: float) -> float:
    """
    Return for how many seconds a client may be silent.

    :param members: how many the largest room has that it is in; 0: it is in none.
    :param idle_seconds: what the operator gives to who is in none, and at least to the others.
    """
    if not members:
        return idle_seconds
    return max(idle_seconds, _HEARTBEATS * max(_HEARTBEAT, _HEARTBEAT_PER_MEMBER * members))


class Watched(Protocol):
    """
    A connection.

    :ivar heard: is set when something comes.
    :ivar moved: is set when something of what waits is written, and when something begins to wait.
    """

    transport: Any
    heard: bool
    moved: bool

    # What the watch has seen
    silent_since: float
    stuck_since: float
    untaken: int

    @property
    def session(self) -> Session | None:
        """Whose it is, once that is proved, and until it is closed."""

    @property
    def waits(self) -> bool:
        """Whether bytes wait to be written."""

    @property
    def listens(self) -> bool:
        """Whether something could come."""

    def hang_up(self, error: ErrorLine) -> None: ...


class Watch:
    """
    The watch over *connections*, all there are at any time.

    Those on which no identity is proved yet, and those that are being closed, have their own
    timers.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, limits: Limits, connections: Collection[Watched]
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._connections = connections
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock

    def start(self) -> None:
        """Look at them every so often."""
        self._loop.start(PERIOD, now=False)

    def stop(self) -> None:
        """Look no more."""
        self._loop.stop()

    def look(self) -> None:
        """Hang up on those on which nothing goes on any more."""
        now = self._clock.seconds()
        for connection in list(self._connections):
            with self._log.failuresHandled("a connection could not be looked after"):
                self._look_at(connection, now)

    def _look_at(self, connection: Watched, now: float) -> None:
        session = connection.session
        if session is None:
            return
        if connection.waits:
            connection.silent_since = now
            if self._is_stuck(connection, now):
                connection.hang_up(DOES_NOT_READ)
        elif connection.heard or not connection.listens:
            connection.heard = False
            connection.silent_since = now
        elif self._is_silent(connection, session, now):
            connection.hang_up(DOES_NOT_SPEAK)

    def _is_stuck(self, connection: Watched, now: float) -> bool:
        """Whether nothing has gone to it for too long."""
        left = untaken(connection.transport)
        if connection.moved or left != connection.untaken:
            connection.moved = False
            connection.untaken = left
            connection.stuck_since = now
        return now - connection.stuck_since >= self._limits.unread_seconds

    def _is_silent(self, connection: Watched, session: Session, now: float) -> bool:
        """Whether nothing has come from it for too long."""
        silence, idle_seconds = now - connection.silent_since, self._limits.idle_seconds
        if silence < idle_seconds or session.joins:  # who joins waits for others
            return False
        return silence >= patience(session.most_members, idle_seconds)
