"""
``securechat id remember`` and ``securechat id forget``.

The keyrings of operating systems need a session of a desktop, or have a window ask. So the
library is the real one, and under it is a backend of the tests' own, which keeps what it is
given in a file, and can be locked or forget at once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from securechat import keyfile
from securechat.cli import passphrase, remembered
from securechat.cli.profile import Profile
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from tests.cli import CommandTestCase
from tests.cli.processes import ProcessTestCase

CHEAP = keyfile.Argon2Parameters(memory=8, iterations=1, lanes=1)


class FileKeyring(KeyringBackend):
    """A keyring in a file."""

    priority = 9

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(os.environ.get("TEST_KEYRING", "keyring"))
        self.locked = False
        self.forgets = False

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.forgets:
            self._write({**self._all(), f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = self._all()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError
        self._write(kept)

    def _all(self) -> dict[str, str]:
        if self.locked:
            raise KeyringLocked("it is locked")
        kept: dict[str, str] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return kept

    def _write(self, kept: dict[str, str]) -> None:
        self.path.write_text(json.dumps(kept))


class RememberTests(CommandTestCase):
    """Alice, whose identity has a passphrase, and a keyring."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = Identity.generate()
        keyfile.create(self.home, self.alice, b"s\xe9cret", kdf=CHEAP)
        Profile("alice", self.alice.bundle).save(self.home)
        self.file = Path(self.mktemp()).absolute()
        self.file.write_bytes(b"s\xe9cret")
        self.keyring = FileKeyring()
        self.keyring.path = Path(self.mktemp()).absolute()
        before = keyring.get_keyring()
        keyring.set_keyring(self.keyring)
        self.addCleanup(keyring.set_keyring, before)
        self.patch(passphrase, "has_terminal", lambda: False)
        self.path = self.home / remembered.REMEMBERED_FILE

    def remember(self, *options: str) -> str:
        """Remember the passphrase, and return what is said."""
        return self.ok("id", "remember", "--passphrase-file", self.file, *options)

    def asks(self) -> str:
        """A command needs the passphrase, and has nobody to ask; return what is said."""
        complaint = self.fails(1, "trust", "list")
        self.assertIn("no terminal to ask for the passphrase", complaint)
        return complaint

    def test_keyring(self) -> None:
        """What is in the keyring is asked for no more, until it is forgotten."""
        self.asks()
        self.assertIn("in the keyring", self.remember())
        self.ok("trust", "list")
        self.assertNotIn(b"s\xe9cret", self.path.read_bytes())
        self.assertIn("remembered no more", self.ok("id", "forget"))
        self.asks()
        self.assertEqual(json.loads(self.keyring.path.read_text()), {})
        self.assertIn("not remembered", self.ok("id", "forget"))

    def test_json(self) -> None:
        """A script reads where it is, and whether there was anything to forget."""
        self.assertEqual(json.loads(self.remember("--json")), {"remembered": "keyring"})
        for was in True, False:
            self.assertEqual(self.json("id", "forget"), {"forgotten": was})

    def test_locked(self) -> None:
        """A keyring that is locked later does no harm: the passphrase is asked for."""
        self.remember()
        self.keyring.locked = True
        self.assertIn("keyring does not give", self.asks())
        self.ok("trust", "list", "--passphrase-file", self.file)
        complaint = self.fails(1, "id", "forget")
        self.assertIn("did not let it go", complaint)
        self.assertNotIn("keyring", self.asks())

    def test_removed_elsewhere(self) -> None:
        """What somebody took out of the keyring is asked for again, and forgotten in peace."""
        self.remember()
        self.keyring.path.unlink()
        self.asks()
        self.ok("id", "forget")

    def test_file(self) -> None:
        """Where no keyring keeps it, it is in a private file if the user says so."""
        for breaks in "locked", "forgets":
            setattr(self.keyring, breaks, True)
            self.assertIn("can speak as you", self.remember("--file"))
            self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
            self.ok("trust", "list")
            self.ok("id", "forget")
            self.asks()
            setattr(self.keyring, breaks, False)
        self.keyring.locked = True
        self.assertEqual(json.loads(self.remember("--file", "--json")), {"remembered": "file"})

    def test_no_library(self) -> None:
        """Without the library it is the same as without a keyring."""
        self.remember()
        self.addCleanup(sys.modules.__setitem__, "keyring", sys.modules["keyring"])
        sys.modules["keyring"] = None  # type: ignore[assignment]  # as if it could not be imported
        self.asks()
        self.assertIn("can speak as you", self.remember("--file"))

    def test_nobody_to_ask(self) -> None:
        """No file is written without a word of the user's."""
        self.keyring.locked = True
        complaint = self.fails(1, "id", "remember", "--passphrase-file", self.file)
        self.assertIn("say --file", complaint)
        self.assertFalse(self.path.exists())

    def test_other_key(self) -> None:
        """A passphrase that is not the key's is told, and asked for."""
        remembered.Remembered(to_groups(self.alice.fingerprint), b"another").save(self.home)
        self.assertIn("not the one of this key", self.asks())

    def test_file_that_cannot_be_used(self) -> None:
        """What is damaged, of a later version, or open to others counts as nothing."""
        self.remember("--json")
        whole = self.path.read_bytes()
        for content in b"", whole[:-1], whole.replace(b"remembered\x01", b"remembered\x02"):
            self.path.write_bytes(content)
            self.asks()
        self.path.write_bytes(whole)
        self.path.chmod(0o644)
        self.asks()

    def test_nonsense_in_the_keyring(self) -> None:
        """What is in the keyring in our place, and is not ours, is asked for."""
        self.remember()
        self.keyring.set_password("securechat", to_groups(self.alice.fingerprint), "*")
        self.assertIn("keyring does not give", self.asks())

    def test_nothing_to_remember(self) -> None:
        """A key without a passphrase needs none."""
        bare = Path(self.mktemp()).absolute()
        self.init("bot", bare)
        complaint = self.fails(1, "id", "remember", "--home", bare)
        self.assertIn("not encrypted", complaint)


