"""The newcomer's side of an admission: what it believes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import Value, encode
from securechat.errors import AdmissionRefused, FoundedAnew, VoucherUnknown
from securechat.fingerprint import to_groups, to_words
from securechat.group.admission import Place
from securechat.group.entry import ZERO, SignedEntry
from securechat.group.joiner import MAX_CANDIDATES, Joiner, joiner
from securechat.group.keys import confirmation
from securechat.group.log import CONSENT_WINDOW
from securechat.identity import Bundle, Identity
from tests.group.kit import (
    ALICE,
    ATTEMPT,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    Admission,
    Member,
    Opened,
    anyone,
    flipped,
    proposal,
    room_of,
    trusting,
)

OTHER_ATTEMPT = bytes(16)


class AdmissionCase(SynchronousTestCase):
    """Alice, who founded the room, vouches for Carol."""

    def setUp(self) -> None:
        """Alice and Bob are in the room, and Alice is asked about Carol."""
        self.stream, (self.alice, self.bob) = room_of(ALICE, BOB)
        self.admission = Admission(CAROL, self.alice)
        self.joiner = self.admission.joiner

    def refused(self, step: str, call: Callable[..., object], *args: object) -> str:
        """The call is refused at *step*; return why."""
        error = self.assertRaises(AdmissionRefused, call, *args)
        self.assertEqual((error.step, error.label), (step, LABEL))
        return str(error.why)


class VouchTests(AdmissionCase):
    """Step 3 comes."""

    def vouch(self, *content: Value) -> bytes:
        """A vouch for Carol with *content*, whoever it is by."""
        return CAROL.bundle.seal("vouch", [ATTEMPT, CAROL.fingerprint], encode(*content))

    def test_a_trusted_voucher_is_challenged(self) -> None:
        """The answer is sealed to the voucher and as long as it always is."""
        challenge = self.admission.challenge()
        self.assertEqual(len(challenge), len(Admission(DAVE, self.bob).challenge()))
        self.admission.voucher.challenged(challenge)

    def test_an_unknown_voucher_is_named(self) -> None:
        """The user is warned with groups and words; nothing is sent, and the attempt is over."""
        stranger = Admission(CAROL, self.alice, trusts=trusting(BOB))
        error = self.assertRaises(VoucherUnknown, stranger.challenge)
        self.assertEqual(error.fingerprint, ALICE.fingerprint)
        self.assertIn(to_groups(ALICE.fingerprint), str(error))
        self.assertIn(to_words(ALICE.fingerprint), str(error))
        self.refused("conversation", stranger.joiner.answered, b"")

    def test_a_room_that_was_founded_anew(self) -> None:
        """A4: who knows the label as another room does not consent; the attempt is over."""
        vouch = self.admission.vouch()
        known = joiner(CAROL, ATTEMPT, LABEL, anyone, Place(ZERO, 0, ZERO))
        self.assertRaises(FoundedAnew, known.vouched, ALICE.bundle, vouch)
        self.refused("conversation", known.answered, b"")
        same = Place(self.alice.room.id, 0, ZERO)
        joiner(CAROL, ATTEMPT, LABEL, anyone, same).vouched(ALICE.bundle, vouch)

    def test_a_room_that_is_older_than_it_was(self) -> None:
        """D8: who was in it later, or at another head of that epoch, does not consent."""
        vouch, place = self.admission.vouch(), self.alice.room.place
        for known in (
            Place(place.room, place.epoch + 1, place.head),
            Place(place.room, place.epoch, ZERO),
        ):
            newcomer = joiner(CAROL, ATTEMPT, LABEL, anyone, known)
            self.refused("vouch", newcomer.vouched, ALICE.bundle, vouch)
        joiner(CAROL, ATTEMPT, LABEL, anyone, place).vouched(ALICE.bundle, vouch)

    def test_it_was_sealed_to_somebody_else(self) -> None:
        """C7: what Alice seals to Dave is no vouch for Carol."""
        other = Admission(DAVE, self.alice).vouch()
        self.refused("vouch", self.admission.challenge, other)

    def test_it_was_sealed_in_another_attempt(self) -> None:
        """B4, C8: an old vouch, replayed in a new attempt, does not open."""
        old = Admission(CAROL, self.alice, OTHER_ATTEMPT).vouch()
        self.refused("vouch", self.admission.challenge, old)

    @given(st.integers(0, 10_000), st.binary(max_size=2))
    def test_changed_bytes(self, at: int, new: bytes) -> None:
        """No byte of a vouch can be changed, left out or added."""
        vouch = self.admission_of_carol().vouch()
        at %= len(vouch)
        changed = vouch[:at] + new + vouch[at + 1 :]
        if changed != vouch:
            self.refused("vouch", self.admission_of_carol().challenge, changed)
        self.refused("vouch", self.admission_of_carol().challenge, vouch + b"\0")

    def admission_of_carol(self) -> Admission:
        """A new attempt."""
        return Admission(CAROL, self.alice)

    def test_it_names_another_voucher_than_the_bundle(self) -> None:
        """C1: Mallory's vouch under Alice's name comes with a key that is not Alice's."""
        place = self.alice.room.place
        vouch = self.vouch(ALICE.fingerprint, place.room, place.epoch, place.head, bytes(32))
        why = self.refused("vouch", self.joiner.vouched, MALLORY.bundle, vouch)
        self.assertIn("another's key", why)

    def test_it_comes_from_oneself(self) -> None:
        """Nobody vouches for itself, whatever its own trusted identities are."""
        place = self.alice.room.place
        vouch = self.vouch(CAROL.fingerprint, place.room, place.epoch, place.head, bytes(32))
        self.refused("vouch", self.joiner.vouched, CAROL.bundle, vouch)

    def test_its_content_is_malformed(self) -> None:
        """Whoever it comes from, every field has its type and length."""
        good: list[Value] = [ALICE.fingerprint, bytes(32), 1, bytes(32), bytes(32)]
        contents: list[list[Value]] = [good[:-1], [*good, 0], []]
        contents += [[*good[:at], bad, *good[at + 1 :]] for at in range(5) for bad in ("", b"x")]
        for content in contents:
            attempt = self.admission_of_carol()
            self.refused("vouch", attempt.challenge, self.vouch(*content))
        junk = CAROL.bundle.seal("vouch", [ATTEMPT, CAROL.fingerprint], b"junk")
        self.refused("vouch", self.admission.challenge, junk)

    def test_a_voucher_whose_key_cannot_be_used(self) -> None:
        """A trusted identity may have a bundle that nobody can seal to: that is refused."""
        broken = Bundle(1, MALLORY.bundle.ed25519, bytes(1216))
        place = self.alice.room.place
        vouch = self.vouch(broken.fingerprint, place.room, place.epoch, place.head, bytes(32))
        self.refused("vouch", self.joiner.vouched, broken, vouch)


