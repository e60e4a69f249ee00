"""A client that was started anew comes back to its rooms, and nothing is lost or shown twice."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client import resuming
from securechat.client.events import CaughtUp, Disconnected, Replaying, StorageFailed
from securechat.client.state import MemoryState
from securechat.errors import NoSuchRoom, NotConnected, RoomKnown, StateNotKept
from securechat.group.events import Delivered
from securechat.testing import Network, Person
from securechat.wire import Found, FrameLine, Resume, Send
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts


class ComingBackCase(SynchronousTestCase):
    """Alice and Bob are in the room "lobby", and both keep their state."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob = (
            self.network.client(name, state=MemoryState(messages=True)) for name in ("alice", "bob")
        )
        self.alice.trust(self.bob)
        self.bob.trust(self.alice)
        self.network.get(self.alice.chat.found(LABEL))
        self.network.get(self.bob.chat.join(LABEL))
        self.network.greet(self.alice, self.bob)

    def back(self, person: Person) -> Person:
        """Start the client of *person* anew, and let it come back to the room."""
        person = self.network.restarted(person)
        self.network.get(person.chat.connect())
        self.network.get(person.chat.join(LABEL))
        return person


class RestartTests(ComingBackCase):
    """The program has died and is started anew."""

    def test_the_room_is_there_again(self) -> None:
        """Both members hear each other as before, without a new vouch, and raise no alarm."""
        self.bob = self.back(self.bob)
        self.network.speak(self.bob, "here again")
        self.network.speak(self.alice, "so you are")
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "here again")])
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "so you are")])
        self.assertEqual(room(self.alice).alarms + room(self.bob).alarms, [])

    def test_what_was_said_meanwhile_arrives_once(self) -> None:
        """What was shown before is not shown again, and what came since is."""
        self.network.speak(self.alice, "one")
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "one")])
        self.bob = self.network.restarted(self.bob)
        self.network.speak(self.alice, "two")
        self.network.get(self.bob.chat.connect())
        self.network.get(self.bob.chat.join(LABEL))
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "two")])
        assert self.bob.state is not None
        kept = [each.text for each in self.bob.state.messages(room(self.bob).id)]
        self.assertEqual(kept[-2:], ["one", "two"])

    def test_a_long_absence(self) -> None:
        """It is told now and then how far the way back is, and not any more once it is over."""
        self.bob = self.network.restarted(self.bob)
        self.patch(resuming, "PROGRESS", 10)
        for number in range(25):
            self.network.speak(self.alice, str(number))
        self.network.get(self.bob.chat.connect())
        self.network.get(self.bob.chat.join(LABEL))
        seqs = [each.seq for each in self.bob.heard(Replaying)]
        self.assertEqual(seqs, [10, 20, 30])
        self.assertEqual(self.bob.heard(CaughtUp)[-1].seq, room(self.bob).seq)
        for number in range(10):
            self.network.speak(self.alice, str(number))
        self.assertEqual(len(self.bob.heard(Replaying)), 3)

    def test_what_was_said_and_not_sent_is_sent(self) -> None:
        """A message that was accepted goes out after the restart, once, and is delivered."""
        self.network.hold(Send, by=self.bob)
        self.bob.chat.send(room(self.bob), "wait for it")
        self.network.settle()
        (first,) = said(self.bob, Send)
        self.network.be_honest()
        self.bob = self.back(self.bob)
        self.network.settle()
        self.assertEqual(said(self.bob, Send), [first])  # the same bytes
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "wait for it")])
        self.assertEqual(len(self.bob.heard(Delivered)), 1)

    def test_what_was_sent_and_not_heard_is_not_sent_again(self) -> None:
        """The stream says that it arrived."""
        self.network.hold(FrameLine, to=self.bob)
        self.bob.chat.send(room(self.bob), "heard")
        self.network.settle()
        self.network.be_honest()
        self.bob = self.back(self.bob)
        self.network.settle()
        self.assertEqual(said(self.bob, Send), [])
        self.assertEqual(len(self.bob.heard(Delivered)), 1)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "heard")])

    def test_what_was_not_kept_was_not_sent(self) -> None:
        """A program that dies before the end of the turn has said nothing."""
        self.bob.chat.send(room(self.bob), "never")
        self.bob = self.back(self.bob)
        self.network.settle()
        self.assertEqual(texts(self.alice), [])
        self.assertEqual(room(self.bob).unsent, 0)

    def test_the_founder_comes_back_to_an_empty_room(self) -> None:
        """Also where it was alone in it."""
        network = Network()
        carol = network.client("carol", state=MemoryState())
        founded = network.get(carol.chat.found("attic"))
        carol = network.restarted(carol)
        network.get(carol.chat.connect())
        again = network.get(carol.chat.join("attic"))
        self.assertEqual(again.id, founded.id)
        self.assertEqual([each.label for each in carol.heard(CaughtUp)], ["attic"])


