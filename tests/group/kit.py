"""
Members and a stream for tests: people whose keys are always the same, and an honest relay's part
in a room, without its sockets.

`Stream` numbers items and hands them to its members; a test that lies gives a member's room other
items itself, by `feed`. `admit` is the whole conversation of an admission, step by step in
`Admission` for tests that change one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias, TypeVar

import attrs

from securechat.encoding import decode, encode
from securechat.group.admission import ONE_USE, Place, first_transcript, handover_key, init_hash
from securechat.group.change import Change
from securechat.group.detail import (
    Add,
    Create,
    Detail,
    Removal,
    Subject,
    Update,
    Why,
    consent,
    leaf_hash,
    leaving,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.group.events import RoomEvent
from securechat.group.joiner import Entrance, Joiner, joiner
from securechat.group.log import Log, founding
from securechat.group.messages import Frame, Kind
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.group.voucher import Voucher, voucher
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, KEY_LENGTH, XWING_LENGTH, digest, encrypt, seal

LABEL = "lobby"
ATTEMPT = bytes(range(16))

E = TypeVar("E", bound=RoomEvent)
Item: TypeAlias = bytes | Frame
"""What the stream of a room consists of: the bytes of an entry, or a frame."""


@cache
def person(name: str) -> Identity:
    """Return the identity of *name*, whose keys follow from the name."""
    seed = hashlib.shake_256(name.encode("utf-8")).digest(160)
    return Identity(seed[:32], seed[32:128], seed[128:])


ALICE, BOB, CAROL, DAVE, MALLORY = map(person, ("alice", "bob", "carol", "dave", "mallory"))


def anyone(fingerprint: bytes) -> bool:
    """Trust everybody."""
    return True


def trusting(*people: Identity) -> Callable[[bytes], bool]:
    """Return what trusts just *people*."""
    return {each.fingerprint for each in people}.__contains__


def feed(room: Room, seq: int, item: Item, sealed: bytes | None = None) -> list[RoomEvent]:
    """Give *room* the item that is number *seq* of the stream, and its slice of it."""
    if isinstance(item, bytes):
        return room.take_entry(seq, item, sealed)
    return room.take_frame(seq, item)


def flipped(data: bytes, at: int = 0) -> bytes:
    """Return *data* with one bit changed in the byte *at*."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at:][1:]


@attrs.define(eq=False)
class Member:
    """A person in a room, and all that its room told it."""

    identity: Identity
    room: Room
    heard: list[RoomEvent] = attrs.field(factory=list)

    @property
    def fingerprint(self) -> bytes:
        return self.identity.fingerprint

    def feed(self, seq: int, item: Item, sealed: bytes | None = None) -> list[RoomEvent]:
        """Take an item of the stream, and return what the room says to it."""
        events = feed(self.room, seq, item, sealed)
        self.heard += events
        return events

    def take_leave(self, leaver: bytes, signature: bytes) -> list[RoomEvent]:
        """Take what the relay says of who leaves, and return what the room says to it."""
        events = self.room.take_leave(leaver, signature)
        self.heard += events
        return events

    def said(self, text: str) -> Frame:
        """Say *text*, and return its frame, which goes nowhere by itself."""
        self.room.say(Kind.TEXT, text.encode("utf-8"))
        return self.room.outgoing.pop()

    def of(self, event: type[E]) -> list[E]:
        """Return the events of one class that were heard."""
        return [each for each in self.heard if isinstance(each, event)]


