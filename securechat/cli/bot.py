"""``securechat bot``: a program in a room, which speaks JSON-RPC on its stdin and stdout."""

from __future__ import annotations

import shutil
from contextlib import suppress

import click
from twisted.internet.defer import Deferred, TimeoutError

from securechat.cli.actions import Actions, explain
from securechat.cli.child import MAX_LINE, Child
from securechat.cli.conversation import DELIVERY_SECONDS, MAX_UNDELIVERED, Conversation
from securechat.cli.happenings import Happening
from securechat.cli.jsonrpc import Server
from securechat.cli.lines import TooLong
from securechat.cli.options import to_json
from securechat.cli.unattended import Errand, Guest, unattended, vouch_option
from securechat.cli.views import JSONView
from securechat.cli.visiting import nobody
from securechat.client.vouching import always
from securechat.errors import SecureChatError
from securechat.group.room import Room


@click.command(short_help="Let a program be in a room.")
@unattended
@click.argument(
    "command", metavar="COMMAND [ARGS]...", nargs=-1, required=True, type=click.UNPROCESSED
)
@vouch_option
def bot(errand: Errand, command: tuple[str, ...], vouch: str) -> None:
    """
    Enter the room at ADDRESS, and let COMMAND be there.

    COMMAND reads what happens on its stdin, and writes what is to be done to its stdout: JSON-RPC
    2.0, a line each, as docs/bots.md describes and docs/bot.schema.json defines. Its stderr is
    that of the bot. When it ends, the bot does; when the bot ends, its stdin is closed, and it
    has some seconds to end. Options of COMMAND need a "--" before COMMAND.

    You are let in as by "securechat chat", and stay a member. Nobody is asked anything, so the
    passphrase of the identity comes from a file, or is remembered, or it has none.

    \b
    Example:
      securechat bot 'securechat://relay.example/lobby#PIN' -- python3 echo_bot.py
    """
    if shutil.which(command[0]) is None:
        raise click.UsageError(f"There is no command {command[0]!r} that can be run.")

    async def serve(guest: Guest) -> None:
        child = Child(guest.reactor, guest.client)
        view = JSONView(guest.names)
        requests = _Requests(guest, child)

        def tell(event: Happening) -> None:
            value = view.value(event)
            child.write(to_json({"jsonrpc": "2.0", "method": "event", "params": value}))

        child.start(command)
        try:
            await guest.conversation(requests, tell, requests.serve)
        finally:
            await child.close()
        child.check()
        if child.finished:
            click.echo("securechat: the command has ended, and so does the bot", err=True)

    errand.run(serve, always if vouch == "auto" else nobody)


class _Requests:
    """The lines of the command in the place of those that somebody types."""

    def __init__(self, guest: Guest, child: Child) -> None:
        self._guest = guest
        self._child = child
        self._server: Server

    def serve(self, room: Room, talk: Conversation) -> Server:
        """Return what answers the lines, now that the bot is in *room*."""
        actions = Actions(self._guest, room, talk, self._child)
        self._server = Server(actions.table(), self._child.write, explain)
        return self._server

    async def next_line(self) -> str | SecureChatError | None:
        while True:
            await self._server.fewer_than(MAX_UNDELIVERED)
            line = await self._child.next_line()
            if line is None:
                await self._finish()
                return None
            if isinstance(line, TooLong):
                self._server.refuse(f"the line has {line.size} bytes, and {MAX_LINE} are the most")
                continue
            try:
                return line.decode("utf-8")
            except UnicodeDecodeError:
                self._server.refuse("the line is no UTF-8")

    async def _finish(self) -> None:
        """Let end what the command has asked for."""
        done = Deferred.fromCoroutine(self._server.fewer_than(1))
        with suppress(TimeoutError):
            await done.addTimeout(DELIVERY_SECONDS, self._guest.reactor)
