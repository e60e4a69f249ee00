"""``securechat leave``: go out of a room for good."""

from __future__ import annotations

import click

from securechat.cli.failures import fail
from securechat.cli.options import echo_json, sure, yes_option
from securechat.cli.visiting import Inside, Visit, visiting
from securechat.client.client import ChatClient


@click.command(short_help="Leave a room for good.")
@yes_option
@visiting
def leave(visit: Visit, yes: bool) -> None:
    """
    Leave the room at ADDRESS for good.

    It is done once the relay has stored your signed word. The next member who is there takes
    you off the roster, and makes new keys, which you do not have. To be in the room again you
    have to be let in again. It works, too, where the keys of the room are lost here.

    At a terminal it asks before.

    \b
    Examples:
      securechat leave 'securechat://relay.example/lobby#PIN'
      securechat leave --yes ADDRESS
    """
    question = f"Leave #{visit.label} for good? To come back you would have to be let in again."
    if not sure(question, yes=yes):
        fail("Nothing was done: you have not left.")

    async def go(inside: Inside) -> None:
        await inside.client.leave(inside.room)

    async def go_without(client: ChatClient) -> None:
        await client.leave_lost(visit.label)

    visit.pay(go, typed="/leave", lost=go_without)
    if visit.as_json:
        echo_json({"room": visit.label, "left": True})
    else:
        click.echo(
            f"You have left #{visit.label}: the relay has stored it. The next member who is there "
            "makes new keys, without you."
        )
