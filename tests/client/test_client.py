"""Tests of `securechat.client.client`: what embedders call, and who is told what."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.client.client import ChatClient
from securechat.client.events import CaughtUp, Connected, Disconnected, Event, Refusal
from securechat.client.refusals import subject
from securechat.errors import (
    AddressError,
    AlreadyThere,
    ConnectFailed,
    ConnectionLost,
    NeedsEndpoint,
    NobodyVouches,
    NoSuchRoom,
    NotARelay,
    NotConnected,
    ProofRefused,
    RelayClosing,
    RelayRefused,
    SecureChatError,
    Superseded,
    VersionMismatch,
)
from securechat.group.events import MemberAdded, Message, Named
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.testing import Person
from securechat.trust import TrustStore
from securechat.wire import (
    Ack,
    Banner,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    IdentityLine,
    Join,
    Line,
    Nack,
    NewUser,
    Page,
    Resume,
    Resumed,
    UserAdded,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts


class ClientCase(SynchronousTestCase):
    """A network in memory, with Alice, who trusts Bob and is trusted by him."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob = self.network.friends("alice", "bob")

    def in_lobby(self) -> None:
        """Let both enter the room "lobby", and forget how."""
        self.network.get(self.alice.chat.found(LABEL))
        self.network.get(self.bob.chat.join(LABEL))
        self.network.greet(self.alice, self.bob)

    def away(self, person: Person) -> Disconnected:
        """Check that *person* was disconnected once, and return how."""
        (event,) = person.heard(Disconnected)
        self.assertFalse(person.chat.connected)
        return event


class ObserverTests(ClientCase):
    """`ChatClient.observe`."""

    def test_every_event_until_it_is_enough(self) -> None:
        """Each observer hears all, in order, and until it has enough."""
        first: list[Event] = []
        second: list[Event] = []
        enough = self.alice.chat.observe(first.append)
        self.alice.chat.observe(second.append)
        self.in_lobby()
        self.assertEqual(first, second)
        self.assertEqual([type(each) for each in first[:1]], [MemberAdded])
        enough()
        self.network.speak(self.bob, "hello")
        self.assertEqual(len(second), len(first) + 1)

    def test_observer_that_raises(self) -> None:
        """Is logged, and disturbs neither the others nor the client."""
        self.in_lobby()

        def raise_it(event: Event) -> None:
            raise ZeroDivisionError

        heard: list[Event] = []
        self.bob.chat.observe(raise_it)
        self.bob.chat.observe(heard.append)
        self.network.speak(self.alice, "hello")
        self.assertEqual([type(each) for each in heard], [Message])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.network.speak(self.bob, "hello yourself")
        self.flushLoggedErrors(ZeroDivisionError)

    def test_observer_that_acts(self) -> None:
        """An answer from within an event is sent like any other."""
        self.in_lobby()
        self.bob.chat.observe(self.answer)
        self.network.speak(self.alice, "who is there?")
        self.network.settle()
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "I am")])

    def answer(self, event: Event) -> None:
        if isinstance(event, Message):
            self.bob.chat.send(room(self.bob), "I am")

    def test_observer_that_leaves(self) -> None:
        """Who stops observing from within an event takes none from the others."""
        self.in_lobby()
        enough = self.bob.chat.observe(lambda event: enough())
        heard: list[Event] = []
        self.bob.chat.observe(heard.append)
        self.network.speak(self.alice, "hello")
        self.assertEqual(len(heard), 1)

    def test_observer_that_closes(self) -> None:
        """On any event, without a timer or a connection left behind."""
        for kind in (Connected, Disconnected, Message, CaughtUp):
            self.setUp()
            self.in_lobby()
            self.bob.chat.observe(partial(self.close_on, kind))
            self.network.speak(self.alice, "hello")
            self.bob.transport.lose()
            self.network.turn(10)
            self.assertFalse(self.bob.chat.connected, kind)
            self.network.get(self.alice.chat.close())
            self.assertEqual(self.network.clock.getDelayedCalls(), [], kind)

    def close_on(self, kind: type[Event], event: Event) -> None:
        """Let Bob close when he hears of that."""
        if isinstance(event, kind):
            self.bob.chat.close()