@attrs.define
class Admission:
    """One attempt of *newcomer* to join through *member*: a method for each step."""

    newcomer: Identity
    member: Member
    attempt: bytes = ATTEMPT
    trusts: Callable[[bytes], bool] = anyone
    joiner: Joiner = attrs.field(init=False)
    voucher: Voucher = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.joiner = joiner(self.newcomer, self.attempt, LABEL, self.trusts)
        self.voucher = voucher(
            self.member.identity,
            self.attempt,
            self.newcomer.bundle,
            self.member.room.place,
            LABEL,
        )

    def vouch(self) -> bytes:
        """Step 3: what the voucher sends."""
        return self.voucher.vouch()

    def challenge(self, vouch: bytes | None = None) -> bytes:
        """Step 4: what the joiner sends, to *vouch* or to the voucher's own."""
        sealed = self.vouch() if vouch is None else vouch
        return self.joiner.vouched(self.member.identity.bundle, sealed)

    def response(self, challenge: bytes | None = None) -> tuple[bytes, SignedEntry]:
        """Steps 5 and 6: what the voucher sends to the joiner, and the entry to the relay."""
        self.voucher.challenged(self.challenge() if challenge is None else challenge)
        return self.voucher.respond(self.member.room.propose)

    def entrance(self) -> tuple[Entrance, SignedEntry]:
        """Up to step 7, with the entry landing as the voucher made it."""
        response, signed = self.response()
        self.joiner.answered(response)
        return self.joiner.landed(signed.head), signed


@attrs.define
class Stream:
    """
    What an honest relay does with one room: it numbers what comes and shows it to all, and to
    each its own slice.
    """

    items: list[Item] = attrs.field(factory=list)
    members: list[Member] = attrs.field(factory=list)
    slices: dict[int, dict[bytes, bytes]] = attrs.field(factory=dict)
    """Number of an entry to fingerprint to slice."""
    leaves: dict[bytes, bytes] = attrs.field(factory=dict)
    """Hash to leaf key, of all that ever were in an entry."""

    @property
    def seq(self) -> int:
        """The newest number."""
        return len(self.items)

    def number(self, item: Item, slices: dict[bytes, bytes] | None = None) -> int:
        """Number *item*, show it to nobody yet, and return its number."""
        self.items.append(item)
        self.slices[self.seq] = slices or {}
        if isinstance(item, bytes):
            match SignedEntry.decode(item).entry.detail:
                case Create(subject=Subject(leaf=leaf)) | Add(subject=Subject(leaf=leaf)):
                    self.leaves[leaf_hash(leaf)] = leaf
                case Update(leaf):
                    self.leaves[leaf_hash(leaf)] = leaf
        return self.seq

    def show(self, member: Member, upto: int | None = None) -> None:
        """Show *member* all that it has not had, up to a number, or until it is gone."""
        room = member.room
        for seq in range(room.seq + 1, (self.seq if upto is None else upto) + 1):
            if room.gone is None:
                member.feed(seq, self.items[seq - 1], self.slices[seq].get(member.fingerprint))

    def append(self, item: Item, slices: dict[bytes, bytes] | None = None) -> int:
        """Number *item*, show it to every member, and return its number."""
        seq = self.number(item, slices)
        for member in list(self.members):
            member.feed(seq, item, self.slices[seq].get(member.fingerprint))
            if member.room.gone is not None:
                self.members.remove(member)
        return seq

    def sealed(self, change: Change) -> dict[bytes, bytes]:
        """Return the slices of *change*, as its author makes them with the keys of `leaves`."""
        keys = [self.leaves.get(row.leaf_hash, b"") for row in change.rows]
        fingerprints = (row.fingerprint for row in change.rows)
        return dict(zip(fingerprints, change.slices(keys), strict=True))

    def land(self, change: Change) -> int:
        """Let *change* land with all its slices, and return its number."""
        return self.append(change.signed.encode(), self.sealed(change))

    def remove(self, author: Member, *members: Member, why: Why = Why.KICKED) -> int:
        """Let *author* take *members* off the roster, for the one reason."""
        leaving = author.room.leaving if why is Why.LEFT else {}
        return self.land(
            author.room.remove(
                Removal(each.fingerprint, why, leaving.get(each.fingerprint, b""))
                for each in members
            )
        )

    def update(self, author: Member) -> int:
        """Let *author* have a new leaf key."""
        return self.land(author.room.update())

    def reform(
        self,
        author: Member,
        policy: Policy | None = None,
        owners: Iterable[Member] = (),
        moderators: Iterable[Member] = (),
    ) -> int:
        """Let *author* change the policy, and who has a say; the owners stay if none is given."""
        return self.land(
            author.room.reform(
                policy or author.room.log.membership.policy,
                [each.fingerprint for each in owners] or author.room.log.membership.owners,
                [each.fingerprint for each in moderators],
            )
        )

    def leave(self, leaver: Member) -> bytes:
        """Let *leaver* ask to be removed, tell every member, and return the signature."""
        signature = leaver.room.leave()
        for member in list(self.members):
            member.take_leave(leaver.fingerprint, signature)
        return signature

    def flush(self) -> None:
        """Take what the members have to send, until nobody has anything."""
        while talkative := [each for each in self.members if each.room.outgoing]:
            self.append(talkative[0].room.outgoing.popleft())

    def say(self, member: Member, text: str) -> int:
        """Let *member* say *text*, and return the number of its frame."""
        return self.append(member.said(text))

    def found(
        self,
        founder: Identity = ALICE,
        policy: Policy | None = None,
        trusts: Callable[[bytes], bool] = anyone,
    ) -> Member:
        """Let *founder* found the room."""
        member = Member(founder, Room.found(founder, LABEL, policy or Policy(), trusts))
        self.members.append(member)
        self.append(member.room.first_entry.encode())
        return member

    def admit(
        self, newcomer: Identity, by: Member, trusts: Callable[[bytes], bool] = anyone
    ) -> Member:
        """Let *by* vouch for *newcomer*, who then has all that the room has."""
        entrance, signed = Admission(newcomer, by).entrance()
        self.append(signed.encode())
        snapshot = by.room.log.snapshot()
        member = Member(newcomer, Room.enter(newcomer, LABEL, entrance, snapshot, trusts))
        self.show(member)
        self.members.append(member)
        return member


