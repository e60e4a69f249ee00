"""Tests of `securechat.client.joining`: newcomers, vouchers, and a relay that may lie."""

from __future__ import annotations

from itertools import permutations

import attrs
from twisted.internet.defer import CancelledError, Deferred

from securechat.client.events import MembersAsked, Refusal, VoucherMet, Waiting
from securechat.client.joining import ATTEMPT_SECONDS, MAX_VOUCHERS
from securechat.client.known import KnownRooms
from securechat.client.refusals import subject
from securechat.errors import (
    AdmissionRefused,
    ConnectionLost,
    FoundedAnew,
    NobodyVouches,
    NoSuchRoom,
    NotConnected,
    RelayBusy,
    RelayRefused,
    RoomKnown,
    StateLost,
    VoucherUnknown,
)
from securechat.fingerprint import to_groups
from securechat.group.admission import Place
from securechat.group.events import MemberAdded, Named
from securechat.group.room import Room
from securechat.testing import ADDRESS, Person
from securechat.wire import (
    AddUser,
    Asked,
    Cancel,
    Challenge,
    Code,
    ErrorLine,
    Join,
    Line,
    Member,
    Nack,
    NewUser,
    Over,
    Page,
    Queued,
    Response,
    Resumed,
    Roster,
    Send,
    UserAdded,
    Vouch,
)
from tests.adversary.forgery import adding, agreeing, landing
from tests.adversary.kit import LABEL, heard, room, said
from tests.client.kit import JoiningCase

ATTEMPTS = [bytes([number]) * 16 for number in range(2 * MAX_VOUCHERS)]


class AdmissionTests(JoiningCase):
    """A join that goes well, and what the relay tells on the way."""

    def test_the_seeds_conversation(self) -> None:
        """Step by step, and what the newcomer is told."""
        self.enters(self.bob.chat.join(LABEL))
        verbs = [line.split(b" ")[0].decode() for _, line in self.bob.lines]
        self.assertEqual(
            " ".join(verbs[:13]),
            "banner identity ack join asked vouch challenge response user_added roster page "
            "resume user_added",
        )
        self.assertEqual(self.bob.heard(MembersAsked), [MembersAsked(LABEL, 1, 1)])
        self.assertEqual(self.bob.heard(VoucherMet), [VoucherMet(LABEL, self.alice.fingerprint)])
        self.assertEqual(len(self.bob.heard(MemberAdded)), 1)

    def test_fires_when_the_newcomer_has_greeted(self) -> None:
        """The last thing that was said then is `hello_i_am`."""
        done = self.bob.chat.join(LABEL).addCallback(lambda _: said(self.bob, Send))
        self.assertEqual(len(self.network.get(done)), 1)
        self.network.settle()
        (named,) = self.alice.heard(Named)
        self.assertEqual(named.name, "bob")

    def test_the_bundle_of_the_voucher_is_kept(self) -> None:
        """Who was trusted by the fingerprint alone has been met."""
        self.enters(self.bob.chat.join(LABEL))
        (known,) = self.bob.trusted
        self.assertEqual(known.bundle, self.alice.identity.bundle)

    def test_how_it_goes_on(self) -> None:
        """The place in the queue, and who was asked, of this room alone."""
        self.network.hold(NewUser, to=self.alice)
        self.join()
        self.bob.events.clear()
        for label in (LABEL, "attic"):
            self.tell(Queued(label, 3), Asked(label, 2, 5))
        self.assertEqual(self.bob.events, [Waiting(LABEL, 3), MembersAsked(LABEL, 2, 5)])

    def test_trusted_in_another_program(self) -> None:
        """Whom the user trusts is looked up when it matters."""
        dave = self.network.client("dave")
        self.alice.trust(dave)
        vouches = self.network.hold(Vouch, to=dave)
        joined = dave.chat.join(LABEL)
        self.network.settle()
        self.network.be_honest()
        dave.trust(self.alice)
        self.network.tell(dave, *vouches)
        self.network.get(joined)


