"""``securechat trust revoke`` and ``securechat trust follow``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from securechat import armour, keyfile, revocation, succession
from securechat.encoding import decode, encode
from securechat.fingerprint import to_groups, to_words
from securechat.identity import Identity
from tests.cli import CommandTestCase

DAY = date(2030, 1, 2)


class CertificateTestCase(CommandTestCase):
    """Alice trusts Bob, who has another identity besides."""

    def setUp(self) -> None:
        super().setUp()
        self.init()
        self.bob, self.new = Identity.generate(), Identity.generate()
        self.ok("trust", "add", "bob", to_groups(self.bob.fingerprint))

    def file(self, text: str) -> Path:
        """A file that holds *text* somewhere."""
        path = Path(self.mktemp())
        path.write_text(f"Dear friends,\n\n{text}\nBob")
        return path

    def revocation(self, identity: Identity) -> Path:
        """A file by which *identity* revokes itself."""
        return self.file(revocation.to_armour(revocation.revocation(identity)))

    def succession(self, old: Identity, new: Identity) -> Path:
        """A file by which *new* takes the place of *old*."""
        return self.file(succession.to_armour(succession.succession(old, new, DAY)))

    def myself(self) -> Identity:
        """Alice."""
        return keyfile.load(self.home / keyfile.KEY_FILE, None)

    def trusted(self) -> dict[str, str]:
        """Whom Alice trusts: name and fingerprint."""
        rows = self.json("trust", "list")["trusted"]
        return {each["name"]: each["fingerprint"] for each in rows}


class RevokeTests(CertificateTestCase):
    """``securechat trust revoke``."""

    def test_friend(self) -> None:
        """Who was trusted is not any more, and cannot be added again."""
        shown = self.ok("trust", "revoke", self.revocation(self.bob))
        groups = to_groups(self.bob.fingerprint)
        self.assertIn(f"bob is revoked:\n\n    {groups}\n", shown)
        self.assertEqual(self.trusted(), {})
        complaint = self.fails(4, "trust", "add", "bob", groups)
        self.assertIn("was revoked", complaint)

    def test_stranger(self) -> None:
        """The certificate of somebody unknown is kept for the day when somebody adds them."""
        shown = self.ok("trust", "revoke", self.revocation(self.new))
        self.assertIn("An identity that you do not trust is revoked", shown)
        self.fails(4, "trust", "add", "rob", to_groups(self.new.fingerprint))
        self.assertEqual(list(self.trusted()), ["bob"])

    def test_stdin(self) -> None:
        """A hyphen stands for stdin; a script reads what has changed."""
        text = revocation.to_armour(revocation.revocation(self.bob))
        self.ok("trust", "revoke", "-", typed=text)
        again = self.json("trust", "revoke", self.revocation(self.bob))
        self.assertEqual(
            {**again, "when": ""},
            {
                "name": "bob",
                "fingerprint": to_groups(self.bob.fingerprint),
                "when": "",
                "successor": None,
            },
        )

    def test_whose_place_was_taken(self) -> None:
        """Who took the place of the revoked one may be the thief: the user is told to compare."""
        self.ok("trust", "follow", self.succession(self.bob, self.new))
        file = self.revocation(self.bob)
        shown = self.ok("trust", "revoke", file)
        self.assertIn("An earlier identity of bob is revoked", shown)
        self.assertIn("Its successor is still trusted", shown)
        self.assertIn(to_groups(self.new.fingerprint), shown)
        self.assertIn("trust remove 'bob'", shown)
        self.assertEqual(self.json("trust", "revoke", file)["successor"]["name"], "bob")

    def test_own(self) -> None:
        """Whoever revokes their own identity here by mistake is told who is to do that."""
        complaint = self.fails(1, "trust", "revoke", self.revocation(self.myself()))
        self.assertIn("securechat trust revoke FILE", complaint)

    def test_file_without_a_certificate(self) -> None:
        """What is no certificate, or of another kind, is refused before any passphrase."""
        for path in self.file("nothing"), self.succession(self.bob, self.new):
            complaint = self.fails(1, "trust", "revoke", path, "--passphrase-file", "missing")
            self.assertIn("holds no revocation certificate", complaint)
        self.assertEqual(list(self.trusted()), ["bob"])


class FollowTests(CertificateTestCase):
    """``securechat trust follow``."""

    def test_friend(self) -> None:
        """The new identity has the name of the old one; both are shown."""
        shown = self.ok("trust", "follow", self.succession(self.bob, self.new))
        self.assertIn("bob has a new identity, since 2030-01-02", shown)
        for each in self.bob, self.new:
            self.assertIn(to_groups(each.fingerprint), shown)
            self.assertIn(to_words(each.fingerprint), " ".join(shown.split()))
        self.assertEqual(self.trusted(), {"bob": to_groups(self.new.fingerprint)})
        complaint = self.fails(4, "trust", "add", "rob", to_groups(self.bob.fingerprint))
        self.assertIn("has a successor already", complaint)
        self.assertIn("It is an earlier identity of bob", complaint)
        self.assertIn("Do not trust it again", complaint)

    def test_second_successor(self) -> None:
        """Whoever names another successor is refused, and both are shown."""
        self.ok("trust", "follow", self.succession(self.bob, self.new))
        other = Identity.generate()
        complaint = self.fails(4, "trust", "follow", self.succession(self.bob, other))
        self.assertIn("A certificate names a new identity", complaint)
        for each in self.new, other:
            self.assertIn(to_words(each.fingerprint), complaint)
        self.assertEqual(self.trusted(), {"bob": to_groups(self.new.fingerprint)})

    def test_again(self) -> None:
        """To follow the same certificate twice is told, and raises no alarm."""
        self.ok("trust", "follow", self.succession(self.bob, self.new))
        complaint = self.fails(4, "trust", "follow", self.succession(self.bob, self.new))
        self.assertIn("has a successor already", complaint)
        self.assertNotIn("BELONG TOGETHER", complaint)

    def test_successor_with_a_name_of_its_own(self) -> None:
        """Where the new identity is trusted under another name, both are shown."""
        self.ok("trust", "add", "rob", to_groups(self.new.fingerprint))
        complaint = self.fails(1, "trust", "follow", self.succession(self.bob, self.new))
        self.assertIn("You trust it already, as rob", complaint)
        self.assertIn(to_words(self.bob.fingerprint), complaint)

    def test_json(self) -> None:
        """A script reads who was and who is."""
        shown = self.json("trust", "follow", self.succession(self.bob, self.new))
        self.assertEqual(shown["old"]["fingerprint"], to_groups(self.bob.fingerprint))
        self.assertEqual(shown["new"]["fingerprint"], to_groups(self.new.fingerprint))
        self.assertEqual((shown["new"]["how"], shown["day"]), ("succeeded", "2030-01-02"))

    def test_after_a_revocation(self) -> None:
        """Who was revoked names no successor, and the user is told why."""
        self.ok("trust", "revoke", self.revocation(self.bob))
        complaint = self.fails(4, "trust", "follow", self.succession(self.bob, self.new))
        self.assertIn("whoever stole its key", complaint)
        self.assertEqual(self.trusted(), {})

    def test_stranger(self) -> None:
        """The successor of who is not trusted is not trusted either."""
        complaint = self.fails(1, "trust", "follow", self.succession(self.new, self.bob))
        self.assertIn("not among", complaint)

    def test_own(self) -> None:
        """Whoever follows their own succession is told that it is for friends."""
        complaint = self.fails(1, "trust", "follow", self.succession(self.bob, self.myself()))
        self.assertIn("securechat trust follow FILE", complaint)

    def test_signed_by_somebody_else(self) -> None:
        """A certificate that one of the two has not signed is refused."""
        *said, by_old, _ = decode(succession.succession(self.bob, self.new, DAY))
        wrong = armour.wrap("SUCCESSION", encode(*said, by_old, by_old), comment="")
        complaint = self.fails(1, "trust", "follow", self.file(wrong))
        self.assertIn("not signed by whom it is about", complaint)
        self.assertEqual(self.trusted(), {"bob": to_groups(self.bob.fingerprint)})
