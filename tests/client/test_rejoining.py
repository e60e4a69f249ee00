"""Tests of joins by members whose keys are lost: `rejoin`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from securechat.client.events import Rejoining, Waiting
from securechat.client.joining import ATTEMPT_SECONDS
from securechat.client.known import KnownRooms
from securechat.client.refusals import subject
from securechat.client.state import MemoryState
from securechat.errors import (
    AlreadyThere,
    FoundedAnew,
    KeysGone,
    RelayBusy,
    StateLost,
    WasRemoved,
)
from securechat.group.events import KeysLost, MemberRemoved, Message
from securechat.group.roster import Policy
from securechat.testing import Person
from securechat.wire import (
    Changed,
    Code,
    ErrorLine,
    Join,
    Leave,
    Leaving,
    Member,
    Send,
    Slice,
    UserAdded,
    Who,
)
from tests.adversary.kit import LABEL, room, said, texts
from tests.client.changes import ChangesCase, last


class LostStateTests(ChangesCase):
    """Bob's client is started anew, and has nothing of the room."""

    def setUp(self) -> None:
        super().setUp()
        self.vanish(self.bob)
        self.bob = self.start_anew()

    def start_anew(self) -> Person:
        """Return Bob, by the same identity, with nothing of what he knew."""
        trusts = [self.alice, self.carol]
        return self.network.client("bob", identity=self.bob.identity, trusts=trusts)

    def test_without_a_word(self) -> None:
        """Nothing is done: he is told what he can do."""
        joined = self.bob.chat.join(LABEL)
        self.network.settle()
        self.assertIn("--rejoin", self.fails(joined, StateLost))
        self.assertEqual(said(self.bob, Leave), [])

    def test_rejoins(self) -> None:
        """He leaves, is removed, and is let in again; what was said before he cannot read."""
        self.network.speak(self.alice, "he cannot read this")
        self.network.get(self.bob.chat.join(LABEL, rejoin=True))
        self.assertIn(Rejoining(LABEL), self.bob.events)
        self.assertEqual(texts(self.bob), [])
        (gone,) = self.carol.heard(MemberRemoved)
        self.assertEqual(gone.member, self.bob.fingerprint)
        self.agree(self.alice, self.carol, self.bob)

    def test_nobody_is_there(self) -> None:
        """He waits, and is told so, until somebody comes who makes new keys and lets him in."""
        self.vanish(self.carol)
        self.away(self.alice)
        self.network.reachable = True
        joined = self.bob.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.assertNoResult(joined)
        self.assertEqual(self.bob.heard(Waiting), [Waiting(LABEL, 1)])
        self.network.get(joined)  # Alice has come back
        self.network.speak(self.bob, "thank you")
        self.assertEqual(texts(self.alice)[-1], (self.bob.fingerprint, "thank you"))

    def test_not_needed(self) -> None:
        """Who is no member joins as ever."""
        dave = self.network.client("dave", trusts=[self.alice])
        self.alice.trust(dave)
        self.network.get(dave.chat.join(LABEL, rejoin=True))
        self.assertEqual(said(dave, Leave), [])

    def test_another_room_of_that_name(self) -> None:
        """A relay cannot have a member removed from a room that the label does not stand for."""
        self.network.get(self.bob.chat.join(LABEL, rejoin=True))
        self.network.get(self.bob.chat.leave(room(self.bob)))
        self.network.turn(5)
        self.network.hold(Join, by=self.bob)
        joined = self.bob.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.network.tell(self.bob, Member(LABEL, bytes(32), bytes(32)))
        self.fails(joined, FoundedAnew)
        self.assertEqual(len(said(self.bob, Leave)), 2)

    def test_a_room_that_he_is_in(self) -> None:
        """Nor from one that it is in under another label."""
        self.network.get(self.bob.chat.join(LABEL, rejoin=True))
        left = len(said(self.bob, Leave))
        place = room(self.bob).place
        leaf = room(self.bob).roster[-1].leaf_hash
        self.network.get(self.alice.chat.found("attic"))
        joined = self.bob.chat.join("attic", rejoin=True)
        self.network.tell(self.bob, Member("attic", place.room, leaf))
        self.fails(joined, FoundedAnew)
        self.assertEqual(len(said(self.bob, Leave)), left)

    def test_a_room_that_he_may_come_back_to(self) -> None:
        """Nor from one that is kept from an earlier run."""
        state = MemoryState()
        first = self.network.client("erin", trusts=[self.alice], state=state)
        self.alice.trust(first)
        self.network.get(first.chat.join(LABEL))
        place, row = room(first).place, room(first).roster[-1]
        self.vanish(first)
        again = self.network.client("erin", identity=first.identity, state=state)
        self.network.get(self.alice.chat.found("attic"))
        joined = again.chat.join("attic", rejoin=True)
        self.network.tell(again, Member("attic", place.room, row.leaf_hash))
        self.fails(joined, FoundedAnew)
        self.assertEqual(said(again, Leave), [])

    def test_a_room_that_is_known_by_another_label(self) -> None:
        """Nor from one of which nothing is kept, if he knows by which label he has been there."""
        self.network.get(self.alice.chat.found("attic"))
        known = KnownRooms()
        first = self.network.client("erin", trusts=[self.alice], known=known)
        self.alice.trust(first)
        self.network.get(first.chat.join(LABEL))
        place, row = room(first).place, room(first).roster[-1]
        self.vanish(first)
        again = self.network.client("erin", identity=first.identity, known=known)
        for leaves in (
            lambda: again.chat.join("attic", rejoin=True),
            lambda: again.chat.leave_lost("attic"),
        ):
            left: Deferred[Any] = leaves()
            self.network.tell(again, Member("attic", place.room, row.leaf_hash))
            self.failureResultOf(left, FoundedAnew)
        self.assertEqual(said(again, Leave), [])

    def test_leave_is_refused(self) -> None:
        """The join ends with the reason."""
        self.network.hold(Leave, by=self.bob)
        joined = self.bob.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.network.tell(self.bob, ErrorLine(Code.BUSY, subject(room(self.alice).id), "not now"))
        self.fails(joined, RelayBusy)

    def test_member_twice(self) -> None:
        """A relay that has taken the leave, and says the same again, is not obeyed again."""
        self.network.hold(Leave, by=self.bob)
        joined = self.bob.chat.join(LABEL, rejoin=True)
        self.network.settle()
        row = room(self.alice).roster[1]
        self.network.tell(self.bob, Member(LABEL, room(self.alice).id, row.leaf_hash))
        self.fails(joined, StateLost)

    def test_leaving_of_somebody_else(self) -> None:
        """Is not his."""
        self.network.hold(Leave, by=self.bob)
        joined = self.bob.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.network.tell(self.bob, Leaving(room(self.alice).id, bytes(32), bytes(64)))
        self.assertNoResult(joined)
        self.network.be_honest()


