"""
What the commands have in common that come back to a room, do one thing there, and end.

What is said meanwhile is shown, on stderr and as a chat would: it is shown only once, and would
be missing from the next chat. The result goes to stdout.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
import click
from twisted.internet.defer import CancelledError, Deferred

from securechat.address import Address
from securechat.cli.colour import colourful
from securechat.cli.dialling import advised, dialled, endpoint_option
from securechat.cli.failures import exit_code, fail
from securechat.cli.happenings import Connecting, Happening
from securechat.cli.homecoming import Homecoming
from securechat.cli.names import Names
from securechat.cli.options import common, json_option, keep_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.rooms import room_argument
from securechat.cli.running import run
from securechat.cli.views import JSONView, TextView, View
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.events import Disconnected
from securechat.client.known import KnownRooms
from securechat.errors import NotThere, SecureChatError, StateInUse
from securechat.group.room import Room
from securechat.identity import Bundle
from securechat.trust import TrustStore

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Inside:
    """The client, in the room that it visits, and who is who there."""

    client: ChatClient
    room: Room
    names: Names


Act: TypeAlias = Callable[[Inside], Coroutine[Deferred[Any], Any, None]]
"""What is to be done in the room."""

WithoutRoom: TypeAlias = Callable[[ChatClient], Coroutine[Deferred[Any], Any, None]]
"""What is to be done where nothing is kept of the room."""


@attrs.frozen
class Visit:
    """What the user has said about where to go, and how."""

    home: Path
    address: Address
    endpoint: str | None
    keep_messages: bool
    passphrase: Passphrase
    as_json: bool

    @property
    def label(self) -> str:
        return str(self.address.room)

    def pay(self, act: Act, *, typed: str | None = None, lost: WithoutRoom | None = None) -> None:
        """
        Come back to the room, let *act* do what it has to, and end.

        :param typed: what does the same in a chat.
        :param lost: what to do where nothing is kept of the room.
        :raises NotThere: if nothing is, and there is nothing to do then.
        """
        profile, identity = Profile.unlock(self.home, self.passphrase)
        trust = TrustStore.open(self.home, identity)
        names = Names(identity.fingerprint, profile.name, trust)
        view: View = JSONView(names)
        if not self.as_json:
            view = TextView(names, asks=True, colour=colourful())

        async def go(reactor: Any, state: StateDirectory) -> None:
            client = ChatClient(
                reactor,
                identity,
                trust,
                self.address,
                name=profile.name,
                endpoint=dialled(reactor, self.endpoint),
                known=KnownRooms.open(self.home, identity),
                state=state,
                may_vouch=nobody,
            )
            await Visitor(reactor, client, names, view, self, act, lost).go()

        try:
            with (
                advised(self.address),
                StateDirectory.open(self.home, identity, messages=self.keep_messages) as state,
            ):
                run(lambda reactor: go(reactor, state))
        except StateInUse as error:
            hint = "" if typed is None else f" If it is a chat at a terminal, type {typed} there."
            fail(f"{error}{hint}", exit_code(error))


@attrs.define
class Visitor:
    """One visit."""

    reactor: Any
    client: ChatClient
    names: Names
    view: View
    visit: Visit
    act: Act
    lost: WithoutRoom | None
    _homecoming: Homecoming | None = attrs.field(default=None, init=False)
    _doing: Deferred[None] | None = attrs.field(default=None, init=False)
    _given_up: SecureChatError | None = attrs.field(default=None, init=False)

    async def go(self) -> None:
        self.client.observe(self._hear)
        try:
            self._doing = Deferred.fromCoroutine(self._do())
            await self._doing
        except CancelledError:
            if self._given_up is None:
                raise
            raise self._given_up from None
        finally:
            await self.client.close()

    async def _do(self) -> None:
        label, client = self.visit.label, self.client
        kept = next((each for each in client.kept if each.label == label), None)
        if kept is None and self.lost is None:
            raise NotThere(label=label, path=self.visit.home)
        self._tell(Connecting(str(attrs.evolve(client.address, pin=None))))
        await client.connect()
        if kept is not None:
            self.names.learn(kept.names)
            self._homecoming = Homecoming(self.reactor, kept, self._tell)
            room = await self._homecoming.watch(client.join(label))
            await self.act(Inside(client, room, self.names))
        elif self.lost is not None:
            await self.lost(client)

    def _hear(self, event: Happening) -> None:
        self._tell(event)
        if self._homecoming is not None:
            self._homecoming.hear(event)
        if isinstance(event, Disconnected) and event.retry_in is None and self._doing is not None:
            self._given_up = event.why
            self._doing.cancel()

    def _tell(self, event: Happening) -> None:
        line = self.view(event)
        if line is not None:
            click.echo(line, err=True)


async def nobody(label: str, newcomer: Bundle) -> bool:
    """Vouch for nobody: this client is gone at once."""
    return False


def visiting(function: F) -> F:
    """What a command that visits a room has: ADDRESS, and the options. It gets a ``visit``."""

    @room_argument
    @endpoint_option
    @keep_option
    @passphrase_options
    @json_option
    @common
    @functools.wraps(function)
    def command(
        *,
        home: Path,
        address: Address,
        endpoint: str | None,
        keep_messages: bool,
        passphrase: Passphrase,
        as_json: bool,
        **more: Any,
    ) -> Any:
        visit = Visit(home, address, endpoint, keep_messages, passphrase, as_json)
        return function(visit, **more)

    return command  # type: ignore[return-value]  # click calls it with all by name
