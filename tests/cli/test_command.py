"""The command as a whole: its help, its errors, its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from securechat import errors, keyfile
from securechat.cli import main
from securechat.cli.command import Command, securechat
from securechat.cli.failures import exit_code
from tests.cli import CommandTestCase, invoke


def commands(
    command: click.Command = securechat, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The words that lead to every command."""
    yield path
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, (*path, name))


class HelpTests(SynchronousTestCase):
    """What every command says about itself."""

    def test_every_command_has_help(self) -> None:
        """``--help`` and ``-h`` explain each command, and its options with whole sentences."""
        for path in commands():
            for option in "--help", "-h":
                result = invoke(*path, option)
                self.assertEqual(result.exit_code, 0, path)
            self.assertIn("--home", result.output)

    def test_every_command_has_a_version(self) -> None:
        """``--version`` is understood everywhere."""
        for path in commands():
            result = invoke(*path, "--version")
            self.assertEqual(result.output, f"securechat {version('securechat')}\n", path)

    def test_commands_that_do_something_have_examples(self) -> None:
        """The help of a command with arguments or options of its own shows how it is used."""
        paths = "init", "id", "trust add", "rooms forget", "relay backup", "relay verify"
        for path in (
            *paths,
            *("send", "listen", "bot"),
            *("doctor", "completion"),
            "trust import",
            "trust verify",
            "trust show",
            "id backup",
            "id restore",
        ):
            self.assertIn(f"  securechat {path} ", invoke(*path.split(), "--help").output + " ")


class ErrorTests(CommandTestCase):
    """How failures end."""

    def failing_with(self, error: BaseException) -> tuple[int, str]:
        """Run a command that raises *error*: exit code and stderr."""

        @click.group(cls=Command)
        def group() -> None: ...

        @group.command()
        def fail() -> None:
            raise error

        result = CliRunner().invoke(group, ["fail"])
        return result.exit_code, result.stderr

    def test_expected_errors_are_one_line(self) -> None:
        """An error that is meant for people is its text on stderr, without a traceback."""
        self.assertEqual(
            self.failing_with(errors.NotConnected()),
            (3, f"securechat: {errors.NotConnected()}\n"),
        )

    def test_what_the_operating_system_refuses(self) -> None:
        """A full disk is said with the file that it is about, and what to do."""
        error = OSError(28, "No space left on device", "trust")
        room = "Make room on the disk, and try again."
        self.assertEqual(
            self.failing_with(error),
            (1, f"securechat: trust: No space left on device. {room}\n"),
        )
        self.assertEqual(self.failing_with(OSError("odd")), (1, "securechat: odd\n"))

    def test_reader_that_has_gone(self) -> None:
        """Whoever reads the output may stop: that is no error to speak of."""
        code, complaint = self.failing_with(BrokenPipeError(32, "Broken pipe"))
        self.assertEqual((code, complaint), (1, ""))

    def test_interrupted(self) -> None:
        """Ctrl-C ends a command with the exit code that shells give."""
        self.assertEqual(self.failing_with(KeyboardInterrupt()), (130, "\n"))

    def test_exit_codes_tell_kinds_apart(self) -> None:
        """Network, trust and refusal have codes of their own; a wrong pin is about trust."""
        pin = errors.WrongPin(address="a", expected="b", shown="c")
        self.assertEqual(exit_code(pin), 4)
        self.assertEqual(exit_code(errors.ConnectFailed(address="a", why="b")), 3)
        self.assertEqual(exit_code(errors.NobodyVouches(label="a", words="b")), 5)
        self.assertEqual(exit_code(errors.Undelivered(count=1, first="a")), 6)
        self.assertEqual(exit_code(errors.EmptyPassphrase()), 1)

    def test_home_from_the_environment(self) -> None:
        """``SECURECHAT_HOME`` chooses the directory, and ``--home`` anywhere overrules it."""
        self.init()
        environment = {"SECURECHAT_HOME": str(self.home)}
        self.assertEqual(CliRunner(env=environment).invoke(securechat, ["id"]).exit_code, 0)
        result = CliRunner(env=environment).invoke(securechat, ["id", "--home", self.mktemp()])
        self.assertEqual(result.exit_code, 1)

    def test_home_of_a_group(self) -> None:
        """``--home`` counts between a group and its command, too: the nearest one before it."""
        other = Path(self.mktemp()).absolute()
        self.init(home=other)
        self.ok("trust", "--home", other, "list")

    def test_home_by_default(self) -> None:
        """Otherwise it is the platform's directory for a user's data."""
        data = self.mktemp()
        environment = {"SECURECHAT_HOME": None, "XDG_DATA_HOME": os.path.abspath(data)}
        result = CliRunner(env=environment).invoke(securechat, ["id"])
        self.assertIn(os.path.join(data, "securechat", "identity"), result.stderr)


class ProcessTests(SynchronousTestCase):
    """The command as a process."""

    def test_module(self) -> None:
        """``python -m securechat`` is the command."""
        result = subprocess.run(
            [sys.executable, "-m", "securechat", "--version"],
            env=os.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(result.stdout, f"securechat {version('securechat')}\n")

    def test_closed_files(self) -> None:
        """A command without stdin and stdout works, and takes no other file for them."""
        home = os.path.abspath(self.mktemp())
        command = f"{sys.executable} -m securechat --home {home} init --name a --no-passphrase"
        subprocess.run(f"{command} <&- >&-", shell=True, env=os.environ, check=True)
        keyfile.load(Path(home, keyfile.KEY_FILE), None)

    def test_entry_point(self) -> None:
        """The script that pip installs calls `main`, which takes the process's arguments."""
        self.patch(sys, "argv", ["securechat", "--nonsense"])
        self.assertEqual(self.assertRaises(SystemExit, main).code, 2)
