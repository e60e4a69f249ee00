"""Clients that do not read, and clients that do not speak, on real sockets."""

from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.heartbeat import patience as heartbeat
from securechat.relay import watch
from securechat.relay.factory import LINGER
from securechat.relay.limits import Limits
from securechat.relay.sockets import untaken
from securechat.relay.watch import PERIOD, patience
from securechat.wire import Asked, Banner, Code, FrameLine, Join
from tests.relay.clients import Client, Relay
from tests.relay.loopback import Caller, Loopback, Plain, StockPlain, StockTLS, Unix

LARGE = 30_000


class Room(Loopback):
    """A room of a writer that is in memory, and a reader that is not, and does not read."""

    async def room(self) -> tuple[Client, Caller]:
        """Return a writer, which is in memory, and a reader, which is not."""
        self.start()
        writer, reader = self.relay.room(2)
        return writer, await self.member(reader)

    async def fill(self, writer: Client, reader: Caller) -> None:
        """Write to the room until the reader's transport has enough, and some more."""
        while reader.connection.writable:
            writer.says(writer.frame(ciphertext=bytes(LARGE)))
            await self.turn()
        writer.says(*(writer.frame(ciphertext=bytes(LARGE)) for _ in range(20)))
        writer.hear()

    async def rest(self, reader: Caller) -> None:
        """Wait until the reader's kernel takes nothing more, and the relay has looked at it."""
        left = -1
        while reader.connection.moved or left != (left := untaken(reader.connection.transport)):
            self.relay.clock.advance(PERIOD)
            for _ in range(20):
                await self.turn()

    async def is_cut(self, reader: Caller, seconds: float) -> None:
        """
        Let *seconds* pass until the relay has ended the reader's session: once, or again where
        the kernel was told meanwhile, late, of something that had been taken.
        """
        while reader.connection.session is not None:
            self.relay.clock.advance(seconds)
            for _ in range(20):
                await self.turn()


class ReadingTests(Room):
    """Clients that do not read what they are sent: over TLS, on the relay's own transport."""

    async def test_who_never_reads_is_disconnected(self) -> None:
        """
        A minute after it has taken anything. It is told; if it does not read that either, it is
        aborted, and nothing is held for it any more.
        """
        writer, reader = await self.room()
        await self.fill(writer, reader)
        await self.rest(reader)
        self.relay.clock.advance(60 - 2 * PERIOD)
        self.assertIsNotNone(reader.connection.session)
        await self.is_cut(reader, 2 * PERIOD)
        self.assertIn(reader.connection, self.factory.connections)
        self.relay.clock.advance(LINGER)
        await self.until(lambda: reader.connection not in self.factory.connections)
        self.assertEqual(self.factory.buffers.total, 0)
        writer.says(writer.frame())
        self.assertEqual(len(writer.hear()), 1)

    async def test_it_may_read_why(self) -> None:
        """All that was on its way comes first."""
        writer, reader = await self.room()
        await self.fill(writer, reader)
        await self.rest(reader)
        await self.is_cut(reader, 60 + PERIOD)
        error = await reader.refused()
        self.assertIs(error.code, Code.BUSY)
        self.assertIn("do not read", error.words)

    async def test_the_patience_is_the_operators(self) -> None:
        """By `unread_seconds`."""
        self.start(limits=Limits(unread_seconds=1_000))
        writer, known = self.relay.room(2)
        reader = await self.member(known)
        await self.fill(writer, reader)
        await self.rest(reader)
        self.relay.clock.advance(1_000 - 2 * PERIOD)
        self.assertIsNotNone(reader.connection.session)
        await self.is_cut(reader, 2 * PERIOD)

    async def test_who_reads_slowly_stays(self) -> None:
        """
        However slowly, as long as something goes now and then; also if it says nothing for all
        of that time, as who catches up does. In the end it has all.
        """
        writer, reader = await self.room()
        self.relay.clock.advance(PERIOD)
        await self.fill(writer, reader)
        heard = 0
        for _ in range(30):
            self.relay.clock.advance(40)
            before = untaken(reader.connection.transport)
            while not reader.connection.moved and untaken(reader.connection.transport) == before:
                reader.reads(500)
                await self.turn()
        self.assertIsNotNone(reader.connection.session)
        while heard < writer.n:
            self.assertEqual((await reader.hears(FrameLine)).n, heard)
            heard += 1
        self.relay.clock.advance(2 * PERIOD)
        self.assertIsNotNone(reader.connection.session)


