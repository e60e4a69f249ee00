"""Tests of `securechat.client.departing`, `leaving` and `presence`: who goes, and how."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from securechat.client.events import Disconnected, Refusal
from securechat.client.refusals import subject
from securechat.errors import (
    HasLeft,
    NotAMember,
    NotConnected,
    RelayBusy,
)
from securechat.group.detail import Why
from securechat.group.events import (
    Alarm,
    MemberLeaving,
    MemberRemoved,
    Message,
    Removed,
)
from securechat.primitives import digest
from securechat.revocation import revocation
from securechat.testing import WRITTEN, Person
from securechat.wire import (
    Begin,
    Changed,
    Code,
    Commit,
    ErrorLine,
    Leave,
    Leaving,
    Online,
    Send,
    Who,
)
from tests.adversary.kit import LABEL, heard, room, said, texts
from tests.client.changes import ChangesCase


class LeaveTests(ChangesCase):
    """`ChatClient.leave`."""

    def test_left(self) -> None:
        """The others are told, one of them makes new keys, and the leaver has nothing left."""
        where = room(self.carol)
        self.network.get(self.carol.chat.leave(where))
        self.assertEqual(self.carol.chat.rooms, ())
        self.assertRaises(NotAMember, self.carol.chat.send, where, "one more thing")
        self.network.settle()
        for person in (self.alice, self.bob):
            self.assertEqual(
                [each.member for each in person.heard(MemberLeaving)], [self.carol.fingerprint]
            )
            (gone,) = person.heard(MemberRemoved)
            self.assertEqual((gone.member, gone.why), (self.carol.fingerprint, Why.LEFT))
        self.assertEqual(self.carol.heard(Removed), [])
        self.agree(self.alice, self.bob)
        self.heard_nothing(self.carol)

    def test_no_key_is_left(self) -> None:
        """Whoever gets at the memory of who has left can read nothing that was said there."""
        where = room(self.carol)
        parts = where.changes()
        self.assertTrue([name for name in parts if "secret" in name or "ratchet" in name])
        self.network.get(self.carol.chat.leave(where))
        gone = {name for name, content in where.changes().items() if content is None}
        for name in parts:
            if "secret" in name or "ratchet" in name:
                self.assertIn(name, gone)

    def test_one_entry_is_enough(self) -> None:
        """The first in the order writes it, the others wait for theirs and need not."""
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.turn(10)
        self.assertEqual(len(said(self.alice, Begin) + said(self.bob, Begin)), 1)

    def test_without_a_connection(self) -> None:
        """It waits for one."""
        self.away(self.carol)
        left = self.carol.chat.leave(room(self.carol))
        self.network.settle()
        self.assertNoResult(left)
        self.network.reachable = True
        self.network.get(left)
        self.agree(self.alice, self.bob)

    def test_connection_breaks(self) -> None:
        """Before the relay has said that it has it: it is said again."""
        self.network.hold(Leaving, to=self.carol)
        self.hold(Commit)
        left = self.carol.chat.leave(room(self.carol))
        self.network.settle()
        self.assertNoResult(left)
        self.network.be_honest()
        self.cut(self.carol)
        self.network.get(left)
        self.network.turn(5)
        self.agree(self.alice, self.bob)

    def test_connection_breaks_and_it_is_removed(self) -> None:
        """The same where the remove has landed meanwhile."""
        self.network.hold(Leaving, to=self.carol)
        self.network.hold(Changed, to=self.carol)
        left = self.carol.chat.leave(room(self.carol))
        self.network.settle()
        self.assertNoResult(left)
        self.network.be_honest()
        self.cut(self.carol)
        self.network.get(left)
        self.agree(self.alice, self.bob)

    def test_cancelled(self) -> None:
        """What was not said is not said any more."""
        self.away(self.carol)
        left = self.carol.chat.leave(room(self.carol))
        left.cancel()
        self.failureResultOf(left, CancelledError)
        self.back(self.carol)
        self.agree(self.alice, self.bob, self.carol)

    def test_closed(self) -> None:
        """Who closes the client before has not left."""
        self.away(self.carol)
        left = self.carol.chat.leave(room(self.carol))
        self.network.get(self.carol.chat.close())
        self.fails(left, NotConnected)

    def test_refused(self) -> None:
        """Whoever waits is told, and may try again."""
        self.network.hold(Leave, by=self.carol)
        left = self.carol.chat.leave(room(self.carol))
        self.network.settle()
        where = subject(room(self.carol).id)
        self.network.tell(self.carol, ErrorLine(Code.BUSY, subject(bytes(32)), "not this"))
        self.assertNoResult(left)
        self.network.tell(self.carol, ErrorLine(Code.BUSY, where, "not now"))
        self.fails(left, RelayBusy)
        self.network.be_honest()
        self.network.get(self.carol.chat.leave(room(self.carol)))

    def test_what_waits_is_not_sent(self) -> None:
        """Who leaves learns that nobody will read it."""
        self.network.hold(Send, by=self.carol)
        sent = self.carol.chat.send(room(self.carol), "wait")
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.fails(sent, HasLeft)

    def test_everybody(self) -> None:
        """When all have left the relay drops the room, and nobody hears of errors."""
        for person in (self.bob, self.carol, self.alice):
            self.network.get(person.chat.leave(room(person)))
        self.network.settle()
        for person in self.people:
            self.assertEqual(person.heard(Refusal), [])
            self.assertEqual(person.chat.rooms, ())
        dave = self.network.client("dave")
        self.network.get(dave.chat.found(LABEL))

    def test_everybody_while_one_is_away(self) -> None:
        """The room is gone when the last one asks whether it has left: it has."""
        self.network.hold(Leaving, to=self.carol)
        left = self.carol.chat.leave(room(self.carol))
        self.network.hold(ErrorLine, to=self.carol)
        self.network.hold(Changed, to=self.carol)
        self.hold(Commit)
        self.network.settle()
        for person in (self.alice, self.bob):
            self.network.get(person.chat.leave(room(person)))
        self.network.settle()
        self.network.be_honest()
        self.assertNoResult(left)
        self.cut(self.carol)
        self.network.get(left)

    def test_during_an_own_change(self) -> None:
        """The leave waits for it, since a new leaf key would make it void."""
        held = self.network.hold(Commit, by=self.carol)
        renewed = self.carol.chat.renew(room(self.carol))
        self.network.settle()
        left = self.carol.chat.leave(room(self.carol))
        self.network.settle()
        self.assertEqual(said(self.carol, Leave), [])
        about = subject(room(self.carol).id)
        self.network.tell(self.carol, ErrorLine(Code.FORK, about, "which nobody asked for"))
        self.assertNoResult(left)
        self.network.be_honest()
        self.release(self.carol, held)
        self.successResultOf(renewed)
        self.successResultOf(left)
        self.network.settle()
        self.agree(self.alice, self.bob)

    def test_leaving_that_is_a_lie(self) -> None:
        """A leave that its member did not sign is an alarm, and stops nobody."""
        where = room(self.bob)
        lie = Leaving(where.id, self.carol.fingerprint, bytes(64))
        self.network.tell(self.bob, lie)
        self.assertEqual(len(self.bob.heard(Alarm)), 1)
        self.network.speak(self.bob, "still here?")
        self.network.tell(self.carol, Leaving(where.id, self.carol.fingerprint, bytes(64)))
        self.assertEqual(self.carol.chat.rooms, (room(self.carol),))


class HoldTests(ChangesCase):
    """Nobody sends between a departure and the new keys."""

    def test_who_has_something_to_say_does_not_wait(self) -> None:
        """It makes the new keys itself, at once, and says it under them."""
        self.network.hold(Online)  # nobody knows whose turn it is
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.settle()
        sent = self.bob.chat.send(room(self.bob), "she is gone")
        self.assertEqual(said(self.bob, Send), [])
        self.network.settle()
        self.successResultOf(sent)
        self.assertEqual(len(said(self.bob, Commit)), 1)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "she is gone")])
        self.assertEqual(self.carol.heard(Message), [])

    def test_in_order(self) -> None:
        """What waits goes out in the order in which it was said."""
        self.network.hold(Online)
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.settle()
        sent = [self.bob.chat.send(room(self.bob), text) for text in ("one", "two", "three")]
        self.network.settle()
        for each in sent:
            self.successResultOf(each)
        self.assertEqual([text for _, text in texts(self.alice)], ["one", "two", "three"])

    def test_no_heartbeats(self) -> None:
        """Heartbeats are left out meanwhile, and that is no sign of a dead connection."""
        self.hold(Begin)
        self.network.hold(Online)
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.turn(9)
        self.assertEqual(said(self.bob, Send), [])
        self.network.be_honest()

    def test_a_sign_of_life(self) -> None:
        """Nevertheless the relay hears of everybody in that time."""
        self.network.hold(Changed)
        self.hold(Begin)
        self.network.get(self.carol.chat.leave(room(self.carol)))
        before = len(said(self.bob, Who))
        self.network.turn(70)
        self.assertEqual(said(self.bob, Send), [])
        self.assertGreater(len(said(self.bob, Who)), before)

    def test_everybody_else_is_away(self) -> None:
        """The leaver has gone before anybody was there: who comes back first sees to it."""
        self.vanish(self.bob)
        self.away(self.alice)
        self.network.reachable = False
        self.network.get(self.carol.chat.leave(room(self.carol)))
        sent = self.alice.chat.send(room(self.alice), "anybody here?")
        self.network.reachable = True
        self.network.get(sent)
        (gone,) = self.alice.heard(MemberRemoved)
        self.assertEqual(gone.member, self.carol.fingerprint)
        self.assertEqual(texts(self.carol), [])


class KeptHoldTests(HoldTests):
    """The same where everything is stored before it is said."""

    keeps = True


class TurnTests(ChangesCase):
    """Who acts, and when."""

    names = ("alice", "bob", "carol", "dave")

    def setUp(self) -> None:
        super().setUp()
        (self.dave,) = self.people[3:]
        head = room(self.alice).place.head
        remain = (self.alice, self.bob, self.carol)
        self.order = sorted(remain, key=lambda each: digest("pick", head, each.fingerprint))

    def leave(self) -> None:
        """Let Dave leave."""
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.network.settle()

    def begun(self) -> list[Person]:
        """Return who has begun to remove him."""
        return [each for each in self.order if said(each, Begin)]

    def test_first(self) -> None:
        """The first in the order acts at once."""
        self.leave()
        self.assertEqual(self.begun(), self.order[:1])
        self.agree(*self.order)

    def test_first_dies_after_begin(self) -> None:
        """The second acts two seconds after, the third after four."""
        self.network.hold(Commit, by=self.order[0])
        self.network.hold(Commit, by=self.order[1])
        self.leave()
        self.vanish(self.order[0])
        self.network.turn(1.5)
        self.assertEqual(self.begun(), self.order[:1])
        self.network.turn(0.75)
        self.assertEqual(self.begun(), self.order[:2])
        self.vanish(self.order[1])
        self.network.turn(2)
        self.assertEqual(self.begun(), self.order)
        self.assertEqual(len(self.order[2].heard(MemberRemoved)), 1)

    def test_first_dies_after_commit(self) -> None:
        """It has landed, though its author does not hear of it: nobody else acts."""
        self.network.hold(Changed, to=self.order[0])
        self.leave()
        self.network.be_honest()
        self.cut(self.order[0])
        self.network.turn(10)
        self.assertEqual(self.begun(), self.order[:1])
        self.agree(*self.order)

    def test_another_entry_comes_first(self) -> None:
        """The order is made anew on the new head, and one removes him."""
        self.network.hold(Commit, by=self.order[0])
        self.leave()
        self.network.be_honest()
        self.network.get(self.order[2].chat.renew(room(self.order[2])))
        self.network.turn(10)
        self.agree(*self.order)

    def test_relay_says_that_all_are_online(self) -> None:
        """Who is not there is waited for, until the next one's turn."""
        absent = self.order[0]
        self.vanish(absent)
        self.network.change(Online, rows=b"\xff")
        self.leave()
        self.assertEqual(self.begun(), [])
        self.network.turn(3)
        self.assertEqual(self.begun(), self.order[1:2])

    def test_relay_says_that_nobody_is_online(self) -> None:
        """Everybody does it, and the first at the relay has done it."""
        self.network.change(Online, rows=b"\x00")
        self.leave()
        self.network.settle()
        self.agree(*self.order)

    def test_relay_does_not_say_who_is_online(self) -> None:
        """Then nobody waits for it longer than ten seconds."""
        self.network.hold(Online)
        self.leave()
        self.network.turn(9)
        self.assertEqual(self.begun(), [])
        self.network.turn(2)
        self.assertNotEqual(self.begun(), [])
        self.network.settle()
        self.agree(*self.order)

    def test_relay_refuses(self) -> None:
        """It is told, and tried again after a minute."""
        first = self.order[0]
        self.network.hold(Begin, by=first)
        for other in self.order[1:]:
            self.vanish(other)
        self.leave()
        where = subject(room(first).id)
        self.network.tell(first, ErrorLine(Code.BUSY, where, "too often"))
        (refusal,) = first.heard(Refusal)
        self.assertIsInstance(refusal.why, RelayBusy)
        self.network.be_honest()
        self.network.turn(50, step=1)
        self.assertEqual(first.heard(MemberRemoved), [])
        self.network.turn(15, step=1)
        self.assertEqual(len(first.heard(MemberRemoved)), 1)

    def test_relay_refuses_and_the_connection_breaks(self) -> None:
        """It is tried again on the next connection."""
        first = self.order[0]
        self.network.hold(Begin, by=first)
        for other in self.order[1:]:
            self.vanish(other)
        self.leave()
        where = subject(room(first).id)
        self.network.tell(first, ErrorLine(Code.ENTRY, where, "because"))
        self.network.be_honest()
        self.cut(first)
        self.network.turn(10)
        self.assertEqual(len(first.heard(MemberRemoved)), 1)

    def test_comes_back_before(self) -> None:
        """Who leaves and joins again at once is removed, then let in anew."""
        self.network.hold(Online)
        self.hold(Begin)
        self.leave()
        joined = self.dave.chat.join(LABEL)
        self.network.settle()
        self.assertNoResult(joined)
        self.network.be_honest()
        self.network.turn(15)
        self.network.get(joined)
        self.agree(*self.order, self.dave)

    def test_two_leave(self) -> None:
        """One entry removes both."""
        held = self.network.hold(Online)
        for person in (self.dave, self.carol):
            self.network.get(person.chat.leave(room(person)))
        self.network.settle()
        self.assertTrue(held)
        self.network.be_honest()
        self.network.turn(11)
        self.assertEqual(len(self.alice.heard(MemberRemoved)), 2)
        (_,) = heard(self.alice, Changed)
        self.agree(self.alice, self.bob)

    def test_kick_takes_the_leavers_along(self) -> None:
        """So that there is one entry, not two."""
        self.network.hold(Online)
        self.leave()
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        gone = {each.member: each.why for each in self.bob.heard(MemberRemoved)}
        self.assertEqual(
            gone, {self.carol.fingerprint: Why.KICKED, self.dave.fingerprint: Why.LEFT}
        )
        (_,) = heard(self.bob, Changed)