def room_of(*people: Identity) -> tuple[Stream, list[Member]]:
    """Return a stream and its members: the first has founded the room and vouched for the rest."""
    stream = Stream()
    founder = stream.found(people[0])
    return stream, [founder, *(stream.admit(each, founder) for each in people[1:])]


def proposal(newcomer: Identity, by: Member) -> SignedEntry:
    """Return an entry by which *by* may add *newcomer*, who agreed, to its room now."""
    return Admission(newcomer, by).response()[1]


# The membership log without the keys: what a relay sees of it


def consenting(newcomer: Identity, place: Place, voucher: Identity) -> Add:
    """Return what lets *voucher* add *newcomer*, who agreed at *place*; its keys are made up."""
    leaf = hashlib.shake_256(b"leaf" + newcomer.fingerprint).digest(XWING_LENGTH)
    subject, init, th1 = Subject.of(newcomer.bundle, leaf), bytes(HASH_LENGTH), place.head
    me, by = newcomer.fingerprint, voucher.fingerprint
    agreed = consent(place.room, place.epoch, place.head, me, by, init, leaf_hash(leaf), th1)
    signature = newcomer.sign("consent", *agreed)
    return Add(subject, init, th1, signature, place.epoch, place.head)


def place_of(log: Log) -> Place:
    """Return the room at the head of *log*."""
    return Place(log.room, log.epoch, log.head)


def adding(
    log: Log, newcomer: Identity, author: Identity, place: Place | None = None
) -> SignedEntry:
    """
    Return the entry with which *author* adds *newcomer*, who agreed at *place* (*log*'s head, if
    not given), to *log*. The tag is made up.
    """
    add = consenting(newcomer, place or place_of(log), author)
    row = add.subject.row(log.epoch + 1, author.fingerprint)
    entry = Entry(
        log.room,
        log.epoch + 1,
        log.head,
        log.newest.seq + 1,
        bytes(HASH_LENGTH),
        author.fingerprint,
        log.membership.with_row(row).hash,
        add,
    )
    return SignedEntry.make(entry, bytes(HASH_LENGTH), author)


def unchecked(log: Log, detail: Detail, author: Identity, /, **changes: Any) -> SignedEntry:
    """
    Return the entry by which *author* wants *detail* to follow *log*, with *changes*, whatever the
    rules say. Its tag is made up, and so is its state hash unless it is given.
    """
    entry = Entry(
        log.room,
        log.epoch + 1,
        log.head,
        log.newest.seq + 1,
        bytes(HASH_LENGTH),
        author.fingerprint,
        bytes(HASH_LENGTH),
        detail,
    )
    return SignedEntry.make(attrs.evolve(entry, **changes), bytes(HASH_LENGTH), author)


