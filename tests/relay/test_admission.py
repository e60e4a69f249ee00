"""Whom the relay asks about a newcomer, in which order, and what becomes of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.admission import NOBODY_HERE, NOBODY_VOUCHES
from securechat.relay.limits import Limits
from securechat.relay.refusal import subject
from securechat.relay.session import KNOCKS
from securechat.wire import (
    AddUser,
    Asked,
    Cancel,
    Challenge,
    Code,
    ErrorLine,
    Join,
    Nack,
    NewUser,
    Over,
    Queued,
    Response,
    Stale,
    UserAdded,
    Vouch,
)
from tests.relay.clients import Client, Relay, kinds


class AskTests(SynchronousTestCase):
    """Who is asked, and when."""

    def setUp(self) -> None:
        self.relay = Relay()

    def attempts(self, members: list[Client]) -> dict[int, bytes]:
        """Return who of *members* has been asked since the last time, and the attempts."""
        return {
            number: line.attempt
            for number, member in enumerate(members)
            for line in member.hear()
            if isinstance(line, NewUser)
        }

    def test_one_then_two_then_four(self) -> None:
        """In roster order, in batches that double; the newcomer hears how far it is."""
        members = self.relay.room(9)
        joiner = self.relay.client()
        joiner.join()
        for batch, asked in (([0], 1), ([1, 2], 3), ([3, 4, 5, 6], 7), ([7, 8], 9)):
            self.assertEqual(joiner.hears(Asked), Asked("lobby", asked, 9))
            attempts = self.attempts(members)
            self.assertEqual(list(attempts), batch)
            for number, attempt in attempts.items():
                members[number].says(Nack(attempt))
        self.assertIs(joiner.refused(), Code.NOBODY)

    def test_a_member_learns_who_asks(self) -> None:
        """The room, the newcomer's bundle, and an attempt of its own."""
        (alice,) = self.relay.room(1)
        joiner = self.relay.client()
        joiner.join()
        asked = alice.hears(NewUser)
        self.assertEqual(asked.room, alice.room)
        self.assertEqual(asked.bundle, joiner.identity.bundle.encode())

    def test_only_who_is_here_is_asked(self) -> None:
        """Members who are away are left out."""
        alice, bob, carol = self.relay.room(3)
        alice.lose()
        joiner = self.relay.client()
        joiner.join()
        self.assertEqual(joiner.hears(Asked), Asked("lobby", 1, 2))
        self.assertEqual(list(self.attempts([alice, bob, carol])), [1])

    def test_who_does_not_read_is_not_asked(self) -> None:
        """Who has enough to read already would not answer in time."""
        alice, bob = self.relay.room(2)
        alice.connection.pauseProducing()
        self.relay.client().join()
        self.assertEqual(list(self.attempts([alice, bob])), [1])

    def test_who_comes_back_is_asked_in_the_next_batch(self) -> None:
        """Nobody is asked twice, and nobody left out who is here then."""
        alice, bob = members = self.relay.room(2)
        bob.lose()
        joiner = self.relay.client()
        joiner.join()
        members[1] = self.relay.client(bob.identity)
        members[1].log, members[1].seq = bob.log, bob.seq
        members[1].resume()
        alice.says(Nack(alice.asked()))
        self.assertEqual(list(self.attempts(members)), [1])
        self.assertEqual(joiner.hear()[-1], Asked("lobby", 2, 2))

    def test_a_member_that_goes_has_answered(self) -> None:
        """Its attempt is over, and the next is asked."""
        alice, bob = self.relay.room(2)
        self.relay.client().join()
        alice.hear()
        alice.lose()
        self.assertEqual(list(self.attempts([alice, bob])), [1])

    def test_a_member_that_says_nothing(self) -> None:
        """After `ask_timeout` it is told that the attempt is over, and the next is asked."""
        alice, bob = self.relay.room(2)
        self.relay.client().join()
        attempt = alice.asked()
        self.relay.clock.advance(29.9)
        self.assertEqual(self.attempts([alice, bob]), {})
        self.relay.clock.advance(0.2)
        self.assertEqual(alice.hear(), [Over(attempt)])
        self.assertEqual(list(self.attempts([bob])), [0])

    def test_a_batch_ends_with_its_last_attempt(self) -> None:
        """The next members are asked when all of this batch have come to nothing."""
        members = self.relay.room(5)
        self.relay.client().join()
        members[0].says(Nack(members[0].asked()))
        attempts = self.attempts(members)
        members[1].says(Nack(attempts[1]))
        self.assertEqual(self.attempts(members), {})
        members[2].says(Nack(attempts[2]))
        self.assertEqual(list(self.attempts(members)), [3, 4])