class RefusalTests(JoiningCase):
    """The relay says no."""

    def test_each_reason(self) -> None:
        """Is an error of its own."""
        self.network.hold(Join, by=self.bob)
        for code, kind in (
            (Code.NO_ROOM, NoSuchRoom),
            (Code.NOBODY, NobodyVouches),
            (Code.BUSY, RelayBusy),
        ):
            joined = self.join()
            self.tell(ErrorLine(code, LABEL, "because"))
            self.fails(joined, kind)

    def test_a_member_without_keys(self) -> None:
        """Who is on the roster already, and has not its keys here, is told so."""
        self.network.hold(Join, by=self.bob)
        joined = self.join()
        self.tell(Member(LABEL, bytes(32), bytes(32)))
        self.fails(joined, StateLost)

    def test_room_that_is_known(self) -> None:
        """To who was in it, a room that the relay does not have is lost or hidden."""
        known = KnownRooms()
        known.learn(ADDRESS, "attic", bytes(32))
        carol = self.newcomer("carol", known=known)
        self.failureResultOf(self.try_to(carol, "attic"), RoomKnown)
        self.failureResultOf(self.try_to(self.bob, "attic"), NoSuchRoom)

    def try_to(self, person: Person, label: str) -> Deferred[Room]:
        joined = person.chat.join(label)
        self.network.settle()
        return joined

    def test_nobody_vouches(self) -> None:
        """The relay sends away who is in no room; who is in one stays connected."""
        stranger = self.network.client("stranger", trusts=[self.alice])
        joined = stranger.chat.join(LABEL)
        self.network.turn(2)
        self.failureResultOf(joined, NobodyVouches)
        self.assertFalse(stranger.chat.connected)
        self.network.get(stranger.chat.connect())
        self.network.get(stranger.chat.found("attic"))
        joined = stranger.chat.join(LABEL)
        self.network.turn(2)
        self.failureResultOf(joined, NobodyVouches)
        self.assertTrue(stranger.chat.connected)

    def test_lines_that_cross(self) -> None:
        """An attempt or a join that is over by the time a line arrives is no news."""
        self.network.hold(Join, by=self.bob)
        joined = self.join()
        self.tell(
            ErrorLine(Code.ATTEMPT, subject(ATTEMPTS[0]), "there is no such attempt"),
            ErrorLine(Code.STATE, LABEL, "you are not joining this room"),
        )
        self.assertNoResult(joined)
        self.assertEqual(self.bob.heard(Refusal), [])


