"""
Attacks on vouching: `new_user`, `nack` and `vouch`, and who is asked.
"""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import NotVouched
from securechat.client.party import DISCREET_SECONDS
from securechat.errors import AdmissionRefused, BadCiphertext, NobodyVouches, VoucherUnknown
from securechat.group.admission import first_transcript
from securechat.group.entry import SignedEntry
from securechat.group.events import Alarm, MemberAdded, Reason
from securechat.group.joiner import joiner
from securechat.group.roster import Policy, Vouchers
from securechat.identity import Bundle, Identity
from securechat.primitives import XWing, digest, random_bytes
from securechat.testing import WRITTEN, Person
from securechat.wire import (
    AddUser,
    Cancel,
    Challenge,
    Code,
    ErrorLine,
    Join,
    Line,
    Nack,
    NewUser,
    Response,
    Roster,
    Vouch,
)
from tests.adversary.forgery import (
    Challenging,
    Rogue,
    adding,
    agreeing,
    landing,
    lying_log,
    page,
    responding,
    vouching,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts

ATTEMPT = bytes(16)


class Ghost(SynchronousTestCase):
    """B1: the relay announces somebody who is not there, and answers in that one's place."""

    def test_new_user_for_somebody_who_is_absent(self) -> None:
        """
        Alice vouches for Bob, who has never connected. The relay cannot open the vouch, and so it
        cannot show what was in it, nor can it sign Bob's consent.
        """
        network = LyingNetwork()
        (alice,) = network.members("alice")
        bob = network.person("bob")
        alice.trust(bob)
        place, bundle = room(alice).place, bob.identity.bundle
        network.tell(alice, NewUser(ATTEMPT, place.room, bundle.encode()))
        (vouch,) = said(alice, Vouch)  # she believed that he is there
        forged = Challenging(
            bundle, alice.identity.bundle, place, ATTEMPT, vouch.sealed, Identity.generate()
        )
        network.tell(alice, Challenge(ATTEMPT, forged.sealed))
        self.assertEqual(said(alice, Response), [])
        self.assertEqual(len(alice.heard(NotVouched)), 1)
        # If he were there, his challenge would have been answered.
        other = bytes(range(16))
        network.tell(alice, NewUser(other, place.room, bundle.encode()))
        true = joiner(bob.identity, other, LABEL, lambda _: True)
        challenge = true.vouched(alice.identity.bundle, said(alice, Vouch)[-1].sealed)
        network.tell(alice, Challenge(other, challenge))
        self.assertEqual(len(said(alice, Response)), 1)


class ChosenVoucher(SynchronousTestCase):
    """B2, D7: the relay has Bob asked, whom it has bribed, and nobody else."""

    def setUp(self) -> None:
        """Only moderators may vouch, which Bob is not; Carol trusts everybody."""
        self.network = network = LyingNetwork()
        policy = Policy(vouchers=Vouchers.MODERATORS)
        self.alice, self.bob = network.members("alice", "bob", policy=policy)
        self.carol = network.client("carol", trusts=[self.alice, self.bob])

    def say_no_for(self, *others: Person) -> None:
        """Let them not be asked, and "not vouch"."""
        for other in others:
            self.network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=other)

    def test_member_who_may_not_vouch(self) -> None:
        """
        Bob vouches, though the room's policy forbids it. The relay refuses the entry, and so do
        the members if the relay does not.
        """
        Rogue(self.network, self.alice)  # the same program lets Dave in for Alice, who may
        dave = self.network.client("dave", trusts=[self.alice])
        self.network.get(dave.chat.join(LABEL))
        self.network.be_honest()
        self.say_no_for(self.alice, dave)
        rogue = Rogue(self.network, self.bob)
        self.assertRaises(NobodyVouches, self.network.get, self.carol.chat.join(LABEL))
        self.assertEqual(heard(self.bob, ErrorLine)[-1].code, Code.ENTRY)
        (signed,) = rogue.made
        self.network.tell(self.alice, landing(room(self.alice), signed))
        self.assertEqual([each.reason for each in self.alice.heard(Alarm)], [Reason.BAD_ENTRY])
        self.assertNotIn(self.carol.fingerprint, room(self.alice).log.membership.index)

    def test_newcomer_of_a_member_who_may_not_vouch(self) -> None:
        """The newcomer, too, asks whether the entry follows from the room that she is shown."""
        self.say_no_for(self.alice)
        rogue = Rogue(self.network, self.bob, submits=False)
        joined = self.carol.chat.join(LABEL)
        self.network.settle()
        self.network.hold(Roster, by=self.carol)
        (signed,) = rogue.made
        log = lying_log(room(self.alice).log, signed)
        self.network.tell(self.carol, landing(room(self.alice), signed), page(log))
        refused = self.failureResultOf(joined, AdmissionRefused)
        self.assertIn("its author may not vouch here", str(refused.value))
        self.assertEqual(self.carol.chat.rooms, ())

    def test_voucher_is_named_to_everybody(self) -> None:
        """
        Where anybody may vouch, that cannot be prevented. But all see who it was.
        """
        network = LyingNetwork()
        alice, bob, carol = network.members("alice", "bob", "carol")
        dave = network.client("dave", trusts=[alice, bob, carol])
        for member in (alice, bob, carol):
            member.trust(dave)
        kept = network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=alice)
        network.get(dave.chat.join(LABEL))
        self.assertEqual(len(kept), 1)  # it was Alice's turn
        for member in (alice, bob, carol, dave):
            (added,) = member.heard(MemberAdded)
            self.assertEqual((added.member, added.voucher), (dave.fingerprint, bob.fingerprint))
            self.assertEqual(room(member).roster[-1].voucher, bob.fingerprint)


