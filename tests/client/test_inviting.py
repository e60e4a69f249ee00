"""Tests of `ChatClient.invite` and `ChatClient.accept`: two who do not know each other yet."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.accepting import ANSWER_SECONDS
from securechat.client.events import Disconnected, Paired, Refusal
from securechat.client.inviting import GRACE, MAX_SECONDS, OPEN_SECONDS, Invitation
from securechat.client.known import KnownRooms
from securechat.errors import (
    AddressError,
    BadCode,
    BadPetname,
    CodeRefused,
    CodeSpent,
    ConnectionLost,
    FoundedAnew,
    IdentityRevoked,
    InviteExpired,
    NoMailboxes,
    NoSuchRoom,
    NotAMember,
    NotConnected,
    OtherGone,
    OwnInvite,
    PetnameTaken,
    RelayBusy,
    RelayRefused,
    RelaySilent,
    WrongCode,
)
from securechat.pairing import Code
from securechat.revocation import revocation
from securechat.testing import ADDRESS, WRITTEN, Person
from securechat.trusted import Trusted
from securechat.wire import (
    Claim,
    Claimed,
    Close,
    Closed,
    ErrorLine,
    Invite,
    Invited,
    Join,
    Mail,
)
from securechat.wire import Code as ErrorCode
from tests.adversary.kit import LABEL, LyingNetwork, room, said, texts


class InvitingCase(SynchronousTestCase):
    """Alice is in the room "lobby". Bob is connected; neither knows the other."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        (self.alice,) = self.network.members("alice")
        self.bob = self.network.client("bob")

    def invite(self, petname: str | None = None) -> Invitation:
        """Let Alice invite."""
        return self.network.get(self.alice.chat.invite(room(self.alice), petname))

    def accept(self, code: str, petname: str | None = None) -> Deferred[Trusted]:
        """Let Bob accept."""
        accepted = self.bob.chat.accept(code, LABEL, petname)
        self.network.settle()
        return accepted

    def fails(self, work: Deferred[Any], kind: type[BaseException]) -> str:
        """Check that *work* has failed, and return why."""
        return str(self.failureResultOf(work, kind).value)

    def nobody_is_trusted(self) -> None:
        """Check that neither trusts anybody."""
        self.assertEqual((list(self.alice.trusted), list(self.bob.trusted)), ([], []))
        self.assertEqual(self.alice.heard(Paired) + self.bob.heard(Paired), [])

    def cut(self, person: Person) -> None:
        """Break the connection of *person*."""
        self.network.wire(person).near.lose(Failure(ConnectionDone()))
        self.network.settle()

    def wrong(self, code: str) -> str:
        """Return another code of the same number."""
        words = "zoo-zoo" if not code.endswith("-zoo-zoo") else "zoo-zone"
        return str(Code(Code.parse(code).number, words))


