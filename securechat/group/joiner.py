"""
The newcomer's side of an admission: the state machine of one attempt to join.

It decides whether a voucher is trusted, and whether what it is offered is what was agreed. It
knows no socket and no room; its long-term key it asks to sign and to open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from securechat.encoding import decode, encode, shaped
from securechat.errors import AdmissionRefused, FoundedAnew, VoucherUnknown
from securechat.fingerprint import to_groups, to_words
from securechat.group.admission import (
    ONE_USE,
    Place,
    fatal,
    first_transcript,
    handover_key,
    init_hash,
    out_of_turn,
    proof,
    refusing,
)
from securechat.group.detail import Add, Subject, consent, leaf_hash
from securechat.group.entry import SignedEntry
from securechat.group.keys import confirmation
from securechat.group.log import CONSENT_WINDOW
from securechat.identity import Bundle, Identity
from securechat.primitives import (
    HASH_LENGTH,
    KEY_LENGTH,
    XWing,
    decrypt,
    digest,
    random_bytes,
    same,
)

MAX_CANDIDATES = 16
"""How many offers of one attempt a joiner keeps until one lands."""


@attrs.frozen(repr=False)
class Entrance:
    """What lets a joiner enter: the entry that adds it, and the epoch's secret."""

    signed: SignedEntry
    secret: bytes
    leaf: XWing


class Joiner(Protocol):
    """The newcomer's side of one attempt."""

    def vouched(self, bundle: Bundle, sealed: bytes) -> bytes:
        """
        `vouch` came: return the `challenge` to send.

        :raises VoucherUnknown: if the voucher is not among the trusted identities.
        :raises FoundedAnew: if the room is another one than its label stood for.
        :raises AdmissionRefused: if this is not a vouch for this joiner and attempt, or leads to
            the room as it was before this user was last in it.
        """

    def answered(self, sealed: bytes) -> None:
        """
        `response` came, for the first time or again: keep what it offers.

        :raises AdmissionRefused: if it is not what was agreed.
        """

    def landed(self, head: bytes) -> Entrance:
        """
        `user_added` came with the entry that makes *head*: return how to enter.

        :raises AdmissionRefused: if this attempt was not offered that entry.
        """


@attrs.define(repr=False)
class _JoinerCore:
    identity: Identity
    attempt: bytes
    trusts: Callable[[bytes], bool]
    label: str
    known: Place | None = None
    k_j: bytes = attrs.field(factory=lambda: random_bytes(KEY_LENGTH))
    init: XWing = attrs.field(factory=XWing.generate)
    leaf: XWing = attrs.field(factory=XWing.generate)
    over: bool = False
    # From here on: known once the vouch was opened.
    voucher: Bundle = attrs.field(init=False)
    add: Add = attrs.field(init=False)
    place: Place = attrs.field(init=False)
    k_v: bytes = attrs.field(init=False)
    th2: bytes = attrs.field(init=False)
    entrances: dict[bytes, Entrance] = attrs.field(factory=dict)


@fatal
def _challenge(_: Joiner, core: _JoinerCore, bundle: Bundle, sealed: bytes) -> bytes:
    me = core.identity.fingerprint
    with refusing(core.label, "vouch"):
        opened = core.identity.open_sealed(sealed, "vouch", [core.attempt, me])
        voucher, room, epoch, head, core.k_v = shaped(
            decode(opened), HASH_LENGTH, HASH_LENGTH, int, HASH_LENGTH, KEY_LENGTH
        )
    if voucher != bundle.fingerprint or voucher == me:
        raise AdmissionRefused(label=core.label, step="vouch", why="it came with another's key")
    if not core.trusts(voucher):
        raise VoucherUnknown(
            label=core.label,
            fingerprint=voucher,
            groups=to_groups(voucher),
            words=to_words(voucher),
        )
    core.voucher = bundle
    core.place = place = Place(room, epoch, head)
    if core.known is not None:
        _check_known(core.label, core.known, place)
    th1 = first_transcript(core.attempt, me, voucher, place, sealed)
    init, leaf = init_hash(core.init.public), leaf_hash(core.leaf.public)
    agreed = core.identity.sign(
        "consent", *consent(room, epoch, head, me, voucher, init, leaf, th1)
    )
    subject = Subject.of(core.identity.bundle, core.leaf.public)
    core.add = Add(subject, init, th1, agreed, epoch, head)
    shown = proof(core.k_v, th1, core.k_j, core.init.public, core.leaf.public)
    content = encode(core.k_j, core.init.public, core.leaf.public, agreed, shown)
    with refusing(core.label, "vouch"):
        challenge = bundle.seal("challenge", th1, content)
    core.th2 = digest("th2", th1, challenge)
    return challenge


