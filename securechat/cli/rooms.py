"""``securechat rooms``: the rooms that labels stood for, which are never exchanged silently."""

from __future__ import annotations

from pathlib import Path

import click

from securechat.address import Address
from securechat.cli.options import common, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.client.known import KnownRooms
from securechat.errors import AddressError


def _room(_: click.Context, __: click.Parameter, value: str) -> Address:
    try:
        address = Address.parse(value)
    except AddressError as error:
        raise click.BadParameter(str(error)) from None
    if address.room is None:
        example = address.in_room("lobby")
        raise click.BadParameter(f"That is a relay's address. A room's is, for example, {example}")
    return address


room_argument = click.argument("address", callback=_room)
"""The address of a room."""


@click.group(short_help="The rooms that you know.")
@common
def rooms(home: Path) -> None:
    """
    The rooms that you know.

    A room is known by a hash of how it was founded. Where a label leads to another room than
    it did, or to none any more, somebody may have exchanged it; so "securechat chat" goes no
    further until you say that the old room is over.
    """


@rooms.command(short_help="Forget which room an address led to.")
@room_argument
@passphrase_options
@common
def forget(home: Path, address: Address, passphrase: Passphrase) -> None:
    """
    Forget which room ADDRESS led to, so that another one may be joined or founded there.

    Ask the other members first, by another way, whether the old room is really over.

    \b
    Example:
      securechat rooms forget 'securechat://relay.example/lobby#PIN'
    """
    _, identity = Profile.unlock(home, passphrase)
    known = KnownRooms.open(home, identity)
    label = address.room or ""
    if known.find(address, label) is None:
        click.echo(f"You know no room #{label} there.")
    else:
        known.forget(address, label)
        click.echo(f"Forgotten: the next room #{label} there is a new one to you.")
