"""``securechat history``: the messages that ``securechat chat --keep-messages`` has kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from securechat.address import Address
from securechat.cli.names import Names
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.rooms import room_argument
from securechat.client.archive import Archive
from securechat.client.database import Database
from securechat.client.directory import STATE_FILE
from securechat.client.known import KnownRooms
from securechat.client.state import KeptMessage
from securechat.text import printable
from securechat.trust import TrustStore

_PAGE = 1_000


@click.command(short_help="Show the messages that you kept.")
@room_argument
@click.option(
    "--last", metavar="N", type=click.IntRange(min=1), help="Only the newest N, not all of them."
)
@click.option("--forget", is_flag=True, help="Delete them instead.")
@passphrase_options
@json_option
@common
def history(
    home: Path,
    address: Address,
    last: int | None,
    forget: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Show the messages of the room at ADDRESS that "securechat chat --keep-messages" has kept.

    It shows what is on this machine, and asks no relay. A chat may go on meanwhile. Whom you do
    not trust is shown by the beginning of their fingerprint, with the time of your own clock.

    \b
    Examples:
      securechat history 'securechat://relay.example/lobby#PIN'
      securechat history --last 20 --json ADDRESS
      securechat history --forget ADDRESS
    """
    profile, identity = Profile.unlock(home, passphrase)
    label = str(address.room)
    room = KnownRooms.open(home, identity).find(address, label)
    if room is None or not (home / STATE_FILE).exists():
        _nothing(label)
        return
    names = Names(identity.fingerprint, profile.name, TrustStore.open(home, identity))
    with closing(Database(home / STATE_FILE)) as database:
        archive = Archive(database, identity)
        if forget:
            with database.transaction():
                archive.forget(room)
            click.echo(f"Forgotten: no message of #{label} is kept.", err=True)
            return
        found = False
        for message in deque(_all(archive, room), maxlen=last) if last else _all(archive, room):
            found = True
            if as_json:
                echo_json(kept_value(message, label, names))
            else:
                when = message.when.astimezone().strftime("%Y-%m-%d %H:%M")
                click.echo(f"{when} {printable(f'{names.of(message.sender)}: {message.text}')}")
    if not found:
        _nothing(label)


def kept_value(message: KeptMessage, label: str, names: Names) -> dict[str, object]:
    """Return a *message* that was kept, for programs."""
    return {
        "event": "message",
        "room": label,
        "sender": names.person(message.sender),
        "text": message.text,
        "seq": message.seq,
        "when": message.when.isoformat(),
    }


def _nothing(label: str) -> None:
    click.echo(
        f"No message of #{label} is kept. From now on they are in a chat that is begun with "
        "securechat chat --keep-messages.",
        err=True,
    )


def _all(archive: Archive, room: bytes) -> Iterator[KeptMessage]:
    after = 0
    while page := archive.read(room, after, _PAGE):
        yield from page
        after = page[-1].seq
