"""
The cast: people who all trust each other, and the truth about what they do.

A `Cast` plays in the room "lobby". Its members are real clients that keep their state, in a
`LyingNetwork` before the real relay, whose history is on disk. Everything that somebody does is
begun and left to itself, so that other things can happen meanwhile; the network is carried on by
`nudge`, `turn` and `settle`. A client can crash and the relay can be killed: both go on with what
they had stored.

What the people themselves do is written down as it is done: who said what, who wanted to be in the
room. `tests.adversary.invariants` compares it with what everybody was made to believe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from securechat.client import departing
from securechat.client.events import Event
from securechat.client.state import MemoryState
from securechat.errors import SecureChatError
from securechat.group.events import Message
from securechat.group.room import Room
from securechat.relay.factory import RelayFactory
from securechat.relay.sqlite import SQLiteHistory
from securechat.testing import ADDRESS, Person
from tests.adversary.kit import LABEL, LyingNetwork
from tests.group.kit import person as identity_of

E = TypeVar("E", bound=Event)

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")


@attrs.define(eq=False)
class Player:
    """
    One person, through all the lives of its client.

    :ivar absent: whether its client has died and was not started anew.
    """

    name: str
    person: Person
    absent: bool = False
    member: bool = False
    """Whether it has come into the room, and neither left it nor been removed."""
    _past: list[Event] = attrs.field(factory=list)

    @property
    def fingerprint(self) -> bytes:
        return self.person.fingerprint

    @property
    def room(self) -> Room | None:
        """The lobby as its client has it, if it is in it."""
        rooms = () if self.absent else self.person.chat.rooms
        return next((each for each in rooms if each.label == LABEL), None)

    @property
    def events(self) -> list[Event]:
        """All that it was ever told."""
        return [*self._past, *self.person.events]

    def heard(self, kind: type[E]) -> list[E]:
        """Return what it was ever told of one kind."""
        return [each for each in self.events if isinstance(each, kind)]

    @property
    def shown(self) -> list[Message]:
        """The messages that it was ever shown."""
        return self.heard(Message)

    def begin_another_life(self, person: Person) -> None:
        """From now on its client is that of *person*."""
        self._past += self.person.events
        self.person = person
        self.absent = False


class Cast:
    """
    :ivar players: everybody, by name.
    :ivar history: what the relay has stored.
    :ivar said: who has said which text; no text is said twice.
    :ivar came: the fingerprints of those who ever founded the room, or wanted to join it.
    :ivar refused: why something that somebody did came to nothing.
    """

    def __init__(self, directory: Path, *names: str) -> None:
        """:param directory: where the relay keeps its history."""
        self._disk = directory / "history.sqlite"
        self.network = LyingNetwork()
        self._start_relay()
        everybody = [identity_of(name) for name in names]
        self.players = {name: Player(name, self._person(name)) for name in names}
        self.said: dict[str, bytes] = {}
        self.came: set[bytes] = set()
        self.refused: list[SecureChatError] = []
        for player in self.players.values():
            player.person.trust(*(each.person for each in self if each is not player))
            player.person.chat.connect()
        assert len({each.fingerprint for each in everybody}) == len(names)
        self.settle()

    def _person(self, name: str) -> Person:
        state = MemoryState(messages=True)
        return self.network.person(name, identity=identity_of(name), state=state)

    def __iter__(self) -> Iterator[Player]:
        return iter(self.players.values())

    def __getitem__(self, name: str) -> Player:
        return self.players[name]

    @property
    def members(self) -> list[Player]:
        """Whose client is in the room now."""
        return [each for each in self if each.room is not None]

    # What people do

    def found(self, player: Player) -> None:
        """Let *player* found the room."""
        self.came.add(player.fingerprint)
        self._await(player.person.chat.found(LABEL), lambda _: self._entered(player))

    def join(self, player: Player) -> None:
        """Let *player* come into the room, or come back to it."""
        self.came.add(player.fingerprint)
        self._await(player.person.chat.join(LABEL), lambda _: self._entered(player))

    def say(self, player: Player) -> str | None:
        """Let *player* say something that nobody has said; return it, if it could be said."""
        assert player.room is not None
        text = f"{player.name}: {len(self.said)}"
        try:
            sent = player.person.chat.send(player.room, text)
        except SecureChatError as error:
            self.refused.append(error)
            return None
        self.said[text] = player.fingerprint
        self._await(sent)
        return text

    def leave(self, player: Player) -> None:
        """Let *player* leave the room."""
        assert player.room is not None
        self._await(player.person.chat.leave(player.room))

    def kick(self, player: Player, other: Player) -> None:
        """Let *player* throw *other* out."""
        assert player.room is not None
        self._await(player.person.chat.kick(player.room, other.fingerprint))

    def renew(self, player: Player) -> None:
        """Let *player* renew its keys."""
        assert player.room is not None
        self._await(player.person.chat.renew(player.room))

    def _entered(self, player: Player) -> None:
        player.member = True

    def _await(self, work: Deferred[Any], then: Callable[[Any], object] = lambda _: None) -> None:
        work.addCallbacks(then, self._failed)

    def _failed(self, reason: Failure) -> None:
        reason.trap(SecureChatError, CancelledError)
        if isinstance(reason.value, SecureChatError):
            self.refused.append(reason.value)

    # What happens to them

    def crash(self, player: Player) -> None:
        """The program of *player* is no more."""
        player.begin_another_life(self.network.restarted(player.person))
        player.absent = True

    def come_back(self, player: Player) -> None:
        """The program of *player* is started again, and comes back to the room if it was in it."""
        player.absent = False
        kept = bool(player.person.state and player.person.state.rooms(ADDRESS))
        connected = player.person.chat.connect()
        self._await(connected, lambda _: self.join(player) if kept else None)

    def cut(self, player: Player) -> None:
        """The connection of *player* breaks."""
        self.network.wire(player.person).near.lose(Failure(ConnectionLost()))

    def stall(self, player: Player) -> None:
        """Nothing arrives at the client of *player* any more, and it cannot know."""
        player.person.transport.deaf = True

    def wake(self, player: Player) -> None:
        """It does again."""
        player.person.transport.deaf = False

    def restart_relay(self, disk: Path | None = None) -> None:
        """
        The relay is killed, and starts again from what it has stored.

        :param disk: a copy of it as it once was, instead.
        """
        self.stop_relay()
        if disk is not None:
            self._disk = disk
        self._start_relay()

    def stop_relay(self) -> None:
        """The relay is killed."""
        for near in list(self.network.transports):
            near.other.die()
        if self.history._call is not None:
            self.history._call.cancel()  # what it had not stored is lost
        self.history.database.close()

    def _start_relay(self) -> None:
        clock = self.network.clock
        self.history = SQLiteHistory(self._disk, clock)
        self.network.relay = RelayFactory(clock, addresses=[ADDRESS], history=self.history)

    # How things go on

    def nudge(self, rounds: int = 1) -> None:
        """Carry what is said only so far: to whom it was said, *rounds* times."""
        for _ in range(rounds):
            self.network.clock.advance(0)
            for near in list(self.network.transports):
                for end in (near, near.other):
                    end.carry()

    def settle(self) -> None:
        """Carry what is said until nobody has anything to say."""
        self.network.settle()

    def turn(self, seconds: float, step: float = 0.5) -> None:
        """Let *seconds* go by."""
        self.network.turn(seconds, step)


@contextmanager
def turns_by_name(cast: Cast) -> Iterator[None]:
    """
    Let members take their turns in the order of their names: by the head of the log it would be
    another one each time, and a play could not be played again.
    """
    names = {each.fingerprint: each.name for each in cast}
    picked = departing.digest
    departing.digest = lambda label, head, member: names.get(member, "").encode()  # type: ignore
    try:
        yield
    finally:
        departing.digest = picked
