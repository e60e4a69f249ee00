"""``securechat send``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from securechat.cli.command import securechat
from securechat.group.messages import MAX_BODY
from tests.cli import CommandTestCase
from tests.cli.insiders import InsiderTestCase

ADDRESS = "securechat://relay.invalid/lobby"


class SendTests(InsiderTestCase):
    """One message from a script, at a real relay."""

    async def test_argument_and_stdin(self) -> None:
        """It is let in, and comes back; the text is an argument or all of stdin, as it is."""
        alice = await self.insider(self.alice)
        first = self.start("send", "--home", self.bob, str(self.address), "the backup is done")
        await self.ends(first, 0)
        self.assertEqual((first.output, first.errors), ("", ""))
        await alice.hears("the backup is done")
        await alice.says("which one?")
        second = self.start("send", "--home", self.bob, str(self.address), "--json")
        second.transport.write("all\nof them: é\r\n\n".encode())
        second.end_input()
        await self.ends(second, 0)
        await alice.hears("all\nof them: é\r\n")
        (delivered,) = map(json.loads, second.output.splitlines())
        self.assertEqual(
            (delivered["event"], delivered["text"]), ("delivered", "all\nof them: é\r\n")
        )
        events = [json.loads(line) for line in second.errors.splitlines()]
        said = [each["text"] for each in events if each["event"] == "message"]
        self.assertEqual(said, ["which one?"])

    async def test_what_was_said_meanwhile(self) -> None:
        """Without --json only what would be missed is on stderr; - is stdin, also without end."""
        alice = await self.insider(self.alice)
        await self.ends(self.start("send", "--home", self.bob, str(self.address), "one"), 0)
        await alice.says("two")
        path = Path(self.mktemp())
        path.write_text("y")
        with path.open("rb") as file:
            files = {0: file.fileno(), 1: "r", 2: "r"}
            third = self.start("send", "--home", self.bob, str(self.address), "-", files=files)
        await self.ends(third, 0)
        self.assertEqual((third.output, third.errors), ("", "alice: two\n"))
        await alice.hears("y")

    async def test_exit_codes(self) -> None:
        """It founds no room unasked; a relay that is away is another error."""
        arguments = ("send", "--home", self.bob, str(self.address), "hello")
        refused = self.start(*arguments)
        await self.ends(refused, 5)
        self.assertIn("no room #lobby", refused.errors)
        await self.ends(self.start(*arguments, "--found"), 0)
        await self.relay.end()
        await self.ends(self.start(*arguments), 3)

    async def test_terminal(self) -> None:
        """Who gives no message at a terminal is told how to."""
        send = self.start("send", "--home", self.bob, str(self.address), terminal=True)
        await self.ends(send, 2)
        self.assertIn("give MESSAGE, or - to type it", " ".join(send.output.split()))


class TextTests(CommandTestCase):
    """What is no message."""

    def test_nothing(self) -> None:
        """Empty text is not sent."""
        self.assertIn("There is no text", self.fails(1, "send", ADDRESS, typed=" \n"))
        self.assertIn("There is no text", self.fails(1, "send", ADDRESS, ""))

    def test_too_long(self) -> None:
        """A text that does not fit is refused with its size, and not cut off."""
        for size in MAX_BODY + 1, 200_000:
            said = self.fails(1, "send", ADDRESS, typed="x" * size)
            self.assertIn(f"The message is {size} bytes long", said)
        said = self.fails(1, "send", ADDRESS, "é" * (MAX_BODY // 2 + 1))
        self.assertIn(f"The message is {MAX_BODY + 2} bytes long", said)

    def test_no_text(self) -> None:
        """Bytes that are no UTF-8 are refused, wherever they come from."""
        result = CliRunner().invoke(securechat, ["send", ADDRESS, "-"], input=b"\xff")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertIn("no UTF-8", result.stderr)
        self.assertIn("no UTF-8", self.fails(1, "send", ADDRESS, "\udcff"))

    def test_no_prompt(self) -> None:
        """Where stdin is no terminal nobody is asked for a passphrase."""
        file = Path(self.mktemp())
        file.write_text("opensesame")
        self.ok("init", "--name", "alice", "--passphrase-file", file)
        self.assertIn("--passphrase-file", self.fails(1, "send", ADDRESS, "hello"))
        self.assertIn("--passphrase-file", self.fails(1, "listen", ADDRESS))
