"""
The vectors in ``tests/vectors``: what the files say is what the code computes from them.

Each test reads a file as another implementation would: from the inputs in it to every value that
follows. That the files are those which `tests.vectors.generate` writes is checked too.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.trial.unittest import SynchronousTestCase

from securechat import fingerprint, primitives, wire
from securechat.encoding import Value, decode, encode
from securechat.errors import WireError
from securechat.group import joiner as joiner_module
from securechat.group import voucher as voucher_module
from securechat.group.admission import (
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
    Subject,
    consent,
    detail_of,
    leaf_hash,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.group.joiner import joiner_machine
from securechat.group.keys import EpochKeys, Ratchet, confirmation, epoch_secret
from securechat.group.log import Log
from securechat.group.messages import Content, Frame, Header, open_frame
from securechat.group.roster import Membership, Policy
from securechat.group.slices import open_slice
from securechat.group.transcript import Transcript
from securechat.group.voucher import voucher_machine
from securechat.identity import Bundle, Identity
from securechat.pairing import Code, Friend, Invited, Inviter
from securechat.primitives import XWing, decrypt, digest, encrypt, expand, extract
from securechat.wire import FROM_CLIENT, FROM_RELAY, parse, serialise
from tests.vectors import generate, lines

VECTORS = Path(__file__).parent / "vectors"


class Values(dict[str, Any]):
    """An object of a file. ``values("name")`` is the bytes that it has in hexadecimal."""

    def __call__(self, name: str) -> bytes:
        return bytes.fromhex(self[name])


@cache
def read(name: str) -> Values:
    """Return what the file *name* holds."""
    text = (VECTORS / f"{name}.json").read_text("utf-8")
    content: Values = json.loads(text, object_hook=Values)
    return content


def person(name: str) -> Identity:
    """Return the identity of *name*."""
    (who,) = (each for each in read("fingerprints")["identities"] if each["name"] == name)
    return Identity(who("ed25519_seed"), who("xwing_secret"), bytes(32))


def signed_entry(values: Values, detail: Detail) -> SignedEntry:
    """Return the entry that *values* spell out."""
    entry = Entry(
        values("room"),
        values["epoch"],
        values("prev"),
        values["seq"],
        values("transcript"),
        values("author"),
        values("state_hash"),
        detail,
    )
    return SignedEntry(entry, values("tag"), values("signature"))


def subject_of(values: Values) -> Subject:
    """Return the subject of the entry that *values* spell out."""
    who = values["subject"]
    return Subject(who["version"], who("ed25519"), who("xwing_hash"), who("leaf"))


def created() -> SignedEntry:
    """Return the create entry."""
    values = read("log")["create"]
    policy = Policy.of(values["policy"])
    return signed_entry(
        values, Create(values("random"), values["label"], policy, subject_of(values))
    )


def added() -> SignedEntry:
    """Return the add entry."""
    values = read("log")["add"]
    add = Add(
        subject_of(values),
        values("init_hash"),
        values("th1"),
        values("consent"),
        values["consent_epoch"],
        values("consent_head"),
    )
    return signed_entry(values, add)


class FileTests(SynchronousTestCase):
    """The files themselves."""

    def test_the_files_are_those_that_are_generated(self) -> None:
        """Nobody changed one by hand, nor the generator without the files."""
        vectors = generate.vectors()
        self.assertEqual({path.stem for path in VECTORS.glob("*.json")}, set(vectors))
        for name, content in vectors.items():
            text = (VECTORS / f"{name}.json").read_text("utf-8")
            self.assertEqual(text, generate.written(content), name)

    def test_sealed_messages_are_made_where_there_are_none(self) -> None:
        """Without a file to keep them from, the story has new ones, and all follows from them."""
        story = generate.Story({})
        content = generate.admission(story)
        self.assertNotEqual(content["vouch"]["sealed"], read("admission")["vouch"]["sealed"])
        self.assertEqual(set(story.sealed), {"vouch", "challenge", "response"})
        slices = {"slice 3 0", "slice 3 1", "slice 5 0"}
        generate.changes(story)
        self.assertEqual(set(story.sealed), {"vouch", "challenge", "response", *slices})


class FingerprintTests(SynchronousTestCase):
    """Identities, bundles, fingerprints."""

    def test_public_keys_follow_from_secrets(self) -> None:
        """Ed25519 from its seed; X-Wing from the ML-KEM seed and the X25519 scalar."""
        for who in read("fingerprints")["identities"]:
            bundle = person(who["name"]).bundle
            self.assertEqual(bundle.version, who["version"])
            self.assertEqual(bundle.ed25519, who("ed25519"))
            self.assertEqual(bundle.xwing, who("xwing"))

    def test_fingerprints(self) -> None:
        """From the bundle's bytes to the fingerprint, and as people see it."""
        for who in read("fingerprints")["identities"]:
            bundle = Bundle.decode(who("bundle"))
            self.assertEqual(bundle.encode(), who("bundle"))
            self.assertEqual(digest("xwing", bundle.xwing), who("xwing_hash"))
            fp = digest("id", bundle.version, bundle.ed25519, who("xwing_hash"))
            self.assertEqual(fp, who("fingerprint"))
            self.assertEqual(bundle.fingerprint, fp)
            self.assertEqual(fingerprint.to_groups(fp), who["groups"])
            self.assertEqual(fingerprint.to_words(fp), who["words"])
            for shown in ("groups", "words"):
                self.assertEqual(fingerprint.parse(who[shown]), fp)