def followed(log: Log, detail: Detail, author: Identity) -> Log:
    """Return *log* after *author* has made *detail* true. The tag is made up."""
    state = log.membership_with(detail, author.fingerprint).hash
    return log.after(unchecked(log, detail, author, state_hash=state))


def leave_of(log: Log, leaver: Identity) -> bytes:
    """Return the signature by which *leaver* wants to be taken off the roster of *log*."""
    row = log.membership.rows[log.membership.index[leaver.fingerprint]]
    return leaver.sign("leave", *leaving(log.room, row))


def founded(founder: Identity = ALICE, policy: Policy | None = None, label: str = LABEL) -> Log:
    """Return the log of a room in which *founder* is alone. It is the same each time."""
    leaf = hashlib.shake_256(b"leaf" + founder.fingerprint).digest(XWING_LENGTH)
    subject = Subject.of(founder.bundle, leaf)
    entry = founding(Create(bytes(HASH_LENGTH), label, policy or Policy(), subject))
    return Log.founded(SignedEntry.make(entry, bytes(HASH_LENGTH), founder))


def grown(log: Log, count: int, author: Identity = ALICE) -> Log:
    """Return *log* after *author* has added *count* people."""
    for _ in range(count):
        log = log.after(adding(log, person(f"member {log.epoch}"), author))
    return log


def resigned(signed: SignedEntry, author: Identity, **changes: Any) -> SignedEntry:
    """Return *signed* with *changes* to its entry, and a signature of *author* that holds."""
    return SignedEntry.make(attrs.evolve(signed.entry, **changes), signed.tag, author)


# An admission opened by who has both sides' long-term keys


@attrs.frozen
class Opened:
    """What is inside of a vouch and of the challenge to it."""

    newcomer: Identity
    place: Place
    k_v: bytes
    th1: bytes
    k_j: bytes
    init: bytes
    leaf: bytes
    consent: bytes
    proof: bytes
    th2: bytes

    @classmethod
    def of(cls, admission: Admission, vouch: bytes, challenge: bytes) -> Opened:
        """Open both messages of *admission*."""
        newcomer, voucher = admission.newcomer, admission.member.identity
        context = [admission.attempt, newcomer.fingerprint]
        _, room, epoch, head, k_v = decode(newcomer.open_sealed(vouch, "vouch", context))
        place = Place(room, epoch, head)
        th1 = first_transcript(
            admission.attempt, newcomer.fingerprint, voucher.fingerprint, place, vouch
        )
        content = voucher.open_sealed(challenge, "challenge", th1)
        k_j, init, leaf, agreed, shown = decode(content)
        th2 = digest("th2", th1, challenge)
        return cls(newcomer, place, k_v, th1, k_j, init, leaf, agreed, shown, th2)

    @property
    def add(self) -> Add:
        """What the newcomer agreed to."""
        return Add(
            Subject.of(self.newcomer.bundle, self.leaf),
            init_hash(self.init),
            self.th1,
            self.consent,
            self.place.epoch,
            self.place.head,
        )

    def challenge(self, voucher: Identity, **changes: Any) -> bytes:
        """Return the challenge anew, with *changes*."""
        new = attrs.evolve(self, **changes)
        content = encode(new.k_j, new.init, new.leaf, new.consent, new.proof)
        return voucher.bundle.seal("challenge", new.th1, content)

    def response(self, secret: bytes, entry: bytes, **changes: Any) -> bytes:
        """Return a response that hands over *secret* and *entry*, under keys with *changes*."""
        new = attrs.evolve(self, **changes)
        k_e = bytes(KEY_LENGTH)
        key = handover_key(new.th2, new.k_v, new.k_j, k_e)
        hidden = encrypt(key, ONE_USE, encode(secret, entry), digest("handover-ad", new.th2))
        return encode(seal(new.init, "response", new.th2, encode(k_e)), hidden)