class ConnectTests(ClientCase):
    """`ChatClient.connect`, and connections that break."""

    def test_connected(self) -> None:
        """Fires once the identity is proved; again it fires at once."""
        carol = self.network.person("carol")
        self.assertFalse(carol.chat.connected)
        connecting = carol.chat.connect()
        self.assertNoResult(connecting)
        self.network.settle()
        self.successResultOf(connecting)
        self.assertTrue(carol.chat.connected)
        self.assertEqual(carol.events, [Connected()])
        self.successResultOf(carol.chat.connect())
        self.assertEqual(len(said(carol, IdentityLine)), 1)

    def test_cancelled(self) -> None:
        """The connection is closed again, and can be made later."""
        carol = self.network.person("carol")
        connecting = carol.chat.connect()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.network.settle()
        self.assertEqual((carol.chat.connected, carol.events), (False, []))
        self.assertTrue(carol.transport.cut)
        self.network.get(carol.chat.connect())

    def test_failures(self) -> None:
        """Each is an error of its own; where there was no connection there is no event."""
        carol = self.network.person("carol")
        self.network.reachable = False
        self.failureResultOf(carol.chat.connect(), ConnectFailed)
        self.network.reachable = True
        lies: list[tuple[list[Line], type[SecureChatError]]] = [
            ([Banner((7,), bytes(32), {"line": 1})], VersionMismatch),
            ([Ack()], NotARelay),
            ([ErrorLine(Code.PROOF, "-", "no")], ProofRefused),
            ([], RelayRefused),  # it would have wanted an identity
        ]
        for lie, kind in lies:
            self.network.lie(Banner, partial(self.instead, lie))
            self.assertRaises(kind, self.network.get, carol.chat.connect())
            self.network.be_honest()
        self.assertEqual(carol.events, [])
        self.network.get(carol.chat.connect())

    def instead(self, lines: list[Line], _: Banner) -> list[Line]:
        """Say something else."""
        return lines

    def test_onion_service_without_a_way(self) -> None:
        """There is no client that could not connect at all."""
        address = Address("onion", host="a" * 56 + ".onion")
        self.assertRaises(
            NeedsEndpoint, ChatClient, Clock(), Identity.generate(), TrustStore(), address
        )

    def test_in_no_room(self) -> None:
        """Who is in no room stays away when the connection breaks."""
        self.alice.transport.lose()
        event = self.away(self.alice)
        self.assertIsInstance(event.why, ConnectionLost)
        self.assertIsNone(event.retry_in)
        self.network.turn(100)
        self.assertFalse(self.alice.chat.connected)

    def test_in_rooms(self) -> None:
        """Who is in rooms comes back, and resumes each."""
        self.in_lobby()
        self.network.get(self.bob.chat.found("attic"))
        self.network.settle()
        self.bob.events.clear()
        self.bob.transport.lose()
        self.assertEqual(self.away(self.bob).retry_in, 2.0)
        self.network.speak(self.alice, "hello")
        self.network.turn(3)
        labels = [each.label for each in self.bob.heard(CaughtUp)]
        self.assertEqual(sorted(labels), ["attic", LABEL])
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "hello")])

    def test_superseded(self) -> None:
        """
        The same identity elsewhere: the older client is told and stays away. If its user connects
        it again its rooms are resumed.
        """
        self.in_lobby()
        thief = self.network.client("thief", identity=self.bob.identity)
        event = self.away(self.bob)
        self.assertIsInstance(event.why, Superseded)
        self.assertIsNone(event.retry_in)
        self.network.turn(200)
        self.assertFalse(self.bob.chat.connected)
        self.network.speak(self.alice, "is that you?")
        self.network.get(self.bob.chat.connect())
        self.network.settle()
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "is that you?")])
        self.assertIsInstance(self.away(thief).why, Superseded)

    def test_relay_shuts_down(self) -> None:
        """It says so, and is tried again."""
        self.in_lobby()
        self.network.relay.close()
        self.network.settle()
        event = self.away(self.bob)
        self.assertIsInstance(event.why, RelayClosing)
        self.assertIsNotNone(event.retry_in)

    def test_relay_of_another_version_comes_back(self) -> None:
        """An upgrade that leaves the client behind is no reason to try again and again."""
        self.in_lobby()
        self.network.change(Banner, versions=(9,))
        self.bob.transport.lose()
        self.network.turn(300)
        first, second = self.bob.heard(Disconnected)
        self.assertIsNotNone(first.retry_in)
        self.assertIsInstance(second.why, VersionMismatch)
        self.assertIsNone(second.retry_in)