class CertificateTests(SynchronousTestCase):
    """Revocation and succession."""

    def test_revocation(self) -> None:
        """What a fingerprint is made of, and the signature of whoever has the key."""
        values = read("certificates")["revocation"]
        alice = person(values["of"])
        signature = alice.sign("revocation", alice.fingerprint)
        bundle = alice.bundle
        certificate = encode(bundle.version, bundle.ed25519, bundle.xwing_hash, signature)
        self.assertEqual(certificate, values("certificate"))

    def test_succession(self) -> None:
        """The same, the new bundle and the date, and the signatures of both."""
        values = read("certificates")["succession"]
        old, new = person(values["old"]), person(values["new"])
        said = (new.bundle.encode(), values["date"])
        signed = (old.fingerprint, new.fingerprint, *said)
        self.assertEqual(encode("securechat/v1", "succession", *signed), values("signed"))
        signatures = (each.sign("succession", *signed) for each in (old, new))
        bundle = old.bundle
        self.assertEqual(
            encode(bundle.version, bundle.ed25519, bundle.xwing_hash, *said, *signatures),
            values("certificate"),
        )


class EntryCase(SynchronousTestCase):
    """What tests of entries share."""

    def check(self, values: Values, signed: SignedEntry, log: Log) -> None:
        """The entry's bytes and hashes are those in the file, and it leads to *log*."""
        self.assertEqual(encode(*signed.entry.value()), values("ent"))
        self.assertEqual(digest("ent", decode(values("ent"))), values("ent_hash"))
        self.assertEqual(signed.entry.hash, values("ent_hash"))
        self.assertEqual(signed.encode(), values("entry"))
        self.assertEqual(SignedEntry.decode(values("entry")), signed)
        ent = decode(values("ent"))
        head = digest("log", ent, values("tag"), values("signature"))
        self.assertEqual(head, values("head"))
        self.assertEqual((log.head, log.newest), (head, signed.entry))
        membership = Membership.of(decode(values("membership")))
        self.assertEqual(log.membership, membership)
        self.assertEqual(digest("state", *decode(values("membership"))), values("state_hash"))


class LogTests(EntryCase):
    """The entries and the log that they make."""

    def test_the_create_entry(self) -> None:
        """It makes the room, whose id is its head; its signature holds."""
        values, signed = read("log")["create"], created()
        log = Log.founded(signed)
        self.check(values, signed, log)
        self.assertEqual(log.room, values("head"))
        self.assertEqual(signed, SignedEntry.make(signed.entry, signed.tag, person("alice")))

    def test_the_add_entry(self) -> None:
        """It follows from the create entry; both its signatures hold."""
        values, signed = read("log")["add"], added()
        self.check(values, signed, Log.founded(created()).after(signed))
        self.assertEqual(signed, SignedEntry.make(signed.entry, signed.tag, person("alice")))

    def test_the_snapshot(self) -> None:
        """What the relay gives to a newcomer, who ends up with the same log."""
        log = Log.founded(created()).after(added())
        snapshot = read("log")("snapshot")
        self.assertEqual(log.snapshot(), snapshot)
        self.assertEqual(Log.entered(log.label, added(), snapshot), log)


