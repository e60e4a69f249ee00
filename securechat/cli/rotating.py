"""``securechat rotate``: a new identity in the place of one's own, in one step."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path

import click

from securechat import keyfile
from securechat.cli.drawing import groups_and_words
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
from securechat.cli.succeeding import take_place
from securechat.client.lock import Lock
from securechat.errors import FileExists
from securechat.files import exchange
from securechat.fingerprint import short, to_groups
from securechat.identity import Identity


@click.command(short_help="Make a new identity in the place of yours.")
@click.option(
    "--new-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Encrypt the new key under the passphrase in this file, instead of the same one.",
)
@yes_option
@passphrase_options
@json_option
@common
def rotate(
    home: Path,
    new_passphrase_file: Path | None,
    yes: bool,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Make a new identity, which takes the place of yours in the same directory.

    It has your name and your passphrase, trusts whom the old one trusts, and knows its rooms.
    The old one is kept in a directory beside, since it has to leave its rooms. Your friends
    follow by a certificate that both identities sign, and which this writes. No chat may run
    meanwhile, and at a terminal it asks before.

    This is for a key that is old. If it was stolen, the thief can name a successor as well: see
    "securechat revoke".

    \b
    Examples:
      securechat rotate
      securechat rotate --yes --passphrase-file /run/secrets/passphrase
    """
    home = home.resolve()
    old, secret = passphrase.unlocked(home)
    profile = Profile.of(home, old)
    aside = home.with_name(f"{home.name}-{short(old.fingerprint)}")
    if aside.exists():
        raise FileExists(path=aside)
    if not sure("Make a new identity? Your friends have to follow, and let you in anew.", yes=yes):
        fail("Nothing was done.")
    if new_passphrase_file is not None:
        secret = Passphrase(new_passphrase_file).new()
    new = Identity.generate()
    lock = Lock(home)
    try:
        file = _exchange(home, aside, old, new, profile.name, secret)
    finally:
        lock.release()
    if as_json:
        echo_json(
            {
                "old": to_groups(old.fingerprint),
                "new": to_groups(new.fingerprint),
                "home": str(home),
                "old_home": str(aside),
                "succession": str(file),
                "revocation": str(keyfile.revocation_path(home, new)),
            }
        )
        return
    click.echo(
        f"You have a new identity, in {home}:\n\n{groups_and_words(new.fingerprint)}\n\n"
        f"The old one is in {aside}:\n\n    {to_groups(old.fingerprint)}\n\n"
        "What to do next:\n\n"
        f"1. Give your friends this file, by any way:\n\n    {file}\n\n"
        "   Each of them says: securechat trust follow FILE\n"
        "2. Enter your rooms as the new one, and leave them as the old one (securechat rooms list\n"
        "   shows them):\n\n"
        "    securechat chat ADDRESS\n"
        f"    securechat --home {shlex.quote(str(aside))} leave ADDRESS\n\n"
        "3. Keep a copy of the new revocation certificate elsewhere, and make a new backup:\n\n"
        f"    {keyfile.revocation_path(home, new)}\n"
        "    securechat id backup FILE"
    )


def _exchange(
    home: Path, aside: Path, old: Identity, new: Identity, name: str, secret: bytes | None
) -> Path:
    """
    Make a directory for *new*, and let it take the place of *home*, which goes *aside*. Whatever
    fails, *home* stays as it was.

    :returns: where the succession certificate is.
    """
    made = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}."))  # of mode 0700
    try:
        keyfile.create(made, new, secret)
        Profile(name, new.bundle).save(made)
        file, _ = take_place(made, new, home, old)  # nobody is left, since nobody was there
        exchange(made, home, aside)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return home / file.name