class NeverEnteredTests(ChangesCase):
    """Dave's program died when he had been added, and before he was in the room."""

    def setUp(self) -> None:
        super().setUp()
        dave = self.network.person("dave", trusts=self.people, state=MemoryState())
        self.alice.trust(dave)
        self.network.get(dave.chat.connect())
        self.network.hold(UserAdded, to=dave)
        dave.chat.join(LABEL)
        self.network.settle()
        self.network.be_honest()
        self.dave = self.network.restarted(dave)
        self.network.get(self.dave.chat.connect())

    def test_without_a_word(self) -> None:
        """What the relay says again is of no use: he is told that he can leave and come back."""
        joined = self.dave.chat.join(LABEL)
        self.network.turn(2 * ATTEMPT_SECONDS)
        self.assertIn("--rejoin", self.fails(joined, StateLost))
        self.assertEqual(said(self.dave, Leave), [])

    def test_rejoins(self) -> None:
        """He leaves, is removed, and is let in again."""
        self.network.get(self.dave.chat.join(LABEL, rejoin=True))
        self.assertIn(Rejoining(LABEL), self.dave.events)
        (gone,) = self.carol.heard(MemberRemoved)
        self.assertEqual(gone.member, self.dave.fingerprint)
        self.agree(self.alice, self.bob, self.carol, self.dave)

    def test_said_again_after_the_leave(self) -> None:
        """A relay that has taken the leave, and says the same again, is not obeyed again."""
        self.network.hold(Leave, by=self.dave)
        joined = self.dave.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.network.tell(self.dave, last(self.dave, UserAdded))
        self.network.turn(2 * ATTEMPT_SECONDS)
        self.fails(joined, StateLost)
        self.assertEqual(len(said(self.dave, Leave)), 1)


