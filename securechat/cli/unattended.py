"""
What the commands have in common that are for scripts and programs: nobody has to sit before them.

They enter a room as a chat does, by the same `Conversation`. They ask nothing: whom they trust is
said beforehand, by the trust store and a `TrustPolicy`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
import click
from twisted.internet.defer import Deferred

from securechat.address import Address
from securechat.cli.conversation import Conversation, Lines, Obeys
from securechat.cli.dialling import advised, dialled, endpoint_option
from securechat.cli.happenings import Happening
from securechat.cli.names import Names
from securechat.cli.namesakes import Namesakes
from securechat.cli.options import common, keep_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.questions import Questions
from securechat.cli.rooms import room_argument
from securechat.cli.running import run
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.client.trusting import TrustPolicy
from securechat.client.vouching import MayVouch
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.trust import TrustStore

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Guest:
    """Who is about to enter the room, and all that it has for that."""

    reactor: Any
    client: ChatClient
    names: Names
    trust: TrustStore
    state: StateDirectory
    errand: Errand

    def conversation(
        self,
        lines: Lines,
        tell: Callable[[Happening], None],
        obeying: Callable[[Room, Conversation], Obeys] | None = None,
    ) -> Coroutine[Deferred[Any], Any, None]:
        """Have the conversation in which *lines* are said, and whatever happens is told."""
        namesakes = Namesakes(self.names, lambda: self.client.rooms)

        def tell_all(event: Happening) -> None:
            tell(event)
            for each in namesakes.after(event):
                tell(each)

        talk = Conversation(
            self.reactor,
            self.client,
            self.errand.label,
            lines,
            Questions(self.reactor, tell_all, somebody=False),
            tell_all,
            obeying,
            waits=self.errand.waits,
        )
        return talk.run(found=self.errand.found, patient=self.errand.patient, rejoin=False)


Main: TypeAlias = Callable[[Guest], Coroutine[Deferred[Any], Any, None]]
"""What is to be done."""


@attrs.frozen
class Errand:
    """What the user has said about where to go, and how."""

    home: Path
    address: Address
    found: bool
    waits: bool
    patient: bool
    policy: TrustPolicy
    endpoint: str | None
    keep_messages: bool
    passphrase: Passphrase

    @property
    def label(self) -> str:
        return str(self.address.room)

    def run(self, main: Main, may_vouch: MayVouch) -> None:
        """Do *main*, as somebody who is about to enter the room."""
        profile, identity = Profile.unlock(self.home, self.passphrase)
        trust = TrustStore.open(self.home, identity)
        names = Names(identity.fingerprint, profile.name, trust)
        with (
            advised(self.address),
            StateDirectory.open(self.home, identity, messages=self.keep_messages) as state,
        ):

            async def go(reactor: Any) -> None:
                client = self._client(reactor, identity, profile.name, trust, state, may_vouch)
                for room in client.kept:
                    names.learn(room.names)
                await main(Guest(reactor, client, names, trust, state, self))

            run(go)

    def _client(
        self,
        reactor: Any,
        identity: Identity,
        name: str,
        trust: TrustStore,
        state: StateDirectory,
        may_vouch: MayVouch,
    ) -> ChatClient:
        return ChatClient(
            reactor,
            identity,
            trust,
            self.address,
            name=name,
            endpoint=dialled(reactor, self.endpoint),
            known=KnownRooms.open(self.home, identity),
            state=state,
            may_vouch=may_vouch,
            trust_policy=self.policy,
        )


def unattended(function: F) -> F:
    """What a command has that needs nobody: ADDRESS, and the options. It gets an ``errand``."""

    @room_argument
    @click.option(
        "--found", is_flag=True, help="Found the room if the relay has none of that name."
    )
    @click.option(
        "--trust",
        "policy",
        type=click.Choice([each.value for each in TrustPolicy]),
        default=TrustPolicy.PIN.value,
        show_default=True,
        help="Whom to trust besides those whom you trust already: nobody (pin); each member for "
        "whom somebody trusted has vouched (vouched); or who lets you into a room where you know "
        "nobody (first-use).",
    )
    @click.option(
        "--wait-for-trusted",
        "patient",
        is_flag=True,
        help="If somebody whom you do not trust vouches for you, wait for somebody else.",
    )
    @click.option(
        "--wait",
        "waits",
        is_flag=True,
        help="If nobody is there to let you in, wait, and ask again every half minute.",
    )
    @endpoint_option
    @keep_option
    @passphrase_options
    @common
    @functools.wraps(function)
    def command(
        *,
        home: Path,
        address: Address,
        found: bool,
        policy: str,
        patient: bool,
        waits: bool,
        endpoint: str | None,
        keep_messages: bool,
        passphrase: Passphrase,
        **more: Any,
    ) -> Any:
        asks = sys.stdin.isatty()
        errand = Errand(
            home,
            address,
            found,
            waits,
            patient,
            TrustPolicy(policy),
            endpoint,
            keep_messages,
            attrs.evolve(passphrase, asks=asks),
        )
        return function(errand, **more)

    return command  # type: ignore[return-value]  # click calls it with all by name


vouch_option = click.option(
    "--vouch",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="Vouch for newcomers whom you trust, or for nobody.",
)
