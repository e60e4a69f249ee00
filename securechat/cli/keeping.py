"""``securechat id backup`` and ``id restore``: an identity that outlives its machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from securechat import keyfile
from securechat.backup import MAX_LENGTH, Backup, Locked
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import PROFILE_FILE, Profile
from securechat.client.directory import STATE_FILE
from securechat.client.known import ROOMS_FILE, KnownRooms
from securechat.errors import FileExists, IdentityExists
from securechat.files import read_private, write_new, write_private
from securechat.fingerprint import to_groups
from securechat.sealedfile import MAX_LENGTH as MAX_SEALED
from securechat.trust import TRUST_FILE, TrustStore


@click.command(short_help="Write an encrypted copy of your identity.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--backup-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Encrypt it under the passphrase in this file, instead of the identity's own.",
)
@passphrase_options
@json_option
@common
def backup(
    home: Path,
    file: Path,
    backup_passphrase_file: Path | None,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Write your identity, your name, whom you trust and which rooms you know into the new FILE
    (- is stdout), as one text that is encrypted under your passphrase.

    The keys of your rooms are not in it, nor messages that you keep: the rooms go on, and old
    keys of them must not come back. After a restore you are let into your rooms again. If your
    identity has no passphrase, the backup needs one.

    \b
    Examples:
      securechat id backup /media/stick/alice-securechat.txt
      securechat id backup - | gpg --encrypt --recipient alice > backup.gpg
    """
    to_stdout = str(file) == "-"
    if not to_stdout and file.exists():
        raise FileExists(path=file)
    identity, secret = passphrase.unlocked(home)
    profile = Profile.of(home, identity)
    store, known = TrustStore.open(home, identity), list(KnownRooms.open(home, identity))
    if secret is None or backup_passphrase_file is not None:
        secret = Passphrase(backup_passphrase_file).new("the backup")
    kept = Backup(identity, profile.name, _sealed(home / TRUST_FILE), _sealed(home / ROOMS_FILE))
    text = kept.to_armour(secret)
    value = {
        "fingerprint": to_groups(identity.fingerprint),
        "trusted": len(store),
        "rooms": len(known),
    }
    if not to_stdout:
        write_new(file, text.encode("ascii"))
        value["file"] = str(file)
    if as_json:
        echo_json({**value, "backup": text} if to_stdout else value)
        return
    if to_stdout:
        click.echo(text, nl=False)
    click.echo(
        "The backup has your key and your name.\n"
        f"Identities that you trust: {len(store)}\n"
        f"Rooms that you know: {len(known)}\n"
        "It has no keys of rooms and no messages. Make another one when you trust somebody new.",
        err=to_stdout,
    )


@click.command(short_help="Bring an identity back from its backup.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--no-passphrase", is_flag=True, help="Do not encrypt the key, once it is brought back."
)
@passphrase_options
@json_option
@common
def restore(
    home: Path, file: Path, no_passphrase: bool, passphrase: Passphrase, as_json: bool
) -> None:
    """
    Bring the identity back that is in the backup FILE (- is stdin).

    The passphrase of the backup is the one of the key, too, from then on. Nothing is overwritten:
    where there is an identity already, choose another directory (--home).

    \b
    Examples:
      securechat id restore /media/stick/alice-securechat.txt
      securechat --home /tmp/try id restore - < backup.txt
    """
    for name in keyfile.KEY_FILE, PROFILE_FILE, TRUST_FILE, ROOMS_FILE:
        if (home / name).exists():
            found = IdentityExists if name == keyfile.KEY_FILE else FileExists
            raise found(path=home / name)
    with click.open_file(str(file), encoding="ascii", errors="replace") as stream:
        locked = Locked.from_armour(stream.read(MAX_LENGTH + 1), file)
    kept, secret = passphrase.to_open(f"Passphrase for the backup {file}", locked.open)
    identity = kept.identity
    with _undone(home) as wrote:
        for name, content in (TRUST_FILE, kept.trusted), (ROOMS_FILE, kept.rooms):
            if content:
                write_private(home / name, content)
                wrote(home / name)
        store, known = TrustStore.open(home, identity), list(KnownRooms.open(home, identity))
        profile = Profile(kept.name, identity.bundle)
        profile.save(home)
        wrote(home / PROFILE_FILE)
        certificate = keyfile.revocation_path(home, identity)
        key = None if no_passphrase else secret
        if certificate.exists():
            keyfile.save(home / keyfile.KEY_FILE, identity, key)
        else:
            wrote(certificate)
            keyfile.create(home, identity, key)
    if as_json:
        echo_json(
            {
                "name": profile.name,
                "fingerprint": to_groups(identity.fingerprint),
                "home": str(home),
                "revocation": str(certificate),
                "trusted": len(store),
                "rooms": len(known),
            }
        )
        return
    click.echo(
        f"{profile.name or 'Your identity'} is back, in {home}:\n\n"
        f"    {to_groups(identity.fingerprint)}\n\n"
        f"Identities that it trusts: {len(store)}\n"
        f"Rooms that it knows: {len(known)}\n"
        f"Its revocation certificate: {certificate}\n\n"
        "Whom you came to trust, and who was revoked, since the backup was made is not in it."
    )
    if not (home / STATE_FILE).exists():
        command = f"securechat --home {shlex.quote(str(home))}"
        click.echo(
            "\nThe keys of your rooms are lost. Come back into each of them with\n\n"
            f"    {command} chat --rejoin ADDRESS\n\n"
            f"while somebody is there who lets you in; {command} rooms list\n"
            "shows which they are. If the old machine is still there, use it no more:\n"
            "a relay keeps one connection of an identity."
        )


@contextmanager
def _undone(home: Path) -> Iterator[Callable[[Path], None]]:
    """Give what is told of each file that is written; if it ends by an error they are removed."""
    written: list[Path] = []
    try:
        yield written.append
    except BaseException:
        for each in written:
            each.unlink(missing_ok=True)
        raise


def _sealed(path: Path) -> bytes:
    """Return the content of a file that may not be there, as it is."""
    try:
        return read_private(path, MAX_SEALED)
    except FileNotFoundError:
        return b""