class PairTests(InvitingCase):
    """How it should be."""

    def test_two_strangers(self) -> None:
        """Each trusts the other by the code, and the newcomer is let in, and they talk."""
        invitation = self.invite()
        self.assertEqual((invitation.label, invitation.seconds), (LABEL, 600))
        self.assertNoResult(invitation.friend)
        alice = self.successResultOf(self.accept(invitation.code))
        bob = self.successResultOf(invitation.friend)
        for trusted, person in ((alice, self.alice), (bob, self.bob)):
            self.assertEqual(trusted.fingerprint, person.fingerprint)
            self.assertEqual((trusted.petname, trusted.how), (person.name, "invited"))
            self.assertEqual(trusted.bundle, person.identity.bundle)
        self.assertEqual(self.bob.heard(Paired), [Paired(LABEL, self.alice.fingerprint, "alice")])
        self.assertEqual(self.alice.heard(Paired), [Paired(LABEL, self.bob.fingerprint, "bob")])
        self.network.get(self.bob.chat.join(LABEL))
        self.network.speak(self.bob, "hello")
        self.assertEqual(texts(self.alice)[-1], (self.bob.fingerprint, "hello"))
        self.assertEqual(self.network.clock.getDelayedCalls() and self.bob.heard(Refusal), [])

    def test_which_room_is_remembered(self) -> None:
        """The newcomer knows the room before it has been in it."""
        self.accept(self.invite().code)
        known = self.bob.chat._rooms.known(LABEL)
        self.assertEqual(known, room(self.alice).id)

    def test_petnames(self) -> None:
        """Each may say what to call the other."""
        self.accept(self.invite("Robert").code, "Alicia")
        self.assertEqual([each.petname for each in self.alice.trusted], ["Robert"])
        self.assertEqual([each.petname for each in self.bob.trusted], ["Alicia"])

    def test_name_that_is_taken(self) -> None:
        """Nobody comes by the name of somebody else."""
        self.alice.trusted.add("Bob", bytes(32), "typed", WRITTEN)
        self.accept(self.invite().code)
        self.assertEqual(self.alice.trusted.find(self.bob.fingerprint).petname, "bob 2")  # type: ignore[union-attr]  # it is found

    def test_petname_that_cannot_be(self) -> None:
        """A petname that is none, or another's, is refused before a code is made or spent."""
        self.alice.trusted.add("carol", bytes(32), "typed", WRITTEN)
        self.bob.trusted.add("carol", bytes(32), "typed", WRITTEN)
        code = self.invite().code
        for petname, error in (("Carol", PetnameTaken), ("", BadPetname)):
            self.fails(self.alice.chat.invite(room(self.alice), petname), error)
            self.fails(self.accept(code, petname), error)
        self.assertEqual((len(said(self.alice, Invite)), said(self.bob, Claim)), (1, []))

    def test_petname_that_is_taken_meanwhile(self) -> None:
        """By the time a friend comes another may be called so: then the name is numbered."""
        code = self.invite("friend").code
        self.alice.trusted.add("friend", bytes(32), "typed", WRITTEN)
        self.accept(code)
        self.assertEqual(self.alice.trusted.find(self.bob.fingerprint).petname, "friend 2")  # type: ignore[union-attr]  # it is found

    def test_who_is_trusted_already(self) -> None:
        """Whom one trusts, by hearsay too, keeps the petname, and is known from the owner now."""
        self.alice.trusted.add("Bobby", self.bob.fingerprint, "vouched", WRITTEN, voucher=bytes(32))
        self.accept(self.invite("Robert").code)
        (bob,) = self.alice.trusted
        self.assertEqual((bob.petname, bob.how, bob.verified), ("Bobby", "invited", True))

    def test_several_at_once(self) -> None:
        """Invites do not disturb each other."""
        carol = self.network.client("carol")
        first, second = self.invite(), self.invite()
        self.assertNotEqual(first.code, second.code)
        accepted = carol.chat.accept(second.code, LABEL)
        self.network.settle()
        self.successResultOf(accepted)
        self.assertEqual(self.successResultOf(second.friend).petname, "carol")
        self.assertNoResult(first.friend)
        self.successResultOf(self.accept(first.code))
        self.assertEqual(self.successResultOf(first.friend).petname, "bob")

    def test_asked_at_once(self) -> None:
        """Where several are asked for at once each gets the number that the relay gives it."""
        asked = [self.alice.chat.invite(room(self.alice)) for _ in range(3)]
        self.network.settle()
        codes = [self.successResultOf(each).code for each in asked]
        self.assertEqual(len({Code.parse(each).number for each in codes}), 3)
        self.successResultOf(self.accept(codes[1]))


