"""What the relay holds for all of its clients, and who has to go where that is too much."""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.buffers import APART, Buffers, greediest
from securechat.relay.factory import LINGER
from securechat.relay.limits import Limits
from securechat.wire import (
    MAX_LINE,
    SLICE,
    Code,
    ErrorLine,
    FrameLine,
    Join,
    Line,
    Resume,
    Resumed,
)
from tests.relay.clients import Relay, kinds
from tests.relay.loopback import Caller, Loopback, Plain, StockPlain, StockTLS

MOST = 2**20
LARGE = 30_000
PART = b"x" * 60_000
"""Of a line that is not whole."""


@attrs.define(eq=False)
class Holder:
    """Somebody for whom something is held."""

    source: str
    held: int
    error: ErrorLine | None = None
    went_on: int = 0

    def throw_out(self, error: ErrorLine) -> None:
        """Take down that it has to go. What is held for it goes a little later."""
        self.error = error

    def go_on(self) -> None:
        """Take down that it is its turn to catch up."""
        self.went_on += 1


class Broken(Holder):
    """Somebody who cannot be caught up."""

    def go_on(self) -> None:
        """Raise what nobody expects."""
        raise ValueError("a fault")


holders = st.lists(st.builds(Holder, st.sampled_from("abcd"), st.integers(0, 100)), max_size=20)


