"""``securechat chat``: what becomes of the connection."""

from __future__ import annotations

import shutil
from pathlib import Path

import attrs

from securechat.address import Address
from tests.cli.chatting import ChatTestCase


class RelayTests(ChatTestCase):
    """What becomes of the connection."""

    async def test_connection_comes_back(self) -> None:
        """A lost connection is made anew; what was said meanwhile arrives."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        await self.relay.end()
        await bob.says(r"retrying in \d+ s")
        await alice.says(r"retrying in \d+ s")
        alice.type("said into the void")
        await self.relay.begin()
        await alice.says("here again in #lobby")
        await bob.says("alice: said into the void\n")

    async def test_relay_has_lost_the_room(self) -> None:
        """That ends the conversation, and the label stays taken until the user forgets it."""
        alice = await self.founder()
        await self.relay.end()
        self.relay.forget()
        await self.relay.begin()
        await self.ends(alice, 4)
        self.assertIn("has lost it or hides it", alice.errors)
        self.assertNotIn("has lost it", alice.output)  # it is said once
        await self.ends(alice := self.chat(self.alice, "--found"), 4)
        self.assertIn(f"securechat rooms forget '{self.address}'", alice.errors)
        forget = self.start("rooms", "forget", "--home", self.alice, str(self.address))
        await self.ends(forget, 0)
        await self.founder()

    async def test_relay_is_not_there(self) -> None:
        """A relay that cannot be reached is an error of the network."""
        await self.relay.end()
        await self.ends(alice := self.chat(self.alice), 3)
        self.assertIn("No connection to", alice.errors)

    async def test_wrong_pin(self) -> None:
        """A relay with another key is an error of trust, with both pins."""
        other = attrs.evolve(self.address, pin=bytes(32))
        alice = self.start("chat", "--home", self.alice, str(other))
        await self.ends(alice, 4)
        for each in other, self.address:
            self.assertIn(str(each).partition("#")[2], alice.errors)

    async def test_no_pin(self) -> None:
        """Where the pin was left out, the certificate of the relay's own making is not enough."""
        other = attrs.evolve(self.address, pin=None)
        await self.ends(alice := self.start("chat", "--home", self.alice, str(other)), 4)
        self.assertIn("with the pin", alice.errors)

    async def test_same_identity_elsewhere(self) -> None:
        """The newer connection of an identity stays, and the older command ends with a warning."""
        alice = await self.founder()
        elsewhere = Path(self.mktemp()).absolute()
        shutil.copytree(self.alice, elsewhere, ignore=shutil.ignore_patterns("state.*"))
        again = self.chat(elsewhere)
        await self.ends(alice, 4)
        self.assertIn("somebody has your key", alice.errors)
        await self.ends(again, 5)
        self.assertIn("its keys are not here", again.errors)
        self.assertIn("join with --rejoin", again.errors)

    async def test_same_directory(self) -> None:
        """A second command on one directory is told which process has it, and disturbs nobody."""
        alice = await self.founder("--keep-messages")
        again = self.chat(self.alice)
        await self.ends(again, 1)
        self.assertIn(f"The process {alice.transport.pid} uses the rooms in", again.errors)
        alice.end_input()
        await self.ends(alice, 0)

    async def test_undelivered(self) -> None:
        """Who interrupts while a message is not in the room yet is told which."""
        alice = await self.founder()
        await self.relay.end()
        await alice.says("retrying in")
        alice.type("is anybody there?")
        alice.end_input()
        await alice.says("retrying in")
        alice.kill("INT")
        await self.ends(alice, 130)
        self.assertIn("1 of the lines that you sent", alice.output)
        self.assertIn("is anybody there?", alice.output)

    async def test_endpoint(self) -> None:
        """``--endpoint`` dials another place; whose relay answers there is still checked."""
        away = attrs.evolve(self.address, host="relay.invalid")
        endpoint = f"tcp:127.0.0.1:{self.address.port}"
        alice = self.start(
            "chat", "--home", self.alice, "--endpoint", endpoint, "--found", str(away)
        )
        await alice.says("you have founded #lobby")
        alice.end_input()
        await self.ends(alice, 0)
        onion = Address("onion", host="a" * 56 + ".onion").in_room("lobby")
        await self.ends(alice := self.start("chat", "--home", self.alice, str(onion)), 3)
        self.assertIn("--endpoint tcp:", alice.errors)

    async def test_endpoint_that_is_none(self) -> None:
        """What Twisted does not know as an endpoint is wrong usage."""
        for text in "nonsense", "tcp:", "tcp:host:port":
            alice = self.chat(self.alice, "--endpoint", text)
            await self.ends(alice, 2)
            self.assertIn("is no Twisted client endpoint", alice.errors)
