"""People in the room by clients in the test's own process, which cost less than processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred

from securechat.client.client import ChatClient
from securechat.client.events import Event
from securechat.group.events import Message
from securechat.group.room import Room
from securechat.trust import TrustStore
from tests.cli.chatting import ChatTestCase
from tests.cli.processes import reactor


class Insider:
    """Somebody in the lobby."""

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self.events: list[Event] = []
        self.room: Room
        self._wanted: list[tuple[Callable[[Event], bool], Deferred[Event]]] = []
        client.observe(self._hear)

    async def sees(self, wanted: Callable[[Event], bool]) -> Event:
        """Wait for an event that *wanted* is true of, and that is after the ones waited for."""
        for number, event in enumerate(self.events):
            if wanted(event):
                del self.events[: number + 1]
                return event
        self.events.clear()
        seen: Deferred[Event] = Deferred()
        self._wanted.append((wanted, seen))
        return await seen

    async def hears(self, text: str) -> None:
        """Wait until somebody says *text*."""
        await self.sees(lambda event: isinstance(event, Message) and event.text == text)

    async def says(self, text: str) -> None:
        """Say *text*."""
        await self.client.send(self.room, text)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        for each in list(self._wanted):
            wanted, seen = each
            if wanted(event):
                self._wanted.remove(each)
                self.events.clear()
                seen.callback(event)


class InsiderTestCase(ChatTestCase):
    """Tests with somebody in the lobby."""

    async def insider(self, who: Path, *, found: bool = True) -> Insider:
        """Let somebody found the lobby, or enter it."""
        trust = TrustStore.open(who, self.identities[who])
        client = ChatClient(reactor, self.identities[who], trust, self.address, name=who.name)
        self.addCleanup(client.close)
        insider = Insider(client)
        await client.connect()
        insider.room = await (client.found("lobby") if found else client.join("lobby"))
        return insider