class WhoTests(SynchronousTestCase):
    """Who has to go."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.holders: list[Holder] = []
        self.buffers = Buffers(self.clock, 100, self.holders)

    def hold(self, source: str, held: int) -> Holder:
        """Hold something more."""
        holder = Holder(source, held)
        self.holders.append(holder)
        self.buffers.add(held)
        return holder

    def gone(self) -> list[bool]:
        """Let the clock turn; return who had to go."""
        self.clock.advance(0)
        return [each.error is not None for each in self.holders]

    def test_up_to_the_limit_nobody(self) -> None:
        """It is a bound, and nothing else."""
        self.hold("a", 100)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_holds_most(self) -> None:
        """As few as are enough, in the next turn: somebody may be writing to all of them now."""
        for held in (30, 40, 50):
            self.hold("a", held)
        self.assertEqual([each.error for each in self.holders], [None] * 3)
        self.assertEqual(self.gone(), [False, False, True])

    def test_of_the_source_that_holds_most(self) -> None:
        """Many with little each do not drive out one with more, who is alone where it is."""
        self.hold("honest", 40)
        for _ in range(7):
            self.hold("enemy", 10)
        self.assertEqual(self.gone(), [False] * 7 + [True])

    def test_what_has_gone_by_then(self) -> None:
        """Nobody has to go for it."""
        holder = self.hold("a", 101)
        holder.held -= 1
        self.buffers.add(-1)
        self.assertEqual(self.gone(), [False])

    def test_it_is_logged(self) -> None:
        """With how many had to go, since the operator may want to give more."""
        for _ in range(4):
            self.hold("a", 60)
        with capturedLogs() as events:
            self.clock.advance(0)
        (event,) = events
        self.assertIn("3 who hold most", str(formatEvent(event)))

    def test_it_can_happen_again(self) -> None:
        """Whenever it is too much."""
        for number in range(1, 4):
            holder = self.hold("a", 101)
            self.assertEqual(self.gone(), [True] * number)
            holder.held = 0
            self.buffers.add(-101)

    def test_who_catches_up(self) -> None:
        """Up to half of the limit, nobody waits for it."""
        holder = self.hold("a", 50)
        self.assertTrue(self.buffers.has_room(holder))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_has_to_wait_to_catch_up(self) -> None:
        """Each has its turn in order, once, after a little time, though nothing becomes less."""
        crowd = [self.hold("a", 30), self.hold("b", 30)]
        for holder in (*crowd, crowd[0]):
            self.assertFalse(self.buffers.has_room(holder))
        for turns in ([1, 0], [1, 1], [1, 1]):
            self.clock.advance(APART)
            self.assertEqual([each.went_on for each in crowd], turns)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sources_take_turns_to_catch_up(self) -> None:
        """Many of one do not make one of another wait for all of them."""
        crowd = [self.hold("enemy", 20) for _ in range(5)]
        honest = self.hold("honest", 0)
        for holder in (*crowd, honest):
            self.buffers.has_room(holder)
        self.buffers.forget(crowd[1])
        self.buffers.forget(crowd[1])
        for turns in ([1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 0, 1]):
            self.clock.advance(APART)
            self.assertEqual([each.went_on for each in (*crowd, honest)], turns)

    def test_one_who_cannot_go_on(self) -> None:
        """The fault is logged, and the others have their turn."""
        broken = Broken("a", 60)
        self.buffers.add(60)
        self.buffers.has_room(broken)
        other = self.hold("b", 0)
        self.buffers.has_room(other)
        self.clock.pump([APART, APART])
        self.assertEqual(other.went_on, 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_who_waits_where_it_has_become_less(self) -> None:
        """It goes on without delay, and before who comes later."""
        first, second, late = (self.hold("a", 20) for _ in range(3))
        self.buffers.has_room(first)
        self.buffers.has_room(second)
        self.buffers.add(-20)
        self.assertFalse(self.buffers.has_room(late))
        self.clock.advance(APART)
        self.assertEqual([each.went_on for each in (first, second, late)], [1, 1, 1])
        self.assertTrue(self.buffers.has_room(first))

    def test_who_waits_and_goes(self) -> None:
        """It is not told to go on any more."""
        holder = self.hold("a", 60)
        self.buffers.has_room(holder)
        self.buffers.forget(holder)
        self.clock.advance(APART)
        self.assertEqual(holder.went_on, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(holders)
    def test_the_order(self, crowd: list[Holder]) -> None:
        """
        Each who holds something is in it once: of the source that holds most by then, who holds
        most.
        """
        left = {id(each): each for each in crowd if each.held}
        for holder, held in greediest(crowd):
            self.assertEqual(held, holder.held)
            sums = Counter[str]()
            for each in left.values():
                sums[each.source] += each.held
            self.assertEqual(sums[holder.source], max(sums.values()))
            same = [each.held for each in left.values() if each.source == holder.source]
            self.assertEqual(held, max(same))
            del left[id(holder)]
        self.assertEqual(left, {})

    @given(holders, st.integers(0, 1_000))
    def test_an_even_share_is_safe(self, crowd: list[Holder], most: int) -> None:
        """
        A source that has no more than its share of the limit is left alone; and so is, within
        a source that has more, who has no more than its share of what is left to that.
        """
        clock = Clock()
        buffers = Buffers(clock, most, crowd)
        buffers.add(sum(each.held for each in crowd))
        clock.advance(0)
        kept = sum(each.held for each in crowd if not each.error)
        self.assertLessEqual(kept, most)
        sources = {each.source for each in crowd}
        for source in sources:
            its = [each for each in crowd if each.source == source]
            if sum(each.held for each in its) <= most / len(sources):
                self.assertEqual([each.error for each in its], [None] * len(its))
            stays = max((each.held for each in its if not each.error), default=0)
            for each in its:
                if each.error:
                    self.assertGreaterEqual(each.held, stays)


class CountTests(SynchronousTestCase):
    """What is counted, in memory."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.members = self.relay.room(3)
        self.client = self.members[0]
        self.buffers = self.relay.factory.buffers

    def held(self) -> int:
        """Return what is held in all; see that it is the sum of what is held for each."""
        held = [connection.held for connection in self.relay.factory.connections]
        self.assertEqual(self.buffers.total, sum(held))
        return self.buffers.total

    def test_nothing_where_all_is_well(self) -> None:
        """Whole lines that are served at once, and all that is written, cost nothing."""
        self.client.says(self.client.frame(), self.client.frame())
        self.assertEqual(self.held(), 0)

    def test_a_line_that_is_not_whole(self) -> None:
        """Until its end has come."""
        data = b"join nowhere\r\nwho " + PART
        self.client.connection.dataReceived(data)
        self.assertEqual(self.held(), len(PART) + 4)
        self.client.connection.dataReceived(b"y" * 10)
        self.assertEqual(self.held(), len(PART) + 14)
        self.client.connection.dataReceived(b"\r\n")
        self.assertEqual(self.held(), 0)

    def test_it_goes_with_the_connection(self) -> None:
        """Whether that is closed here or there."""
        for client in self.members[:2]:
            client.connection.dataReceived(PART)
        self.members[0].lose()
        self.assertEqual(self.held(), len(PART))
        self.members[1].connection.hang_up(ErrorLine(Code.BUSY, "-", "go"))
        self.members[1].connection.dataReceived(PART)
        self.assertEqual(self.held(), 0)

    def test_lines_that_wait(self) -> None:
        """Of who is not listened to; until they are served, or the connection is over."""
        for client in self.members[:2]:
            client.connection.hold()
            client.says(Join("nowhere"), Join("nowhere"))
        self.assertEqual(self.held(), 4 * len(b"join nowhere"))
        self.members[0].connection.release()
        self.relay.clock.advance(0)
        self.assertEqual(self.held(), 2 * len(b"join nowhere"))
        self.members[1].lose()
        self.assertEqual(self.held(), 0)

    def test_a_change_that_is_not_complete(self) -> None:
        """Its slices; until it lands, is dropped, takes too long, or breaks off."""
        client = self.client
        for over in (
            client.commit,
            lambda: client.begin(client.update()),
            lambda: self.relay.clock.advance(31),
            client.lose,
        ):
            client.begin(client.update())
            client.slices(2)
            self.assertEqual(self.held(), 2 * SLICE)
            over()
            self.assertEqual(self.held(), 0)

    def test_what_waits_to_be_written(self) -> None:
        """As far as it is known where the transport does not tell."""
        self.client.connection.pauseProducing()
        before = self.held()
        self.client.connection.write(bytes(1_000))
        self.assertEqual(self.held(), before + 1_000)
        self.client.connection.resumeProducing()
        self.assertEqual(self.held(), 0)
        self.client.connection.pauseProducing()
        self.client.lose()
        self.assertEqual(self.held(), 0)


