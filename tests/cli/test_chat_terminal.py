"""``securechat chat`` at a terminal, and what else only a terminal shows."""

from __future__ import annotations

from pathlib import Path

from tests.cli.chatting import ChatTestCase
from tests.cli.processes import ProcessTestCase


class TerminalTests(ChatTestCase):
    """Two people at two terminals."""

    async def test_conversation(self) -> None:
        """One founds the room after a yes, vouches for the other, and they talk."""
        alice = self.chat(self.alice, terminal=True)
        await alice.says(r"connecting to securechat://127\.0\.0\.1")
        await alice.says(r"no room #lobby. Found it, as its first member\? \[y/N\]")
        alice.type("what?")
        await alice.says("Found it")
        alice.type("y")
        await alice.says("you have founded #lobby")
        bob = self.chat(self.bob, terminal=True)
        await bob.says("asked 1 of 1 members")
        await bob.says("alice vouches for you")
        await alice.says("bob asks to join; vouching")
        await bob.says("you are in #lobby, with alice. The room is unconfirmed")
        await alice.says("bob is in: you vouched for them")
        bob.type("hello, Alice")
        await alice.says("\nbob: hello, Alice\r\n")
        alice.type("hello, Bob", "how are you?")
        await bob.says("\nalice: hello, Bob\r\nalice: how are you[?]\r\n")
        bob.type("\x04")
        await self.ends(bob, 0)

    async def test_founding_is_declined(self) -> None:
        """A no, or the end of the input, founds nothing."""
        for answer in "n", "\x04":
            alice = self.chat(self.alice, terminal=True)
            await alice.says("Found it")
            alice.type(answer)
            await alice.says("The relay has no room #lobby")
            await self.ends(alice, 5)

    async def test_interrupt(self) -> None:
        """Ctrl-C, and SIGTERM, end the conversation at once, whatever it is doing."""
        alice = await self.founder(terminal=True)
        alice.type("\x03")
        await self.ends(alice, 130)
        self.address = self.address.in_room("attic")
        bob = self.chat(self.bob, terminal=True)
        await bob.says("Found it")
        bob.kill("TERM")
        await self.ends(bob, 130)

    async def test_user_is_asked_before_vouching(self) -> None:
        """With ``--vouch ask`` only a yes vouches; what is no answer is a message."""
        alice = await self.founder("--vouch", "ask", terminal=True)
        bob = self.chat(self.bob)
        await alice.says(r"bob asks to join. Let bob in\? \[y/N\]")
        alice.type("n")
        await self.ends(bob, 5)
        bob = self.chat(self.bob)
        await alice.says(r"Let bob in\?")
        alice.type("shall I?", "YES")
        await bob.says("you are in #lobby")
        self.assertNotIn("vouching…", alice.output)

    async def test_colour(self) -> None:
        """Notices are dimmed at a terminal, unless the user wants no colour."""
        alice = await self.founder(terminal=True, NO_COLOR="")
        self.assertIn("\x1b[2m* connected\x1b[0m", alice.output)
        bob = self.chat(self.bob, terminal=True, NO_COLOR="1")
        await bob.says("you are in")
        self.assertNotIn("\x1b", bob.output)


class PromptTests(ProcessTestCase):
    """What only a terminal shows."""

    async def test_qr_code(self) -> None:
        """``securechat id`` draws the fingerprint; without colours where none are wanted."""
        home, _ = self.home("alice")
        shown = self.start("id", "--home", home, terminal=True, NO_COLOR="")
        self.assertEqual(await shown.ended, 0)
        self.assertRegex(shown.output, r"\x1b\[97m\x1b\[40m█+")
        shown = self.start("id", "--home", home, terminal=True, NO_COLOR="1")
        self.assertEqual(await shown.ended, 0)
        self.assertIn("█▀", shown.output)
        self.assertNotIn("\x1b", shown.output)

    async def test_passphrase_does_not_show(self) -> None:
        """A passphrase is typed twice for a new identity, and never appears."""
        home = Path(self.mktemp()).absolute()
        init = self.start("init", "--name", "alice", "--home", home, terminal=True)
        await init.says("Passphrase for your identity: ")
        init.type("Tr0ub4dor &3")
        await init.says("Once more, the same: ")
        init.type("Tr0ub4dor &3")
        self.assertEqual(await init.ended, 0)
        listed = self.start("trust", "list", "--home", home, terminal=True)
        await listed.says("Passphrase for .*identity: ")
        listed.type("Tr0ub4dor &3")
        self.assertEqual(await listed.ended, 0)
        self.assertNotIn("Tr0ub4dor", init.output + listed.output)

    async def test_init_asks_for_the_name(self) -> None:
        """``securechat init`` alone asks for a name until it is one, and ends with the code."""
        home = Path(self.mktemp()).absolute()
        init = self.start("init", "--home", home, "--no-passphrase", terminal=True, NO_COLOR="1")
        await init.says("when you enter a room")
        await init.says("Your name: ")
        init.type(" ")
        await init.says("Error: .*")
        await init.says("Your name: ")
        init.type("Alice")
        await init.says("Alice, this is your identity now")
        await init.says("█▀")
        await init.says("securechat trust add Alice ")
        self.assertEqual(await init.ended, 0)

    async def test_interrupted_prompt(self) -> None:
        """Ctrl-C or Ctrl-D at the prompt interrupts the command."""
        for key in "\x03", "\x04":
            home = Path(self.mktemp()).absolute()
            init = self.start("init", "--name", "alice", "--home", home, terminal=True)
            await init.says("Passphrase for your identity: ")
            init.type(key)
            self.assertEqual(await init.ended, 130)
            self.assertNotIn("Traceback", init.output)