class FalseVoucher(SynchronousTestCase):
    """B3: somebody who is not Alice vouches as Alice, for which it takes no secret at all."""

    def setUp(self) -> None:
        """Carol, who trusts Alice, asks to join, and hears nothing of the relay's rooms."""
        self.network = network = LyingNetwork()
        self.alice, self.carol = network.friends("alice", "carol")
        network.get(self.alice.chat.found(LABEL))
        network.hold(Join, by=self.carol)
        self.joined = self.carol.chat.join(LABEL)
        network.settle()

    def vouch_as_alice(self, mallory: Identity, bundle: Bundle) -> None:
        """Tell Carol that Alice vouches for her."""
        self.k_v = random_bytes(32)
        self.place = room(self.alice).place
        self.vouch = vouching(
            self.carol.identity.bundle, self.alice.fingerprint, self.place, ATTEMPT, self.k_v
        )
        self.network.tell(self.carol, Vouch(ATTEMPT, bundle.encode(), self.vouch))

    def test_vouch_in_the_name_of_another(self) -> None:
        """
        Carol answers: she cannot know. But her nonce and her one-use key are sealed to Alice, and
        Mallory can make no response without them, nor sign an entry as Alice. Carol takes the next
        voucher, who is the true Alice.
        """
        mallory, alice = Identity.generate(), self.alice.identity.bundle
        self.vouch_as_alice(mallory, alice)
        (challenge,) = said(self.carol, Challenge)
        th1 = first_transcript(
            ATTEMPT, self.carol.fingerprint, alice.fingerprint, self.place, self.vouch
        )
        self.assertRaises(BadCiphertext, mallory.open_sealed, challenge.sealed, "challenge", th1)
        add = agreeing(self.carol.identity.bundle, mallory, self.place, alice.fingerprint)
        signed, secret = adding(room(self.alice), alice, mallory, add)
        th2 = digest("th2", th1, challenge.sealed)
        guess = XWing.generate().public
        response = responding(guess, th2, self.k_v, random_bytes(32), secret, signed)
        self.network.tell(self.carol, Response(ATTEMPT, response))
        self.assertEqual(said(self.carol, Nack), [Nack(ATTEMPT)])
        self.network.tell(self.carol, landing(room(self.alice), signed))
        self.assertNoResult(self.joined)
        self.network.be_honest()
        self.network.say(self.carol, Join(LABEL))
        self.assertEqual(self.network.get(self.joined).place, room(self.alice).place)

    def test_bundle_of_another_beside_the_vouch(self) -> None:
        """
        Mallory says "Alice" inside and shows her own bundle beside it, to have the challenge
        sealed to herself. Carol sees that they do not go together, and says nothing.
        """
        mallory = Identity.generate()
        self.vouch_as_alice(mallory, mallory.bundle)
        self.assertEqual(len(heard(self.carol, Vouch)), 1)
        self.assertEqual(said(self.carol, Challenge), [])
        self.assertEqual(said(self.carol, Nack), [Nack(ATTEMPT)])


