"""Who hears a room as it speaks, and what is done for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.history import Failed, Hear, Item, run
from securechat.relay.memory import MemoryHistory
from securechat.wire import FrameLine, Resumed
from tests.relay.clients import Client, Relay, Transport, kinds


class Turns(MemoryHistory):
    """A history that tells what is new when a turn is over, as the one on disk does."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.gathering = False
        self._gathered: list[Item] = []

    def subscribe(self, room: bytes, hear: Hear, failed: Failed) -> None:
        self._hear = hear
        super().subscribe(room, self._gather, failed)

    def _gather(self, items: Sequence[Item]) -> None:
        self._gathered += items
        if not self.gathering:
            self.tell()

    def tell(self) -> None:
        """Tell what is new, frames in runs of four."""
        items, self._gathered = self._gathered, []
        if not items[0].is_entry:
            fours = [items[first : first + 4] for first in range(0, len(items), 4)]
            items = [run(each[-1].seq, [item.line for item in each]) for each in fours]
        self._hear(items)


class Counting(Transport):
    """A transport that counts what is written to it, and has enough after some of it."""

    def __init__(self, enough: int = 0) -> None:
        super().__init__()
        self.writes = 0
        self.enough = enough

    def write(self, data: bytes) -> None:
        super().write(data)
        self.writes += 1
        if self.writes == self.enough:
            assert self.producer is not None
            self.producer.pauseProducing()


class AudienceTests(SynchronousTestCase):
    """A room that is told several things at once."""

    def setUp(self) -> None:
        self.history = Turns()
        self.relay = Relay(history=self.history)
        self.writer, self.reader = self.relay.room(2)

    def count(self, client: Client, enough: int = 0) -> Counting:
        """Give *client* a transport that counts."""
        transport = client.transport = Counting(enough)
        client.connection.pauseProducing()
        client.connection.transport = transport
        transport.registerProducer(client.connection, True)
        client.connection.resumeProducing()
        return transport

    def say(self, count: int, size: int = 100) -> None:
        """Say that many frames in one turn."""
        self.history.gathering = True
        for _ in range(count):
            self.writer.says(self.writer.frame(ciphertext=bytes(size)))
        self.history.gathering = False
        self.history.tell()

    def numbers(self) -> list[int]:
        """Return what the reader has heard of the writer's frames."""
        return [line.n for line in self.reader.hear() if isinstance(line, FrameLine)]

    def test_one_write_is_enough(self) -> None:
        """For all frames of a run; nobody's work is done twice."""
        transport = self.count(self.reader)
        self.say(4)
        self.assertEqual(transport.writes, 1)
        self.assertEqual(self.numbers(), list(range(4)))

    def test_who_has_enough_in_the_middle(self) -> None:
        """It is not written the rest, and has the rest from the history, in order."""
        transport = self.count(self.reader, enough=1)
        self.say(20, 10_000)
        self.assertEqual(transport.writes, 1)
        heard = self.numbers()
        self.assertLess(len(heard), 10)
        self.reader.connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertEqual(heard + self.numbers(), list(range(20)))
        self.say(1)
        self.assertEqual(self.numbers(), [20])

    def test_others_do_not_wait_for_it(self) -> None:
        """They have it all at once."""
        self.count(self.reader, enough=1)
        self.writer.hear()
        self.say(20, 10_000)
        self.assertEqual(len(self.writer.hears_all(FrameLine)), 20)

    def test_who_comes_when_something_is_about_to_be_said(self) -> None:
        """It has that from the history, is not told it again, and hears what follows."""
        self.reader.lose()
        self.reader = self.relay.again(self.reader)
        self.history.gathering = True
        self.writer.says(self.writer.frame())
        self.reader.resume()
        self.assertEqual(kinds(self.reader.hear()), [FrameLine, Resumed])
        self.history.gathering = False
        self.history.tell()
        self.assertEqual(self.reader.hear(), [])
        self.say(2)
        self.assertEqual(self.numbers(), [1, 2])

    def test_who_goes_when_something_is_about_to_be_said(self) -> None:
        """It is not told anything any more."""
        self.history.gathering = True
        self.writer.says(self.writer.frame())
        self.reader.resume()
        self.reader.lose()
        self.history.gathering = False
        self.history.tell()
        self.assertEqual(self.numbers(), [0])

    def test_numbers_that_are_passed_over(self) -> None:
        """Nobody is ahead of the stream for that."""
        self.history.skip(self.writer.room, 10)
        self.reader.resume()
        self.reader.hear()
        self.say(1)
        self.assertEqual(self.reader.hears(FrameLine).seq, 11)
        self.say(1)
        self.assertEqual(self.reader.hears(FrameLine).seq, 12)
