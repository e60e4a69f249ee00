"""
What attackers make: with stolen keys, or as members who keep no rule.

An insider's client would refuse to make most of this. It is made here from the keys in the
insider's `Room`, by the library's own functions, so that what is forged is right in all but the
one thing that an attack is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs

from securechat.encoding import decode, encode
from securechat.group.admission import (
    ONE_USE,
    Place,
    first_transcript,
    handover_key,
    init_hash,
    proof,
)
from securechat.group.detail import (
    Add,
    Detail,
    Removal,
    Remove,
    Subject,
    consent,
    leaf_hash,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.group.keys import NOTHING_FRESH, confirmation, epoch_secret
from securechat.group.log import CONSENT_WINDOW, Log
from securechat.group.messages import Content, Frame, Header, Kind, seal_frame
from securechat.group.room import Room
from securechat.group.roster import Membership
from securechat.group.voucher import Propose, Voucher, voucher
from securechat.identity import Bundle, Identity
from securechat.primitives import KEY_LENGTH, XWing, digest, encrypt, random_bytes, seal
from securechat.testing import Person
from securechat.wire import (
    AddUser,
    Challenge,
    FrameLine,
    Line,
    NewUser,
    Page,
    Response,
    UserAdded,
    Vouch,
)
from tests.adversary.kit import LABEL, LyingNetwork, room

# Stolen keys


def stolen(victim: Identity, *, signing: bool = False, sealing: bool = False) -> Identity:
    """
    Return what a thief has who stole some keys of *victim*: its bundle, which everybody has, and
    keys of the thief's own in place of those that are not stolen.
    """
    _, ed25519, xwing, _ = decode(victim.encode())
    _, own_ed25519, own_xwing, storage = decode(Identity.generate().encode())
    thief = Identity(ed25519 if signing else own_ed25519, xwing if sealing else own_xwing, storage)
    thief.bundle = victim.bundle
    return thief


# What an honest client does not make


def agreeing(newcomer: Bundle, signer: Identity, place: Place, voucher: bytes) -> Add:
    """Return *newcomer*'s consent to be added by *voucher* at *place*, as signed by *signer*."""
    leaf, init = XWing.generate().public, random_bytes(32)
    th1 = random_bytes(32)
    agreed = consent(
        place.room,
        place.epoch,
        place.head,
        newcomer.fingerprint,
        voucher,
        init,
        leaf_hash(leaf),
        th1,
    )
    subject = Subject.of(newcomer, leaf)
    return Add(subject, init, th1, signer.sign("consent", *agreed), place.epoch, place.head)


def adding(
    where: Room, author: Bundle, signer: Identity, add: Add, **changed: Any
) -> tuple[SignedEntry, bytes]:
    """
    Return the entry by which *author* does *add*, signed by *signer*, and the epoch's secret. It
    fits on the log of *where*, in everything but what is *changed*; no rule is asked.
    """
    row = add.subject.row(where.log.epoch + 1, author.fingerprint)
    entry = attrs.evolve(
        following(where, author, add, where.log.membership.with_row(row)), **changed
    )
    secret = epoch_secret(where._keys.chain, NOTHING_FRESH, entry)
    return SignedEntry.make(entry, confirmation(secret, entry), signer), secret


def removing(where: Room, author: Identity, *removals: Removal) -> SignedEntry:
    """
    Return the entry by which *author* does *removals*. It fits on the log of *where*; no rule is
    asked.
    """
    detail = Remove(removals)
    after = where.log.membership.without(detail.members)
    entry = following(where, author.bundle, detail, after)
    secret = epoch_secret(where._keys.chain, random_bytes(KEY_LENGTH), entry)
    return SignedEntry.make(entry, confirmation(secret, entry), author)


def following(where: Room, author: Bundle, detail: Detail, after: Membership) -> Entry:
    """Return what *author* writes on the head of *where*, and what leads to *after*."""
    return Entry(
        where.id,
        where.log.epoch + 1,
        where.log.head,
        *where._transcript.newest,
        author.fingerprint,
        after.hash,
        detail,
    )


def landing(where: Room, signed: SignedEntry, seq: int | None = None) -> UserAdded:
    """Return the line by which a relay lets *signed* land, as the next that *where* expects."""
    return UserAdded(where.id, where.seq + 1 if seq is None else seq, signed.encode())


def writing(
    where: Room, row: bytes, signer: Identity, body: bytes, kind: Kind = Kind.TEXT, ahead: int = 0
) -> Frame:
    """
    Return the next frame of the member *row*, made by another member with the keys of its room
    *where*, and signed by *signer*.
    """
    number = where.log.membership.index[row]
    ratchet = where._keys.ratchets[number].skip(ahead)
    header = Header(where.log.epoch, number, ratchet.n)
    content = Content(kind, *where._transcript.newest, body)
    return seal_frame(signer, ratchet, where.id, where.log.head, header, content)


def framed(where: Room, frame: Frame, seq: int | None = None) -> FrameLine:
    """Return the line by which a relay passes *frame* on, as the next that *where* expects."""
    header = frame.header
    return FrameLine(
        where.id,
        where.seq + 1 if seq is None else seq,
        header.epoch,
        header.row,
        header.n,
        frame.nonce,
        frame.ciphertext,
    )


