"""``securechat completion``, in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from click.shell_completion import BashComplete
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from securechat.cli.command import securechat
from tests.cli import invoke


class CompletionTests(SynchronousTestCase):
    """What Tab completes."""

    def script(self, shell: str) -> Path:
        """Write the script for *shell* into a file, and skip the test if the shell is not here."""
        result = invoke("completion", shell)
        self.assertEqual(result.exit_code, 0, result.output)
        if shutil.which(shell) is None:
            raise SkipTest(f"{shell} is not installed")
        path = Path(self.mktemp()).absolute()
        path.write_text(result.stdout)
        return path

    def run_in(self, *command: str) -> str:
        """Run a shell in which ``securechat`` is this one, and return what it writes."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        program = directory / "securechat"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m securechat "$@"\n')
        program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_bash(self) -> None:
        """The function that the script gives to bash completes commands, and those below them."""
        program = f"source {self.script('bash')}\n"
        for words in "doc", "trust rev", "chat --vouch a":
            array = f"COMP_WORDS=(securechat {words})"
            program += f"{array}; COMP_CWORD={len(words.split())}; COMPREPLY=()\n"
            program += "_securechat_completion securechat; echo ${COMPREPLY[*]}\n"
        program += "complete -p securechat"
        shown = self.run_in("bash", "--norc", "-c", program).splitlines()
        self.assertEqual(shown[:3], ["doctor", "revoke", "auto ask"])
        self.assertIn("_securechat_completion securechat", shown[3])

    def test_zsh(self) -> None:
        """zsh takes the script."""
        self.run_in("zsh", "-n", str(self.script("zsh")))

    def test_fish(self) -> None:
        """fish completes commands by the script."""
        program = f"source {self.script('fish')}; complete -C 'securechat doc'"
        self.assertIn("doctor", self.run_in("fish", "--no-config", "-c", program))

    def test_files(self) -> None:
        """Where a file can be given the shell is told to complete files; an address is none."""
        completing = BashComplete(securechat, {}, "securechat", "_SECURECHAT_COMPLETE")
        for words, kinds in (
            (["trust", "add", "bob"], ["file"]),
            (["trust", "follow"], ["file"]),
            (["relay", "backup"], ["file"]),
            (["chat", "--passphrase-file"], ["file"]),
            (["--home"], ["dir"]),
            (["chat"], []),
        ):
            found = completing.get_completions(words, "x")
            self.assertEqual([each.type for each in found], kinds, words)

    def test_another_shell(self) -> None:
        """Is wrong usage."""
        self.assertEqual(invoke("completion", "csh").exit_code, 2)
