"""``securechat chat`` between pipes and files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from securechat.fingerprint import to_groups
from tests.cli.chatting import ChatTestCase


class PipeTests(ChatTestCase):
    """Programs on one side or the other."""

    async def test_end_of_the_input(self) -> None:
        """The end of the input ends the command once all that it said has arrived."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        bob.type(*(f"line {number}" for number in range(200)))
        bob.transport.write(b"without an end of its own")
        bob.end_input()
        await self.ends(bob, 0)
        await alice.says("bob: line 0\n")
        await alice.says("bob: line 199\nbob: without an end of its own\n")

    async def test_file_as_input(self) -> None:
        """A file is as good as a pipe, and so is nothing at all."""
        alice = await self.founder()
        path = Path(self.mktemp())
        path.write_text("from a file\n\n   \nand more\n")
        with path.open("rb") as file:
            bob = self.chat(self.bob, files={0: file.fileno(), 1: "r", 2: "r"})
        await self.ends(bob, 0)
        await alice.says("bob: from a file\nbob: and more\n")
        self.trust(self.alice, self.carol)
        self.trust(self.carol, self.alice)
        with open(os.devnull, "rb") as file:
            carol = self.chat(self.carol, files={0: file.fileno(), 1: "r", 2: "r"})
        await self.ends(carol, 0)
        self.assertIn("you are in #lobby", carol.output)

    async def test_file_as_output(self) -> None:
        """The output may go into a file."""
        path = Path(self.mktemp())
        with path.open("wb") as file, open(os.devnull, "rb") as nothing:
            files = {0: nothing.fileno(), 1: file.fileno(), 2: "r"}
            alice = self.chat(self.alice, "--found", files=files)
        await self.ends(alice, 0)
        self.assertIn("you have founded #lobby", path.read_text())

    async def test_nobody_reads_the_output(self) -> None:
        """Whoever reads the output may stop: the command ends quietly."""
        alice = await self.founder()
        alice.transport.closeStdout()
        await self.ends(alice, 0)
        self.assertEqual(alice.errors, "")

    async def test_lines_that_are_no_messages(self) -> None:
        """A line that is too long or no text is named; the ones around it are sent."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        for line in b"before", b"x" * 32_768, b"y" * 32_769, b"z" * 200_000, b"\xff", b"after\r":
            bob.transport.write(line + b"\n")
        bob.end_input()
        await self.ends(bob, 0)
        await alice.says("bob: before\nbob: x{32768}\nbob: after\n")
        await bob.says("not sent: The message is 32769 bytes long; at most 32768")
        await bob.says("not sent: The message is 200000 bytes long")
        await bob.says("not sent: The line is no UTF-8")

    async def test_json(self) -> None:
        """``--json`` writes an object a line, and every character of a message, escaped."""
        alice = await self.founder()
        bob = self.chat(self.bob, "--json")
        await bob.says('"event": "entered"')
        alice.type("\x1b[2Jbéll\x07 \x7f")
        await bob.says('"event": "message".*\n')
        bob.end_input()
        await self.ends(bob, 0)
        self.assertTrue(bob.output.replace("\n", "").isprintable() and bob.output.isascii())
        events = [json.loads(line) for line in bob.output.splitlines()]
        (message,) = (each for each in events if each["event"] == "message")
        self.assertEqual(message["text"], "\x1b[2Jbéll\x07 \x7f")
        self.assertEqual(
            (message["sender"]["fingerprint"], message["sender"]["name"], message["room"]),
            (to_groups(self.fp(self.alice)), self.alice.name, "lobby"),
        )
        names = [each["event"] for each in events]
        self.assertEqual(names[:3], ["connecting", "connected", "members_asked"])

    async def test_json_failure(self) -> None:
        """A program reads why the command ended, by the name of the error."""
        bob = self.chat(self.bob, "--json")
        bob.end_input()
        await self.ends(bob, 5)
        last = json.loads(bob.output.splitlines()[-1])
        self.assertEqual((last["event"], last["why"]["error"]), ("failed", "NoSuchRoom"))

    async def test_nobody_to_ask_before_vouching(self) -> None:
        """Without a terminal ``--vouch ask`` vouches for nobody."""
        await self.founder("--vouch", "ask")
        await self.ends(self.chat(self.bob), 5)

    async def test_escape_sequences(self) -> None:
        """What others write cannot command the terminal, nor fake another line."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        alice.type("\x1b[31mred\x07\rbob: \u202eyes")
        await bob.says("alice: \\[31mred bob: yes\n")
