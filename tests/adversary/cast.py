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

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from securechat.client import departing
from securechat.client.client import ChatClient
from securechat.client.events import Event
from securechat.client.state import MemoryState
from securechat.errors import SecureChatError
from securechat.group.events import Delivered, MemberAdded, Message
from securechat.group.room import Room
from securechat.relay.backup import back_up
from securechat.relay.factory import RelayFactory
from securechat.relay.sqlite import SQLiteHistory
from securechat.testing import ADDRESS, Person
from securechat.wire import Line, parse
from tests.adversary.kit import LABEL, LyingNetwork
from tests.group.kit import person as identity_of

E = TypeVar("E", bound=Event)
L = TypeVar("L", bound=Line)

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")


@attrs.frozen
class Said:
    """
    A message that its author's client has accepted.

    :ivar stay: the head by which the author had come into the room.
    :ivar told: how much the author had been told by then.
    """

    author: Player
    stay: bytes
    ticket: int
    told: int

    @property
    def delivered(self) -> set[int]:
        """The number of the stream that the author was told, if it was."""
        told = self.author.events[self.told :]
        again = (
            place
            for place, each in enumerate(told)
            if isinstance(each, MemberAdded) and each.member == self.author.fingerprint
        )  # tickets begin anew
        stay = told[: next(again, None)]
        found = (each for each in stay if isinstance(each, Delivered))
        return {each.seq for each in found if each.ticket == self.ticket}


@attrs.define(eq=False)
class Player:
    """
    One person, through all the lives of its client.

    :ivar absent: whether its client has died and was not started anew.
    """

    name: str
    person: Person
    absent: bool = False
    _past: list[Event] = attrs.field(factory=list)
    _past_lines: list[tuple[str, bytes]] = attrs.field(factory=list)

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

    def said(self, *kinds: type[L]) -> list[L]:
        """Return what its client ever said to the relay, of these kinds."""
        lines = [*self._past_lines, *self.person.lines]
        said = (parse(raw) for who, raw in lines if who == "C")
        return [each for each in said if isinstance(each, kinds)]

    def heard(self, kind: type[E]) -> list[E]:
        """Return what it was ever told of one kind."""
        return [each for each in self.events if isinstance(each, kind)]

    @property
    def shown(self) -> list[Message]:
        """The messages that it was ever shown in the lobby."""
        return [each for each in self.heard(Message) if each.label == LABEL]

    def die(self) -> None:
        """Its client is no more: what that one does from now on, nobody sees."""
        self._past += self.person.events
        self._past_lines += self.person.lines
        self.absent = True