class LoweTests(AdmissionCase):
    """C1: an insider in the middle."""

    def test_an_insider_cannot_pass_a_challenge_on(self) -> None:
        """
        Alice vouches for Mallory, who offers that vouch to Carol as from Alice, and gives
        Carol's challenge to Alice as its own: Alice refuses it.
        """
        mallory = Admission(MALLORY, self.alice)
        vouch = mallory.vouch()
        content = MALLORY.open_sealed(vouch, "vouch", [ATTEMPT, MALLORY.fingerprint])
        passed_on = CAROL.bundle.seal("vouch", [ATTEMPT, CAROL.fingerprint], content)
        challenge = self.joiner.vouched(ALICE.bundle, passed_on)
        self.refused("challenge", mallory.voucher.challenged, challenge)

    def test_an_insider_cannot_answer_for_the_voucher(self) -> None:
        """
        Mallory, who knows k_V because the vouch was made up, cannot open the challenge, which
        is sealed to Alice; any k_J that it guesses makes another key.
        """
        place = self.alice.room.place
        content = encode(ALICE.fingerprint, place.room, place.epoch, place.head, b"\1" * 32)
        vouch = CAROL.bundle.seal("vouch", [ATTEMPT, CAROL.fingerprint], content)
        challenge = self.admission.challenge(vouch)
        opened = Opened.of(self.admission, vouch, challenge)
        signed, secret = self.alice.room.propose(opened.add)
        forged = opened.response(secret, signed.encode(), k_j=bytes(32))
        self.refused("response", self.joiner.answered, forged)


