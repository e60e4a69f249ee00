"""Tests of `securechat.client.membership`: rooms in memory, and a relay that may lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import CaughtUp, Connected, Disconnected, Refusal
from securechat.client.heartbeat import patience
from securechat.client.refusals import subject
from securechat.errors import (
    ConnectionLost,
    FateUnknown,
    MessageTooLong,
    NotAMember,
    NotConnected,
    RelayBusy,
    RelayForked,
    RelaySilent,
    RoomKnown,
)
from securechat.group.events import Delivered, FramesMissing, Message, Named, Uncertain
from securechat.group.messages import MAX_BODY
from securechat.testing import WRITTEN, Person
from securechat.wire import (
    Code,
    ErrorLine,
    FrameLine,
    Resume,
    Resumed,
    Send,
    UserAdded,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts


class MembershipCase(SynchronousTestCase):
    """Alice and Bob are in the room "lobby", and Carol is outside."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob = self.network.members("alice", "bob")
        self.carol = self.network.client("carol", trusts=[self.alice])
        self.alice.trust(self.carol)

    def cut(self, person: Person) -> None:
        """Break the connection of *person*."""
        self.network.wire(person).near.lose(Failure(ConnectionDone()))

    def reconnect(self, person: Person) -> None:
        """Let the time go by until *person* is connected again."""
        person.events.clear()
        self.network.turn(3)
        self.assertIn(Connected(), person.events)

    def refuse(self, person: Person, code: Code) -> None:
        """Let the relay refuse the room to *person*."""
        named = subject(room(person).id)
        self.network.tell(person, ErrorLine(code, named, "because"))


class SendTests(MembershipCase):
    """`Membership.send`."""

    def test_fires_with_the_number(self) -> None:
        """Which is that of the message for everybody; the event comes before."""
        sent = self.alice.chat.send(room(self.alice), "hello")
        told = sent.addCallback(lambda seq: (seq, list(self.alice.events)))
        self.network.settle()
        (message,) = self.bob.heard(Message)
        seq, events = self.successResultOf(told)
        self.assertEqual((message.text, message.seq), ("hello", seq))
        self.assertEqual(events, self.alice.heard(Delivered))

    def test_only_what_the_user_said_is_delivered(self) -> None:
        """Greetings and heartbeats are no news."""
        self.network.get(self.carol.chat.join(LABEL))
        self.network.turn(200)
        for person in (self.alice, self.bob, self.carol):
            self.assertGreater(len(said(person, Send)), 1)
            self.assertEqual(person.heard(Delivered), [])

    def test_without_a_connection(self) -> None:
        """It waits for one, and is sent once."""
        self.cut(self.bob)
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.settle()
        self.assertNoResult(sent)
        self.reconnect(self.bob)
        self.successResultOf(sent)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "hello")])

    def test_cancelled(self) -> None:
        """Nobody waits any more; what is encrypted is sent all the same."""
        sent = self.bob.chat.send(room(self.bob), "hello")
        sent.cancel()
        self.failureResultOf(sent, CancelledError)
        self.network.settle()
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "hello")])
        self.assertEqual(len(self.bob.heard(Delivered)), 1)

    def test_too_long(self) -> None:
        """The limit is 32 KiB of UTF-8; nothing is sent."""
        where = room(self.bob)
        self.assertRaises(MessageTooLong, self.bob.chat.send, where, "é" * (MAX_BODY // 2) + "!")
        self.assertEqual(said(self.bob, Send), [])
        self.network.get(self.bob.chat.send(where, "é" * (MAX_BODY // 2)))

    def test_what_is_no_text(self) -> None:
        """Half a character, as from a terminal of another encoding, is sent as one that shows."""
        self.network.get(self.bob.chat.send(room(self.bob), "caf\udce9"))
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "caf?")])

    def test_newcomers_hear_the_name(self) -> None:
        """Who came since the last greeting hears it with the next text."""
        self.network.get(self.carol.chat.join(LABEL))
        self.network.settle()
        self.assertEqual(self.carol.heard(Named), [])
        self.network.speak(self.bob, "welcome")
        self.network.speak(self.bob, "sit down")
        (named,) = self.carol.heard(Named)
        self.assertEqual((named.member, named.name), (self.bob.fingerprint, "bob"))
        self.assertEqual(len(said(self.bob, Send)), 3)

    def test_without_a_name(self) -> None:
        """Nothing is said for it."""
        dave = self.network.client("", trusts=[self.alice])
        self.alice.trusted.add("dave", dave.fingerprint, "typed", WRITTEN)
        self.network.get(dave.chat.join(LABEL))
        self.network.speak(dave, "guess who")
        self.assertEqual(len(said(dave, Send)), 1)


class OnceTests(MembershipCase):
    """Every message arrives exactly once, whatever gets lost."""

    def test_frame_that_was_lost(self) -> None:
        """The relay never had it: the same bytes are sent again."""
        lost = self.network.hold(Send, by=self.bob)
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.settle()
        self.cut(self.bob)
        self.network.be_honest()
        self.reconnect(self.bob)
        self.successResultOf(sent)
        self.assertEqual(said(self.bob, Send)[-1], lost[0])
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "hello")])

    def test_frame_that_has_arrived(self) -> None:
        """The relay had it, and its answer was lost: it is not shown twice."""
        self.network.hold(FrameLine, to=self.bob)
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.settle()
        self.assertEqual(len(texts(self.alice)), 1)
        self.cut(self.bob)
        self.network.be_honest()
        self.reconnect(self.bob)
        self.successResultOf(sent)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "hello")])

    def test_somebody_is_added_meanwhile(self) -> None:
        """Nobody opens a frame of the epoch before: it is encrypted anew, and sent once."""
        dead = self.network.hold(Send, by=self.bob)
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.settle()
        self.network.be_honest()
        self.network.get(self.carol.chat.join(LABEL))
        self.network.settle()
        self.network.say(self.bob, dead[0])  # late, and in vain
        self.successResultOf(sent)
        for person in (self.alice, self.carol):
            self.assertEqual(texts(person), [(self.bob.fingerprint, "hello")])
        self.assertEqual(room(self.alice).alarms, [])

    def test_somebody_is_added_while_away(self) -> None:
        """The same after a reconnection."""
        self.cut(self.bob)
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.get(self.carol.chat.join(LABEL))
        self.reconnect(self.bob)
        self.successResultOf(sent)
        self.assertEqual(texts(self.carol), [(self.bob.fingerprint, "hello")])

    def test_what_was_said_while_away(self) -> None:
        """Comes in order, then what is said now."""
        self.cut(self.bob)
        for text in ("one", "two"):
            self.network.speak(self.alice, text)
        self.reconnect(self.bob)
        self.network.speak(self.alice, "three")
        self.assertEqual([text for _, text in texts(self.bob)], ["one", "two", "three"])
        kinds = [type(each) for each in self.bob.events]
        self.assertEqual(kinds, [Connected, Message, Message, CaughtUp, Message])