class StrangerTests(JoiningCase):
    """Somebody vouches whom the newcomer does not trust."""

    def setUp(self) -> None:
        super().setUp()
        self.bob.trusted.remove("alice")

    def test_warning_comes_at_once(self) -> None:
        """With the voucher's fingerprint; the relay is told later, so that it cannot tell why."""
        joined = self.join()
        self.assertIn(to_groups(self.alice.fingerprint), self.fails(joined, VoucherUnknown))
        self.assertEqual(said(self.bob, Cancel), [])
        self.network.turn(0.5)
        self.assertEqual(said(self.bob, Cancel), [])
        self.network.turn(0.5)
        self.assertEqual(said(self.bob, Cancel), [Cancel(LABEL)])
        self.assertEqual(said(self.bob, Nack) + said(self.bob, Challenge), [])

    def test_join_again_at_once(self) -> None:
        """The next join begins when the relay knows that the first is over."""
        self.fails(self.join(), VoucherUnknown)
        self.bob.trust(self.alice)
        joined = self.join()
        self.assertEqual(len(said(self.bob, Join)), 1)
        self.network.turn(1)
        verbs = [line.split(b" ")[0] for who, line in self.bob.lines if who == "C"]
        self.assertEqual(verbs[1:4], [b"join", b"cancel", b"join"])
        self.enters(joined)

    def test_lines_after_the_warning(self) -> None:
        """Whatever else the relay says about that join is not heard any more."""
        self.fails(self.join(), VoucherUnknown)
        self.bob.events.clear()
        (vouch,) = heard(self.bob, Vouch)
        self.bob.trust(self.alice)
        self.tell(vouch, Queued(LABEL, 1), ErrorLine(Code.NOBODY, LABEL, "nobody"))
        self.assertEqual((said(self.bob, Challenge), self.bob.events), ([], []))

    def test_close_after_the_warning(self) -> None:
        """Who leaves because of it is gone no sooner than the relay would have been told."""
        self.fails(self.join(), VoucherUnknown)
        closing = self.bob.chat.close()
        self.network.turn(0.5)
        self.assertNoResult(closing)
        self.assertTrue(self.bob.chat.connected)
        self.network.turn(0.5)
        self.successResultOf(closing)
        self.assertEqual(said(self.bob, Cancel), [Cancel(LABEL)])

    def test_connection_breaks_after_the_warning(self) -> None:
        """There is nobody to tell any more, and the next join can begin."""
        self.fails(self.join(), VoucherUnknown)
        self.cut()
        self.network.turn(2)
        self.assertEqual(said(self.bob, Cancel), [])
        self.bob.trust(self.alice)
        self.network.get(self.bob.chat.connect())
        self.enters(self.bob.chat.join(LABEL))

    def test_patience(self) -> None:
        """Who is patient says no as discreetly, and waits for somebody else."""
        carol = self.newcomer("carol")
        self.network.get(carol.chat.join(LABEL))
        carol.trust(self.bob)
        self.bob.trust(carol)
        joined = self.bob.chat.join(LABEL, patient=True)
        self.network.settle()
        self.assertEqual(said(self.bob, Nack), [])
        self.network.turn(1)
        self.assertEqual(len(said(self.bob, Nack)), 1)
        self.enters(joined)
        self.assertEqual(room(self.bob).roster[-1].voucher, carol.fingerprint)

    def test_patience_in_vain(self) -> None:
        """Until nobody is left."""
        joined = self.bob.chat.join(LABEL, patient=True)
        self.network.turn(2)
        self.fails(joined, NobodyVouches)


class FoundedAnewTests(JoiningCase):
    """The label stood for another room."""

    def test_before_the_newcomer_agrees(self) -> None:
        """
        As soon as the vouch is opened: nothing is agreed to, and the relay is told as late as it
        would be of a stranger.
        """
        known = KnownRooms()
        carol = self.newcomer("carol", known=known)
        known.learn(ADDRESS, LABEL, bytes(32))
        joined = carol.chat.join(LABEL, patient=True)
        self.network.settle()
        self.failureResultOf(joined, FoundedAnew)
        self.assertEqual(said(carol, Challenge) + said(carol, Cancel), [])
        self.network.turn(1)
        self.assertEqual(said(carol, Cancel), [Cancel(LABEL)])
        self.assertEqual(len(room(self.alice).roster), 1)
        known.forget(ADDRESS, LABEL)
        self.network.get(carol.chat.join(LABEL))
        self.assertEqual(known.find(ADDRESS, LABEL), room(self.alice).id)


class OlderRoomTests(JoiningCase):
    """Carol was in the room, and knows what it was when she left it."""

    def setUp(self) -> None:
        super().setUp()
        self.known = KnownRooms()
        self.carol = self.newcomer("carol", known=self.known)
        self.network.get(self.carol.chat.join(LABEL))
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.turn(5)

    def test_who_comes_again(self) -> None:
        """Is let in by who knows as much of the room, or more."""
        last = self.known.last(ADDRESS, LABEL)
        assert last is not None
        self.assertEqual((last.room, last.epoch), (room(self.alice).id, 2))
        self.network.get(self.carol.chat.join(LABEL))
        self.assertEqual(len(room(self.alice).roster), 2)

    def test_voucher_of_an_older_room(self) -> None:
        """A former member, or a relay on an old copy, cannot lead her back: she does not agree."""
        self.known.left(ADDRESS, LABEL, Place(room(self.alice).id, 99, bytes(32)))
        joined = self.carol.chat.join(LABEL)
        self.network.turn(60)
        self.failureResultOf(joined, NobodyVouches)
        self.assertEqual(len(room(self.alice).roster), 1)


