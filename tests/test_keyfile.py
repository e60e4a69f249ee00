"""Tests of `securechat.keyfile`."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import primitives
from securechat.encoding import decode, encode
from securechat.errors import (
    DamagedFile,
    EmptyPassphrase,
    FileExists,
    NoIdentity,
    NotEncrypted,
    NotPrivate,
    PassphraseNeeded,
    SecureChatError,
    UnsupportedVersion,
    WrongPassphrase,
)
from securechat.identity import Identity
from securechat.keyfile import (
    KEY_FILE,
    Argon2Parameters,
    create,
    load,
    needs_passphrase,
    revocation_path,
    save,
)
from securechat.revocation import check_revocation, from_armour

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
ALICE = Identity.generate()
PASSPHRASE = "pässphrase".encode()


class KeyFileTests(SynchronousTestCase):
    """An identity's secrets on disk."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).resolve() / "home"
        self.path = self.home / KEY_FILE

    def rewrite(self, place: int, value: object) -> None:
        """Change one field of the key file, and its checksum to match."""
        *fields, _ = decode(self.path.read_bytes())
        fields[place] = value
        self.path.write_bytes(encode(*fields, primitives.digest("file", *fields)))

    def test_encrypted(self) -> None:
        """An encrypted identity comes back under its passphrase, and cannot be seen in the file."""
        save(self.path, ALICE, PASSPHRASE, kdf=CHEAP)
        self.assertTrue(needs_passphrase(self.path))
        self.assertEqual(load(self.path, PASSPHRASE).encode(), ALICE.encode())
        for secret in decode(ALICE.encode())[1:]:
            self.assertNotIn(secret, self.path.read_bytes())

    def test_not_encrypted(self) -> None:
        """Without a passphrase the identity comes back without one."""
        save(self.path, ALICE, None)
        self.assertFalse(needs_passphrase(self.path))
        self.assertEqual(load(self.path, None).encode(), ALICE.encode())

    def test_default_cost(self) -> None:
        """By default a guess costs what RFC 9106 recommends second: 64 MiB, three passes."""
        save(self.path, ALICE, PASSPHRASE)
        self.assertEqual(decode(self.path.read_bytes())[2], [65536, 3, 4])
        self.assertEqual(load(self.path, PASSPHRASE).fingerprint, ALICE.fingerprint)

    def test_each_file_is_different(self) -> None:
        """Salt and nonce are new for each file."""
        save(self.path, ALICE, PASSPHRASE, kdf=CHEAP)
        save(self.home / "other", ALICE, PASSPHRASE, kdf=CHEAP)
        one, two = (decode(path.read_bytes()) for path in (self.path, self.home / "other"))
        self.assertEqual(one[:3], two[:3])
        for place in (3, 4, 5):
            self.assertNotEqual(one[place], two[place])

    def test_wrong_passphrase(self) -> None:
        """A wrong passphrase is told as that."""
        save(self.path, ALICE, PASSPHRASE, kdf=CHEAP)
        for wrong in (b"wrong", b"", PASSPHRASE + b"\n"):
            self.assertRaises(WrongPassphrase, load, self.path, wrong)

    def test_passphrase_missing_or_superfluous(self) -> None:
        """It is told where a passphrase is needed, and where one is given in vain."""
        save(self.path, ALICE, PASSPHRASE, kdf=CHEAP)
        self.assertRaises(PassphraseNeeded, load, self.path, None)
        save(self.home / "plain", ALICE, None)
        self.assertRaises(NotEncrypted, load, self.home / "plain", PASSPHRASE)

    def test_empty_passphrase(self) -> None:
        """An empty passphrase is refused, and nothing is written."""
        self.assertRaises(EmptyPassphrase, save, self.path, ALICE, b"")
        self.assertFalse(self.path.exists())

    def test_never_overwritten(self) -> None:
        """An identity that is there stays."""
        save(self.path, ALICE, None)
        self.assertRaises(FileExists, save, self.path, Identity.generate(), None)
        self.assertEqual(load(self.path, None).fingerprint, ALICE.fingerprint)

    def test_open_to_others(self) -> None:
        """A key file that others can read is refused."""
        save(self.path, ALICE, None)
        self.path.chmod(0o644)
        self.assertRaises(NotPrivate, load, self.path, None)
        self.assertRaises(NotPrivate, needs_passphrase, self.path)

    def test_no_file(self) -> None:
        """Where there is no key file, it is told how to make one."""
        error = self.assertRaises(NoIdentity, load, self.path, None)
        self.assertIn("securechat init", str(error))

    @given(st.booleans(), st.data())
    def test_any_byte_changed(self, encrypted: bool, data: st.DataObject) -> None:
        """A file of which any one byte was changed is refused, and before a wrong key is tried:
        nobody is told that the passphrase is wrong when it is the file."""
        passphrase = PASSPHRASE if encrypted else None
        path = self.home / f"encrypted-{encrypted}"
        if not path.exists():
            save(path, ALICE, passphrase, kdf=CHEAP)
        whole = path.read_bytes()
        wrong = bytearray(whole)
        wrong[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(wrong)
        try:
            with self.assertRaises((DamagedFile, UnsupportedVersion)):
                load(path, passphrase)
        finally:
            path.write_bytes(whole)

    def test_header_is_authenticated(self) -> None:
        """Who changes the header and the checksum with it still gains nothing."""
        save(self.path, ALICE, PASSPHRASE, kdf=Argon2Parameters(16, 1, 2))
        whole = self.path.read_bytes()
        for place, value in ((2, [16, 1, 1]), (3, bytes(16)), (4, bytes(12)), (5, bytes(200))):
            self.path.write_bytes(whole)
            self.rewrite(place, value)
            self.assertRaises(WrongPassphrase, load, self.path, PASSPHRASE)

    def test_costs_are_bounded(self) -> None:
        """A file that asks for too much memory or time, or for nonsense, is refused at once."""
        save(self.path, ALICE, PASSPHRASE, kdf=CHEAP)
        for parameters in (
            [1024 * 1024 + 1, 1, 1],
            [8, 17, 1],
            [8 * 17, 1, 17],
            [7, 1, 1],
            [8, 0, 1],
            [8, 1, 0],
            [8, 1, "1"],
            [8, 1, 1, 1],
        ):
            self.rewrite(2, parameters)
            error = self.assertRaises(DamagedFile, load, self.path, PASSPHRASE)
            self.assertIn("Argon2 parameters", str(error))

    def test_bounds(self) -> None:
        """Nobody can choose parameters that could not be read again."""
        self.assertRaises(ValueError, Argon2Parameters, memory=2**21)

    def test_newer_version(self) -> None:
        """A file that a later version wrote is no damaged file."""
        save(self.path, ALICE, None)
        self.rewrite(1, 2)
        error = self.assertRaises(UnsupportedVersion, load, self.path, None)
        self.assertIn("you must upgrade", str(error))

    def test_other_files(self) -> None:
        """Other files are told as such; so are a key file's contents that are no identity."""
        save(self.path, ALICE, None)
        self.rewrite(5, b"no secrets")
        self.assertRaises(DamagedFile, load, self.path, None)
        for other in (b"", b"hello", encode(), encode("securechat trust", 1), bytes(5000)):
            self.path.write_bytes(other)
            self.assertRaises(DamagedFile, load, self.path, None)

    @given(st.binary(max_size=400))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are refused with an error of ours."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
        with self.assertRaises(SecureChatError):
            load(self.path, None)


class CreateTests(SynchronousTestCase):
    """A new identity in its directory."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).resolve() / "home"

    def test_both_files(self) -> None:
        """The identity and its revocation certificate are there, for the user alone."""
        create(self.home, ALICE, PASSPHRASE, kdf=CHEAP)
        self.assertEqual(load(self.home / KEY_FILE, PASSPHRASE).fingerprint, ALICE.fingerprint)
        certificate = revocation_path(self.home, ALICE)
        self.assertEqual(check_revocation(from_armour(certificate.read_text())), ALICE.fingerprint)
        self.assertEqual(certificate.stat().st_mode & 0o777, 0o600)

    def test_another_is_there(self) -> None:
        """Where there is an identity, nothing is written."""
        create(self.home, ALICE, None)
        before = sorted(os.listdir(self.home))
        self.assertRaises(FileExists, create, self.home, Identity.generate(), None)
        self.assertEqual(sorted(os.listdir(self.home)), before)

    def test_old_certificates_stay(self) -> None:
        """The certificate of an identity whose key is gone is kept beside the new one's."""
        create(self.home, ALICE, None)
        (self.home / KEY_FILE).unlink()
        bob = Identity.generate()
        create(self.home, bob, None)
        for identity in (ALICE, bob):
            self.assertTrue(revocation_path(self.home, identity).exists())

    def test_empty_passphrase(self) -> None:
        """An empty passphrase is refused."""
        self.assertRaises(EmptyPassphrase, create, self.home, ALICE, b"")
