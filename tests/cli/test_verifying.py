"""``securechat trust verify`` and ``securechat trust show``."""

from __future__ import annotations

from datetime import UTC, date, datetime

from securechat import keyfile
from securechat.fingerprint import to_groups, to_words
from securechat.identity import Identity
from securechat.revocation import revocation
from securechat.succession import succession
from securechat.trust import TrustStore
from tests.cli import CommandTestCase
from tests.cli.processes import ProcessTestCase

BOB, CAROL, DAVE = (Identity.generate() for _ in range(3))
DAY = datetime(2030, 1, 2, tzinfo=UTC)


class FriendTestCase(CommandTestCase):
    """Alice, who trusts Bob since Carol vouched for him."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.init()
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        self.store = TrustStore.open(self.home, identity)
        self.store.add("carol", CAROL.fingerprint, "typed", DAY)
        self.store.add("bob", BOB.fingerprint, "vouched", DAY, voucher=CAROL.fingerprint)


class VerifyTests(FriendTestCase):
    """``securechat trust verify``, where nobody sits at a terminal."""

    def compared(self) -> str | None:
        """How Bob was compared, None if he was not."""
        self.store.refresh()
        bob = self.store.find(BOB.fingerprint)
        assert bob is not None
        return None if bob.verification is None else bob.verification.way

    def test_words(self) -> None:
        """The words that the friend has read are compared, and how they came is noted."""
        words = to_words(BOB.fingerprint)
        shown = self.ok("trust", "verify", "BOB", "--how", "voice", *words.upper().split())
        self.assertIn("bob is verified: compared by voice, 2", shown)
        self.assertEqual(self.compared(), "voice")

    def test_scanned(self) -> None:
        """The text of a code that was scanned is compared, from stdin too."""
        groups = to_groups(BOB.fingerprint)
        self.ok("trust", "verify", "bob", "-", "--how", "qr", typed=f"{groups}\n")
        self.assertEqual(self.compared(), "qr")
        self.ok("trust", "verify", "bob", groups)
        self.assertEqual(self.compared(), "other")

    def test_yes(self) -> None:
        """A script says that its user has compared; it reads what is known then."""
        shown = self.json("trust", "verify", "bob", "--yes", "--how", "in-person")
        self.assertEqual((shown["verified"], shown["how"]), (True, "vouched"))
        self.assertEqual(shown["compared"]["how"], "in-person")

    def test_other_words(self) -> None:
        """Other words are refused loudly, with both fingerprints and what to do; not noted."""
        words = to_words(DAVE.fingerprint)
        complaint = self.fails(4, "trust", "verify", "bob", words)
        self.assertIn("THAT DO NOT BELONG TOGETHER", complaint)
        self.assertIn("because carol vouched, not verified by you", complaint)
        for each in BOB, DAVE:
            self.assertIn(to_words(each.fingerprint), complaint)
        self.assertIn("securechat trust remove bob", complaint)
        self.assertIn("not the fingerprint by which you know bob.", complaint)
        self.assertIsNone(self.compared())

    def test_whose_words(self) -> None:
        """Whoever compares with the wrong person's words, or with their own, is told whose."""
        complaint = self.fails(4, "trust", "verify", "bob", to_words(CAROL.fingerprint))
        self.assertIn("it is the one of carol", complaint)
        complaint = self.fails(4, "trust", "verify", "bob", self.me["fingerprint"])
        self.assertIn("it is your own", complaint)

    def test_revoked_words(self) -> None:
        """A fingerprint that was revoked is told as such."""
        self.store.revoke(revocation(DAVE), DAY)
        complaint = self.fails(4, "trust", "verify", "bob", to_groups(DAVE.fingerprint))
        self.assertIn("It was revoked, with its own key", complaint)

    def test_mistyped(self) -> None:
        """A slip is told as a slip, before any passphrase, and is no alarm."""
        words = to_words(BOB.fingerprint).split()
        complaint = self.fails(1, "trust", "verify", "bob", *words[:-1], "abandom")
        self.assertIn("word 24 (abandom) is unknown", complaint)

    def test_nobody(self) -> None:
        """Who is not trusted cannot be verified."""
        self.assertIn("not among", self.fails(1, "trust", "verify", "dave", "--yes"))

    def test_nobody_to_ask(self) -> None:
        """Without a terminal, words or --yes nothing is noted."""
        complaint = self.fails(1, "trust", "verify", "bob")
        self.assertIn("say --yes once you have compared", complaint)
        self.assertIsNone(self.compared())


