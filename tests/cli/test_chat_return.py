"""``securechat chat``: who has ended it comes back."""

from __future__ import annotations

import json
import resource

from securechat.relay.retention import Retention
from tests.cli.chatting import ChatTestCase
from tests.cli.processes import Process


class ReturnTests(ChatTestCase):
    """Bob has ended his command, or it was killed, and starts it again."""

    async def test_comes_back(self) -> None:
        """He is told that he stays a member, and is back the next time, with what he missed."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        bob.type("see you")
        await alice.says("bob: see you")
        bob.end_input()
        await self.ends(bob, 0)
        self.assertIn(
            f"* you stay a member of #lobby; securechat leave '{self.address}' leaves\n", bob.output
        )
        alice.type("one", "two")
        alice.end_input()
        await self.ends(alice, 0)
        bob = self.chat(self.bob)
        await bob.says("coming back to #lobby…\n")
        await bob.says("alice: one\nalice: two\n")
        await bob.says("here again in #lobby, 2 messages since you were away; with alice")
        bob.type("three")
        bob.end_input()
        await self.ends(bob, 0)
        alice = self.chat(self.alice)
        await alice.says("bob: three\n")
        await alice.says("here again in #lobby, 1 message since you were away; with bob")
        alice.kill("INT")
        await self.ends(alice, 130)
        await alice.says("you stay a member of #lobby")

    async def test_killed(self) -> None:
        """What a run that was killed had not brought out goes out in the next, and is told."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        await self.relay.end()
        await bob.says("retrying in")
        bob.type("said into the void")
        await self.kept(bob)
        bob.kill()
        await bob.ended
        await self.relay.begin()
        await alice.says("here again in #lobby, no message since you were away")
        bob = self.chat(self.bob)
        await bob.says("coming back to #lobby… 1 line of the last time had not arrived yet")
        await bob.says("what you wrote the last time is in the room now: said into the void\n")
        await alice.says("bob: said into the void\n")

    async def kept(self, process: Process) -> None:
        """Wait until *process* has kept all that it was given: it keeps before it writes."""
        process.transport.write(b"\xff\n")
        await process.says("not sent: The line is no UTF-8")

    async def test_names(self) -> None:
        """What others called themselves is known still, and so is whom it is safe to believe."""
        self.trust(self.alice, self.carol)
        self.trust(self.carol, self.alice)
        await self.founder()
        carol = self.chat(self.carol, "--name", "Carola")
        await carol.says("you are in")
        bob = self.chat(self.bob)
        await bob.says("you are in #lobby, with alice")
        carol.type("hello")
        await bob.says(r"Carola \(\w+\): hello\n")
        bob.end_input()
        await self.ends(bob, 0)
        carol.type("still here")
        bob = self.chat(self.bob)
        await bob.says(r"Carola \(\w+\): still here\n")

    async def test_json(self) -> None:
        """Programs read the same as events."""
        alice = await self.founder()
        bob = self.chat(self.bob, "--json")
        await bob.says('"event": "entered"')
        bob.end_input()
        await self.ends(bob, 0)
        alice.type("hello")
        bob = self.chat(self.bob, "--json")
        await bob.says('"event": "returned".*\n')
        bob.end_input()
        await self.ends(bob, 0)
        events = [json.loads(line) for line in bob.output.splitlines()]
        (returned,) = (each for each in events if each["event"] == "returned")
        self.assertEqual((returned["messages"], returned["confirmed"]), (1, False))
        self.assertEqual(events[-1]["event"], "staying")
        self.assertEqual(events[-1]["address"], str(self.address))

    async def test_slept(self) -> None:
        """A machine that slept comes back as after any lost connection, and says so."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        bob.kill("STOP")
        await self.relay.end()
        await self.relay.begin()
        await alice.says("here again in #lobby")
        alice.type("sleep well")
        bob.kill("CONT")
        await bob.says(r"the relay is shutting down, retrying in \d+ s")
        await bob.says("alice: sleep well\n")
        await bob.says("here again in #lobby, 1 message since you were away")

    async def test_full_disk(self) -> None:
        """Where nothing can be kept nothing is shown, and it is said why, once; then it goes on."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        limits = resource.prlimit(bob.transport.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(bob.transport.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        alice.type("hello")
        await bob.says(r"cannot be kept in .*state\.sqlite: .* Make room on the disk")
        await bob.says(r"nothing is sent or shown until then, retrying in \d+ s\n")
        await bob.says(r"nothing is sent or shown until then, retrying in \d+ s\n")
        self.assertEqual(bob.output.count("Make room on the disk"), 1)
        self.assertNotIn("alice: hello", bob.output)
        resource.prlimit(bob.transport.pid, resource.RLIMIT_FSIZE, limits)
        await bob.says("alice: hello\n")
        await bob.says("here again in #lobby, 1 message since you were away")

    async def test_away_past_retention(self) -> None:
        """Who was away for longer than the relay keeps messages is told which are missing."""
        await self.relay.end()
        self.relay.forget(Retention(retain_messages=2))
        await self.relay.begin()
        await self.meet(self.alice, self.bob)
        alice = self.chat(self.alice)
        alice.type("one", "two", "three", "four")
        alice.end_input()
        await self.ends(alice, 0)
        bob = self.chat(self.bob)
        await bob.says(r"numbers \d+ to \d+ of the room are missing: you were away for longer")
        await bob.says("alice: three\nalice: four\n")
        await bob.says("here again in #lobby, 2 messages since you were away")

    async def test_moved(self) -> None:
        """A member comes back by another way to the same relay."""
        alice = await self.founder()
        alice.end_input()
        await self.ends(alice, 0)
        way = f"tcp:localhost:{self.address.port}"
        alice = self.chat(self.alice, "--endpoint", way)
        await alice.says("here again in #lobby, no message since you were away; alone")

    async def test_keys_lost(self) -> None:
        """Who has lost the keys meanwhile is told what to do, and --rejoin does it."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        bob.end_input()
        await self.ends(bob, 0)
        for path in self.bob.glob("state.*"):
            path.unlink()
        await self.ends(bob := self.chat(self.bob), 5)
        self.assertIn("join with --rejoin", bob.errors)
        bob = self.chat(self.bob, "--rejoin")
        await bob.says("you leave, to be let in again")
        await bob.says("you are in #lobby, with alice")
        await alice.says("bob has left")
