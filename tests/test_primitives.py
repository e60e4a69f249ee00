"""
The primitives, against the RFCs' own examples and against the bare functions under them.

What is hashed, signed or sealed is a CBOR array; here its bytes are spelled out by hand, so that
a change of the encoding or of a label's place is seen.
"""

from __future__ import annotations

import hashlib
import hmac
import json

import cryptography_vectors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import primitives
from securechat.errors import BadCiphertext, BadSignature, EncodingError
from securechat.primitives import (
    XWING_LENGTH,
    Label,
    XWing,
    decrypt,
    digest,
    encrypt,
    expand,
    expander,
    extract,
    mac,
    random_bytes,
    same,
    seal,
    sign,
    verify,
)

PROTOCOL = b"\x6dsecurechat/v1"  # text of 13 bytes

ALICE = XWing(bytes(range(96)))
MALLORY = XWing(bytes(range(1, 97)))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNER_PUBLIC = SIGNER.public_key().public_bytes_raw()


def flipped(data: bytes, bit: int) -> bytes:
    """*data* with one bit changed, counted from its start and round again."""
    at, bit = divmod(bit % (8 * len(data)), 8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


bits = st.integers(0, 1 << 20)


class DigestTests(SynchronousTestCase):
    """Hashes and message authentication codes."""

    def test_digest_binds_protocol_label_and_values(self) -> None:
        """H("id", 1, "a") is SHA-256 of the array of protocol, label and values."""
        self.assertEqual(
            digest("id", 1, b"a"), hashlib.sha256(b"\x84" + PROTOCOL + b"\x62id\x01\x41a").digest()
        )

    def test_digest_of_no_value(self) -> None:
        """The label alone is hashed."""
        self.assertEqual(digest("id"), hashlib.sha256(b"\x82" + PROTOCOL + b"\x62id").digest())

    def test_mac_is_over_the_array_alone(self) -> None:
        """The key of a MAC has a label already, so the array has none."""
        self.assertEqual(mac(b"key", b"a", 1), hmac.digest(b"key", b"\x82\x41a\x01", "sha256"))

    def test_same_compares(self) -> None:
        """Equal secrets are the same; others, of whatever length, are not."""
        self.assertTrue(same(b"secret", b"secret"))
        self.assertFalse(same(b"secret", b"secreT"))
        self.assertFalse(same(b"secret", b"secre"))

    def test_random_bytes_are_as_many_as_asked_for(self) -> None:
        """Two calls return different bytes."""
        self.assertEqual(len(random_bytes(32)), 32)
        self.assertNotEqual(random_bytes(32), random_bytes(32))


class DerivationTests(SynchronousTestCase):
    """HKDF."""

    def test_extract(self) -> None:
        """RFC 5869, appendix A.1: the pseudorandom key."""
        self.assertEqual(
            extract(bytes(range(13)), b"\x0b" * 22).hex(),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        )

    def test_expand_is_one_block_over_the_array(self) -> None:
        """RFC 5869, section 2.3, for 32 bytes: HMAC over info and the counter 1."""
        info = b"\x83" + PROTOCOL + b"\x63msg\x40"
        self.assertEqual(
            expand(b"k" * 32, "msg", b""), hmac.digest(b"k" * 32, info + b"\x01", "sha256")
        )

    def test_an_expander_is_of_one_label_and_context(self) -> None:
        """It gives for each key what `expand` does."""
        expanded = expander("msg", [b"c", 1])
        for key in (b"k" * 32, b"l" * 32):
            self.assertEqual(expanded(key), expand(key, "msg", [b"c", 1]))


class SignatureTests(SynchronousTestCase):
    """Ed25519 over a labelled array."""

    def test_the_signature_is_over_the_array(self) -> None:
        """RFC 8032 over protocol, label and values, 64 bytes; and it verifies."""
        signature = sign(SIGNER, "entry", 7)
        self.assertEqual(signature, SIGNER.sign(b"\x83" + PROTOCOL + b"\x65entry\x07"))
        verify(SIGNER_PUBLIC, signature, "entry", 7)

    def test_a_label_of_encoded_values_gives_the_same(self) -> None:
        """What a `Label` hashes and signs is what the functions do, and it verifies only that."""
        label, items = Label("msg", 2), b"\x07\x41a"
        self.assertEqual(label.digest(items), digest("msg", 7, b"a"))
        signature = label.sign(SIGNER, items)
        self.assertEqual(signature, sign(SIGNER, "msg", 7, b"a"))
        label.verify(SIGNER_PUBLIC, signature, items)
        for other, values in ((label, b"\x08\x41a"), (Label("ad", 2), items)):
            error = self.assertRaises(BadSignature, other.verify, SIGNER_PUBLIC, signature, values)
            self.assertEqual(str(error), str(BadSignature(what=other.name)))

    def test_nothing_else_verifies(self) -> None:
        """Another label, value, count of values or signer: the signature does not hold."""
        signature = sign(SIGNER, "entry", 7)
        for public, label, values in [
            (SIGNER_PUBLIC, "msg", (7,)),
            (SIGNER_PUBLIC, "entry", (8,)),
            (SIGNER_PUBLIC, "entry", (7, 7)),
            (bytes(32), "entry", (7,)),
        ]:
            error = self.assertRaises(BadSignature, verify, public, signature, label, *values)
            self.assertEqual(error.what, label)

    @given(bits)
    def test_a_changed_signature_does_not_verify(self, bit: int) -> None:
        """One bit is enough."""
        signature = flipped(sign(SIGNER, "entry"), bit)
        self.assertRaises(BadSignature, verify, SIGNER_PUBLIC, signature, "entry")

    @given(st.binary(max_size=40), st.binary(max_size=70))
    def test_any_bytes_are_refused_with_one_error(self, public: bytes, signature: bytes) -> None:
        """Keys and signatures of a wrong length are bad signatures, no more."""
        self.assertRaises(BadSignature, verify, public, signature, "entry")


class CipherTests(SynchronousTestCase):
    """ChaCha20-Poly1305."""

    def test_the_example_of_the_rfc(self) -> None:
        """RFC 8439, section 2.8.2, both ways."""
        key = bytes(range(0x80, 0xA0))
        nonce = bytes.fromhex("070000004041424344454647")
        associated = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
        plaintext = (
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
            b"the future, sunscreen would be it."
        )
        ciphertext = encrypt(key, nonce, plaintext, associated)
        self.assertEqual(ciphertext[:16].hex(), "d31a8d34648e60db7b86afbc53ef7ec2")
        self.assertEqual(ciphertext[-16:].hex(), "1ae10b594f09e26a7e902ecbd0600691")
        self.assertEqual(decrypt(key, nonce, ciphertext, associated), plaintext)

    @given(st.sampled_from(range(4)), bits)
    def test_what_is_changed_does_not_decrypt(self, which: int, bit: int) -> None:
        """One bit of key, nonce, ciphertext or associated data is enough."""
        parts = [bytes(32), bytes(12), encrypt(bytes(32), bytes(12), b"text", b"ad"), b"ad"]
        parts[which] = flipped(parts[which], bit)
        self.assertRaises(BadCiphertext, decrypt, *parts)

    @given(st.binary(max_size=40), st.binary(max_size=20), st.binary(max_size=40))
    def test_any_bytes_are_refused_with_one_error(
        self, key: bytes, nonce: bytes, ciphertext: bytes
    ) -> None:
        """Keys, nonces and ciphertexts of a wrong length do not decrypt, no more."""
        self.assertRaises(BadCiphertext, decrypt, key, nonce, ciphertext, b"")


class SealTests(SynchronousTestCase):
    """HPKE with X-Wing, single shot."""

    def test_what_is_sealed_opens(self) -> None:
        """The owner of the key reads it, and it is 1,136 bytes longer than it was."""
        ciphertext = seal(ALICE.public, "vouch", [b"a", 1], b"text")
        self.assertEqual(len(ciphertext), 4 + 1136)
        self.assertEqual(ALICE.open_sealed(ciphertext, "vouch", [b"a", 1]), b"text")

    def test_what_is_sealed_opens_nowhere_else(self) -> None:
        """Another key, label or context: it does not open."""
        ciphertext = seal(ALICE.public, "vouch", [b"a", 1], b"text")
        for key, label, context in [
            (MALLORY, "vouch", [b"a", 1]),
            (ALICE, "challenge", [b"a", 1]),
            (ALICE, "vouch", [b"a", 2]),
            (ALICE, "vouch", [b"a"]),
        ]:
            self.assertRaises(BadCiphertext, key.open_sealed, ciphertext, label, context)

    @given(bits)
    def test_what_is_changed_does_not_open(self, bit: int) -> None:
        """One bit anywhere, in the encapsulated key or after it, is enough."""
        ciphertext = flipped(seal(ALICE.public, "vouch", b"", b"text"), bit)
        self.assertRaises(BadCiphertext, ALICE.open_sealed, ciphertext, "vouch", b"")

    @given(st.binary(max_size=64) | st.integers(0, 1140).map(bytes))
    def test_any_bytes_are_refused_with_one_error(self, data: bytes) -> None:
        """What is too short for an encapsulated key does not open, no more."""
        self.assertRaises(BadCiphertext, ALICE.open_sealed, data, "vouch", b"")

    def test_a_public_key_of_another_length(self) -> None:
        """A stranger's key may be of any length: only one is a key."""
        for public in (b"", ALICE.public[:-1], ALICE.public + b"\0", ALICE.public[:32]):
            self.assertRaises(EncodingError, seal, public, "vouch", b"", b"text")

    def test_a_public_key_that_is_none(self) -> None:
        """ML-KEM coefficients beyond the modulus and the X25519 point zero are refused."""
        for public in (b"\xff" * XWING_LENGTH, ALICE.public[:-32] + bytes(32)):
            self.assertRaises(EncodingError, seal, public, "vouch", b"", b"text")

    def test_a_key_pair_comes_back_from_its_secret(self) -> None:
        """The 96 bytes that are kept make the same public key."""
        key = XWing.generate()
        self.assertEqual(XWing(key.secret).public, key.public)
        self.assertNotEqual(XWing.generate().public, key.public)

    def test_repr_shows_no_secret(self) -> None:
        """A key that ends in a log or a traceback says nothing."""
        self.assertEqual(repr(ALICE), "<XWing, secret>")


class VectorTests(SynchronousTestCase):
    """
    The vector of HPKE's post-quantum draft for X-Wing, HKDF-SHA256 and ChaCha20-Poly1305.

    Its secret key is X-Wing's seed, which SHAKE-256 stretches to the 96 bytes that we keep. Its
    ciphertexts have associated data, which the single shot of ``cryptography`` has not: so the
    text is encrypted without, under the vector's own key and nonce. It opens only where our key
    decapsulates the vector's encapsulated key and the suite derives that very key and nonce.
    """

    def setUp(self) -> None:
        with cryptography_vectors.open_vector_file("HPKE/hpke-pq-test-vectors.json", "r") as file:
            vectors = json.load(file)
        suite = {"mode": 0, "kem_id": 0x647A, "kdf_id": 0x0001, "aead_id": 0x0003}
        [self.vector] = [each for each in vectors if suite.items() <= each.items()]

    def bytes_of(self, name: str) -> bytes:
        """One field of the vector."""
        return bytes.fromhex(self.vector[name])

    def key(self) -> XWing:
        """The vector's key pair, as ours."""
        return XWing(hashlib.shake_256(self.bytes_of("skRm")).digest(96))

    def test_the_public_key(self) -> None:
        """Our secret's layout gives the vector's public key."""
        self.assertEqual(self.key().public, self.bytes_of("pkRm"))

    def test_a_ciphertext_opens(self) -> None:
        """What the vector's sender encapsulated, we open."""
        text = ChaCha20Poly1305(self.bytes_of("key")).encrypt(
            self.bytes_of("base_nonce"), b"text", None
        )
        self.patch(primitives, "digest", lambda *_: self.bytes_of("info"))
        self.assertEqual(self.key().open_sealed(self.bytes_of("enc") + text, "any", b""), b"text")