class SeveralVouchersTests(JoiningCase):
    """The relay brings one voucher after the other, or many at once."""

    def setUp(self) -> None:
        super().setUp()
        self.carol = self.newcomer("carol")
        self.network.get(self.carol.chat.join(LABEL))
        self.carol.trust(self.bob)
        self.bob.trust(self.carol)

    def vouches(self, *attempts: bytes) -> list[Vouch]:
        """Let Alice vouch for Bob in *attempts*; return what she says."""
        place, bundle = room(self.alice).place, self.bob.identity.bundle.encode()
        for attempt in attempts:
            self.network.tell(self.alice, NewUser(attempt, place.room, bundle))
            self.network.tell(self.alice, Over(attempt))
        return said(self.alice, Vouch)[-len(attempts) :]

    def forge(self, *attempts: bytes) -> None:
        """Let the relay bring all these vouches at once."""
        self.tell(*self.vouches(*attempts))

    def answered(self) -> list[bytes]:
        """Return the attempts in which Bob has said `challenge`."""
        return [each.attempt for each in said(self.bob, Challenge)]

    def begin(self) -> Deferred[Room]:
        """Let Bob ask to join, which the real relay does not hear."""
        self.network.hold(Join, by=self.bob)
        return self.join()

    def test_one_at_a_time(self) -> None:
        """The next is answered once the relay says that the one before is over."""
        self.begin()
        self.forge(*ATTEMPTS[:3])
        self.assertEqual(self.answered(), ATTEMPTS[:1])
        self.tell(Over(ATTEMPTS[1]), Over(ATTEMPTS[9]))
        self.assertEqual(self.answered(), ATTEMPTS[:1])
        self.tell(Over(ATTEMPTS[0]))
        self.assertEqual(self.answered(), ATTEMPTS[:2])

    def test_voucher_that_stalls(self) -> None:
        """After half a minute it is given up, and the next one is answered."""
        joined = self.begin()
        self.forge(*ATTEMPTS[:2])
        self.network.turn(ATTEMPT_SECONDS - 1)
        self.assertEqual(self.answered(), ATTEMPTS[:1])
        self.network.turn(1)
        self.assertEqual(said(self.bob, Nack), [Nack(ATTEMPTS[0])])
        self.assertEqual(self.answered(), ATTEMPTS[:2])
        self.network.turn(ATTEMPT_SECONDS)
        self.assertEqual(said(self.bob, Nack), [Nack(each) for each in ATTEMPTS[:2]])
        self.assertNoResult(joined)

    def test_voucher_that_stalls_with_an_honest_relay(self) -> None:
        """Which asks the next member then."""
        self.network.hold(Challenge, to=self.alice)
        joined = self.bob.chat.join(LABEL)
        self.network.turn(ATTEMPT_SECONDS + 1)
        self.enters(joined)
        self.assertEqual(room(self.bob).roster[-1].voucher, self.carol.fingerprint)

    def test_each_step_has_its_time(self) -> None:
        """A voucher that has answered late may take as long again for its entry."""
        responses = self.network.hold(Response, to=self.bob)
        landed = self.network.hold(UserAdded, to=self.bob)
        joined = self.join()
        self.network.be_honest()
        self.network.turn(ATTEMPT_SECONDS - 1)
        self.tell(*responses)
        self.network.turn(ATTEMPT_SECONDS - 1)
        self.assertEqual(said(self.bob, Nack), [])
        self.tell(*landed)
        self.enters(joined)

    def test_entry_of_a_voucher_that_was_given_up(self) -> None:
        """Whoever's entry lands is the one."""
        place, bundle = room(self.carol).place, self.bob.identity.bundle.encode()
        self.network.tell(self.carol, NewUser(ATTEMPTS[0], place.room, bundle))
        responses = self.network.hold(Response, to=self.bob)
        landed = self.network.hold(UserAdded, to=self.bob)
        joined = self.join()
        self.network.be_honest()
        self.network.turn(ATTEMPT_SECONDS + 1)
        self.tell(*said(self.carol, Vouch))
        self.assertEqual(len(self.answered()), 2)
        self.tell(*responses, *landed)
        self.enters(joined)

    def test_vouch_that_is_repeated(self) -> None:
        """It was answered, and the answer counts."""
        responses = self.network.hold(Response, to=self.bob)
        landed = self.network.hold(UserAdded, to=self.bob)
        joined = self.join()
        self.network.be_honest()
        self.tell(*heard(self.bob, Vouch))
        self.network.turn(ATTEMPT_SECONDS + 1)
        self.tell(*heard(self.bob, Vouch))
        self.assertEqual(len(self.answered()), 1)
        self.tell(*responses, *landed)
        self.enters(joined)

    def test_vouch_that_is_none(self) -> None:
        """It is refused at once, and the next one answered."""
        self.begin()
        *vouches, good = self.vouches(*ATTEMPTS[:5])
        wrong = [
            attrs.evolve(vouches[0], sealed=b"junk"),
            attrs.evolve(vouches[1], bundle=b"junk"),
            attrs.evolve(vouches[2], bundle=self.carol.identity.bundle.encode()),
            attrs.evolve(vouches[3], attempt=ATTEMPTS[9]),
        ]
        self.tell(*wrong, good)
        self.assertEqual(said(self.bob, Nack), [Nack(each.attempt) for each in wrong])
        self.assertEqual(self.answered(), [good.attempt])

    def test_vouches_that_are_none_and_wait(self) -> None:
        """The same when it is their turn, however many they are."""
        self.begin()
        *vouches, good = self.vouches(*ATTEMPTS[:MAX_VOUCHERS])
        wrong = [attrs.evolve(each, sealed=b"junk") for each in vouches[1:]]
        self.tell(vouches[0], *wrong, good)
        self.assertEqual(said(self.bob, Nack), [])
        self.tell(Over(vouches[0].attempt))
        self.assertEqual(said(self.bob, Nack), [Nack(each.attempt) for each in wrong])
        self.assertEqual(self.answered(), [vouches[0].attempt, good.attempt])

    def test_response_that_is_none(self) -> None:
        """That attempt is over, and the next one begins; one of another attempt changes nothing."""
        self.begin()
        self.forge(*ATTEMPTS[:3])
        self.tell(Response(ATTEMPTS[9], b"junk"), Response(ATTEMPTS[0], b"junk"))
        self.assertEqual(said(self.bob, Nack), [Nack(ATTEMPTS[0])])
        self.assertEqual(self.answered(), ATTEMPTS[:2])
        self.network.turn(ATTEMPT_SECONDS)  # the second one stalls, and answers late
        self.assertEqual(self.answered(), ATTEMPTS[:3])
        self.tell(Response(ATTEMPTS[1], b"junk"))
        self.assertEqual(
            said(self.bob, Nack), [Nack(each) for each in (*ATTEMPTS[:2], ATTEMPTS[1])]
        )
        self.assertEqual(self.answered(), ATTEMPTS[:3])

    def test_flood_of_vouches(self) -> None:
        """Sixteen wait, and sixteen attempts are remembered."""
        self.begin()
        self.forge(*ATTEMPTS)
        for attempt in ATTEMPTS:
            self.tell(Over(attempt))
        self.assertEqual(self.answered(), [ATTEMPTS[0], *ATTEMPTS[-MAX_VOUCHERS:]])
        self.bob.lines.clear()
        for attempt in ATTEMPTS:
            self.tell(Response(attempt, b"junk"))
        self.assertEqual(len(said(self.bob, Nack)), MAX_VOUCHERS)


