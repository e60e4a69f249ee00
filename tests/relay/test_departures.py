"""Members who leave, who are removed, and who come back as newcomers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import Reform, Why
from securechat.group.roster import Policy
from securechat.primitives import random_bytes
from securechat.relay.limits import Limits
from securechat.relay.refusal import subject
from securechat.wire import (
    Asked,
    Cancel,
    Changed,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    Leave,
    Leaving,
    Member,
    NewUser,
    Over,
    Queued,
    Resume,
    Resumed,
    Roster,
    Slice,
    UserAdded,
    Who,
)
from tests.relay.clients import Client, Relay, kinds
from tests.relay.stored import StoredHistory


class LeaveTests(SynchronousTestCase):
    """The signed request to be removed."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def test_everybody_is_told(self) -> None:
        """Who leaves, too: it is the receipt."""
        told = Leaving(self.bob.room, self.bob.fingerprint, self.bob.leave())
        for member in self.members:
            self.assertEqual(member.hear(), [told])

    def test_it_is_stored_first(self) -> None:
        """Nobody hears of a request that could still be lost."""
        self.history.slow = True
        self.bob.leave()
        self.bob.leave()
        self.assertEqual([member.hear() for member in self.members], [[], [], []])
        self.history.store()
        self.assertEqual([kinds(member.hear()) for member in self.members], [[Leaving]] * 3)

    def test_who_does_not_wait_for_the_receipt(self) -> None:
        """Has left all the same, and nothing is said to where it was."""
        self.bob.lose()
        bob = self.relay.again(self.bob)
        self.history.slow = True
        bob.leave()
        bob.lose()
        self.history.store()
        self.assertEqual(bob.hear(), [])
        self.assertEqual([kinds(each.hear()) for each in (self.alice, self.carol)], [[Leaving]] * 2)

    def test_once_more(self) -> None:
        """Who lost the receipt gets another; the others are not told again."""
        signature = self.bob.leave()
        for member in self.members:
            member.hear()
        self.bob.leave()
        told = Leaving(self.bob.room, self.bob.fingerprint, signature)
        self.assertEqual([member.hear() for member in self.members], [[], [told], []])

    def test_who_is_not_live_may_leave(self) -> None:
        """It has lost the room's keys, perhaps, and cannot resume."""
        self.bob.lose()
        again = self.relay.again(self.bob)
        again.leave()
        self.assertEqual(kinds(again.hear()), [Leaving])
        self.assertEqual(kinds(self.alice.hear()), [Leaving])

    def test_a_signature_that_does_not_hold(self) -> None:
        """It is over the room and one's own row."""
        self.bob.says(Leave(self.bob.room, self.alice.leave_signature()))
        error = self.bob.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.PROOF, subject(self.bob.room)))
        self.assertEqual(self.alice.hear(), [])

    def test_only_members_leave(self) -> None:
        """A stranger is none."""
        stranger = self.relay.client()
        stranger.says(Leave(self.bob.room, random_bytes(64)))
        self.assertIs(stranger.refused(), Code.NOT_MEMBER)

    def test_who_comes_back_is_told(self) -> None:
        """After the entries that it missed, before the word that this is all."""
        self.carol.lose()
        self.alice.land(self.alice.update())
        self.bob.hear()
        told = Leaving(self.bob.room, self.bob.fingerprint, self.bob.leave())
        again = self.relay.again(self.carol)
        again.resume()
        heard = again.hear()
        self.assertEqual(kinds(heard), [Slice, Changed, Leaving, Resumed])
        self.assertEqual(heard[2], told)

    def test_who_does_not_read_is_told_later(self) -> None:
        """In its place: after what it missed, once."""
        self.alice.connection.pauseProducing()
        self.bob.leave()
        self.carol.says(self.carol.frame())
        self.assertEqual(self.alice.hear(), [])
        self.alice.connection.resumeProducing()
        self.assertEqual(kinds(self.alice.hear()), [FrameLine, Leaving])
        self.carol.says(self.carol.frame())
        self.assertEqual(kinds(self.alice.hear()), [FrameLine])
        self.alice.connection.pauseProducing()
        self.alice.connection.resumeProducing()
        self.assertEqual(self.alice.hear(), [])

    def test_it_ends_with_the_removal(self) -> None:
        """Nobody is told of it any more, and it is stored no longer."""
        self.bob.leave()
        self.alice.hear()
        name = f"leave {self.bob.fingerprint.hex()}"
        self.assertIsNotNone(self.history.value(self.alice.room, name))
        self.alice.land(self.alice.removal(self.bob))
        self.assertIsNone(self.history.value(self.alice.room, name))
        self.carol.lose()
        again = self.relay.again(self.carol)
        again.seq = 4
        again.resume(epoch=3)
        self.assertEqual(kinds(again.hear()), [Resumed])

    def test_it_is_void_with_another_leaf(self) -> None:
        """Who renews its leaf key does not leave, unless it says so again."""
        self.bob.leave()
        self.bob.hear()
        self.bob.land(self.bob.update())
        self.bob.hear()
        self.carol.hear()
        self.carol.resume()
        self.assertEqual(kinds(self.carol.hear()), [Resumed])
        self.bob.leave()
        self.assertEqual(kinds(self.carol.hear()), [Leaving])

    def test_it_is_void_before_it_is_stored(self) -> None:
        """An entry that was committed before may change the row."""
        self.history.slow = True
        self.bob.land(self.bob.update())
        self.bob.leave()
        self.history.store()
        self.assertEqual(kinds(self.bob.hear()), [Slice, Changed])
        self.history.store()  # that it is void
        self.assertIs(self.bob.refused(), Code.PROOF)
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])
        name = f"leave {self.bob.fingerprint.hex()}"
        self.assertIsNone(self.history.value(self.alice.room, name))


