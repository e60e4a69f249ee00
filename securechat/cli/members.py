"""``securechat members``: who is in a room."""

from __future__ import annotations

import click

from securechat.cli.options import echo_json
from securechat.cli.roster import lines, value
from securechat.cli.visiting import Inside, Visit, visiting


@click.command(short_help="Show who is in a room.")
@visiting
def members(visit: Visit) -> None:
    """
    Show who is in the room at ADDRESS.

    Each line has a name, as a chat shows it, the beginning of the fingerprint, whether that
    member is there now (as the relay says, which may lie), what say it has, and who vouched for
    it. "you" are there as long as this command is.

    \b
    Examples:
      securechat members 'securechat://relay.example/lobby#PIN'
      securechat members --json ADDRESS
    """

    async def show(inside: Inside) -> None:
        online = await inside.client.online(inside.room)
        if visit.as_json:
            echo_json(value(inside.room, inside.names, online))
        else:
            for line in lines(inside.room, inside.names, online):
                click.echo(line)

    visit.pay(show, typed="/members")
