"""Who speaks faster than a room can hear, or its history can store, waits."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import Why
from securechat.relay.memory import MemoryHistory
from securechat.relay.pace import BACKLOG, LAG, PATIENCE
from securechat.wire import Code, FrameLine, Who
from tests.relay.clients import Client, Relay

SIZE = 30_000
ENOUGH = LAG // (SIZE * 4 // 3) + 1
"""Frames of that size before a room lags."""


class LagTests(SynchronousTestCase):
    """A room most of which does not read."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.writer, *self.readers = self.relay.room(4)

    def stall(self, *clients: Client) -> None:
        """Their transports have enough to write."""
        for client in clients:
            client.connection.pauseProducing()

    def say(self, count: int) -> None:
        """Let the writer say that many large frames."""
        for _ in range(count):
            self.writer.says(self.writer.frame(ciphertext=bytes(SIZE)))

    def waits(self) -> bool:
        """Whether the writer is not listened to."""
        return self.writer.transport.producerState == "paused"

    def test_few_who_do_not_read_hold_up_nobody(self) -> None:
        """They are caught up from the history, whatever is said."""
        self.stall(self.readers[0])
        self.say(2 * ENOUGH)
        self.assertFalse(self.waits())

    def test_a_conversation_goes_on(self) -> None:
        """Even if nobody else reads: what people type is little."""
        self.stall(*self.readers)
        self.say(ENOUGH - 2)
        self.assertFalse(self.waits())

    def test_a_flood_waits_until_half_have_caught_up(self) -> None:
        """What was said so far is said; what follows is taken then, in order."""
        self.stall(*self.readers)
        self.say(ENOUGH + 3)
        self.assertTrue(self.waits())
        self.assertLess(len(self.writer.hears_all(FrameLine)), ENOUGH + 3)
        self.readers[0].connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertTrue(self.waits())
        self.readers[1].connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertFalse(self.waits())
        for reader in self.readers[:2]:
            heard = [line.n for line in reader.hears_all(FrameLine)]
            self.assertEqual(heard, list(range(ENOUGH + 3)))

    def test_a_flood_waits_until_those_are_gone(self) -> None:
        """Who leaves is not waited for."""
        self.stall(*self.readers)
        self.say(ENOUGH + 3)
        for reader in self.readers[:2]:
            self.assertTrue(self.waits())
            reader.lose()
            self.relay.clock.advance(0)
        self.readers[2].lose()
        self.relay.clock.advance(0)
        self.assertFalse(self.waits())

    def test_who_waits_does_not_wait_for_ever(self) -> None:
        """Those who do not read cannot silence who speaks, here or elsewhere: they slow it down."""
        self.stall(*self.readers)
        for count in ENOUGH + 3, ENOUGH:
            self.say(count)
            self.assertTrue(self.waits())
            self.relay.clock.advance(PATIENCE - 1)
            self.assertTrue(self.waits())
            self.relay.clock.advance(1)
            self.relay.clock.advance(0)
            self.assertFalse(self.waits())
        self.assertEqual(len(self.writer.hears_all(FrameLine)), 2 * ENOUGH + 3)

    def test_who_waits_may_go(self) -> None:
        """Nothing is done for it any more when the others have caught up."""
        self.stall(*self.readers)
        self.say(ENOUGH + 3)
        self.writer.lose()
        for reader in self.readers:
            reader.connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_who_waits_may_be_removed(self) -> None:
        """It is listened to about all else then, however far behind the others stay."""
        remover, self.writer = self.writer, self.readers[0]
        self.stall(*self.readers[1:])
        self.say(ENOUGH + 3)
        self.assertTrue(self.waits())
        remover.hear()
        remover.land(remover.removal(self.writer, why=Why.KICKED))
        self.relay.clock.advance(0)
        self.assertFalse(self.waits())
        self.writer.hear()
        self.writer.says(Who(self.writer.room))
        self.assertIs(self.writer.refused(), Code.NOT_MEMBER)

    def test_who_waits_while_everybody_leaves(self) -> None:
        """There is no room to wait for."""
        last, *others = self.readers
        for member in (self.writer, *others):
            member.leave()
        self.stall(*others)
        self.say(ENOUGH + 3)
        self.assertTrue(self.waits())
        last.leave()
        self.relay.clock.advance(0)
        self.assertFalse(self.waits())

    def test_one_of_those_who_wait_may_go(self) -> None:
        """The other waits on, as long as it would have."""
        other = self.readers[0]
        self.stall(*self.readers[1:])
        self.say(ENOUGH + 3)
        other.says(other.frame())
        self.relay.clock.advance(PATIENCE - 1)
        self.writer.lose()
        self.assertEqual(other.transport.producerState, "paused")
        self.relay.clock.advance(1)
        self.relay.clock.advance(0)
        self.assertEqual(other.transport.producerState, "producing")

    def test_who_waits_may_stop_to_read(self) -> None:
        """It is listened to when both are over."""
        self.stall(*self.readers)
        self.say(ENOUGH + 3)
        self.stall(self.writer)
        for reader in self.readers:
            reader.connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertTrue(self.waits())
        self.writer.connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertFalse(self.waits())


class Behind(MemoryHistory):
    """A history that is behind until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self._relief: Deferred[None] = Deferred()

    def relief(self) -> Deferred[None]:
        return self._relief

    def catch_up(self) -> None:
        """Have stored what was said."""
        self.backlog = 0
        self._relief.callback(None)


class ReliefTests(SynchronousTestCase):
    """A history that cannot store as fast as is spoken."""

    def setUp(self) -> None:
        self.history = Behind()
        self.relay = Relay(history=self.history)
        self.writer, self.reader = self.relay.room(2)

    def test_who_speaks_waits_for_it(self) -> None:
        """One line is taken, the others when there is relief."""
        self.history.backlog = BACKLOG + 1
        for _ in range(3):
            self.writer.says(self.writer.frame())
        self.assertEqual(len(self.reader.hear()), 1)
        self.history.catch_up()
        self.relay.clock.advance(0)
        self.assertEqual(len(self.reader.hear()), 2)
        self.assertEqual(self.writer.transport.producerState, "producing")

    def test_who_is_gone_by_then(self) -> None:
        """Is not listened to."""
        self.history.backlog = BACKLOG + 1
        self.writer.says(self.writer.frame())
        self.writer.lose()
        self.history.catch_up()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])
