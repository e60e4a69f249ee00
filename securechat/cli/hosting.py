"""One invite at a terminal: from the code that is shown to the friend who is in the room."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import Any

import attrs
import click
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from securechat.address import Address
from securechat.cli.codes import told
from securechat.cli.colour import colourful
from securechat.cli.happenings import InviteOpen, Notice
from securechat.cli.talking import Inside
from securechat.cli.terminal import Terminal
from securechat.cli.wording import minutes
from securechat.client.events import Event
from securechat.errors import NotInYet
from securechat.group.events import MemberAdded
from securechat.trusted import Trusted

ENTER_SECONDS = 120.0
"""How long a friend who has come with the code may take until they are in the room."""

_SHORT = 30  # characters of a name in a line that has to fit into one of the terminal


async def host(inside: Inside, address: Address, petname: str | None, *, as_json: bool) -> None:
    """
    Invite somebody into the room at *address*, and wait until they are in it.

    :param petname: what to call them; None: what they call themselves.
    :raises NotInYet: if they are trusted, and have not come in.
    :raises: as `ChatClient.invite` and `Invitation.friend`.
    """
    invitation = await inside.client.invite(inside.room, petname)
    opened = told(invitation, address)
    if as_json:
        inside.tell(opened)
    else:
        for line in shown(opened):
            inside.terminal.write(line)
    waiting = Waiting(inside.reactor, inside.terminal, somebody=not as_json and os.isatty(1))
    try:
        waiting.begin("waiting for your friend", invitation.seconds)
        friend = await invitation.friend
        waiting.begin(f"waiting for {friend.petname[:_SHORT]} to come in", ENTER_SECONDS)
        await _entered(inside, friend)
    finally:
        waiting.end()
    command = f"securechat chat {shlex.quote(str(address))}"
    inside.tell(Notice(f"{friend.petname} is in the room. To talk: {command}"))


def shown(opened: InviteOpen) -> Iterator[str]:
    """Yield the lines that show a code to the one who is to tell it."""
    code = click.style(opened.code, bold=True) if colourful() else opened.code
    yield from ("", "Send your friend this command, by any way:", "", f"    {opened.command}", "")
    yield from ("and tell them this code, so that nobody else hears it, by voice perhaps:", "")
    yield from (f"    {code}", "")
    yield (
        f"It is good once, for {minutes(opened.seconds)}. Whoever comes with it first is the one "
        "whom you\ntrust and let in. Ctrl-C ends it."
    )
    yield ""


async def _entered(inside: Inside, friend: Trusted) -> None:
    """Wait until *friend* is on the roster."""
    entered: Deferred[None] = Deferred()

    def hear(event: Event) -> None:
        match event:
            case MemberAdded(label=inside.room.label, member=friend.fingerprint):
                if not entered.called:
                    entered.callback(None)

    stop = inside.client.observe(hear)
    try:
        if friend.fingerprint not in inside.room.log.membership.index:
            await entered.addTimeout(ENTER_SECONDS, inside.reactor)
    except TimeoutError:
        raise NotInYet(label=inside.room.label, petname=friend.petname) from None
    finally:
        stop()


@attrs.define
class Waiting:
    """
    Shows below all lines for how long there is still to wait.

    :param somebody: whether there is a terminal to show it at; else nothing is shown.
    """

    reactor: Any
    terminal: Terminal
    somebody: bool = attrs.field(kw_only=True)
    _ticking: LoopingCall | None = attrs.field(default=None, init=False)

    def begin(self, what: str, seconds: float) -> None:
        """Show that *what* is done, for *seconds* at most."""
        self.end()
        if not self.somebody:
            return
        until = self.reactor.seconds() + seconds

        def tick() -> None:
            left = max(0, round(until - self.reactor.seconds()))
            self.terminal.show(f"{what}, {left // 60}:{left % 60:02} left ")

        self._ticking = LoopingCall(tick)
        self._ticking.clock = self.reactor
        self._ticking.start(1)

    def end(self) -> None:
        """Show nothing any more."""
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
            self.terminal.show("")