class ChangeTests(EntryCase):
    """The entries of the other types, with their slices and keys."""

    def test_they_follow_one_another(self) -> None:
        """Each from the log and the chain before it, by an author whose signature holds."""
        log = Log.founded(created()).after(added())
        chain = read("keys")["epochs"][1]("chain")
        people = {person(name).fingerprint: person(name) for name in ("alice", "bob")}
        for kind, name in ((4, "update"), (5, "policy"), (3, "remove")):
            values = read("changes")[name]
            signed = signed_entry(values, detail_of(kind, decode(values("detail"))))
            log = log.after(signed)
            self.check(values, signed, log)
            author = people[values("author")]
            self.assertEqual(signed, SignedEntry.make(signed.entry, signed.tag, author))
            self.assertEqual(values("chain_before"), chain)
            secret = epoch_secret(chain, values("fresh"), signed.entry)
            self.assertEqual(secret, values("epoch_secret"))
            self.assertEqual(confirmation(secret, signed.entry), signed.tag)
            chain = expand(secret, "chain", "")
            self.assertEqual(chain, values("chain"))
            self.check_slices(values, signed, log)

    def check_slices(self, values: Values, signed: SignedEntry, log: Log) -> None:
        """One for each row where s is fresh, which opens under the leaf of that row."""
        rows = log.membership.rows if signed.entry.detail.FRESH else ()
        self.assertEqual(values("fresh") == bytes(32), not rows)
        for row, each in zip(rows, values["slices"], strict=True):
            leaf = XWing(each("leaf_secret"))
            self.assertEqual(leaf_hash(leaf.public), each("leaf_hash"))
            self.assertEqual(row.leaf_hash, each("leaf_hash"))
            self.assertEqual(digest("rekey", signed.entry.hash), each("info"))
            opened = leaf.open_sealed(each("sealed"), "rekey", signed.entry.hash)
            self.assertEqual(opened, values("fresh"))
            self.assertEqual(open_slice(leaf, signed.entry, each("sealed")), opened)

    def test_a_leave(self) -> None:
        """The evidence of the remove entry: Bob's signature over room, fingerprint and leaf."""
        ((member, why, evidence),) = decode(read("changes")["remove"]("detail"))
        bob, (leaf, *_) = person("bob"), decode(read("changes")["update"]("detail"))
        room = read("changes")["remove"]("room")
        self.assertEqual((member, why), (bob.fingerprint, 1))
        self.assertEqual(bob.sign("leave", room, member, leaf_hash(leaf)), evidence)


class KeyTests(SynchronousTestCase):
    """The key schedule and the ratchets."""

    def test_epochs(self) -> None:
        """Each epoch's secret from the chain before and s; chain, confirmation and tag from it."""
        chain = bytes(32)
        for values, signed in zip(read("keys")["epochs"], (created(), added()), strict=True):
            self.assertEqual(values("chain_before"), chain)
            extracted = extract(chain, values("fresh"))
            self.assertEqual(extracted, values("extracted"))
            secret = expand(extracted, "epoch", values("ent_hash"))
            self.assertEqual(secret, values("epoch_secret"))
            self.assertEqual(epoch_secret(chain, values("fresh"), signed.entry), secret)
            self.assertEqual(expand(secret, "confirm", ""), values("confirm"))
            tag = primitives.mac(values("confirm"), decode(values("ent")))
            self.assertEqual(tag, values("tag"))
            self.assertEqual((confirmation(secret, signed.entry), signed.tag), (tag, tag))
            chain = expand(secret, "chain", "")
            self.assertEqual(chain, values("chain"))
            self.check_senders(secret, values["senders"])

    def check_senders(self, secret: bytes, senders: list[Values]) -> None:
        """The ratchets of an epoch, one for each row, and their first keys."""
        derived = EpochKeys.of(secret, [each("fingerprint") for each in senders])
        for values in senders:
            start = Ratchet(expand(secret, "sender", values("fingerprint")))
            self.assertEqual(derived.ratchets[values["row"]], start)
            for message in values["messages"]:
                ratchet = start.skip(message["n"])
                self.assertEqual(ratchet, Ratchet(message("ratchet"), message["n"]))
                key, _ = ratchet.step()
                self.assertEqual(key, message("message_key"))