class LittleTests(Room):
    """What only the relay's own transport tells."""

    async def test_little_that_waits(self) -> None:
        """Also who does not have enough to be caught up from the history is disconnected."""
        writer, reader = await self.room()
        while not reader.connection.waits:
            writer.says(writer.frame(ciphertext=bytes(LARGE)))
            await self.turn()
        self.assertTrue(reader.connection.writable)
        await self.rest(reader)
        await self.is_cut(reader, 60 + PERIOD)

    async def test_where_the_kernel_does_not_tell(self) -> None:
        """What the transport writes is a sign of life as well."""
        self.patch(watch, "untaken", lambda transport: 0)
        writer, reader = await self.room()
        await self.fill(writer, reader)
        for _ in range(5):
            self.relay.clock.advance(40)
            while not reader.connection.moved:
                reader.reads()
                await self.turn()
        self.assertIsNotNone(reader.connection.session)


class PlainReadingTests(Plain, ReadingTests):
    """The same without TLS."""


class UnixReadingTests(Unix, ReadingTests):
    """The same on a unix socket."""


class StockTLSReadingTests(StockTLS, ReadingTests):
    """The same over Twisted's TLS."""


class StockPlainReadingTests(StockPlain, ReadingTests):
    """The same on Twisted's transport alone."""


class InMemoryTests(SynchronousTestCase):
    """On a transport that has no socket, and does not tell what it has written."""

    def test_it_shows_when_it_asks_for_more(self) -> None:
        """Who reads all now and then stays; who does not is disconnected."""
        relay = Relay()
        relay.factory.doStart()
        client = relay.client()
        connection = client.connection
        for _ in range(3):
            connection.pauseProducing()
            relay.clock.pump([PERIOD] * 4)
            connection.resumeProducing()
        connection.pauseProducing()
        relay.clock.pump([PERIOD] * 4)
        self.assertFalse(client.hung_up)
        relay.clock.advance(PERIOD)
        self.assertTrue(client.hung_up)
        self.assertIs(client.refused(), Code.BUSY)
        client.lose()
        relay.factory.doStop()
        self.assertEqual(relay.clock.getDelayedCalls(), [])


