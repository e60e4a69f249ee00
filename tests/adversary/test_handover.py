"""
Attacks on `challenge` and `response`: on who hands which key to whom.
"""

from __future__ import annotations

from functools import partial
from itertools import product

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat import primitives
from securechat.client.events import NotVouched
from securechat.encoding import Value, decode, shaped
from securechat.errors import AdmissionRefused, BadCiphertext, EntryRefused, NobodyVouches
from securechat.group.admission import (
    ONE_USE,
    Place,
    first_transcript,
    handover_key,
    init_hash,
)
from securechat.group.detail import Add, Subject
from securechat.group.entry import SignedEntry
from securechat.group.events import Alarm, Reason
from securechat.group.joiner import Joiner, joiner
from securechat.group.keys import confirmation
from securechat.group.log import CONSENT_WINDOW
from securechat.group.room import Room
from securechat.group.voucher import Voucher, voucher
from securechat.identity import Bundle, Identity
from securechat.primitives import (
    HASH_LENGTH,
    KEY_LENGTH,
    XWING_SECRET_LENGTH,
    XWing,
    decrypt,
    digest,
    random_bytes,
)
from securechat.testing import Person
from securechat.wire import (
    AddUser,
    Challenge,
    Code,
    ErrorLine,
    Join,
    Nack,
    NewUser,
    Over,
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
    responding,
    stolen,
    vouching,
)
from tests.adversary.kit import LABEL, LyingNetwork, heard, room, said, texts

ATTEMPT = bytes(16)
OTHER = bytes(range(16))


def nonce_in(vouch: bytes, reader: Identity, attempt: bytes = ATTEMPT) -> bytes:
    """Return k_V, which *reader* finds in the vouch."""
    opened = reader.open_sealed(vouch, "vouch", [attempt, reader.fingerprint])
    *_, k_v = shaped(decode(opened), HASH_LENGTH, HASH_LENGTH, int, HASH_LENGTH, KEY_LENGTH)
    assert isinstance(k_v, bytes)
    return k_v


class Between(SynchronousTestCase):
    """
    The relay leads two conversations and mixes them: Alice, who is in the room, believes that a
    newcomer is there; Bob, who trusts her, that she vouches for him.
    """

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        self.alice, self.bob, self.mallory = network.friends("alice", "bob", "mallory")
        network.get(self.alice.chat.found(LABEL))
        self.place = room(self.alice).place

    def ask_alice(self, newcomer: Person, attempt: bytes = ATTEMPT) -> bytes:
        """Have Alice vouch for *newcomer*; return what she sends."""
        bundle = newcomer.identity.bundle.encode()
        self.network.tell(self.alice, NewUser(attempt, self.place.room, bundle))
        return said(self.alice, Vouch)[-1].sealed

    def let_bob_join(self) -> Deferred[Room]:
        """Have Bob ask to join, with nobody but this test to hear it."""
        self.network.hold(Join, by=self.bob)
        joined = self.bob.chat.join(LABEL)
        self.network.settle()
        return joined

    def show_bob(self, sealed: bytes, attempt: bytes = ATTEMPT) -> bytes:
        """Show Bob a vouch of Alice; return the challenge that he answers with."""
        self.network.tell(self.bob, Vouch(attempt, self.alice.identity.bundle.encode(), sealed))
        return said(self.bob, Challenge)[-1].sealed

    def challenging(
        self, newcomer: Person, vouch: bytes, signer: Identity, reader: Identity | None = None
    ) -> Challenging:
        """
        Return a challenge to Alice in the name of *newcomer*.

        :param reader: who opens the vouch; where there is nobody, what is in it is guessed.
        """
        k_v = nonce_in(vouch, reader) if reader else random_bytes(KEY_LENGTH)
        who, alice = newcomer.identity.bundle, self.alice.identity.bundle
        return Challenging(who, alice, self.place, ATTEMPT, vouch, signer, k_v)

    def challenge_alice(self, sealed: bytes, attempt: bytes = ATTEMPT) -> list[bytes]:
        """Give Alice a challenge; return what she answers."""
        before = len(said(self.alice, Response))
        self.network.tell(self.alice, Challenge(attempt, sealed))
        return [each.sealed for each in said(self.alice, Response)][before:]

    def th1(self, vouch: bytes, attempt: bytes = ATTEMPT) -> bytes:
        """Return what the two have in common once Bob was shown *vouch*."""
        bob, alice = self.bob.fingerprint, self.alice.fingerprint
        return first_transcript(attempt, bob, alice, self.place, vouch)

    def assertBobRefuses(self, joined: Deferred[Room], response: bytes) -> None:
        """Check that *response* reaches Bob, and that he ends the attempt."""
        self.network.tell(self.bob, Response(ATTEMPT, response))
        self.assertEqual(heard(self.bob, Response)[-1].sealed, response)
        self.assertEqual(said(self.bob, Nack), [Nack(ATTEMPT)])
        self.assertNoResult(joined)
        self.assertEqual(self.bob.chat.rooms, ())


