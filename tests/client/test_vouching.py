"""Tests of `securechat.client.vouching`: members, newcomers, and a relay that may lie."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import NewcomerAsks, NotVouched, Vouched
from securechat.client.vouching import FORGET_SECONDS, MAX_ATTEMPTS
from securechat.errors import NobodyVouches
from securechat.group.events import MemberAdded
from securechat.group.joiner import MAX_CANDIDATES, joiner
from securechat.group.roster import Policy, Vouchers
from securechat.identity import Bundle, Identity
from securechat.testing import WRITTEN, Person
from securechat.wire import (
    AddUser,
    Challenge,
    FrameLine,
    Line,
    Nack,
    NewUser,
    Over,
    Response,
    Stale,
    UserAdded,
    Vouch,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said

ATTEMPT, OTHER = bytes(16), bytes(range(16))


class VouchingCase(SynchronousTestCase):
    """Alice and Bob are in the room "lobby"; Alice decides at once, or as a test wants."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.asked: list[tuple[str, Bundle, Deferred[bool]]] = []
        self.cancelled: list[Deferred[bool]] = []
        self.deciding = False
        self.at_the_end: bool | None = None
        self.alice = self.network.client("alice", may_vouch=self.may_vouch)
        self.network.get(self.alice.chat.found(LABEL))
        self.bob = self.newcomer("bob", self.alice)
        self.network.get(self.bob.chat.join(LABEL))
        self.network.greet(self.alice, self.bob)
        self.carol = Identity.generate()
        self.alice.trusted.add("carol", self.carol.fingerprint, "typed", WRITTEN)

    async def may_vouch(self, label: str, newcomer: Bundle) -> bool:
        """Say yes, unless a test decides."""
        if not self.deciding:
            return True
        decided: Deferred[bool] = Deferred(self.cancel)
        self.asked.append((label, newcomer, decided))
        return await decided

    def cancel(self, decided: Deferred[bool]) -> None:
        """Nobody asks any more; say something all the same, where a test wants it."""
        self.cancelled.append(decided)
        if self.at_the_end is not None:
            decided.callback(self.at_the_end)

    def ask(
        self, newcomer: Identity | None = None, attempt: bytes = ATTEMPT, label: str = LABEL
    ) -> None:
        """Let the relay ask Alice about *newcomer*."""
        bundle = (newcomer or self.carol).bundle.encode()
        self.tell(NewUser(attempt, room(self.alice, label).id, bundle))

    def tell(self, *lines: Line) -> None:
        """Let the relay say *lines* to Alice."""
        self.network.tell(self.alice, *lines)

    def challenge(self, attempt: bytes = ATTEMPT) -> None:
        """Let Carol answer Alice's vouch."""
        vouch = next(each for each in said(self.alice, Vouch) if each.attempt == attempt)
        newcomer = joiner(self.carol, attempt, LABEL, lambda _: True)
        challenge = newcomer.vouched(self.alice.identity.bundle, vouch.sealed)
        self.tell(Challenge(attempt, challenge))

    def newcomer(self, name: str, by: Person) -> Person:
        """Return somebody who is connected and outside, and whom *by* trusts."""
        person = self.network.client(name, trusts=[by])
        by.trust(person)
        return person

    def assertDeclined(self, *attempts: bytes) -> None:
        """Check that Alice says `nack` to *attempts*, later, and vouches for nobody."""
        self.assertEqual(said(self.alice, Nack), [])
        self.network.turn(1)
        self.assertEqual(said(self.alice, Nack), [Nack(each) for each in attempts])
        self.assertEqual(said(self.alice, Vouch), [])

    def assertNotVouched(self, *whys: str) -> None:
        """Check that Alice was told why she has not vouched for Carol."""
        self.assertEqual(
            self.alice.heard(NotVouched),
            [NotVouched(LABEL, self.carol.fingerprint, why) for why in whys],
        )


