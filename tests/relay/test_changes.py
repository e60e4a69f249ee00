"""Changes of a room's membership that add nobody: from `begin` to `changed`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import Reform
from securechat.group.entry import SignedEntry
from securechat.group.roster import Policy
from securechat.relay.limits import Limits
from securechat.relay.refusal import subject
from securechat.wire import (
    AddUser,
    Asked,
    Begin,
    Changed,
    Code,
    Commit,
    ErrorLine,
    NewUser,
    Over,
    Overtaken,
    Slice,
    UserAdded,
)
from tests.relay.clients import Client, Relay, kinds
from tests.relay.stored import StoredHistory


class LandingTests(SynchronousTestCase):
    """Entries with slices, and without."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def test_a_remove(self) -> None:
        """Who remains gets its own slice, and the entry right after; who is removed the entry."""
        entry = self.alice.removal(self.carol)
        sealed = self.alice.land(entry)
        changed = Changed(self.alice.room, 4, entry.encode())
        for member, own in zip(self.members[:2], sealed, strict=True):
            self.assertEqual(member.hear(), [Slice(self.alice.room, 4, own), changed])
        self.assertEqual(self.carol.hear(), [changed])

    def test_an_update(self) -> None:
        """Everybody gets a slice, its author too."""
        entry = self.bob.update()
        sealed = self.bob.land(entry)
        for member, own in zip(self.members, sealed, strict=True):
            self.assertEqual(
                member.hear(),
                [Slice(member.room, 4, own), Changed(member.room, 4, entry.encode())],
            )

    def test_a_reform(self) -> None:
        """Its key follows from what all have, so there are no slices."""
        entry = self.alice.change(Reform(Policy(rounds=9), (self.bob.fingerprint,), ()))
        self.alice.land(entry)
        for member in self.members:
            self.assertEqual(member.hear(), [Changed(member.room, 4, entry.encode())])

    def test_nothing_lands_before_the_commit(self) -> None:
        """Until then nobody hears of it."""
        self.alice.begin(self.alice.update())
        self.alice.slices(3)
        self.assertEqual([member.hear() for member in self.members], [[], [], []])
        self.alice.commit()
        self.assertEqual([kinds(member.hear()) for member in self.members], [[Slice, Changed]] * 3)

    def test_slices_in_many_lines(self) -> None:
        """However they are cut."""
        self.alice.begin(self.alice.update())
        for place in range(3):
            self.alice.slices(1, place)
        self.alice.commit()
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])

    def test_another_begin(self) -> None:
        """What was begun before is dropped."""
        self.alice.begin(self.alice.update())
        self.alice.slices(3)
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])


