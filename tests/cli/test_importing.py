"""``securechat trust import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from securechat import keyfile
from securechat.fingerprint import to_groups, to_words
from securechat.identity import Identity
from tests.cli import CommandTestCase, invoke

BOB, CAROL, DAVE = (Identity.generate() for _ in range(3))


class ImportTests(CommandTestCase):
    """Alice, who has a directory of bundles."""

    def setUp(self) -> None:
        super().setUp()
        self.init()
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir()

    def put(self, name: str, identity: Identity) -> None:
        """Put somebody's bundle into the directory."""
        (self.path / name).write_text(identity.bundle.armour())

    def trusted(self) -> dict[str, str]:
        """Whom Alice trusts: name and fingerprint."""
        rows = self.json("trust", "list")["trusted"]
        return {each["name"]: each["fingerprint"] for each in rows}

    def run_json(self, code: int, *options: str) -> Any:
        """Import, which has to end with the exit code *code*, and return the JSON of it."""
        result = invoke("--home", self.home, "trust", "import", self.path, "--json", *options)
        self.assertEqual(result.exit_code, code, result.output)
        return json.loads(result.stdout)

    def test_friends(self) -> None:
        """Each is trusted under the name of its file; the user is told to compare."""
        self.put("bob.txt", BOB)
        self.put("carol", CAROL)
        shown = self.ok("trust", "import", self.path)
        groups = to_groups(BOB.fingerprint)
        self.assertIn(f"bob.txt  you trust bob now: {groups}\n", shown)
        self.assertIn("2 files: 2 trusted now, 0 known already, 0 not taken.", shown)
        self.assertIn("securechat trust verify NAME", shown)
        self.assertEqual(self.trusted(), {"bob": groups, "carol": to_groups(CAROL.fingerprint)})

    def test_again(self) -> None:
        """To do it again changes nothing, and says so."""
        self.put("bob.txt", BOB)
        self.ok("trust", "add", "bob", to_groups(BOB.fingerprint))
        shown = self.ok("trust", "import", self.path)
        self.assertIn("bob.txt  you know bob already\n", shown)
        self.assertNotIn("verify", shown)
        (bob,) = self.json("trust", "list")["trusted"]
        self.assertEqual(bob["how"], "typed")

    def test_two_files_of_one(self) -> None:
        """Who is there twice under one name is trusted once."""
        self.put("bob.asc", BOB)
        self.put("bob.txt", BOB)
        self.assertIn("1 trusted now, 1 known already", self.ok("trust", "import", self.path))

    def test_dry_run(self) -> None:
        """It shows what would be done, and does nothing."""
        self.put("bob.txt", BOB)
        shown = self.ok("trust", "import", "--dry-run", self.path)
        self.assertIn("you would trust bob now", shown)
        self.assertIn("1 to trust", shown)
        self.assertEqual(self.trusted(), {})
        self.assertTrue(self.run_json(0, "--dry-run")["dry_run"])

    def test_bad_ones(self) -> None:
        """A file that cannot be taken is told, with the reason, and stops no other."""
        self.put("bob.txt", BOB)
        (self.path / "README").write_text("These are my friends.")
        (self.path / "link.txt").symlink_to(self.path / "bob.txt")
        self.put("a: b.txt", CAROL)
        self.put("me.txt", keyfile.load(self.home / keyfile.KEY_FILE, None))
        self.put("rob.txt", BOB)
        rows = {each["file"]: each for each in self.run_json(1)["files"]}
        self.assertEqual(
            {name: row.get("error", row["outcome"]) for name, row in rows.items()},
            {
                "README": "NoBundle",
                "a: b.txt": "BadPetname",
                "bob.txt": "added",
                "link.txt": "NoBundle",
                "me.txt": "OwnFingerprint",
                "rob.txt": "AlreadyTrusted",
            },
        )
        self.assertEqual(list(self.trusted()), ["bob"])

    def test_another_of_that_name(self) -> None:
        """A friend whose file has another fingerprint is a warning, not a change."""
        self.ok("trust", "add", "bob", to_groups(BOB.fingerprint))
        self.put("Bob.txt", DAVE)
        self.put("carol.txt", CAROL)
        result = invoke("--home", self.home, "trust", "import", self.path)
        self.assertEqual(result.exit_code, 4)
        self.assertIn("Bob.txt    NOT taken: bob is already the name", result.stdout)
        complaint = " ".join(result.stderr.split())
        self.assertIn("THAT DO NOT BELONG TOGETHER", complaint)
        for each in BOB, DAVE:
            self.assertIn(to_words(each.fingerprint), complaint)
        self.assertEqual(
            self.trusted(),
            {"bob": to_groups(BOB.fingerprint), "carol": to_groups(CAROL.fingerprint)},
        )

    def test_names_that_would_fake_a_line(self) -> None:
        """The name of a file cannot command the terminal."""
        (self.path / "\x1b[2J\nbob").write_text("")
        result = invoke("--home", self.home, "trust", "import", self.path)
        self.assertEqual(result.exit_code, 1)
        self.assertNotIn("\x1b", result.output)
        self.assertIn("[2J bob  NOT taken", result.stdout)

    def test_no_directory(self) -> None:
        """A directory that is not there is an error; an empty one is none."""
        self.assertIn("0 files", self.ok("trust", "import", self.path))
        missing = self.path / "missing"
        self.assertIn("No such file", self.fails(1, "trust", "import", missing))