class LandingTests(JoiningCase):
    """An entry lands: is it the one, and does it lead in?"""

    def test_entry_that_is_none(self) -> None:
        """Junk, and other newcomers' entries, are not for this one."""
        entry = room(self.alice).first_entry.encode()
        where = room(self.alice).id
        landed = self.network.hold(UserAdded, to=self.bob)
        joined = self.join()
        self.network.be_honest()
        self.tell(UserAdded(where, 1, b"junk"), UserAdded(where, 1, entry))
        self.assertEqual(said(self.bob, Roster), [])
        self.tell(*landed)
        self.enters(joined)

    def test_entry_without_the_key(self) -> None:
        """
        The newcomer is on the roster, and nobody gave it the key. The relay may lie, so there is
        time for somebody else; but no more than that.
        """
        self.network.hold(Response, to=self.bob)
        joined = self.join()
        self.assertEqual(len(heard(self.bob, UserAdded)), 1)
        self.assertNoResult(joined)
        self.network.turn(2 * ATTEMPT_SECONDS)
        self.assertIn("key", self.fails(joined, AdmissionRefused))

    def test_entry_without_the_key_that_was_a_lie(self) -> None:
        """Who vouches after it still lets the newcomer in."""
        vouches = self.network.hold(Vouch, to=self.bob)
        joined = self.join()
        self.network.be_honest()
        place, bundle = room(self.alice).place, self.bob.identity.bundle
        add = agreeing(bundle, self.alice.identity, place, self.alice.fingerprint)
        lie, _ = adding(room(self.alice), self.alice.identity.bundle, self.alice.identity, add)
        self.tell(landing(room(self.alice), lie))
        self.network.turn(20)
        self.network.hold(Page, to=self.bob)
        self.tell(*vouches)
        self.network.turn(ATTEMPT_SECONDS)
        self.assertNoResult(joined)
        self.cut()
        self.fails(joined, ConnectionLost)

    def test_keys_are_not_shown(self) -> None:
        """Nothing that could be printed or logged shows what a newcomer holds."""
        self.network.hold(Page, to=self.bob)
        joined = self.join()
        chat = self.bob.chat
        (entrance,) = chat._begun[LABEL].entrances.values()
        parts = [chat, chat._party, chat._joining, *vars(chat).values()]
        parts += [*vars(chat._joining).values(), *vars(chat._party).values()]
        shown = "".join(map(repr, parts))
        for secret in (entrance.secret, *chat._identity._secrets):
            self.assertNotIn(repr(secret)[2:-1], shown)
        joined.addErrback(lambda _: None)

    def test_errors_keep_no_keys(self) -> None:
        """The frames in which a step failed, where keys are, do not live as long as its error."""
        self.bob.trusted.remove("alice")
        error = self.failureResultOf(self.join(), VoucherUnknown).value
        self.assertIsNone(error.__context__)
        step = error.__traceback__
        while step is not None:
            self.assertNotIn("securechat/group", step.tb_frame.f_code.co_filename)
            step = step.tb_next

    def test_relay_has_no_roster(self) -> None:
        """Without it the entry leads nowhere; again there is time for somebody else."""
        self.network.hold(Roster, by=self.bob)
        joined = self.join()
        self.tell(ErrorLine(Code.GONE, subject(room(self.alice).id), "no such page"))
        self.assertNoResult(joined)
        self.assertEqual(self.bob.heard(Refusal), [])
        self.network.turn(ATTEMPT_SECONDS)
        self.assertIn("no such page", self.fails(joined, RelayRefused))

    def test_error_about_another_room(self) -> None:
        """Is none about this join."""
        self.network.hold(Roster, by=self.bob)
        joined = self.join()
        self.tell(ErrorLine(Code.GONE, subject(bytes(32)), "no such page"))
        self.assertEqual(len(self.bob.heard(Refusal)), 1)
        self.network.turn(2 * ATTEMPT_SECONDS)
        self.assertNoResult(joined)

    def test_vouch_after_the_landing(self) -> None:
        """Nobody is needed any more."""
        pages = self.network.hold(Page, to=self.bob)
        joined = self.join()
        (vouch,) = heard(self.bob, Vouch)
        self.network.be_honest()
        self.tell(vouch, *heard(self.bob, UserAdded), *pages)
        self.assertEqual(len(said(self.bob, Challenge)), 1)
        self.enters(joined)