class AdmissionTests(SynchronousTestCase):
    """The sealed messages."""

    def setUp(self) -> None:
        """Read the file."""
        self.values = read("admission")
        self.place = Place(self.values("room"), self.values["epoch"], self.values("head"))

    def test_the_vouch(self) -> None:
        """It opens under the joiner's key; th1 is the hash of all that was said by then."""
        values, vouch = self.values, self.values["vouch"]
        context: list[Value] = [values("attempt"), values("joiner")]
        self.assertEqual(digest("vouch", context), vouch("info"))
        key = XWing(values("joiner_xwing_secret"))
        opened = key.open_sealed(vouch("sealed"), "vouch", context)
        self.assertEqual(opened, vouch("plaintext"))
        place = self.place
        content = [values("voucher"), place.room, place.epoch, place.head, vouch("k_v")]
        self.assertEqual(decode(opened), content)
        people = values("joiner"), values("voucher")
        th1 = first_transcript(values("attempt"), *people, place, vouch("sealed"))
        self.assertEqual(th1, vouch("th1"))
        self.assertEqual(
            th1, digest("th1", values("attempt"), *people, *content[1:4], vouch("sealed"))
        )

    def test_the_challenge(self) -> None:
        """It opens under the voucher's key; consent and proof in it hold."""
        values, challenge = self.values, self.values["challenge"]
        k_v, th1 = values["vouch"]("k_v"), values["vouch"]("th1")
        self.assertEqual(digest("challenge", th1), challenge("info"))
        key = XWing(values("voucher_xwing_secret"))
        opened = key.open_sealed(challenge("sealed"), "challenge", th1)
        self.assertEqual(opened, challenge("plaintext"))
        init, leaf = XWing(challenge("init_secret")), XWing(challenge("leaf_secret"))
        self.assertEqual((init.public, leaf.public), (challenge("init"), challenge("leaf")))
        self.assertEqual(
            decode(opened),
            [challenge(name) for name in ("k_j", "init", "leaf", "consent", "proof")],
        )
        self.assertEqual(init_hash(init.public), challenge("init_hash"))
        self.assertEqual(leaf_hash(leaf.public), challenge("leaf_hash"))
        place, hashes = self.place, (challenge("init_hash"), challenge("leaf_hash"))
        people = values("joiner"), values("voucher")
        agreed = consent(place.room, place.epoch, place.head, *people, *hashes, th1)
        self.assertEqual(encode("securechat/v1", "consent", *agreed), challenge("consent_signed"))
        person("bob").bundle.verify(challenge("consent"), "consent", *agreed)
        self.assertEqual(person("bob").sign("consent", *agreed), challenge("consent"))
        self.assertEqual(expand(k_v, "mac", ""), challenge("proof_key"))
        shown = primitives.mac(challenge("proof_key"), th1, challenge("k_j"), *hashes)
        self.assertEqual(shown, challenge("proof"))
        self.assertEqual(proof(k_v, th1, challenge("k_j"), init.public, leaf.public), shown)
        self.assertEqual(digest("th2", th1, challenge("sealed")), challenge("th2"))

    def test_the_response(self) -> None:
        """k_E opens under the one-use key; with both nonces it opens the key of the room."""
        response, challenge = self.values["response"], self.values["challenge"]
        th2 = challenge("th2")
        self.assertEqual(digest("response", th2), response("info"))
        handover, hidden = decode(response("response"))
        self.assertEqual(handover, response("sealed"))
        opened = XWing(challenge("init_secret")).open_sealed(handover, "response", th2)
        self.assertEqual(opened, response("plaintext"))
        self.assertEqual(decode(opened), [response("k_e")])
        nonces = self.values["vouch"]("k_v"), challenge("k_j"), response("k_e")
        key = expand(extract(th2, encode(*nonces)), "handover", "")
        self.assertEqual(key, response("key"))
        self.assertEqual(handover_key(th2, *nonces), key)
        self.assertEqual(digest("handover-ad", th2), response("associated"))
        inner = decrypt(key, response("nonce"), hidden, response("associated"))
        self.assertEqual(inner, response("handed_over"))
        secret, entry = decode(inner)
        self.assertEqual(secret, read("keys")["epochs"][1]("epoch_secret"))
        self.assertEqual(SignedEntry.decode(entry), added())

    def test_both_machines_say_just_this(self) -> None:
        """
        With the random values of the file, the state machines of both sides make and take the
        messages of the file.
        """
        values, challenge = self.values, self.values["challenge"]

        def seal(public: bytes, label: str, context: Value, plaintext: bytes) -> bytes:
            message: Values = values[label]
            self.assertEqual(digest(label, context), message("info"))
            self.assertEqual(plaintext, message("plaintext"))
            return message("sealed")

        k_e = values["response"]("k_e")
        self.patch(primitives, "seal", seal)
        self.patch(voucher_module, "seal", seal)
        self.patch(voucher_module, "random_bytes", lambda length: k_e)
        alice, bob, attempt = person("alice"), person("bob"), values("attempt")
        signed, secret = added(), read("keys")["epochs"][1]("epoch_secret")
        voucher = voucher_machine(
            voucher_module._VoucherCore(
                alice, attempt, bob.bundle, self.place, "lobby", values["vouch"]("k_v")
            )
        )
        joiner = joiner_machine(
            joiner_module._JoinerCore(
                *(bob, attempt, alice.fingerprint.__eq__, "lobby", None, challenge("k_j")),
                *(XWing(challenge("init_secret")), XWing(challenge("leaf_secret"))),
            )
        )
        voucher.challenged(joiner.vouched(alice.bundle, voucher.vouch()))
        response, proposed = voucher.respond(lambda add: (signed, secret))
        self.assertEqual((response, proposed), (values["response"]("response"), signed))
        joiner.answered(response)
        entrance = joiner.landed(signed.head)
        self.assertEqual((entrance.signed, entrance.secret), (signed, secret))


