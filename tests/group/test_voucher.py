"""The member's side of an admission: whom it gives the room's key to, and whom never."""

from __future__ import annotations

from itertools import product
from typing import Any, NoReturn

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import encode
from securechat.errors import AdmissionRefused, EntryRefused
from securechat.group.admission import Place, init_hash, proof
from securechat.group.detail import Add, consent, leaf_hash
from securechat.group.entry import SignedEntry
from securechat.group.log import CONSENT_WINDOW
from securechat.group.voucher import Voucher, voucher
from securechat.identity import Bundle
from securechat.primitives import XWing
from tests.group.kit import (
    ALICE,
    ATTEMPT,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    Admission,
    Opened,
    Stream,
    flipped,
    person,
    room_of,
)

OTHER_ATTEMPT = bytes(16)


def full(add: Add) -> NoReturn:
    """Propose nothing: the log does not let the newcomer in any more."""
    raise EntryRefused(why="the room is full")


class VoucherCase(SynchronousTestCase):
    """Alice, who founded the room, vouches for Carol."""

    def setUp(self) -> None:
        """Alice and Bob are in the room."""
        self.stream, (self.alice, self.bob) = room_of(ALICE, BOB)

    def refused(self, admission: Admission, challenge: bytes) -> str:
        """The voucher refuses *challenge* and gives nothing away after it; return why."""
        error = self.assertRaises(AdmissionRefused, admission.voucher.challenged, challenge)
        self.assertEqual((error.step, error.label), ("challenge", LABEL))
        propose = self.alice.room.propose
        self.assertRaises(AdmissionRefused, admission.voucher.respond, propose)
        return str(error.why)

    def asked(self, **changes: Any) -> tuple[Admission, Opened, bytes]:
        """An attempt up to the challenge, what is inside of it, and the challenge."""
        admission = Admission(CAROL, self.alice, **changes)
        vouch = admission.vouch()
        challenge = admission.challenge(vouch)
        return admission, Opened.of(admission, vouch, challenge), challenge