class QuestionTests(VouchingCase):
    """The relay asks: do you know this identity?"""

    def test_trusted(self) -> None:
        """She is vouched for at once, and her bundle is kept."""
        self.ask()
        (vouch,) = said(self.alice, Vouch)
        self.assertEqual(vouch.bundle, self.alice.identity.bundle.encode())
        self.assertEqual(
            self.alice.events, [NewcomerAsks(LABEL, self.carol.fingerprint, trusted=True)]
        )
        known = self.alice.trusted.find(self.carol.fingerprint)
        assert known is not None
        self.assertEqual(known.bundle, self.carol.bundle)

    def test_stranger(self) -> None:
        """Is told nothing, after a time that says nothing."""
        stranger = Identity.generate()
        self.ask(stranger)
        (event,) = self.alice.events
        self.assertEqual(event, NewcomerAsks(LABEL, stranger.fingerprint, trusted=False))
        self.assertDeclined(ATTEMPT)

    def test_bundle_that_is_none(self) -> None:
        """There is nobody to tell the user about."""
        self.tell(NewUser(ATTEMPT, room(self.alice).id, b"junk"))
        self.assertEqual(self.alice.events, [])
        self.assertDeclined(ATTEMPT)

    def test_bundle_whose_key_cannot_be_used(self) -> None:
        """A trusted identity to which nothing can be sealed cannot be vouched for."""
        broken = Bundle(1, self.carol.bundle.ed25519, bytes(1216))
        self.alice.trusted.add("broken", broken.fingerprint, "typed", WRITTEN)
        self.tell(NewUser(ATTEMPT, room(self.alice).id, broken.encode()))
        self.assertDeclined(ATTEMPT)

    def test_who_is_in_already(self) -> None:
        """Nobody comes in twice."""
        self.ask(self.bob.identity)
        self.assertDeclined(ATTEMPT)

    def test_member_who_may_not_vouch(self) -> None:
        """Where the policy leaves it to others, trust is not enough."""
        policy = Policy(Vouchers.MODERATORS)
        self.network.get(self.bob.chat.found("attic", policy))
        self.network.get(self.alice.chat.join("attic"))
        self.alice.lines.clear()
        self.ask(label="attic")
        self.assertDeclined(ATTEMPT)

    def test_twice_at_a_time(self) -> None:
        """One attempt for each newcomer in each room; when it is over there can be another."""
        self.ask()
        self.ask(attempt=OTHER)
        self.network.turn(1)
        self.assertEqual(said(self.alice, Nack), [Nack(OTHER)])
        self.tell(Over(ATTEMPT))
        self.ask(attempt=OTHER)
        self.assertEqual([each.attempt for each in said(self.alice, Vouch)], [ATTEMPT, OTHER])

    def test_two_rooms(self) -> None:
        """Carol joins both at once, with Alice's help."""
        attic = self.network.get(self.alice.chat.found("attic"))
        self.ask()
        self.ask(attempt=OTHER, label="attic")
        self.assertEqual(len(said(self.alice, Vouch)), 2)
        dave = self.newcomer("dave", self.alice)
        self.network.get(dave.chat.join("attic"))
        self.network.get(dave.chat.join(LABEL))
        for where in (room(self.alice), attic):
            self.assertIn(dave.fingerprint, where.log.membership.index)
        self.assertEqual([each.label for each in self.alice.heard(Vouched)], ["attic", LABEL])

    def test_number_that_is_used_again(self) -> None:
        """Only a relay that lies does so. The new attempt takes the place of the old."""
        self.ask()
        self.network.turn(FORGET_SECONDS - 10)
        self.ask()
        self.network.turn(20)
        self.assertEqual(len(said(self.alice, Vouch)), 2)
        self.challenge_newest()
        self.assertEqual(len(said(self.alice, AddUser)), 1)

    def challenge_newest(self) -> None:
        """Let Carol answer Alice's newest vouch."""
        newcomer = joiner(self.carol, ATTEMPT, LABEL, lambda _: True)
        sealed = said(self.alice, Vouch)[-1].sealed
        self.tell(Challenge(ATTEMPT, newcomer.vouched(self.alice.identity.bundle, sealed)))

    def test_flood(self) -> None:
        """Only so many are considered at a time; the others are declined."""
        self.deciding = True
        for number in range(MAX_ATTEMPTS + 2):
            newcomer = Identity.generate()
            name = f"newcomer {number}"
            self.alice.trusted.add(name, newcomer.fingerprint, "typed", WRITTEN)
            self.ask(newcomer, number.to_bytes(16, "big"))
        self.network.turn(1)
        self.assertEqual(len(self.asked), MAX_ATTEMPTS)
        self.assertEqual(len(said(self.alice, Nack)), 2)


