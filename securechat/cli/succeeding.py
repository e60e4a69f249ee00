"""``securechat succeed``: a new identity in the place of an old one of the same user."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from securechat import succession
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.standing import described
from securechat.client.known import KnownRooms
from securechat.files import write_private
from securechat.fingerprint import short, to_groups
from securechat.identity import Identity
from securechat.trust import TrustStore
from securechat.trusted import Trusted


@click.command(short_help="Let your new identity take the place of an old one.")
@click.argument("old_home", metavar="OLD", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--old-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the passphrase of the old identity from this file.",
)
@passphrase_options
@json_option
@common
def succeed(
    home: Path,
    old_home: Path,
    old_passphrase_file: Path | None,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Let your identity take the place of the old one that is kept in the directory OLD.

    It trusts whom the old one trusts, and knows its rooms. Your friends follow by a certificate
    that both identities sign, and which this writes beside your key.

    This is for a key that is old, or on a machine that you give up. If it was stolen, the thief
    can name a successor as well: give your friends the old identity's revocation certificate
    instead, and tell them your new fingerprint.

    \b
    Example:
      securechat --home ~/new init --name alice
      securechat --home ~/new succeed ~/.local/share/securechat
    """
    _, new = Profile.unlock(home, passphrase)
    _, old = Profile.unlock(old_home, Passphrase(old_passphrase_file))
    if new.fingerprint == old.fingerprint:
        raise click.UsageError(f"{old_home} and {home} hold the same identity.")
    file, left = take_place(home, new, old_home, old)
    store = TrustStore.open(home, new)
    if as_json:
        echo_json(
            {
                "old": to_groups(old.fingerprint),
                "new": to_groups(new.fingerprint),
                "succession": str(file),
                "trusted": len(store),
                "left": [described(each) for each in left],
            }
        )
        return
    click.echo(
        "Your identity takes the place of your old one:\n\n"
        f"    old  {to_groups(old.fingerprint)}\n"
        f"    new  {to_groups(new.fingerprint)}\n\n"
        f"Identities that it trusts: {len(store)}"
    )
    for each in left:
        click.echo(
            f"Not taken over, since {each.petname} is another identity here, or is trusted here by "
            f"an earlier one: {to_groups(each.fingerprint)}"
        )
    click.echo(
        "\nWhat to do next:\n\n"
        f"1. Give your friends this file, by any way:\n\n    {file}\n\n"
        "   Each of them says: securechat trust follow FILE\n"
        "2. Leave your rooms as the old one, and join them as the new one, with\n"
        f"   securechat --home {shlex.quote(str(home))}"
    )


def take_place(
    home: Path, new: Identity, old_home: Path, old: Identity
) -> tuple[Path, list[Trusted]]:
    """
    Let *new*, which is in the directory *home*, know what *old* does, and write the certificate.

    :returns: where the certificate is, and who was not taken over.
    """
    left = TrustStore.open(home, new).take_over(TrustStore.open(old_home, old), new.fingerprint)
    KnownRooms.open(home, new).take_over(KnownRooms.open(old_home, old))
    certificate = succession.to_armour(succession.succession(old, new, datetime.now(UTC).date()))
    file = home / f"succession-{short(old.fingerprint)}.txt"
    write_private(file, certificate.encode("ascii"), replace=True)
    return file, left
