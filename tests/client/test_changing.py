"""Tests of `securechat.client.changing` and `intents`: changes of a room, and their races."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from securechat.client import changing
from securechat.client.events import Disconnected, Refusal
from securechat.client.refusals import subject
from securechat.errors import (
    EntryRefused,
    MayNotKick,
    MayNotReform,
    NoSuchMember,
    NotAMember,
    NotConnected,
    RelayBusy,
    RelayRefused,
    RelaySilent,
)
from securechat.group.detail import Why
from securechat.group.events import KeysLost, KeysRenewed, MemberRemoved, Reformed, Removed
from securechat.group.roster import Policy, Vouchers
from securechat.relay import lookup
from securechat.testing import Person
from securechat.wire import (
    AddUser,
    Begin,
    Changed,
    Code,
    Commit,
    ErrorLine,
    FrameLine,
    LeafKeys,
    Leaves,
    Overtaken,
    Send,
    Slice,
    Slices,
    serialise,
)
from tests.adversary.kit import LABEL, heard, room, said, texts
from tests.client.changes import ChangesCase


class KickTests(ChangesCase):
    """`ChatClient.kick`."""

    def test_kicked(self) -> None:
        """Everybody is told by whom, the others go on with new keys, and the one is out."""
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        self.network.settle()
        for person in (self.alice, self.bob):
            (gone,) = person.heard(MemberRemoved)
            self.assertEqual(
                (gone.member, gone.by, gone.why),
                (self.carol.fingerprint, self.alice.fingerprint, Why.KICKED),
            )
        self.assertEqual(self.carol.chat.rooms, ())
        self.agree(self.alice, self.bob)

    def test_several(self) -> None:
        """By one entry."""
        both = (self.bob.fingerprint, self.carol.fingerprint)
        self.network.get(self.alice.chat.kick(room(self.alice), *both))
        self.assertEqual(len(said(self.alice, Commit)), 1)
        self.agree(self.alice)

    def test_not_allowed(self) -> None:
        """A member who is neither owner nor moderator is told so, and says nothing."""
        kicked = self.bob.chat.kick(room(self.bob), self.carol.fingerprint)
        self.assertIn("#lobby", self.fails(kicked, MayNotKick))
        self.assertEqual(said(self.bob, Leaves), [])

    def test_nobody_of_that_name(self) -> None:
        """Who is no member cannot be removed."""
        kicked = self.alice.chat.kick(room(self.alice), bytes(32))
        self.fails(kicked, NoSuchMember)

    def test_oneself(self) -> None:
        """Who wants to go leaves."""
        kicked = self.alice.chat.kick(room(self.alice), self.alice.fingerprint)
        self.network.settle()
        self.assertIn("removes itself", self.fails(kicked, EntryRefused))

    def test_while_away(self) -> None:
        """Who was kicked while away is told when it is back, by whom and why."""
        self.away(self.carol)
        where = room(self.carol)
        waiting = self.carol.chat.send(where, "am I still in?")
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        self.network.reachable = True
        self.network.turn(10)
        (removed,) = self.carol.heard(Removed)
        self.assertEqual((removed.by, removed.why), (self.alice.fingerprint, Why.KICKED))
        self.assertIn("owners and moderators", self.fails(waiting, NotAMember))
        self.assertRaises(NotAMember, self.carol.chat.send, where, "and now?")
        self.fails(self.carol.chat.resume(where), NotAMember)
        self.assertEqual(self.carol.chat.rooms, ())
        self.agree(self.alice, self.bob)

    def test_without_a_connection(self) -> None:
        """It waits for one."""
        self.away(self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        self.assertNoResult(kicked)
        self.network.reachable = True
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_cancelled_before(self) -> None:
        """What has not been sent is not done."""
        self.away(self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        kicked.cancel()
        self.failureResultOf(kicked, CancelledError)
        self.back(self.alice)
        self.agree(self.alice, self.bob, self.carol)

    def test_cancelled_on_its_way(self) -> None:
        """What has not been committed is not done, and the next change is."""
        self.network.hold(LeafKeys, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        renewed = self.alice.chat.renew(room(self.alice))
        self.network.settle()
        self.network.be_honest()
        kicked.cancel()
        self.failureResultOf(kicked, CancelledError)
        self.network.get(renewed)
        self.agree(self.alice, self.bob, self.carol)

    def test_closed(self) -> None:
        """Who closes the client is told that nothing became of it."""
        self.away(self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.get(self.alice.chat.close())
        self.fails(kicked, NotConnected)

    def test_twice(self) -> None:
        """Both who asked for the same are told, and one entry is written."""
        kicks = [self.alice.chat.kick(room(self.alice), self.carol.fingerprint) for _ in range(2)]
        self.network.settle()
        for each in kicks:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(len(said(self.alice, Commit)), 1)


class ReformTests(ChangesCase):
    """`ChatClient.reform`."""

    def test_reformed(self) -> None:
        """Everybody hears what the rules are; what is not named stays."""
        policy = Policy(vouchers=Vouchers.MODERATORS)
        self.network.get(
            self.alice.chat.reform(
                room(self.alice), policy=policy, moderators=[self.bob.fingerprint]
            )
        )
        self.network.settle()
        (reformed,) = self.carol.heard(Reformed)
        self.assertEqual(
            (reformed.by, reformed.policy, reformed.owners, reformed.moderators),
            (self.alice.fingerprint, policy, (self.alice.fingerprint,), (self.bob.fingerprint,)),
        )
        self.assertEqual(said(self.alice, Leaves) + said(self.alice, Slices), [])
        self.agree(self.alice, self.bob, self.carol)

    def test_not_allowed(self) -> None:
        """Who is no owner is told so."""
        self.fails(self.bob.chat.reform(room(self.bob), policy=Policy()), MayNotReform)

    def test_against_the_rules(self) -> None:
        """What no member would accept is not sent."""
        reformed = self.alice.chat.reform(room(self.alice), owners=[bytes(32)])
        self.fails(reformed, EntryRefused)
        self.assertEqual(said(self.alice, Begin), [])

    def test_nothing_new(self) -> None:
        """What is so already is done at once."""
        reformed = self.alice.chat.reform(room(self.alice), owners=[self.alice.fingerprint])
        self.assertIsNone(self.successResultOf(reformed))
        self.assertEqual(said(self.alice, Begin), [])

    def test_right_lost_meanwhile(self) -> None:
        """Who is an owner no more when its turn comes is told so."""
        where = room(self.alice)
        self.network.get(
            self.alice.chat.reform(where, owners=[self.alice.fingerprint, self.bob.fingerprint])
        )
        held = self.network.hold(Commit, by=self.bob)
        reformed = self.bob.chat.reform(room(self.bob), policy=Policy(rounds=3))
        self.network.settle()
        self.assertEqual(len(held), 1)
        self.network.get(self.alice.chat.reform(where, owners=[self.alice.fingerprint]))
        self.network.settle()
        self.fails(reformed, MayNotReform)
        self.agree(self.alice, self.bob, self.carol)


class RenewTests(ChangesCase):
    """`ChatClient.renew`."""

    def test_renewed(self) -> None:
        """The own leaf key is new, and everybody is told."""
        where = room(self.bob)
        before = where.leaf_epoch
        self.network.get(self.bob.chat.renew(where))
        self.network.settle()
        self.assertGreater(where.leaf_epoch, before)
        (renewed,) = self.carol.heard(KeysRenewed)
        self.assertEqual(renewed.member, self.bob.fingerprint)
        self.agree(self.alice, self.bob, self.carol)

    def test_too_often(self) -> None:
        """The relay takes one an hour of a member, and says so."""
        self.network.get(self.bob.chat.renew(room(self.bob)))
        renewed = self.bob.chat.renew(room(self.bob))
        self.network.settle()
        self.assertIn("lately", self.fails(renewed, RelayBusy))
        self.agree(self.alice, self.bob, self.carol)

    def test_all_at_once(self) -> None:
        """Each is overtaken until it is its turn, and all get through."""
        people = (self.alice, self.bob, self.carol)
        renewals = [person.chat.renew(room(person)) for person in people]
        self.network.settle()
        for each in renewals:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(len(self.alice.heard(KeysRenewed)), 3)
        self.agree(*people)


class LinesTests(ChangesCase):
    """How a change travels."""

    names = ("alice", "bob", "carol", "dave", "erin")

    def setUp(self) -> None:
        super().setUp()
        self.dave, self.erin = self.people[3:]

    def test_in_parts(self) -> None:
        """Leaf keys come in pages, slices go in lines, one in each turn of the reactor."""
        self.patch(changing, "SLICES_A_LINE", 2)
        self.patch(lookup, "LEAF_KEYS", 2)
        self.network.get(self.alice.chat.kick(room(self.alice), self.erin.fingerprint))
        self.assertEqual([line.first for line in said(self.alice, Leaves)], [0, 2, 4])
        self.assertEqual([line.first for line in said(self.alice, Slices)], [0, 2])
        self.agree(self.alice, self.bob, self.carol, self.dave)

    def test_a_turn_for_each_line(self) -> None:
        """Between two lines of slices the reactor does what else there is to do."""
        self.patch(changing, "SLICES_A_LINE", 2)
        pages = self.network.hold(LeafKeys, to=self.alice)
        self.alice.chat.kick(room(self.alice), self.erin.fingerprint)
        self.network.settle()
        self.network.be_honest()
        self.network.wire(self.alice).client.dataReceived(serialise(pages[0]) + b"\r\n")
        self.assertEqual((len(said(self.alice, Slices)), said(self.alice, Commit)), (1, []))
        self.network.clock.advance(0)
        self.assertEqual((len(said(self.alice, Slices)), len(said(self.alice, Commit))), (2, 1))

    def test_another_is_fulfilled_meanwhile(self) -> None:
        """What others have made true is not waited for."""
        where = room(self.alice)
        self.network.get(
            self.alice.chat.reform(where, owners=[self.alice.fingerprint, self.bob.fingerprint])
        )
        self.network.hold(Commit, by=self.alice)
        kicks = [self.alice.chat.kick(where, each.fingerprint) for each in (self.dave, self.erin)]
        self.network.settle()
        self.network.get(self.bob.chat.kick(room(self.bob), self.erin.fingerprint))
        self.network.settle()
        self.assertNoResult(kicks[0])
        self.assertIsNone(self.successResultOf(kicks[1]))
        self.network.be_honest()
        self.cut(self.alice)
        self.network.get(kicks[0])
        self.agree(self.alice, self.bob, self.carol)

    def test_leaf_keys_are_asked_for_once(self) -> None:
        """Where another entry comes first, only keys that are new are fetched again."""
        self.patch(lookup, "LEAF_KEYS", 2)
        held = self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.erin.fingerprint)
        self.network.settle()
        self.network.be_honest()
        self.assertEqual(len(held), 1)
        self.network.get(self.dave.chat.renew(room(self.dave)))
        self.network.get(kicked)
        self.assertEqual([line.first for line in said(self.alice, Leaves)], [0, 2, 4, 3])
        self.agree(self.alice, self.bob, self.carol, self.dave)

    def test_two_rooms(self) -> None:
        """A connection has one change on its way, whatever room it is in."""
        self.network.get(self.alice.chat.found("attic"))
        self.network.get(self.bob.chat.join("attic"))
        attic = room(self.alice, "attic")
        changes = [
            self.alice.chat.kick(room(self.alice), self.erin.fingerprint),
            self.alice.chat.kick(attic, self.bob.fingerprint),
            self.alice.chat.reform(attic, policy=Policy(rounds=3)),
        ]
        self.network.settle()
        for each in changes:
            self.assertIsNone(self.successResultOf(each))
        self.agree(self.alice, self.bob, self.carol, self.dave)

    def test_what_is_said_meanwhile(self) -> None:
        """Waits for the entry, and goes out under the new keys."""
        held = self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.erin.fingerprint)
        self.network.settle()
        self.network.speak(self.bob, "who is next?")
        sent = self.alice.chat.send(room(self.alice), "nobody")
        self.network.settle()
        self.assertEqual(said(self.alice, Send), [])
        self.release(self.alice, held)
        self.successResultOf(kicked)
        self.successResultOf(sent)
        self.assertEqual(texts(self.carol)[-1], (self.alice.fingerprint, "nobody"))
        self.assertEqual(texts(self.erin), [(self.bob.fingerprint, "who is next?")])
        self.agree(self.alice, self.bob, self.carol, self.dave)

    def test_what_is_said_meanwhile_and_it_fails(self) -> None:
        """Goes out then."""
        held = self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.erin.fingerprint)
        self.network.settle()
        self.assertEqual(len(held), 1)
        sent = self.alice.chat.send(room(self.alice), "hello")
        self.network.settle()
        self.assertNoResult(sent)
        where = subject(room(self.alice).id)
        self.network.tell(self.alice, ErrorLine(Code.ENTRY, where, "because"))
        self.assertIn("because", self.fails(kicked, RelayRefused))
        self.successResultOf(sent)


class RaceTests(ChangesCase):
    """Whatever comes first, all agree in the end."""

    names = ("alice", "bob", "carol", "dave")

    def setUp(self) -> None:
        super().setUp()
        (self.dave,) = self.people[3:]
        self.erin = self.network.client("erin", trusts=self.people)
        for person in self.people:
            person.trust(self.erin)
        self.network.get(
            self.alice.chat.reform(
                room(self.alice), owners=[self.alice.fingerprint, self.bob.fingerprint]
            )
        )
        self.network.greet(*self.people)

    def test_two_removes_at_once(self) -> None:
        """The first at the relay wins, and the other is made again on top of it."""
        one = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        two = self.bob.chat.kick(room(self.bob), self.dave.fingerprint)
        self.network.settle()
        for each in (one, two):
            self.assertIsNone(self.successResultOf(each))
        self.agree(self.alice, self.bob)

    def test_who_is_told_cancels_another(self) -> None:
        """Who is told that something is done may cancel what is done at the same time."""
        held = self.network.hold(Commit, by=self.alice)
        where = room(self.alice)
        one = self.alice.chat.kick(where, self.carol.fingerprint)
        two = self.alice.chat.kick(where, self.carol.fingerprint, self.dave.fingerprint)
        one.addCallback(lambda _: two.cancel())
        self.network.settle()
        self.assertEqual(len(held), 1)
        both = (self.carol.fingerprint, self.dave.fingerprint)
        self.network.get(self.bob.chat.kick(room(self.bob), *both))
        self.network.settle()
        self.failureResultOf(two, CancelledError)
        self.agree(self.alice, self.bob)

    def test_two_removes_of_the_same(self) -> None:
        """Whoever is overtaken has what it wanted, and writes nothing more."""
        one = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        two = self.bob.chat.kick(room(self.bob), self.carol.fingerprint)
        self.network.settle()
        for each in (one, two):
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(len(self.dave.heard(MemberRemoved)), 1)
        self.agree(self.alice, self.bob, self.dave)

    def test_each_other(self) -> None:
        """Of two owners who kick each other, one stays."""
        one = self.alice.chat.kick(room(self.alice), self.bob.fingerprint)
        two = self.bob.chat.kick(room(self.bob), self.alice.fingerprint)
        one.addErrback(lambda _: None)
        two.addErrback(lambda reason: reason.trap(NotAMember))
        self.network.settle()
        stays = [person for person in (self.alice, self.bob) if person.chat.rooms]
        self.assertEqual(len(stays), 1)
        self.agree(*stays, self.carol, self.dave)

    def test_remove_after_add(self) -> None:
        """Somebody is added meanwhile: the remove is made again, for the newcomer too."""
        held = self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.dave.fingerprint)
        self.network.settle()
        self.assertEqual(len(held), 1)
        self.network.be_honest()
        self.network.get(self.erin.chat.join(LABEL))
        self.network.get(kicked)
        self.agree(self.alice, self.bob, self.carol, self.erin)

    def test_add_after_remove(self) -> None:
        """Somebody is removed while an add is on its way: the voucher hands over the newer key."""
        held = self.hold(AddUser)
        joined = self.erin.chat.join(LABEL)
        self.network.turn(3)
        (add,) = held
        self.network.be_honest()
        voucher = next(each for each in self.people if said(each, AddUser))
        self.network.get(self.alice.chat.kick(room(self.alice), self.dave.fingerprint))
        self.release(voucher, [add])
        self.network.get(joined)
        self.agree(self.alice, self.bob, self.carol, self.erin)

    def test_voucher_is_removed(self) -> None:
        """Before its entry lands: somebody else vouches."""
        joined = self.erin.chat.join(LABEL)
        held = self.hold(AddUser)
        self.network.turn(3)
        self.assertEqual(len(held), 1)
        self.network.be_honest()
        voucher = next(each for each in self.people if said(each, AddUser))
        other = self.bob if voucher is self.alice else self.alice
        self.network.get(other.chat.kick(room(other), voucher.fingerprint))
        self.network.get(joined)
        remain = [each for each in self.people if each is not voucher]
        self.agree(*remain, self.erin)

    def test_author_goes_before_commit(self) -> None:
        """What was begun goes with the connection, and is made again on the next one."""
        held = self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.dave.fingerprint)
        self.network.settle()
        self.assertEqual(len(held), 1)
        self.network.be_honest()
        self.cut(self.alice)
        self.network.get(kicked)
        self.assertEqual(len(said(self.alice, Begin)), 2)
        self.agree(self.alice, self.bob, self.carol)

    def test_author_goes_before_it_hears(self) -> None:
        """The entry has landed: it comes with the resume, and nothing is written twice."""
        self.network.hold(Changed, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.dave.fingerprint)
        self.network.settle()
        self.assertNoResult(kicked)
        self.network.be_honest()
        self.cut(self.alice)
        self.network.get(kicked)
        self.assertEqual(len(said(self.alice, Begin)), 1)
        self.agree(self.alice, self.bob, self.carol)

    def test_updates_and_a_remove(self) -> None:
        """All of it happens, in one order for everybody."""
        changes = [
            self.carol.chat.renew(room(self.carol)),
            self.alice.chat.kick(room(self.alice), self.dave.fingerprint),
            self.bob.chat.renew(room(self.bob)),
        ]
        self.network.settle()
        for each in changes:
            self.assertIsNone(self.successResultOf(each))
        self.agree(self.alice, self.bob, self.carol)

    def test_update_of_who_is_removed(self) -> None:
        """Its own change ends with it."""
        self.network.hold(Commit, by=self.dave)
        renewed = self.dave.chat.renew(room(self.dave))
        self.network.settle()
        self.network.get(self.alice.chat.kick(room(self.alice), self.dave.fingerprint))
        self.network.settle()
        self.fails(renewed, NotAMember)
        self.agree(self.alice, self.bob, self.carol)


class KeptRaceTests(RaceTests):
    """The same where everything is stored before it is said."""

    keeps = True


class RelayTests(ChangesCase):
    """What a relay that lies, or says nothing, can do to a change."""

    def lost(self, person: Person) -> RelaySilent:
        """Return why the connection of *person* was given up."""
        (lost,) = person.heard(Disconnected)
        assert isinstance(lost.why, RelaySilent)
        return lost.why

    def test_no_leaf_keys(self) -> None:
        """Nobody is cut off for that: the connection is given up, and the next one tries again."""
        self.network.hold(LeafKeys, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.turn(9)
        self.assertEqual(self.alice.heard(Disconnected), [])
        self.network.turn(2)
        self.assertIn("10 seconds", str(self.lost(self.alice)))
        self.network.be_honest()
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_wrong_leaf_keys(self) -> None:
        """Who has another key than the roster says cannot follow; nothing is sealed to that key."""
        wrong = bytes(1216)

        def swap(line: LeafKeys) -> list[LeafKeys]:
            number = room(self.alice).log.membership.index[self.bob.fingerprint]
            keys = bytearray(line.keys)
            keys[number * 1216 : (number + 1) * 1216] = wrong
            return [LeafKeys(line.room, line.epoch, line.first, bytes(keys))]

        self.network.lie(LeafKeys, swap, to=self.alice)
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        self.network.settle()
        (lost,) = self.bob.heard(KeysLost)
        self.assertEqual(lost.by, self.alice.fingerprint)

    def test_leaf_keys_that_nobody_asked_for(self) -> None:
        """Are not looked at."""
        place = room(self.alice).place
        self.network.tell(self.alice, LeafKeys(place.room, place.epoch, 0, b"junk"))
        self.network.hold(LeafKeys, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        self.network.tell(
            self.alice,
            LeafKeys(place.room, place.epoch + 1, 0, b"junk"),
            LeafKeys(place.room, place.epoch, 1, b"junk"),
        )
        self.assertNoResult(kicked)
        self.assertEqual(said(self.alice, Begin), [])

    def test_leaf_keys_of_an_older_roster(self) -> None:
        """They were asked for before an entry came, and are not taken for those of the new one."""
        pages = self.network.hold(LeafKeys, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.network.settle()
        older, newer = pages
        self.assertLess(older.epoch, newer.epoch)
        self.network.be_honest()
        self.network.tell(self.alice, older)
        self.assertEqual(said(self.alice, Begin), [])
        self.network.tell(self.alice, newer)
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_leaf_keys_are_gone(self) -> None:
        """They are those of a newer roster, whose entry has to come; else the relay is silent."""
        self.network.hold(Leaves, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        where = subject(room(self.alice).id)
        self.network.tell(self.alice, ErrorLine(Code.GONE, where, "no such rows"))
        self.network.turn(30)
        self.assertNoResult(kicked)
        self.network.be_honest()
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_leaf_keys_are_gone_and_asked_for_anew(self) -> None:
        """The entry came before the answer, which is not taken for one to the next question."""
        asked = self.network.hold(Leaves, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.network.be_honest()
        self.assertEqual(len(asked), 2)
        self.release(self.alice, asked)
        self.assertIn(Code.GONE, [each.code for each in heard(self.alice, ErrorLine)])
        self.network.get(kicked)
        self.assertEqual(self.alice.heard(Disconnected), [])
        self.agree(self.alice, self.bob)

    def test_leaf_keys_are_gone_and_not_wanted(self) -> None:
        """Nobody is told of an answer to what was given up."""
        asked = self.network.hold(Leaves, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        kicked.cancel()
        self.failureResultOf(kicked, CancelledError)
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.network.be_honest()
        self.release(self.alice, asked)
        self.network.settle()
        self.assertIn(Code.GONE, [each.code for each in heard(self.alice, ErrorLine)])
        self.assertEqual(self.alice.heard(Refusal), [])
        self.agree(self.alice, self.bob, self.carol)

    def test_took_too_long(self) -> None:
        """The relay forgets what takes too long, and says so."""
        self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.turn(31)
        self.assertIn("too long", self.fails(kicked, RelayRefused))
        self.network.be_honest()
        self.agree(self.alice, self.bob, self.carol)

    def test_commit_is_not_answered(self) -> None:
        """The connection is given up, and the stream decides."""
        self.network.hold(Changed, to=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.turn(61)
        self.assertIn("60 seconds", str(self.lost(self.alice)))
        self.network.be_honest()
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_overtaken_by_nothing(self) -> None:
        """An entry that does not come is a relay that does not answer."""
        self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        where = room(self.alice)
        self.network.tell(self.alice, Overtaken(where.id, where.place.head))
        self.assertNoResult(kicked)
        self.network.tell(self.alice, Overtaken(where.id, bytes(32)))
        self.network.be_honest()
        self.network.turn(62)
        self.assertIn("60 seconds", str(self.lost(self.alice)))
        self.network.get(kicked)
        self.agree(self.alice, self.bob)

    def test_overtaken_though_nothing_is_on_its_way(self) -> None:
        """What is said without reason changes nothing."""
        where = room(self.alice)
        self.network.tell(self.alice, Overtaken(where.id, bytes(32)))
        self.network.get(self.alice.chat.kick(where, self.carol.fingerprint))

    def test_errors_about_something_else(self) -> None:
        """Do not end it."""
        self.network.hold(Commit, by=self.alice)
        kicked = self.alice.chat.kick(room(self.alice), self.carol.fingerprint)
        self.network.settle()
        for code, about in (
            (Code.BUSY, subject(bytes(32))),
            (Code.FORK, subject(room(self.alice).id)),
        ):
            self.network.tell(self.alice, ErrorLine(code, about, "because"))
        self.assertNoResult(kicked)

    def test_slice_of_another_entry(self) -> None:
        """A slice is for the next entry of its number only; who has none is stuck."""
        self.network.change(Slice, to=self.bob, seq=1)
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        self.network.settle()
        self.assertEqual(len(self.bob.heard(KeysLost)), 1)

    def test_slice_before_a_message(self) -> None:
        """Is forgotten with it: it belongs to the next item of the stream."""
        slices = self.network.hold(Slice, to=self.bob)
        changes = self.network.hold(Changed, to=self.bob)
        frames = self.network.hold(FrameLine, to=self.bob)
        self.network.speak(self.alice, "hello")
        self.network.get(self.alice.chat.kick(room(self.alice), self.carol.fingerprint))
        self.network.settle()
        self.network.be_honest()
        self.network.tell(self.bob, *slices, *frames, *changes)
        self.assertEqual([text for _, text in texts(self.bob)], ["hello"])
        self.assertEqual(len(self.bob.heard(KeysLost)), 1)
