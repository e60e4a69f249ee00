"""``securechat trust``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from securechat import keyfile
from securechat.fingerprint import parse, to_groups
from securechat.identity import Identity
from securechat.revocation import revocation
from securechat.succession import succession
from securechat.trust import TrustStore
from tests.cli import CommandTestCase


class TrustTestCase(CommandTestCase):
    """Alice, who has an identity, and Bob, who is to be trusted."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.init()
        self.bob_home = Path(self.mktemp()).absolute()
        self.bob = self.init("bob", self.bob_home)

    def trusted(self) -> dict[str, str]:
        """Whom Alice trusts: name and fingerprint."""
        rows = self.json("trust", "list")["trusted"]
        return {each["name"]: each["fingerprint"] for each in rows}


class AddTests(TrustTestCase):
    """``securechat trust add``."""

    def test_command_of_the_friend(self) -> None:
        """What Bob's ``securechat id`` tells his friends to run makes them trust him."""
        _, *arguments = self.bob["trust"].split()
        self.assertIn("You trust bob now", self.ok(*arguments))
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_words(self) -> None:
        """Words are taken as one argument or as many, whatever their case."""
        words = self.bob["words"]
        self.ok("trust", "add", "bob", words.upper())
        self.ok("trust", "add", "bob", *words.split())
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_groups_as_several_arguments(self) -> None:
        """A fingerprint may be typed with spaces."""
        self.ok("trust", "add", "bob", *self.bob["fingerprint"].lower().split("-"))
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_file(self) -> None:
        """A bundle's file is taken, with its words to compare, and remembered as such."""
        file = Path(self.mktemp())
        file.write_text("From: Bob\n\n" + self.ok("id", "--export", home=self.bob_home))
        shown = self.ok("trust", "add", "bob", file)
        self.assertIn(self.bob["words"], shown)
        self.assertIn("Compare", shown)
        (row,) = self.json("trust", "list")["trusted"]
        self.assertEqual((row["how"], row["verified"]), ("file", True))

    def test_stdin(self) -> None:
        """A hyphen stands for stdin."""
        bundle = self.ok("id", "--export", home=self.bob_home)
        self.ok("trust", "add", "bob", "-", typed=bundle)
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_mistyped_group(self) -> None:
        """The group that is wrong is named, and nobody is trusted."""
        groups = self.bob["fingerprint"].split("-")
        groups[2] = groups[2][:-1] + ("A" if groups[2][-1] != "A" else "B")
        self.assertIn("group 3", self.fails(1, "trust", "add", "bob", "-".join(groups)))
        self.assertIn("group 3", self.fails(1, "trust", "add", "bob", *groups))
        self.assertEqual(self.trusted(), {})

    def test_unknown_word(self) -> None:
        """A word that is not on the list is named, with words that are near."""
        words = ["abandom", *self.bob["words"].split()[1:]]
        complaint = self.fails(1, "trust", "add", "bob", *words)
        self.assertIn("word 1 (abandom) is unknown; near it are: abandon", complaint)

    def test_neither_fingerprint_nor_file(self) -> None:
        """What looks like a file's name and is none is not called a mistyped fingerprint."""
        self.assertIn("no file 'bob.txt'", self.fails(1, "trust", "add", "bob", "bob.txt"))
        self.assertIn("characters", self.fails(1, "trust", "add", "bob", "bob"))

    def test_file_with_the_name_of_a_fingerprint(self) -> None:
        """A fingerprint is never read as a file's name: nobody can put another in its way."""
        mallory = Path(self.mktemp()).absolute()
        self.init("mallory", mallory)
        directory = Path(self.mktemp())
        directory.mkdir()
        file = directory / self.bob["fingerprint"]
        file.write_text(self.ok("id", "--export", home=mallory))
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(directory)
        self.ok("trust", "add", "bob", self.bob["fingerprint"])
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_name_that_would_fake_a_line(self) -> None:
        """A name that makes a message look like something else is refused."""
        for name in "* bob", "! ALARM, x", "bob:", "You":
            self.assertIn("in a chat", self.fails(1, "trust", "add", name, self.bob["fingerprint"]))
        self.assertEqual(self.trusted(), {})

    def test_mistyped_before_the_passphrase(self) -> None:
        """A mistyped fingerprint is told before anybody types a passphrase for it."""
        nobody = Path(self.mktemp())
        complaint = self.fails(1, "trust", "add", "--home", nobody, "bob", "KRSX")
        self.assertIn("characters", complaint)

    def test_own_fingerprint(self) -> None:
        """Whoever gives their own by mistake is told so."""
        complaint = self.fails(1, "trust", "add", "bob", self.alice["fingerprint"])
        self.assertIn("your own", complaint)

    def test_name_of_another(self) -> None:
        """A name is never given from one identity to another without a word."""
        carol = self.friend("carol")["fingerprint"]
        self.ok("trust", "add", "bob", self.bob["fingerprint"])
        complaint = self.fails(4, "trust", "add", "bob", carol)
        self.assertIn("Choose another", complaint)
        self.assertIn("THAT DO NOT BELONG TOGETHER", complaint)
        self.assertIn(f"{self.bob['fingerprint']} {self.bob['words']}", complaint)
        self.assertIn(carol, complaint)
        self.assertEqual(self.trusted(), {"bob": self.bob["fingerprint"]})

    def test_file_that_is_no_bundle(self) -> None:
        """A file without a bundle is refused, whatever it holds."""
        file = Path(self.mktemp())
        file.write_bytes(b"\xff" * 100_000)
        self.assertIn("holds no bundle", self.fails(1, "trust", "add", "bob", file))

    def test_json(self) -> None:
        """A script reads who was added."""
        shown = self.json("trust", "add", "bob", self.bob["fingerprint"])
        self.assertEqual(
            {**shown, "when": ""},
            {
                "name": "bob",
                "fingerprint": self.bob["fingerprint"],
                "how": "typed",
                "when": "",
                "voucher": None,
                "before": [],
                "verified": True,
                "compared": None,
            },
        )
        self.assertEqual(datetime.fromisoformat(shown["when"]).tzinfo, UTC)