class SilentTests(Loopback):
    """Clients that do not speak, over TLS."""

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look every so often."""
        for _ in range(int(seconds / PERIOD)):
            self.relay.clock.advance(PERIOD)
        await self.turn()

    async def test_who_is_in_no_room(self) -> None:
        """After ten minutes in which it says nothing it is told, and the connection is closed."""
        self.start()
        caller = await self.proved()
        await self.pass_time(600)
        self.assertIsNotNone(caller.connection.session)
        await self.pass_time(2 * PERIOD)
        error = await caller.refused()
        self.assertIs(error.code, Code.TIMEOUT)
        self.assertIn("said nothing", error.words)
        self.relay.clock.advance(LINGER)
        await self.until(lambda: not self.factory.connections)

    async def test_one_who_cannot_be_looked_after(self) -> None:
        """The fault is logged, and does not end the watch over others."""
        self.start()
        callers = [await self.proved() for _ in range(2)]

        def fail(error: object) -> None:
            raise ValueError("a fault")

        one, other = self.factory.watch._connections  # in the order in which they are looked at
        one.hang_up = fail  # type: ignore[method-assign]  # in its place
        await self.pass_time(600 + PERIOD)
        self.assertIsNone(other.session)
        del one.hang_up
        self.assertGreaterEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.relay.clock.advance(PERIOD)
        self.assertIsNone(one.session)
        self.assertEqual(len(callers), 2)

    async def test_who_says_something(self) -> None:
        """Whatever it is, the time starts anew."""
        self.start()
        caller = await self.proved()
        for _ in range(5):
            await self.pass_time(500)
            await caller.says(Join("nowhere"))
            await caller.refused()
        self.assertIsNotNone(caller.connection.session)

    async def test_who_waits_to_be_let_in(self) -> None:
        """It has nothing to say: it waits for others, for as long as they take."""
        self.start(limits=Limits(ask_timeout=10_000))
        (founder,) = self.relay.room(1)
        caller = await self.proved()
        await caller.says(Join("lobby"))
        await caller.hears(Asked)
        for _ in range(20):
            await self.pass_time(100)
            founder.says(founder.frame())
        self.assertIsNotNone(caller.connection.session)

    async def test_a_member_that_gives_signs_of_life(self) -> None:
        """Heartbeats are enough."""
        self.start()
        _, known = self.relay.room(2)
        caller = await self.member(known)
        for _ in range(50):
            await self.pass_time(75)
            await caller.says(known.frame())
            await caller.hears(FrameLine)
        self.assertIsNotNone(caller.connection.session)

    async def test_a_member_that_gives_none(self) -> None:
        """After three times the time of a heartbeat, or ten minutes, it is stuck."""
        self.start()
        _, known = self.relay.room(2)
        caller = await self.member(known)
        await self.pass_time(600)
        self.assertIsNotNone(caller.connection.session)
        await self.pass_time(2 * PERIOD)
        self.assertIs((await caller.refused()).code, Code.TIMEOUT)

    async def test_the_patience_is_the_operators(self) -> None:
        """By `idle_seconds`, which a member has not less than it needs."""
        self.start(limits=Limits(idle_seconds=100))
        _, known = self.relay.room(2)
        member, other = await self.member(known), await self.proved()
        await self.pass_time(100 + 2 * PERIOD)
        self.assertIsNone(other.connection.session)
        self.assertIsNotNone(member.connection.session)
        await self.pass_time(3 * 72)
        self.assertIsNone(member.connection.session)

    async def test_who_is_not_listened_to(self) -> None:
        """It may have said much: nobody knows."""
        self.start()
        caller = await self.proved()
        caller.connection.hold()
        await self.pass_time(2_000)
        caller.connection.release()
        await self.pass_time(500)
        self.assertIsNotNone(caller.connection.session)

    async def test_who_proves_nothing_has_less_time(self) -> None:
        """It is not looked at: there is a timer of its own."""
        self.start(limits=Limits(identify_seconds=2_000, idle_seconds=1))
        caller = await self.call()
        await caller.hears(Banner)
        await self.pass_time(1_500)
        self.assertIn(caller.connection, self.factory.connections)
        await self.pass_time(1_500)
        self.assertIn("not proved", (await caller.refused()).words)


class PatienceTests(SynchronousTestCase):
    """How long a member may be silent."""

    @given(st.integers(1, 10_000))
    def test_three_heartbeats(self, members: int) -> None:
        """Such as members say them, in a room of any size."""
        self.assertAlmostEqual(patience(members, 1), 3 * heartbeat(members, 1))

    def test_the_largest_room_counts(self) -> None:
        """In it a member speaks least often."""
        relay = Relay()
        founder, *_ = relay.room(3)
        (alice,) = relay.room(1, "small")
        session = alice.connection.session
        assert session is not None
        self.assertEqual(session.most_members, 1)
        alice.join_by(founder)
        self.assertEqual(session.most_members, 4)


class KeepAliveTests(Loopback):
    """Peers that vanish are noticed by the kernel."""

    async def options(self) -> list[int]:
        """Return what is set on the socket of a connection."""
        caller = await self.call()
        accepted = socket.socket(fileno=caller.connection.transport.fileno())
        try:
            return [
                accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            ]
        finally:
            accepted.detach()

    async def test_in_two_minutes(self) -> None:
        """It asks after a minute, and then every quarter of one, four times."""
        self.start()
        self.assertEqual(await self.options(), [1, 60, 15, 4, 120_000])

    async def test_who_is_there_and_does_not_read(self) -> None:
        """The kernel leaves that to the relay, which may have more patience."""
        self.start(limits=Limits(unread_seconds=600))
        self.assertEqual((await self.options())[-1], 1_200_000)


class PlainKeepAliveTests(Plain, KeepAliveTests):
    """The same without TLS."""


class StockTLSKeepAliveTests(StockTLS, KeepAliveTests):
    """The same over Twisted's TLS."""


class StockPlainKeepAliveTests(StockPlain, KeepAliveTests):
    """The same on Twisted's transport alone."""