class Offer:
    """An admission of Carol by *member* up to the challenge, which the test has read."""

    def __init__(self, member: Member, attempt: bytes = ATTEMPT) -> None:
        self.admission = Admission(CAROL, member, attempt)
        self.joiner = self.admission.joiner
        vouch = self.admission.vouch()
        self.opened = Opened.of(self.admission, vouch, self.admission.challenge(vouch))
        self.signed, self.secret = member.room.propose(self.opened.add)

    def response(self, **changes: Any) -> bytes:
        """A response of the voucher, made with *changes* to what both sides know."""
        return self.opened.response(self.secret, self.signed.encode(), **changes)

    def lying(self, author: Identity = ALICE, **changes: Any) -> bytes:
        """A response with *changes* to its entry, whose tag and signature by *author* hold."""
        entry = attrs.evolve(self.signed.entry, **changes)
        signed = SignedEntry.make(entry, confirmation(self.secret, entry), author)
        return self.opened.response(self.secret, signed.encode())


class ResponseTests(AdmissionCase):
    """Step 5 comes."""

    def offer(self) -> Offer:
        """A new attempt of Carol with Alice."""
        return Offer(self.alice)

    def test_the_key_is_handed_over(self) -> None:
        """What was agreed lets Carol in, with the epoch's secret and its own leaf key."""
        offer = self.offer()
        offer.joiner.answered(offer.response())
        entrance = offer.joiner.landed(offer.signed.head)
        self.assertEqual((entrance.signed, entrance.secret), (offer.signed, offer.secret))
        self.assertEqual(entrance.leaf.public, offer.opened.leaf)

    def test_no_secret_is_in_a_repr(self) -> None:
        """Neither the machine nor the entrance shows a key."""
        offer = self.offer()
        offer.joiner.answered(offer.response())
        text = repr(offer.joiner) + repr(offer.joiner.landed(offer.signed.head))
        for secret in (offer.secret, offer.opened.k_j, offer.opened.k_v):
            self.assertNotIn(repr(secret)[2:-1], text)

    def test_changed_bytes(self) -> None:
        """No byte of a response can be changed, left out or added."""
        length = len(self.offer().response())
        for at in (*range(0, length, 97), *range(length - 17, length)):
            for change in (flipped, lambda data, at: data[:at], lambda data, at: data + b"\0"):
                offer = self.offer()
                self.refused("response", offer.joiner.answered, change(offer.response(), at))

    def test_from_another_attempt(self) -> None:
        """C8: the response of another attempt for the same newcomer does not open."""
        for attempt in (ATTEMPT, OTHER_ATTEMPT):
            response = Offer(self.alice, attempt).response()
            self.refused("response", self.offer().joiner.answered, response)

    def test_for_another_newcomer(self) -> None:
        """C7: what opens for Dave does not open for Carol."""
        response, _ = Admission(DAVE, self.alice).response()
        self.refused("response", self.offer().joiner.answered, response)

    def test_a_replayed_attempt(self) -> None:
        """
        B4: a relay replays all of an attempt, its id too. The vouch is taken, since a vouch
        proves nothing; but the old response is for keys that are gone, and the voucher's new
        attempt does not take the answer to the old vouch.
        """
        admission = Admission(CAROL, self.alice)
        vouch = admission.vouch()
        response, _ = admission.response(admission.challenge(vouch))
        replayed = Admission(CAROL, self.alice)
        challenge = replayed.challenge(vouch)
        self.refused("response", replayed.joiner.answered, response)
        replayed.vouch()
        self.refused("challenge", replayed.voucher.challenged, challenge)

    def test_who_lacks_a_nonce_makes_another_key(self) -> None:
        """C8: k_V and k_J were sealed to one side each, and th2 binds all that was said."""
        for changes in ({"k_v": bytes(32)}, {"k_j": bytes(32)}, {"th2": bytes(32)}):
            offer = self.offer()
            self.refused("response", offer.joiner.answered, offer.response(**changes))

    def test_only_the_one_use_key_opens_it(self) -> None:
        """C3: neither the newcomer's own key nor its leaf, which are kept, opens a response."""
        for key in ("long-term", "leaf"):
            offer = self.offer()
            init = CAROL.bundle.xwing if key == "long-term" else offer.opened.leaf
            self.refused("response", offer.joiner.answered, offer.response(init=init))

    def test_it_adds_somebody_else(self) -> None:
        """C2: an entry for Dave, however good, is not what Carol agreed to."""
        offer = self.offer()
        offer.signed = proposal(DAVE, self.alice)
        why = self.refused("response", offer.joiner.answered, offer.response())
        self.assertIn("somebody else", why)

    def test_it_changes_what_was_agreed(self) -> None:
        """Leaf, init, th1, consent and its head: each is as it was in the challenge."""
        add = self.offer().opened.add
        for name in (each.name for each in attrs.fields(type(add))):
            offer = self.offer()
            other = getattr(Offer(self.bob).opened.add, name)
            if name.startswith("consent_") or name == "subject":
                other = {
                    "consent_epoch": add.consent_epoch + 1,
                    "consent_head": bytes(32),
                    "subject": attrs.evolve(add.subject, leaf=bytes(1216)),
                }[name]
            detail = attrs.evolve(offer.opened.add, **{name: other})
            response = offer.lying(detail=detail)
            why = self.refused("response", offer.joiner.answered, response)
            self.assertIn("somebody else", why)

    def test_it_is_for_another_room(self) -> None:
        """C7: the room is the one that the vouch named."""
        offer = self.offer()
        self.refused("response", offer.joiner.answered, offer.lying(room=bytes(32)))

    def test_its_author_is_another_member(self) -> None:
        """Only who vouched adds: neither in another's name nor by another's signature."""
        offer = self.offer()
        self.refused("response", offer.joiner.answered, offer.lying(author=BOB))
        offer = self.offer()
        entry = attrs.evolve(offer.signed.entry, author=BOB.fingerprint)
        offer.signed = SignedEntry.make(entry, confirmation(offer.secret, entry), ALICE)
        why = self.refused("response", offer.joiner.answered, offer.response())
        self.assertIn("somebody else", why)

    def test_its_epoch_is_one_of_the_16_that_follow(self) -> None:
        """The consent holds for 16 entries after the head that the vouch named."""
        asked_at = self.alice.room.place.epoch
        for epoch in (0, asked_at, asked_at + CONSENT_WINDOW + 1):
            offer = self.offer()
            self.refused("response", offer.joiner.answered, offer.lying(epoch=epoch))
        for epoch in (asked_at + 1, asked_at + CONSENT_WINDOW):
            offer = self.offer()
            offer.joiner.answered(offer.lying(epoch=epoch))

    def test_its_key_is_not_the_rooms(self) -> None:
        """C4: a voucher that hands over another key than the entry's tag confirms is found out."""
        offer = self.offer()
        offer.secret = bytes(32)
        why = self.refused("response", offer.joiner.answered, offer.response())
        self.assertIn("not the room's", why)

    def test_its_content_is_malformed(self) -> None:
        """A voucher's nonsense, sealed as it should be, is refused."""
        offer = self.offer()
        entry = offer.signed.encode()
        for secret, data in ((b"short", entry), (bytes(32), b"junk"), (bytes(32), b"")):
            other = self.offer()
            self.refused("response", other.joiner.answered, other.opened.response(secret, data))
        for junk in (b"", b"junk", encode(), encode(b""), encode(b"", b""), encode(1, 2)):
            self.refused("response", self.offer().joiner.answered, junk)


