"""
A conversation at a terminal, or between pipes, from the options of a command to its end: what
``securechat chat``, ``invite`` and ``accept`` have in common.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred

from securechat.address import Address
from securechat.cli.colour import colourful
from securechat.cli.conversation import Acceptance, Conversation
from securechat.cli.dialling import advised, dialled
from securechat.cli.happenings import Happening
from securechat.cli.names import Names
from securechat.cli.namesakes import Namesakes
from securechat.cli.profile import Profile
from securechat.cli.questions import Questions
from securechat.cli.running import run
from securechat.cli.slash import Slash
from securechat.cli.terminal import Terminal
from securechat.cli.views import JSONView, TextView, View
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.client.vouching import always
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.trust import TrustStore


@attrs.frozen
class Inside:
    """What a command has that does something else in the room than to talk."""

    reactor: Any
    client: ChatClient
    room: Room
    terminal: Terminal
    tell: Callable[[Happening], None]


Act: TypeAlias = Callable[[Inside], Coroutine[Deferred[Any], Any, None]]


@attrs.frozen(kw_only=True)
class Talk:
    """
    Who talks, where, and how.

    :param name: what the user is to be called there; None: as in the profile.
    :param founds: whether a room that is not there is founded without a question.
    :param asks: whether the user is asked before newcomers are vouched for.
    :param waits: whether it asks again, as long as nobody lets the user in.
    :param patient: as for `ChatClient.join`.
    :param rejoins: likewise.
    :param acceptance: the invite by which the user comes, if it is by one.
    :param act: what to do in the room instead of talking.
    """

    home: Path
    profile: Profile
    identity: Identity
    address: Address
    endpoint: str | None
    keep_messages: bool
    as_json: bool
    name: str | None = None
    founds: bool = False
    asks: bool = False
    waits: bool = False
    patient: bool = False
    rejoins: bool = False
    acceptance: Acceptance | None = None
    act: Act | None = None

    def hold(self) -> None:
        """
        Have the conversation, to its end.

        :raises: as `Conversation.run`, and what keeps the user's files from being used.
        """
        with (
            advised(self.address),
            StateDirectory.open(self.home, self.identity, messages=self.keep_messages) as state,
        ):
            run(lambda reactor: self._converse(reactor, state))

    async def _converse(self, reactor: Any, state: StateDirectory) -> None:
        trust = TrustStore.open(self.home, self.identity)
        name = self.profile.name if self.name is None else self.name
        names = Names(self.identity.fingerprint, name, trust)
        view: View = JSONView(names)
        if not self.as_json:
            view = TextView(names, asks=self.asks, colour=colourful())
        terminal = Terminal(reactor)
        namesakes = Namesakes(names, lambda: client.rooms)

        def tell(event: Happening) -> None:
            line = view(event)
            if line is not None:
                terminal.write(line)
            for each in namesakes.after(event):
                tell(each)

        try:
            questions = Questions(reactor, tell, somebody=os.isatty(0))
            client = ChatClient(
                reactor,
                self.identity,
                trust,
                self.address,
                name=name,
                endpoint=dialled(reactor, self.endpoint),
                known=KnownRooms.open(self.home, self.identity),
                state=state,
                may_vouch=questions.may_vouch if self.asks else always,
            )
            for room in client.kept:
                names.learn(room.names)

            def slash(room: Room, talk: Conversation) -> Slash:
                return Slash(client, room, names, questions, tell, talk.left)

            async def doing(room: Room) -> None:
                assert self.act is not None
                await self.act(Inside(reactor, client, room, terminal, tell))

            talk = Conversation(
                reactor,
                client,
                str(self.address.room),
                terminal,
                questions,
                tell,
                slash if questions.somebody and self.act is None else None,
                waits=self.waits,
                acceptance=self.acceptance,
                doing=None if self.act is None else doing,
            )
            await talk.run(found=self.founds, patient=self.patient, rejoin=self.rejoins)
        finally:
            await terminal.close()