class Cast:
    """
    :ivar players: everybody, by name.
    :ivar history: what the relay has stored.
    :ivar copies: copies of that, the oldest first.
    :ivar said: what was said, by its text; no text is said twice.
    :ivar inside: the heads of the entries by which somebody's client has come in.
    :ivar left: the numbers of the stream that people had when they left.
    :ivar came: the fingerprints of those who ever founded the room, or wanted to join it.
    :ivar refused: why something that somebody did came to nothing.
    """

    def __init__(self, directory: Path, *names: str) -> None:
        """:param directory: where the relay keeps its history."""
        self._disk = directory / "history.sqlite"
        self.network = LyingNetwork()
        self._others: list[SQLiteHistory] = []
        self.copies: list[Path] = []
        self._numbers = count()
        self._start_relay()
        self.players = {name: Player(name, self._person(name)) for name in names}
        self.said: dict[str, Said] = {}
        self.left: defaultdict[Player, list[int]] = defaultdict(list)
        self.came: set[bytes] = set()
        self.inside: set[bytes] = set()
        self.refused: list[SecureChatError] = []
        for player in self.players.values():
            player.person.trust(*(each.person for each in self if each is not player))
            player.person.chat.connect()
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

    def found(self, player: Player, label: str = LABEL) -> None:
        """Let *player* found the room, or another."""
        self.came.add(player.fingerprint)
        self._await(player.person.chat.found(label))

    def join(self, player: Player, *, rejoin: bool = False) -> None:
        """
        Let *player* come into the room, or come back to it.

        :param rejoin: though its client has lost what it knew of the room.
        """
        self.came.add(player.fingerprint)
        self._await(Deferred.fromCoroutine(self._join(player.person.chat, rejoin)))

    async def _join(self, chat: ChatClient, rejoin: bool) -> None:
        await chat.connect()
        await chat.join(LABEL, rejoin=rejoin)

    def say(self, player: Player) -> None:
        """Let *player* say something that nobody has said."""
        room, told = player.room, len(player.events)
        assert room is not None
        text = f"{player.name} says {len(self.said)}"
        try:
            self._await(player.person.chat.send(room, text))
        except SecureChatError as error:
            self.refused.append(error)
        else:
            stay, ticket = room.first_entry.head, room._outbox.tickets - 1
            self.said[text] = Said(player, stay, ticket, told)
            self.network.clock.advance(0)  # accepted is what is stored

    def talk(self) -> None:
        """Let everybody in the room say something."""
        for player in self:
            if player.room is not None:
                self.say(player)

    def leave(self, player: Player) -> None:
        """Let *player* leave the room."""
        assert player.room is not None
        self.left[player].append(player.room.seq)
        self._await(player.person.chat.leave(player.room))

    def kick(self, player: Player, other: Player) -> None:
        """Let *player* throw *other* out."""
        assert player.room is not None
        self._await(player.person.chat.kick(player.room, other.fingerprint))

    def renew(self, player: Player) -> None:
        """Let *player* renew its keys."""
        assert player.room is not None
        self._await(player.person.chat.renew(player.room))

    def _await(self, work: Deferred[Any]) -> None:
        work.addCallbacks(lambda _: None, self._failed)

    def _failed(self, reason: Failure) -> None:
        reason.trap(SecureChatError, CancelledError)
        if isinstance(reason.value, SecureChatError):
            self.refused.append(reason.value)

    # What happens to them

    def crash(self, player: Player) -> None:
        """The program of *player* is no more."""
        self.note_who_is_inside()
        player.die()
        player.person = self.network.restarted(player.person)

    def come_back(self, player: Player) -> None:
        """The program of *player* is started again, and comes back to the room if it was in it."""
        player.absent = False
        assert player.person.state is not None
        if player.person.state.rooms(ADDRESS):
            self.join(player)
        else:
            self._await(player.person.chat.connect())

    def cut(self, player: Player) -> None:
        """The connection of *player* breaks."""
        self.network.wire(player.person).near.lose(Failure(ConnectionLost()))

    def stall(self, player: Player) -> None:
        """Nothing arrives at the client of *player* any more, and it cannot know."""
        player.person.transport.deaf = True

    def wake(self, player: Player) -> None:
        """It does again."""
        player.person.transport.deaf = False

    def copy(self) -> Path:
        """Copy what the relay has stored by now, and return where the copy is."""
        copy = self._disk.with_name(f"copy {next(self._numbers)}.sqlite")
        back_up(self._disk, copy, lambda done, total: None)
        self.copies.append(copy)
        return copy

    def split(self, half: Iterable[Player]) -> None:
        """Have *half* served by a relay of its own, from a copy, until connections break."""
        clock, relay = self.network.clock, self.network.relay
        other = SQLiteHistory(self.copy(), clock)
        self.network.relay = RelayFactory(clock, addresses=[ADDRESS], history=other)
        self._others.append(other)
        for player in half:
            self.cut(player)
        self.turn(10)
        self.network.relay = relay

    def restart_relay(self, disk: Path | None = None) -> None:
        """
        The relay is killed, and starts again from what it has stored.

        :param disk: a copy of it as it once was, instead.
        """
        self.stop_relay()
        if disk is not None:
            self._disk = disk
            self.copies.remove(disk)
        self._start_relay()

    def stop_relay(self) -> None:
        """The relay is killed."""
        for near in list(self.network.transports):
            near.other.die()
        for each in (self.history, *self._others):
            if each._call is not None:
                each._call.cancel()  # what it had not stored is lost
            each.database.close()
        self._others.clear()

    def _start_relay(self) -> None:
        clock = self.network.clock
        self.history = SQLiteHistory(self._disk, clock)
        self.network.relay = RelayFactory(clock, addresses=[ADDRESS], history=self.history)

    def note_who_is_inside(self) -> None:
        """Write down whose clients have come into the room, and will find it again."""
        for player in self.members:
            room, state = player.room, player.person.state
            if room is not None and state is not None and state.rooms(ADDRESS):
                self.inside.add(room.first_entry.head)

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

    def rest(self) -> None:
        """
        Let everybody be there, and let time go by until nothing moves.

        :raises AssertionError: if something still moves after ten minutes.
        """
        for player in self:
            if player.absent:
                self.come_back(player)
            elif player.person.chat.connected:
                self.wake(player)
        for _ in range(60):
            self.turn(10)
            for player in self:
                if player.room is None and self._has_a_place(player):
                    self.join(player, rejoin=True)
            if self._rests():
                return
        raise AssertionError("something still moves after ten minutes")

    def _rests(self) -> bool:
        rooms = [each.room for each in self if each.room is not None]
        there = sum(1 for _ in rooms)
        return all(
            each.place == rooms[0].place
            and len(each.roster) == there
            and not (each.unsent or each.held or each.leaving)
            for each in rooms
        )

    def _has_a_place(self, player: Player) -> bool:
        return any(
            player.fingerprint in each.room.log.membership.index
            for each in self
            if each.room is not None
        )


def turns_by_name(cast: Cast) -> AbstractContextManager[object]:
    """
    Let members take their turns in the order of their names: by the head of the log it would be
    another one each time, and a play could not be played again.
    """
    names = {each.fingerprint: each.name.encode() for each in cast}
    return patch.object(departing, "digest", lambda label, head, member: names[member])
