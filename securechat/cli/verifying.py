"""``securechat trust verify``: compare a friend's fingerprint, and note that it was."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click

from securechat.cli.certificates import read_text
from securechat.cli.conflicts import warn
from securechat.cli.drawing import side_by_side
from securechat.cli.options import (
    common,
    echo_json,
    json_option,
    passphrase_options,
    somebody_types,
)
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.standing import compared, described
from securechat.errors import FingerprintDiffers, NobodyToAsk, NotTrusted
from securechat.fingerprint import parse, to_groups
from securechat.identity import Identity
from securechat.text import clean_name
from securechat.trust import TrustStore
from securechat.trusted import Trusted, Way


@click.command(short_help="Compare a friend's fingerprint with its owner.")
@click.argument("name")
@click.argument("shown", nargs=-1, metavar="[WORDS]...")
@click.option(
    "--how",
    "way",
    type=click.Choice(get_args(Way)),
    help="How you compared: by voice, in person, by a scanned code, or by another way.",
)
@click.option("--yes", is_flag=True, help="I have compared them, and they are the same.")
@passphrase_options
@json_option
@common
def verify(
    home: Path,
    name: str,
    shown: tuple[str, ...],
    way: Way | None,
    yes: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Compare the fingerprint of the friend whom you call NAME with what "securechat id" shows
    there, and note when and how you did.

    Without WORDS it shows the words and the code, and asks whether they are the same. WORDS, or
    the groups, that your friend reads to you, or the text of the code that you scanned, are
    compared for you (- is stdin).

    If they differ, it says what to do, and ends with the exit code 4.

    \b
    Examples:
      securechat trust verify bob
      securechat trust verify bob --how voice abandon ability able ...
      securechat trust verify bob --how qr KRSXG5A2-...
    """
    said = None if not shown else parse(read_text("-") if shown == ("-",) else " ".join(shown))
    _, identity = Profile.unlock(home, passphrase)
    store = TrustStore.open(home, identity)
    friend = store.by_name(name)
    if friend is None:
        raise NotTrusted(who=clean_name(name))
    if said is not None and said != friend.fingerprint:
        what = f"The words that you gave are not those of {friend.petname}."
        warn(what, friend, store, said)
        raise FingerprintDiffers(petname=friend.petname, whose=_whose(said, store, identity))
    if said is None and not yes:
        _ask(friend, store)
    if way is None:
        way = _ask_how(friend) if somebody_types() and not yes and shown != ("-",) else "other"
    found = store.verify(friend.fingerprint, way, datetime.now(UTC))
    if as_json:
        echo_json(described(found))
    elif found.verification is not None:
        click.echo(f"{found.petname} is verified: {compared(found.verification)}.")


def _ask(friend: Trusted, store: TrustStore) -> None:
    """
    Let the user compare.

    :raises NobodyToAsk: if there is no terminal.
    :raises FingerprintDiffers: if they are not the same.
    """
    name, quoted = friend.petname, shlex.quote(friend.petname)
    if not somebody_types():
        instead = f"give what your friend reads to you (securechat trust verify {quoted} WORDS), or"
        raise NobodyToAsk(instead=f"{instead} say --yes once you have compared it yourself")
    click.echo(
        f"This is the fingerprint by which you know {name}:\n\n"
        f"    {to_groups(friend.fingerprint)}\n\n{side_by_side(friend.fingerprint)}\n\n"
        f'Let {name} say "securechat id", and read the words to you, all 24, in a call or side by\n'
        f"side: somebody who poses as {name} can make some of them come out the same. Or scan the\n"
        "code that is shown there, and give what you read to\n"
        f"securechat trust verify {quoted} --how qr TEXT",
        err=True,
    )
    if not click.confirm("\nAre they the same, all of them?", default=None, err=True):
        warn(f"You see that the words are not those of {name}.", friend, store, None)
        raise FingerprintDiffers(petname=name)


def _ask_how(friend: Trusted) -> Way:
    way: Way = click.prompt(
        f"How did you compare it with {friend.petname}?",
        type=click.Choice(get_args(Way)),
        default="voice",
        err=True,
    )
    return way


def _whose(fp: bytes, store: TrustStore, me: Identity) -> str:
    """Return a remark on whose fingerprint *fp* is, if that is known."""
    if fp == me.fingerprint:
        return ": it is your own, and your friend has to read theirs"
    other = store.find(fp)
    return "" if other is None else f": it is the one of {other.petname}"
