"""``securechat listen``: what is said in a room, for scripts."""

from __future__ import annotations

import click
from twisted.internet.defer import Deferred

from securechat.cli.colour import colourful
from securechat.cli.happenings import Happening
from securechat.cli.options import json_option
from securechat.cli.terminal import Terminal
from securechat.cli.unattended import Errand, Guest, unattended, vouch_option
from securechat.cli.views import JSONView, TextView, View
from securechat.cli.visiting import nobody
from securechat.client.vouching import always
from securechat.errors import SecureChatError
from securechat.group.events import Message


@click.command(short_help="Write what is said in a room, for a script.")
@unattended
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(min=1),
    help="End once N messages have come, those from before included.",
)
@vouch_option
@json_option
def listen(errand: Errand, count: int | None, vouch: str, as_json: bool) -> None:
    """
    Write what is said in the room at ADDRESS, and what happens there, until it is interrupted.

    It is a chat without input: you come back to the room, or are let in, and stay a member. What
    was said since the last time comes first. What comes together with the last message that
    --count asks for is written, too, since it is shown once.

    \b
    Examples:
      securechat listen 'securechat://relay.example/lobby#PIN'
      securechat listen --json ADDRESS > heard.jsonl
      securechat listen --count 1 ADDRESS
    """

    async def hear(guest: Guest) -> None:
        names = guest.names
        view: View = JSONView(names)
        if not as_json:
            view = TextView(names, asks=False, colour=colourful())
        terminal = Terminal(guest.reactor)
        ending = _Ending(terminal, count)

        def tell(event: Happening) -> None:
            line = view(event)
            if line is not None:
                terminal.write(line)
            if isinstance(event, Message):
                ending.count()

        try:
            terminal.follow(guest.client)
            await guest.conversation(ending, tell)
        finally:
            await terminal.close()

    errand.run(hear, always if vouch == "auto" else nobody)


class _Ending:
    """
    In the place of lines that somebody types: none come, and the end does when enough messages
    were heard, or nobody reads the output any more.
    """

    def __init__(self, terminal: Terminal, most: int | None) -> None:
        self._left = most
        self._end: Deferred[None] = Deferred()
        terminal.deserted.addCallback(lambda _: self._stop())

    def count(self) -> None:
        """A message was heard."""
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._stop()

    async def next_line(self) -> str | SecureChatError | None:
        await self._end
        return None

    def _stop(self) -> None:
        if not self._end.called:
            self._end.callback(None)
