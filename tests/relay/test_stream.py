"""The stream on its way to a client, from a history that takes its time."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import Why
from securechat.group.log import Log
from securechat.identity import Identity
from securechat.relay.epoch import Epoch
from securechat.relay.stream import BATCH
from securechat.wire import Changed, Code, ErrorLine, FrameLine, Leaving, Resumed, Slice
from tests.relay.clients import Relay, creation, kinds
from tests.relay.stored import StoredHistory


class SlowReadsTests(SynchronousTestCase):
    """What is read comes in a later turn, and much may happen before."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob = self.relay.room(2)
        self.bob.lose()
        self.alice.says(self.alice.frame())
        self.alice.hear()
        self.bob = self.relay.again(self.bob)
        self.history.slow_reads = True

    def test_what_is_said_meanwhile(self) -> None:
        """It comes after what was missed, once."""
        self.bob.resume()
        self.history.answer()  # the head
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hear(), [])
        self.history.answer()
        self.alice.says(self.alice.frame())
        self.history.answer()
        self.history.answer()
        heard = self.bob.hear()
        self.assertEqual(kinds(heard), [FrameLine] * 3 + [Resumed])
        self.assertEqual(self.bob.seq, 5)
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hears(FrameLine).seq, 6)

    def test_who_leaves_meanwhile(self) -> None:
        """That is told when all that was missed is."""
        self.bob.resume()
        self.history.answer()
        self.alice.leave()
        self.assertEqual(self.bob.hear(), [])
        self.history.answer()
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Leaving, Resumed])

    def test_the_connection_breaks_meanwhile(self) -> None:
        """At whatever step; then nothing more happens for it."""
        self.bob.resume()
        self.bob.lose()
        self.history.answer()
        self.bob = self.relay.again(self.bob)
        self.bob.resume()
        self.history.answer()
        self.bob.lose()
        self.history.answer()
        self.assertEqual(self.bob.hear(), [])
        self.bob = self.relay.again(self.bob)
        self.bob.resume(head=bytes(32))
        self.bob.lose()
        self.history.answer()
        self.assertEqual(self.bob.hear(), [])

    def test_it_stops_to_read_and_goes_on_meanwhile(self) -> None:
        """Nothing is asked for twice."""
        self.bob.resume()
        self.history.answer()
        self.bob.connection.pauseProducing()
        self.bob.connection.resumeProducing()
        self.history.answer()
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Resumed])

    def test_it_resumes_again_meanwhile(self) -> None:
        """The older place is given up."""
        self.bob.resume()
        self.history.answer()
        self.bob.resume()
        self.history.answer()  # the head to the newer, then the items to the older
        self.history.answer()
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Resumed])

    def test_it_is_removed_meanwhile(self) -> None:
        """Then it hears all up to that, and is told."""
        self.bob.resume()
        self.history.answer()
        self.history.slow_reads = False  # for what is read from now on
        self.alice.land(self.alice.removal(self.bob, why=Why.KICKED))
        self.alice.says(self.alice.frame(n=0))
        self.history.answer()
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Changed, ErrorLine])

    def test_everybody_leaves_meanwhile(self) -> None:
        """Then there is nothing to come back to."""
        self.bob.resume()
        for member in (self.alice, self.bob):
            member.leave()
        self.bob.hear()
        self.history.answer()
        self.assertIs(self.bob.refused(), Code.NO_ROOM)

    def test_it_cannot_be_read(self) -> None:
        """The client is told, and hung up on."""
        self.bob.resume()
        self.history.answer()
        self.history.break_reads()
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertIs(self.bob.refused(), Code.STORAGE)
        self.assertTrue(self.bob.hung_up)

    def test_the_head_cannot_be_read(self) -> None:
        """Likewise."""
        self.bob.resume()
        self.history.break_reads()
        self.assertIs(self.bob.refused(), Code.STORAGE)
        self.assertTrue(self.bob.hung_up)

    def test_a_fault(self) -> None:
        """A mistake of the relay's own is logged, and ends the connection that it happened to."""
        self.history.put = lambda *_: 1 / 0  # type: ignore[assignment]  # the mistake
        self.bob.leave()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIs(self.bob.refused(), Code.STORAGE)
        self.assertTrue(self.bob.hung_up)
        self.history.slow_reads = False
        self.alice.land(self.alice.update())
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])


class MuchTests(SynchronousTestCase):
    """Who has missed much is caught up over many turns of the reactor."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob = self.relay.room(2)
        self.bob.lose()
        for _ in range(5):
            self.alice.says(self.alice.frame(ciphertext=bytes(BATCH // 2)))
        self.bob = self.relay.again(self.bob)
        self.before = self.relay.factory.counts.catch_up_reads
        self.bob.resume()

    def test_others_have_their_turn(self) -> None:
        """However fast it reads, it gets one part in each."""
        self.assertEqual(kinds(self.bob.hear()), [FrameLine])
        self.relay.clock.advance(0)
        self.assertEqual(kinds(self.bob.hear()), [FrameLine] * 4 + [Resumed])
        self.assertEqual(self.bob.seq, 7)

    def test_it_stops_to_read_between_two(self) -> None:
        """It gets no more until it reads again."""
        self.bob.connection.pauseProducing()
        self.relay.clock.advance(0)
        self.assertEqual(kinds(self.bob.hear()), [FrameLine])
        self.bob.connection.resumeProducing()
        self.relay.clock.advance(0)
        self.assertEqual(kinds(self.bob.hear()), [FrameLine] * 4 + [Resumed])

    def test_the_connection_breaks_between_two(self) -> None:
        """Nothing is read for it any more."""
        self.bob.lose()
        self.relay.clock.advance(0)
        self.assertEqual(self.relay.factory.counts.catch_up_reads, 1 + self.before)


class EpochTests(SynchronousTestCase):
    """`Epoch`, where it is read again while an entry lands."""

    def test_the_newer_one_counts(self) -> None:
        """What was read is of the epoch before."""
        history = StoredHistory()
        history.slow_reads = True
        log = Log.founded(creation(Identity.generate(), "lobby"))
        epoch = Epoch(log)
        recalled = Deferred.fromCoroutine(epoch.recall(history, bytes(32), 0))
        epoch.begin(log, 7)
        epoch.take(0, 5)
        history.answer()
        self.successResultOf(recalled)
        self.assertEqual(epoch.landed, 7)
        self.assertEqual(epoch.last(0), 5)
