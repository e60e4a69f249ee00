"""Tests of `ChatClient.leave_lost`: who has lost all of a room but its label leaves it."""

from __future__ import annotations

from securechat.client.events import CaughtUp
from securechat.client.refusals import subject
from securechat.client.state import MemoryState
from securechat.errors import (
    AlreadyThere,
    ConnectionLost,
    FoundedAnew,
    NoSuchRoom,
    NotAMember,
    NotConnected,
    RelayBusy,
)
from securechat.group.events import MemberRemoved
from securechat.testing import Person
from securechat.wire import (
    Cancel,
    Code,
    ErrorLine,
    Join,
    Leave,
    Leaving,
    Member,
    Queued,
)
from tests.adversary.kit import LABEL, room, said
from tests.client.changes import ChangesCase


class LeavingLostTests(ChangesCase):
    """Bob's client is started anew, and has nothing of the room."""

    def setUp(self) -> None:
        super().setUp()
        self.vanish(self.bob)
        self.bob = self.network.client("bob", identity=self.bob.identity, trusts=[self.alice])

    def test_leaves(self) -> None:
        """The relay stores it, and the others make new keys."""
        self.network.get(self.bob.chat.leave_lost(LABEL))
        self.network.turn(5)
        (gone,) = self.carol.heard(MemberRemoved)
        self.assertEqual(gone.member, self.bob.fingerprint)
        self.agree(self.alice, self.carol)

    def test_joins_afterwards(self) -> None:
        """What he does next does not wait for anything."""
        self.network.get(self.bob.chat.leave_lost(LABEL))
        self.network.get(self.bob.chat.join(LABEL))
        self.assertEqual(len(said(self.bob, Leave)), 1)

    def test_no_member(self) -> None:
        """Who is no member is told so, and is not let in by that."""
        dave = self.network.client("dave", trusts=[self.alice])
        self.alice.trust(dave)
        self.fails_soon(dave)
        self.assertEqual(said(dave, Cancel), [Cancel(LABEL)])
        self.network.turn(60)
        self.assertEqual(len(room(self.alice).roster), 3)

    def test_nobody_there(self) -> None:
        """The same where the relay has nobody to ask, or lets him wait."""
        for person in self.alice, self.carol:
            self.vanish(person)
        self.fails_soon(self.network.client("dave"))
        self.network.hold(Join)
        dave = self.network.client("dave")
        left = dave.chat.leave_lost(LABEL)
        self.network.tell(dave, Queued(LABEL, 1))
        self.fails(left, NotAMember)

    def fails_soon(self, person: Person) -> None:
        """Check that *person* is told that it is no member."""
        left = person.chat.leave_lost(LABEL)
        self.network.settle()
        self.fails(left, NotAMember)

    def test_no_such_room(self) -> None:
        """A label that is none is an error, as for a join; other refusals are not about it."""
        left = self.bob.chat.leave_lost("attic")
        self.network.tell(self.bob, ErrorLine(Code.BUSY, "cellar", "not now"))
        self.fails(left, NoSuchRoom)

    def test_another_room(self) -> None:
        """A relay cannot have him out of a room that is kept, nor of one that he is in."""
        state = MemoryState()
        dave = self.network.client("dave", trusts=[self.alice], state=state)
        self.alice.trust(dave)
        self.network.get(dave.chat.join(LABEL))
        row = room(dave).roster[-1]
        line = Member("attic", room(dave).id, row.leaf_hash)
        again = self.network.restarted(dave)
        self.network.get(again.chat.connect())
        for person in again, again:
            self.network.hold(Join, by=person)
            left = person.chat.leave_lost("attic")
            self.network.tell(person, line)
            self.fails(left, FoundedAnew)
            self.network.be_honest()
            if not person.heard(CaughtUp):
                self.network.get(person.chat.join(LABEL))
        self.assertEqual(said(again, Leave), [])
        self.fails(again.chat.leave_lost(LABEL), AlreadyThere)

    def test_refused(self) -> None:
        """He is told what the relay says; what is said of others, or twice, changes nothing."""
        self.network.hold(Leave, by=self.bob)
        left = self.bob.chat.leave_lost(LABEL)
        self.network.settle()
        where = room(self.alice).id
        self.network.tell(self.bob, Leaving(where, self.bob.fingerprint, bytes(64)))
        self.network.tell(self.bob, Member(LABEL, bytes(32), bytes(32)))
        self.network.tell(self.bob, ErrorLine(Code.BUSY, subject(bytes(32)), "not that"))
        self.assertNoResult(left)
        self.network.tell(self.bob, ErrorLine(Code.BUSY, subject(where), "not now"))
        self.fails(left, RelayBusy)

    def test_connection_lost(self) -> None:
        """It ends with the connection, or when the client is closed."""
        for end, error in ((self.cut, ConnectionLost), (self.vanish, NotConnected)):
            self.network.hold(Join, by=self.bob)
            left = self.bob.chat.leave_lost(LABEL)
            self.network.settle()
            end(self.bob)
            self.network.settle()
            self.fails(left, error)
            self.network.be_honest()
            self.network.get(self.bob.chat.connect())

    def test_closed_at_once(self) -> None:
        """Who hears how it ended can close the client there and then."""
        closing: list[object] = []
        left = self.bob.chat.leave_lost("attic")
        left.addErrback(lambda _: closing.append(self.bob.chat.close()))
        self.network.settle()
        self.assertEqual(len(closing), 1)

    def test_cancelled(self) -> None:
        """Who does not want to wait any longer can do something else; a late answer is ignored."""
        self.network.hold(Join, by=self.bob)
        left = self.bob.chat.leave_lost(LABEL)
        self.network.settle()
        self.fails(self.bob.chat.found(LABEL), AlreadyThere)
        left.cancel()
        self.failureResultOf(left)
        self.network.tell(self.bob, Member(LABEL, room(self.alice).id, bytes(32)))
        self.network.be_honest()
        self.assertEqual(said(self.bob, Leave), [])
        self.network.get(self.bob.chat.leave_lost(LABEL))


class KeptTests(ChangesCase):
    """What a client is ready to come back to."""

    def test_kept(self) -> None:
        """It is known before the client comes back, and no more once it is there."""
        dave = self.network.client("dave", trusts=self.people, state=MemoryState())
        self.alice.trust(dave)
        self.network.get(dave.chat.join(LABEL))
        self.assertEqual(dave.chat.kept, ())
        again = self.network.restarted(dave)
        self.assertEqual([each.id for each in again.chat.kept], [room(self.alice).id])
        self.network.get(again.chat.connect())
        self.network.get(again.chat.join(LABEL))
        self.assertEqual(again.chat.kept, ())