class RemovedTests(SynchronousTestCase):
    """Members who are removed, here or away."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def kick(self, member: Client) -> Changed:
        """Have Alice remove *member*; return the line that says so."""
        entry = self.alice.removal(member, why=Why.KICKED)
        self.alice.land(entry)
        changed = self.alice.hear()[-1]
        assert isinstance(changed, Changed)
        return changed

    def test_it_hears_no_more(self) -> None:
        """The entry is the last of the room; and it says nothing there any more."""
        changed = self.kick(self.bob)
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hear(), [changed])
        for line in (
            self.carol.frame(),
            Roster(self.alice.room, 4, 0),
            Who(self.alice.room),
        ):
            self.bob.says(line)
            self.assertIs(self.bob.refused(), Code.NOT_MEMBER)
        self.assertFalse(self.bob.hung_up)
        self.bob.lose()

    def test_it_does_not_read(self) -> None:
        """Then it hears of it when it does, and no more."""
        self.bob.connection.pauseProducing()
        self.alice.says(self.alice.frame())
        self.kick(self.bob)
        self.alice.says(self.alice.frame(n=0))
        self.bob.connection.resumeProducing()
        self.assertEqual(kinds(self.bob.hear()), [FrameLine, Changed])
        self.bob.connection.pauseProducing()
        self.bob.connection.resumeProducing()
        self.assertEqual(self.bob.hear(), [])

    def test_it_goes_before_it_has_read(self) -> None:
        """Nothing is left of it."""
        self.bob.connection.pauseProducing()
        self.kick(self.bob)
        self.bob.lose()
        self.alice.says(Who(self.alice.room))
        self.assertEqual(kinds(self.alice.hear())[-1].__name__, "Online")

    def test_it_is_away(self) -> None:
        """It gets all up to the entry that removed it, and is told."""
        self.bob.lose()
        self.alice.says(self.alice.frame())
        changed = self.kick(self.bob)
        self.alice.says(self.alice.frame(n=0))
        again = self.relay.again(self.bob)
        again.resume()
        heard = again.hear()
        self.assertEqual(kinds(heard), [FrameLine, Changed, ErrorLine])
        self.assertEqual(heard[1], changed)
        error = heard[-1]
        assert isinstance(error, ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.NOT_MEMBER, subject(self.alice.room)))
        self.assertFalse(again.hung_up)
        again.says(self.carol.frame())
        self.assertIs(again.refused(), Code.NOT_MEMBER)

    def test_it_claims_to_know_more(self) -> None:
        """
        Whatever number it says that it has, it gets nothing that came after the entry which
        removed it: no frames, no entries, and not who leaves.
        """
        old = self.relay.again(self.bob)
        dave = self.relay.client()
        dave.join_by(self.alice)
        changed = self.kick(self.carol), self.kick(self.bob)
        self.alice.says(self.alice.frame())
        self.alice.land(self.alice.update())
        self.alice.hear()
        self.alice.says(self.alice.frame(n=0))
        self.alice.leave()
        newest = changed[-1].seq + 3
        for seq in range(changed[0].seq, newest + 1):
            old.resume(seq=seq)
            heard = old.hear()
            self.assertEqual(heard[:-1], [each for each in changed if each.seq > seq])
            assert isinstance(heard[-1], ErrorLine)
            self.assertIs(heard[-1].code, Code.NOT_MEMBER)

    def test_it_knows_already(self) -> None:
        """Then it is just told that it is no member."""
        self.kick(self.bob)
        self.bob.hear()
        self.bob.resume()
        self.assertIs(self.bob.refused(), Code.NOT_MEMBER)

    def test_it_knows_another_past(self) -> None:
        """A former member is told of a fork as a member is."""
        self.bob.lose()
        self.kick(self.bob)
        again = self.relay.again(self.bob)
        again.resume(head=bytes(32))
        self.assertIs(again.refused(), Code.FORK)
        again.resume(seq=99)
        self.assertIs(again.refused(), Code.FORK)

    def test_it_goes_while_it_resumes(self) -> None:
        """It may come back and hear the rest."""
        self.bob.lose()
        self.kick(self.bob)
        again = self.relay.again(self.bob)
        again.connection.pauseProducing()
        again.connection.writable = True
        again.resume()
        again.lose()
        third = self.relay.again(self.bob)
        third.resume()
        self.assertEqual(kinds(third.hear()), [Changed, ErrorLine])

    def test_it_is_removed_while_it_catches_up(self) -> None:
        """Then that is told as to anybody who resumes."""
        self.bob.connection.pauseProducing()
        self.bob.connection.writable = True
        self.bob.resume(epoch=1, head=self.bob.room, seq=1)
        self.bob.hear()
        self.kick(self.bob)
        self.assertEqual(kinds(self.bob.hear()), [Changed])

    def test_it_is_added_again(self) -> None:
        """It is a member as any other, also on the connection that it had."""
        self.bob.connection.pauseProducing()
        self.kick(self.bob)
        self.bob.connection.writable = True  # to join; what the room has for it still waits
        self.bob.join_by(self.alice)
        self.assertEqual(self.bob.log.epoch, 5)
        self.bob.connection.resumeProducing()
        self.alice.says(self.alice.frame())
        self.assertEqual(kinds(self.bob.hear()), [FrameLine])
        self.bob.says(self.bob.frame(n=0))
        self.assertEqual(kinds(self.bob.hear()), [FrameLine])

    def test_a_place_on_the_connection(self) -> None:
        """A room that one was removed from does not count."""
        relay = Relay(limits=Limits(rooms_per_connection=1))
        alice, bob = relay.room(2)
        alice.land(alice.removal(bob, why=Why.KICKED))
        bob.hear()
        bob.found("other")


class ComebackTests(SynchronousTestCase):
    """A member who has lost the room's keys leaves, and joins again."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob = self.relay.room(2)
        self.bob.says(self.bob.frame())  # it has the keys; it will lose them
        for member in (self.alice, self.bob):
            member.hear()
        self.bob.lose()
        self.again = self.relay.again(self.bob)

    def wait(self) -> None:
        """Bob leaves, joins, and waits for his removal."""
        self.again.join()
        row = self.alice.log.membership.rows[1]
        self.assertEqual(self.again.hears(Member), Member("lobby", self.alice.room, row.leaf_hash))
        self.again.leave()
        self.again.hears(Leaving)
        self.again.join()
        self.assertEqual(self.again.hears(Queued), Queued("lobby", 1))
        self.alice.hear()

    def test_it_waits_for_its_removal(self) -> None:
        """Then somebody is asked as for any newcomer."""
        self.wait()
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed, NewUser])
        self.assertEqual(self.again.hears(Asked), Asked("lobby", 1, 1))

    def test_nobody_is_left_to_vouch(self) -> None:
        """It is told so as any newcomer is."""
        self.wait()
        self.history.slow = True
        self.alice.land(self.alice.removal(self.bob))
        self.alice.lose()
        self.history.store()
        self.assertIs(self.again.refused(), Code.NOBODY)
        self.assertTrue(self.again.hung_up)

    def test_the_room_is_full_by_then(self) -> None:
        """The removal makes a place; a policy may have taken it."""
        self.wait()
        self.alice.land(
            self.alice.change(Reform(Policy(roster_maximum=1), (self.alice.fingerprint,), ()))
        )
        self.alice.hear()
        self.alice.land(self.alice.removal(self.bob))
        self.assertIs(self.again.refused(), Code.BUSY)
        self.assertTrue(self.again.hung_up)

    def test_it_no_longer_wants_to(self) -> None:
        """It is removed all the same, since it has left."""
        self.wait()
        self.again.says(Cancel("lobby"))
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])
        self.assertEqual(self.again.hear(), [])

    def test_it_is_gone(self) -> None:
        """Nobody waits any more."""
        self.wait()
        self.again.lose()
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])

    def test_it_joins_twice(self) -> None:
        """As for any join."""
        self.wait()
        self.again.join()
        self.assertIs(self.again.refused(), Code.STATE)

    def test_other_entries_do_not_end_it(self) -> None:
        """Only the one that removes it."""
        self.wait()
        self.alice.land(self.alice.update())
        self.assertEqual(self.again.hear(), [])

    def test_it_joins_too_many_rooms(self) -> None:
        """To wait for a removal is to join."""
        relay = Relay(limits=Limits(joins_per_connection=1))
        _, bob = relay.room(2)
        relay.room(1, "other")
        bob.leave()
        bob.hear()
        bob.join("other")
        bob.hear()
        bob.join("lobby")
        self.assertIs(bob.refused(), Code.BUSY)

    def test_the_request_is_void(self) -> None:
        """An update of before landed: it is told that it is a member, with another leaf."""
        history = StoredHistory()
        relay = Relay(history=history)
        alice, bob = relay.room(2)
        bob.says(bob.frame())
        bob.hear()
        history.slow = True
        bob.land(bob.update())
        history.slow = False
        bob.leave()
        bob.join()
        self.assertEqual(kinds(bob.hear()), [Leaving, Queued])
        history.store()
        heard = bob.hear()
        self.assertEqual(kinds(heard), [Slice, Changed, Member])
        alice.hear()
        leaf = alice.log.membership.rows[1].leaf_hash
        self.assertEqual(heard[-1], Member("lobby", alice.room, leaf))