class StreamTests(SynchronousTestCase):
    """The transcript, and the frames in it."""

    def test_the_transcript(self) -> None:
        """Each item's digest, by what it is; T at each number."""
        transcript = Transcript.starting(0, read("transcript")("start"))
        previous = read("transcript")("start")
        for values in read("transcript")["stream"]:
            if values["item"] == "entry":
                self.assertEqual(digest("item", values("bytes")), values("digest"))
            else:
                self.assertEqual(digest("frame", values("bytes")), values("digest"))
                epoch, row, n, nonce, ciphertext = decode(values("bytes"))
                frame = Frame(Header(epoch, row, n), nonce, ciphertext)
                self.assertEqual(frame.digest, values("digest"))
            previous = digest("T", previous, values["seq"], values("digest"))
            self.assertEqual(previous, values("transcript"))
            transcript.fold(values["seq"], values("digest"))
            self.assertEqual(transcript.newest, (values["seq"], previous))

    def test_frames(self) -> None:
        """From what is said to the ciphertext, and back."""
        for values in read("frames")["frames"]:
            content = Content(
                values["kind"], values["seen_seq"], values("seen_transcript"), values("body")
            )
            self.assertEqual(content.padded(), values("padded"))
            header = Header(*values["header"])
            place = values("room"), values("head"), header.value()
            primitives.verify(
                values("sender"), values("signature"), "msg", *place, values("padded")
            )
            self.assertEqual(digest("ad", *place), values("associated"))
            plaintext = encode(values("padded"), values("signature"))
            self.assertEqual(plaintext, values("plaintext"))
            ciphertext = encrypt(
                values("message_key"), values("nonce"), plaintext, values("associated")
            )
            self.assertEqual(ciphertext, values("ciphertext"))
            frame = Frame(header, values("nonce"), ciphertext)
            self.assertEqual(frame.digest, values("digest"))
            self.check_opens(values, frame, content)

    def check_opens(self, values: Values, frame: Frame, content: Content) -> None:
        """The frame opens with the keys of ``keys.json``."""
        header = frame.header
        senders = read("keys")["epochs"][header.epoch - 1]["senders"]
        message = senders[header.row]["messages"][header.n]
        self.assertEqual(message("message_key"), values("message_key"))
        ratchet = Ratchet(message("ratchet"), header.n)
        place = values("room"), values("head")
        opened, _ = open_frame(frame, values("sender"), ratchet, *place)
        self.assertEqual(Content.unpadded(opened), content)

    def test_frames_are_in_the_stream(self) -> None:
        """Each frame is an item of the transcript, and saw what came before it there."""
        stream = read("transcript")["stream"]
        seen = {values["seq"]: values("transcript") for values in stream}
        digests = [values("digest") for values in stream]
        for values in read("frames")["frames"]:
            self.assertIn(values("digest"), digests)
            self.assertEqual(seen[values["seen_seq"]], values("seen_transcript"))
            self.assertLess(values["seen_seq"], digests.index(values("digest")) + 1)