class TerminalTests(ProcessTestCase):
    """The same at a terminal."""

    def setUp(self) -> None:
        self.path, identity = self.home("alice")
        self.store = TrustStore.open(self.path, identity)
        self.store.add("bob", BOB.fingerprint, "typed", DAY)

    async def test_same(self) -> None:
        """The words are beside the code; after two answers it is noted."""
        arguments = "trust", "verify", "--home", self.path, "bob"
        bob = self.start(*arguments, terminal=True, NO_COLOR="1")
        first, *_ = to_words(BOB.fingerprint).split()
        await bob.says(f"█   +1 {first}")
        await bob.says(r"Are they the same, all of them\? \[y/n\]")
        bob.type("", "y")
        await bob.says("How did you compare it with bob")
        bob.type("in-person")
        await bob.says("bob is verified: compared in person, 2")
        self.assertEqual(await bob.ended, 0)

    async def test_different(self) -> None:
        """After a no it says what to do, and notes nothing."""
        arguments = "trust", "verify", "--home", self.path, "bob"
        bob = self.start(*arguments, terminal=True)
        await bob.says("Are they the same")
        bob.type("n")
        await bob.says("THAT DO NOT BELONG TOGETHER")
        self.assertEqual(await bob.ended, 4)
        self.assertNotIn("This one is another", bob.output)
        self.store.refresh()
        self.assertEqual([each.verification for each in self.store], [None])

    async def test_words(self) -> None:
        """Who has given the words is asked only how they came."""
        words = to_words(BOB.fingerprint)
        bob = self.start("trust", "verify", "--home", self.path, "bob", words, terminal=True)
        await bob.says("How did you compare it with bob")
        bob.type("")
        await bob.says("compared by voice")
        self.assertEqual(await bob.ended, 0)


class ShowTests(FriendTestCase):
    """``securechat trust show``."""

    def test_shows(self) -> None:
        """All that is known is there: words, how it came, who vouched, whether it was compared."""
        shown = self.ok("trust", "show", "bob")
        self.assertIn(to_groups(BOB.fingerprint), shown)
        self.assertIn(to_words(BOB.fingerprint), " ".join(shown.split()))
        self.assertIn("since 2030-01-02, because carol vouched, not verified by you", shown)
        self.assertIn("verified   no", shown)
        self.assertIn(f"vouched    carol  {to_groups(CAROL.fingerprint)}", shown)
        self.assertIn("bundle     not here yet", shown)
        self.store.verify(BOB.fingerprint, "voice", DAY)
        self.store.learn_bundle(BOB.fingerprint, BOB.bundle)
        self.store.remove("carol")
        shown = self.ok("trust", "show", "bob")
        self.assertIn("verified   yes: compared by voice, 2030-01-02", shown)
        self.assertIn(f"vouched    {to_groups(CAROL.fingerprint)}", shown)
        self.assertIn("bundle     here", shown)

    def test_successor(self) -> None:
        """Whose place it took is shown, and which of those were revoked."""
        self.store.follow(succession(CAROL, DAVE, date(2030, 1, 3)), DAY)
        shown = self.ok("trust", "show", "carol")
        self.assertIn("verified   yes, as it came from its owner; compared: no", shown)
        self.assertIn(f"place of   {to_groups(CAROL.fingerprint)}\n", shown)
        self.store.revoke(revocation(CAROL), DAY)
        self.assertIn(
            f"{to_groups(CAROL.fingerprint)}  (REVOKED)", self.ok("trust", "show", "carol")
        )

    def test_json(self) -> None:
        """A script reads the same, found by the fingerprint as well."""
        self.store.learn_bundle(BOB.fingerprint, BOB.bundle)
        shown = self.json("trust", "show", to_groups(BOB.fingerprint))
        self.assertEqual((shown["name"], shown["revoked"], shown["compared"]), ("bob", False, None))
        self.assertEqual(shown["words"], to_words(BOB.fingerprint))
        self.assertEqual(shown["bundle"], BOB.bundle.armour())
        self.assertIsNone(self.json("trust", "show", "carol")["bundle"])

    def test_revoked(self) -> None:
        """Who was revoked is shown as such, with the successor where there is one."""
        self.store.revoke(revocation(BOB), DAY)
        shown = self.ok("trust", "show", "bob")
        self.assertIn(to_words(BOB.fingerprint), " ".join(shown.split()))
        self.assertIn("revoked    yes, which you know since 2030-01-02", shown)
        self.assertIsNone(self.json("trust", "show", "bob")["successor"])
        self.store.follow(succession(CAROL, DAVE, date(2030, 1, 3)), DAY)
        self.store.revoke(revocation(CAROL), DAY)
        groups = to_groups(CAROL.fingerprint)
        self.assertIn("successor  carol  ", self.ok("trust", "show", groups))
        shown = self.json("trust", "show", groups)
        self.assertEqual((shown["revoked"], shown["successor"]["name"]), (True, "carol"))
        self.store.revoke(revocation(Identity.generate()), DAY)
        stranger = self.store.revoked[-1].fingerprint
        self.assertIn("somebody whom you", self.ok("trust", "show", to_groups(stranger)))

    def test_nobody(self) -> None:
        """Who is not known is told as such, whether a name or a fingerprint was given."""
        for name in "dave", to_groups(DAVE.fingerprint):
            self.assertIn("not among", self.fails(1, "trust", "show", name))
