"""``securechat revoke``: the end of one's own identity."""

from __future__ import annotations

from pathlib import Path

import click

from securechat import revocation
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
from securechat.errors import BadSignature, Malformed
from securechat.files import write_private
from securechat.fingerprint import short, to_groups

_MAX_LENGTH = 4096


@click.command(short_help="Show the certificate that ends your identity.")
@yes_option
@passphrase_options
@json_option
@common
def revoke(home: Path, yes: bool, passphrase: Passphrase, as_json: bool) -> None:
    """
    Show your revocation certificate: your word that your identity is to be trusted no more, for
    the day when the key is stolen or lost.

    Whoever has it, and says "securechat trust revoke FILE", never trusts this identity again. It
    cannot be taken back. Nobody is told by this command: you give the certificate to your
    friends. It needs no passphrase while the file is there that init made. At a terminal it asks
    before.

    For a friend's identity there is "securechat trust revoke".

    \b
    Examples:
      securechat revoke
      securechat revoke --yes > revocation.txt
    """
    profile = Profile.load(home, passphrase)
    fp = profile.bundle.fingerprint
    if not sure("Whoever gets the certificate trusts you no more, for good. Show it?", yes=yes):
        fail("Nothing was shown.")
    path = home / f"revocation-{short(fp)}.txt"
    text = _read(path, fp)
    if text is None:
        _, identity = Profile.unlock(home, passphrase)
        text = revocation.to_armour(revocation.revocation(identity))
        write_private(path, text.encode("ascii"), replace=True)
    if as_json:
        echo_json({"fingerprint": to_groups(fp), "revocation": text, "file": str(path)})
        return
    click.echo(text, nl=False)
    click.echo(
        f"\nIt is also in {path}. What to do, if the key was stolen or lost:\n\n"
        "1. Give it to your friends, by any way: it proves itself. Each of them says:\n"
        "   securechat trust revoke FILE. Their chats take the identity out of their rooms.\n"
        "2. Make a new identity in another directory: securechat --home DIR init\n"
        "3. Tell your friends its fingerprint, in a way in which you would be recognised. Do not\n"
        "   rely on securechat succeed or rotate: a thief can name a successor as well.",
        err=True,
    )


def _read(path: Path, fp: bytes) -> str | None:
    """Return the certificate in *path*, None if it is not there, or is not that of *fp*."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            text = file.read(_MAX_LENGTH)
        certificate = revocation.from_armour(text)
    except (FileNotFoundError, Malformed, BadSignature):
        return None
    return text if revocation.check_revocation(certificate) == fp else None
