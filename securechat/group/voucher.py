"""
The member's side of an admission: the state machine of one attempt to vouch.

It gives the room's key away only once the newcomer has shown that it is here, holds both its
keys, and wants this room through this voucher. Whether to vouch at all is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import attrs
from automat import TypeMachineBuilder

from securechat.encoding import decode, encode, shaped
from securechat.errors import AdmissionRefused
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
from securechat.group.detail import Add, Subject
from securechat.group.entry import SignedEntry
from securechat.identity import Bundle, Identity
from securechat.primitives import (
    HASH_LENGTH,
    KEY_LENGTH,
    SIGNATURE_LENGTH,
    XWING_LENGTH,
    digest,
    encrypt,
    random_bytes,
    same,
    seal,
)


class Voucher(Protocol):
    """The member's side of one attempt."""

    def vouch(self) -> bytes:
        """
        Return the `vouch` to send.

        :raises AdmissionRefused: if the newcomer's key cannot be used.
        """

    def challenged(self, sealed: bytes) -> None:
        """
        `challenge` came: check that the newcomer is here, holds its keys, and agreed.

        :raises AdmissionRefused: if not.
        """

    def respond(self, propose: Propose) -> tuple[bytes, SignedEntry]:
        """
        Return the `response` to send, and the entry for `add_user`. May be called again after
        another entry came first: every response has a key of its own.

        :raises EntryRefused: if the log does not let the newcomer in any more.
        """


Propose: TypeAlias = Callable[[Add], tuple[SignedEntry, bytes]]
"""Makes the entry of an add on the log's head, and the secret of the epoch it starts."""


@attrs.define(repr=False)
class _VoucherCore:
    identity: Identity
    attempt: bytes
    newcomer: Bundle
    place: Place
    label: str
    k_v: bytes = attrs.field(factory=lambda: random_bytes(KEY_LENGTH))
    over: bool = False
    # From here on: known once something was sent or opened.
    th1: bytes = attrs.field(init=False)
    th2: bytes = attrs.field(init=False)
    k_j: bytes = attrs.field(init=False)
    init: bytes = attrs.field(init=False)
    add: Add = attrs.field(init=False)


@fatal
def _vouch(_: Voucher, core: _VoucherCore) -> bytes:
    joiner, voucher, place = core.newcomer.fingerprint, core.identity.fingerprint, core.place
    content = encode(voucher, place.room, place.epoch, place.head, core.k_v)
    with refusing(core.label, "vouch"):
        sealed = core.newcomer.seal("vouch", [core.attempt, joiner], content)
    core.th1 = first_transcript(core.attempt, joiner, voucher, place, sealed)
    return sealed


@fatal
def _check_challenge(_: Voucher, core: _VoucherCore, sealed: bytes) -> None:
    place = core.place
    with refusing(core.label, "challenge"):
        opened = core.identity.open_sealed(sealed, "challenge", core.th1)
        core.k_j, core.init, leaf, agreed, shown = shaped(
            decode(opened), KEY_LENGTH, XWING_LENGTH, XWING_LENGTH, SIGNATURE_LENGTH, HASH_LENGTH
        )
        core.add = Add(
            Subject.of(core.newcomer, leaf),
            init_hash(core.init),
            core.th1,
            agreed,
            place.epoch,
            place.head,
        )
        core.add.check_consent(place.room, core.identity.fingerprint)
    if not same(shown, proof(core.k_v, core.th1, core.k_j, core.init, leaf)):
        raise AdmissionRefused(label=core.label, step="challenge", why="it read another vouch")
    core.th2 = digest("th2", core.th1, sealed)


@fatal
def _respond(_: Voucher, core: _VoucherCore, propose: Propose) -> tuple[bytes, SignedEntry]:
    signed, secret = propose(core.add)
    k_e = random_bytes(KEY_LENGTH)
    with refusing(core.label, "challenge"):
        handover = seal(core.init, "response", core.th2, encode(k_e))
    hidden = encrypt(
        handover_key(core.th2, core.k_v, core.k_j, k_e),
        ONE_USE,
        encode(secret, signed.encode()),
        digest("handover-ad", core.th2),
    )
    return encode(handover, hidden), signed


def _machine() -> TypeMachineBuilder[Voucher, _VoucherCore]:
    builder = TypeMachineBuilder(Voucher, _VoucherCore)
    asked = builder.state("asked")
    vouched = builder.state("vouched")
    convinced = builder.state("convinced")
    asked.upon(Voucher.vouch).to(vouched)(_vouch)
    vouched.upon(Voucher.challenged).to(convinced)(_check_challenge)
    convinced.upon(Voucher.respond).loop()(_respond)
    for state in (vouched, convinced):
        state.upon(Voucher.vouch).loop()(out_of_turn)
    for state in (asked, convinced):
        state.upon(Voucher.challenged).loop()(out_of_turn)
    for state in (asked, vouched):
        state.upon(Voucher.respond).loop()(out_of_turn)
    return builder


voucher_machine = _machine().build()


def voucher(
    identity: Identity, attempt: bytes, newcomer: Bundle, place: Place, label: str
) -> Voucher:
    """
    Return a new attempt of the member *identity* to vouch for *newcomer* at *place*.

    :param attempt: the id that the relay gave the attempt, 16 bytes.
    """
    return voucher_machine(_VoucherCore(identity, attempt, newcomer, place, label))