class RefusedTests(InvitingCase):
    """What is not even begun."""

    def test_not_in_the_room(self) -> None:
        """Only who is in a room invites to it."""
        there = room(self.alice)
        self.network.get(self.alice.chat.leave(there))
        self.fails(self.alice.chat.invite(there), NotAMember)

    def test_not_connected(self) -> None:
        """Without a connection there is nobody to ask."""
        there = room(self.alice)
        self.network.reachable = False
        for person in self.alice, self.bob:
            self.cut(person)
        self.fails(self.alice.chat.invite(there), NotConnected)
        self.fails(self.accept("7-zoo-zoo"), NotConnected)

    def test_no_mailboxes(self) -> None:
        """To a relay that does not announce any nothing is said."""
        for person in self.alice, self.bob:
            person.chat._link._connection.limits = {"rooms": 64}  # type: ignore[union-attr]  # there is one
        self.fails(self.alice.chat.invite(room(self.alice)), NoMailboxes)
        self.fails(self.accept("7-zoo-zoo"), NoMailboxes)
        self.assertEqual((said(self.alice, Invite), said(self.bob, Claim)), ([], []))

    def test_no_code(self) -> None:
        """What is no code, or no label, is refused without a word to the relay."""
        self.fails(self.accept("7-zoo"), BadCode)
        self.fails(self.bob.chat.accept("7-zoo-zoo", "Lobby"), AddressError)
        self.assertEqual(said(self.bob, Claim), [])

    def test_own_code(self) -> None:
        """Who accepts the own invite is told so, and it stays open."""
        invitation = self.invite()
        self.fails(self.alice.chat.accept(invitation.code, LABEL), OwnInvite)
        self.successResultOf(self.accept(invitation.code))

    def test_twice(self) -> None:
        """A code that is being accepted is spent."""
        self.network.hold(Claimed)
        code = self.invite().code
        first = self.accept(code)
        self.fails(self.accept(code), CodeSpent)
        self.assertNoResult(first)
        first.cancel()
        self.failureResultOf(first)

    def test_relay_opens_none(self) -> None:
        """The relay may have too many, or not let this member: its words say why."""
        for code, error in ((ErrorCode.BUSY, RelayBusy), (ErrorCode.STATE, RelayRefused)):
            self.network.hold(Invite, by=self.alice)
            asked = self.alice.chat.invite(room(self.alice))
            self.network.tell(self.alice, ErrorLine(code, "0", "not now"))
            self.assertIn("not now", self.fails(asked, error))
            self.network.be_honest()
        self.successResultOf(self.accept(self.invite().code))

    def test_relay_does_not_answer(self) -> None:
        """A relay that does not answer is given up."""
        self.network.hold(Invited)
        asked = self.alice.chat.invite(room(self.alice))
        self.network.turn(OPEN_SECONDS)
        self.fails(asked, RelaySilent)

    def test_too_many_claims(self) -> None:
        """Who may not claim now is told so, and the code is good still."""
        code = self.invite().code
        number = str(Code.parse(code).number)
        self.network.hold(Claim, by=self.bob)
        accepted = self.accept(code)
        self.network.tell(self.bob, ErrorLine(ErrorCode.BUSY, number, "too many claims"))
        self.fails(accepted, RelayBusy)
        self.network.be_honest()
        self.successResultOf(self.accept(code))