class OldVouch(SynchronousTestCase):
    """B4: a vouch that Alice made some other time, or for somebody else, is shown again."""

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        self.alice, self.carol, self.dave = network.friends("alice", "carol", "dave")
        network.get(self.alice.chat.found(LABEL))

    def recorded(self, newcomer: Person) -> Vouch:
        """Return a vouch of Alice for *newcomer*, who then gave up."""
        held = self.network.hold(Vouch, to=newcomer)
        joined = newcomer.chat.join(LABEL)
        self.network.settle()
        joined.cancel()
        self.failureResultOf(joined)
        self.network.settle()
        self.network.be_honest()
        (vouch,) = held
        return vouch

    def show(self, old: Vouch) -> None:
        """Show Carol *old* in place of the vouch that Alice makes for her now."""
        self.network.lie(Vouch, lambda line: [old], to=self.carol)
        self.joined = self.carol.chat.join(LABEL)
        self.network.settle()
        self.assertEqual(heard(self.carol, Vouch), [old])

    def test_vouch_of_another_attempt(self) -> None:
        """
        Under this attempt's number it does not open, since it was sealed to its own. Under its own
        number it does, and Carol answers; but Alice has ended that attempt, and nothing follows.
        """
        old = self.recorded(self.carol)
        self.network.lie(Vouch, lambda line: [attrs.evolve(line, sealed=old.sealed)], to=self.carol)
        joined = self.carol.chat.join(LABEL)
        self.assertRaises(NobodyVouches, self.network.get, joined)
        self.assertEqual([each.sealed for each in heard(self.carol, Vouch)], [old.sealed])
        self.assertEqual(said(self.carol, Challenge), [])
        self.network.be_honest()
        self.carol.lines.clear()
        self.network.get(self.carol.chat.connect())
        self.show(old)
        (challenge,) = said(self.carol, Challenge)
        self.network.tell(self.alice, challenge)
        self.assertEqual(heard(self.alice, Challenge), [challenge])
        self.assertEqual(said(self.alice, Response), [])
        self.assertNoResult(self.joined)

    def test_vouch_for_another_newcomer(self) -> None:
        """It is sealed to Dave, and to his name: Carol cannot open it, whatever its number."""
        self.show(self.recorded(self.dave))
        self.assertEqual(said(self.carol, Challenge), [])
        self.assertEqual(len(said(self.carol, Nack)), 1)


class Oracle(SynchronousTestCase):
    """B5, B6: the relay tries out who trusts whom, by what is said and when."""

    def wait(self, network: LyingNetwork, person: Person, kind: type[Line]) -> float:
        """Return after how many seconds *person* says a line of class *kind*, at most 2."""
        started = network.clock.seconds()
        while not said(person, kind) and network.clock.seconds() < started + 2:
            network.turn(1 / 64, step=1 / 64)
        return network.clock.seconds() - started

    def test_nack_is_the_same_for_every_reason(self) -> None:
        """
        Alice does not know her, has been told not to, vouches for her already, or sees her in
        the room: the relay hears the same `nack`, after the same time, which chance lengthens.
        """
        for chance in (0.0, 0.5, 1.0):
            network = LyingNetwork()
            friend, stranger, refused = (Identity.generate().bundle for _ in range(3))

            async def may_vouch(label: str, newcomer: Bundle, never: Bundle = refused) -> bool:
                return newcomer != never

            draw = {"chance": lambda chance=chance: chance}
            alice, bob = network.friends("alice", "bob", may_vouch=may_vouch, **draw)
            network.get(alice.chat.found(LABEL))
            network.get(bob.chat.join(LABEL))
            for name, bundle in (("friend", friend), ("refused", refused)):
                alice.trusted.add(name, bundle.fingerprint, "typed", WRITTEN)
            here = room(alice).id
            network.tell(alice, NewUser(random_bytes(16), here, friend.encode()))
            self.assertEqual(len(said(alice, Vouch)), 2)  # Bob, and the friend
            reasons: dict[str, bytes] = {
                "stranger": stranger.encode(),
                "refused": refused.encode(),
                "busy": friend.encode(),
                "inside": bob.identity.bundle.encode(),
                "nobody": b"no bundle",
            }
            for reason, asked in reasons.items():
                alice.lines.clear()
                attempt = random_bytes(16)
                network.tell(alice, NewUser(attempt, here, asked))
                seconds = self.wait(network, alice, Nack)
                self.assertEqual(seconds, DISCREET_SECONDS * (1 + chance), reason)
                self.assertEqual(said(alice, Line), [Nack(attempt)], reason)

    def test_newcomer_leaves_an_unknown_voucher_late(self) -> None:
        """
        Bob does not know Alice, who vouches for him. He is warned at once; the relay hears that he
        leaves, or wants another voucher, after the same time as of any other no.
        """
        for patient, answer in ((False, Cancel), (True, Nack)):
            network = LyingNetwork()
            alice, bob = network.client("alice"), network.client("bob")
            alice.trust(bob)
            network.get(alice.chat.found(LABEL))
            joined = bob.chat.join(LABEL, patient=patient)
            network.settle()
            self.assertEqual(len(heard(bob, Vouch)), 1)
            if not patient:
                self.failureResultOf(joined, VoucherUnknown)
            self.assertEqual(said(bob, Challenge), [])
            self.assertEqual(self.wait(network, bob, answer), DISCREET_SECONDS * 1.5)
            if patient:
                self.assertRaises(NobodyVouches, network.get, joined)