class DecisionTests(VouchingCase):
    """`may_vouch` is asked, and takes its time."""

    def setUp(self) -> None:
        super().setUp()
        self.deciding = True
        self.ask()
        ((label, newcomer, self.decided),) = self.asked
        self.assertEqual((label, newcomer), (LABEL, self.carol.bundle))
        self.assertEqual(said(self.alice, Vouch), [])

    def test_yes(self) -> None:
        """Then she is vouched for."""
        self.decided.callback(True)
        self.assertEqual(len(said(self.alice, Vouch)), 1)
        self.challenge()
        self.assertEqual(len(said(self.alice, AddUser)), 1)

    def test_no(self) -> None:
        """Then it is as if she were unknown."""
        self.decided.callback(False)
        self.assertDeclined(ATTEMPT)

    def test_too_late(self) -> None:
        """She is in by the time the user says yes."""
        place, entry = self.admitted()
        self.tell(UserAdded(place, room(self.alice).seq + 1, entry))
        self.assertEqual(self.cancelled, [self.decided])
        self.assertNotVouched("another member has done so")
        self.network.turn(1)
        self.assertEqual(said(self.alice, Vouch) + said(self.alice, Nack), [])

    def admitted(self) -> tuple[bytes, bytes]:
        """Let Bob vouch for Carol; return the room and the entry, of which Alice has not heard."""
        self.network.hold(UserAdded, to=self.alice)
        self.bob.trusted.add("carol", self.carol.fingerprint, "typed", WRITTEN)
        carol = self.network.client("carol", trusts=[self.bob], identity=self.carol)
        self.network.hold(NewUser, to=self.alice)
        self.network.get(carol.chat.join(LABEL))
        return room(carol).id, room(carol).first_entry.encode()

    def test_relay_gives_up(self) -> None:
        """There is nothing to decide any more."""
        self.tell(Over(ATTEMPT))
        self.assertEqual(self.cancelled, [self.decided])
        self.assertNotVouched("the relay gave it up")
        self.network.turn(1)
        self.assertEqual(said(self.alice, Nack), [])

    def test_connection_breaks(self) -> None:
        """Likewise."""
        self.network.wire(self.alice).near.lose(Failure(ConnectionDone()))
        self.assertEqual(self.cancelled, [self.decided])
        self.network.turn(3)
        self.assertEqual(said(self.alice, Nack), [])

    def test_decision_when_it_is_over(self) -> None:
        """Whoever answers because it is not asked any more answers nothing."""
        for self.at_the_end in (True, False):
            self.tell(Over(ATTEMPT))
            self.network.turn(1)
            self.assertEqual(said(self.alice, Vouch) + said(self.alice, Nack), [])
            self.ask()

    def test_lines_before_the_decision(self) -> None:
        """Nothing was said that could be answered."""
        self.tell(Challenge(ATTEMPT, b"junk"), Stale(ATTEMPT, room(self.alice).place.head))
        self.assertEqual(said(self.alice, Nack) + said(self.alice, Response), [])
        self.decided.callback(True)
        self.assertEqual(len(said(self.alice, Vouch)), 1)

    def test_who_decides_fails(self) -> None:
        """A fault of the application is logged, and nobody is vouched for."""
        self.decided.errback(ZeroDivisionError())
        self.assertDeclined(ATTEMPT)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_who_decides_gives_up(self) -> None:
        """That is a no."""
        self.decided.cancel()
        self.assertDeclined(ATTEMPT)