class Lowe(Between):
    """
    C1: Mallory, whom Alice trusts, has Alice vouch for *her*, and leads Bob to believe that Alice
    vouches for *him*: in the same attempt, with the same nonce, of which she knows all.
    """

    def setUp(self) -> None:
        super().setUp()
        self.joined = self.let_bob_join()
        self.vouch = self.ask_alice(self.mallory)
        self.k_v = nonce_in(self.vouch, self.mallory.identity)
        bob, alice = self.bob.identity.bundle, self.alice.fingerprint
        self.shown = vouching(bob, alice, self.place, ATTEMPT, self.k_v)
        self.challenge = self.show_bob(self.shown)

    def test_insider_relays_challenge(self) -> None:
        """
        She passes Bob's challenge on to Alice as her own, to have Alice tell her what is in it.
        It is sealed under the transcript of the conversation that Bob is in: with his name.
        """
        self.assertEqual(self.challenge_alice(self.challenge), [])
        self.assertEqual(len(self.alice.heard(NotVouched)), 1)
        # Only that stands in the way: under that transcript it opens, and all in it is right.
        opened = self.alice.identity.open_sealed(self.challenge, "challenge", self.th1(self.shown))
        self.assertEqual(len(decode(opened)), 5)

    def test_insider_relays_response(self) -> None:
        """
        She challenges Alice herself, and gives Bob what Alice answers, as it is or with a key of
        her own choice. Neither opens with Bob's one-use key, which is known to Alice alone.
        """
        me = self.mallory.identity
        mine = self.challenging(self.mallory, self.vouch, me, me)
        (response,) = self.challenge_alice(mine.sealed)
        handover, _ = decode(response)
        mine.init.open_sealed(handover, "response", digest("th2", mine.th1, mine.sealed))
        self.assertBobRefuses(self.joined, response)

    def test_insider_makes_the_response(self) -> None:
        """The same, with a key that she chose. She lacks Bob's nonce, his key, and a signature."""
        th2 = digest("th2", self.th1(self.shown), self.challenge)
        add = agreeing(
            self.bob.identity.bundle, self.mallory.identity, self.place, self.alice.fingerprint
        )
        alice = self.alice.identity.bundle
        signed, secret = adding(room(self.alice), alice, self.mallory.identity, add)
        guess = XWing.generate().public
        forged = responding(guess, th2, self.k_v, random_bytes(32), secret, signed)
        self.assertBobRefuses(self.joined, forged)


class Ghost(Between):
    """C2: a challenge in Bob's name, who is not there. It takes both his keys to make one."""

    def test_challenge_without_having_read_the_vouch(self) -> None:
        """
        The relay has Bob's signing key, so the consent holds. But it could not open the vouch, and
        the MAC is made with what is in it.
        """
        thief = stolen(self.bob.identity, signing=True)
        vouch = self.ask_alice(self.bob)
        self.assertRaises(BadCiphertext, nonce_in, vouch, thief)
        forged = self.challenging(self.bob, vouch, thief)
        self.assertEqual(self.challenge_alice(forged.sealed), [])
        (refusal,) = self.alice.heard(NotVouched)
        self.assertIn("it read another vouch", refusal.why)

    def test_challenge_without_consent(self) -> None:
        """The relay has Bob's other key, so the MAC holds. But the consent must be signed."""
        thief = stolen(self.bob.identity, sealing=True)
        vouch = self.ask_alice(self.bob)
        forged = self.challenging(self.bob, vouch, thief, thief)
        self.assertEqual(self.challenge_alice(forged.sealed), [])
        (refusal,) = self.alice.heard(NotVouched)
        self.assertIn("consent", refusal.why)

    def test_challenge_with_both_keys(self) -> None:
        """Nothing else was wrong with those two: who has both keys is Bob."""
        vouch = self.ask_alice(self.bob)
        forged = self.challenging(self.bob, vouch, self.bob.identity, self.bob.identity)
        self.assertEqual(len(self.challenge_alice(forged.sealed)), 1)


