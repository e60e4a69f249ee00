"""Tests of `securechat.client.rooms`."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import Event, StorageFailed
from securechat.client.journal import Journal
from securechat.client.known import KnownRooms
from securechat.client.party import Party
from securechat.client.rooms import Rooms
from securechat.errors import FoundedAnew, NotAMember
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.testing import ADDRESS
from securechat.trust import TrustStore

ME = Identity.generate()


def founded() -> Room:
    """Return a new room "lobby"."""
    return Room.found(ME, "lobby", Policy(), lambda _: True)


class RoomsTests(SynchronousTestCase):
    """`Rooms`."""

    def setUp(self) -> None:
        self.events: list[Event] = []
        party = Party(
            ME,
            Clock(),
            TrustStore(),
            lambda: 0.5,
            say=lambda line: None,
            emit=self.events.append,
            silent=lambda seconds: None,
            journal=Journal(Clock(), None, ADDRESS, lambda error: None),
        )
        self.rooms = Rooms(party, KnownRooms(), ADDRESS, "me")

    def test_seats(self) -> None:
        """A room is found by its G, from when it is taken in until it is not entered after all."""
        first, second = founded(), founded()
        seats = [self.rooms.seat(first), self.rooms.seat(second)]
        self.assertEqual(list(self.rooms), seats)
        self.assertIs(self.rooms.find(first.id), seats[0])
        self.assertIs(self.rooms.of(second), seats[1])
        resuming = seats[0].resume()
        self.rooms.unseat(seats[0])
        self.failureResultOf(resuming, CancelledError)
        self.assertIsNone(self.rooms.find(first.id))
        self.assertRaises(NotAMember, self.rooms.of, first)
        self.assertEqual(list(self.rooms), seats[1:])

    def test_labels(self) -> None:
        """The first room of a label is the one that it stands for."""
        first, second = founded(), founded()
        self.assertIsNone(self.rooms.known("lobby"))
        self.rooms.pin(first)
        self.rooms.pin(first)
        self.assertEqual(self.rooms.known("lobby"), first.id)
        self.assertEqual(self.events, [])
        self.rooms.pin(second)
        self.assertEqual(self.rooms.known("lobby"), first.id)
        (failed,) = self.events
        assert isinstance(failed, StorageFailed)
        self.assertIsInstance(failed.why, FoundedAnew)