class TerminalTests(ProcessTestCase):
    """The same at a terminal, in processes of their own."""

    async def test_asked_before_a_file(self) -> None:
        """Where there is no keyring the user is told what a file means, and asked."""
        home = Path(self.mktemp()).absolute() / "alice"
        keyfile.create(home, Identity.generate(), b"secret", kdf=CHEAP)
        null = "keyring.backends.null.Keyring"
        for answer, code in ("n", 1), ("y", 0):
            shown = self.start(
                "id", "remember", "--home", home, terminal=True, PYTHON_KEYRING_BACKEND=null
            )
            await shown.says("Passphrase for .*identity: ")
            shown.type("secret")
            await shown.says("nothing against whoever can read your files")
            await shown.says(r"Keep it there\? \[y/N\]: ")
            shown.type(answer)
            self.assertEqual(await shown.ended, code, shown.output)
        listed = self.start("trust", "list", "--home", home, terminal=True)
        self.assertEqual(await listed.ended, 0)
        self.assertNotIn("Passphrase", listed.output)

    async def test_keyring(self) -> None:
        """A keyring that the library finds by itself is used by the next process."""
        home = Path(self.mktemp()).absolute() / "alice"
        keyfile.create(home, Identity.generate(), b"secret", kdf=CHEAP)
        chosen = {
            "PYTHON_KEYRING_BACKEND": "tests.cli.test_remembering.FileKeyring",
            "TEST_KEYRING": self.mktemp(),
        }
        shown = self.start("id", "remember", "--home", home, terminal=True, **chosen)
        await shown.says("Passphrase for .*identity: ")
        shown.type("secret")
        await shown.says("is in the keyring of your operating system now")
        self.assertEqual(await shown.ended, 0)
        listed = self.start("trust", "list", "--home", home, terminal=True, **chosen)
        self.assertEqual(await listed.ended, 0)
        self.assertNotIn("Passphrase", listed.output)
