"""
The tests of the command. Where no terminal and no relay is the point, it runs in this process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.command import securechat


def invoke(*arguments: str | Path, typed: str = "") -> Result:
    """Run the command with *arguments*, and with *typed* on its stdin or at its prompts."""
    runner = CliRunner(env={"SECURECHAT_HOME": None, "COLUMNS": "80"})
    return runner.invoke(securechat, [str(each) for each in arguments], input=typed)


class CommandTestCase(SynchronousTestCase):
    """Tests in a directory of their own, which has an identity after `init`."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()

    def ok(self, *arguments: str | Path, typed: str = "", home: Path | None = None) -> str:
        """Run a command that has to go well, and return what it writes on stdout."""
        result = invoke("--home", home or self.home, *arguments, typed=typed)
        self.assertEqual((result.exit_code, result.exception), (0, None), result.output)
        return result.stdout

    def json(self, *arguments: str | Path, home: Path | None = None) -> Any:
        """Run a command that writes JSON, and return that."""
        return json.loads(self.ok(*arguments, "--json", home=home))

    def fails(self, code: int, *arguments: str | Path, typed: str = "") -> str:
        """Run a command that has to end with the exit code *code*, and return its complaint."""
        result = invoke("--home", self.home, *arguments, typed=typed)
        self.assertEqual(result.exit_code, code, result.output)
        self.assertEqual(result.stdout.strip(), "")
        return " ".join(result.stderr.split())

    def init(self, name: str = "alice", home: Path | None = None) -> Any:
        """Make an identity, and return its description."""
        return self.json("init", "--name", name, "--no-passphrase", home=home)

    def friend(self, name: str) -> Any:
        """Make somebody else's identity, and return its description."""
        return self.init(name, Path(self.mktemp()).absolute())