class TurnTests(SynchronousTestCase):
    """Who catches up while others hold much, in memory."""

    def setUp(self) -> None:
        self.relay = Relay(limits=Limits(buffered_bytes=MOST))
        alice, bob = self.relay.room(2)
        bob.lose()
        alice.says(alice.frame())
        self.crowd()
        self.bob = self.relay.again(bob)
        self.bob.resume()
        self.assertEqual(self.bob.hear(), [])

    def crowd(self) -> None:
        """Hold more than half of the limit."""
        for _ in range(MOST // 2 // len(PART) + 1):
            self.relay.client().connection.dataReceived(PART)

    def test_it_is_its_turn(self) -> None:
        """It hears what it has missed."""
        self.relay.clock.advance(APART)
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Resumed])

    def test_it_does_not_read_then(self) -> None:
        """It is caught up once it does."""
        self.bob.connection.pauseProducing()
        self.relay.clock.advance(APART)
        self.assertEqual(self.bob.hear(), [])
        self.bob.connection.resumeProducing()
        self.relay.clock.advance(APART)
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Resumed])

    def turns(self, *frames: int) -> list[int]:
        """
        Have somebody come back to two rooms, each with so many *frames*; return which it heard in
        each turn, by number.
        """
        self.relay = Relay(limits=Limits(buffered_bytes=MOST))
        alice, bob = self.relay.room(2)
        friend = self.relay.client()
        bob.found("second")
        friend.join_by(bob, "second")
        bob.lose()
        resumes = [
            Resume(each.log.room, each.log.epoch, each.log.head, 2) for each in (alice, friend)
        ]
        for writer, count in zip((alice, friend), frames, strict=True):
            for _ in range(count):
                writer.says(writer.frame(ciphertext=bytes(LARGE)))
        self.crowd()
        bob = self.relay.again(bob)
        bob.says(*resumes)
        heard = []
        for _ in range(6):
            self.relay.clock.advance(APART)
            rooms = {line.room for line in bob.hear() if isinstance(line, FrameLine)}
            heard += [number for number, each in enumerate((alice, friend)) if each.room in rooms]
        return heard

    def test_its_rooms_take_turns(self) -> None:
        """One that has much does not keep it from hearing the other."""
        self.assertEqual(self.turns(20, 20), [0, 1] * 3)

    def test_a_room_that_has_nothing(self) -> None:
        """It takes no turn."""
        self.assertEqual(self.turns(0, 20), [1] * 6)

    def test_it_goes(self) -> None:
        """It has no turn any more."""
        self.bob.lose()
        self.relay.clock.advance(APART)
        self.assertEqual(self.bob.hear(), [])


