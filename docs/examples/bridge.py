"""
A bridge between two rooms, at one relay or at two: what is said in one is said in the other.

    python bridge.py HOME ADDRESS OTHER-HOME OTHER-ADDRESS

Each HOME is the directory of an identity of its own (as in ``echo_bot.py``), since a relay keeps
one connection of an identity. Each has to be let into its room.

Who is in one room reads what is said in the other, and the bridge reads both: tell the people.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from securechat import (
    Address,
    ChatClient,
    Disconnected,
    Event,
    KnownRooms,
    Message,
    Removed,
    Room,
    StateDirectory,
    TrustStore,
)
from securechat.keyfile import KEY_FILE, load
from securechat.text import clean_name

MARK = "⇄ "
"""
How everything begins that a bridge has said. It is never passed on: so where several bridges join
the same rooms nothing goes round in circles. What a bridge says itself it does not hear anyway.
"""


class Shore:
    """One end of the bridge: a room, and who is in it."""

    def __init__(self, chat: ChatClient, ended: Callable[[BaseException], object]) -> None:
        self.other: Shore
        self._chat = chat
        self._ended = ended
        self._room: Room | None = None
        self._early: list[str] = []
        chat.observe(self._hear)

    async def enter(self, label: str) -> None:
        """Be in the room *label*."""
        await self._chat.connect()
        self._room = await self._chat.join(label)
        for text in self._early:
            self.say(text)

    def say(self, text: str) -> None:
        """Say *text*: now, or when the room is entered, or there is a connection again."""
        if self._room is None:
            self._early.append(text)
        else:
            self._chat.send(self._room, text).addErrback(print)

    def _hear(self, event: Event) -> None:
        match event:
            case Message(sender=sender, text=text) if not text.startswith(MARK):
                self.other.say(f"{MARK}{self._name(sender)}: {text}")
            case Disconnected(why=why, retry_in=None):
                self._ended(why)
            case Removed(label=label):
                self._ended(SystemExit(f"removed from #{label}"))

    def _name(self, member: bytes) -> str:
        """What *member* calls itself; names are what others write, so they are cleaned."""
        said = {} if self._room is None else self._room.names
        return clean_name(said.get(member, "")) or "somebody"


async def run(reactor: Any, places: list[tuple[Path, Address]]) -> None:
    """Be the bridge until the process ends."""
    over: Deferred[None] = Deferred()

    def ended(why: BaseException) -> None:
        if not over.called:
            over.errback(why)

    with ExitStack() as states:
        shores = []
        for home, address in places:
            identity = load(home / KEY_FILE, None)
            chat = ChatClient(
                reactor,
                identity,
                TrustStore.open(home, identity),
                address,
                name="bridge",
                known=KnownRooms.open(home, identity),
                state=states.enter_context(StateDirectory.open(home, identity)),
            )
            shores.append(Shore(chat, ended))
        near, far = shores
        near.other, far.other = far, near
        for shore, (_, address) in zip(shores, places, strict=True):
            await shore.enter(address.room or "lobby")
        print("the bridge is open", flush=True)
        await over


if __name__ == "__main__":
    one, two = [(Path(sys.argv[each]), Address.parse(sys.argv[each + 1])) for each in (1, 3)]
    task.react(lambda reactor: Deferred.fromCoroutine(run(reactor, [one, two])))