def _check_known(label: str, known: Place, place: Place) -> None:
    if place.room != known.room:
        raise FoundedAnew(label=label)
    if place.epoch < known.epoch or (place.epoch == known.epoch and place.head != known.head):
        raise AdmissionRefused(
            label=label, step="vouch", why="it leads to an older or another room than you knew"
        )


@fatal
def _keep(_: Joiner, core: _JoinerCore, sealed: bytes) -> None:
    with refusing(core.label, "response"):
        handover, hidden = shaped(decode(sealed), bytes, bytes)
        (k_e,) = shaped(decode(core.init.open_sealed(handover, "response", core.th2)), KEY_LENGTH)
        key = handover_key(core.th2, core.k_v, core.k_j, k_e)
        opened = decrypt(key, ONE_USE, hidden, digest("handover-ad", core.th2))
        secret, data = shaped(decode(opened), KEY_LENGTH, bytes)
        signed = SignedEntry.decode(data)
        signed.check_signature(core.voucher.ed25519)
    entry, asked_at = signed.entry, core.place.epoch
    if (entry.detail, entry.room, entry.author) != (
        core.add,
        core.place.room,
        core.voucher.fingerprint,
    ) or not asked_at < entry.epoch <= asked_at + CONSENT_WINDOW:
        raise AdmissionRefused(label=core.label, step="response", why="it adds somebody else")
    if not same(signed.tag, confirmation(secret, entry)):
        raise AdmissionRefused(label=core.label, step="response", why="its key is not the room's")
    core.entrances[signed.head] = Entrance(signed, secret, core.leaf)
    if len(core.entrances) > MAX_CANDIDATES:
        del core.entrances[next(iter(core.entrances))]


@fatal
def _enter(_: Joiner, core: _JoinerCore, head: bytes) -> Entrance:
    if head not in core.entrances:
        raise AdmissionRefused(
            label=core.label, step="user_added", why="the entry is not the one that was offered"
        )
    return core.entrances[head]


def _machine() -> TypeMachineBuilder[Joiner, _JoinerCore]:
    builder = TypeMachineBuilder(Joiner, _JoinerCore)
    waiting = builder.state("waiting for a voucher")
    challenged = builder.state("challenging")
    offered = builder.state("offered the key")
    inside = builder.state("inside")
    waiting.upon(Joiner.vouched).to(challenged)(_challenge)
    challenged.upon(Joiner.answered).to(offered)(_keep)
    offered.upon(Joiner.answered).loop()(_keep)
    offered.upon(Joiner.landed).to(inside)(_enter)
    for state in (challenged, offered, inside):
        state.upon(Joiner.vouched).loop()(out_of_turn)
    for state in (waiting, inside):
        state.upon(Joiner.answered).loop()(out_of_turn)
    for state in (waiting, challenged, inside):
        state.upon(Joiner.landed).loop()(out_of_turn)
    return builder


joiner_machine = _machine().build()


def joiner(
    identity: Identity,
    attempt: bytes,
    label: str,
    trusts: Callable[[bytes], bool],
    known: Place | None = None,
) -> Joiner:
    """
    Return a new attempt of *identity* to join the room *label*.

    :param attempt: the id that the relay gave the attempt, 16 bytes.
    :param trusts: whether a fingerprint is among the trusted identities.
    :param known: the room that the label stands for, as this user last knew it, if it did.
    """
    return joiner_machine(_JoinerCore(identity, attempt, trusts, label, known))
