"""One person of the demonstration: a real client, and what it says, hears and shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import attrs
from twisted.internet.defer import Deferred, TimeoutError

from securechat import keyfile
from securechat.address import Address
from securechat.cli.demo.cable import Cable
from securechat.cli.demo.narration import Narration
from securechat.cli.happenings import Happening
from securechat.cli.homecoming import Homecoming
from securechat.cli.names import Names
from securechat.cli.views import TextView
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.events import Refusal
from securechat.errors import Deviation
from securechat.group.events import Alarm, FramesMissing, Named
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.trust import TrustStore
from securechat.wire import Line, UserAdded, parse

PATIENCE_SECONDS = 15.0
"""How long an expected step may take."""

CHECKED = frozenset(
    {
        "identity", "ack", "found", "join", "new_user", "nack", "vouch", "challenge", "response",
        "add_user", "user_added", "leave", "leaving", "begin", "slices", "commit", "slice",
        "changed", "error",
    }
)  # fmt: skip
"""The messages that are checked one by one; others are how they travel."""

_TROUBLE = (Alarm, FramesMissing, Refusal)

E = TypeVar("E")
L = TypeVar("L", bound=Line)
T = TypeVar("T")


class Actor:
    """Somebody with an identity, friends, and a client."""

    def __init__(
        self, reactor: Any, name: str, home: Path, relay: Address, narration: Narration
    ) -> None:
        """
        :param name: first name and last name; friends say the first one.
        :param home: a directory to make.
        """
        self.name = name
        self.nick = name.partition(" ")[0].lower()
        self.identity = Identity.generate()
        self.home = home
        keyfile.create(home, self.identity, None)
        self.cable = Cable(reactor, relay)
        self.room: Room
        self.wire: list[bytes] = []
        """Every line that this client and the relay said to each other."""
        self.client: ChatClient
        self.state: StateDirectory
        self._reactor = reactor
        self._relay = relay
        self._narration = narration
        self._trust = TrustStore.open(home, self.identity)
        self._messages: list[str] = []
        self._events: list[Happening] = []
        self._entries: set[int] = set()
        self._news: Deferred[None] | None = None
        names = Names(self.identity.fingerprint, name, self._trust)
        self._view = TextView(names, asks=False, colour=False)
        self.begins()

    def begins(self) -> None:
        """Start the program, on what the last run of it has kept."""
        self.state = StateDirectory.open(self.home, self.identity)
        self.client = ChatClient(
            self._reactor,
            self.identity,
            self._trust,
            self._relay,
            name=self.name,
            endpoint=self.cable,
            state=self.state,
            tap=self.hear_line,
        )
        self.client.observe(self.hear_event)

    async def ends(self) -> None:
        """End the program."""
        await self.client.close()
        self.state.close()

    async def comes_back(self, label: str) -> None:
        """Be in the room *label* again, of which the last run was a member."""
        (kept,) = self.client.kept
        homecoming = Homecoming(self._reactor, kept, self.hear_event)
        self.client.observe(homecoming.hear)
        self.room = await homecoming.watch(self.client.join(label))

    def kept(self) -> dict[str, bytes]:
        """Return all that the program has kept of its room."""
        (parts,) = self.state.rooms(self._relay)
        return parts

    def heard(self, kind: type[L]) -> list[L]:
        """Return every line of that *kind* that the relay ever said."""
        return [line for line in map(parse, self.wire) if isinstance(line, kind)]

    def trust(self, *friends: Actor) -> None:
        """Know *friends* by their fingerprints, as if they had been typed."""
        for friend in friends:
            fp = friend.identity.fingerprint
            self._trust.add(friend.nick, fp, "typed", datetime.now(UTC))

    async def goes_through(self, messages: str) -> None:
        """
        Wait until this client has said and heard the *messages* since the last ones that were
        waited for, and no others: ``>join`` is said, ``<vouch`` is heard.

        :raises Deviation: if they are other ones, or do not come.
        """
        expected = messages.split()

        def check() -> bool | None:
            seen = self._messages[: len(expected)]
            if seen != expected[: len(seen)]:
                raise Deviation(
                    what=f"at {self.nick}'s, {' '.join(seen)} instead of {' '.join(expected)}"
                )
            return len(seen) == len(expected) or None

        await self._until(check, f"{self.nick} go through {messages}")
        del self._messages[: len(expected)]

    async def hears(self, verb: str) -> None:
        """
        Wait until the relay has ever said a line of that *verb*.

        :raises Deviation: if it does not.
        """

        def check() -> bool | None:
            return any(line.startswith(verb.encode()) for line in self.wire) or None

        await self._until(check, f"{self.nick} hear {verb}")

    def is_done(self) -> None:
        """
        Check that nothing else was said.

        :raises Deviation: if it was.
        """
        if self._messages:
            raise Deviation(what=f"at {self.nick}'s there was {' '.join(self._messages)} too")

    async def notices(self, kind: type[E], **fields: object) -> E:
        """
        Wait until the client tells an event of that *kind*, with those *fields*.

        :raises Deviation: if it does not.
        """

        def check() -> E | None:
            for event in self._events:
                if isinstance(event, _TROUBLE):
                    raise Deviation(what=f"{self.nick} has to say: {event}")
                if isinstance(event, kind) and fields.items() <= _fields(event).items():
                    self._events.remove(event)
                    return event
            return None

        return await self._until(check, f"{self.nick} notice {kind.__name__} {fields}")

    async def _until(self, check: Callable[[], T | None], what: str) -> T:
        waiting = Deferred.fromCoroutine(self._wait(check))
        try:
            return await waiting.addTimeout(PATIENCE_SECONDS, self._reactor)
        except TimeoutError:
            raise Deviation(what=f"nobody saw {what}") from None

    async def _wait(self, check: Callable[[], T | None]) -> T:
        while (found := check()) is None:
            self._news = Deferred()
            await self._news
        return found

    def hear_line(self, who: Literal["C", "R"], raw: bytes) -> None:
        """The client (C) or the relay (R) has said a line."""
        line = parse(raw)
        self.wire.append(raw)
        self._narration.wire(self.nick, who, line)
        if line.verb in CHECKED and not self._seen_before(line):
            self._messages.append(("<", ">")[who == "C"] + line.verb)
        self._wake()

    def _seen_before(self, line: Line) -> bool:
        """Tell whether *line* is an entry that came already: a newcomer gets its own again."""
        if not isinstance(line, UserAdded):
            return False
        new = line.seq not in self._entries
        self._entries.add(line.seq)
        return not new

    def hear_event(self, event: Happening) -> None:
        """The client, or the command, tells something."""
        self._events.append(event)
        text = self._view(event)
        if isinstance(event, Named):
            self._narration.hello(self.nick, event)
        elif text is not None:
            self._narration.screen(self.nick, text)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)


def _fields(event: Happening) -> dict[str, object]:
    return attrs.asdict(event, recurse=False)
