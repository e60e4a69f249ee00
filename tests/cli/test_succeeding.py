"""``securechat succeed``."""

from __future__ import annotations

from pathlib import Path

from securechat import keyfile
from securechat.address import Address
from securechat.client.known import KnownRooms
from tests.cli import CommandTestCase, invoke

HERE = Address(host="relay.example")


class SucceedTests(CommandTestCase):
    """Alice has an old identity and a new one; Bob trusts the old one, and she him."""

    def setUp(self) -> None:
        super().setUp()
        self.old_home, self.bob_home = (Path(self.mktemp()).absolute() for _ in range(2))
        self.new = self.init()
        self.old = self.init("alice", self.old_home)
        self.bob = self.init("bob", self.bob_home)
        self.ok("trust", "add", "bob", self.bob["fingerprint"], home=self.old_home)
        self.ok("trust", "add", "alice", self.old["fingerprint"], home=self.bob_home)

    def test_friends_follow(self) -> None:
        """By the file that it writes, a friend comes to trust the new identity."""
        shown = self.ok("succeed", self.old_home)
        for each in self.old, self.new:
            self.assertIn(each["fingerprint"], shown)
        (file,) = self.home.glob("succession-*.txt")
        self.assertIn(str(file), shown)
        self.assertIn("securechat trust follow FILE", shown)
        self.ok("trust", "follow", file, home=self.bob_home)
        (alice,) = self.json("trust", "list", home=self.bob_home)["trusted"]
        self.assertEqual(alice["fingerprint"], self.new["fingerprint"])

    def test_keeps_what_the_old_one_knows(self) -> None:
        """The new identity trusts whom the old one does, and knows its rooms."""
        old, new = (keyfile.load(each / "identity", None) for each in (self.old_home, self.home))
        KnownRooms.open(self.old_home, old).learn(HERE, "lobby", bytes(32))
        self.assertIn("Identities that it trusts: 1", self.ok("succeed", self.old_home))
        (bob,) = self.json("trust", "list")["trusted"]
        self.assertEqual((bob["name"], bob["fingerprint"]), ("bob", self.bob["fingerprint"]))
        self.assertEqual(KnownRooms.open(self.home, new).find(HERE, "lobby"), bytes(32))

    def test_name_that_is_taken(self) -> None:
        """Who is not taken over is told, since the name is another's in the new home."""
        self.ok("trust", "add", "bob", self.friend("robert")["fingerprint"])
        shown = self.ok("succeed", self.old_home)
        self.assertIn("Not taken over, since bob is another identity here", shown)
        self.assertIn(self.bob["fingerprint"], shown)

    def test_json(self) -> None:
        """A script reads where the certificate is; to do it again does no harm."""
        for _ in range(2):
            shown = self.json("succeed", self.old_home)
            self.assertEqual(shown["old"], self.old["fingerprint"])
            self.assertEqual(shown["new"], self.new["fingerprint"])
            self.assertEqual((shown["trusted"], shown["left"]), (1, []))
            self.assertTrue(Path(shown["succession"]).exists())

    def test_passphrases(self) -> None:
        """Each identity has its own passphrase, from a file of its own."""
        files = [Path(self.mktemp()) for _ in range(2)]
        homes = [Path(self.mktemp()).absolute() for _ in range(2)]
        for file, home in zip(files, homes, strict=True):
            file.write_text(f"the passphrase of {home}")
            self.ok("init", "--name", "alice", "--passphrase-file", file, home=home)
        old, new = homes
        arguments = "succeed", old, "--old-passphrase-file", files[0], "--passphrase-file"
        self.assertEqual(invoke("--home", new, *arguments, files[0]).exit_code, 1)
        self.ok(*arguments, files[1], home=new)

    def test_of_itself(self) -> None:
        """Whoever names one directory twice is told so, and nothing is written."""
        self.assertIn("the same identity", self.fails(2, "succeed", self.home))
        self.assertEqual(list(self.home.glob("succession-*")), [])

    def test_no_old_identity(self) -> None:
        """A directory without an identity is an error, not the begin of one."""
        self.assertIn("no identity", self.fails(1, "succeed", Path(self.mktemp())))
