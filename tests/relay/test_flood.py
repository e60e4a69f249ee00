"""A sender that outruns its room is stopped by TCP, on real sockets and a real disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from twisted.internet.defer import Deferred, maybeDeferred

from securechat.relay.factory import RelayFactory
from securechat.relay.pace import BACKLOG
from securechat.relay.sqlite import IWorker, SQLiteHistory
from securechat.relay.watch import PERIOD
from securechat.relay.worker import Worker
from securechat.wire import FrameLine, Line, serialise
from tests.relay.clients import ADDRESS, Client, Relay
from tests.relay.loopback import Caller, Loopback, Plain, StockTLS, reactor

LARGE = 30_000


class Patient(Client):
    """A client in memory that gives the relay time to store what was said."""

    def hear(self) -> list[Line]:
        self.relay.clock.advance(0)
        return super().hear()


class OnDisk(Relay):
    """A relay whose clients are patient."""

    def connect(self) -> Client:
        return Patient(self)


class Flooder:
    """
    A member that sends large frames without end.

    :ivar said: how many of them it has begun to send.
    """

    def __init__(self, caller: Caller, known: Client) -> None:
        self.caller = caller
        self.said = 0
        self._known = known
        self._rest = b""

    @property
    def room(self) -> bytes:
        """The room that it floods."""
        return self._known.room

    @property
    def is_heard(self) -> bool:
        """Whether the relay listens to it."""
        return self.caller.connection.listens

    def goes_on(self) -> bool:
        """Send as much as the sockets take; whether that was anything. Hear what comes back."""
        while self.caller.reads():
            pass
        before = self.said, len(self._rest)
        for _ in range(10):
            if not self._rest:
                frame = self._known.frame(ciphertext=bytes(LARGE))
                self._rest = serialise(frame) + b"\r\n"
                self.said += 1
            self._rest = self.caller.tries(self._rest)
            if self._rest:
                break
        return before != (self.said, len(self._rest))

    def ends(self) -> bool:
        """Send what is left of the last frame; whether that is all."""
        self._rest = self.caller.tries(self._rest)
        return not self._rest


class Stalling(Worker):
    """A worker for whose disk a test has to wait."""

    def __init__(self) -> None:
        super().__init__(reactor)
        self.goes = Event()
        self.goes.set()

    def run(self, function: Callable[[], None]) -> Deferred[None]:
        def waiting() -> None:
            self.goes.wait()
            function()

        return super().run(waiting)


class Flooded(Loopback):
    """A room on disk, over TLS."""

    room_to_read = 2**18  # with less, to read all would take long

    async def room(self, size: int, worker: IWorker | None = None) -> list[Caller]:
        """Have a room of that *size*, and a member who floods it; return the others."""
        path = Path(self.mktemp())
        self.relay = OnDisk()
        first = SQLiteHistory(path, self.relay.clock)
        self.relay.factory = RelayFactory(self.relay.clock, addresses=[ADDRESS], history=first)
        known = self.relay.room(size)
        for each in known:
            each.lose()
        closed = first.close()
        self.relay.clock.advance(0)
        self.successResultOf(closed)
        self.history = SQLiteHistory(path, self.relay.clock, worker=worker)
        self.addCleanup(self.shut)
        factory = RelayFactory(self.relay.clock, addresses=[ADDRESS], history=self.history)
        self.listen(factory)
        writer, *readers = [await self.member(each) for each in known]
        self.flooder = Flooder(writer, known[0])
        return readers

    async def shut(self) -> None:
        """Close the history."""
        closed = maybeDeferred(self.history.close)
        await self.until(lambda: closed.called)

    async def flood(self) -> None:
        """Let the flooder send until nobody takes anything any more."""
        idle = 0
        while idle < 50:
            idle = 0 if self.flooder.goes_on() else idle + 1
            self.assertLess(self.flooder.said, 1_000, "it is not stopped")
            await self.turn()

    async def heard(self, callers: list[Caller]) -> None:
        """Let the flooder say its last, and *callers* read; see that they hear it all."""
        heard: list[list[int]] = [[] for _ in callers]
        while not self.flooder.ends() or any(len(each) < self.flooder.said for each in heard):
            self.read([self.flooder.caller, *callers])
            for caller, numbers in zip(callers, heard, strict=True):
                while line := caller.next_line():
                    assert isinstance(line, FrameLine)
                    numbers.append(line.n)
            await self.turn()
        self.assertEqual(heard, [list(range(self.flooder.said))] * len(callers))

    def read(self, callers: list[Caller]) -> None:
        """Have *callers* read what is there."""
        for caller in callers:
            while caller.reads():
                pass


class LagTests(Flooded):
    """Most of the room does not read."""

    async def test_a_flood_is_stopped_until_half_have_caught_up(self) -> None:
        """
        The relay reads no more of it, holds only what was on its way, and the sender's own socket
        is full. As the others read, it goes on; nothing is lost, nothing is out of order.
        """
        readers = await self.room(4)
        await self.flood()
        self.assertFalse(self.flooder.is_heard)
        said = self.history.newest(self.flooder.room)
        self.assertLess(self.factory.buffers.total, 2**20)
        self.assertFalse(self.flooder.goes_on())
        self.assertEqual(self.history.newest(self.flooder.room), said)
        await self.heard(readers)
        await self.until(lambda: self.flooder.is_heard)

    async def test_who_never_reads_stops_nobody_for_ever(self) -> None:
        """It is disconnected after a minute, and is not waited for any more."""
        await self.room(4)
        await self.flood()
        self.assertFalse(self.flooder.is_heard)
        for _ in range(10):
            self.relay.clock.advance(PERIOD)
        await self.until(lambda: self.flooder.is_heard)
        await self.heard([])

    async def test_one_who_does_not_read_stops_nobody(self) -> None:
        """The others hear all that is said, as fast as it is said."""
        lazy, *readers = await self.room(4)
        while lazy.connection.writable or self.flooder.said < 200:
            self.flooder.goes_on()
            self.read(readers)
            await self.turn()
        await self.heard(readers)
        await self.until(lambda: self.flooder.is_heard)


class PlainLagTests(Plain, LagTests):
    """The same without TLS."""


class StockTLSLagTests(StockTLS, LagTests):
    """The same over Twisted's TLS."""


class BacklogTests(Flooded):
    """The disk is slower than what is said, where that has to outlast a loss of power."""

    async def test_a_flood_is_stopped_until_the_disk_has_caught_up(self) -> None:
        """The same; though all read, nobody hears what is not on the disk."""
        worker = Stalling()
        readers = await self.room(3, worker)
        self.addCleanup(worker.goes.set)
        worker.goes.clear()
        await self.flood()
        self.assertFalse(self.flooder.is_heard)
        self.assertGreater(self.history.backlog, BACKLOG)
        self.assertLess(self.history.backlog, BACKLOG + 2**17)
        self.assertFalse(any(reader.reads() for reader in readers))
        worker.goes.set()
        await self.heard(readers)
        await self.until(lambda: self.flooder.is_heard)