class SpentTests(InvitingCase):
    """What becomes of a code that does not do."""

    def test_wrong_words(self) -> None:
        """Both are told, nobody is trusted, and the right words come too late."""
        invitation = self.invite()
        refused = self.fails(self.accept(self.wrong(invitation.code)), CodeRefused)
        self.assertIn("most likely a word of the code was wrong", refused)
        self.fails(invitation.friend, WrongCode)
        self.assertEqual(said(self.alice, Mail), [])
        self.fails(self.accept(invitation.code), CodeSpent)
        self.nobody_is_trusted()

    def test_another_room(self) -> None:
        """A code is for the room to which it was made."""
        invitation = self.invite()
        accepted = self.bob.chat.accept(invitation.code, "attic")
        self.network.settle()
        self.fails(accepted, CodeRefused)
        self.fails(invitation.friend, WrongCode)

    def test_no_such_number(self) -> None:
        """The relay has no such mailbox."""
        self.assertIn("number 9007199254740991", self.fails(
            self.accept(f"{2**53 - 1}-zoo-zoo"), CodeSpent
        ))  # fmt: skip

    def test_used(self) -> None:
        """A code that was good once is good no more."""
        code = self.invite().code
        self.successResultOf(self.accept(code))
        self.fails(self.accept(code), CodeSpent)

    def test_expired(self) -> None:
        """After ten minutes nobody comes in by it any more."""
        invitation = self.invite()
        self.network.turn(599, step=1)
        self.assertNoResult(invitation.friend)
        self.network.turn(2, step=1)
        self.assertIn("in 10 minutes", self.fails(invitation.friend, InviteExpired))
        self.fails(self.accept(invitation.code), CodeSpent)

    def test_relay_that_does_not_say_that_it_has_expired(self) -> None:
        """Some time later it is given up, whatever the relay says, or has said of its time."""
        self.network.hold(Closed)
        self.network.change(Invited, seconds=2**53 - 1)
        invitation = self.invite()
        self.assertEqual(invitation.seconds, MAX_SECONDS)
        self.cut(self.bob)
        self.network.clock.advance(MAX_SECONDS + GRACE - 1)
        self.assertNoResult(invitation.friend)
        self.network.clock.advance(1)
        self.fails(invitation.friend, InviteExpired)

    def test_newcomer_goes_away(self) -> None:
        """Where the newcomer goes in the midst of it the inviter is told, before the time is up."""
        for go in self.cut, lambda bob: self.network.get(bob.chat.close()):
            self.network.hold(Mail, by=self.bob)
            invitation = self.invite()
            accepted = self.accept(invitation.code)
            accepted.addErrback(lambda _: None)
            go(self.bob)
            self.network.settle()
            self.fails(invitation.friend, OtherGone)
            self.network.be_honest()
            self.network.get(self.bob.chat.connect())
        self.nobody_is_trusted()

    def test_inviter_goes_away(self) -> None:
        """Where the inviter goes in the midst of it the newcomer is told."""
        self.network.hold(Mail, to=self.alice)
        invitation = self.invite()
        accepted = self.accept(invitation.code)
        self.assertNoResult(accepted)
        self.network.get(self.alice.chat.close())
        self.fails(accepted, CodeRefused)
        self.fails(invitation.friend, NotConnected)

    def test_connection_lost(self) -> None:
        """An invite ends with the connection, and is not made anew by itself."""
        invitation = self.invite()
        self.network.hold(Invited)
        asked = self.alice.chat.invite(room(self.alice))
        self.network.settle()
        self.cut(self.alice)
        for work in invitation.friend, asked:
            self.fails(work, ConnectionLost)
        self.network.be_honest()
        self.network.turn(10)
        self.assertTrue(self.alice.heard(Disconnected) and self.alice.chat.connected)
        self.assertEqual(len(said(self.alice, Invite)), 2)

    def test_connection_lost_while_accepting(self) -> None:
        """The same at the other side."""
        self.network.hold(Claimed)
        invitation = self.invite()
        accepted = self.accept(invitation.code)
        self.cut(self.bob)
        self.fails(accepted, ConnectionLost)
        self.fails(invitation.friend, OtherGone)

    def test_closed(self) -> None:
        """It ends when the client is closed."""
        invitation = self.invite()
        self.network.get(self.alice.chat.close())
        self.fails(invitation.friend, NotConnected)
        self.network.hold(Claim, by=self.bob)
        accepted = self.accept(invitation.code)
        self.network.get(self.bob.chat.close())
        self.fails(accepted, NotConnected)

    def test_cancelled(self) -> None:
        """Who cancels an invite closes the mailbox, also where it was not open yet."""
        invitation = self.invite()
        invitation.friend.cancel()
        self.fails(invitation.friend, CancelledError)
        self.network.settle()
        self.fails(self.accept(invitation.code), CodeSpent)
        asked = self.alice.chat.invite(room(self.alice))
        asked.cancel()
        self.fails(asked, CancelledError)
        self.network.settle()
        self.assertEqual(len(said(self.alice, Close)), 2)

    def test_cancelled_and_refused(self) -> None:
        """Nothing comes of a refusal of what nobody wants any more."""
        self.network.hold(Invite, by=self.alice)
        asked = self.alice.chat.invite(room(self.alice))
        asked.cancel()
        self.fails(asked, CancelledError)
        self.network.tell(self.alice, ErrorLine(ErrorCode.BUSY, "0", "not now"))
        self.network.be_honest()
        self.successResultOf(self.accept(self.invite().code))

    def test_acceptance_cancelled(self) -> None:
        """Who gives up accepting spends the code."""
        self.network.hold(Mail, to=self.alice)
        invitation = self.invite()
        accepted = self.accept(invitation.code)
        accepted.cancel()
        self.fails(accepted, CancelledError)
        self.network.settle()
        self.fails(invitation.friend, OtherGone)


class DoubtTests(InvitingCase):
    """Where one of the two cannot take the other."""

    def test_revoked(self) -> None:
        """Whoever is revoked is not trusted by an invite either, and learns nothing."""
        self.alice.trusted.revoke(revocation(self.bob.identity), WRITTEN)
        invitation = self.invite()
        self.fails(self.accept(invitation.code), CodeRefused)
        self.fails(invitation.friend, IdentityRevoked)
        self.assertEqual(said(self.alice, Mail), [])

    def test_inviter_is_revoked(self) -> None:
        """The same at the other side."""
        self.bob.trusted.revoke(revocation(self.alice.identity), WRITTEN)
        self.fails(self.accept(self.invite().code), IdentityRevoked)

    def test_room_that_was_another(self) -> None:
        """Where the label stands for another room nobody is trusted, and nothing forgotten."""
        known = KnownRooms()
        known.learn(ADDRESS, LABEL, bytes(32))
        self.bob = self.network.client("bob", known=known)
        self.fails(self.accept(self.invite().code), FoundedAnew)
        self.assertEqual(list(self.bob.trusted), [])
        self.assertEqual(known.find(ADDRESS, LABEL), bytes(32))

    def test_nothing_can_be_written(self) -> None:
        """A full disk ends it at either side, before the other one is told anything good."""

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device", "trust")

        invitation = self.invite()
        self.alice.trusted.add = full  # type: ignore[assignment,method-assign]  # in its place
        self.fails(self.accept(invitation.code), CodeRefused)
        self.fails(invitation.friend, OSError)
        del self.alice.trusted.add
        self.bob.trusted.add = full  # type: ignore[assignment,method-assign]  # in its place
        self.fails(self.accept(self.invite().code), OSError)


