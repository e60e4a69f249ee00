"""``securechat relay``: backup and check of a relay's history."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest.mock import patch

from securechat.relay.options import default_state
from tests.cli import CommandTestCase, invoke
from tests.relay.test_verify import store


class RelayCommandTests(CommandTestCase):
    """What an operator does."""

    def setUp(self) -> None:
        super().setUp()
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir(0o700)
        self.history = self.state / "history.sqlite"
        store(self.history, "lobby", "other")
        self.option = f"--state-dir={self.state}"

    def test_all_is_well(self) -> None:
        """A line for each room, and one for all."""
        self.assertEqual(
            self.ok("relay", "verify", self.option).splitlines(),
            [
                "#lobby: 3 entries, 3 messages",
                "#other: 3 entries, 3 messages",
                "2 rooms, and all is as it should be.",
            ],
        )

    def test_a_room_is_not(self) -> None:
        """It is said which, what and where; the others are checked all the same."""
        with sqlite3.connect(self.history) as connection:
            connection.execute("DELETE FROM entries WHERE seq = 5 AND room = 1")
        connection.close()
        result = invoke("relay", "verify", self.option)
        self.assertEqual(result.exit_code, 1)
        first, second = result.stdout.splitlines()
        self.assertIn("#lobby: WRONG after 2 entries, 2 messages: number 6: it is a", first)
        self.assertEqual(second, "#other: 3 entries, 3 messages")
        self.assertIn("1 of 2 rooms are not as they should be", result.stderr)

    def test_a_backup(self) -> None:
        """It says how large it is, and is checked like the history itself."""
        copy = self.state / "copy"
        said = self.ok("relay", "backup", copy, self.option)
        self.assertEqual(said, f"{copy.stat().st_size:,} bytes are in {copy}.\n")
        self.assertIn("all is as it should be", self.ok("relay", "verify", copy))
        self.assertIn("not overwritten", self.fails(1, "relay", "backup", copy, self.option))

    def test_no_history(self) -> None:
        """The file that was looked for is named; by default it is the relay's usual one."""
        self.history.unlink()
        complaint = self.fails(1, "relay", "verify", self.option)
        self.assertIn(f"no history {self.history}. Say with --state-dir", complaint)
        with patch("platformdirs.user_data_path", lambda name: self.state / name):
            self.assertEqual(default_state(), self.state / "securechat-relay")
            self.assertIn("securechat-relay/history.sqlite", self.fails(1, "relay", "verify"))

    def test_a_damaged_history(self) -> None:
        """What to do is said."""
        self.history.write_bytes(b"nonsense" * 1_000)
        for command in ["verify"], ["backup", self.state / "copy"]:
            complaint = self.fails(1, "relay", *command, self.option)
            self.assertIn("put a backup in its place", complaint)
