"""
A relay in memory, and clients that say exactly what a test wants.

They hold real keys and make real proofs, consents and entries. Confirmation tags, sealed
messages and ciphertexts are random, since the relay can neither open nor check them; so this
kit needs nothing of `securechat.client`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import attrs
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from securechat.address import Address
from securechat.group.detail import (
    Add,
    Create,
    Detail,
    Removal,
    Remove,
    Subject,
    Update,
    Why,
    consent,
    leaving,
)
from securechat.group.entry import SignedEntry
from securechat.group.log import Log, founding
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.primitives import XWING_LENGTH, digest, random_bytes
from securechat.relay.factory import RelayFactory
from securechat.relay.memory import MemoryHistory
from securechat.relay.protocol import Connection
from securechat.relay.retention import Retention
from securechat.wire import (
    FROM_RELAY,
    SLICE,
    SLICES_A_LINE,
    Ack,
    AddUser,
    Banner,
    Begin,
    Challenge,
    Changed,
    Code,
    Commit,
    ErrorLine,
    Found,
    FrameLine,
    IdentityLine,
    Join,
    Leave,
    Line,
    NewUser,
    Response,
    Resume,
    Resumed,
    Send,
    Slices,
    UserAdded,
    Vouch,
    parse,
    serialise,
)

L = TypeVar("L", bound=Line)

ADDRESS = Address("unix", path="/run/securechat/relay")


class Transport(StringTransport):
    """A transport whose other side says nothing by itself."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Relay:
    """A relay in memory, its clock, and its clients."""

    def __init__(self, *, retention: Retention | None = None, **settings: Any) -> None:
        self.clock = Clock()
        settings.setdefault("addresses", [ADDRESS])
        settings.setdefault("history", MemoryHistory(self.clock, retention))
        self.factory = RelayFactory(self.clock, **settings)

    def connect(self) -> Client:
        """Return a client that has said nothing yet."""
        return Client(self)

    def client(self, identity: Identity | None = None) -> Client:
        """Return a client whose identity is proved."""
        client = self.connect()
        client.prove(identity or Identity.generate())
        return client

    def again(self, client: Client) -> Client:
        """Return *client* on a new connection, with what it knows, not live anywhere yet."""
        new = self.client(client.identity)
        new.log, new.seq, new.n = client.log, client.seq, client.n
        return new

    def room(self, size: int, label: str = "lobby") -> list[Client]:
        """Return the members of a new room, in roster order, all of them live."""
        founder = self.client()
        founder.found(label)
        members = [founder]
        while len(members) < size:
            joiner = self.client()
            joiner.join_by(founder)
            members.append(joiner)
            self.clock.advance(7)  # so that the founder does not let in too many in a minute
        for member in members:
            member.hear()
        return members