class BrokenTests(JoiningCase):
    """The connection breaks on the way, or the user cancels; and then the newcomer tries again."""

    STAGES: tuple[type[Line], ...] = (Join, Vouch, Response, UserAdded, Page, Resumed)
    """What does not arrive any more."""

    def stop_at(self, stage: type[Line]) -> Deferred[Room]:
        """Let Bob begin to join, and come no further than *stage*."""
        self.network.hold(stage, to=self.bob)
        self.network.hold(stage, by=self.bob)
        return self.join()

    def test_connection_breaks(self) -> None:
        """
        Wherever that was, the join fails; and the next goes on with what was begun, where the
        entry has landed, or begins anew.
        """
        for stage in self.STAGES:
            self.setUp()
            joined = self.stop_at(stage)
            self.cut()
            self.fails(joined, ConnectionLost)
            self.network.be_honest()
            self.network.turn(10)
            self.assertFalse(self.bob.chat.connected)  # nobody is in a room
            self.network.get(self.bob.chat.connect())
            self.enters(self.bob.chat.join(LABEL))
            self.assertEqual(len(room(self.alice).roster), 2)
            self.assertEqual(self.bob.chat._begun, {})

    def test_connection_breaks_again_and_again(self) -> None:
        """In whatever places."""
        for stages in permutations(self.STAGES, 3):
            self.setUp()
            for stage in stages:
                joined = self.stop_at(stage)
                if joined.called:  # what has landed is not vouched for again
                    break
                self.cut()
                self.fails(joined, ConnectionLost)
                self.network.be_honest()
                self.network.get(self.bob.chat.connect())
            else:
                joined = self.bob.chat.join(LABEL)
            self.network.be_honest()
            self.enters(joined)
            self.assertEqual(len(room(self.alice).roster), 2)

    def test_connection_breaks_before_the_entry(self) -> None:
        """The voucher has answered, and its entry never came to the relay."""
        self.network.hold(AddUser, by=self.alice)
        joined = self.join()
        self.assertEqual(len(heard(self.bob, Response)), 1)
        self.cut()
        self.fails(joined, ConnectionLost)
        self.network.be_honest()
        self.network.get(self.bob.chat.connect())
        self.enters(self.bob.chat.join(LABEL))
        self.assertEqual(len(said(self.alice, Vouch)), 2)

    def test_cancelled(self) -> None:
        """The relay is told, unless the newcomer is on the roster already; then the same."""
        for stage in self.STAGES:
            self.setUp()
            joined = self.stop_at(stage)
            landed = stage in (Page, Resumed)
            joined.cancel()
            self.failureResultOf(joined, CancelledError)
            self.network.settle()
            self.assertEqual(said(self.bob, Cancel), [] if landed else [Cancel(LABEL)])
            self.assertEqual(self.bob.chat.rooms, ())
            self.network.be_honest()
            self.enters(self.bob.chat.join(LABEL))
            self.assertEqual(len(room(self.alice).roster), 2)

    def test_cancelled_while_another_joins(self) -> None:
        """Who waits for its turn is not in the way of the next."""
        self.network.hold(Vouch, to=self.bob)
        first = self.join()
        second, third = self.bob.chat.join("attic"), self.bob.chat.join("cellar")
        second.cancel()
        self.failureResultOf(second, CancelledError)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.network.settle()
        self.failureResultOf(third, NoSuchRoom)
        self.assertEqual([each.label for each in said(self.bob, Join)], [LABEL, "cellar"])

    def test_closed(self) -> None:
        """All joins end with the client, and nothing is left of them."""
        for stage in self.STAGES:
            self.setUp()
            joined = [self.stop_at(stage), self.bob.chat.join("attic")]
            self.network.get(self.bob.chat.close())
            for each in joined:
                self.fails(each, NotConnected)
            self.network.get(self.alice.chat.close())
            self.assertEqual(self.network.clock.getDelayedCalls(), [])
