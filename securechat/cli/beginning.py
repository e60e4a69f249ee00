"""The identity of whoever comes by an invite, or invites, and has none yet: made on the way."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from securechat import keyfile
from securechat.cli.identity import asked_name
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.identity import Identity


def unlock_or_make(
    home: Path, passphrase: Passphrase, name: str | None = None
) -> tuple[Profile, Identity]:
    """
    Return the profile and the identity in the directory *home*. Where there is none, whoever
    sits at the terminal makes one, as by ``securechat init``.

    :param name: what to call it, if that is known.
    :raises: as `Profile.unlock`.
    """
    if (home / keyfile.KEY_FILE).exists() or not sys.stdin.isatty():
        return Profile.unlock(home, passphrase)
    click.echo(
        "You have no identity yet, so you make one now: the keys by which others know you. They "
        f"are kept in\n{home}, encrypted under a passphrase.\n",
        err=True,
    )
    if name is None:
        name = asked_name()
    identity = Identity.generate()
    keyfile.create(home, identity, passphrase.new())
    profile = Profile(name, identity.bundle)
    profile.save(home)
    click.echo(
        f"\n{name}, this is your identity now. Keep a copy elsewhere of\n"
        f"{keyfile.revocation_path(home, identity)}:\nwith it you can tell others to trust the "
        "identity no more, should the key be stolen or lost.\n",
        err=True,
    )
    return profile, identity
