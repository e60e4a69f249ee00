"""``securechat rotate`` and ``securechat revoke``."""

from __future__ import annotations

from pathlib import Path

from securechat import files, keyfile, revocation
from securechat.address import Address
from securechat.cli import rotating
from securechat.cli.profile import Profile
from securechat.client.known import KnownRooms
from securechat.client.lock import Lock
from securechat.fingerprint import parse, short, to_groups
from securechat.identity import Identity
from tests.cli import CommandTestCase
from tests.cli.processes import ProcessTestCase

CHEAP = keyfile.Argon2Parameters(memory=8, iterations=1, lanes=1)
HERE = Address(host="relay.example")


class RotateTests(CommandTestCase):
    """Alice, who trusts Bob, who trusts her."""

    def setUp(self) -> None:
        super().setUp()
        self.home = self.home / "alice"
        self.old = self.init()
        self.bob_home = Path(self.mktemp()).absolute()
        self.bob = self.init("bob", self.bob_home)
        self.ok("trust", "add", "bob", self.bob["fingerprint"])
        self.ok("trust", "add", "alice", self.old["fingerprint"], home=self.bob_home)
        self.identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        self.aside = self.home.with_name(f"alice-{short(self.identity.fingerprint)}")

    def test_takes_the_place(self) -> None:
        """The same directory has a new identity that knows the same; the old one is beside."""
        KnownRooms.open(self.home, self.identity).learn(HERE, "lobby", bytes(32))
        shown = self.ok("rotate", "--yes")
        new = self.json("id")
        self.assertEqual(new["name"], "alice")
        self.assertNotEqual(new["fingerprint"], self.old["fingerprint"])
        for each in new["fingerprint"], str(self.aside), "trust follow FILE", "leave ADDRESS":
            self.assertIn(each, shown)
        (bob,) = self.json("trust", "list")["trusted"]
        self.assertEqual(bob["fingerprint"], self.bob["fingerprint"])
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        self.assertEqual(KnownRooms.open(self.home, identity).find(HERE, "lobby"), bytes(32))
        self.assertTrue(keyfile.revocation_path(self.home, identity).exists())
        was = self.json("id", home=self.aside)
        self.assertEqual(was["fingerprint"], self.old["fingerprint"])
        self.assertEqual({*self.home.parent.iterdir()}, {self.home, self.aside})

    def test_friends_follow(self) -> None:
        """By the file that it writes, a friend comes to trust the new identity."""
        shown = self.json("rotate")
        self.assertEqual(
            (shown["old"], shown["old_home"]), (self.old["fingerprint"], str(self.aside))
        )
        self.ok("trust", "follow", shown["succession"], home=self.bob_home)
        (alice,) = self.json("trust", "list", home=self.bob_home)["trusted"]
        self.assertEqual(alice["fingerprint"], shown["new"])
        self.assertTrue(Path(shown["revocation"]).exists())

    def test_again(self) -> None:
        """To rotate a second time keeps both old ones."""
        self.ok("rotate")
        self.ok("rotate")
        self.assertEqual(len([*self.home.parent.iterdir()]), 3)

    def test_chat_that_runs(self) -> None:
        """While a chat goes on from the keys of rooms, nothing is done."""
        lock = Lock(self.home)
        self.addCleanup(lock.release)
        self.assertIn("uses the rooms", self.fails(1, "rotate"))
        self.assertEqual(self.json("id")["fingerprint"], self.old["fingerprint"])
        self.assertEqual([*self.home.parent.iterdir()], [self.home])

    def test_fails_in_between(self) -> None:
        """If it cannot be ended all is as it was."""

        def full(new: Path, place: Path, aside: Path) -> None:
            files.exchange(new / "missing", place, aside)

        self.patch(rotating, "exchange", full)
        self.fails(1, "rotate")
        self.assertEqual([*self.home.parent.iterdir()], [self.home])
        self.assertEqual(self.json("id")["fingerprint"], self.old["fingerprint"])

    def test_place_that_is_taken(self) -> None:
        """What stands where the old one would go is not overwritten."""
        self.aside.mkdir()
        self.assertIn("not overwritten", self.fails(1, "rotate"))

    def test_passphrases(self) -> None:
        """The new key has the same passphrase, or the one that is given for it."""
        home = Path(self.mktemp()).absolute() / "carol"
        identity = Identity.generate()
        keyfile.create(home, identity, b"secret", kdf=CHEAP)
        Profile("carol", identity.bundle).save(home)
        first, second = (Path(self.mktemp()).absolute() for _ in range(2))
        first.write_text("secret")
        second.write_text("another")
        self.ok("rotate", "--passphrase-file", first, home=home)
        keyfile.load(home / keyfile.KEY_FILE, b"secret")
        arguments = "--passphrase-file", first, "--new-passphrase-file", second
        self.ok("rotate", *arguments, home=home)
        keyfile.load(home / keyfile.KEY_FILE, b"another")


class RevokeTests(CommandTestCase):
    """``securechat revoke``."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = Identity.generate()
        keyfile.create(self.home, self.alice, b"secret", kdf=CHEAP)
        Profile("alice", self.alice.bundle).save(self.home)
        self.path = keyfile.revocation_path(self.home, self.alice)
        self.passphrase = Path(self.mktemp()).absolute()
        self.passphrase.write_text("secret")

    def test_shows(self) -> None:
        """On stdout is the certificate alone, which friends can use; no passphrase is needed."""
        text = self.ok("revoke", "--yes")
        self.assertEqual(text, self.path.read_text())
        bob = Path(self.mktemp()).absolute()
        self.init("bob", bob)
        self.ok("trust", "revoke", "-", typed=text, home=bob)

    def test_file_that_is_gone(self) -> None:
        """Where the file is gone, or holds something else, it is made again with the key."""
        other = revocation.to_armour(revocation.revocation(Identity.generate()))
        for content in None, "", other:
            if content is None:
                self.path.unlink()
            else:
                self.path.write_text(content)
            shown = self.json("revoke", "--passphrase-file", str(self.passphrase))
            certificate = revocation.from_armour(shown["revocation"])
            self.assertEqual(revocation.check_revocation(certificate), parse(shown["fingerprint"]))
            self.assertEqual(shown["fingerprint"], to_groups(self.alice.fingerprint))
            self.assertEqual(self.path.read_text(), shown["revocation"])


class TerminalTests(ProcessTestCase):
    """Both at a terminal."""

    async def test_asked_before(self) -> None:
        """Without a yes nothing is done, nor shown."""
        home, identity = self.home("alice")
        for command in "rotate", "revoke":
            shown = self.start(command, "--home", home, terminal=True)
            await shown.says(r"\[y/N\]: ")
            shown.type("n")
            await shown.says("Nothing was")
            self.assertEqual(await shown.ended, 1)
            self.assertNotIn("BEGIN", shown.output)
        again = keyfile.load(home / keyfile.KEY_FILE, None)
        self.assertEqual(again.fingerprint, identity.fingerprint)

    async def test_yes(self) -> None:
        """After a yes the certificate is there, and what to do with it."""
        home, _ = self.home("alice")
        shown = self.start("revoke", "--home", home, terminal=True)
        await shown.says(r"\[y/N\]: ")
        shown.type("y")
        await shown.says("BEGIN SECURECHAT REVOCATION")
        await shown.says("securechat trust revoke FILE")
        self.assertEqual(await shown.ended, 0)