class OldConsent(SynchronousTestCase):
    """A consent that Carol really gave is used again, for what she did not agree to."""

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        self.mallory, self.alice, self.bob = network.members("mallory", "alice", "bob")
        self.carol = network.client("carol", trusts=[self.mallory, self.alice])
        self.alice.trust(self.carol)

    def entry_of_mallory(self, add: Add) -> SignedEntry:
        """Return Mallory's entry with that consent, right in everything else."""
        me = self.mallory.identity
        return adding(room(self.mallory), me.bundle, me, add)[0]

    def assertBadEntry(self, signed: SignedEntry, *members: Person) -> None:
        """Check that *members* do not follow *signed*."""
        for member in members:
            place = room(member).place
            self.network.tell(member, landing(room(member), signed))
            self.assertEqual(member.heard(Alarm)[-1].reason, Reason.BAD_ENTRY)
            self.assertEqual(room(member).place, place)

    def test_consent_of_an_attempt_that_lost(self) -> None:
        """
        Carol agreed to be let in by Mallory, who then did nothing, so Alice let her in. Mallory
        uses that consent now, to have Carol twice, or as Mallory's newcomer. It still stands on
        one of the last 16 heads; but nobody who is on the roster is added.
        """
        rogue = Rogue(self.network, self.mallory, submits=False)
        self.network.get(self.carol.chat.join(LABEL))
        (add,) = rogue.agreed
        self.assertEqual(room(self.carol).roster[-1].voucher, self.alice.fingerprint)
        add.check_consent(room(self.alice).id, self.mallory.fingerprint)
        self.assertIn((add.consent_epoch, add.consent_head), room(self.alice).log.heads)
        self.assertBadEntry(self.entry_of_mallory(add), self.alice, self.bob, self.carol)

    def test_consent_taken_by_another_voucher(self) -> None:
        """
        The relay keeps Alice's entry from everybody and gives Mallory the consent that is in it,
        so that Carol be Mallory's newcomer. The consent names Alice: the relay, the members and
        Carol herself refuse it.
        """
        self.network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=self.mallory)
        held = self.network.hold(AddUser, by=self.alice)
        joined = self.carol.chat.join(LABEL)
        self.network.settle()
        (line,) = held
        taken = SignedEntry.decode(line.entry)
        add = taken.entry.detail
        assert isinstance(add, Add)
        forged = self.entry_of_mallory(add)
        room(self.bob).log.after(taken)
        refused = self.assertRaises(EntryRefused, room(self.bob).log.after, forged)
        self.assertIn("did not agree", str(refused))
        self.network.say(self.alice, AddUser(line.attempt, forged.encode()))
        self.assertEqual(heard(self.alice, ErrorLine)[-1].code, Code.ENTRY)
        self.network.tell(self.carol, landing(room(self.bob), forged))
        self.assertEqual(said(self.carol, Roster), [])
        self.assertBadEntry(forged, self.alice, self.bob)
        self.assertFalse(joined.called and self.carol.chat.rooms)
        joined.addErrback(lambda _: None)

    def test_consent_older_than_sixteen_entries(self) -> None:
        """
        Mallory keeps Carol's consent until the room is another one, 16 newcomers later. One
        earlier it would have held.
        """
        rogue = Rogue(self.network, self.mallory, submits=False)
        joined = self.carol.chat.join(LABEL)
        self.network.settle()
        joined.addErrback(lambda _: None)
        joined.cancel()
        (add,) = rogue.agreed
        self.network.be_honest()
        self.assertIn((add.consent_epoch, add.consent_head), room(self.alice).log.heads)
        for number in range(CONSENT_WINDOW):
            room(self.bob).log.after(self.entry_of_mallory(add))
            newcomer = self.network.client(f"newcomer {number}", trusts=[self.mallory])
            self.mallory.trust(newcomer)
            self.network.get(newcomer.chat.join(LABEL))
        self.assertBadEntry(self.entry_of_mallory(add), self.alice, self.bob)