class HeartbeatTests(MembershipCase):
    """Who is silent shows what it has seen."""

    @given(st.integers(1, 10_000), st.floats(0, 1))
    def test_a_room_costs_half_a_heartbeat_a_second(self, members: int, chance: float) -> None:
        """At most, however many members it has; and no member says more than one a minute."""
        seconds = patience(members, chance)
        self.assertLessEqual(members / seconds, 0.5)
        self.assertTrue(60 <= seconds <= max(60, 2 * members) * 1.2)

    def test_after_a_minute(self) -> None:
        """And whatever else is said puts it off."""
        self.network.turn(40)
        self.network.speak(self.bob, "hello")
        self.assertEqual(len(said(self.bob, Send)), 1)
        self.network.turn(60)
        self.assertEqual(len(said(self.alice, Send)), 1)
        self.assertEqual(len(said(self.bob, Send)), 1)
        self.network.turn(10)
        self.assertEqual(len(said(self.bob, Send)), 2)
        self.assertEqual(self.alice.heard(Message)[0].text, "hello")
        self.assertEqual(len(self.alice.events), 1)

    def test_not_without_a_connection(self) -> None:
        """There is nobody to hear it, and it would only have to be sent later."""
        self.network.reachable = False
        self.cut(self.bob)
        self.network.turn(200)
        self.assertEqual(room(self.bob).unsent, 0)

    def test_relay_that_is_dead(self) -> None:
        """
        What was said does not come back in the time of a heartbeat: the connection is given up,
        and it is sent on another one.
        """
        self.bob.transport.deaf = self.bob.transport.other.deaf = True
        sent = self.bob.chat.send(room(self.bob), "hello")
        self.network.turn(65)
        self.assertEqual(self.bob.heard(Disconnected), [])
        self.network.turn(2)
        (lost,) = self.bob.heard(Disconnected)
        self.assertIsInstance(lost.why, RelaySilent)
        self.assertIn("66 seconds", str(lost.why))
        self.assertIsNotNone(lost.retry_in)
        self.network.get(sent)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "hello")])

    def test_message_that_never_comes_back(self) -> None:
        """
        Where only that is missing, and the next one comes back, the connection is not dead; but
        nobody can know what became of the message.
        """
        self.network.hold(FrameLine, to=self.bob)
        self.network.speak(self.alice, "hello")
        sent = self.bob.chat.send(room(self.bob), "are you there?")
        self.network.settle()
        self.network.be_honest()
        self.network.speak(self.bob, "anybody?")
        self.failureResultOf(sent, FateUnknown)
        self.assertEqual(self.bob.heard(Disconnected), [])

    def test_greeting_that_never_comes_back(self) -> None:
        """Nobody waits for what the client says by itself, and nobody is told."""
        self.network.hold(FrameLine, to=self.bob)
        room(self.bob).greet("Robert")
        self.network.get(self.bob.chat.resume(room(self.bob)))
        self.network.be_honest()
        self.network.speak(self.bob, "anybody?")
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.assertEqual(self.bob.heard(Uncertain), [])

    def test_relay_that_swallows_messages(self) -> None:
        """
        What others say comes, and what this member says does not come back: that is noticed as
        soon, however much it says. On another connection the same bytes are sent again.
        """
        self.network.hold(Send, by=self.bob)
        sent = [self.bob.chat.send(room(self.bob), "hello")]
        for _ in range(6):
            self.network.turn(10)
            self.network.speak(self.alice, "and you?")
            sent.append(self.bob.chat.send(room(self.bob), "do you hear me?"))
        self.assertEqual(self.bob.heard(Disconnected), [])
        self.network.turn(7)
        self.network.be_honest()
        (lost,) = self.bob.heard(Disconnected)
        self.assertIsInstance(lost.why, RelaySilent)
        for each in sent:
            self.network.get(each)