class LostKeysTests(ChangesCase):
    """Bob's slice of an entry did not reach him."""

    names = ("alice", "bob", "carol", "dave")

    def setUp(self) -> None:
        super().setUp()
        self.dave = self.people[3]
        self.network.hold(Slice, to=self.bob)
        self.waiting = self.bob.chat.send(room(self.bob), "hello")
        self.network.hold(Changed, to=self.bob)
        self.network.settle()
        self.network.get(self.alice.chat.kick(room(self.alice), self.dave.fingerprint))
        self.network.be_honest()

    def lose(self) -> None:
        """Let him hear of it."""
        self.network.hold(Slice, to=self.bob)
        self.cut(self.bob)
        self.network.turn(5)
        self.network.be_honest()
        self.assertEqual(len(self.bob.heard(KeysLost)), 1)

    def test_stuck(self) -> None:
        """He can neither read nor write, nor change anything, and is told so."""
        self.lose()
        where = room(self.bob)
        self.network.speak(self.alice, "hello")
        self.assertEqual(self.bob.heard(Message), [])
        self.assertRaises(KeysGone, self.bob.chat.send, where, "hello")
        self.fails(self.bob.chat.renew(where), KeysGone)
        self.fails(self.bob.chat.kick(where, self.carol.fingerprint), KeysGone)
        self.fails(self.bob.chat.reform(where, policy=Policy()), KeysGone)
        self.fails(self.bob.chat.join(LABEL), AlreadyThere)
        self.network.turn(200)
        self.assertTrue(self.bob.chat.connected)

    def test_a_sign_of_life(self) -> None:
        """Who cannot say a heartbeat says something else in its time, and shows nobody anything."""
        self.lose()
        asked, spoken = len(said(self.bob, Who)), len(said(self.bob, Send))
        self.network.turn(75)
        self.assertEqual(len(said(self.bob, Who)), asked + 1)
        self.assertEqual(len(said(self.bob, Send)), spoken)

    def test_rejoins(self) -> None:
        """He leaves, and is let in again."""
        self.lose()
        self.network.get(self.bob.chat.join(LABEL, rejoin=True))
        self.agree(self.alice, self.carol, self.bob)

    def test_leaves(self) -> None:
        """Or just leaves."""
        self.lose()
        self.network.get(self.bob.chat.leave(room(self.bob)))
        self.network.settle()
        self.agree(self.alice, self.carol)


class KeptTests(ChangesCase):
    """Bob's client has kept the room, and is started anew."""

    def setUp(self) -> None:
        super().setUp()
        self.state = MemoryState()
        self.dave = self.network.client("dave", trusts=self.people, state=self.state)
        for person in self.people:
            person.trust(self.dave)
        self.network.get(self.dave.chat.join(LABEL))
        self.network.greet(*self.people, self.dave)

    def start_anew(self) -> Person:
        """Return Dave, whose client has been closed, by another one on the same state."""
        self.vanish(self.dave)
        return self.network.client(
            "dave", identity=self.dave.identity, trusts=self.people, state=self.state
        )

    def test_removed_meanwhile(self) -> None:
        """He is told by whom; after that he joins as any newcomer."""
        self.vanish(self.dave)
        self.network.get(self.alice.chat.kick(room(self.alice), self.dave.fingerprint))
        dave = self.start_anew()
        joined = dave.chat.join(LABEL)
        self.network.settle()
        self.fails(joined, WasRemoved)
        self.network.get(dave.chat.join(LABEL))
        self.agree(*self.people, dave)

    def test_left(self) -> None:
        """Nothing is kept of a room that he has left."""
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.network.settle()
        dave = self.start_anew()
        self.network.get(dave.chat.join(LABEL))
        self.agree(*self.people, dave)

    def test_keys_lost_meanwhile(self) -> None:
        """Without a word he comes back, and is told so; with it he is let in again at once."""
        self.vanish(self.dave)
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.hold(Slice, to=self.dave)
        dave = self.start_anew()
        self.network.get(dave.chat.join(LABEL))
        self.assertEqual(len(dave.heard(KeysLost)), 1)
        self.network.be_honest()
        self.dave = dave
        dave = self.start_anew()
        self.network.get(dave.chat.join(LABEL, rejoin=True))
        self.agree(*self.people, dave)

    def test_keys_lost_on_the_way(self) -> None:
        """With his word he is let in again also where he learns of it only now."""
        self.vanish(self.dave)
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.hold(Slice, to=self.dave)
        dave = self.start_anew()
        joined = dave.chat.join(LABEL, rejoin=True)
        self.network.settle()
        self.network.be_honest()
        self.network.get(joined)
        self.agree(*self.people, dave)

    def test_renewal_is_kept(self) -> None:
        """The time at which the leaf key is renewed is that of before."""
        self.vanish(self.dave)
        self.network.clock.advance(86_400 * 2)
        dave = self.start_anew()
        self.network.get(dave.chat.join(LABEL))
        before = room(dave).leaf_epoch
        self.network.turn(120, step=1)
        self.assertGreater(room(dave).leaf_epoch, before)
