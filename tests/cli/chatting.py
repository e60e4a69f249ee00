"""People who trust each other or not, and a relay where they meet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.trust import TrustStore
from tests.cli.processes import Process, ProcessTestCase, Relay, reactor


class ChatTestCase(ProcessTestCase):
    """Alice and Bob, who trust each other, Carol, whom nobody knows, and a relay."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.relay = Relay(Path(self.mktemp()).absolute())
        self.addCleanup(self.relay.stop)
        self.address = (await self.relay.begin()).in_room("lobby")
        self.alice, alice = self.home("alice")
        self.bob, bob = self.home("bob")
        self.carol, carol = self.home("carol")
        self.identities = {self.alice: alice, self.bob: bob, self.carol: carol}
        self.trust(self.alice, self.bob)
        self.trust(self.bob, self.alice)

    def trust(self, who: Path, whom: Path) -> None:
        """Let one trust the other."""
        store = TrustStore.open(who, self.identities[who])
        store.add(whom.name, self.fp(whom), "typed", datetime.now(UTC))

    def fp(self, who: Path) -> bytes:
        """The fingerprint of somebody."""
        return self.identities[who].fingerprint

    def chat(self, who: Path, *options: str, **how: Any) -> Process:
        """Let somebody chat in the lobby."""
        return self.start("chat", "--home", who, *options, str(self.address), **how)

    async def founder(self, *options: str, **how: Any) -> Process:
        """Alice, who has founded the lobby."""
        alice = self.chat(self.alice, "--found", *options, **how)
        await alice.says("you have founded #lobby")
        return alice

    async def meet(self, founder: Path, *others: Path) -> None:
        """
        Let somebody found the lobby and let *others* in, whereupon all go. It is quicker than by
        the command.
        """
        clients = []
        for who in (founder, *others):
            state = StateDirectory.open(who, self.identities[who])
            self.addCleanup(state.close)
            client = ChatClient(
                reactor,
                self.identities[who],
                TrustStore.open(who, self.identities[who]),
                self.address,
                name=who.name,
                known=KnownRooms.open(who, self.identities[who]),
                state=state,
            )
            await client.connect()
            clients.append((client, state))
            await (client.found("lobby") if who == founder else client.join("lobby"))
        for client, state in clients:
            await client.close()
            state.close()

    async def ends(self, process: Process, status: int) -> None:
        """Wait until *process* ends, with the exit *status*."""
        self.assertEqual(await process.ended, status, process.output + process.errors)
        self.assertNotIn("Traceback", process.errors)
