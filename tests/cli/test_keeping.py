"""``securechat id backup`` and ``securechat id restore``."""

from __future__ import annotations

import json
from pathlib import Path

from securechat import keyfile
from securechat.address import Address
from securechat.cli import passphrase
from securechat.cli.profile import Profile
from securechat.client.known import ROOMS_FILE, KnownRooms
from securechat.identity import Identity
from securechat.trust import TRUST_FILE
from tests.cli import CommandTestCase, invoke

CHEAP = keyfile.Argon2Parameters(memory=8, iterations=1, lanes=1)
HERE = Address(host="relay.example")


class BackupTests(CommandTestCase):
    """Alice, whose identity has a passphrase, who trusts Bob and knows a room."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = Identity.generate()
        keyfile.create(self.home, self.alice, b"secret", kdf=CHEAP)
        Profile("alice", self.alice.bundle).save(self.home)
        self.secret = self.holding("secret")
        self.bob = self.friend("bob")["fingerprint"]
        self.ok("trust", "add", "bob", self.bob, "--passphrase-file", self.secret)
        KnownRooms.open(self.home, self.alice).learn(HERE, "lobby", bytes(32))
        self.file, self.new = Path(self.mktemp()).absolute(), Path(self.mktemp()).absolute()

    def holding(self, text: str) -> Path:
        """A file with that passphrase."""
        file = Path(self.mktemp()).absolute()
        file.write_text(text)
        return file

    def backup(self) -> str:
        """Make a backup, and return what is said."""
        return self.ok("id", "backup", self.file, "--passphrase-file", self.secret)

    def test_comes_back(self) -> None:
        """Key, name, trusted identities, rooms and revocation certificate come back."""
        shown = self.backup()
        self.assertIn("Identities that you trust: 1\nRooms that you know: 1\n", shown)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        arguments = "id", "restore", self.file, "--passphrase-file", self.secret
        shown = self.ok(*arguments, home=self.new)
        self.assertIn("alice is back", shown)
        self.assertIn("chat --rejoin ADDRESS", shown)
        again = keyfile.load(self.new / keyfile.KEY_FILE, b"secret")
        self.assertEqual(again.encode(), self.alice.encode())
        for name in "profile", TRUST_FILE, ROOMS_FILE, keyfile.revocation_path(Path(), again).name:
            self.assertEqual((self.new / name).read_bytes(), (self.home / name).read_bytes(), name)
            self.assertEqual((self.new / name).stat().st_mode & 0o777, 0o600)
        listed = self.ok("trust", "list", "--passphrase-file", self.secret, home=self.new)
        self.assertIn(self.bob, listed)

    def test_through_pipes(self) -> None:
        """A hyphen is stdout, on which nothing else is, and stdin; a script reads the same."""
        arguments = "id", "backup", "-", "--passphrase-file", self.secret
        text = self.ok(*arguments)
        self.assertTrue(text.startswith("-----BEGIN SECURECHAT BACKUP") and text.endswith("---\n"))
        shown = json.loads(self.ok(*arguments, "--json"))
        self.assertEqual((shown["trusted"], shown["rooms"]), (1, 1))
        result = invoke(
            *("--home", self.new, "id", "restore", "-", "--json", "--no-passphrase"),
            *("--passphrase-file", self.secret),
            typed=shown["backup"],
        )
        shown = json.loads(result.stdout)
        self.assertEqual((shown["name"], shown["trusted"], shown["rooms"]), ("alice", 1, 1))
        keyfile.load(self.new / keyfile.KEY_FILE, None)

    def test_never_overwrites(self) -> None:
        """Neither a backup nor a restore takes the place of what is there."""
        shown = self.json("id", "backup", self.file, "--passphrase-file", self.secret)
        self.assertEqual(shown["file"], str(self.file))
        before = self.file.read_bytes()
        self.assertIn("not overwritten", self.fails(1, "id", "backup", self.file))
        self.assertEqual(self.file.read_bytes(), before)
        self.assertIn("an identity already", self.fails(1, "id", "restore", self.file))
        (self.home / keyfile.KEY_FILE).unlink()
        self.assertIn("profile, and it", self.fails(1, "id", "restore", self.file))

    def test_only_the_key_is_lost(self) -> None:
        """A certificate that is still there stays; where keys of rooms are, they are not lost."""
        self.backup()
        for name in keyfile.KEY_FILE, "profile", TRUST_FILE, ROOMS_FILE:
            (self.home / name).unlink()
        (self.home / "state.sqlite").touch(mode=0o600)
        shown = self.ok("id", "restore", self.file, "--passphrase-file", self.secret)
        self.assertNotIn("--rejoin", shown)
        keyfile.load(self.home / keyfile.KEY_FILE, b"secret")

    def test_wrong_passphrase(self) -> None:
        """A wrong passphrase brings nothing back, and leaves nothing."""
        self.backup()
        wrong = self.holding("sercet")
        result = invoke("--home", self.new, "id", "restore", self.file, "--passphrase-file", wrong)
        self.assertEqual(result.exit_code, 1)
        self.assertIn("does not open", result.stderr)
        self.assertFalse(self.new.exists())

    def test_fails_in_between(self) -> None:
        """A restore that cannot be ended leaves nothing of what it wrote."""
        self.backup()

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device", "identity")

        self.patch(keyfile, "save", full)
        result = invoke(
            "--home", self.new, "id", "restore", self.file, "--passphrase-file", self.secret
        )
        self.assertEqual(result.exit_code, 1)
        self.assertIn("Make room", result.stderr)
        self.assertEqual(list(self.new.iterdir()), [])

    def test_no_backup(self) -> None:
        """A file that holds none is named before any passphrase."""
        complaint = invoke("--home", self.new, "id", "restore", self.secret).stderr
        self.assertIn("holds no backup", complaint)

    def test_identity_without_passphrase(self) -> None:
        """It has one in the backup, from a file or from the terminal; nothing is kept of none."""
        bare = Path(self.mktemp()).absolute()
        self.init("bot", bare)
        arguments = "id", "backup", self.file, "--backup-passphrase-file", self.secret
        self.assertIn("trust: 0\nRooms that you know: 0", self.ok(*arguments, home=bare))
        self.ok("id", "restore", self.file, "--passphrase-file", self.secret, home=self.new)
        self.assertFalse((self.new / TRUST_FILE).exists())
        keyfile.load(self.new / keyfile.KEY_FILE, b"secret")
        self.patch(passphrase, "has_terminal", lambda: False)
        result = invoke("--home", bare, "id", "backup", "-")
        self.assertIn("--passphrase-file", result.stderr)

    def test_options_of_the_group(self) -> None:
        """Options that stand before the command's name would do nothing, and are refused."""
        for option in "--json", "--export":
            self.assertIn("after the word backup", self.fails(2, "id", option, "backup", "-"))