class Recorder(SynchronousTestCase):
    """C3: all is recorded, and years later all long-term keys are stolen."""

    def test_long_term_keys_open_no_recorded_response(self) -> None:
        """
        With Bob's key the vouch opens, with Alice's the challenge. The response was sealed to a
        key that Bob made for it and has not kept; without what is in it there is no session key.
        """
        drawn: list[bytes] = []

        def random(length: int) -> bytes:
            drawn.append(random_bytes(length))
            return drawn[-1]

        self.patch(primitives, "random_bytes", random)
        network = LyingNetwork()
        alice, bob = network.friends("alice", "bob")
        network.get(alice.chat.found(LABEL))
        place = room(alice).place
        network.get(bob.chat.join(LABEL))
        (vouch,), (response,) = heard(bob, Vouch), heard(bob, Response)
        (challenge,) = said(bob, Challenge)

        k_v = nonce_in(vouch.sealed, bob.identity, vouch.attempt)
        th1 = first_transcript(
            vouch.attempt, bob.fingerprint, alice.fingerprint, place, vouch.sealed
        )
        k_j, *_ = decode(alice.identity.open_sealed(challenge.sealed, "challenge", th1))
        th2 = digest("th2", th1, challenge.sealed)
        handover, hidden = decode(response.sealed)
        for identity in (alice.identity, bob.identity):
            self.assertRaises(BadCiphertext, identity.open_sealed, handover, "response", th2)
        for guess in (b"", bytes(KEY_LENGTH), k_v, k_j):
            key = handover_key(th2, k_v, k_j, guess)
            ad = digest("handover-ad", th2)
            self.assertRaises(BadCiphertext, decrypt, key, ONE_USE, hidden, ad)

        # It is that one key that is missing: whoever had recorded Bob's memory could read on.
        opened = [
            each
            for each in map(XWing, (each for each in drawn if len(each) == XWING_SECRET_LENGTH))
            if opens(each, handover, th2)
        ]
        self.assertEqual(len(opened), 1)
        (k_e,) = decode(opened[0].open_sealed(handover, "response", th2))
        key = handover_key(th2, k_v, k_j, k_e)
        _, entry = decode(decrypt(key, ONE_USE, hidden, digest("handover-ad", th2)))
        self.assertEqual(entry, room(bob).first_entry.encode())


def opens(key: XWing, handover: bytes, th2: bytes) -> bool:
    """Whether *key* is the one that *handover* was sealed to."""
    try:
        key.open_sealed(handover, "response", th2)
    except BadCiphertext:
        return False
    return True


