"""
Write the vectors: ``python -m tests.vectors.generate``.

They tell one story. Alice founds #lobby and says something to herself; Bob joins, vouched for by
Alice; Bob greets, and Alice answers; Bob renews his leaf, Alice changes the policy, and Bob leaves.
Everything follows from the secrets that are written down here, and is the same each time, except
what HPKE seals: the sealed messages in ``admission.json`` and ``changes.json`` are kept, and made
anew only where the file is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
from spake2 import SPAKE2_B

from securechat.encoding import Value, decode, encode
from securechat.fingerprint import to_groups, to_words
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
    Create,
    Detail,
    Reform,
    Removal,
    Remove,
    Subject,
    Update,
    Why,
    consent,
    leaf_hash,
    leaving,
)
from securechat.group.entry import ZERO, Entry, SignedEntry
from securechat.group.keys import NO_CHAIN, NOTHING_FRESH, EpochKeys, confirmation, epoch_secret
from securechat.group.log import Log, founding
from securechat.group.messages import Content, Frame, Header, Kind
from securechat.group.roster import Policy, Vouchers
from securechat.group.transcript import Transcript
from securechat.identity import Identity
from securechat.pairing import Code, Invited, Inviter
from securechat.primitives import XWing, digest, encrypt, expand, extract, seal
from securechat.revocation import revocation
from securechat.succession import Succession, succession
from tests.vectors.lines import EXAMPLES, REFUSED, described

HERE = Path(__file__).parent

LABEL = "lobby"


def secret(name: str, length: int = 32) -> bytes:
    """Return the secret that the story calls *name*."""
    return hashlib.shake_256(f"securechat vector: {name}".encode()).digest(length)


def identity(name: str) -> Identity:
    """Return the identity of *name*."""
    return Identity(secret(f"{name} ed25519"), secret(f"{name} xwing", 96), secret(f"{name} disk"))


@attrs.define(slots=False)
class Story:
    """Everything that happens, each thing computed when it is first asked for."""

    sealed: dict[str, str]
    """The sealed messages that are kept, by name, in hex."""

    alice: Identity = attrs.field(factory=lambda: identity("alice"))
    bob: Identity = attrs.field(factory=lambda: identity("bob"))

    def kept(self, name: str, public: bytes, label: str, context: Value, plain: bytes) -> bytes:
        """Return the sealed message *name*: as it was kept, or sealed now."""
        if name not in self.sealed:
            self.sealed[name] = seal(public, label, context, plain).hex()
        return bytes.fromhex(self.sealed[name])

    # Alice founds the room

    @cached_property
    def creation(self) -> Entry:
        """The create entry before it is signed."""
        leaf = XWing(secret("alice leaf", 96)).public
        subject = Subject.of(self.alice.bundle, leaf)
        return founding(Create(secret("room"), LABEL, Policy(), subject))

    @cached_property
    def first_secret(self) -> bytes:
        return epoch_secret(NO_CHAIN, secret("fresh 1"), self.creation)

    @cached_property
    def created(self) -> SignedEntry:
        tag = confirmation(self.first_secret, self.creation)
        return SignedEntry.make(self.creation, tag, self.alice)

    @cached_property
    def first_log(self) -> Log:
        return Log.founded(self.created)

    # Bob joins

    attempt = secret("attempt", 16)
    k_v, k_j, k_e = secret("k_V"), secret("k_J"), secret("k_E")
    init = XWing(secret("bob init", 96))
    leaf = XWing(secret("bob leaf", 96))

    @cached_property
    def place(self) -> Place:
        return Place(self.first_log.room, 1, self.first_log.head)

    @cached_property
    def vouch(self) -> tuple[list[Value], bytes, bytes]:
        """Context, plaintext and sealed message of step 3."""
        context: list[Value] = [self.attempt, self.bob.fingerprint]
        place = self.place
        plain = encode(self.alice.fingerprint, place.room, place.epoch, place.head, self.k_v)
        sealed = self.kept("vouch", self.bob.bundle.xwing, "vouch", context, plain)
        return context, plain, sealed

    @cached_property
    def th1(self) -> bytes:
        people = self.bob.fingerprint, self.alice.fingerprint
        return first_transcript(self.attempt, *people, self.place, self.vouch[2])

    @cached_property
    def agreed(self) -> tuple[int | bytes, ...]:
        """What Bob signs."""
        place = self.place
        return consent(
            *(place.room, place.epoch, place.head, self.bob.fingerprint, self.alice.fingerprint),
            *(init_hash(self.init.public), leaf_hash(self.leaf.public), self.th1),
        )

    @cached_property
    def add(self) -> Add:
        return Add(
            Subject.of(self.bob.bundle, self.leaf.public),
            init_hash(self.init.public),
            self.th1,
            self.bob.sign("consent", *self.agreed),
            self.place.epoch,
            self.place.head,
        )

    @cached_property
    def proof(self) -> bytes:
        return proof(self.k_v, self.th1, self.k_j, self.init.public, self.leaf.public)

    @cached_property
    def challenge(self) -> tuple[bytes, bytes]:
        """Plaintext and sealed message of step 4."""
        plain = encode(self.k_j, self.init.public, self.leaf.public, self.add.consent, self.proof)
        public = self.alice.bundle.xwing
        return plain, self.kept("challenge", public, "challenge", self.th1, plain)

    @cached_property
    def th2(self) -> bytes:
        return digest("th2", self.th1, self.challenge[1])

    @cached_property
    def addition(self) -> Entry:
        """The entry that Alice makes of it, once she has seen number 2, before it is signed."""
        log, author = self.first_log, self.alice.fingerprint
        state = log.membership_with(self.add, author).hash
        return Entry(log.room, 2, log.head, *self.view(2), author, state, self.add)

    @cached_property
    def second_secret(self) -> bytes:
        return epoch_secret(self.keys(1).chain, NOTHING_FRESH, self.addition)

    @cached_property
    def added(self) -> SignedEntry:
        tag = confirmation(self.second_secret, self.addition)
        return SignedEntry.make(self.addition, tag, self.alice)

    @cached_property
    def second_log(self) -> Log:
        return self.first_log.after(self.added)

    @cached_property
    def response(self) -> tuple[bytes, bytes, bytes]:
        """The sealed k_E, the plaintext and the whole message of step 5."""
        public, plain = self.init.public, encode(self.k_e)
        handover = self.kept("response", public, "response", self.th2, plain)
        key = handover_key(self.th2, self.k_v, self.k_j, self.k_e)
        inner = encode(self.second_secret, self.added.encode())
        hidden = encrypt(key, ONE_USE, inner, digest("handover-ad", self.th2))
        return handover, inner, encode(handover, hidden)

    # The stream

    def keys(self, epoch: int) -> EpochKeys:
        """The keys of an epoch; Alice's row is 0, Bob's is 1."""
        if epoch == 1:
            return EpochKeys.of(self.first_secret, [self.alice.fingerprint])
        people = [self.alice.fingerprint, self.bob.fingerprint]
        return EpochKeys.of(self.second_secret, people)

    def frame(
        self, epoch: int, row: int, n: int, content: Content, name: str
    ) -> tuple[Frame, bytes, bytes, bytes]:
        """A frame, its padded plaintext, its signature and its message key."""
        author = [self.alice, self.bob][row]
        log = self.first_log if epoch == 1 else self.second_log
        header, nonce = Header(epoch, row, n), secret(f"{name} nonce", 12)
        place = log.room, log.head, header.value()
        padded = content.padded()
        signature = author.sign("msg", *place, padded)
        key, _ = self.keys(epoch).ratchets[row].skip(n).step()
        ciphertext = encrypt(key, nonce, encode(padded, signature), digest("ad", *place))
        return Frame(header, nonce, ciphertext), padded, signature, key

    @cached_property
    def alone(self) -> tuple[Frame, bytes, bytes, bytes]:
        return self.frame(1, 0, 0, Content(Kind.TEXT, *self.view(1), b"alone"), "alone")

    @cached_property
    def greeting(self) -> tuple[Frame, bytes, bytes, bytes]:
        body = encode("bob", self.bob.fingerprint)
        return self.frame(2, 1, 0, Content(Kind.HELLO, *self.view(3), body), "greeting")

    @cached_property
    def heartbeat(self) -> tuple[Frame, bytes, bytes, bytes]:
        return self.frame(2, 0, 0, Content(Kind.HEARTBEAT, *self.view(4), b""), "heartbeat")

    @cached_property
    def answer(self) -> tuple[Frame, bytes, bytes, bytes]:
        body = "Gr\u00fc\u00df dich, Bob".encode()
        return self.frame(2, 0, 1, Content(Kind.TEXT, *self.view(5), body), "answer")

    def item(self, seq: int) -> SignedEntry | Frame:
        """Number *seq* of the stream."""
        match seq:
            case 1:
                return self.created
            case 2:
                return self.alone[0]
            case 3:
                return self.added
            case 4:
                return self.greeting[0]
            case 5:
                return self.heartbeat[0]
            case _:
                return self.answer[0]

    def item_digest(self, seq: int) -> bytes:
        """What the transcript folds."""
        item = self.item(seq)
        return item.digest if isinstance(item, Frame) else digest("item", item.encode())

    def view(self, seq: int) -> tuple[int, bytes]:
        """Number and T there."""
        transcript = Transcript.starting(0, ZERO)
        for number in range(1, seq + 1):
            transcript.fold(number, self.item_digest(number))
        return transcript.newest


# From the story to files


def hexed(**values: Any) -> dict[str, Any]:
    """Return *values* with bytes in hexadecimal."""
    return {
        name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()
    }


def fingerprints(story: Story) -> dict[str, Any]:
    """Identities, their bundles and fingerprints."""
    people = []
    for name, who in (("alice", story.alice), ("bob", story.bob)):
        bundle = who.bundle
        people.append(
            hexed(
                name=name,
                ed25519_seed=secret(f"{name} ed25519"),
                xwing_secret=secret(f"{name} xwing", 96),
                version=bundle.version,
                ed25519=bundle.ed25519,
                xwing=bundle.xwing,
                xwing_hash=bundle.xwing_hash,
                bundle=bundle.encode(),
                fingerprint=bundle.fingerprint,
                groups=to_groups(bundle.fingerprint),
                words=to_words(bundle.fingerprint),
            )
        )
    return {"identities": people}


def certificates(story: Story) -> dict[str, Any]:
    """What identities say of themselves."""
    day = date(2030, 1, 2)
    said = Succession(story.alice.fingerprint, story.bob.bundle, day)
    return {
        "revocation": hexed(of="alice", certificate=revocation(story.alice)),
        "succession": hexed(
            old="alice",
            new="bob",
            date=day.isoformat(),
            signed=encode("securechat/v1", "succession", *said.signed()),
            certificate=succession(story.alice, story.bob, day),
        ),
    }


def entry(signed: SignedEntry, log: Log, **detail: Any) -> dict[str, Any]:
    """An entry that leads to *log*, with what is particular to it."""
    content = signed.entry
    return hexed(
        room=content.room,
        epoch=content.epoch,
        prev=content.prev,
        seq=content.seq,
        transcript=content.transcript,
        author=content.author,
        **detail,
        membership=encode(*log.membership.value()),
        state_hash=content.state_hash,
        ent=encode(*content.value()),
        ent_hash=content.hash,
        tag=signed.tag,
        signature=signed.signature,
        entry=signed.encode(),
        head=signed.head,
    )


def log(story: Story) -> dict[str, Any]:
    """The create entry, the add entry, and the log that they make."""
    create, add = story.created.entry.detail, story.add
    assert isinstance(create, Create)
    return {
        "create": {
            **hexed(random=create.random, label=create.label, policy=create.policy.value()),
            **entry(story.created, story.first_log, subject=hexed(**attrs.asdict(create.subject))),
        },
        "add": {
            **hexed(**attrs.asdict(add, filter=lambda field, _: field.name != "subject")),
            **entry(story.added, story.second_log, subject=hexed(**attrs.asdict(add.subject))),
        },
        "snapshot": story.second_log.snapshot().hex(),
    }


def keys(story: Story) -> dict[str, Any]:
    """The key schedule of both epochs, and the first message keys of each member."""
    people = [story.alice.fingerprint, story.bob.fingerprint]
    chain, epochs = NO_CHAIN, []
    for signed, fresh in ((story.created, secret("fresh 1")), (story.added, NOTHING_FRESH)):
        epoch = signed.entry.epoch
        es = story.first_secret if epoch == 1 else story.second_secret
        derived = EpochKeys.of(es, people[:epoch])
        senders = []
        for row, member in enumerate(people[:epoch]):
            ratchet, messages = derived.ratchets[row], []
            for _ in range(3):
                key, after = ratchet.step()
                messages.append(hexed(n=ratchet.n, ratchet=ratchet.key, message_key=key))
                ratchet = after
            far = derived.ratchets[row].skip(1024)
            messages.append(hexed(n=far.n, ratchet=far.key, message_key=far.step()[0]))
            senders.append(hexed(row=row, fingerprint=member, messages=messages))
        epochs.append(
            hexed(
                epoch=epoch,
                chain_before=chain,
                fresh=fresh,
                extracted=extract(chain, fresh),
                ent_hash=signed.entry.hash,
                epoch_secret=es,
                chain=derived.chain,
                confirm=expand(es, "confirm", ""),
                ent=encode(*signed.entry.value()),
                tag=signed.tag,
                senders=senders,
            )
        )
        chain = derived.chain
    return {"epochs": epochs}


def admission(story: Story) -> dict[str, Any]:
    """The sealed messages, to be opened, and all that is derived from them."""
    context, vouch, c1 = story.vouch
    challenge, c2 = story.challenge
    handover, inner, response = story.response
    place = story.place
    return {
        **hexed(
            attempt=story.attempt,
            joiner=story.bob.fingerprint,
            voucher=story.alice.fingerprint,
            joiner_xwing_secret=secret("bob xwing", 96),
            voucher_xwing_secret=secret("alice xwing", 96),
            room=place.room,
            epoch=place.epoch,
            head=place.head,
        ),
        "vouch": hexed(
            k_v=story.k_v, info=digest("vouch", context), plaintext=vouch, sealed=c1, th1=story.th1
        ),
        "challenge": hexed(
            k_j=story.k_j,
            init_secret=story.init.secret,
            init=story.init.public,
            init_hash=init_hash(story.init.public),
            leaf_secret=story.leaf.secret,
            leaf=story.leaf.public,
            leaf_hash=leaf_hash(story.leaf.public),
            consent_signed=encode("securechat/v1", "consent", *story.agreed),
            consent=story.add.consent,
            proof_key=expand(story.k_v, "mac", ""),
            proof=story.proof,
            info=digest("challenge", story.th1),
            plaintext=challenge,
            sealed=c2,
            th2=story.th2,
        ),
        "response": hexed(
            k_e=story.k_e,
            info=digest("response", story.th2),
            plaintext=encode(story.k_e),
            sealed=handover,
            key=handover_key(story.th2, story.k_v, story.k_j, story.k_e),
            nonce=ONE_USE,
            associated=digest("handover-ad", story.th2),
            handed_over=inner,
            response=response,
        ),
    }


def changes(story: Story) -> dict[str, Any]:
    """
    What comes after: Bob renews his leaf (7), Alice changes the policy (8), and Alice removes
    Bob, who leaves (9). Each with its slices, and the keys of the epoch that it starts.
    """
    alice, again = XWing(secret("alice leaf", 96)), XWing(secret("bob leaf again", 96))
    reform = Reform(Policy(Vouchers.MODERATORS, 7, 50), (story.alice.fingerprint,), ())
    written, log, chain = {}, story.second_log, story.keys(2).chain
    seq, seen = story.view(6)

    def land(name: str, author: Identity, detail: Detail, *leaves: XWing) -> None:
        nonlocal log, chain, seq, seen
        made = log.proposed(detail, author.fingerprint, seq, seen)
        fresh = secret(f"fresh {made.epoch}") if detail.FRESH else NOTHING_FRESH
        es = epoch_secret(chain, fresh, made)
        signed = SignedEntry.make(made, confirmation(es, made), author)
        log, chain_before = log.after(signed), chain
        chain = EpochKeys.of(es, []).chain
        seq, seen = seq + 1, digest("T", seen, seq + 1, digest("item", signed.encode()))
        slices = []
        for row, leaf in enumerate(leaves):
            kept_as = f"slice {made.epoch} {row}"
            sealed = story.kept(kept_as, leaf.public, "rekey", made.hash, fresh)
            info, hashed = digest("rekey", made.hash), leaf_hash(leaf.public)
            slices.append(
                hexed(row=row, leaf_secret=leaf.secret, leaf_hash=hashed, info=info, sealed=sealed)
            )
        written[name] = {
            **entry(signed, log, detail=encode(*detail.value())),
            **hexed(chain_before=chain_before, fresh=fresh, epoch_secret=es, chain=chain),
            "slices": slices,
        }

    land("update", story.bob, Update(again.public), alice, again)
    land("policy", story.alice, reform)
    leave = story.bob.sign("leave", *leaving(log.room, log.membership.rows[1]))
    left = Remove((Removal(story.bob.fingerprint, Why.LEFT, leave),))
    land("remove", story.alice, left, alice)
    return written


def transcript(story: Story) -> dict[str, Any]:
    """The stream: entries and frames, and T at each number."""
    items = []
    for seq in range(1, 7):
        item = story.item(seq)
        frame = isinstance(item, Frame)
        data = (
            encode(*item.header.value(), item.nonce, item.ciphertext)
            if isinstance(item, Frame)
            else item.encode()
        )
        items.append(
            hexed(
                seq=seq,
                item="frame" if frame else "entry",
                bytes=data,
                digest=story.item_digest(seq),
                transcript=story.view(seq)[1],
            )
        )
    return {"start": ZERO.hex(), "stream": items}


def frames(story: Story) -> dict[str, Any]:
    """Frames, with the keys and nonces that they are made with."""
    written = []
    views = ((story.alone, 1), (story.greeting, 3), (story.heartbeat, 4), (story.answer, 5))
    for (frame, padded, signature, key), seen in views:
        header = frame.header
        log = story.first_log if header.epoch == 1 else story.second_log
        content = Content.unpadded(padded)
        written.append(
            hexed(
                room=log.room,
                head=log.head,
                header=header.value(),
                sender=[story.alice, story.bob][header.row].bundle.ed25519,
                kind=content.kind,
                seen_seq=seen,
                seen_transcript=content.seen_transcript,
                body=content.body,
                padded=padded,
                signature=signature,
                message_key=key,
                nonce=frame.nonce,
                associated=digest("ad", log.room, log.head, header.value()),
                plaintext=encode(padded, signature),
                ciphertext=frame.ciphertext,
                digest=frame.digest,
            )
        )
    return {"frames": written}


def invite(story: Story) -> dict[str, Any]:
    """Alice invites Bob by a code, and both sides of it."""
    code, room = Code(7, "piano-cactus"), story.first_log.room
    x, y = secret("x", 64), secret("y", 64)
    a = Inviter(story.alice.bundle, "alice", LABEL, room, words=code.words, entropy=lambda _: x)
    b = Invited(story.bob.bundle, "bob", LABEL, code, entropy=lambda _: y)
    claim = b.claim(a.pake)
    _, answer = a.claimed(code.number, claim)
    pake_b, box = decode(claim)
    id_a, id_b = (encode("securechat/v1", side, LABEL) for side in ("inviter", "invited"))
    again = SPAKE2_B(code.words.encode(), id_a, id_b, entropy_f=lambda _: y)
    again.start()
    key: bytes = again.finish(a.pake)
    th = digest("invite", LABEL, code.number, a.pake, pake_b)
    group = again.params
    return hexed(
        label=LABEL,
        number=code.number,
        words=code.words,
        code=str(code),
        m=group.M.to_bytes(),
        n=group.N.to_bytes(),
        w=group.group.scalar_to_bytes(again.pw_scalar),
        x_random=x,
        y_random=y,
        id_a=id_a,
        id_b=id_b,
        pake_a=a.pake,
        pake_b=pake_b,
        key=key,
        th=th,
        key_b=expand(key, "invite-claim", th),
        claim=encode(1, story.bob.bundle.encode(), "bob"),
        claim_box=box,
        mail_b=claim,
        key_a=expand(key, "invite-answer", th),
        answer=encode(1, story.alice.bundle.encode(), "alice", room),
        mail_a=answer,
    )


def wire(story: Story) -> dict[str, Any]:
    """A line of each verb, and lines that are none."""
    return {"lines": [described(line) for line in EXAMPLES], "refused": REFUSED}


def vectors() -> dict[str, dict[str, Any]]:
    """Return the contents of every file, by its name without ``.json``."""
    story = Story(dict(kept()))
    makers = (
        *(fingerprints, certificates, log, keys, admission, changes, transcript, frames),
        *(invite, wire),
    )
    return {make.__name__: make(story) for make in makers}


def kept() -> Iterator[tuple[str, str]]:
    """Yield the sealed messages that are in the files, with their names."""
    for name, part in _read("admission").items():
        if isinstance(part, dict):
            yield name, part["sealed"]
    for change in _read("changes").values():
        for each in change["slices"]:
            yield f"slice {change['epoch']} {each['row']}", each["sealed"]


def _read(name: str) -> dict[str, Any]:
    path = HERE / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return content


def written(content: dict[str, Any]) -> str:
    """Return the text of a file."""
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    for name, content in vectors().items():
        (HERE / f"{name}.json").write_text(written(content), "utf-8")