class RelayTests(InvitingCase):
    """What a relay says out of turn."""

    def test_other_mailboxes(self) -> None:
        """What is about no mailbox of this client, or none yet, is ignored."""
        number = Code.parse(self.invite().code).number
        for person in self.alice, self.bob:
            self.network.tell(
                person,
                *(Invited(7_777, 600), Mail(7_777, b"mail"), Closed(7_777)),
                *(Claimed(7_777, bytes(33)), ErrorLine(ErrorCode.NO_MAILBOX, "7777", "none")),
            )
            self.assertEqual(person.heard(Refusal), [])
        self.network.tell(self.alice, Claimed(number, bytes(33)))
        self.assertTrue(self.alice.chat.connected)

    def test_number_that_is_taken(self) -> None:
        """A number that is another invite's already opens nothing."""
        invitation = self.invite()
        number = Code.parse(invitation.code).number
        self.network.hold(Invite, by=self.alice)
        asked = self.alice.chat.invite(room(self.alice))
        self.network.tell(self.alice, Invited(number, 600))
        self.assertNoResult(asked)
        self.successResultOf(self.accept(invitation.code))
        asked.cancel()
        self.failureResultOf(asked)

    def test_out_of_turn(self) -> None:
        """Mail before the claim is answered is ignored, and so is a second answer to it."""
        code = self.invite().code
        number = Code.parse(code).number
        (held,) = (self.network.hold(Claimed),)
        accepted = self.accept(code)
        self.network.tell(self.bob, Mail(number, b"mail"))
        self.assertNoResult(accepted)
        self.network.be_honest()
        mails = self.network.hold(Mail, by=self.bob)
        self.network.tell(self.bob, held[0], Claimed(number, bytes(33)))
        self.network.be_honest()
        self.network.say(self.bob, *mails)
        self.successResultOf(accepted)

    def test_pake_that_is_none(self) -> None:
        """What cannot be the inviter's ends it, and the mailbox is closed."""
        self.network.change(Claimed, pake=bytes(33))
        invitation = self.invite()
        self.fails(self.accept(invitation.code), WrongCode)
        self.fails(invitation.friend, OtherGone)

    def test_closed_before_it_was_claimed(self) -> None:
        """A mailbox that is over in the moment of the claim is spent."""
        self.network.hold(Claim, by=self.bob)
        code = self.invite().code
        accepted = self.accept(code)
        self.network.tell(self.bob, Closed(Code.parse(code).number))
        self.fails(accepted, CodeSpent)

    def test_over_while_the_mail_is_on_its_way(self) -> None:
        """The inviter may have gone in that moment."""
        self.network.hold(Mail, by=self.bob)
        code = self.invite().code
        accepted = self.accept(code)
        number = str(Code.parse(code).number)
        self.network.tell(self.bob, ErrorLine(ErrorCode.NO_MAILBOX, number, "none"))
        self.fails(accepted, OtherGone)

    def test_nothing_comes(self) -> None:
        """Who waits for an answer in vain does not wait for ever."""
        self.network.hold(Mail, to=self.alice)
        self.network.hold(Closed, to=self.bob)
        invitation = self.invite()
        accepted = self.accept(invitation.code)
        self.network.turn(ANSWER_SECONDS - 1)
        self.assertNoResult(accepted)
        self.network.turn(1)
        self.fails(accepted, OtherGone)
        self.fails(invitation.friend, OtherGone)

    def test_mailbox_that_the_relay_ends(self) -> None:
        """An error about an open invite ends it."""
        invitation = self.invite()
        number = str(Code.parse(invitation.code).number)
        self.network.tell(self.alice, ErrorLine(ErrorCode.BUSY, number, "no more"))
        self.fails(invitation.friend, RelayBusy)

    def test_room_that_is_called_like_a_number(self) -> None:
        """An error about a room is none about a mailbox, though both are called 7."""
        self.network.hold(Claim, by=self.bob)
        self.network.hold(Join, by=self.bob)
        accepted = self.accept("7-zoo-zoo")
        joined = self.bob.chat.join("7")
        self.network.settle()
        self.network.tell(self.bob, ErrorLine(ErrorCode.NO_ROOM, "7", "no such room"))
        self.fails(joined, NoSuchRoom)
        self.assertNoResult(accepted)
        self.network.tell(self.bob, ErrorLine(ErrorCode.NO_MAILBOX, "7", "none"))
        self.fails(accepted, CodeSpent)
