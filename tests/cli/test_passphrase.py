"""Where passphrases come from."""

from __future__ import annotations

import os
from pathlib import Path

from securechat import keyfile
from securechat.cli import passphrase
from securechat.identity import Identity
from tests.cli import CommandTestCase


class PassphraseTests(CommandTestCase):
    """The passphrase of an identity that is encrypted."""

    def setUp(self) -> None:
        super().setUp()
        self.cheap = keyfile.Argon2Parameters(memory=8, iterations=1, lanes=1)

    def encrypted(self, secret: bytes = b"secret") -> None:
        """Make an identity under the passphrase *secret*."""
        keyfile.create(self.home, Identity.generate(), secret, kdf=self.cheap)

    def at_a_terminal(self, there: bool = True) -> None:
        """Let the command find a terminal, or none."""
        self.patch(passphrase, "has_terminal", lambda: there)

    def file(self, content: bytes) -> Path:
        """A file with that content."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return path

    def test_new_one_is_asked_for_twice(self) -> None:
        """A new passphrase has to be typed twice, and until both are the same."""
        self.at_a_terminal()
        self.ok("init", "--name", "alice", typed="secret\nsecrte\nsecret\nsecret\n")
        keyfile.load(self.home / keyfile.KEY_FILE, b"secret")

    def test_prompt(self) -> None:
        """At a terminal the passphrase is asked for; it does not show."""
        self.encrypted()
        self.at_a_terminal()
        self.assertNotIn("secret", self.ok("trust", "list", typed="secret\n"))

    def test_wrong_at_the_prompt(self) -> None:
        """Whoever mistypes it has two more tries, then an error."""
        self.encrypted()
        self.at_a_terminal()
        self.ok("trust", "list", typed="secrte\nsercet\nsecret\n")
        complaint = self.fails(1, "trust", "list", typed="a\nb\nc\n")
        self.assertEqual(complaint.count("Try again"), 3)

    def test_nobody_to_ask(self) -> None:
        """Without a terminal the error names the options that a script has."""
        self.encrypted()
        self.at_a_terminal(False)
        self.assertIn("--passphrase-file", self.fails(1, "trust", "list"))

    def test_process_without_a_terminal(self) -> None:
        """That there is no terminal is seen from the process, whatever its stdin is."""

        def no_terminal(path: str, flags: int) -> int:
            raise OSError(6, "No such device or address", path)

        self.patch(os, "open", no_terminal)
        self.assertFalse(passphrase.has_terminal())

    def test_file(self) -> None:
        """One line end of the file is left out, in either spelling; a second one counts."""
        self.encrypted(b"two words \n")
        for content in b"two words \n\n", b"two words \n\r\n":
            self.ok("trust", "list", "--passphrase-file", self.file(content))
        for content in b"two words \n", b"two words \n\n\n":
            self.fails(1, "trust", "list", "--passphrase-file", self.file(content))

    def test_file_descriptor(self) -> None:
        """A number stands for an open file, as a parent process may leave one."""
        self.encrypted()
        reading, writing = os.pipe()
        os.write(writing, b"secret\n")
        os.close(writing)
        self.ok("trust", "list", "--passphrase-fd", str(reading))

    def test_file_that_is_not_there(self) -> None:
        """The file, or the descriptor, is named."""
        self.encrypted()
        complaint = self.fails(1, "trust", "list", "--passphrase-file", "missing")
        self.assertEqual(complaint, "securechat: missing: No such file or directory")
        self.assertIn("Bad file", self.fails(1, "trust", "list", "--passphrase-fd", "99"))

    def test_endless_file(self) -> None:
        """A file is read as far as a passphrase may reach."""
        self.encrypted()
        complaint = self.fails(2, "trust", "list", "--passphrase-file", "/dev/zero")
        self.assertIn("at most 4096", complaint)

    def test_both(self) -> None:
        """A file and a descriptor exclude each other."""
        complaint = self.fails(2, "trust", "list", "--passphrase-file", "x", "--passphrase-fd", "0")
        self.assertIn("exclude", complaint)

    def test_passphrase_for_an_open_key(self) -> None:
        """A passphrase for a key that is not encrypted is an error: who exchanged the key?"""
        self.init()
        complaint = self.fails(1, "trust", "list", "--passphrase-file", self.file(b"secret"))
        self.assertIn("not encrypted", complaint)

    def test_empty_passphrase(self) -> None:
        """An empty file is no passphrase."""
        complaint = self.fails(1, "init", "--name", "alice", "--passphrase-file", self.file(b"\n"))
        self.assertIn("--no-passphrase", complaint)
