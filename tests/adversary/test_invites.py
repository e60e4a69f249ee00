"""
Attacks on an invite: by the relay, which carries all of it, and by whoever has the number of a
mailbox. None of them knows the words.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import Paired
from securechat.client.inviting import Invitation
from securechat.encoding import decode, encode
from securechat.errors import CodeRefused, CodeSpent, NobodyVouches, OtherGone, WrongCode
from securechat.identity import Identity
from securechat.pairing import Code, Inviter
from securechat.pairing import Invited as Newcomer
from securechat.testing import Person
from securechat.trusted import Trusted
from securechat.wire import Claimed, Invite, Mail
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said

MALLORY = Identity.generate()


class InviteCase(SynchronousTestCase):
    """Alice, in the room "lobby", has told Bob the code of an invite. Mallory runs the relay."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        (self.alice,) = self.network.members("alice")
        self.bob = self.network.client("bob")
        self.invitation = self.invite()
        self.code = Code.parse(self.invitation.code)

    def invite(self) -> Invitation:
        return self.network.get(self.alice.chat.invite(room(self.alice)))

    def accept(self, by: Person | None = None, code: str | None = None) -> Deferred[Trusted]:
        accepted = (by or self.bob).chat.accept(code or self.invitation.code, LABEL)
        self.network.settle()
        return accepted

    def guess(self) -> Code:
        """A code of the same number, with words that are wrong."""
        return Code(self.code.number, "zoo-zoo" if self.code.words != "zoo-zoo" else "zoo-zone")

    def newcomer(self, code: Code | None = None) -> Newcomer:
        """Mallory, in Bob's place."""
        return Newcomer(MALLORY.bundle, "bob", LABEL, code or self.guess())

    def inviter(self) -> Inviter:
        """Mallory, in Alice's place."""
        return Inviter(MALLORY.bundle, "alice", LABEL, bytes(32), words=self.guess().words)

    def fails(self, work: Deferred[Any], kind: type[BaseException]) -> None:
        self.failureResultOf(work, kind)

    def nobody_is_trusted(self) -> None:
        """Check that neither trusts anybody, and that Alice has given nothing away."""
        for person in self.alice, self.bob:
            self.assertEqual((list(person.trusted), person.heard(Paired)), ([], []))
        self.assertEqual(said(self.alice, Mail), [])

    @property
    def pake(self) -> bytes:
        """Alice's message."""
        return said(self.alice, Invite)[-1].pake


class Guessing(InviteCase):
    """G1: the words are few, and the relay may try some."""

    def test_relay_claims_with_a_guess(self) -> None:
        """One guess in Bob's place is all: Alice says nothing, is told, and asks for no other."""
        mallory = self.newcomer()
        self.network.tell(self.alice, Mail(self.code.number, mallory.claim(self.pake)))
        self.fails(self.invitation.friend, WrongCode)
        right = self.newcomer(self.code)
        self.network.tell(self.alice, Mail(self.code.number, right.claim(self.pake)))
        self.network.turn(60)
        self.assertEqual(len(said(self.alice, Invite)), 1)
        self.nobody_is_trusted()
        self.fails(self.accept(), CodeSpent)

    def test_relay_answers_with_a_guess(self) -> None:
        """The same in Alice's place: Bob's mail does not open, and no answer does."""
        mallory = self.inviter()
        mails = self.network.hold(Mail, by=self.bob)
        self.network.change(Claimed, pake=mallory.pake)
        accepted = self.accept()
        self.assertRaises(WrongCode, mallory.claimed, self.code.number, mails[0].body)
        other = self.inviter()
        bob = Newcomer(self.bob.identity.bundle, "bob", LABEL, self.guess())
        _, answer = other.claimed(self.code.number, bob.claim(other.pake))
        self.network.tell(self.bob, Mail(self.code.number, answer))
        self.fails(accepted, WrongCode)
        self.fails(self.invitation.friend, OtherGone)
        self.nobody_is_trusted()

    def test_words_are_new_each_time(self) -> None:
        """What was guessed once is of no use for the next code."""
        words = {Code.parse(self.invite().code).words for _ in range(3)} | {self.code.words}
        self.assertEqual(len(words), 4)

    def test_relay_learns_nothing_from_what_it_carries(self) -> None:
        """Neither the words nor the bundles are in any line of it."""
        self.successResultOf(self.accept())
        carried = b"".join(
            mail.body
            for person in (self.alice, self.bob)
            for mail in [*said(person, Mail), *heard(person, Mail)]
        )
        self.assertEqual(len(heard(self.bob, Mail)), 1)
        for word in self.code.words.split("-"):
            self.assertNotIn(word.encode(), carried)
        for person in self.alice, self.bob:
            self.assertNotIn(person.identity.bundle.ed25519, carried)