class KeptTurnTests(TurnTests):
    """The same where everything is stored before it is said."""

    keeps = True


class RevokedTests(ChangesCase):
    """Whose identity is revoked is removed by whoever knows."""

    def revoke(self, person: Person, by: Person) -> None:
        """Let *by* learn that the identity of *person* is revoked."""
        by.trusted.revoke(revocation(person.identity), WRITTEN)

    def test_revoked(self) -> None:
        """By a member who knows, whatever office it has, on the evidence of the certificate."""
        self.revoke(self.alice, self.bob)
        self.network.turn(130, step=1)
        (gone,) = self.carol.heard(MemberRemoved)
        self.assertEqual(
            (gone.member, gone.by, gone.why),
            (self.alice.fingerprint, self.bob.fingerprint, Why.REVOKED),
        )
        (removed,) = self.alice.heard(Removed)
        self.assertEqual(removed.why, Why.REVOKED)
        self.agree(self.bob, self.carol)

    def test_revoked_while_it_leaves(self) -> None:
        """It has left: that is evidence enough."""
        self.revoke(self.carol, self.bob)
        self.network.hold(Online)
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.turn(15)
        (gone,) = self.alice.heard(MemberRemoved)
        self.assertEqual(gone.why, Why.LEFT)


class OnlineTests(ChangesCase):
    """`ChatClient.online`."""

    def test_online(self) -> None:
        """Those who are connected and have resumed."""
        self.vanish(self.carol)
        online = self.network.get(self.alice.chat.online(room(self.alice)))
        self.assertEqual(online, {self.alice.fingerprint, self.bob.fingerprint})

    def test_twice(self) -> None:
        """Is asked once."""
        both = [self.alice.chat.online(room(self.alice)) for _ in range(2)]
        self.network.settle()
        self.assertEqual(len({self.successResultOf(each) for each in both}), 1)
        self.assertEqual(len(said(self.alice, Who)), 1)

    def test_not_connected(self) -> None:
        """There is nobody to ask."""
        self.cut(self.alice)
        self.fails(self.alice.chat.online(room(self.alice)), NotConnected)
        self.fails(self.alice.chat.online(room(self.bob)), NotConnected)

    def test_connection_breaks(self) -> None:
        """Who asked is told."""
        self.network.hold(Online, to=self.alice)
        asked = self.alice.chat.online(room(self.alice))
        self.network.settle()
        self.cut(self.alice)
        (lost,) = self.alice.heard(Disconnected)
        self.fails(asked, type(lost.why))

    def test_about_another_roster(self) -> None:
        """It is asked again a second later."""
        place = room(self.alice).place
        self.network.change(Online, to=self.alice, epoch=place.epoch + 1)
        asked = self.alice.chat.online(room(self.alice))
        self.network.settle()
        self.assertNoResult(asked)
        self.network.be_honest()
        self.network.turn(1)
        self.assertEqual(len(self.successResultOf(asked)), 3)

    def test_about_another_roster_and_the_connection_breaks(self) -> None:
        """Nothing is asked any more."""
        place = room(self.alice).place
        self.network.change(Online, to=self.alice, epoch=place.epoch + 1)
        asked = self.alice.chat.online(room(self.alice))
        asked.addErrback(lambda _: None)
        self.network.settle()
        self.vanish(self.alice)
        self.network.turn(5)
        self.assertEqual(len(said(self.alice, Who)), 1)

    def test_nobody_asked(self) -> None:
        """What the relay says without reason changes nothing."""
        place = room(self.alice).place
        self.network.tell(self.alice, Online(place.room, place.epoch, b"\x00"))
        self.assertEqual(len(self.network.get(self.alice.chat.online(room(self.alice)))), 3)