class EverybodyTests(SynchronousTestCase):
    """A room that everybody leaves."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history, limits=Limits(joins_per_connection=2))
        self.alice, self.bob = self.relay.room(2)

    def test_the_room_is_over(self) -> None:
        """All are told, the room is dropped, and its label is free."""
        room = self.alice.room
        self.bob.leave()
        self.alice.begin(self.alice.update())
        self.alice.leave()
        for member in (self.alice, self.bob):
            *_, last, error = member.hear()
            self.assertIsInstance(last, Leaving)
            assert isinstance(error, ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.NO_ROOM, subject(room)))
            member.resume()
            self.assertIs(member.refused(), Code.NO_ROOM)
        self.assertEqual(list(self.history.rooms()), [])
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])
        self.bob.says(Found(self.bob.creation("lobby").encode()))
        self.assertEqual(kinds(self.bob.hear()), [UserAdded])

    def test_who_does_not_read(self) -> None:
        """The room goes all the same."""
        self.bob.leave()
        self.bob.connection.pauseProducing()
        self.alice.leave()
        self.bob.connection.resumeProducing()
        self.assertEqual(kinds(self.bob.hear())[-1], ErrorLine)
        self.bob.lose()

    def test_joins_end(self) -> None:
        """Those who were being admitted, who waited, and who meant to come back."""
        asked = [self.relay.client() for _ in range(4)]
        waiting = [self.relay.client() for _ in range(2)]
        for joiner in (*asked, *waiting):
            joiner.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        self.bob.leave()
        self.bob.join()
        for joiner in (*asked, *waiting, self.bob, self.alice):
            joiner.hear()
        self.alice.leave()
        for joiner in (*asked, *waiting):
            error = joiner.hear()[-1]
            assert isinstance(error, ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.NO_ROOM, "lobby"))
            self.assertTrue(joiner.hung_up)
        self.assertEqual(kinds(self.alice.hear()), [Leaving, *[Over] * 4, ErrorLine])
        codes = [line.subject for line in self.bob.hear() if isinstance(line, ErrorLine)]
        self.assertEqual(codes, ["lobby", subject(self.alice.room)])
        for joiner in (*asked, *waiting):
            joiner.lose()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_the_last_who_remains_goes(self) -> None:
        """A removal may leave nobody but those who leave."""
        carol = self.relay.client()
        carol.join_by(self.alice)
        self.alice.leave()
        self.bob.leave()
        self.alice.hear()
        self.alice.land(self.alice.removal(carol, why=Why.KICKED))
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed, ErrorLine])
        self.assertEqual(kinds(carol.hear())[-1], Changed)
        self.assertEqual(list(self.history.rooms()), [])

    def test_what_was_on_its_way_into_it(self) -> None:
        """What is stored after all have left is of no room."""
        self.bob.leave()
        self.history.slow = True
        self.alice.leave()
        self.alice.land(self.alice.update())
        self.history.store()
        for member in (self.alice, self.bob):
            self.assertEqual(kinds(member.hear())[-1], ErrorLine)
        self.history.store()
        self.assertFalse(self.history.rooms())

    def test_a_resume_of_the_room_before(self) -> None:
        """The members of a room that is over know none here."""
        self.bob.leave()
        self.alice.leave()
        self.bob.hear()
        self.bob.says(Resume(self.bob.room, 2, self.bob.log.head, 2))
        self.assertIs(self.bob.refused(), Code.NO_ROOM)
