"""``securechat listen``."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from securechat.group.events import Message
from securechat.identity import Identity
from securechat.trust import TrustStore
from tests.cli.insiders import InsiderTestCase


class ListenTests(InsiderTestCase):
    """What is said in a room, for a script."""

    async def test_count(self) -> None:
        """It ends with so many messages, those from before included, though stdin is empty."""
        alice = await self.insider(self.alice)
        await self.ends(self.start("send", "--home", self.bob, str(self.address), "I was here"), 0)
        await alice.says("one")
        with open(os.devnull, "rb") as nothing:
            bob = self.start(
                *("listen", "--home", self.bob, "--json", "--count", "2", str(self.address)),
                files={0: nothing.fileno(), 1: "r", 2: "r"},
            )
        await bob.says('"text": "one"')
        await bob.says('"event": "returned"')
        await alice.says("two")
        await self.ends(bob, 0)
        events = [json.loads(line) for line in bob.output.splitlines()]
        said = [each["text"] for each in events if each["event"] == "message"]
        self.assertEqual(said, ["one", "two"])
        self.assertEqual(events[-1]["event"], "staying")

    async def test_until_it_is_interrupted(self) -> None:
        """Without a number it goes on; what is typed is nobody's."""
        alice = await self.insider(self.alice)
        bob = self.start("listen", "--home", self.bob, str(self.address))
        bob.type("not for the room")
        await bob.says("you are in #lobby")
        await alice.says("hello")
        await bob.says("alice: hello\n")
        self.assertNotIn(Message, {type(each) for each in alice.events})
        bob.kill("TERM")
        await self.ends(bob, 130)

    async def test_namesake(self) -> None:
        """A stranger under the name of a friend is told of, as in a chat."""
        self.trust(self.alice, self.carol)
        self.trust(self.carol, self.alice)
        friend = Identity.generate().fingerprint
        store = TrustStore.open(self.bob, self.identities[self.bob])
        store.add("Carol", friend, "typed", datetime.now(UTC))
        await self.insider(self.alice)
        bob = self.start("listen", "--home", self.bob, str(self.address))
        await bob.says("you are in #lobby")
        await self.insider(self.carol, found=False)
        await bob.says("! Somebody in #lobby, whom alice let in, goes by the name of Carol")
        bob.kill("TERM")
        await self.ends(bob, 130)

    async def test_nobody_reads_the_output(self) -> None:
        """Whoever reads the output may stop: the command ends quietly."""
        await self.insider(self.alice)
        bob = self.start("listen", "--home", self.bob, str(self.address))
        await bob.says("you are in #lobby")
        bob.transport.closeStdout()
        await self.ends(bob, 0)
        self.assertEqual(bob.errors, "")