class WrongKey(SynchronousTestCase):
    """C4: Mallory vouches for Carol, and gives her another key than the room's."""

    def setUp(self) -> None:
        self.network = network = LyingNetwork()
        self.alice, self.mallory = network.members("alice", "mallory")
        self.carol = network.client("carol", trusts=[self.alice, self.mallory])
        self.alice.trust(self.carol)
        self.no = network.answer(NewUser, lambda line: [Nack(line.attempt)], instead_of=self.alice)

    def test_key_that_is_not_the_entrys(self) -> None:
        """
        The entry is right, the key beside it is not. Carol compares the tag in the entry with the
        one that the key makes, and does not enter.
        """
        rogue = Rogue(
            self.network,
            self.mallory,
            lambda add: (rogue.as_agreed(add)[0], random_bytes(KEY_LENGTH)),
            submits=False,
        )
        joined = self.carol.chat.join(LABEL)
        self.network.settle()
        (response,) = heard(self.carol, Response)
        self.assertEqual(said(self.carol, Nack), [Nack(response.attempt)])
        self.failureResultOf(joined, NobodyVouches)
        self.assertEqual(self.carol.chat.rooms, ())

    def test_wrong_key_whose_entry_lands(self) -> None:
        """
        The same, and the entry lands: Carol is on the roster without the key. That is Mallory's
        doing, as all can see; Carol is told, and does not wait for ever.
        """
        rogue = Rogue(
            self.network,
            self.mallory,
            lambda add: (rogue.as_agreed(add)[0], random_bytes(KEY_LENGTH)),
        )
        joined = self.carol.chat.join(LABEL)
        self.assertRaises(AdmissionRefused, self.network.get, joined)
        self.assertEqual(room(self.alice).roster[-1].voucher, self.mallory.fingerprint)
        self.assertEqual(self.carol.chat.rooms, ())

    def test_entry_that_is_not_what_was_agreed(self) -> None:
        """
        Key and tag go with the entry; but it adds somebody else, or has Alice as its author.
        """
        for wrong in ("subject", "author"):
            self.setUp()
            mallory, where = self.mallory.identity, room(self.mallory)
            dave = Identity.generate()
            other = agreeing(dave.bundle, dave, where.place, mallory.fingerprint)
            author = self.alice.identity.bundle if wrong == "author" else mallory.bundle
            rogue = Rogue(
                self.network,
                self.mallory,
                partial(self.propose, where, author, other if wrong == "subject" else None),
                submits=False,
            )
            self.carol.chat.join(LABEL).addErrback(lambda _: None)
            self.network.settle()
            (response,) = heard(self.carol, Response)
            self.assertEqual(len(rogue.made), 1)
            self.assertEqual(said(self.carol, Nack), [Nack(response.attempt)])

    def propose(
        self, where: Room, author: Bundle, other: Add | None, add: Add
    ) -> tuple[SignedEntry, bytes]:
        """Return Mallory's entry as *author*, which adds *other* in place of *add*."""
        return adding(where, author, self.mallory.identity, other or add)

    def test_key_and_tag_of_another_epoch(self) -> None:
        """
        The tag is made with the wrong key too, so Carol enters, and is in an epoch of her own.
        The others see at once that Mallory did it. What Carol says does not open for them, nor
        theirs for her.
        """

        def propose(add: Add) -> tuple[SignedEntry, bytes]:
            secret, right = random_bytes(KEY_LENGTH), rogue.as_agreed(add)[0].entry
            tag = confirmation(secret, right)
            return SignedEntry.make(right, tag, self.mallory.identity), secret

        rogue = Rogue(self.network, self.mallory, propose)
        self.network.get(self.carol.chat.join(LABEL))
        self.assertEqual(room(self.carol).place, room(self.alice).place)
        alarm = self.alice.heard(Alarm)[0]
        self.assertEqual((alarm.reason, alarm.sender), (Reason.WRONG_KEY, self.mallory.fingerprint))
        self.network.speak(self.carol, "hello")
        self.assertEqual(texts(self.alice), [])
        self.assertIn(Reason.FORGED, {each.reason for each in self.alice.heard(Alarm)})
        self.network.speak(self.alice, "who is there?")
        self.assertEqual(texts(self.carol), [])
        self.assertIn(Reason.FORGED, {each.reason for each in self.carol.heard(Alarm)})


@attrs.define
class Conversation:
    """One whole admission of Bob by Alice, by their state machines."""

    alice: Identity
    bob: Identity
    place: Place
    room: Room

    def machines(self) -> tuple[Joiner, Voucher]:
        """Return both sides of a new attempt."""
        newcomer = joiner(self.bob, ATTEMPT, LABEL, lambda _: True)
        return newcomer, voucher(self.alice, ATTEMPT, self.bob.bundle, self.place, LABEL)

    def messages(self) -> tuple[tuple[Joiner, Voucher], list[bytes]]:
        """Return both sides before the last step, and what they have said, and would say."""
        newcomer, member = self.machines()
        vouch = member.vouch()
        challenge = newcomer.vouched(self.alice.bundle, vouch)
        member.challenged(challenge)
        response, _ = member.respond(self.room.propose)
        return (newcomer, member), [vouch, challenge, response]


