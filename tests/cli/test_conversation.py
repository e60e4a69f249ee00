"""`Conversation`, with a client and a terminal that the test plays."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.cli.conversation import (
    ASK_AGAIN_SECONDS,
    DELIVERY_SECONDS,
    MAX_UNDELIVERED,
    Conversation,
)
from securechat.cli.happenings import (
    ArrivedLate,
    AsksAgain,
    CatchingUp,
    ComingBack,
    Entered,
    Failed,
    Happening,
    NotSent,
    Returned,
    Staying,
)
from securechat.cli.homecoming import PROGRESS_SECONDS
from securechat.cli.questions import Questions
from securechat.client.events import Connected, Disconnected, Refusal, StorageFailed
from securechat.errors import (
    FateUnknown,
    KeysGone,
    NobodyVouches,
    NotAMember,
    NotConnected,
    NotText,
    RelayBusy,
    SecureChatError,
    StateNotKept,
    Superseded,
    Undelivered,
    WasRemoved,
)
from securechat.group.detail import Why
from securechat.group.events import Delivered, KeysLost, Message, Removed
from securechat.group.messages import Kind
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.testing import Network


class Client:
    """A client that is in the room at once, and delivers when the test says so."""

    address = Address(host="relay.example")

    def __init__(self) -> None:
        self.sent: list[tuple[str, Deferred[int]]] = []
        self.closed = False
        self.kept: tuple[Room, ...] = ()
        self.room = Room.found(Identity.generate(), "lobby", Policy(), lambda _: True)

    def observe(self, observer: Any) -> None:
        self.emit = observer

    def connect(self) -> Deferred[None]:
        return succeed(None)

    def join(self, label: str, *, patient: bool, rejoin: bool) -> Deferred[Room]:
        return succeed(self.room)

    def send(self, room: Room, text: str) -> Deferred[int]:
        self.sent.append((text, Deferred()))
        return self.sent[-1][1]

    def close(self) -> Deferred[None]:
        self.closed = True
        for _, sent in self.sent:
            if not sent.called:
                sent.errback(NotConnected())
        return succeed(None)


class Terminal:
    """Lines that the test types."""

    def __init__(self) -> None:
        self.lines: deque[str | SecureChatError | None] = deque()
        self.waiting: Deferred[None] | None = None

    async def next_line(self) -> str | SecureChatError | None:
        while not self.lines:
            self.waiting = Deferred()
            await self.waiting
        return self.lines.popleft()

    def type(self, *lines: str | SecureChatError | None) -> None:
        self.lines.extend(lines)
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.callback(None)


class ConversationTests(SynchronousTestCase):
    """What no real relay does in a test's time."""

    def setUp(self) -> None:
        self.clock, self.client, self.terminal = Clock(), Client(), Terminal()
        self.told: list[Happening] = []
        self.running = self.converse(self.client, self.terminal)

    def converse(self, client: Any, terminal: Any) -> Deferred[None]:
        """Begin a conversation."""
        tell = self.told.append
        questions = Questions(self.clock, tell, somebody=False)
        conversation = Conversation(self.clock, client, "lobby", terminal, questions, tell)
        return Deferred.fromCoroutine(conversation.run(found=False, patient=False, rejoin=False))

    def deliver(self) -> None:
        """Deliver the oldest message that was not."""
        next(sent for _, sent in self.client.sent if not sent.called).callback(1)

    def test_lines_wait_for_deliveries(self) -> None:
        """No more messages are under way than the bound; the next line waits in the pipe."""
        self.terminal.type(*map(str, range(MAX_UNDELIVERED + 5)))
        self.assertEqual(len(self.client.sent), MAX_UNDELIVERED)
        self.assertEqual(len(self.terminal.lines), 5)
        self.deliver()
        self.assertEqual(len(self.client.sent), MAX_UNDELIVERED + 1)
        self.running.cancel()
        self.failureResultOf(self.running)

    def test_end_waits_for_the_last_delivery(self) -> None:
        """The end of the input is the end once the last message is in the room."""
        self.terminal.type("one", "two", None)
        self.deliver()
        self.assertNoResult(self.running)
        self.deliver()
        self.assertIsNone(self.successResultOf(self.running))
        self.assertEqual(
            self.told[-1], Staying("lobby", "securechat://relay.example/lobby"), self.told
        )
        self.assertTrue(self.client.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_end_does_not_wait_for_ever(self) -> None:
        """After a minute the command gives up, and says how many were not delivered, and which."""
        self.terminal.type("one", "two\x1b", "three", None)
        self.deliver()
        self.clock.advance(DELIVERY_SECONDS)
        error = self.failureResultOf(self.running, Undelivered).value
        assert isinstance(error, Undelivered)
        self.assertEqual((error.count, error.first), (2, "two"))
        self.assertIn("They are kept, and go out", str(error))
        self.assertIsInstance(self.told[-1], Failed)
        self.assertTrue(self.client.closed)

    def test_end_while_nothing_can_be_kept(self) -> None:
        """Where the disk is full at the end nobody is told that what did not go out is kept."""
        full = StateNotKept(path="state.sqlite", why="full")
        for again in False, True:
            self.client.emit(StorageFailed(full))
            if again:
                self.client.emit(Connected())
        self.client.emit(StorageFailed(full))
        self.terminal.type("one", None)
        self.clock.advance(DELIVERY_SECONDS)
        error = self.failureResultOf(self.running, Undelivered).value
        self.assertIn("Nobody knows", str(error))

    def test_doubtful_lines(self) -> None:
        """A line whose fate cannot be known is told, does not keep the end, and is a failure."""
        self.terminal.type("one", "two", None)
        self.client.sent[0][1].errback(FateUnknown(label="lobby"))
        self.assertNoResult(self.running)
        self.client.sent[1][1].callback(1)
        error = self.failureResultOf(self.running, Undelivered).value
        self.assertIn("Nobody knows whether they arrived. The first of them: one", str(error))

    def test_line_that_is_no_message(self) -> None:
        """It is told, and the next one is sent."""
        self.terminal.type(NotText(), "one")
        self.assertIsInstance(self.told[-1], NotSent)
        self.assertEqual([text for text, _ in self.client.sent], ["one"])
        self.running.cancel()
        self.failureResultOf(self.running)

    def test_relay_that_will_not_have_the_user_back(self) -> None:
        """Where no other try follows, the conversation ends with the reason, and what was lost."""
        self.terminal.type("one")
        self.client.emit(Disconnected(Superseded(words="elsewhere"), None))
        self.client.emit(Disconnected(Superseded(words="again"), None))
        self.failureResultOf(self.running, Superseded)
        lost = [each.why for each in self.told if isinstance(each, NotSent)]
        self.assertEqual([str(each) for each in lost], [str(Undelivered(count=1, first="one"))])
        self.assertNotIn(Staying, map(type, self.told))

    def test_room_that_cannot_be_resumed(self) -> None:
        """The same where the room is gone; another refusal is only told."""
        self.client.emit(Refusal(RelayBusy(words="wait")))
        self.assertNoResult(self.running)
        self.client.emit(Refusal(NotAMember(label="lobby")))
        self.failureResultOf(self.running, NotAMember)

    def test_keys_lost(self) -> None:
        """Who loses the keys, or is removed, is told so, and that is the end."""
        me = self.client.room.roster[0].fingerprint
        for event, error in (
            (KeysLost("lobby", me, 5), KeysGone),
            (Removed("lobby", me, Why.KICKED, 5), WasRemoved),
        ):
            client, terminal = Client(), Terminal()
            running = self.converse(client, terminal)
            client.emit(event)
            self.failureResultOf(running, error)
        self.assertNotIn(Staying, map(type, self.told))
        self.running.cancel()
        self.failureResultOf(self.running)

    def test_events_before_the_room(self) -> None:
        """A connection that ends before the room was entered fails where it is waited for."""
        client, terminal = Client(), Terminal()
        joining: Deferred[Room] = Deferred()
        client.join = lambda *_, **__: joining  # type: ignore[method-assign]  # in its place
        running = self.converse(client, terminal)
        client.emit(Disconnected(NotConnected(), None))
        self.assertNoResult(running)
        joining.errback(NotConnected())
        self.failureResultOf(running, NotConnected)
        self.running.cancel()
        self.failureResultOf(self.running)


class WaitingTests(SynchronousTestCase):
    """Nobody is in the room to let the user in."""

    def setUp(self) -> None:
        self.network = Network()
        self.alice = self.network.client("alice")
        self.network.get(self.alice.chat.found("lobby"))
        self.bob = self.network.person("bob", trusts=[self.alice])
        self.alice.trust(self.bob)
        self.alice.transport.lose()
        self.network.reachable = False
        self.network.settle()
        self.network.reachable = True
        self.told: list[Happening] = []

    def converse(self, *, waits: bool) -> Deferred[None]:
        """Let Bob begin a conversation."""
        clock, terminal = self.network.clock, Terminal()
        questions = Questions(clock, self.told.append, somebody=False)
        stand_in: Any = terminal
        talk = Conversation(
            clock, self.bob.chat, "lobby", stand_in, questions, self.told.append, waits=waits
        )
        running = Deferred.fromCoroutine(talk.run(found=False, patient=False, rejoin=False))
        self.network.settle()
        return running

    def test_who_does_not_wait(self) -> None:
        """Is told so, and that is the end."""
        self.failureResultOf(self.converse(waits=False), NobodyVouches)

    def test_who_waits(self) -> None:
        """Asks again, until a member is there."""
        running = self.converse(waits=True)
        (again,) = (each for each in self.told if isinstance(each, AsksAgain))
        self.assertIsInstance(again.why, NobodyVouches)
        self.assertNoResult(running)
        self.network.turn(ASK_AGAIN_SECONDS + 1)
        (entered,) = (each for each in self.told if isinstance(each, Entered))
        self.assertIn(self.alice.fingerprint, entered.members)
        running.cancel()
        self.network.settle()
        self.failureResultOf(running)


class HomecomingTests(SynchronousTestCase):
    """Coming back to a room in which the last run was."""

    def setUp(self) -> None:
        self.clock, self.client, self.terminal = Clock(), Client(), Terminal()
        self.told: list[Happening] = []
        self.room = room = self.client.room
        room.take_entry(1, room.first_entry.encode())
        self.tickets = [room.say(Kind.TEXT, text) for text in (b"one", b"two", b"three")]
        self.client.kept = (room,)
        self.joining: Deferred[Room] = Deferred()
        self.client.join = lambda *_, **__: self.joining  # type: ignore[method-assign]  # in its place
        questions = Questions(self.clock, self.told.append, somebody=False)
        client: Any = self.client
        terminal: Any = self.terminal
        conversation = Conversation(
            self.clock, client, "lobby", terminal, questions, self.told.append
        )
        self.running = Deferred.fromCoroutine(
            conversation.run(found=False, patient=False, rejoin=False)
        )
        self.addCleanup(self.running.addErrback, lambda _: None)

    def test_on_the_way(self) -> None:
        """It is said that it begins, every few seconds how far it is, and what was missed."""
        me = self.room.roster[0].fingerprint
        self.assertEqual(self.told[-1], ComingBack("lobby", 3))
        self.client.emit(Message("lobby", me, "hello", 5))
        self.clock.advance(PROGRESS_SECONDS)
        self.assertEqual(self.told[-1], CatchingUp("lobby", 1))
        self.client.emit(Message("lobby", me, "hello", 6))
        self.clock.advance(PROGRESS_SECONDS)
        self.assertEqual(self.told[-1], CatchingUp("lobby", 2))
        self.joining.callback(self.room)
        self.assertEqual(self.told[-1], Returned("lobby", (me,), True, 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.terminal.type(None)
        self.successResultOf(self.running)

    def test_lines_of_the_last_run(self) -> None:
        """Each is told by its text once it is in the room; those of this run are not."""
        self.client.emit(Delivered("lobby", self.tickets[0], 5, "one"))
        self.assertIn(ArrivedLate("lobby", "one", 5), self.told)
        self.joining.callback(self.room)
        self.client.emit(Delivered("lobby", self.tickets[2] + 1, 7, "four"))
        self.assertEqual(self.told[-1], Delivered("lobby", self.tickets[2] + 1, 7, "four"))
        self.assertEqual(len([each for each in self.told if isinstance(each, ArrivedLate)]), 1)
        self.running.cancel()

    def test_keys_are_lost(self) -> None:
        """Who comes back without the keys is told what to do, and that is the end."""
        self.room._keys.wipe()
        self.joining.callback(self.room)
        error = self.failureResultOf(self.running, KeysGone).value
        self.assertIn("--rejoin", str(error))

    def test_it_fails(self) -> None:
        """Then that is why the conversation ends, and there is nothing to stay in."""
        self.joining.errback(NotAMember(label="lobby"))
        self.failureResultOf(self.running, NotAMember)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertNotIn(Staying, map(type, self.told))