class NobodyTests(SynchronousTestCase):
    """A join that nobody vouches for."""

    def setUp(self) -> None:
        self.relay = Relay(limits=Limits(joins_per_connection=2))
        (self.alice,) = self.relay.room(1)
        self.joiner = self.relay.client()

    def test_nobody_is_here(self) -> None:
        """The newcomer is told that the room is empty now, and disconnected."""
        self.alice.lose()
        self.joiner.join()
        self.assertEqual(self.joiner.hears(ErrorLine), ErrorLine(Code.NOBODY, "lobby", NOBODY_HERE))
        self.assertTrue(self.joiner.hung_up)

    def test_nobody_vouches(self) -> None:
        """The newcomer is told that nobody knows it, and disconnected."""
        self.joiner.join()
        self.joiner.hear()
        self.alice.says(Nack(self.alice.asked()))
        self.assertEqual(
            self.joiner.hears(ErrorLine), ErrorLine(Code.NOBODY, "lobby", NOBODY_VOUCHES)
        )
        self.assertTrue(self.joiner.hung_up)

    def test_who_is_in_another_room_stays(self) -> None:
        """Only that join ends, and may be tried again."""
        self.joiner.found("other")
        for _ in range(2):
            self.joiner.join()
            self.joiner.hear()
            self.alice.says(Nack(self.alice.asked()))
            self.assertIs(self.joiner.refused(), Code.NOBODY)
            self.assertFalse(self.joiner.hung_up)

    def test_who_joins_another_room_stays(self) -> None:
        """The other join goes on."""
        host = self.relay.client()
        host.found("other")
        self.joiner.join("other")
        self.joiner.join()
        self.joiner.hear()
        self.alice.says(Nack(self.alice.asked()))
        self.assertIs(self.joiner.refused(), Code.NOBODY)
        self.assertFalse(self.joiner.hung_up)
        host.vouch(host.asked())
        self.joiner.hears(Vouch)

    def test_who_was_just_added_elsewhere_stays(self) -> None:
        """It is fetching the roster there, and resumes when it has that."""
        host = self.relay.client()
        host.found("other")
        self.joiner.join("other")
        attempt = host.asked()
        host.vouch(attempt)
        self.joiner.challenge(attempt)
        host.respond(attempt)
        host.add(attempt, self.joiner)
        self.joiner.join()
        self.alice.says(Nack(self.alice.asked()))
        self.assertFalse(self.joiner.hung_up)

    def test_there_is_no_such_room(self) -> None:
        """The client may found it then."""
        self.joiner.join("elsewhere")
        error = self.joiner.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.NO_ROOM, "elsewhere"))
        self.assertFalse(self.joiner.hung_up)