class Stall(SynchronousTestCase):
    """B7: Alice, or the relay in her name, stops halfway through an admission."""

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        self.alice, self.bob = network.members("alice", "bob")
        self.carol = network.client("carol", trusts=[self.alice, self.bob])
        for member in (self.alice, self.bob):
            member.trust(self.carol)

    def assertAdmittedByBob(self) -> None:
        """Check that Carol joins, and that all are in one room and can talk."""
        self.network.get(self.carol.chat.join(LABEL))
        members = self.alice, self.bob, self.carol
        self.assertEqual(room(self.carol).roster[-1].voucher, self.bob.fingerprint)
        self.network.turn(10)
        self.assertEqual(len({room(each).place for each in members}), 1)
        self.network.speak(self.carol, "hello")
        for member in (self.alice, self.bob):
            self.assertEqual(texts(member), [(self.carol.fingerprint, "hello")])
            self.assertEqual(member.heard(Alarm), [])

    def test_voucher_who_says_nothing(self) -> None:
        """Whatever the step: its time runs out, and Bob is asked, with keys of his own."""
        steps: tuple[type[Line], ...] = (Vouch, Response, AddUser)
        for step in steps:
            self.setUp()
            held = self.network.hold(step, by=self.alice)
            self.assertAdmittedByBob()
            self.assertEqual(len(held), 1)

    def test_voucher_who_vanishes_after_response(self) -> None:
        """
        Carol has a key already, and Alice is gone before the entry is in the log. With that key
        nobody will ever speak; she enters by Bob's.
        """

        def vanish(line: AddUser) -> list[Line]:
            self.network.clock.callLater(0, self.network.wire(self.alice).near.abortConnection)
            return []

        self.network.lie(AddUser, vanish, by=self.alice)
        self.assertAdmittedByBob()
        self.assertEqual(len(said(self.alice, AddUser)), 1)

    def test_only_voucher_who_vanishes(self) -> None:
        """Without Bob, Carol is told, and is in no room; nor is she on Alice's roster."""
        self.network.wire(self.bob).near.abortConnection()
        self.network.reachable = False
        self.network.hold(AddUser, by=self.alice)
        self.assertRaises(NobodyVouches, self.network.get, self.carol.chat.join(LABEL))
        self.assertEqual(len(heard(self.carol, Response)), 1)
        self.assertEqual(self.carol.chat.rooms, ())
        self.assertNotIn(self.carol.fingerprint, room(self.alice).log.membership.index)


class TwoVouchers(SynchronousTestCase):
    """B8: two members add the same newcomer, with two keys."""

    def test_only_the_first_entry_lands(self) -> None:
        """
        The relay holds back Alice's entry until she is thought dead and Bob has let Carol in. Then
        it comes after all: the relay has ended that attempt, and to every member, Carol too, it
        stands on a head that is not the log's.
        """
        network = LyingNetwork()
        alice, bob = network.members("alice", "bob")
        carol = network.client("carol", trusts=[alice, bob])
        for member in (alice, bob):
            member.trust(carol)
        held = network.hold(AddUser, by=alice)
        network.get(carol.chat.join(LABEL))
        (late,) = held
        network.be_honest()
        network.say(alice, late)
        self.assertEqual(heard(alice, ErrorLine)[-1].code, Code.ATTEMPT)
        place = room(bob).place
        for member in (alice, bob, carol):
            network.tell(member, landing(room(member), SignedEntry.decode(late.entry)))
            self.assertEqual([each.reason for each in member.heard(Alarm)], [Reason.BAD_ENTRY])
            self.assertEqual(room(member).place, place)
            vouchers = [row.voucher for row in room(member).roster[2:]]
            self.assertEqual(vouchers, [bob.fingerprint])