class ChallengeTests(VoucherCase):
    """Step 4 comes."""

    def test_a_newcomer_who_is_here_is_let_in(self) -> None:
        """The entry adds just this newcomer, on the head of the log, with its consent."""
        admission, opened, challenge = self.asked()
        _, signed = admission.response(challenge)
        self.assertEqual(signed.entry.detail, opened.add)
        self.assertEqual(signed.entry.author, ALICE.fingerprint)
        log = self.alice.room.log.after(signed)
        self.assertEqual(log.membership.rows[-1].fingerprint, CAROL.fingerprint)

    def test_the_same_content_sealed_again(self) -> None:
        """What the tests below change one by one is good where nothing is changed."""
        admission, opened, _ = self.asked()
        admission.voucher.challenged(opened.challenge(ALICE))

    def test_changed_bytes(self) -> None:
        """No byte of a challenge can be changed, left out or added."""
        length = len(self.asked()[2])
        for at in (*range(0, length, 211), length - 1):
            for change in (flipped, lambda data, at: data[:at], lambda data, at: data + b"\0"):
                admission, _, challenge = self.asked()
                self.refused(admission, change(challenge, at))

    def test_nobody_is_there(self) -> None:
        """
        C2, a ghost: who knows all that is public, and signs with another key, has neither k_V
        nor the consent of the one who is to be added.
        """
        admission, opened, _ = self.asked()
        leaf, init = XWing.generate().public, XWing.generate().public
        place = opened.place
        agreed = consent(
            *(place.room, place.epoch, place.head, CAROL.fingerprint, ALICE.fingerprint),
            *(init_hash(init), leaf_hash(leaf), opened.th1),
        )
        ghost = attrs.evolve(opened, leaf=leaf, init=init, consent=MALLORY.sign("consent", *agreed))
        self.assertIn("signature", self.refused(admission, ghost.challenge(ALICE)))

    def test_somebody_has_only_the_signing_key(self) -> None:
        """Who stole Carol's signing key, and not the key to open the vouch, lacks k_V."""
        admission, opened, _ = self.asked()
        guessed = proof(bytes(32), opened.th1, opened.k_j, opened.init, opened.leaf)
        why = self.refused(admission, opened.challenge(ALICE, proof=guessed))
        self.assertIn("another vouch", why)

    def test_a_consent_of_another_attempt(self) -> None:
        """C8, D: an old consent, replayed with keys of its own attempt, is of no use."""
        for changes in ({}, {"attempt": OTHER_ATTEMPT}):
            _, old, _ = self.asked(**changes)
            admission, opened, _ = self.asked()
            replayed = attrs.evolve(old, th1=opened.th1, k_v=opened.k_v)
            shown = proof(opened.k_v, opened.th1, old.k_j, old.init, old.leaf)
            self.refused(admission, replayed.challenge(ALICE, proof=shown))

    def test_a_challenge_of_another_attempt(self) -> None:
        """C6: one live attempt takes one answer, the one to its own vouch."""
        for changes in ({}, {"attempt": OTHER_ATTEMPT}):
            _, _, old = self.asked(**changes)
            self.refused(self.asked()[0], old)

    def test_a_challenge_for_another_voucher(self) -> None:
        """C7: what Carol says to Bob is sealed to Bob, and agrees to Bob."""
        admission = Admission(CAROL, self.bob)
        vouch = admission.vouch()
        challenge = admission.challenge(vouch)
        self.refused(self.asked()[0], challenge)
        opened = Opened.of(admission, vouch, challenge)
        mine, own, _ = self.asked()
        shown = proof(own.k_v, own.th1, opened.k_j, opened.init, opened.leaf)
        forwarded = attrs.evolve(opened, th1=own.th1, proof=shown)
        self.assertIn("signature", self.refused(mine, forwarded.challenge(ALICE)))

    def test_a_challenge_of_another_newcomer(self) -> None:
        """C1: Dave's own good challenge does not make Alice add Carol."""
        admission = Admission(DAVE, self.alice)
        self.refused(self.asked()[0], admission.challenge())

    def test_a_challenge_from_another_room(self) -> None:
        """C7: the same people, the same attempt id, another room: it does not fit."""
        other = Stream()
        elsewhere = Admission(CAROL, other.found(ALICE))
        self.refused(self.asked()[0], elsewhere.challenge())

    def test_consent_to_another_place(self) -> None:
        """Room, epoch and head of the consent are those that this voucher vouched for."""
        _, opened, _ = self.asked()
        place = opened.place
        for other in (
            Place(bytes(32), place.epoch, place.head),
            Place(place.room, place.epoch + 1, place.head),
            Place(place.room, place.epoch, bytes(32)),
        ):
            admission, opened, _ = self.asked()
            agreed = consent(
                *(other.room, other.epoch, other.head, CAROL.fingerprint, ALICE.fingerprint),
                *(init_hash(opened.init), leaf_hash(opened.leaf), opened.th1),
            )
            challenge = opened.challenge(ALICE, consent=CAROL.sign("consent", *agreed))
            self.assertIn("signature", self.refused(admission, challenge))

    def test_every_field_is_bound(self) -> None:
        """k_J, init, leaf, consent and proof: none can be another one."""
        other = XWing.generate().public
        for changes in (
            {"k_j": bytes(32)},
            {"init": other},
            {"leaf": other},
            {"consent": bytes(64)},
            {"proof": bytes(32)},
        ):
            admission, opened, _ = self.asked()
            self.refused(admission, opened.challenge(ALICE, **changes))

    def test_its_content_is_malformed(self) -> None:
        """A newcomer's nonsense, sealed as it should be, is refused."""
        _, opened, _ = self.asked()
        good = [opened.k_j, opened.init, opened.leaf, opened.consent, opened.proof]
        contents: list[list[bytes]] = [good[:-1], [*good, b""], []]
        contents += [[*good[:at], b"x", *good[at + 1 :]] for at in range(5)]
        for content in (*(encode(*each) for each in contents), b"junk", b""):
            admission, opened, _ = self.asked()
            sealed = ALICE.bundle.seal("challenge", opened.th1, content)
            self.refused(admission, sealed)


class VouchTests(VoucherCase):
    """Step 3 goes out."""

    def test_a_newcomer_whose_key_cannot_be_used(self) -> None:
        """A bundle may have a key that nobody can seal to: the attempt is refused."""
        broken = Bundle(1, CAROL.bundle.ed25519, bytes(1216))
        attempt = voucher(ALICE, ATTEMPT, broken, self.alice.room.place, LABEL)
        error = self.assertRaises(AdmissionRefused, attempt.vouch)
        self.assertEqual(error.step, "vouch")
        self.assertRaises(AdmissionRefused, attempt.vouch)

    def test_every_vouch_has_its_own_nonce(self) -> None:
        """Two attempts, even of one id, have nothing in common."""
        (_, one, _), (_, other, _) = self.asked(), self.asked()
        self.assertNotEqual(one.k_v, other.k_v)

    def test_no_secret_is_in_a_repr(self) -> None:
        """The machine shows no key."""
        admission, opened, challenge = self.asked()
        admission.response(challenge)
        for secret in (opened.k_v, opened.k_j):
            self.assertNotIn(repr(secret)[2:-1], repr(admission.voucher))


