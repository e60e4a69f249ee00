"""Every limit of the relay: reached, answered, and told apart."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.identity import Identity
from securechat.relay.limits import Limits
from securechat.wire import Banner, Code, ErrorLine, Found
from tests.relay.clients import Client, Relay


class TableTests(SynchronousTestCase):
    """`Limits` itself."""

    def test_each_has_words(self) -> None:
        """The operator reads what each limit is about."""
        for field in attrs.fields(Limits):
            self.assertTrue(field.metadata["help"].endswith("."), field.name)

    def test_limits_that_cannot_work_are_refused(self) -> None:
        """Nothing is bounded by zero, and times are finite."""
        for changed in (
            {"rooms_in_all": 0},
            {"identify_bytes": 100},
            {"unread_bytes": 1_000},
            {"unread_seconds": 0.0},
            {"idle_seconds": 0.0},
            {"buffered_bytes": 2**19},
            {"ask_timeout": 0.0},
            {"ask_timeout": float("nan")},
            {"identify_seconds": float("inf")},
        ):
            with self.assertRaises(ValueError):
                Limits(**changed)


class ProvedTests(SynchronousTestCase):
    """Connections that have proved an identity, in all."""

    def test_too_many_are_refused(self) -> None:
        """Instead of the `ack`, with an error; a place becomes free when a connection does."""
        relay = Relay(limits=Limits(connections_in_all=2))
        first, second = relay.client(), relay.client()
        third = relay.connect()
        third.says(third.identify(Identity.generate()))
        self.assertIs(third.refused(), Code.BUSY)
        self.assertTrue(third.hung_up)
        self.assertIsNone(third.transport.producer, "else its end waits for more")
        third.lose()
        self.assertFalse(first.hung_up or second.hung_up)
        second.lose()
        relay.client()

    def test_the_same_identity_again(self) -> None:
        """It takes the place of its older connection."""
        relay = Relay(limits=Limits(connections_in_all=1))
        first = relay.client()
        again = relay.client(first.identity)
        self.assertIs(first.refused(), Code.SUPERSEDED)
        self.assertFalse(again.hung_up)

    def test_who_is_being_closed_makes_way(self) -> None:
        """It counts as long as it is there, and goes at once where its place is wanted."""
        relay = Relay(limits=Limits(connections_in_all=4))
        older = [relay.client() for _ in range(3)]
        for each in older[:2]:
            each.says(b"nonsense")
        relay.client()
        self.assertEqual([each.transport.aborted for each in older], [False, False, False])
        relay.client(older[2].identity)
        self.assertEqual([each.transport.aborted for each in older], [True, False, False])
        self.assertIs(older[2].refused(), Code.SUPERSEDED)
        relay.client()
        self.assertEqual([each.transport.aborted for each in older], [True, True, False])

    def test_who_is_refused_makes_way(self) -> None:
        """As many as knock at a relay that is full, one of them at most is on its way out."""
        relay = Relay(limits=Limits(connections_in_all=1))
        relay.client()
        crowd = [relay.connect() for _ in range(3)]
        for each in crowd:
            each.says(each.identify(Identity.generate()))
            self.assertIs(each.refused(), Code.BUSY)
        self.assertEqual([each.transport.aborted for each in crowd], [True, True, False])

    def test_who_is_gone_does_not_make_way(self) -> None:
        """There is nothing to be done any more."""
        relay = Relay(limits=Limits(connections_in_all=1))
        client = relay.client()
        client.says(b"nonsense")
        client.lose()
        relay.client()
        self.assertFalse(client.transport.aborted)


class UnprovedTests(SynchronousTestCase):
    """Connections that have not proved an identity, per source."""

    def setUp(self) -> None:
        self.relay = Relay(limits=Limits(unproved_per_address=2))

    def refused(self) -> bool:
        """Connect once more; return whether that was refused."""
        client = self.relay.connect()
        line = client.hear()[0]
        if isinstance(line, Banner):
            return False
        assert isinstance(line, ErrorLine)
        self.assertIs(line.code, Code.BUSY)
        self.assertTrue(client.hung_up)
        client.lose()
        return True

    def test_too_many_are_refused(self) -> None:
        """Before the banner, with an error."""
        self.assertEqual([self.refused() for _ in range(4)], [False, False, True, True])

    def test_who_comes_in_a_crowd_is_not_told(self) -> None:
        """As many as may wait are told why they are turned away; the others go at once."""
        crowd = [self.relay.connect() for _ in range(6)]
        self.assertEqual([each.hung_up for each in crowd], [False, False, True, True, False, False])
        self.assertEqual([each.transport.aborted for each in crowd], [False] * 4 + [True] * 2)
        for client in crowd:
            client.lose()
        self.assertEqual(self.relay.factory.connections, set())
        self.assertFalse(self.refused())

    def test_who_has_proved_does_not_count(self) -> None:
        """There is no limit to members behind one address."""
        for _ in range(5):
            self.relay.client()
        self.assertFalse(self.refused())

    def test_who_is_gone_does_not_count(self) -> None:
        """A place becomes free when the connection does."""
        clients = [self.relay.connect(), self.relay.connect()]
        self.assertTrue(self.refused())
        clients[0].lose()
        self.assertFalse(self.refused())

    def test_who_is_being_closed_counts(self) -> None:
        """Until the connection is gone it takes up room."""
        clients = [self.relay.connect(), self.relay.connect()]
        for client in clients:
            client.says(b"nonsense")
        self.assertTrue(self.refused())


class RoomsTests(SynchronousTestCase):
    """How many rooms there may be, by whom and for whom."""

    def busy(self, client: Client, label: str) -> str:
        """See that *client* may not found another room; return the words."""
        client.says(Found(client.creation(label).encode()))
        error = client.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.BUSY, label))
        self.assertFalse(client.hung_up)
        return error.words

    def test_rooms_per_founder(self) -> None:
        """One identity does not fill the relay, on whatever connections."""
        relay = Relay(limits=Limits(rooms_per_founder=1))
        founder = relay.client()
        founder.found("one")
        self.assertIn("founded too many", self.busy(founder, "two"))
        self.assertIn("founded too many", self.busy(relay.client(founder.identity), "two"))
        relay.client().found("two")

    def test_rooms_in_all(self) -> None:
        """There is an end to the relay's memory."""
        relay = Relay(limits=Limits(rooms_in_all=2))
        for label in ("one", "two"):
            relay.client().found(label)
        self.assertIn("no place", self.busy(relay.client(), "three"))

    def test_rooms_per_connection(self) -> None:
        """Founded, joined or resumed: they count alike."""
        relay = Relay(limits=Limits(rooms_per_connection=1))
        (host,) = relay.room(1, "full")
        client = relay.client()
        client.found("one")
        self.assertIn("too many rooms", self.busy(client, "two"))
        client.join("full")
        self.assertIs(client.refused(), Code.BUSY)
        again = relay.client(host.identity)
        again.found("three")
        again.log, again.seq = host.log, host.seq
        again.resume()
        self.assertIs(again.refused(), Code.BUSY)

    def test_a_room_may_be_resumed_again(self) -> None:
        """To resume the room that it is in already takes no other place."""
        relay = Relay(limits=Limits(rooms_per_connection=1))
        (host,) = relay.room(1)
        host.resume()
        self.assertNotIsInstance(host.hear()[0], ErrorLine)

    def test_joins_per_connection(self) -> None:
        """One client does not keep all rooms busy."""
        relay = Relay(limits=Limits(joins_per_connection=1))
        for label in ("one", "two"):
            relay.client().found(label)
        client = relay.client()
        client.join("one")
        client.hear()
        client.join("two")
        error = client.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.BUSY, "two"))

    def test_members_per_room(self) -> None:
        """Who comes to a full room is told so."""
        relay = Relay(limits=Limits(members_per_room=2))
        relay.room(2)
        client = relay.client()
        client.join()
        error = client.hears(ErrorLine)
        self.assertEqual((error.code, error.words), (Code.BUSY, "the room is full"))