class LandingTests(AdmissionCase):
    """Step 7 comes."""

    def test_another_entry_landed(self) -> None:
        """What was not offered is no entrance, and the attempt is over."""
        offer = Offer(self.alice)
        offer.joiner.answered(offer.response())
        self.refused("user_added", offer.joiner.landed, self.alice.room.log.head)
        self.refused("conversation", offer.joiner.landed, offer.signed.head)

    def test_a_voucher_that_was_overtaken_answers_again(self) -> None:
        """B8: after another entry came first, the second response lets the newcomer in."""
        admission = Admission(CAROL, self.alice)
        first, stale = admission.response()
        admission.joiner.answered(first)
        self.stream.admit(DAVE, self.bob)
        second, signed = admission.voucher.respond(self.alice.room.propose)
        self.assertNotEqual(stale.head, signed.head)
        admission.joiner.answered(second)
        self.stream.append(signed.encode())
        self.assertEqual(admission.joiner.landed(signed.head).signed, signed)
        self.assertEqual(self.bob.room.log.head, signed.head)

    def test_every_offer_is_kept_until_one_lands(self) -> None:
        """Which of several entries lands is the relay's matter: any of them will do."""
        for landing in range(3):
            offer, heads = self.offered(3)
            self.assertEqual(offer.joiner.landed(heads[landing]).signed.head, heads[landing])

    def test_16_offers_are_kept(self) -> None:
        """A voucher that offers without end fills no memory: the oldest offer goes."""
        offer, heads = self.offered(MAX_CANDIDATES + 1)
        self.refused("user_added", offer.joiner.landed, heads[0])
        offer, heads = self.offered(MAX_CANDIDATES + 1)
        offer.joiner.landed(heads[1])

    def test_the_same_offer_again_displaces_none(self) -> None:
        """A relay that repeats a response takes no other offer away."""
        offer, heads = self.offered(MAX_CANDIDATES)
        for _ in range(3):
            offer.joiner.answered(offer.response())
        offer.joiner.landed(heads[0])

    def offered(self, count: int) -> tuple[Offer, list[bytes]]:
        """An attempt with *count* offers, which differ in what the voucher had seen."""
        offer = Offer(self.alice)
        heads = []
        for seq in range(count):
            entry = attrs.evolve(offer.signed.entry, seq=seq)
            offer.signed = SignedEntry.make(entry, confirmation(offer.secret, entry), ALICE)
            offer.joiner.answered(offer.response())
            heads.append(offer.signed.head)
        return offer, heads