class CloseTests(ClientCase):
    """`ChatClient.close`."""

    def test_closed(self) -> None:
        """It stays away, and says nothing of it: its user knows."""
        self.in_lobby()
        self.network.get(self.bob.chat.close())
        self.assertFalse(self.bob.chat.connected)
        self.network.turn(200)
        self.assertEqual(self.bob.events, [])
        self.network.get(self.bob.chat.close())
        self.network.get(self.alice.chat.close())
        self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_never_connected(self) -> None:
        """There is nothing to close."""
        self.successResultOf(self.network.person("carol").chat.close())

    def test_during_the_pause(self) -> None:
        """The connection is not made anew."""
        self.in_lobby()
        self.bob.transport.lose()
        self.successResultOf(self.bob.chat.close())
        self.network.turn(200)
        self.assertFalse(self.bob.chat.connected)

    def test_while_connecting(self) -> None:
        """Who waits for it is told."""
        carol = self.network.person("carol")
        connecting = carol.chat.connect()
        closing = carol.chat.close()
        self.failureResultOf(connecting, NotConnected)
        self.network.get(closing)
        self.assertFalse(carol.chat.connected)

    def test_connect_again(self) -> None:
        """A client that was closed can come back into its rooms, and stays there as before."""
        self.in_lobby()
        self.network.get(self.bob.chat.close())
        self.network.speak(self.alice, "hello")
        self.network.get(self.bob.chat.connect())
        self.network.settle()
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "hello")])
        self.bob.transport.lose()
        self.network.turn(3)
        self.assertTrue(self.bob.chat.connected)

    def test_nothing_begins_while_it_closes(self) -> None:
        """It is as if it were closed."""
        closing = self.alice.chat.close()
        founded, joined = self.alice.chat.found("attic"), self.alice.chat.join("attic")
        for each in (founded, joined):
            self.failureResultOf(each, NotConnected)
        self.network.get(closing)


class RoomTests(ClientCase):
    """Several rooms, and several errands, on one connection."""

    def test_several_rooms(self) -> None:
        """What is said in one is not heard in the other."""
        self.in_lobby()
        attic = self.network.get(self.alice.chat.found("attic"))
        self.network.get(self.bob.chat.join("attic"))
        self.assertEqual([each.label for each in self.bob.chat.rooms], [LABEL, "attic"])
        self.network.settle()
        self.bob.events.clear()
        self.network.get(self.alice.chat.send(attic, "up here"))
        (message,) = self.bob.heard(Message)
        self.assertEqual((message.label, message.text), ("attic", "up here"))
        self.assertEqual(room(self.bob).alarms + room(self.bob, "attic").alarms, [])

    def test_joins_wait_for_each_other(self) -> None:
        """They run in their order, one at a time, whatever becomes of each."""
        for label in (LABEL, "attic"):
            self.network.get(self.alice.chat.found(label))
        ended: list[str] = []
        labels = ["nowhere", LABEL, "two words", LABEL, "attic"]
        joins = [self.bob.chat.join(each) for each in labels]
        for label, join in zip(labels, joins, strict=True):
            join.addBoth(self.end, ended, label)
        self.assertEqual(len(said(self.bob, Join)), 1)
        self.network.turn(3)
        self.assertEqual(ended, labels)
        self.failureResultOf(joins[0], NoSuchRoom)
        self.failureResultOf(joins[2], AddressError)
        self.failureResultOf(joins[3], AlreadyThere)
        self.assertEqual([each.label for each in self.bob.chat.rooms], [LABEL, "attic"])

    def end(self, result: object, ended: list[str], label: str) -> object:
        """Note that the join of *label* is over."""
        ended.append(label)
        return result

    def test_join_again_while_others_wait(self) -> None:
        """Who joins again as soon as its turn has failed is the last in the queue."""
        ended: list[str] = []
        again: list[Deferred[Room]] = []

        def join_again(_: object) -> None:
            again.append(self.bob.chat.join("cellar").addBoth(self.end, ended, "cellar"))

        first = self.bob.chat.join("nowhere").addBoth(self.end, ended, "nowhere")
        self.bob.chat.join("two words").addErrback(join_again)
        last = self.bob.chat.join("attic").addBoth(self.end, ended, "attic")
        self.network.settle()
        self.assertEqual(ended, ["nowhere", "attic", "cellar"])
        for each in (first, last, *again):
            self.failureResultOf(each, NoSuchRoom)

    def test_many_joins_that_fail_at_once(self) -> None:
        """However many wait, the end of one after the other is no recursion."""
        self.network.hold(Join, by=self.bob)
        joins = [self.bob.chat.join(f"room{number}") for number in range(2_000)]
        self.bob.transport.lose()
        self.failureResultOf(joins[0], ConnectionLost)
        for each in joins[1:]:
            self.failureResultOf(each, NotConnected)

    def test_join_and_found_at_once(self) -> None:
        """Only joins wait for each other."""
        self.network.get(self.alice.chat.found(LABEL))
        joined, founded = self.bob.chat.join(LABEL), self.bob.chat.found("attic")
        self.network.get(founded)
        self.network.get(joined)
        self.assertEqual(len(self.bob.chat.rooms), 2)

    def test_not_connected(self) -> None:
        """There is nobody to ask."""
        carol = self.network.person("carol")
        self.failureResultOf(carol.chat.join(LABEL), NotConnected)

    def test_all_fails_with_the_connection(self) -> None:
        """Joins, those that wait, and foundings."""
        self.network.get(self.alice.chat.found(LABEL))
        self.network.hold(Found, by=self.bob)
        self.network.hold(NewUser, to=self.alice)
        joined, waiting = self.bob.chat.join(LABEL), self.bob.chat.join("attic")
        founded = self.bob.chat.found("cellar")
        self.network.settle()
        self.bob.transport.lose()
        self.failureResultOf(joined, ConnectionLost)
        self.failureResultOf(founded, ConnectionLost)
        self.failureResultOf(waiting, NotConnected)

    def test_join_again_when_told(self) -> None:
        """Who joins again as soon as the join has failed is not in its own way."""
        self.network.get(self.alice.chat.found(LABEL))
        self.bob.trusted.remove("alice")
        again: list[Deferred[Room]] = []

        def join_again(_: object) -> None:
            self.bob.trust(self.alice)
            again.append(self.bob.chat.join(LABEL))

        self.bob.chat.join(LABEL).addErrback(join_again)
        self.network.settle()
        self.network.get(again[0])
        self.assertEqual(len(self.bob.chat.rooms), 1)