class ListTests(TrustTestCase):
    """``securechat trust list``."""

    def test_nobody(self) -> None:
        """Whoever trusts nobody yet is told how to begin."""
        self.assertEqual(self.ok("trust", "list"), "")
        self.assertEqual(self.trusted(), {})

    def test_shows_how_each_came(self) -> None:
        """Who was only vouched for is never shown as verified, and the voucher is named."""
        store = TrustStore.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))
        carol, dave = (parse(self.friend(name)["fingerprint"]) for name in ("carol", "dave"))
        store.add("carol", carol, "vouched", datetime.now(UTC), voucher=dave)
        self.assertIn(f"because {to_groups(dave)} vouched", self.ok("trust", "list"))
        self.ok("trust", "add", "dave", to_groups(dave))
        shown = self.ok("trust", "list")
        self.assertIn("carol  (because dave vouched, not verified by you, ", shown)
        self.assertIn("dave  (by the fingerprint that you typed, ", shown)
        rows = self.json("trust", "list")["trusted"]
        self.assertEqual([each["verified"] for each in rows], [False, True])
        self.assertEqual(rows[0]["voucher"], to_groups(dave))

    def test_shows_how_each_was_compared(self) -> None:
        """How a fingerprint came and how it was compared are two things, and both are shown."""
        store = TrustStore.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))
        carol, dave = (parse(self.friend(name)["fingerprint"]) for name in ("carol", "dave"))
        store.add("carol", carol, "invited", datetime(2030, 1, 2, tzinfo=UTC))
        store.add("dave", dave, "first-use", datetime(2030, 1, 2, tzinfo=UTC))
        shown = self.ok("trust", "list")
        self.assertIn("carol  (by an invite, 2030-01-02)\n", shown)
        self.assertIn("dave  (believed at the first meeting, not verified by you, 2030", shown)
        store.verify(dave, "voice", datetime(2030, 1, 3, tzinfo=UTC))
        shown = self.ok("trust", "list")
        self.assertIn("meeting, 2030-01-02; compared by voice, 2030-01-03)", shown)
        rows = self.json("trust", "list")["trusted"]
        self.assertEqual([each["verified"] for each in rows], [True, True])
        self.assertEqual(rows[0]["compared"], None)
        expected = {"how": "voice", "when": "2030-01-03T00:00:00+00:00"}
        self.assertEqual(rows[1]["compared"], expected)

    def test_shows_successors(self) -> None:
        """Who took whose place is shown, and whether the user verified it."""
        store = TrustStore.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))
        old, new, other, newer = (Identity.generate() for _ in range(4))
        now = datetime.now(UTC)
        store.add("carol", old.fingerprint, "typed", now)
        store.add("dave", other.fingerprint, "vouched", now, voucher=old.fingerprint)
        store.follow(succession(old, new, now.date()), now)
        store.follow(succession(other, newer, now.date()), now)
        shown = self.ok("trust", "list")
        self.assertIn(f"carol  (in the place of {to_groups(old.fingerprint)}, 2", shown)
        self.assertIn(f"place of {to_groups(other.fingerprint)}, not verified by you, 2", shown)
        rows = self.json("trust", "list")["trusted"]
        self.assertEqual([each["how"] for each in rows], ["succeeded", "succeeded"])
        self.assertEqual(
            [each["before"] for each in rows],
            [[to_groups(old.fingerprint)], [to_groups(other.fingerprint)]],
        )

    def test_shows_the_revoked(self) -> None:
        """Who was revoked is not among the trusted, but is shown, by the name it had."""
        store = TrustStore.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))
        carol, dave = Identity.generate(), Identity.generate()
        store.add("carol", carol.fingerprint, "typed", datetime.now(UTC))
        for identity in carol, dave:
            store.revoke(revocation(identity), datetime.now(UTC))
        shown = self.ok("trust", "list")
        self.assertIn("carol  (REVOKED, 2", shown)
        self.assertIn("somebody whom you did not trust  (REVOKED, 2", shown)
        rows = self.json("trust", "list")
        self.assertEqual(rows["trusted"], [])
        self.assertEqual([each["name"] for each in rows["revoked"]], ["carol", None])
        self.assertEqual(
            [each["fingerprint"] for each in rows["revoked"]],
            [to_groups(carol.fingerprint), to_groups(dave.fingerprint)],
        )


class RemoveTests(TrustTestCase):
    """``securechat trust remove``."""

    def test_removes(self) -> None:
        """Who was removed is not trusted any more; the answer shows who that was."""
        self.ok("trust", "add", "bob", self.bob["fingerprint"])
        self.assertIn(self.bob["fingerprint"], self.ok("trust", "remove", "Bob"))
        self.assertEqual(self.trusted(), {})

    def test_json(self) -> None:
        """A script reads who was removed."""
        self.ok("trust", "add", "bob", self.bob["fingerprint"])
        shown = self.json("trust", "remove", "bob")
        self.assertEqual(shown["fingerprint"], self.bob["fingerprint"])

    def test_unknown_name(self) -> None:
        """A name that nobody has is an error."""
        self.assertIn("not among", self.fails(1, "trust", "remove", "bob"))