class Confusion(SynchronousTestCase):
    """C5: what was said at one step is shown at another."""

    def setUp(self) -> None:
        network = LyingNetwork()
        (alice,) = network.members("alice")
        here = room(alice)
        self.talk = Conversation(alice.identity, Identity.generate(), here.place, here)

    def test_each_message_at_every_other_step(self) -> None:
        """A vouch is no challenge and no response, nor any of them another; each ends it."""
        for wrong in (1, 2):
            newcomer, _ = self.talk.machines()
            _, said = self.talk.messages()
            with self.assertRaises(AdmissionRefused):
                newcomer.vouched(self.talk.alice.bundle, said[wrong])
        for wrong in (0, 2):
            _, member = self.talk.machines()
            _, said = self.talk.messages()
            member.vouch()
            self.assertRaises(AdmissionRefused, member.challenged, said[wrong])
        for wrong in (0, 1, 2):
            (newcomer, _), said = self.talk.messages()
            if wrong < 2:
                self.assertRaises(AdmissionRefused, newcomer.answered, said[wrong])
            else:
                newcomer.answered(said[wrong])  # at its own step

    def test_each_message_under_every_other_label(self) -> None:
        """Even with the right key and transcript a message opens under its own label alone."""
        _, (vouch, challenge, _) = self.talk.messages()
        alice, bob = self.talk.alice, self.talk.bob
        th1 = first_transcript(ATTEMPT, bob.fingerprint, alice.fingerprint, self.talk.place, vouch)
        sealed: dict[str, tuple[Identity, bytes, Value]] = {
            "vouch": (bob, vouch, [ATTEMPT, bob.fingerprint]),
            "challenge": (alice, challenge, th1),
        }
        for own, label in product(sealed, ("vouch", "challenge", "response")):
            reader, message, context = sealed[own]
            if label == own:
                reader.open_sealed(message, label, context)
            else:
                self.assertRaises(BadCiphertext, reader.open_sealed, message, label, context)


class Oracle(Between):
    """C6: Alice's key answers challenges. Somebody asks it again and again."""

    def challenge(self, vouch: bytes) -> bytes:
        """Return a new challenge of Bob's that is right in everything."""
        bob = self.bob.identity
        return self.challenging(self.bob, vouch, bob, bob).sealed

    def test_second_challenge_of_an_attempt(self) -> None:
        """The first is answered. The second ends the attempt, however right it is."""
        vouch = self.ask_alice(self.bob)
        self.assertEqual(len(self.challenge_alice(self.challenge(vouch))), 1)
        self.assertEqual(self.challenge_alice(self.challenge(vouch)), [])
        self.assertEqual(self.challenge_alice(self.challenge(vouch)), [])
        self.assertEqual(said(self.alice, Nack), [Nack(ATTEMPT)])

    def test_challenge_after_a_wrong_one(self) -> None:
        """One guess is all there is."""
        vouch = self.ask_alice(self.bob)
        self.assertEqual(self.challenge_alice(random_bytes(2_000)), [])
        self.assertEqual(self.challenge_alice(self.challenge(vouch)), [])

    def test_second_attempt_beside_a_live_one(self) -> None:
        """Nor does Alice vouch for Bob twice at a time in one room."""
        self.ask_alice(self.bob)
        self.ask_alice(self.bob, OTHER)
        self.network.turn(1)
        self.assertEqual([each.attempt for each in said(self.alice, Vouch)], [ATTEMPT])
        self.assertEqual(said(self.alice, Nack), [Nack(OTHER)])


class CutAndPaste(Between):
    """C7: messages of one room or attempt are used in another."""

    def test_between_rooms(self) -> None:
        """
        Alice is in two rooms, and vouches for Bob in both, in attempts of one number. Bob answers
        the vouch of one; Alice is given that in the other.
        """
        self.let_bob_join()
        challenge = self.show_bob(self.ask_alice(self.bob))
        attic = self.network.get(self.alice.chat.found("attic"))
        bundle = self.bob.identity.bundle.encode()
        self.network.tell(self.alice, NewUser(ATTEMPT, attic.id, bundle))
        self.assertEqual(len(said(self.alice, Vouch)), 2)
        self.assertEqual(self.challenge_alice(challenge), [])
        (refusal,) = self.alice.heard(NotVouched)
        self.assertEqual(refusal.label, "attic")

    def test_between_attempts(self) -> None:
        """
        The relay gives two attempts of one newcomer, voucher and room the same number. Neither a
        challenge nor a response of the first is of use in the second.
        """
        joined, bob = self.let_bob_join(), self.bob.identity
        challenge = self.show_bob(self.ask_alice(self.bob))
        self.network.tell(self.alice, Over(ATTEMPT))
        self.ask_alice(self.bob)
        self.assertEqual(self.challenge_alice(challenge), [])

        other = self.challenging(self.bob, self.ask_alice(self.bob), bob, bob)
        (response,) = self.challenge_alice(other.sealed)
        self.assertBobRefuses(joined, response)

    def test_another_room_than_the_one_asked_for(self) -> None:
        """
        Bob asks for "lobby", the relay has Alice vouch for "attic", where she is too. What he says
        would be read by others than he thinks. The first entry has the room's label.
        """
        self.network.get(self.alice.chat.found("attic"))
        self.assertLedAstray()

    def test_another_room_that_has_grown(self) -> None:
        """
        The same, where "attic" has so many members that its first entry is not among the last.
        """
        self.network.get(self.alice.chat.found("attic"))
        for number in range(CONSENT_WINDOW):
            newcomer = self.network.client(f"newcomer {number}", trusts=[self.alice])
            self.alice.trust(newcomer)
            self.network.get(newcomer.chat.join("attic"))
        self.assertLedAstray()

    def assertLedAstray(self) -> None:
        """Check that Bob is led to "attic", and does not enter it as "lobby"."""
        self.network.change(Join, by=self.bob, label="attic")
        joined = self.bob.chat.join(LABEL)
        with self.assertRaises(AdmissionRefused):
            self.network.get(joined)
        self.assertIn(self.bob.fingerprint, room(self.alice, "attic").log.membership.index)
        self.assertEqual(self.bob.chat.rooms, ())


