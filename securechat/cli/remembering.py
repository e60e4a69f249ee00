"""``securechat id remember`` and ``id forget``: commands that need no prompt."""

from __future__ import annotations

from pathlib import Path

import click

from securechat.cli import remembered
from securechat.cli.failures import fail
from securechat.cli.options import (
    common,
    echo_json,
    json_option,
    passphrase_options,
    somebody_types,
)
from securechat.cli.passphrase import Passphrase
from securechat.cli.remembered import REMEMBERED_FILE, Remembered
from securechat.errors import NobodyToAsk, NothingToRemember
from securechat.keyfile import KEY_FILE


@click.command(short_help="Remember the passphrase, so that no command asks for it.")
@click.option("--file", "in_file", is_flag=True, help="In a file, if there is no keyring.")
@passphrase_options
@json_option
@common
def remember(home: Path, in_file: bool, passphrase: Passphrase, as_json: bool) -> None:
    """
    Remember the passphrase, so that commands need not ask for it.

    It goes into the keyring of your operating system, which is open while you are logged in; for
    that the library keyring is needed (pip install 'securechat[keyring]'). Where there is no
    keyring that can be used you are asked whether it may be in a file beside the key. Then
    whoever can read your files can speak as you, as if the key had no passphrase.

    \b
    Examples:
      securechat id remember
      securechat id remember --file --passphrase-file /run/secrets/passphrase
    """
    identity, secret = passphrase.unlocked(home)
    if secret is None:
        raise NothingToRemember(path=home / KEY_FILE)
    kept = remembered.keep_in_keyring(identity.fingerprint, secret)
    if kept is None:
        if not in_file:
            _ask(home / REMEMBERED_FILE)
        kept = Remembered(remembered.user(identity.fingerprint), secret)
    kept.save(home)
    if as_json:
        echo_json({"remembered": "keyring" if kept.in_keyring else "file"})
    elif kept.in_keyring:
        click.echo(
            "The passphrase is in the keyring of your operating system now; securechat id forget "
            "takes it out."
        )
    else:
        click.echo(
            f"The passphrase is in {home / REMEMBERED_FILE} now: whoever can read your files can "
            "speak as you. securechat id forget takes it out."
        )


@click.command(short_help="Remember the passphrase no more.")
@json_option
@common
def forget(home: Path, as_json: bool) -> None:
    """
    Remember the passphrase no more: commands ask for it again.

    \b
    Example:
      securechat id forget
    """
    was = (home / REMEMBERED_FILE).exists()
    if not remembered.forget(home):
        fail(
            "Commands ask for the passphrase again; but the keyring of your operating system, "
            "which has it, did not let it go. Unlock it, and remove there what is of securechat."
        )
    if as_json:
        echo_json({"forgotten": was})
    elif was:
        click.echo("The passphrase is remembered no more.")
    else:
        click.echo("It was not remembered.")


def _ask(path: Path) -> None:
    """
    Ask whether the passphrase may be in a file.

    :raises NobodyToAsk: if there is no terminal.
    """
    if not somebody_types():
        instead = "there is no keyring that can be used; say --file if it may be in a file beside"
        raise NobodyToAsk(instead=f"{instead} the key, where whoever reads both can speak as you")
    click.echo(
        "There is no keyring here that can be used (pip install 'securechat[keyring]' gives the\n"
        "library for it, where the operating system has one).\n\n"
        f"The passphrase can be kept in {path}, which only you can read. Then it protects\n"
        "nothing against whoever can read your files: with that file and the key they can speak\n"
        "as you, also from a backup that has both.",
        err=True,
    )
    if not click.confirm("\nKeep it there?", err=True):
        fail("Nothing was kept.")