class Between(InviteCase):
    """G2: the relay stands between the two, and exchanges what they say."""

    def test_messages_of_spake2_are_exchanged(self) -> None:
        """Two conversations by guesses, one with each, fail both."""
        to_bob, to_alice = self.inviter(), self.newcomer()
        mails = self.network.hold(Mail, by=self.bob)
        self.network.change(Claimed, to=self.bob, pake=to_bob.pake)
        accepted = self.accept()
        self.assertRaises(WrongCode, to_bob.claimed, self.code.number, mails[0].body)
        self.network.be_honest()
        self.network.say(self.bob, Mail(self.code.number, to_alice.claim(self.pake)))
        self.fails(self.invitation.friend, WrongCode)
        self.fails(accepted, CodeRefused)
        self.nobody_is_trusted()

    def test_bundle_is_exchanged(self) -> None:
        """Another box beside Bob's message does not open: not one of Mallory's, nor changed."""
        mallory = self.newcomer()
        _, box = decode(mallory.claim(self.pake))

        def exchange(mail: Mail) -> list[Mail]:
            pake, _ = decode(mail.body)
            return [Mail(mail.number, encode(pake, box))]

        self.network.lie(Mail, exchange, by=self.bob)
        accepted = self.accept()
        self.fails(self.invitation.friend, WrongCode)
        self.fails(accepted, CodeRefused)
        self.nobody_is_trusted()

    def test_answer_is_exchanged(self) -> None:
        """No other answer than Alice's opens for Bob, nor is Alice's with one bit changed."""

        def change(mail: Mail) -> list[Mail]:
            return [Mail(mail.number, mail.body[:-1] + bytes([mail.body[-1] ^ 1]))]

        self.network.lie(Mail, change, to=self.bob)
        self.fails(self.accept(), WrongCode)
        self.assertEqual(list(self.bob.trusted), [])

    def test_between_two_invites(self) -> None:
        """What was said under one code is nothing under another one."""
        second = self.invite()
        number = Code.parse(second.code).number
        mails = self.network.hold(Mail, by=self.bob)
        accepted = self.accept()
        self.network.tell(self.alice, Mail(number, mails[0].body))
        self.fails(second.friend, WrongCode)
        self.network.tell(self.alice, *mails)
        self.successResultOf(self.invitation.friend)
        self.network.settle()
        self.successResultOf(accepted)


class Again(InviteCase):
    """G3: what was said before is said again, or is shown to who said it."""

    def test_mail_is_repeated(self) -> None:
        """A second mail is too late, the very same or another one's; each is trusted once."""
        self.successResultOf(self.accept())
        (mail,) = said(self.bob, Mail)
        self.network.tell(self.alice, mail, mail)
        self.assertEqual(len(self.alice.heard(Paired)), 1)
        self.assertEqual(len(said(self.alice, Mail)), 1)

    def test_recorded_invite(self) -> None:
        """What Bob said in one invite opens nothing in the next, nor does Alice's answer."""
        self.successResultOf(self.accept())
        old, answer = said(self.bob, Mail)[0], heard(self.bob, Mail)[0]
        for person in self.alice, self.bob:
            for each in list(person.trusted):
                person.trusted.remove(each.petname)
        again = self.invite()
        number = Code.parse(again.code).number
        self.network.tell(self.alice, Mail(number, old.body))
        self.fails(again.friend, WrongCode)
        third = self.invite()
        number = Code.parse(third.code).number
        self.network.hold(Mail, by=self.bob)
        accepted = self.accept(code=third.code)
        self.network.tell(self.bob, Mail(number, answer.body))
        self.fails(accepted, WrongCode)
        self.fails(third.friend, OtherGone)
        self.assertEqual((list(self.alice.trusted), list(self.bob.trusted)), ([], []))

    def test_own_message_is_reflected(self) -> None:
        """Alice's own message, as it is or as if it were the other side's, agrees on nothing."""
        for side in b"AB":
            invitation = self.invite()
            number = Code.parse(invitation.code).number
            pake = bytes([side]) + self.pake[1:]
            self.network.tell(self.alice, Mail(number, encode(pake, bytes(100))))
            self.fails(invitation.friend, WrongCode)

    def test_newcomer_is_shown_what_he_said(self) -> None:
        """Bob's own mail is no answer to it."""
        self.network.lie(Mail, lambda mail: [], to=self.alice)
        accepted = self.accept()
        (mail,) = said(self.bob, Mail)
        self.network.tell(self.bob, mail)
        self.fails(accepted, WrongCode)
        self.fails(self.invitation.friend, OtherGone)


class OtherNewcomers(InviteCase):
    """G4: the number of a mailbox is no secret: others come with it."""

    def test_second_who_claims(self) -> None:
        """Whoever has overheard the code and comes second gets nothing."""
        eve = self.network.client("eve")
        self.successResultOf(self.accept())
        self.fails(self.accept(by=eve), CodeSpent)
        self.assertEqual([each.petname for each in self.alice.trusted], ["bob"])

    def test_relay_lets_two_claim(self) -> None:
        """Where the relay leads two to Alice she hears one: two guesses there are not."""
        mallory = self.newcomer()
        self.network.tell(self.alice, Mail(self.code.number, mallory.claim(self.pake)))
        self.fails(self.invitation.friend, WrongCode)
        late = self.newcomer(self.code)
        self.network.tell(self.alice, Mail(self.code.number, late.claim(self.pake)))
        self.nobody_is_trusted()

    def test_who_only_spends_codes(self) -> None:
        """Who claims by the number alone keeps Bob out, and gains nothing; Alice is told."""
        eve = self.network.client("eve")
        claimed = self.accept(by=eve, code=str(self.guess()))
        self.fails(claimed, CodeRefused)
        self.fails(self.invitation.friend, WrongCode)
        self.fails(self.accept(), CodeSpent)
        self.assertRaises(NobodyVouches, self.network.get, eve.chat.join(LABEL))

    def test_who_claims_and_says_nothing(self) -> None:
        """The same where nothing is said: the code is spent, and Alice learns it."""
        self.network.hold(Mail, by=self.bob)
        accepted = self.accept()
        self.network.turn(60)
        self.fails(accepted, CodeRefused)
        self.fails(self.invitation.friend, OtherGone)

    def test_code_opens_no_other_room(self) -> None:
        """Alice is in two rooms; the code of one leads into no other one."""
        attic = self.network.get(self.alice.chat.found("attic"))
        invitation = self.network.get(self.alice.chat.invite(attic))
        self.fails(self.accept(code=invitation.code), CodeRefused)
        self.fails(invitation.friend, WrongCode)