class RefusalTests(SynchronousTestCase):
    """What does not land."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def refuses(self, client: Client, code: Code) -> str:
        """See that *client* is refused once, and nobody hears of anything; return the words."""
        error = client.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (code, subject(client.room)))
        self.assertFalse(client.hung_up)
        self.assertEqual([member.hear() for member in self.members], [[], [], []])
        return error.words

    def test_a_rule_that_is_broken(self) -> None:
        """It is refused at `begin`; what follows of it is not answered."""
        good = self.alice.update()
        self.alice.begin(SignedEntry(good.entry, good.tag, bytes(64)))
        self.alice.slices(3)
        self.alice.commit()
        self.assertIn("signature", self.refuses(self.alice, Code.ENTRY))

    def test_nonsense(self) -> None:
        """What is no entry."""
        self.alice.says(Begin(self.alice.room, b"nonsense"))
        self.assertIn("malformed", self.refuses(self.alice, Code.ENTRY))

    def test_another_author(self) -> None:
        """Nobody lands the entry of another."""
        self.alice.begin(self.bob.update())
        self.assertIn("author", self.refuses(self.alice, Code.ENTRY))

    def test_an_add(self) -> None:
        """A newcomer is added in its attempt alone."""
        self.alice.begin(self.alice.addition(self.relay.client()))
        self.assertIn("attempt", self.refuses(self.alice, Code.ENTRY))

    def test_another_view_of_the_stream(self) -> None:
        """Nobody has seen what does not exist."""
        self.alice.begin(self.alice.update(seq=9))
        self.assertIn("view", self.refuses(self.alice, Code.ENTRY))

    def test_slices_that_do_not_fit(self) -> None:
        """There is one for each who remains, in order."""
        for wrong in ([(2, 0)], [(4, 0)], [(1, 1), (3, 0)], [(3, 0), (1, 3)], []):
            self.alice.begin(self.alice.update())
            for count, first in wrong:
                self.alice.slices(count, first)
            self.alice.commit()
            self.assertIn("one slice", self.refuses(self.alice, Code.ENTRY))

    def test_half_a_slice(self) -> None:
        """Slices are whole."""
        self.alice.begin(self.alice.update())
        line = self.alice.slices_line(0, b"x" * 1_200)
        self.alice.says(line)
        self.alice.commit()
        self.assertIn("one slice", self.refuses(self.alice, Code.ENTRY))

    def test_slices_of_an_entry_that_has_none(self) -> None:
        """A reform brings no secret."""
        self.alice.begin(self.alice.change(Reform(Policy(), (self.bob.fingerprint,), ())))
        self.alice.slices(3)
        self.alice.commit()
        self.assertIn("one slice", self.refuses(self.alice, Code.ENTRY))

    def test_nothing_was_begun(self) -> None:
        """Here, or by this connection; slices alone are not answered."""
        self.alice.slices(3)
        self.alice.commit()
        self.assertIn("begun nothing", self.refuses(self.alice, Code.STATE))
        self.alice.begin(self.alice.update())
        self.bob.commit()
        self.refuses(self.bob, Code.STATE)

    def test_a_commit_in_another_room(self) -> None:
        """A connection begins one entry at a time, in one room."""
        other = self.relay.room(1, "other")[0]
        here = self.alice.log
        self.alice.join_by(other, "other")
        there, self.alice.log = self.alice.log, here
        self.alice.seq = 3
        self.alice.begin(self.alice.update())
        self.alice.says(Commit(there.room))
        error = self.alice.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.STATE, subject(there.room)))

    def test_who_is_not_live(self) -> None:
        """A member resumes before it changes anything."""
        self.alice.lose()
        self.members[0] = self.alice = self.relay.again(self.alice)
        self.alice.begin(self.alice.update())
        self.assertIn("resume", self.refuses(self.alice, Code.STATE))

    def test_it_takes_too_long(self) -> None:
        """Its author is told, and what still comes of it is not answered."""
        self.alice.begin(self.alice.update())
        self.relay.clock.advance(29)
        self.alice.slices(2)
        self.relay.clock.advance(2)
        self.assertIn("begin it again", self.refuses(self.alice, Code.BUSY))
        self.alice.slices(1, 2)
        self.alice.commit()
        self.assertEqual(self.alice.hear(), [])

    def test_a_connection_that_breaks(self) -> None:
        """What it has begun goes with it."""
        self.alice.begin(self.alice.update())
        self.alice.lose()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_who_is_removed_meanwhile(self) -> None:
        """What a former member has begun is dropped."""
        self.bob.begin(self.bob.update())
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])
        self.bob.hear()
        self.bob.commit()
        self.assertIs(self.bob.refused(), Code.NOT_MEMBER)


class RaceTests(SynchronousTestCase):
    """Two entries on one head: the first wins."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def overtaken(self) -> None:
        """See that Bob is told that Alice was faster."""
        heard = self.bob.hear()
        self.assertEqual(heard[-1], Overtaken(self.bob.room, self.bob.log.head))
        self.assertEqual(kinds(heard), [Slice, Changed, Overtaken])

    def test_at_the_begin(self) -> None:
        """It stands on a head that is not the newest."""
        entry = self.bob.update()
        self.alice.land(self.alice.update())
        self.bob.begin(entry)
        self.overtaken()

    def test_at_the_commit(self) -> None:
        """The other landed between the two."""
        self.bob.begin(self.bob.update())
        self.bob.slices(3)
        self.alice.land(self.alice.update())
        self.bob.commit()
        self.overtaken()

    def test_in_the_history(self) -> None:
        """Both were committed before either was stored."""
        self.history.slow = True
        self.alice.land(self.alice.update())
        self.bob.land(self.bob.update())
        self.assertEqual([member.hear() for member in self.members], [[], [], []])
        self.history.store()
        self.overtaken()

    def test_one_at_a_time(self) -> None:
        """While an entry is stored its author begins no other."""
        self.history.slow = True
        self.alice.land(self.alice.update())
        self.alice.begin(self.alice.removal(self.bob))
        self.assertIs(self.alice.refused(), Code.STATE)
        self.history.store()
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])
        self.alice.land(self.alice.removal(self.bob))
        self.history.store()
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])

    def test_who_is_gone_when_it_lands(self) -> None:
        """It lands all the same."""
        self.history.slow = True
        self.alice.land(self.alice.update())
        self.alice.lose()
        self.history.store()
        self.assertEqual(kinds(self.bob.hear()), [Slice, Changed])

    def test_an_add_comes_first(self) -> None:
        """Then a remove is overtaken, and the other way round an add is stale."""
        dave = self.relay.client()
        entry = self.bob.update()
        dave.join_by(self.alice)
        self.bob.hear()
        self.bob.begin(entry)
        self.assertEqual(self.bob.hears(Overtaken).head, self.alice.log.head)