class ResumeTests(MembershipCase):
    """`Membership.resume`, and what the relay answers."""

    def test_fires_when_all_is_here(self) -> None:
        """With the relay's newest number; also where the client is live already."""
        newest = self.network.get(self.bob.chat.resume(room(self.bob)))
        self.assertEqual(newest, room(self.alice).seq)
        self.network.speak(self.alice, "hello")
        self.assertEqual(len(texts(self.bob)), 1)

    def test_twice_at_once(self) -> None:
        """Both fire, and what is on its way is not shown twice."""
        where = room(self.bob)
        sent = self.bob.chat.send(where, "hello")
        both = [self.bob.chat.resume(where), self.bob.chat.resume(where)]
        self.network.settle()
        for each in both:
            self.assertGreaterEqual(where.seq, self.successResultOf(each))
        self.successResultOf(sent)
        self.assertEqual(len(texts(self.alice)), 1)

    def test_cancelled(self) -> None:
        """The answer is heard all the same."""
        resuming = self.bob.chat.resume(room(self.bob))
        resuming.cancel()
        self.failureResultOf(resuming, CancelledError)
        self.network.settle()
        self.assertEqual(len(self.bob.heard(CaughtUp)), 1)

    def test_not_connected(self) -> None:
        """There is nobody to ask."""
        self.cut(self.bob)
        self.failureResultOf(self.bob.chat.resume(room(self.bob)), NotConnected)

    def test_connection_breaks(self) -> None:
        """Who asked is told; the room is resumed by itself after that."""
        self.network.hold(Resumed, to=self.bob)
        resuming = self.bob.chat.resume(room(self.bob))
        self.network.settle()
        self.cut(self.bob)
        self.failureResultOf(resuming, ConnectionLost)
        self.network.be_honest()
        self.reconnect(self.bob)
        self.assertEqual(self.bob.heard(Refusal), [])
        self.assertEqual(len(self.bob.heard(CaughtUp)), 1)

    def test_not_in_that_room(self) -> None:
        """A room that somebody else is in cannot be resumed or spoken in."""
        where = room(self.alice)
        self.failureResultOf(self.carol.chat.resume(where), NotAMember)
        self.assertRaises(NotAMember, self.carol.chat.send, where, "hello")

    def test_refused(self) -> None:
        """
        Each reason is an error of its own; whoever waits for a message learns of it, and nothing
        more can be said until the relay lets the room be resumed.
        """
        self.network.hold(Send, by=self.bob)
        self.network.hold(Resume, by=self.bob)
        where = room(self.bob)
        for code, kind in (
            (Code.NO_ROOM, RoomKnown),
            (Code.FORK, RelayForked),
            (Code.NOT_MEMBER, NotAMember),
            (Code.BUSY, RelayBusy),
        ):
            resuming = self.bob.chat.resume(where)
            sent = self.bob.chat.send(where, "hello")
            self.refuse(self.bob, code)
            for each in (resuming, sent, self.bob.chat.send(where, "and this?")):
                failed = self.failureResultOf(each, kind)
                if code is not Code.BUSY:
                    self.assertIn("#lobby", str(failed.value))
        self.assertEqual(self.bob.heard(Refusal), [])
        self.network.be_honest()
        self.network.get(self.bob.chat.resume(where))
        self.network.get(self.bob.chat.send(where, "here I am"))
        self.assertEqual([text for _, text in texts(self.alice)], ["hello"] * 4 + ["here I am"])

    def test_refused_after_a_reconnection(self) -> None:
        """Nobody waits for that: it is an event, and the next connection tries again."""
        self.network.hold(Resume, by=self.bob)
        self.cut(self.bob)
        self.reconnect(self.bob)
        self.refuse(self.bob, Code.FORK)
        (refusal,) = self.bob.heard(Refusal)
        self.assertIsInstance(refusal.why, RelayForked)
        self.network.be_honest()
        self.cut(self.bob)
        self.reconnect(self.bob)
        self.assertEqual(len(self.bob.heard(CaughtUp)), 1)

    def test_refused_though_nobody_asked(self) -> None:
        """What the relay says without reason changes nothing."""
        self.refuse(self.bob, Code.FORK)
        self.assertEqual(len(self.bob.heard(Refusal)), 1)
        self.network.speak(self.bob, "hello")

    def test_resumed_though_nobody_asked(self) -> None:
        """The relay cannot have everything sent again and again."""
        self.network.hold(Send, by=self.bob)
        self.bob.chat.send(room(self.bob), "hello").addErrback(lambda _: None)
        for _ in range(3):
            self.network.tell(self.bob, Resumed(room(self.bob).id, room(self.bob).seq))
        self.assertEqual(len(said(self.bob, Send)), 1)
        self.assertEqual(self.bob.heard(CaughtUp), [])

    def test_who_is_told_asks_again(self) -> None:
        """To try again as soon as the relay refuses is no endless loop."""
        where, asked = room(self.bob), said(self.bob, Resume)
        self.network.hold(Resume, by=self.bob)
        again = self.bob.chat.resume(where).addErrback(lambda _: self.bob.chat.resume(where))
        self.refuse(self.bob, Code.FORK)
        self.assertEqual(len(said(self.bob, Resume)), len(asked) + 2)
        self.assertNoResult(again)
        again.addErrback(lambda _: None)


class CloseTests(MembershipCase):
    """The client closes, or never comes back."""

    def test_what_was_not_delivered(self) -> None:
        """Whoever waits for it learns that nobody will know."""
        for breaks in (False, True):
            self.setUp()
            self.network.hold(Send, by=self.bob)
            sent = self.bob.chat.send(room(self.bob), "hello")
            if breaks:
                self.cut(self.bob)
                self.assertNoResult(sent)
            self.network.get(self.bob.chat.close())
            self.failureResultOf(sent, NotConnected)

    def test_nothing_is_left(self) -> None:
        """No timer keeps the reactor busy."""
        for person in (self.alice, self.bob, self.carol):
            self.network.get(person.chat.close())
        self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_lines_for_a_room_that_is_closed(self) -> None:
        """The membership stays, so that the client can come back."""
        self.network.get(self.bob.chat.close())
        self.network.speak(self.alice, "hello")
        self.network.get(self.bob.chat.connect())
        self.network.settle()
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "hello")])
        self.network.speak(self.bob, "back again")
        self.assertEqual(len(heard(self.bob, UserAdded)), 0)