class Client:
    """
    One client: what it has heard, and what it can say.

    :ivar log: the membership log of the room that it is in, as it has heard it.
    :ivar seq: the newest number of the stream that it has heard.
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport = Transport()
        connection = relay.factory.buildProtocol(None)
        assert isinstance(connection, Connection)
        self.connection = connection
        self.connection.makeConnection(self.transport)
        self.identity: Identity
        self.log: Log
        self.seq = 0
        self.n = 0
        self.lost = False

    # Bytes and lines

    def says(self, *lines: Line | bytes) -> None:
        """Say *lines*, if still connected; bytes are said as they are, without CRLF."""
        for line in () if self.lost else lines:
            data = line if isinstance(line, bytes) else serialise(line)
            self.connection.dataReceived(data + b"\r\n")

    def hear(self) -> list[Line]:
        """Return what the relay has said since the last time."""
        data = self.transport.value()
        self.transport.clear()
        *lines, rest = data.split(b"\r\n")
        assert not rest, "the relay says whole lines"
        heard = [parse(line, FROM_RELAY) for line in lines]
        for line in heard:
            if isinstance(line, FrameLine):
                self.seq = line.seq
            if isinstance(line, UserAdded | Changed):
                self._follow(line)
        return heard

    def hears(self, kind: type[L]) -> L:
        """Return the one line that the relay has said since the last time, of class *kind*."""
        (line,) = self.hear()
        assert isinstance(line, kind), line
        return line

    def hears_all(self, kind: type[L]) -> list[L]:
        """Return the lines of class *kind* that the relay has said since the last time."""
        return [line for line in self.hear() if isinstance(line, kind)]

    def refused(self) -> Code:
        """Return the code of the one `error` that the relay has said since the last time."""
        return self.hears(ErrorLine).code

    def lose(self) -> None:
        """Break the connection."""
        self.lost = True
        self.connection.connectionLost(Failure(ConnectionDone()))

    @property
    def hung_up(self) -> bool:
        """Whether the relay has closed the connection."""
        return self.transport.disconnecting

    # Identity

    @property
    def fingerprint(self) -> bytes:
        return self.identity.fingerprint

    def identify(self, identity: Identity, **changed: Any) -> IdentityLine:
        """Return the line that proves *identity*, with what is *changed* of what is signed."""
        self.identity = identity
        self.banner = self.transport.value().removesuffix(b"\r\n")
        self.hears(Banner)
        signed = {
            "banner": self.banner,
            "binding": b"",
            "pin": ADDRESS.dialled,
            "fingerprint": identity.fingerprint,
        } | changed
        signature = identity.sign("identity", *signed.values())
        return IdentityLine(1, identity.bundle.encode(), signature)

    def prove(self, identity: Identity) -> None:
        """Prove *identity*."""
        self.says(self.identify(identity))
        self.hears(Ack)

    # Rooms

    @property
    def room(self) -> bytes:
        return self.log.room

    def creation(self, label: str, policy: Policy | None = None) -> SignedEntry:
        """Return an entry by which this client founds a room."""
        return creation(self.identity, label, policy)

    def found(self, label: str, policy: Policy | None = None) -> None:
        """Found a room."""
        entry = self.creation(label, policy)
        self.says(Found(entry.encode()))
        self.log = Log.founded(entry)
        self.hears(UserAdded)

    def subject(self) -> Subject:
        """Return this client as the subject of an entry, with a new leaf."""
        return subject(self.identity)

    def addition(self, joiner: Client, **changed: Any) -> SignedEntry:
        """Return the entry by which this client adds *joiner*, with what is *changed* of it."""
        subject, log = joiner.subject(), self.log
        init_hash, th1 = random_bytes(32), random_bytes(32)
        leaf_hash = digest("leaf", subject.leaf)
        agreed = consent(
            log.room,
            log.epoch,
            log.head,
            joiner.fingerprint,
            self.fingerprint,
            init_hash,
            leaf_hash,
            th1,
        )
        signature = joiner.identity.sign("consent", *agreed)
        add = Add(subject, init_hash, th1, signature, log.epoch, log.head)
        return self.change(add, **changed)

    def change(self, detail: Detail, **changed: Any) -> SignedEntry:
        """Return the next entry with *detail* by this client, with what is *changed* of it."""
        proposed = self.log.proposed(detail, self.fingerprint, self.seq, random_bytes(32))
        entry = attrs.evolve(proposed, **changed)
        return SignedEntry.make(entry, random_bytes(32), self.identity)

    def _follow(self, line: UserAdded | Changed) -> None:
        self.seq = line.seq
        entry = SignedEntry.decode(line.entry)
        if hasattr(self, "log") and entry.entry.prev == self.log.head:
            self.log = self.log.after(entry)

    # The seed's steps, one by one

    def join(self, label: str = "lobby") -> None:
        """Ask to join."""
        self.says(Join(label))

    def vouch(self, attempt: bytes) -> Vouch:
        """Vouch in *attempt*; return the line."""
        line = Vouch(attempt, self.identity.bundle.encode(), random_bytes(1_300))
        self.says(line)
        return line

    def challenge(self, attempt: bytes) -> Challenge:
        """Answer the vouch of *attempt*; return the line."""
        line = Challenge(attempt, random_bytes(1_300))
        self.says(line)
        return line

    def respond(self, attempt: bytes) -> Response:
        """Answer the challenge of *attempt*; return the line."""
        line = Response(attempt, random_bytes(3_000))
        self.says(line)
        return line

    def add(self, attempt: bytes, joiner: Client, **changed: Any) -> SignedEntry:
        """Submit the entry of *attempt*; return it."""
        entry = self.addition(joiner, **changed)
        self.says(AddUser(attempt, entry.encode()))
        return entry

    def join_by(self, voucher: Client, label: str = "lobby") -> None:
        """Join, with *voucher* vouching, and become live."""
        self.join(label)
        self.hear()
        attempt = voucher.asked()
        voucher.vouch(attempt)
        self.challenge(attempt)
        voucher.respond(attempt)
        voucher.add(attempt, self)
        voucher.hear()
        self.log = voucher.log
        self.hear()
        self.resume()
        assert isinstance(self.hear()[-1], Resumed)

    def asked(self) -> bytes:
        """Return the attempt that this client is asked about."""
        return self.hears_all(NewUser)[0].attempt

    def resume(self, **changed: Any) -> None:
        """Say that this client is there, and what it knows."""
        known: dict[str, Any] = {
            "room": self.log.room,
            "epoch": self.log.epoch,
            "head": self.log.head,
            "seq": self.seq,
        } | changed
        self.says(Resume(**known))

    # Changes

    def begin(self, entry: SignedEntry) -> None:
        """Begin with *entry*."""
        self.says(Begin(self.room, entry.encode()))

    def slices(self, count: int, first: int = 0) -> list[bytes]:
        """Say *count* slices from row *first* on; return them."""
        sealed = [random_bytes(SLICE) for _ in range(count)]
        for start in range(0, count, SLICES_A_LINE):
            part = b"".join(sealed[start : start + SLICES_A_LINE])
            self.says(self.slices_line(first + start, part))
        return sealed

    def slices_line(self, first: int, sealed: bytes) -> Slices:
        """Return the line with the slices *sealed* from row *first* on."""
        return Slices(self.room, first, sealed)

    def commit(self) -> None:
        """Let what was begun land."""
        self.says(Commit(self.room))

    def land(self, entry: SignedEntry) -> list[bytes]:
        """Begin with *entry*, say its slices and let it land; return them."""
        self.begin(entry)
        rows = self.log.after(entry).membership.rows if entry.entry.detail.FRESH else ()
        sealed = self.slices(len(rows))
        self.commit()
        return sealed

    def removal(self, *members: Client, why: Why = Why.LEFT, **changed: Any) -> SignedEntry:
        """Return the entry by which this client removes *members*."""
        removals = tuple(
            Removal(member.fingerprint, why, member.leave_signature() if why is Why.LEFT else b"")
            for member in members
        )
        return self.change(Remove(removals), **changed)

    def update(self, **changed: Any) -> SignedEntry:
        """Return the entry by which this client renews its leaf key."""
        return self.change(Update(random_bytes(XWING_LENGTH)), **changed)

    def leave_signature(self) -> bytes:
        """Return the signature by which this client wants to be removed."""
        membership = self.log.membership
        row = membership.rows[membership.index[self.fingerprint]]
        return self.identity.sign("leave", *leaving(self.room, row))

    def leave(self) -> bytes:
        """Ask to be removed; return the signature."""
        signature = self.leave_signature()
        self.says(Leave(self.room, signature))
        return signature

    def frame(self, **changed: Any) -> Send:
        """Return the next frame of this client, with what is *changed* of it."""
        fields: dict[str, Any] = {
            "room": self.log.room,
            "epoch": self.log.epoch,
            "row": self.log.membership.index[self.fingerprint],
            "n": self.n,
            "nonce": random_bytes(12),
            "ciphertext": random_bytes(80),
        } | changed
        self.n += 1
        return Send(**fields)


def subject(identity: Identity) -> Subject:
    """Return *identity* as the subject of an entry, with a new leaf."""
    return Subject.of(identity.bundle, random_bytes(XWING_LENGTH))


def creation(identity: Identity, label: str, policy: Policy | None = None) -> SignedEntry:
    """Return an entry by which *identity* founds a room."""
    detail = Create(random_bytes(32), label, policy or Policy(), subject(identity))
    return SignedEntry.make(founding(detail), random_bytes(32), identity)


def kinds(lines: Sequence[Line]) -> list[type[Line]]:
    """Return the classes of *lines*."""
    return [type(line) for line in lines]
