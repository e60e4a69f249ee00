"""Tests of `securechat.client.founding`."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.client.events import Refusal, StorageFailed
from securechat.client.known import KnownRooms
from securechat.errors import (
    AddressError,
    AlreadyThere,
    ConnectionLost,
    MayNotFound,
    NobodyVouches,
    NotConnected,
    RelayBusy,
    RelayRefused,
    RoomKnown,
    RoomTaken,
    SecureChatError,
)
from securechat.group.room import Room
from securechat.group.roster import Policy, Vouchers
from securechat.relay.limits import Limits
from securechat.testing import ADDRESS
from securechat.wire import Code, ErrorLine, Found, Send, UserAdded
from tests.adversary.kit import LABEL, LyingNetwork, said


class FoundingTests(SynchronousTestCase):
    """`ChatClient.found`."""

    def setUp(self) -> None:
        self.begin()

    def begin(self, **relay: object) -> None:
        """Connect Alice to a relay that is made with these arguments."""
        self.network = LyingNetwork(**relay)
        self.known = KnownRooms()
        self.alice = self.network.client("alice", known=self.known)

    def found(self, label: str = LABEL, policy: Policy | None = None) -> Deferred[Room]:
        """Let Alice found a room."""
        founded = self.alice.chat.found(label, policy)
        self.network.settle()
        return founded

    def fails(self, founded: Deferred[Room], kind: type[SecureChatError]) -> str:
        """Check that it has failed, and nothing is left of it; return why."""
        self.assertEqual(self.alice.chat.rooms, ())
        return str(self.failureResultOf(founded, kind).value)

    def test_fires_with_the_room(self) -> None:
        """It is real then, the founder is in it and has greeted, and the label stands for it."""
        policy = Policy(Vouchers.MODERATORS, roster_maximum=5)
        founded = self.alice.chat.found("#lobby", policy)
        self.assertEqual(self.alice.chat.rooms, ())
        room = self.network.get(founded)
        self.assertEqual(self.alice.chat.rooms, (room,))
        self.assertTrue(room.inside)
        self.assertEqual(room.log.membership.policy, policy)
        self.assertEqual(len(said(self.alice, Send)), 1)
        self.assertEqual(self.known.find(ADDRESS, LABEL), room.id)
        self.network.get(self.alice.chat.send(room, "echo"))

    def test_label_that_is_taken(self) -> None:
        """By whomever."""
        bob = self.network.client("bob")
        self.network.get(bob.chat.found(LABEL))
        self.assertIn("#lobby", self.fails(self.found(), RoomTaken))

    def test_label_that_is_none(self) -> None:
        """Is refused here."""
        self.fails(self.found("two words"), AddressError)

    def test_relay_does_not_let_its_users_found(self) -> None:
        """Its operator decides."""
        self.begin(founders=())
        self.fails(self.found(), MayNotFound)

    def test_limit_of_the_relay(self) -> None:
        """The relay's words say which."""
        self.begin(limits=Limits(rooms_per_founder=1))
        self.network.get(self.alice.chat.found("attic"))
        founded = self.found()
        self.assertIn("too many rooms", str(self.failureResultOf(founded, RelayBusy).value))
        self.assertEqual([each.label for each in self.alice.chat.rooms], ["attic"])

    def test_policy_that_is_none(self) -> None:
        """The relay refuses such an entry, without saying whose."""
        refused, founded = self.found(policy=Policy(rounds=0)), self.found("attic")
        self.failureResultOf(refused, RelayRefused)
        self.successResultOf(founded)
        self.network.tell(self.alice, ErrorLine(Code.ENTRY, "-", "it breaks a rule"))
        self.assertEqual(len(self.alice.heard(Refusal)), 1)

    def test_room_that_is_known(self) -> None:
        """A label that stood for a room here is not founded anew; at another relay it may be."""
        self.known.learn(Address(host="relay.example"), LABEL, bytes(32))
        self.known.learn(ADDRESS, "attic", bytes(32))
        self.fails(self.found("attic"), RoomKnown)
        self.assertEqual(said(self.alice, Found), [])
        self.successResultOf(self.found())

    def test_room_that_the_user_is_in(self) -> None:
        """Or is founding or joining."""
        self.network.hold(Found, by=self.alice)
        founded = self.found()
        self.fails(self.found(), AlreadyThere)
        joined = self.alice.chat.join(LABEL)
        self.fails(joined, AlreadyThere)
        self.assertNoResult(founded)
        self.network.be_honest()
        bob = self.network.client("bob")
        self.network.get(bob.chat.found("attic"))
        joined = self.alice.chat.join("attic")
        self.fails(self.found("attic"), AlreadyThere)
        self.network.turn(2)
        # Nobody has vouched, and who is in no room is sent away.
        self.failureResultOf(joined, NobodyVouches)
        self.failureResultOf(founded, ConnectionLost)
        self.network.get(self.alice.chat.connect())
        self.network.get(self.alice.chat.found("cellar"))
        self.failureResultOf(self.found("cellar"), AlreadyThere)

    def test_not_connected(self) -> None:
        """There is nobody to ask."""
        self.network.get(self.alice.chat.close())
        self.fails(self.found(), NotConnected)
        self.fails(self.network.person("bob").chat.found(LABEL), NotConnected)

    def test_connection_breaks(self) -> None:
        """The room is not there, as far as anybody knows; the relay may have it."""
        self.network.hold(UserAdded)
        founded = self.found()
        self.alice.transport.lose()
        self.fails(founded, ConnectionLost)
        self.network.be_honest()
        self.network.get(self.alice.chat.connect())
        self.fails(self.found(), RoomTaken)

    def test_cancelled(self) -> None:
        """Likewise; what the relay says of it is not heard any more."""
        founded = self.alice.chat.found(LABEL)
        founded.cancel()
        self.failureResultOf(founded, CancelledError)
        self.network.settle()
        self.assertEqual(self.alice.chat.rooms, ())
        self.fails(self.found(), RoomTaken)
        self.successResultOf(self.found("attic"))

    def test_closed(self) -> None:
        """Who waits for it is told."""
        self.network.hold(Found, by=self.alice)
        founded = self.found()
        self.network.get(self.alice.chat.close())
        self.fails(founded, ConnectionLost)
        self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_room_that_cannot_be_remembered(self) -> None:
        """The disk is full: the user is told, and is in the room."""
        self.patch(KnownRooms, "learn", self.disk_is_full)
        self.successResultOf(self.found())
        (failed,) = self.alice.heard(StorageFailed)
        self.assertIsInstance(failed.why, OSError)

    def disk_is_full(self, *_: object) -> None:
        raise OSError("disk full")