class InviteTests(SynchronousTestCase):
    """How Alice invites Bob."""

    ORDER = 2**252 + 27742317777372353535851937790883648493

    def test_password(self) -> None:
        """w is HKDF of the words, reduced."""
        values = read("invite")
        derived = HKDF(SHA256(), 48, salt=None, info=b"SPAKE2 pw").derive(values["words"].encode())
        number = int.from_bytes(derived, "big") % self.ORDER
        self.assertEqual(number.to_bytes(32, "little"), values("w"))

    def test_both_sides(self) -> None:
        """From the random bytes follow both messages and both mails."""
        values = read("invite")
        code = Code.parse(values["code"])
        self.assertEqual((code.number, code.words), (values["number"], values["words"]))
        alice, bob = person("alice").bundle, person("bob").bundle
        label, room = values["label"], created().head
        random = {name: (lambda _, name=name: values(name)) for name in ("x_random", "y_random")}
        a = Inviter(alice, "alice", label, room, words=code.words, entropy=random["x_random"])
        b = Invited(bob, "bob", label, code, entropy=random["y_random"])
        self.assertEqual(a.pake, values("pake_a"))
        self.assertEqual(b.claim(a.pake), values("mail_b"))
        self.assertEqual(
            a.claimed(code.number, values("mail_b")), (Friend(bob, "bob"), values("mail_a"))
        )
        self.assertEqual(b.answered(values("mail_a")), (Friend(alice, "alice"), room))

    def test_derivation(self) -> None:
        """From K and both messages follow the keys, and what they encrypt."""
        values = read("invite")
        for name, side in (("id_a", "inviter"), ("id_b", "invited")):
            self.assertEqual(encode("securechat/v1", side, values["label"]), values(name))
        pakes = values("pake_a"), values("pake_b")
        self.assertEqual(digest("invite", values["label"], values["number"], *pakes), values("th"))
        self.assertEqual(encode(values("pake_b"), values("claim_box")), values("mail_b"))
        for label, key, plain, box in (
            ("invite-claim", "key_b", "claim", "claim_box"),
            ("invite-answer", "key_a", "answer", "mail_a"),
        ):
            self.assertEqual(expand(values("key"), label, values("th")), values(key))
            self.assertEqual(
                encrypt(values(key), bytes(12), values(plain), values("th")), values(box)
            )
        version, bundle, name, room = decode(values("answer"))
        self.assertEqual((version, name, room), (1, "alice", created().head))
        self.assertEqual(Bundle.decode(bundle), person("alice").bundle)


class WireTests(SynchronousTestCase):
    """The lines."""

    def test_every_line_parses_to_its_fields(self) -> None:
        """Each line has the class of its verb, the fields of the file, and its own bytes."""
        for values in read("wire")["lines"]:
            data = values["line"].encode("utf-8")
            line = parse(data)
            self.assertEqual(line.verb, values["verb"])
            self.assertEqual(serialise(line), data)
            self.assertEqual(lines.described(line), values)

    def test_every_verb_has_an_example(self) -> None:
        """No line of the protocol is left out."""
        verbs = {values["verb"] for values in read("wire")["lines"]}
        self.assertEqual(verbs, {line.verb for line in FROM_CLIENT | FROM_RELAY})

    def test_who_says_what(self) -> None:
        """A line is known to just the sides that hear it."""
        for values in read("wire")["lines"]:
            for side, says in (("client", FROM_CLIENT), ("relay", FROM_RELAY)):
                if side in values["from"]:
                    wire.parse(values["line"].encode("utf-8"), says)
                else:
                    error = self.assertRaises(
                        WireError, wire.parse, values["line"].encode("utf-8"), says
                    )
                    self.assertTrue(error.unknown)

    def test_lines_that_are_none(self) -> None:
        """Everybody refuses them."""
        for line in read("wire")["refused"]:
            self.assertRaises(WireError, parse, line.encode("utf-8"))
