"""``securechat chat``: a room in a terminal, or between pipes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from securechat.address import Address
from securechat.cli.colour import colourful
from securechat.cli.conversation import Conversation
from securechat.cli.dialling import advised, dialled, endpoint_option
from securechat.cli.happenings import Happening
from securechat.cli.identity import checked_name
from securechat.cli.names import Names
from securechat.cli.options import common, json_option, keep_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.questions import Questions
from securechat.cli.rooms import room_argument
from securechat.cli.running import run
from securechat.cli.slash import Slash
from securechat.cli.terminal import Terminal
from securechat.cli.views import JSONView, TextView, View
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.client.vouching import always
from securechat.group.room import Room
from securechat.trust import TrustStore


@click.command(short_help="Enter a room, and talk.")
@room_argument
@click.option("--found", is_flag=True, help="Found the room if the relay has none of that name.")
@click.option(
    "--vouch",
    type=click.Choice(["auto", "ask"]),
    default="auto",
    show_default=True,
    help="Vouch for newcomers whom you trust by yourself, or be asked before.",
)
@click.option(
    "--wait-for-trusted",
    is_flag=True,
    help="If somebody whom you do not trust vouches for you, wait for somebody else.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="If nobody is there to let you in, wait, and ask again every half minute.",
)
@click.option(
    "--rejoin",
    is_flag=True,
    help="If you are a member whose keys are lost, leave and be let in again. What was said until "
    "then you cannot read.",
)
@click.option(
    "--name",
    callback=checked_name,
    help="What to call yourself here, instead of the name given to init.",
)
@endpoint_option
@keep_option
@passphrase_options
@json_option
@common
def chat(
    home: Path,
    address: Address,
    found: bool,
    vouch: str,
    wait_for_trusted: bool,
    wait: bool,
    rejoin: bool,
    name: str | None,
    endpoint: str | None,
    keep_messages: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Enter the room at ADDRESS, and talk there: a line that you type is a message.

    You are in once a member who trusts you vouches for you, and you trust that member. Where
    the relay has no such room you are asked whether to found it. While you are in you vouch
    for newcomers whom you trust. Ctrl-D ends, once all that you said has arrived; Ctrl-C ends
    at once.

    You stay a member when it ends. The next time you are back in the room, and what was said
    meanwhile arrives; "securechat leave" leaves. At a terminal /help shows what a line can do
    besides; a line that begins with two slashes says one.

    \b
    Examples:
      securechat chat 'securechat://relay.example/lobby#PIN'
      securechat chat --found 'securechat://relay.example/attic#PIN'
      tail -f alerts | securechat chat --json ADDRESS > heard.jsonl
    """
    profile, identity = Profile.unlock(home, passphrase)
    trust = TrustStore.open(home, identity)
    known = KnownRooms.open(home, identity)
    name = profile.name if name is None else name
    names = Names(identity.fingerprint, name, trust)
    view: View = JSONView(names)
    if not as_json:
        view = TextView(names, asks=vouch == "ask", colour=colourful())

    async def converse(reactor: Any, state: StateDirectory) -> None:
        terminal = Terminal(reactor)

        def tell(event: Happening) -> None:
            line = view(event)
            if line is not None:
                terminal.write(line)

        try:
            questions = Questions(reactor, tell, somebody=os.isatty(0))
            client = ChatClient(
                reactor,
                identity,
                trust,
                address,
                name=name,
                endpoint=dialled(reactor, endpoint),
                known=known,
                state=state,
                may_vouch=questions.may_vouch if vouch == "ask" else always,
            )
            for room in client.kept:
                names.learn(room.names)

            def slash(room: Room, talk: Conversation) -> Slash:
                return Slash(client, room, names, questions, tell, talk.left)

            talk = Conversation(
                reactor,
                client,
                str(address.room),
                terminal,
                questions,
                tell,
                slash if questions.somebody else None,
                waits=wait,
            )
            await talk.run(found=found, patient=wait_for_trusted, rejoin=rejoin)
        finally:
            await terminal.close()

    with (
        advised(address),
        StateDirectory.open(home, identity, messages=keep_messages) as state,
    ):
        run(lambda reactor: converse(reactor, state))