class AttemptTests(VouchingCase):
    """The newcomer answers, and the entry is made."""

    def test_challenge_that_is_none(self) -> None:
        """The attempt is over, and its newcomer comes no further."""
        self.ask()
        self.tell(Challenge(ATTEMPT, b"junk"))
        self.assertEqual(said(self.alice, Nack), [Nack(ATTEMPT)])
        self.assertEqual(len(self.alice.heard(NotVouched)), 1)
        self.challenge()
        self.assertEqual(said(self.alice, Response), [])

    def test_lines_about_nothing(self) -> None:
        """Attempts that the client does not know are over, or were never."""
        self.tell(
            Challenge(ATTEMPT, b"junk"), Stale(ATTEMPT, bytes(32)), Over(ATTEMPT), Over(OTHER)
        )
        self.assertEqual((self.alice.events, said(self.alice, Nack)), ([], []))

    def test_the_entry_lands(self) -> None:
        """The voucher is told that it has vouched, and the others that somebody is in."""
        dave = self.newcomer("dave", self.alice)
        self.network.get(dave.chat.join(LABEL))
        self.network.settle()
        self.assertEqual(self.alice.heard(Vouched), [Vouched(LABEL, dave.fingerprint)])
        self.assertEqual(len(self.bob.heard(MemberAdded)), 1)
        self.assertEqual(self.bob.heard(Vouched), [])

    def test_two_vouchers_at_once(self) -> None:
        """
        Alice lets Dave in and Bob lets Erin in, on the same head. The first entry lands; the
        other voucher makes its own anew on top of it, and the newcomer need not answer again.
        """
        dave, erin = self.newcomer("dave", self.alice), self.newcomer("erin", self.bob)
        late = self.network.hold(AddUser, by=self.alice)
        both = [dave.chat.join(LABEL), erin.chat.join(LABEL)]
        self.network.turn(2)
        self.assertEqual(len(late), 1)
        self.network.be_honest()
        self.network.say(self.alice, *late)
        for each in both:
            self.network.get(each)
        self.assertEqual(len(heard(self.alice, Stale)), 1)
        self.assertEqual(len(said(self.alice, Response)), 2)
        self.assertEqual(len(heard(self.alice, Challenge)), 1)
        self.network.speak(dave, "hello")
        heads = {room(each).place.head for each in (self.alice, self.bob, dave, erin)}
        self.assertEqual(len(heads), 1)
        self.assertEqual(self.alice.heard(Vouched), [Vouched(LABEL, dave.fingerprint)])

    def test_stale_before_the_entry_is_here(self) -> None:
        """The new entry waits for the one that it has to stand on."""
        self.ask()
        self.challenge()
        self.tell(Stale(ATTEMPT, bytes(32)))
        self.assertEqual(len(said(self.alice, AddUser)), 1)
        dave = self.newcomer("dave", self.bob)
        self.network.get(dave.chat.join(LABEL))
        self.assertEqual(len(said(self.alice, AddUser)), 1)  # it was not that one
        head = self.next_head()
        self.tell(Stale(ATTEMPT, head))
        self.assertEqual(len(said(self.alice, AddUser)), 1)
        self.network.be_honest()
        self.tell(self.held[0])
        self.assertEqual(len(said(self.alice, AddUser)), 2)

    def next_head(self) -> bytes:
        """Let Bob add somebody, of which Alice does not hear yet; return the log's head then."""
        self.held = self.network.hold(UserAdded, to=self.alice)
        self.network.hold(FrameLine, to=self.alice)
        erin = self.newcomer("erin", self.bob)
        self.network.get(erin.chat.join(LABEL))
        return room(self.bob).place.head

    def test_stale_without_end(self) -> None:
        """A relay cannot have entries made for ever: after sixteen the voucher gives up."""
        self.ask()
        self.challenge()
        for _ in range(2 * MAX_CANDIDATES):
            self.tell(Stale(ATTEMPT, room(self.alice).place.head))
        self.assertEqual(len(said(self.alice, AddUser)), MAX_CANDIDATES)
        self.assertNotVouched("other entries always came first")
        self.assertEqual(said(self.alice, Nack), [Nack(ATTEMPT)])

    def test_consent_that_is_too_old(self) -> None:
        """After sixteen other entries the newcomer would have to agree anew."""
        self.ask()
        self.challenge()
        for number in range(16):
            self.network.get(self.newcomer(f"n{number}", self.bob).chat.join(LABEL))
        self.tell(Stale(ATTEMPT, room(self.alice).place.head))
        self.assertEqual(len(said(self.alice, AddUser)), 1)
        self.assertEqual(said(self.alice, Nack)[-1], Nack(ATTEMPT))
        (event,) = self.alice.heard(NotVouched)
        self.assertIn("too old", event.why)

    def test_relay_says_nothing_more(self) -> None:
        """The attempt is forgotten, and no key lingers for ever."""
        self.ask()
        self.network.turn(FORGET_SECONDS)
        self.assertNotVouched("the relay says nothing more")
        self.challenge()
        self.assertEqual(said(self.alice, Response), [])

    def test_relay_gives_up(self) -> None:
        """Likewise, and no timer is left."""
        self.ask()
        self.tell(Over(ATTEMPT))
        self.assertNotVouched("the relay gave it up")
        self.network.turn(2 * FORGET_SECONDS)
        self.assertEqual(len(self.alice.heard(NotVouched)), 1)

    def test_connection_breaks(self) -> None:
        """Attempts end with it, discreet refusals too."""
        self.ask()
        self.ask(Identity.generate(), OTHER)
        self.network.wire(self.alice).near.lose(Failure(ConnectionDone()))
        self.network.turn(3)
        self.alice.lines.clear()
        self.challenge_after_all()
        self.network.turn(2 * FORGET_SECONDS)
        self.assertEqual(said(self.alice, Nack) + said(self.alice, Response), [])

    def challenge_after_all(self) -> None:
        """Let the relay go on with the attempt on the next connection."""
        self.tell(Challenge(ATTEMPT, b"junk"))

    def test_newcomer_vanishes(self) -> None:
        """The voucher is told, and the next newcomer is served."""
        dave = self.newcomer("dave", self.alice)
        self.network.hold(Challenge, by=dave)
        joined = dave.chat.join(LABEL)
        self.network.settle()
        self.network.wire(dave).near.lose(Failure(ConnectionDone()))
        self.network.settle()
        self.failureResultOf(joined)
        (event,) = self.alice.heard(NotVouched)
        self.assertEqual(event.newcomer, dave.fingerprint)

    def test_voucher_that_stalls(self) -> None:
        """The next member is asked, and the first learns that it is over."""
        self.network.hold(Challenge, to=self.alice)
        dave = self.newcomer("dave", self.alice)
        dave.trust(self.bob)
        self.bob.trust(dave)
        self.network.get(dave.chat.join(LABEL))
        self.network.settle()
        self.assertEqual(room(dave).roster[-1].voucher, self.bob.fingerprint)
        self.assertEqual(len(heard(self.alice, Over)), 1)
        self.assertEqual(len(self.alice.heard(NotVouched)), 1)

    def test_nobody_vouches(self) -> None:
        """Whom no member trusts stays outside."""
        stranger = self.network.client("stranger", trusts=[self.alice, self.bob])
        self.assertRaises(NobodyVouches, self.network.get, stranger.chat.join(LABEL))
        self.assertEqual(len(said(self.alice, Nack) + said(self.bob, Nack)), 2)
