"""``securechat invite`` and ``accept``: a friend comes in by a code that is good once."""

from __future__ import annotations

import os
from pathlib import Path

import click

from securechat.address import Address
from securechat.cli.beginning import unlock_or_make
from securechat.cli.codes import asked
from securechat.cli.conversation import Acceptance
from securechat.cli.dialling import endpoint_option
from securechat.cli.failures import exit_code, fail
from securechat.cli.hosting import host
from securechat.cli.identity import checked_name
from securechat.cli.names import check_on_screen
from securechat.cli.options import common, json_option, keep_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.rooms import room_argument
from securechat.cli.talking import Inside, Talk
from securechat.errors import BadCode, BadPetname, StateInUse
from securechat.pairing import Code
from securechat.trusted import check_petname


def _petname(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        check_on_screen(value)
        return check_petname(value)
    except BadPetname as error:
        raise click.BadParameter(error.what) from None


petname_option = click.option(
    "--as",
    "petname",
    metavar="NAME",
    callback=_petname,
    help="What to call the other one, instead of what they call themselves.",
)


@click.command(short_help="Invite a friend into a room, by a code.")
@room_argument
@petname_option
@click.option("--found", is_flag=True, help="Found the room if the relay has none of that name.")
@endpoint_option
@keep_option
@passphrase_options
@json_option
@common
def invite(
    home: Path,
    address: Address,
    petname: str | None,
    found: bool,
    endpoint: str | None,
    keep_messages: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Invite a friend into the room at ADDRESS: you tell them a code, and you trust each other.

    The code is a number and two words, such as 7-piano-cactus. It is good once, for some
    minutes. Tell it in a way in which nobody else hears it, by voice perhaps: whoever comes with
    it first is whom you trust and let in. The command that your friend types, with the address in
    it, may go any way.

    This waits until your friend is in the room. If somebody tries a wrong code, the code is spent,
    and you are told. In a chat that is running /invite does the same.

    \b
    Examples:
      securechat invite 'securechat://relay.example/lobby#PIN'
      securechat invite --as bob ADDRESS
      securechat invite --found 'securechat://relay.example/attic#PIN'
    """
    profile, identity = unlock_or_make(home, passphrase)

    async def act(inside: Inside) -> None:
        await host(inside, address, petname, as_json=as_json)

    talk = Talk(
        home=home,
        profile=profile,
        identity=identity,
        address=address,
        endpoint=endpoint,
        keep_messages=keep_messages,
        as_json=as_json,
        founds=found,
        act=act,
    )
    try:
        talk.hold()
    except StateInUse as error:
        fail(f"{error} If it is a chat at a terminal, type /invite there.", exit_code(error))


@click.command(short_help="Accept an invite into a room, by its code.")
@room_argument
@click.argument("code", nargs=-1)
@petname_option
@click.option(
    "--name",
    callback=checked_name,
    help="What to call yourself, instead of the name given to init.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="If nobody is there to let you in, wait, and ask again every half minute.",
)
@endpoint_option
@keep_option
@passphrase_options
@json_option
@common
def accept(
    home: Path,
    address: Address,
    code: tuple[str, ...],
    petname: str | None,
    name: str | None,
    wait: bool,
    endpoint: str | None,
    keep_messages: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Accept an invite into the room at ADDRESS, by the CODE that your friend has told you.

    Without CODE it is asked for; Tab completes its words, and four letters of each are enough. On
    the command line other users of this machine can read it while the command runs, until it is
    spent. The code is good for one try: if it was wrong, ask for a new one.

    If you have no identity yet you make one first. Then you and your friend trust each other,
    you are let in, and the chat goes on. Where the input is no terminal the code is its first
    line, and the command ends once you are in.

    \b
    Examples:
      securechat accept 'securechat://relay.example/lobby#PIN'
      securechat accept --as alice ADDRESS
      securechat accept ADDRESS < code.txt
    """
    given = _given(code)
    profile, identity = unlock_or_make(home, passphrase, name)
    Talk(
        home=home,
        profile=profile,
        identity=identity,
        address=address,
        endpoint=endpoint,
        keep_messages=keep_messages,
        as_json=as_json,
        name=name,
        waits=wait,
        acceptance=Acceptance(str(given or asked()), petname),
        act=None if os.isatty(0) else _nothing,
    ).hold()


def _given(words: tuple[str, ...]) -> Code | None:
    """Return the code that stands on the command line, if one does."""
    try:
        return Code.parse(" ".join(words)) if words else None
    except BadCode as error:
        raise click.BadParameter(str(error), param_hint="CODE") from None


async def _nothing(inside: Inside) -> None:
    """The user is in, and that was all."""