class AttemptTests(SynchronousTestCase):
    """The seed's steps, passed on between a voucher and a newcomer."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)
        self.joiner = self.relay.client()
        self.joiner.join()
        self.attempt = self.alice.asked()
        self.joiner.hear()

    def to(self, step: str) -> None:
        """Go on until *step* has been said."""
        for name, say in (
            ("vouch", self.alice.vouch),
            ("challenge", self.joiner.challenge),
            ("response", self.alice.respond),
        ):
            say(self.attempt)
            if name == step:
                break
        self.alice.hear()
        self.joiner.hear()

    def assert_next(self) -> None:
        """The next two members have been asked."""
        for member in (self.bob, self.carol):
            self.assertEqual(kinds(member.hear()), [NewUser])

    def test_each_step_is_passed_on_as_it_is(self) -> None:
        """The relay adds nothing to it and takes nothing from it."""
        vouch = self.alice.vouch(self.attempt)
        self.assertEqual(self.joiner.hears(Vouch), vouch)
        challenge = self.joiner.challenge(self.attempt)
        self.assertEqual(self.alice.hears(Challenge), challenge)
        response = self.alice.respond(self.attempt)
        self.assertEqual(self.joiner.hears(Response), response)
        self.alice.add(self.attempt, self.joiner)
        for client in (self.joiner, *self.members):
            self.assertEqual(client.hears(UserAdded).seq, 4)

    def test_the_timer_starts_anew_with_each_step(self) -> None:
        """Each side has the whole time for its step."""
        for step in (
            lambda: self.alice.vouch(self.attempt),
            lambda: self.joiner.challenge(self.attempt),
            lambda: self.alice.respond(self.attempt),
            lambda: self.alice.respond(self.attempt),
            lambda: self.alice.add(self.attempt, self.joiner),
        ):
            self.relay.clock.advance(29)
            step()
        self.assertIsInstance(self.joiner.hear()[-1], UserAdded)
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_a_newcomer_that_stalls(self) -> None:
        """Both who know of the attempt are told that it is over."""
        self.to("vouch")
        self.relay.clock.advance(31)
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assertEqual(self.joiner.hear(), [Over(self.attempt), Asked("lobby", 3, 3)])
        self.assert_next()

    def test_a_voucher_that_stalls(self) -> None:
        """At any of its steps."""
        for step in ("challenge", "response"):
            self.setUp()
            self.to(step)
            self.relay.clock.advance(31)
            self.assertEqual(self.alice.hear(), [Over(self.attempt)])
            self.assertEqual(self.joiner.hear()[0], Over(self.attempt))
            self.assert_next()

    def test_a_newcomer_that_never_heard_of_it_is_not_told(self) -> None:
        """An attempt that ends before the vouch ends in silence for the newcomer."""
        self.relay.clock.advance(31)
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assertEqual(self.joiner.hear(), [Asked("lobby", 3, 3)])

    def test_a_voucher_that_changes_its_mind(self) -> None:
        """The newcomer is told that this attempt is over; the voucher knows."""
        self.to("challenge")
        self.alice.says(Nack(self.attempt))
        self.assertEqual(self.alice.hear(), [])
        self.assertEqual(self.joiner.hear()[0], Over(self.attempt))
        self.assert_next()

    def test_a_newcomer_that_finds_fault(self) -> None:
        """The voucher is told; the next are asked."""
        self.to("response")
        self.joiner.says(Nack(self.attempt))
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assertEqual(self.joiner.hear(), [Asked("lobby", 3, 3)])
        self.assert_next()

    def test_a_voucher_that_is_gone(self) -> None:
        """The newcomer is told, and the next are asked."""
        self.to("response")
        self.alice.lose()
        self.assertEqual(self.joiner.hear()[0], Over(self.attempt))
        self.assert_next()

    def test_a_newcomer_that_is_gone(self) -> None:
        """The voucher is told, and nobody else is asked; no timer is left."""
        self.to("challenge")
        self.joiner.lose()
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assertEqual(self.bob.hear(), [])
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_a_newcomer_that_no_longer_wants(self) -> None:
        """`cancel` ends the join; the connection stays, and may join again."""
        self.to("vouch")
        self.joiner.says(Cancel("lobby"))
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assertEqual(self.joiner.hear(), [])
        self.joiner.says(Cancel("lobby"))
        self.assertIs(self.joiner.refused(), Code.STATE)
        self.joiner.join()
        self.assertEqual(self.joiner.hears(Asked), Asked("lobby", 1, 3))

    def test_after_its_end_there_is_no_such_attempt(self) -> None:
        """Whatever comes late is answered, and does no harm."""
        self.to("vouch")
        self.alice.says(Nack(self.attempt))
        self.joiner.hear()
        self.joiner.challenge(self.attempt)
        self.alice.respond(self.attempt)
        for client in (self.joiner, self.alice):
            error = client.hears(ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.ATTEMPT, subject(self.attempt)))
            self.assertFalse(client.hung_up)

    def test_others_know_no_attempt(self) -> None:
        """A third party that guesses the id, or a newcomer before the vouch, gets nowhere."""
        self.bob.says(Nack(self.attempt))
        self.assertIs(self.bob.refused(), Code.ATTEMPT)
        self.joiner.says(Nack(self.attempt))
        self.assertIs(self.joiner.refused(), Code.ATTEMPT)
        self.alice.vouch(self.attempt)
        self.joiner.hears(Vouch)

    def test_each_side_says_its_own_lines(self) -> None:
        """A voucher does not challenge, and a newcomer does not vouch."""
        self.to("vouch")
        self.alice.challenge(self.attempt)
        self.assertIs(self.alice.refused(), Code.STATE)
        for say in (self.joiner.vouch, self.joiner.respond):
            say(self.attempt)
            self.assertIs(self.joiner.refused(), Code.STATE)

    def test_steps_have_their_order(self) -> None:
        """A step out of order is refused, and the attempt goes on."""
        self.alice.respond(self.attempt)
        self.assertIs(self.alice.refused(), Code.STATE)
        self.alice.add(self.attempt, self.joiner)
        self.assertIs(self.alice.refused(), Code.STATE)
        self.to("vouch")
        self.alice.vouch(self.attempt)
        self.assertIs(self.alice.refused(), Code.STATE)
        self.joiner.challenge(self.attempt)
        self.joiner.challenge(self.attempt)
        self.assertIs(self.joiner.refused(), Code.STATE)
        self.alice.hear()
        self.alice.add(self.attempt, self.joiner)
        self.assertIs(self.alice.refused(), Code.STATE)
        self.alice.respond(self.attempt)
        self.alice.add(self.attempt, self.joiner)
        self.assertIsInstance(self.joiner.hear()[-1], UserAdded)

    def test_a_voucher_vouches_as_itself(self) -> None:
        """With another's bundle it is refused; the newcomer hears nothing of it."""
        self.alice.says(Vouch(self.attempt, self.bob.identity.bundle.encode(), b"sealed"))
        self.assertIs(self.alice.refused(), Code.PROOF)
        self.assertEqual(self.joiner.hear(), [])

    def test_responses_are_bounded(self) -> None:
        """After 16 the attempt is over."""
        self.to("challenge")
        for _ in range(16):
            self.alice.respond(self.attempt)
        self.assertEqual(kinds(self.joiner.hear()), [Response] * 16)
        self.alice.respond(self.attempt)
        self.assertEqual(self.joiner.hear()[0], Over(self.attempt))
        self.assertEqual(self.alice.hear(), [Over(self.attempt)])
        self.assert_next()

    def test_a_bad_entry_ends_the_attempt(self) -> None:
        """Its author is told why, and both that it is over."""
        self.to("response")
        self.alice.says(AddUser(self.attempt, b"nonsense"))
        error, over = self.alice.hear()
        assert isinstance(error, ErrorLine)
        self.assertIs(error.code, Code.ENTRY)
        self.assertEqual(over, Over(self.attempt))
        self.assertEqual(self.joiner.hear()[0], Over(self.attempt))
        self.assert_next()


