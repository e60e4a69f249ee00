"""The manual pages, against the commands and their options."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.cli.test_command import commands

DOCS = Path(__file__).resolve().parent.parent / "docs"
WRITING = runpy.run_path(str(DOCS / "manpages.py"))


class PageTests(SynchronousTestCase):
    """Where one of these fails, run ``python docs/manpages.py``."""

    def test_each_page_is_what_the_code_says(self) -> None:
        """The committed pages are those that the commands make, and there is no other."""
        there = {
            str(path.relative_to(DOCS / "man")): path.read_text("ascii")
            for path in (DOCS / "man").rglob("*.*")
        }
        made = WRITING["pages"]()
        self.assertEqual(sorted(there), sorted(made))
        for name, text in made.items():
            self.assertEqual(there[name], text, name)

    def test_every_command_has_a_page(self) -> None:
        """So has the relay."""
        names = {f"man1/{'-'.join(('securechat', *path))}.1" for path in commands()}
        self.assertEqual(set(WRITING["pages"]()), {*names, "man8/twistd-securechat.8"})

    def test_roff_takes_them(self) -> None:
        """Without a warning, and it shows what is special to it as it is."""
        if shutil.which("groff") is None:
            raise SkipTest("groff is not installed")
        pages = sorted((DOCS / "man").rglob("*.*"))
        command = ["groff", "-ww", "-man", "-Tutf8", "-P-cbou"]
        run = subprocess.run([*command, *pages], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("securechat chat 'securechat://relay.example/lobby#PIN'", run.stdout)

    def test_mandoc_takes_them(self) -> None:
        """The other program that shows manual pages finds no error in them."""
        if shutil.which("mandoc") is None:
            raise SkipTest("mandoc is not installed")
        pages = sorted((DOCS / "man").rglob("*.*"))
        run = subprocess.run(["mandoc", "-T", "lint", "-W", "error", *pages], capture_output=True)
        self.assertEqual((run.returncode, run.stdout), (0, b""))

    def test_what_is_special_to_roff(self) -> None:
        """No text is taken for a command, and every character comes out as it is."""
        escaped = WRITING["escaped"]
        self.assertEqual(escaped(".x\n.y"), "\\&.x\n\\&.y")
        self.assertEqual(escaped("it's \\ -x…"), r"it\(aqs \e \-x\[u2026]")
