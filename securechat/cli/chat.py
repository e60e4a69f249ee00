"""``securechat chat``: a room in a terminal, or between pipes."""

from __future__ import annotations

from pathlib import Path

import click

from securechat.address import Address
from securechat.cli.dialling import endpoint_option
from securechat.cli.identity import checked_name
from securechat.cli.options import common, json_option, keep_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.rooms import room_argument
from securechat.cli.talking import Talk


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
    Talk(
        home=home,
        profile=profile,
        identity=identity,
        address=address,
        endpoint=endpoint,
        keep_messages=keep_messages,
        as_json=as_json,
        name=name,
        founds=found,
        asks=vouch == "ask",
        waits=wait,
        patient=wait_for_trusted,
        rejoins=rejoin,
    ).hold()