class ResponseTests(VoucherCase):
    """Step 5 goes out."""

    def test_every_response_has_its_own_key(self) -> None:
        """A response that is made again differs, although it offers the same."""
        admission, _, challenge = self.asked()
        first, signed = admission.response(challenge)
        second, again = admission.voucher.respond(self.alice.room.propose)
        self.assertNotEqual(first, second)
        self.assertEqual(signed, again)

    def test_the_log_does_not_let_the_newcomer_in(self) -> None:
        """What the log refuses is passed on, and then the attempt is over."""
        admission, _, challenge = self.asked()
        admission.voucher.challenged(challenge)
        self.assertRaises(EntryRefused, admission.voucher.respond, full)
        self.assertRaises(AdmissionRefused, admission.voucher.respond, self.alice.room.propose)

    def test_consent_that_has_become_too_old(self) -> None:
        """After 16 more entries the newcomer has to be asked again."""
        admission, _, challenge = self.asked()
        admission.voucher.challenged(challenge)
        for number in range(CONSENT_WINDOW - 1):
            self.stream.admit(person(f"other {number}"), self.bob)
        admission.voucher.respond(self.alice.room.propose)
        self.stream.admit(DAVE, self.bob)
        self.assertRaises(EntryRefused, admission.voucher.respond, self.alice.room.propose)

    def test_a_newcomer_whom_somebody_else_has_added(self) -> None:
        """B8: who is on the roster already is not added by the slower voucher."""
        admission, _, challenge = self.asked()
        admission.voucher.challenged(challenge)
        self.stream.admit(CAROL, self.bob)
        self.assertRaises(EntryRefused, admission.voucher.respond, self.alice.room.propose)

    def test_a_one_use_key_that_cannot_be_used(self) -> None:
        """A newcomer who agreed, and gave a key that nobody can seal to, is refused."""
        admission, opened, _ = self.asked()
        init, place = bytes(1216), opened.place
        agreed = consent(
            *(place.room, place.epoch, place.head, CAROL.fingerprint, ALICE.fingerprint),
            *(init_hash(init), leaf_hash(opened.leaf), opened.th1),
        )
        challenge = opened.challenge(
            ALICE,
            init=init,
            consent=CAROL.sign("consent", *agreed),
            proof=proof(opened.k_v, opened.th1, opened.k_j, init, opened.leaf),
        )
        admission.voucher.challenged(challenge)
        self.assertRaises(AdmissionRefused, admission.voucher.respond, self.alice.room.propose)


class TurnTests(VoucherCase):
    """Every input in every state."""

    def test_every_message_in_every_state(self) -> None:
        """
        Each good message is taken in its turn, and only then; whatever else comes, and whatever
        comes after a step has failed, is refused.
        """
        states = ["asked", "vouched", "convinced"]
        good = dict(zip(states, ["vouch", "challenge", "respond"], strict=True))
        after = {"vouch": "vouched", "challenge": "convinced", "respond": "convinced"}
        broken = {"vouched": "bad challenge", "convinced": "bad respond"}
        inputs = [*good.values(), *broken.values()]
        for state, first, second in product(states, inputs, inputs):
            machine, now = self.brought_to(state), state
            for name in (first, second):
                if name == good.get(now):
                    self.give(machine, name)
                    now = after[name]
                    continue
                refusal = EntryRefused if (now, name) == ("convinced", "bad respond") else None
                self.assertRaises(refusal or AdmissionRefused, self.give, machine, name)
                if name == broken.get(now):
                    now = "over"

    def brought_to(self, state: str) -> Voucher:
        """A voucher in *state*; from here on `give` has the good messages for it."""
        self.admission = Admission(CAROL, self.alice)
        self.challenge = b""  # nothing is good before its time
        for name in ["vouch", "challenge"][: ["asked", "vouched", "convinced"].index(state)]:
            self.give(self.admission.voucher, name)
        return self.admission.voucher

    def give(self, machine: Voucher, name: str) -> None:
        """Give the message called *name*, good or bad."""
        if name == "vouch":
            self.challenge = self.admission.challenge(machine.vouch())
        elif name == "challenge":
            machine.challenged(self.challenge)
        elif name == "bad challenge":
            machine.challenged(b"")
        else:
            machine.respond(full if name == "bad respond" else self.propose)

    def propose(self, add: Add) -> tuple[SignedEntry, bytes]:
        """What Alice's room proposes."""
        return self.alice.room.propose(add)

    @given(st.lists(st.binary(), min_size=1))
    def test_junk_in_any_number(self, junk: list[bytes]) -> None:
        """Whatever a newcomer sends, an attempt raises nothing else than its refusal."""
        admission = Admission(CAROL, self.alice)
        admission.vouch()
        for each in junk:
            self.assertRaises(AdmissionRefused, admission.voucher.challenged, each)