class Capped(Loopback):
    """A relay and its limit, over TLS."""

    async def settled(self, total: int) -> None:
        """Wait until *total* bytes are held."""
        await self.until(lambda: self.factory.buffers.total == total)

    async def parts(self, count: int, source: str) -> list[Caller]:
        """Return clients from *source*, each of which has sent a part of a line."""
        callers = [await self.proved(source) for _ in range(count)]
        for caller in callers:
            await caller.sends(PART)
        return callers

    def here(self, callers: list[Caller]) -> int:
        """Return how many of *callers* are not sent away."""
        return sum(caller.connection.session is not None for caller in callers)


class SourceTests(Capped):
    """Clients that come from several addresses."""

    async def test_many_who_send_parts_of_lines(self) -> None:
        """
        They are thrown out, as many as it takes, and told why. Who comes from elsewhere stays,
        though it holds more than any of them.
        """
        self.start(limits=Limits(buffered_bytes=MOST))
        honest = await self.proved("127.0.0.2")
        mine = b"y" * (MAX_LINE - 10)
        await honest.sends(mine)
        enemies = await self.parts(MOST // len(PART), "127.0.0.1")
        await self.until(lambda: self.here(enemies) < len(enemies))
        await self.settled(len(mine) + self.here(enemies) * len(PART))
        self.assertLessEqual(self.factory.buffers.total, MOST)
        self.assertEqual(self.here(enemies), len(enemies) - 1)
        self.assertEqual(self.here([honest]), 1)
        (gone,) = [each for each in enemies if not self.here([each])]
        error = await gone.refused()
        self.assertIs(error.code, Code.BUSY)
        self.assertIn("holds too much", error.words)
        await honest.sends(b"\r\n")
        self.assertIs((await honest.refused()).code, Code.UNKNOWN)

    async def test_who_does_not_read(self) -> None:
        """What waits for it is dropped at once, with the connection."""
        self.start(limits=Limits(buffered_bytes=MOST, unread_bytes=2 * MOST))
        _, known = self.relay.room(2)
        others = await self.parts(2, "127.0.0.2")
        reader = await self.member(known)
        while reader.connection in self.factory.connections:
            reader.connection.write(bytes(LARGE))
            await self.turn()
        await self.settled(2 * len(PART))
        self.assertEqual(self.here(others), 2)
        await reader.ends()

    async def test_who_is_on_its_way_out(self) -> None:
        """It still holds what it has not read, and is the first to go."""
        self.start(limits=Limits(buffered_bytes=MOST, unread_bytes=2 * MOST))
        reader = await self.proved("127.0.0.2")
        while reader.connection.held < MOST // 2:
            reader.connection.write(bytes(LARGE))
        reader.connection.hang_up(ErrorLine(Code.BUSY, "-", "go"))
        await self.turn()
        self.assertIn(reader.connection, self.factory.connections)
        others = [await self.parts(5, f"127.0.0.{number}") for number in (3, 4)]
        await self.until(lambda: reader.connection not in self.factory.connections)
        self.assertEqual([self.here(each) for each in others], [5, 5])


class StockTLSSourceTests(StockTLS, SourceTests):
    """The same over Twisted's TLS."""


class CatchUpTests(Capped):
    """Many who come back at the same time, to a room in which much was said."""

    SAID = 8

    async def crowd(self, size: int) -> list[Caller]:
        """Return members who come back, and are caught up when they read."""
        self.start(limits=Limits(buffered_bytes=MOST))
        writer, *known = self.relay.room(size + 1)
        for each in known:
            each.lose()
        writer.says(*(writer.frame(ciphertext=bytes(LARGE)) for _ in range(self.SAID)))
        callers = []
        for each in known:
            callers.append(await self.call())
            await callers[-1].prove(each.identity)
            await callers[-1].says(Resume(each.room, each.log.epoch, each.log.head, each.seq))
        return callers

    async def caught_up(self, callers: list[Caller]) -> None:
        """Have *callers* read all that was said, while time passes."""
        heard: dict[Caller, list[Line]] = {caller: [] for caller in callers}
        while any(not lines or not isinstance(lines[-1], Resumed) for lines in heard.values()):
            for caller, lines in heard.items():
                caller.reads()
                while line := caller.next_line():
                    lines.append(line)
            self.relay.clock.advance(APART)
            await self.turn()
        for lines in heard.values():
            self.assertEqual(kinds(lines), [FrameLine] * self.SAID + [Resumed])

    async def test_nobody_has_to_go(self) -> None:
        """
        They are written no more than the relay may hold, though all of them together would have
        it hold more. Nobody is missed once they read.
        """
        callers = await self.crowd(2 * MOST // 2**16)
        for _ in range(50):
            await self.turn()
        self.assertLess(self.factory.buffers.total, MOST // 2 + 2**17)
        self.assertGreater(self.factory.buffers.total, MOST // 2)
        await self.caught_up(callers)
        self.assertEqual(self.here(callers), len(callers))
        self.assertEqual(self.factory.counts.greedy_clients, 0)

    async def test_others_hold_too_much(self) -> None:
        """Who catches up is slow then, but it does."""
        callers = await self.crowd(2)
        enemies = await self.parts(MOST // 2 // len(PART) + 1, "127.0.0.2")
        await self.until(lambda: self.factory.buffers.total > MOST // 2)
        await self.caught_up(callers)
        self.assertEqual(self.here(enemies), len(enemies))


class CapTests(Capped):
    """Clients that all come from one place."""

    async def test_within_a_source(self) -> None:
        """Who holds most goes; who holds less stays."""
        self.start(limits=Limits(buffered_bytes=MOST, unread_bytes=2 * MOST))
        small = await self.parts(8, "127.0.0.1")
        large = await self.proved()
        while large.connection in self.factory.connections:
            large.connection.write(bytes(LARGE))
            await self.turn()
        self.assertEqual(self.here(small), 8)

    async def test_who_has_proved_nothing(self) -> None:
        """What it sends counts, too."""
        self.start(limits=Limits(buffered_bytes=MOST))
        caller = await self.call()
        await caller.sends(b"identity ")
        await self.settled(len(b"identity "))
        self.relay.clock.advance(11)
        self.assertIn("not proved", (await caller.refused()).words)
        self.assertEqual(self.factory.buffers.total, 0)
        self.relay.clock.advance(LINGER)


class PlainCapTests(Plain, CapTests):
    """The same without TLS, where addresses say nothing."""


class StockTLSCapTests(StockTLS, CapTests):
    """The same over Twisted's TLS."""


class StockPlainCapTests(StockPlain, CapTests):
    """The same on Twisted's transport alone."""