class TurnTests(AdmissionCase):
    """Every input in every state."""

    def test_every_message_in_every_state(self) -> None:
        """
        Each good message is taken in its turn, and only then; whatever else comes, and whatever
        comes after a step has failed, is refused by the one error.
        """
        good = {"waiting": ["vouch"], "challenging": ["answer"], "offered": ["answer", "land"]}
        after = {"vouch": "challenging", "answer": "offered", "land": "inside"}
        broken = {"waiting": "bad vouch", "challenging": "bad answer", "offered": "bad land"}
        inputs = ["vouch", "bad vouch", "answer", "bad answer", "land", "bad land"]
        for state in ("waiting", "challenging", "offered", "inside"):
            for first, second in product(inputs, inputs):
                joiner, now = self.brought_to(state), state
                for name in (first, second):
                    if name in good.get(now, []):
                        self.give(joiner, name)
                        now = after[name]
                    else:
                        self.assertRaises(AdmissionRefused, self.give, joiner, name)
                        if name == broken.get(now) or (now, name) == ("offered", "bad answer"):
                            now = "over"

    def brought_to(self, state: str) -> Joiner:
        """A joiner in *state*; from here on `give` has the good messages for it."""
        self.admission = Admission(CAROL, self.alice)
        self.good_vouch = self.admission.vouch()
        self.response, self.head = b"", bytes(32)  # nothing is good before its time
        states = ["waiting", "challenging", "offered", "inside"]
        for name in ["vouch", "answer", "land"][: states.index(state)]:
            self.give(self.admission.joiner, name)
        return self.admission.joiner

    def give(self, joiner: Joiner, name: str) -> None:
        """Give the message called *name*, good or bad."""
        if name == "vouch":
            challenge = joiner.vouched(ALICE.bundle, self.good_vouch)
            self.admission.voucher.challenged(challenge)
            self.response, signed = self.admission.voucher.respond(self.alice.room.propose)
            self.head = signed.head
        elif name == "bad vouch":
            joiner.vouched(ALICE.bundle, b"")
        elif name == "answer":
            joiner.answered(self.response)
        elif name == "bad answer":
            joiner.answered(b"")
        else:
            joiner.landed(self.head if name == "land" else bytes(32))

    @given(st.lists(st.tuples(st.sampled_from(["vouched", "answered", "landed"]), st.binary())))
    def test_junk_in_any_order(self, inputs: list[tuple[str, bytes]]) -> None:
        """Whatever a relay sends, an attempt raises nothing else than its refusal."""
        joiner = Admission(CAROL, self.alice).joiner
        for name, junk in inputs:
            args = (ALICE.bundle, junk) if name == "vouched" else (junk,)
            self.assertRaises(AdmissionRefused, getattr(joiner, name), *args)