@attrs.frozen
class Challenging:
    """
    A `challenge` in the name of *newcomer*, from somebody who has seen the *vouch* pass by.

    :param signer: who signs the consent.
    :param k_v: what was in the vouch, or a guess.
    """

    newcomer: Bundle
    voucher: Bundle
    place: Place
    attempt: bytes
    vouch: bytes
    signer: Identity
    k_v: bytes = attrs.field(factory=lambda: random_bytes(KEY_LENGTH))
    k_j: bytes = attrs.field(factory=lambda: random_bytes(KEY_LENGTH))
    init: XWing = attrs.field(factory=XWing.generate)
    leaf: XWing = attrs.field(factory=XWing.generate)

    @property
    def th1(self) -> bytes:
        newcomer, voucher = self.newcomer.fingerprint, self.voucher.fingerprint
        return first_transcript(self.attempt, newcomer, voucher, self.place, self.vouch)

    @cached_property
    def sealed(self) -> bytes:
        place, init, leaf = self.place, self.init.public, self.leaf.public
        agreed = self.signer.sign(
            "consent",
            *consent(
                place.room,
                place.epoch,
                place.head,
                self.newcomer.fingerprint,
                self.voucher.fingerprint,
                init_hash(init),
                leaf_hash(leaf),
                self.th1,
            ),
        )
        shown = proof(self.k_v, self.th1, self.k_j, init, leaf)
        content = encode(self.k_j, init, leaf, agreed, shown)
        return self.voucher.seal("challenge", self.th1, content)


def vouching(newcomer: Bundle, voucher: bytes, place: Place, attempt: bytes, k_v: bytes) -> bytes:
    """Return a `vouch` in the name of *voucher*: anybody can make one."""
    content = encode(voucher, place.room, place.epoch, place.head, k_v)
    return newcomer.seal("vouch", [attempt, newcomer.fingerprint], content)


def responding(
    init: bytes, th2: bytes, k_v: bytes, k_j: bytes, secret: bytes, signed: SignedEntry
) -> bytes:
    """Return the `response` that hands *secret* and *signed* over to the owner of *init*."""
    k_e = random_bytes(KEY_LENGTH)
    hidden = encrypt(
        handover_key(th2, k_v, k_j, k_e),
        ONE_USE,
        encode(secret, signed.encode()),
        digest("handover-ad", th2),
    )
    return encode(seal(init, "response", th2, encode(k_e)), hidden)


class Rogue:
    """
    A member in whose place another program vouches: for everybody who comes, and with the entries
    that *propose* makes.

    :ivar agreed: what newcomers agreed to.
    :ivar made: the entries that it made.
    """

    def __init__(
        self,
        network: LyingNetwork,
        member: Person,
        propose: Propose | None = None,
        *,
        submits: bool = True,
    ) -> None:
        """:param submits: whether it says `add_user`."""
        self.agreed: list[Add] = []
        self.made: list[SignedEntry] = []
        self._member = member
        self._propose = propose or self.as_agreed
        self._submits = submits
        self._attempts: dict[bytes, Voucher] = {}
        network.answer(NewUser, self._vouch, instead_of=member)
        network.answer(Challenge, self._respond, instead_of=member)

    def as_agreed(self, add: Add) -> tuple[SignedEntry, bytes]:
        """Make the entry that the newcomer agreed to, though a rule may forbid it."""
        me = self._member.identity
        return adding(room(self._member), me.bundle, me, add)

    def _vouch(self, line: NewUser) -> Iterable[Line]:
        me, newcomer = self._member.identity, Bundle.decode(line.bundle)
        machine = voucher(me, line.attempt, newcomer, room(self._member).place, LABEL)
        self._attempts[line.attempt] = machine
        yield Vouch(line.attempt, me.bundle.encode(), machine.vouch())

    def _respond(self, line: Challenge) -> Iterable[Line]:
        machine = self._attempts[line.attempt]
        machine.challenged(line.sealed)
        response, signed = machine.respond(self._note)
        self.made.append(signed)
        yield Response(line.attempt, response)
        if self._submits:
            yield AddUser(line.attempt, signed.encode())

    def _note(self, add: Add) -> tuple[SignedEntry, bytes]:
        self.agreed.append(add)
        return self._propose(add)


def lying_log(log: Log, signed: SignedEntry) -> Log:
    """Return *log* with *signed* at its end, whatever the rules say."""
    detail = signed.entry.detail
    assert isinstance(detail, Add)
    row = detail.subject.row(signed.entry.epoch, signed.entry.author)
    recent = (*log.recent, signed)[-CONSENT_WINDOW:]
    return attrs.evolve(log, membership=log.membership.with_row(row), recent=recent)


def page(log: Log, snapshot: bytes | None = None) -> Page:
    """Return the line by which a relay shows a newcomer *log*, or another *snapshot*."""
    shown = log.snapshot() if snapshot is None else snapshot
    return Page(log.room, log.epoch, 0, len(shown), shown)
