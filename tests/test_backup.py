"""Tests of `securechat.backup`."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import armour, keyfile
from securechat.backup import Backup, Locked
from securechat.encoding import encode
from securechat.errors import (
    EmptyPassphrase,
    NoBackup,
    NotEncrypted,
    SecureChatError,
    UnsupportedVersion,
    WrongPassphrase,
)
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from securechat.keyfile import Argon2Parameters

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
ALICE = Identity.generate()
WHERE = Path("backup.txt")
KEPT = Backup(ALICE, "alice", b"whom she trusts", b"her rooms")


class BackupTests(SynchronousTestCase):
    """An identity as one text."""

    def text(self, secret: bytes, passphrase: bytes | None = b"secret", version: int = 1) -> str:
        """The text of a backup that holds *secret*."""
        data = keyfile.lock("securechat backup", version, secret, passphrase, CHEAP)
        return armour.wrap("BACKUP", data, comment="")

    def test_round_trip(self) -> None:
        """All comes back under the passphrase, whatever stands around the text."""
        text = f"Keep this.\n\n{KEPT.to_armour(b'secret', kdf=CHEAP)}\n"
        found = Locked.from_armour(text, WHERE).open(b"secret")
        self.assertEqual(found.identity.encode(), ALICE.encode())
        self.assertEqual((found.name, found.trusted, found.rooms),
                         ("alice", b"whom she trusts", b"her rooms"))  # fmt: skip

    def test_long(self) -> None:
        """Trusted identities may be many more than fit into other armour."""
        trusted = bytes(armour.MAX_LENGTH)
        text = Backup(ALICE, "", trusted, b"").to_armour(b"secret", kdf=CHEAP)
        self.assertEqual(Locked.from_armour(text, WHERE).open(b"secret").trusted, trusted)

    def test_secret(self) -> None:
        """What is in it cannot be seen, but for the fingerprint; nor in a log."""
        text = KEPT.to_armour(b"secret", kdf=CHEAP)
        self.assertIn(to_groups(ALICE.fingerprint), text)
        data, _ = armour.unwrap("BACKUP", text)
        for each in ALICE.encode(), b"whom she trusts", b"her rooms":
            self.assertNotIn(each, data)
        for shown in repr(KEPT), repr(Locked.from_armour(text, WHERE)):
            self.assertNotIn("trusts", shown)

    def test_wrong_passphrase(self) -> None:
        """A wrong passphrase is told as that; an empty one makes no backup."""
        locked = Locked.from_armour(KEPT.to_armour(b"secret", kdf=CHEAP), WHERE)
        self.assertRaises(WrongPassphrase, locked.open, b"sercet")
        self.assertRaises(EmptyPassphrase, KEPT.to_armour, b"", kdf=CHEAP)

    def test_not_encrypted(self) -> None:
        """One that is not encrypted was not made by securechat, and is refused."""
        text = self.text(encode(ALICE.encode(), "", b"", b""), None)
        self.assertRaises(NotEncrypted, Locked.from_armour(text, WHERE).open, b"secret")

    def test_no_backup(self) -> None:
        """What is none, or of a key file, is refused with its name."""
        key = keyfile.lock("securechat identity", 1, ALICE.encode(), b"secret", CHEAP)
        for text in (
            "",
            armour.wrap("BACKUP", b"", comment=""),
            armour.wrap("BACKUP", key, comment=""),
        ):
            error = self.assertRaises(NoBackup, Locked.from_armour, text, WHERE)
            self.assertIn("backup.txt", str(error))
        for secret in b"", encode(1), encode(b"", "", b"", b""):
            locked = Locked.from_armour(self.text(secret), WHERE)
            self.assertRaises(NoBackup, locked.open, b"secret")

    def test_comment_of_another(self) -> None:
        """A comment that shows another fingerprint is not believed; it may be missing."""
        groups = to_groups(ALICE.fingerprint)
        text = KEPT.to_armour(b"secret", kdf=CHEAP)
        Locked.from_armour(text.replace(f"# {groups}\n", ""), WHERE).open(b"secret")
        wrong = Locked.from_armour(text.replace(groups, to_groups(bytes(32))), WHERE)
        self.assertRaises(NoBackup, wrong.open, b"secret")

    def test_later_version(self) -> None:
        """One of a later version is told as such."""
        text = self.text(b"", version=2)
        self.assertRaises(UnsupportedVersion, Locked.from_armour, text, WHERE)

    @given(st.data())
    def test_any_character_changed(self, data: st.DataObject) -> None:
        """A text in which a character is another one is refused, or says the same."""
        text = KEPT.to_armour(b"secret", kdf=CHEAP)
        place = data.draw(st.integers(0, len(text) - 1))
        wrong = text[:place] + data.draw(st.sampled_from("Az+/=#-\n ")) + text[place + 1 :]
        try:
            found = Locked.from_armour(wrong, WHERE).open(b"secret")
        except SecureChatError:
            return
        self.assertEqual(found.identity.encode(), ALICE.encode())
        self.assertEqual(found.trusted, KEPT.trusted)