class ConcurrentTests(SynchronousTestCase):
    """Several vouchers for one newcomer, and several newcomers."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.members = self.relay.room(4)

    def second_batch(self, joiner: Client) -> dict[int, bytes]:
        """Have *joiner* join, and the first member refuse; return the two attempts."""
        joiner.join()
        first, *others = self.members
        first.says(Nack(first.asked()))
        joiner.hear()
        return {number: others[number].asked() for number in (0, 1)}

    def test_a_newcomer_sees_one_vouch_at_a_time(self) -> None:
        """The second is passed on when the first has failed, with its time before it."""
        joiner = self.relay.client()
        attempts = self.second_batch(joiner)
        _, bob, carol, _ = self.members
        first, second = bob.vouch(attempts[0]), carol.vouch(attempts[1])
        self.assertEqual(joiner.hears(Vouch), first)
        self.relay.clock.advance(20)
        joiner.challenge(attempts[0])
        self.relay.clock.advance(29)
        joiner.says(Nack(attempts[0]))
        self.assertEqual(joiner.hears(Vouch), second)
        self.relay.clock.advance(29)
        joiner.challenge(attempts[1])
        self.assertEqual(kinds(carol.hear()), [Challenge])

    def test_a_vouch_that_waits_may_be_withdrawn(self) -> None:
        """Then there is nothing left to pass on, and the next are asked."""
        joiner = self.relay.client()
        attempts = self.second_batch(joiner)
        _, bob, carol, dave = self.members
        bob.vouch(attempts[0])
        carol.vouch(attempts[1])
        joiner.hear()
        carol.says(Nack(attempts[1]))
        self.assertEqual(joiner.hear(), [])
        joiner.says(Nack(attempts[0]))
        self.assertEqual(joiner.hear(), [Asked("lobby", 4, 4)])
        self.assertEqual(kinds(dave.hear()), [NewUser])

    def test_another_vouch_fails_beside_the_one_at_work(self) -> None:
        """The one at work is not disturbed."""
        joiner = self.relay.client()
        attempts = self.second_batch(joiner)
        _, bob, carol, dave = self.members
        bob.vouch(attempts[0])
        joiner.hear()
        carol.says(Nack(attempts[1]))
        self.assertEqual((joiner.hear(), dave.hear()), ([], []))
        joiner.challenge(attempts[0])
        self.assertEqual(kinds(bob.hear()), [Challenge])

    def test_when_one_lands_the_others_are_over(self) -> None:
        """Every other voucher is told; the newcomer only of what it knows."""
        joiner = self.relay.client()
        attempts = self.second_batch(joiner)
        _, bob, carol, _ = self.members
        bob.vouch(attempts[0])
        carol.vouch(attempts[1])
        joiner.challenge(attempts[0])
        bob.respond(attempts[0])
        bob.add(attempts[0], joiner)
        self.assertEqual(carol.hear()[-1], Over(attempts[1]))
        self.assertEqual(kinds(joiner.hear()), [Vouch, Response, UserAdded])
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_of_two_entries_on_one_head_the_first_wins(self) -> None:
        """The other author is told the new head, answers anew, and lands after it."""
        alice, bob, *_ = self.members
        joiners = [self.relay.client(), self.relay.client()]
        attempts = []
        for joiner in joiners:
            joiner.join()
            attempts.append(alice.asked())
            alice.vouch(attempts[-1])
            joiner.challenge(attempts[-1])
            alice.respond(attempts[-1])
            alice.hear()
            joiner.hear()
        entries = [alice.addition(joiner) for joiner in joiners]
        alice.says(AddUser(attempts[0], entries[0].encode()))
        alice.says(AddUser(attempts[1], entries[1].encode()))
        added, stale = alice.hear()
        self.assertIsInstance(added, UserAdded)
        self.assertEqual(stale, Stale(attempts[1], entries[0].head))
        alice.add(attempts[1], joiners[1])
        self.assertIs(alice.refused(), Code.STATE)  # a new response comes first
        alice.respond(attempts[1])
        alice.add(attempts[1], joiners[1])
        self.assertEqual(kinds(joiners[1].hear()), [Response, UserAdded])
        self.assertEqual(kinds(bob.hear()), [UserAdded, UserAdded])

    def test_who_is_too_late_has_its_time_again(self) -> None:
        """An entry that lost the race is progress; it is no reason to give up."""
        alice, *_ = self.members
        joiner, rival = self.relay.client(), self.relay.client()
        joiner.join()
        attempt = alice.asked()
        alice.vouch(attempt)
        joiner.challenge(attempt)
        alice.respond(attempt)
        entry = alice.addition(joiner)
        rival.join_by(alice)
        self.relay.clock.advance(29)
        alice.says(AddUser(attempt, entry.encode()))
        self.assertEqual(kinds(alice.hear()), [Stale])
        self.relay.clock.advance(29)
        self.assertEqual(alice.hear(), [])


class DoorTests(SynchronousTestCase):
    """More newcomers than are admitted at once."""

    def setUp(self) -> None:
        self.relay = Relay(limits=Limits(joins_per_connection=2))
        (self.alice,) = self.relay.room(1)
        self.joiners = [self.relay.client() for _ in range(7)]
        for joiner in self.joiners:
            joiner.join()

    def places(self) -> list[int | None]:
        """Return the place in the line that each joiner has heard, if any."""
        return [
            next((line.position for line in joiner.hear() if isinstance(line, Queued)), None)
            for joiner in self.joiners
        ]

    def test_four_are_admitted_at_once(self) -> None:
        """The others wait in the order in which they came, and know their place."""
        asked = self.alice.hear()
        self.assertEqual(kinds(asked), [NewUser] * 4)
        self.assertEqual(self.places(), [None] * 4 + [1, 2, 3])

    def test_when_one_is_over_the_next_is_let_in(self) -> None:
        """And everybody behind moves up."""
        asked = self.alice.hears_all(NewUser)
        self.places()
        self.alice.says(Nack(asked[2].attempt))
        self.assertEqual(kinds(self.alice.hear()), [NewUser])
        self.assertEqual(self.places(), [None] * 5 + [1, 2])

    def test_who_waits_may_go(self) -> None:
        """Who is behind moves up."""
        self.places()
        self.joiners[4].lose()
        self.assertEqual(self.places(), [None] * 5 + [1, 2])
        self.joiners[5].says(Cancel("lobby"))
        self.assertEqual(self.places(), [None] * 6 + [1])
        self.assertEqual(kinds(self.alice.hear()), [NewUser] * 4)

    def test_all_are_told_when_nobody_is_left(self) -> None:
        """The last member goes: whoever waits is let in only to hear that."""
        self.places()
        self.alice.lose()
        for joiner in self.joiners:
            error = joiner.hear()[-1]
            assert isinstance(error, ErrorLine)
            self.assertIs(error.code, Code.NOBODY)
            self.assertTrue(joiner.hung_up)

    def test_a_newcomer_that_knocks_again_and_again(self) -> None:
        """Members are not shown more of it than a few a minute; others may join all the same."""
        relay = Relay()
        (alice,) = relay.room(1)
        again, other = relay.client(), relay.client()
        for _ in range(KNOCKS):
            again.says(Join("lobby"), Cancel("lobby"))
        again.hear()
        again.says(Join("lobby"))
        self.assertIs(again.refused(), Code.BUSY)
        self.assertEqual(len(alice.hears_all(NewUser)), KNOCKS)
        other.says(Join("lobby"))
        self.assertEqual(len(alice.hears_all(NewUser)), 1)
        relay.clock.advance(60)
        other.lose()
        again.says(Join("lobby"))
        self.assertEqual(len(alice.hears_all(NewUser)), 1)

    def test_a_join_is_asked_for_once(self) -> None:
        """Inside or waiting, a second `join` of the same room is refused."""
        for joiner in (self.joiners[0], self.joiners[6]):
            joiner.hear()
            joiner.says(Join("lobby"))
            error = joiner.hears(ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.STATE, "lobby"))


class LimitTests(SynchronousTestCase):
    """Joins that a limit forbids."""

    def test_a_long_line(self) -> None:
        """Only so many wait; a place that becomes free can be taken."""
        relay = Relay(limits=Limits(waiting_per_room=1))
        (alice,) = relay.room(1)
        for _ in range(5):
            relay.client().join()
        late = relay.client()
        late.join()
        self.assertIs(late.refused(), Code.BUSY)
        alice.says(Nack(alice.asked()))
        late.join()
        self.assertEqual(late.hears(Queued), Queued("lobby", 1))

    def test_a_long_line_from_one_address(self) -> None:
        """Who makes many identities does not close the door to others."""
        relay = Relay(limits=Limits(waiting_per_address=1))
        relay.room(1)
        for _ in range(5):
            relay.client().join()
        for source, code in (("elsewhere", None), (relay.client().connection.source, Code.BUSY)):
            late = relay.client()
            late.connection.source = source
            late.join()
            if code is None:
                late.hears(Queued)
            else:
                self.assertIs(late.refused(), code)

    def test_a_very_long_line_of_people_that_nobody_can_help(self) -> None:
        """However many wait, all hear it when nobody is left."""
        relay = Relay(limits=Limits(waiting_per_room=2_000, waiting_per_address=2_000))
        (alice,) = relay.room(1)
        joiner = relay.client()
        joiners = [relay.client() for _ in range(1_200)]
        for joiner in joiners:
            joiner.join()
            joiner.hear()
        alice.lose()
        self.assertTrue(all(joiner.hung_up for joiner in joiners))