class RateTests(SynchronousTestCase):
    """How often one member changes a room."""

    def test_one_update_an_hour(self) -> None:
        """Each member has its own hour."""
        relay = Relay()
        alice, bob = relay.room(2)
        alice.land(alice.update())
        alice.hear()
        relay.clock.advance(3_599)
        alice.begin(alice.update())
        error = alice.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.BUSY, subject(alice.room)))
        self.assertIn("1 second", error.words)
        bob.hear()
        bob.land(bob.update())
        alice.hear()
        relay.clock.advance(1)
        alice.land(alice.update())
        self.assertEqual(kinds(alice.hear()), [Slice, Changed])

    def test_an_update_of_who_would_be_stale_soon(self) -> None:
        """
        Half way to where anybody may remove it a member need not wait for its hour: others could
        write entries so fast that it is removed before.
        """
        relay = Relay(limits=Limits(entries_per_minute=100))
        alice, bob = relay.room(2)
        bob.land(bob.update())
        policy = Policy(rounds=5)
        for count in range(6):  # of 10, after which Bob's row is stale
            for member in (alice, bob):
                member.hear()
            bob.begin(bob.update())
            self.assertIs(bob.refused(), Code.BUSY, count)
            alice.land(alice.change(Reform(policy, (alice.fingerprint,), ())))
        bob.hear()
        bob.land(bob.update())
        self.assertEqual(kinds(bob.hear()), [Slice, Changed])
        bob.begin(bob.update())
        self.assertIs(bob.refused(), Code.BUSY)

    def test_what_does_not_land_does_not_count(self) -> None:
        """An update that came too late may be made anew."""
        relay = Relay()
        alice, bob = relay.room(2)
        entry = alice.update()
        bob.land(bob.update())
        alice.land(entry)
        alice.hear()
        alice.land(alice.update())
        self.assertEqual(kinds(alice.hear()), [Slice, Changed])

    def test_what_is_refused_counts(self) -> None:
        """It makes work, too; and so does what is begun and never committed."""
        relay = Relay(limits=Limits(entries_per_minute=2))
        alice, bob = relay.room(2)
        bad = bob.update(state_hash=bytes(32))
        bob.begin(bad)
        self.assertIs(bob.refused(), Code.ENTRY)
        bob.begin(bob.update())
        bob.begin(bob.update())
        self.assertIs(bob.refused(), Code.BUSY)
        self.assertEqual(alice.hear(), [])

    def test_ten_entries_a_minute(self) -> None:
        """Of all types together, those by which it adds others too."""
        relay = Relay(limits=Limits(entries_per_minute=3))
        alice, bob = relay.room(2)
        relay.clock.advance(60)
        for count in range(3):
            alice.land(alice.change(Reform(Policy(rounds=count + 1), (alice.fingerprint,), ())))
            self.assertEqual(kinds(alice.hear()), [Changed])
        alice.begin(alice.change(Reform(Policy(), (alice.fingerprint,), ())))
        self.assertIs(alice.refused(), Code.BUSY)
        bob.hear()
        bob.land(bob.update())
        self.assertEqual(kinds(bob.hear()), [Slice, Changed])
        alice.hear()
        relay.clock.advance(60)
        alice.land(alice.change(Reform(Policy(), (alice.fingerprint,), ())))
        self.assertEqual(kinds(alice.hear()), [Changed])

    def test_who_may_write_no_more_is_not_asked(self) -> None:
        """Another member is; where there is none, the newcomer is told to wait."""
        relay = Relay(limits=Limits(entries_per_minute=1))
        alice, bob = relay.room(2)  # Alice has let Bob in
        joiner = relay.client()
        joiner.join()
        self.assertEqual(joiner.hears(Asked), Asked("lobby", 1, 2))
        self.assertEqual((kinds(alice.hear()), kinds(bob.hear())), ([], [NewUser]))
        bob.lose()
        error = joiner.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.BUSY, "lobby"))

    def test_an_add_that_is_one_too_many(self) -> None:
        """Its author is told, the attempt is over."""
        relay = Relay(limits=Limits(entries_per_minute=2))
        (alice,) = relay.room(1)
        relay.clock.advance(60)
        joiner = relay.client()
        joiner.join()
        attempt = alice.asked()
        alice.vouch(attempt)
        joiner.challenge(attempt)
        alice.respond(attempt)
        for rounds in (1, 2):
            alice.land(alice.change(Reform(Policy(rounds=rounds), (alice.fingerprint,), ())))
            alice.hear()
        alice.says(AddUser(attempt, alice.addition(joiner).encode()))
        error, over = alice.hear()
        assert isinstance(error, ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.BUSY, subject(alice.room)))
        self.assertEqual(over, Over(attempt))

    def test_who_comes_back_begins_anew(self) -> None:
        """A former member's entries are not remembered."""
        relay = Relay()
        alice, bob = relay.room(2)
        bob.land(bob.update())
        bob.hear()
        alice.hear()
        alice.land(alice.removal(bob))
        bob.hear()
        bob.join_by(alice)
        bob.land(bob.update())
        self.assertEqual(kinds(bob.hear()), [Slice, Changed])