class FoundingTests(SynchronousTestCase):
    """The program dies while a room is being founded."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice = self.network.client("alice", state=MemoryState())

    def restart(self) -> None:
        """Start Alice's client anew."""
        self.alice = self.network.restarted(self.alice)
        self.network.get(self.alice.chat.connect())

    def test_the_relay_has_it(self) -> None:
        """Its founder comes back to it."""
        self.network.hold(FrameLine)
        founded = self.alice.chat.found(LABEL)
        founded.addErrback(lambda _: None)
        self.alice.transport.deaf = True
        self.network.settle()
        self.restart()
        again = self.network.get(self.alice.chat.join(LABEL))
        self.assertTrue(again.inside)

    def test_the_relay_never_heard_of_it(self) -> None:
        """Then there is none, and the name is free."""
        self.network.hold(Found, by=self.alice)
        self.alice.chat.found(LABEL)
        self.network.settle()
        self.network.be_honest()
        self.restart()
        with self.assertRaises(NoSuchRoom):
            self.network.get(self.alice.chat.join(LABEL))
        self.network.get(self.alice.chat.found(LABEL))

    def test_it_cannot_be_stored(self) -> None:
        """Then the relay hears nothing of it: nobody could come back to such a room."""
        assert self.alice.state is not None
        self.alice.state.full = True
        self.failureResultOf(self.failed(LABEL))
        self.assertEqual(said(self.alice, Found), [])

    def test_it_was_refused(self) -> None:
        """Nothing of it is kept."""
        bob = self.network.client("bob")
        self.network.get(bob.chat.found(LABEL))
        self.failureResultOf(self.failed(LABEL))
        assert self.alice.state is not None
        self.assertEqual(self.alice.state.rooms(self.alice.chat.address), [])

    def failed(self, label: str) -> object:
        founded = self.alice.chat.found(label)
        self.network.settle()
        return founded


class RelayTests(ComingBackCase):
    """What the relay has to say to who comes back."""

    def test_the_relay_has_lost_the_room(self) -> None:
        """It is not founded anew silently, and the state stays."""
        other = LyingNetwork()
        assert self.bob.state is not None
        bob = other.client("bob", identity=self.bob.identity, state=self.bob.state.survivor())
        with self.assertRaises(RoomKnown):
            other.get(bob.chat.join(LABEL))
        assert bob.state is not None
        self.assertEqual(len(bob.state.rooms(bob.chat.address)), 1)

    def test_the_connection_breaks_meanwhile(self) -> None:
        """It can be tried again."""
        self.bob = self.network.restarted(self.bob)
        self.network.get(self.bob.chat.connect())
        joined = self.bob.chat.join(LABEL)
        self.network.wire(self.bob).near.lose(Failure(ConnectionLost()))
        self.failureResultOf(joined)
        self.network.get(self.bob.chat.connect())
        self.network.get(self.bob.chat.join(LABEL))
        self.network.speak(self.bob, "at last")


class FullDiskTests(ComingBackCase):
    """The state cannot be stored."""

    def test_the_relay_is_told_of_nothing_that_is_not_stored(self) -> None:
        """To resume says what is here, and the relay then drops what it had kept for that."""
        assert self.bob.state is not None
        self.bob.state.full = True
        self.failureResultOf(self.bob.chat.resume(room(self.bob)), NotConnected)
        self.assertEqual(said(self.bob, Resume), [])

    def test_nothing_goes_out_and_nothing_is_lost(self) -> None:
        """
        The user is told, the connection is dropped and made anew, and when there is room again what
        was said goes out and what came is shown, once.
        """
        assert self.bob.state is not None
        self.bob.state.full = True
        sent = self.bob.chat.send(room(self.bob), "later")
        self.network.settle()
        (failed,) = self.bob.heard(StorageFailed)
        self.assertIsInstance(failed.why, StateNotKept)
        (lost,) = self.bob.heard(Disconnected)
        self.assertIsInstance(lost.why, StateNotKept)
        self.network.speak(self.alice, "hello?")
        self.network.turn(120)
        self.assertEqual(texts(self.alice), [(self.alice.fingerprint, "hello?")][:0])
        self.assertEqual(texts(self.bob), [])
        self.assertNoResult(sent)
        self.bob.state.full = False
        self.network.get(sent)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "later")])
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "hello?")])
        self.assertEqual(heard(self.alice, FrameLine)[-1].n, heard(self.alice, FrameLine)[-1].n)