class LineTests(ClientCase):
    """What the relay says goes to whom it concerns."""

    def test_lines_about_nothing(self) -> None:
        """Rooms, joins and attempts that are over, or never were, are no news."""
        nowhere = bytes(32)
        self.network.tell(
            self.alice,
            FrameLine(nowhere, 1, 1, 0, 0, bytes(12), b"x"),
            UserAdded(nowhere, 1, b"x"),
            Resumed(nowhere, 1),
            NewUser(bytes(16), nowhere, self.bob.identity.bundle.encode()),
            Page(nowhere, 1, 0, 1, b"x"),
            ErrorLine(Code.ATTEMPT, subject(bytes(16)), "it is over"),
            ErrorLine(Code.STATE, "attic", "you are not joining this room"),
        )
        self.network.turn(2)
        self.assertEqual(self.alice.events, [Connected()])
        self.assertEqual(said(self.alice, Nack), [])

    def test_errors_that_nobody_waits_for(self) -> None:
        """Are events."""
        self.network.tell(self.alice, ErrorLine(Code.NOBODY, "attic", "nobody is here"))
        (refusal,) = self.alice.heard(Refusal)
        self.assertIsInstance(refusal.why, NobodyVouches)

    def test_tap(self) -> None:
        """Everything that is said, by both, can be looked at: it is ciphertext."""
        self.in_lobby()
        self.network.speak(self.alice, "a secret")
        self.assertEqual(len(heard(self.bob, FrameLine)), 1)
        self.assertNotIn("a secret", repr(self.bob.lines))

    def test_names(self) -> None:
        """`hello_i_am` says what the client was told to."""
        self.network.get(self.alice.chat.found(LABEL))
        self.network.get(self.bob.chat.join(LABEL))
        self.network.settle()
        self.assertEqual(self.alice.heard(Named), [Named(LABEL, self.bob.fingerprint, "bob")])

    def test_resume_says_what_is_known(self) -> None:
        """The head, and the newest number."""
        self.in_lobby()
        where = room(self.bob)
        self.network.get(self.bob.chat.resume(where))
        place = where.place
        self.assertEqual(
            said(self.bob, Resume), [Resume(place.room, place.epoch, place.head, where.seq)]
        )
