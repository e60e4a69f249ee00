"""``securechat init`` and ``securechat id``."""

from __future__ import annotations

import shlex
from pathlib import Path

from securechat import keyfile, revocation
from securechat.cli.profile import Profile
from securechat.fingerprint import parse
from securechat.identity import Bundle, Identity
from tests.cli import CommandTestCase, invoke


class InitTests(CommandTestCase):
    """``securechat init``."""

    def test_makes_an_identity(self) -> None:
        """The key is there and opens; what is printed is its fingerprint, in both forms."""
        shown = self.init()
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        self.assertEqual(parse(shown["fingerprint"]), identity.fingerprint)
        self.assertEqual(parse(shown["words"]), identity.fingerprint)
        self.assertEqual((shown["name"], shown["home"]), ("alice", str(self.home)))

    def test_says_what_to_do_next(self) -> None:
        """It ends with the command that a friend runs, which can be copied as it stands."""
        name = "Al o'Neill"
        shown = self.ok("init", "--name", name, "--no-passphrase")
        fingerprint = self.json("id")["fingerprint"]
        command = f"securechat trust add {shlex.quote(name)} {fingerprint}"
        self.assertIn(f"\n    {command}\n", shown)
        self.assertIn("securechat trust add NAME FINGERPRINT", shown)

    def test_says_what_no_passphrase_means(self) -> None:
        """Whoever leaves the key unencrypted reads what that allows others."""
        shown = self.ok("init", "--name", "alice", "--no-passphrase")
        self.assertIn("whoever can read", shown)
        self.assertIn("can speak as you", shown)

    def test_names_the_revocation_certificate(self) -> None:
        """A certificate that revokes this identity is where the output says."""
        shown = self.init()
        certificate = revocation.from_armour(Path(shown["revocation"]).read_text("ascii"))
        self.assertEqual(revocation.check_revocation(certificate), parse(shown["fingerprint"]))

    def test_encrypts_under_a_passphrase_from_a_file(self) -> None:
        """One line end at the end of the file is not part of the passphrase."""
        file = Path(self.mktemp())
        file.write_text("correct horse\n")
        self.ok("init", "--name", "alice", "--passphrase-file", file)
        keyfile.load(self.home / keyfile.KEY_FILE, b"correct horse")
        self.assertIn("You trust nobody", invoke(
            "--home", self.home, "trust", "list", "--passphrase-file", file
        ).stderr)  # fmt: skip

    def test_never_overwrites(self) -> None:
        """A second identity does not take the place of the first, and nobody is asked first."""
        before = self.init()
        complaint = self.fails(1, "init", "--name", "mallory")
        self.assertIn("not overwritten", complaint)
        self.assertEqual(self.json("id")["fingerprint"], before["fingerprint"])

    def test_name_that_is_none(self) -> None:
        """A name that does not show, or that could be taken for a fingerprint, is refused."""
        for name in "", "a\u202eb", "x" * 65, self.friend("bob")["fingerprint"]:
            self.assertIn("--name", self.fails(2, "init", "--name", name, "--no-passphrase"))

    def test_nobody_to_ask_for_the_name(self) -> None:
        """Without a terminal a name has to be given, and nothing is made."""
        self.assertIn("Missing option '--name'", self.fails(2, "init", "--no-passphrase"))
        self.assertFalse(self.home.exists())

    def test_no_passphrase_and_a_passphrase(self) -> None:
        """Whoever says both is asked to decide; nothing is made."""
        complaint = self.fails(
            2, "init", "--name", "alice", "--no-passphrase", "--passphrase-fd", "0"
        )
        self.assertIn("exclude each other", complaint)
        self.assertFalse(self.home.exists())


class IdTests(CommandTestCase):
    """``securechat id``."""

    def test_needs_no_passphrase(self) -> None:
        """The fingerprint is public: it is shown though the key is encrypted."""
        file = Path(self.mktemp())
        file.write_text("correct horse")
        self.ok("init", "--name", "alice", "--passphrase-file", file)
        identity = keyfile.load(self.home / keyfile.KEY_FILE, b"correct horse")
        self.assertEqual(parse(self.json("id")["fingerprint"]), identity.fingerprint)

    def test_shows_what_init_has_shown(self) -> None:
        """Fingerprint, words and the command for a friend are the same, then and now."""
        first = self.init()
        shown = self.json("id")
        for key in "name", "fingerprint", "words", "trust":
            self.assertEqual(shown[key], first[key])
        text = self.ok("id")
        self.assertIn(f"    {first['trust']}\n", text)
        self.assertIn(first["words"], " ".join(text.split()))

    def test_exports_the_bundle(self) -> None:
        """``--export`` writes the armoured bundle and nothing else; JSON can hold it too."""
        fp = parse(self.init()["fingerprint"])
        text = self.ok("id", "--export")
        self.assertEqual(Bundle.from_armour(text).fingerprint, fp)
        self.assertTrue(text.startswith("-----BEGIN") and text.endswith("-----\n"))
        self.assertEqual(self.json("id", "--export")["bundle"], text)

    def test_no_identity(self) -> None:
        """Whoever has none yet is told how to make one."""
        self.assertIn("securechat init", self.fails(1, "id"))


class ProfileTests(CommandTestCase):
    """The file that shows the identity without opening it."""

    def test_only_the_key_file_came_back(self) -> None:
        """Without a profile the identity is shown from the key, and has no name any more."""
        before = self.init()
        (self.home / "profile").unlink()
        shown = self.json("id")
        self.assertEqual((shown["name"], shown["fingerprint"]), ("", before["fingerprint"]))
        self.assertIn("trust add NAME", shown["trust"])
        self.assertEqual(self.json("trust", "list"), {"trusted": [], "revoked": []})

    def test_profile_of_another_identity(self) -> None:
        """Where somebody exchanged the profile, the first command that opens the key says so."""
        self.init()
        Profile("alice", Identity.generate().bundle).save(self.home)
        self.assertIn("another identity", self.fails(1, "trust", "list"))

    def test_damaged_profile(self) -> None:
        """What is no profile is named, and left as it is."""
        self.init()
        for content in b"", b"\x81\x61x", b"\x82\x72securechat profile\x01":
            (self.home / "profile").write_bytes(content)
            self.assertIn("profile cannot be used", self.fails(1, "id"))

    def test_profile_of_a_later_version(self) -> None:
        """Whoever has an old securechat is told to upgrade."""
        self.init()
        (self.home / "profile").write_bytes(b"\x82\x72securechat profile\x02")
        self.assertIn("you must upgrade", self.fails(1, "id"))