class VouchersTests(SynchronousTestCase):
    """Members who are asked to vouch, and are removed."""

    def test_removed_vouchers(self) -> None:
        """What a member was asked about ends when it is removed, and the next is asked."""
        relay = Relay()
        alice, bob = relay.room(2)
        joiner = relay.client()
        joiner.join()
        attempt = alice.asked()
        bob.land(bob.removal(alice))
        heard = alice.hear()
        self.assertEqual(kinds(heard), [Changed, Over])
        self.assertEqual(heard[-1], Over(attempt))
        self.assertEqual(kinds(bob.hear()), [Slice, Changed, NewUser])
        alice.vouch(attempt)
        self.assertIs(alice.refused(), Code.ATTEMPT)

    def test_two_at_once_of_whom_one_is_asked(self) -> None:
        """Neither is asked any more; the next is somebody who remains."""
        relay = Relay()
        alice, bob, carol = relay.room(3)
        alice.lose()
        joiner = relay.client()
        joiner.join()
        attempt = bob.asked()
        alice = relay.again(alice)
        alice.resume()
        alice.hear()
        alice.land(alice.removal(bob, carol))
        self.assertEqual(bob.hears_all(Over), [Over(attempt)])
        self.assertEqual(carol.hears_all(NewUser), [])
        self.assertEqual(len(alice.hears_all(NewUser)), 1)

    def test_attempts_elsewhere_go_on(self) -> None:
        """A member removed here is still one there."""
        relay = Relay()
        alice, bob = relay.room(2)
        (carol,) = relay.room(1, "other")
        here, seq = alice.log, alice.seq
        alice.join_by(carol, "other")
        joiner = relay.client()
        joiner.join("other")
        carol.hear()
        carol.lose()
        there = alice.asked()
        alice.log, alice.seq = here, seq
        bob.land(bob.removal(alice))
        self.assertEqual(kinds(alice.hear()), [Changed])
        alice.vouch(there)
        self.assertEqual(alice.hear(), [])
        self.assertNotIn(UserAdded, kinds(joiner.hear()))