class StolenKey(Between):
    """C8: who has some of one's keys can pose as that one; but not fool that one about others."""

    def test_newcomers_key(self) -> None:
        """
        The relay has all of Bob's keys, and so it reads Alice's vouch. It wants to give Bob a key
        of its own in her name: it lacks what Bob sealed to her, and her signature. It poses as
        Bob to Alice, which no protocol can help, and gives Bob what she says: it is not for his
        nonce, nor for his one-use key, and the entry that follows is none that he was offered.
        """
        joined = self.let_bob_join()
        vouch = self.ask_alice(self.bob)
        challenge = self.show_bob(vouch)
        thief, th1 = self.bob.identity, self.th1(vouch)
        self.assertRaises(BadCiphertext, thief.open_sealed, challenge, "challenge", th1)
        posed = self.challenging(self.bob, vouch, thief, thief)
        (response,) = self.challenge_alice(posed.sealed)
        handover, hidden = decode(response)
        th2 = digest("th2", th1, posed.sealed)
        (k_e,) = decode(posed.init.open_sealed(handover, "response", th2))
        key = handover_key(th2, posed.k_v, posed.k_j, k_e)
        secret, entry = decode(decrypt(key, ONE_USE, hidden, digest("handover-ad", th2)))
        signed = SignedEntry.decode(entry)  # so it has Alice's entry, and the room's key
        forged = responding(
            posed.init.public, digest("th2", th1, challenge), posed.k_v, posed.k_j, secret, signed
        )
        self.assertBobRefuses(joined, forged)
        self.network.tell(self.bob, landing(room(self.alice), signed))
        self.assertEqual(said(self.bob, Roster), [])
        self.assertNoResult(joined)

    def test_vouchers_encryption_key(self) -> None:
        """
        The relay has Alice's X-Wing key, vouches in her name, and reads all that Bob seals to
        her. Then it makes the response, right in everything; but the entry bears her signature.
        """
        for has_signing_key in (False, True):
            self.setUp()
            alice = self.alice.identity
            thief = stolen(alice, sealing=True, signing=has_signing_key)
            joined = self.let_bob_join()
            k_v = random_bytes(KEY_LENGTH)
            bob = self.bob.identity.bundle
            vouch = vouching(bob, alice.fingerprint, self.place, ATTEMPT, k_v)
            challenge = self.show_bob(vouch)
            th1 = self.th1(vouch)
            opened = thief.open_sealed(challenge, "challenge", th1)
            k_j, init, leaf, agreed, _ = decode(opened)
            add = Add(
                Subject.of(bob, leaf),
                init_hash(init),
                th1,
                agreed,
                self.place.epoch,
                self.place.head,
            )
            signed, secret = adding(room(self.alice), alice.bundle, thief, add)
            th2 = digest("th2", th1, challenge)
            forged = responding(init, th2, k_v, k_j, secret, signed)
            if has_signing_key:  # all else was right
                self.network.tell(self.bob, Response(ATTEMPT, forged))
                self.network.tell(self.bob, landing(room(self.alice), signed))
                self.assertEqual(len(said(self.bob, Roster)), 1)
            else:
                self.assertBobRefuses(joined, forged)
