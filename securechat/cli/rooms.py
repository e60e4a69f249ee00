"""``securechat rooms``: the rooms that the user is in, or knows; labels never change silently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import attrs
import click

from securechat.address import Address
from securechat.cli.failures import fail
from securechat.cli.options import (
    common,
    echo_json,
    json_option,
    passphrase_options,
    sure,
    yes_option,
)
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.roster import count
from securechat.client.database import Database
from securechat.client.directory import STATE_FILE, StateDirectory
from securechat.client.known import KnownRooms
from securechat.client.parts import Parts
from securechat.errors import AddressError
from securechat.group.room import Room
from securechat.identity import Identity


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


@click.group(short_help="The rooms that you are in, or know.")
@common
def rooms(home: Path) -> None:
    """
    The rooms that you are in, or know.

    A room is known by a hash of how it was founded. Where a label leads to another room than
    it did, or to none any more, somebody may have exchanged it; so "securechat chat" goes no
    further until you say that the old room is over.
    """


@rooms.command("list", short_help="Show the rooms that you are in, or know.")
@passphrase_options
@json_option
@common
def list_(home: Path, passphrase: Passphrase, as_json: bool) -> None:
    """
    Show the rooms that you are in, or know, by the relay at which they are.

    It shows what is kept on this machine, and asks no relay: somebody may have come or gone, or
    removed you, since you were there. Relays are shown without their pins.

    \b
    Examples:
      securechat rooms list
      securechat rooms list --json
    """
    _, identity = Profile.unlock(home, passphrase)
    found = list(_found(home, identity))
    if as_json:
        echo_json([each.value() for each in found])
        return
    if not found:
        click.echo("You know no room yet: securechat chat ADDRESS enters one.", err=True)
    relay = None
    for each in sorted(found, key=lambda each: (each.relay, each.label)):
        if each.relay != relay:
            relay = each.relay
            click.echo(relay)
        click.echo(f"  #{each.label}: {each.words()}")


@rooms.command(short_help="Forget a room.")
@room_argument
@yes_option
@passphrase_options
@common
def forget(home: Path, address: Address, yes: bool, passphrase: Passphrase) -> None:
    """
    Forget which room ADDRESS led to, so that another one may be joined or founded there, and all
    that is kept of it: its keys, and its messages.

    Ask the other members first, by another way, whether the old room is really over. For them you
    stay a member: to leave a room that goes on there is "securechat leave". Where keys or messages
    are kept it asks before, at a terminal.

    \b
    Example:
      securechat rooms forget 'securechat://relay.example/lobby#PIN'
    """
    _, identity = Profile.unlock(home, passphrase)
    known = KnownRooms.open(home, identity)
    label = str(address.room)
    room = known.find(address, label)
    if room is None:
        click.echo(f"You know no room #{label} there.")
        return
    if (home / STATE_FILE).exists():
        with StateDirectory.open(home, identity) as state:
            kept = {each.id for each in _restored(identity, state.rooms(address))}
            if (room in kept or state.messages(room, most=1)) and not sure(
                f"You are a member of #{label}, or have kept messages of it. Forget its keys and "
                "messages, too? They cannot be had again.",
                yes=yes,
            ):
                fail("Nothing was forgotten.")
            state.forget(room)
            state.forget_messages(room)
            state.commit()
    known.forget(address, label)
    click.echo(f"Forgotten: the next room #{label} there is a new one to you.")


@attrs.frozen
class _Known:
    """A room that the user knows, and what is kept of it: None where that is nothing."""

    relay: str
    label: str
    room: Room | None

    def words(self) -> str:
        """Return what there is to say of it."""
        room = self.room
        if room is None:
            return "known; no keys of it are here"
        if room.gone is not None:
            return "you were removed"
        if room.stuck:
            return "you are a member, and have lost its keys: securechat chat --rejoin"
        notes = [f"you are one of {count(len(room.roster), 'member')}"]
        if not room.confirmed:
            notes.append("unconfirmed")
        if waiting := len(room.waiting):
            notes.append(f"{count(waiting, 'line')} of yours not delivered yet")
        return ", ".join(notes)

    def value(self) -> dict[str, object]:
        """Return the same for programs."""
        room = self.room
        return {
            "relay": self.relay,
            "room": self.label,
            "member": room is not None and room.gone is None,
            "keys_lost": room is not None and room.stuck,
            "members": None if room is None else len(room.roster),
            "confirmed": None if room is None else room.confirmed,
            "undelivered": 0 if room is None else len(room.waiting),
        }


def _found(home: Path, identity: Identity) -> Iterator[_Known]:
    kept: dict[tuple[bytes, bytes], Room] = {}
    known = list(KnownRooms.open(home, identity))
    if (home / STATE_FILE).exists():
        with closing(Database(home / STATE_FILE)) as database, database.transaction():
            parts = Parts(database, identity)
            for relay in {relay for relay, _, _ in known}:
                for room in _restored(identity, parts.of(relay)):
                    kept[relay, room.id] = room
    for relay, label, number in known:
        yield _Known(relay.decode("ascii"), label, kept.get((relay, number)))


def _restored(identity: Identity, kept: Iterable[Mapping[str, bytes]]) -> Iterator[Room]:
    """Yield the rooms of which *kept* are the parts; nothing will be heard in them."""
    return (Room.restore(identity, parts, lambda _: False) for parts in kept)
