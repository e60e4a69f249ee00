"""
What people get: the wheel that tox built and installed, and no file of the checkout.

Outside tox these are skipped: there, the checkout is what is being tested.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
from importlib.metadata import requires, version
from pathlib import Path

from twisted import plugins
from twisted.trial.unittest import SynchronousTestCase

import securechat

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
SCRIPTS = Path(sysconfig.get_path("scripts"))


class InstalledTests(SynchronousTestCase):
    """The installed wheel is what the tests see."""

    if "SECURECHAT_INSTALLED" not in os.environ:
        skip = "this is about the installed wheel: run it by tox"

    def test_the_package_is_the_installed_one(self) -> None:
        """``import securechat`` finds the wheel's, whatever the tests were started from."""
        self.assertEqual(Path(securechat.__file__).parent, SITE_PACKAGES / "securechat")

    def test_the_package_is_typed(self) -> None:
        """The wheel holds the marker by which type checkers believe its annotations."""
        self.assertTrue((SITE_PACKAGES / "securechat" / "py.typed").is_file())

    def test_the_plugin_is_the_installed_one(self) -> None:
        """The relay's plugin lies in one place that Twisted searches: beside Twisted's own."""
        found = [
            Path(path) for path in plugins.__path__ if Path(path, "securechat_plugin.py").exists()
        ]
        self.assertEqual(found, [SITE_PACKAGES / "twisted" / "plugins"])

    def test_twistd_finds_the_relay(self) -> None:
        """``twistd --help`` lists the relay among what it can run."""
        shown = subprocess.run(
            [SCRIPTS / "twistd", "--help"], cwd=self.empty(), capture_output=True, text=True
        )
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r"(?m)^ +securechat +\S")

    def test_the_command_is_there(self) -> None:
        """``securechat --version`` names the version of the wheel."""
        shown = subprocess.run(
            [SCRIPTS / "securechat", "--version"],
            cwd=self.empty(),
            capture_output=True,
            text=True,
        )
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn(version("securechat"), shown.stdout)

    def test_the_manual_is_there(self) -> None:
        """The wheel brings a manual page for the command, and one for the relay."""
        manual = Path(sysconfig.get_path("data")) / "share" / "man"
        for page in "man1/securechat.1", "man1/securechat-chat.1", "man8/twistd-securechat.8":
            self.assertTrue((manual / page).is_file(), page)

    def empty(self) -> Path:
        """A new directory with nothing in it."""
        directory = Path(self.mktemp())
        directory.mkdir()
        return directory


class LowestTests(SynchronousTestCase):
    """The bounds in the package's metadata are true."""

    if "SECURECHAT_LOWEST" not in os.environ:
        skip = "this is about the lowest dependencies: run it by tox -e lowest"

    def test_each_direct_dependency_is_the_lowest(self) -> None:
        """These tests ran with exactly the lowest version that the wheel says it works with."""
        for requirement in requires("securechat") or []:
            name, _, lowest = requirement.partition(";")[0].partition(">=")
            self.assertEqual(version(name.partition("[")[0]), lowest, requirement)
