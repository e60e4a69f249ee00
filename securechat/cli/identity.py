"""``securechat init`` and ``securechat id``: make an identity, and show it to others."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from securechat import keyfile
from securechat.cli.drawing import groups_and_words, has_room, qr
from securechat.cli.keeping import backup, restore
from securechat.cli.options import (
    common,
    echo_json,
    json_option,
    passphrase_options,
    somebody_types,
)
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.remembering import forget, remember
from securechat.errors import BadPetname, IdentityExists
from securechat.fingerprint import to_groups, to_words
from securechat.identity import Identity
from securechat.trusted import check_petname


def checked_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the name *value*, if it can be one: what others can keep as it is."""
    return None if value is None else _named(value)


@click.command(short_help="Make your identity.")
@click.option(
    "--name",
    callback=checked_name,
    help="What you go by, if you are not to be asked. You say it when you enter a room; others may "
    "call you otherwise.",
)
@click.option(
    "--no-passphrase",
    is_flag=True,
    help="Do not encrypt the key: whoever can read the file can speak as you.",
)
@passphrase_options
@json_option
@common
def init(
    home: Path, name: str | None, no_passphrase: bool, passphrase: Passphrase, as_json: bool
) -> None:
    """
    Make your identity: the keys by which others know you.

    They are kept in a file that is encrypted under a passphrase; whoever has both can speak
    as you. Beside it a revocation certificate is written, your word that the identity is to
    be trusted no more: keep a copy elsewhere, for the day when the key is stolen or lost.

    \b
    Examples:
      securechat init
      securechat init --name alice
      securechat init --name alice-bot --passphrase-file /run/secrets/passphrase
      securechat --home /tmp/try init --name try --no-passphrase
    """
    if no_passphrase and passphrase.source is not None:
        raise click.UsageError("--no-passphrase and a passphrase exclude each other.")
    if (home / keyfile.KEY_FILE).exists():
        raise IdentityExists(path=home / keyfile.KEY_FILE)
    if name is None:
        name = asked_name()
    identity = Identity.generate()
    keyfile.create(home, identity, None if no_passphrase else passphrase.new())
    profile = Profile(name, identity.bundle)
    profile.save(home)
    certificate = keyfile.revocation_path(home, identity)
    if as_json:
        echo_json({**_described(profile), "home": str(home), "revocation": str(certificate)})
        return
    click.echo(f"{name}, this is your identity now. It is kept in {home}")
    if no_passphrase:
        click.echo(
            f"The key is not encrypted: whoever can read {home / keyfile.KEY_FILE}, also in a "
            "backup, can speak as you."
        )
    click.echo(f"\n{_shown(profile)}\n\n{_next_step(profile)}")
    click.echo(
        "\nYou trust a friend by theirs:\n\n    securechat trust add NAME FINGERPRINT\n\n"
        "Keep a copy of your revocation certificate elsewhere: with it you can tell others to\n"
        "trust this identity no more, should the key be stolen or lost. It is\n\n"
        f"    {certificate}\n\n"
        "A backup, which is encrypted, brings the identity back:\n\n"
        "    securechat id backup FILE"
    )


@click.group(
    "id",
    short_help="Show your fingerprint, for friends to trust.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",  # which older versions of click do not say so
)
@click.option("--export", is_flag=True, help="Write your bundle (your public keys) as text.")
@passphrase_options
@json_option
@common
@click.pass_context
def id_(
    ctx: click.Context, home: Path, export: bool, passphrase: Passphrase, as_json: bool
) -> None:
    """
    Show your fingerprint, in groups, in words, and at a terminal as a QR code.

    A friend who trusts it vouches for you. Tell it in person, by telephone, or in any way in
    which you would be recognised; whoever can change it on the way can pose as you.

    The commands below are about the same identity; their options stand after their names.

    \b
    Examples:
      securechat id
      securechat id --json
      securechat id --export > alice.txt
    """
    if ctx.invoked_subcommand is not None:
        if export or as_json or passphrase.source is not None:
            raise click.UsageError(f"Options stand after the word {ctx.invoked_subcommand}.")
        return
    profile = Profile.load(home, passphrase)
    if as_json:
        more = {"bundle": profile.bundle.armour()} if export else {}
        echo_json({**_described(profile), **more})
    elif export:
        click.echo(profile.bundle.armour(), nl=False)
    else:
        click.echo(f"{_shown(profile)}\n\n{_next_step(profile)}")


for each in backup, restore, remember, forget:
    id_.add_command(each)


def asked_name() -> str:
    """
    Return the name that whoever sits at the terminal wants to go by.

    :raises click.UsageError: if there is nobody to ask.
    """
    if not somebody_types():
        raise click.UsageError("Missing option '--name'.")
    click.echo(
        "What do you go by? You say the name when you enter a room, and it is all that strangers\n"
        "there see of you beside your fingerprint. Friends may call you otherwise.",
        err=True,
    )
    name: str = click.prompt("Your name", value_proc=_named, err=True)
    return name


def _named(text: str) -> str:
    try:
        return check_petname(text)
    except BadPetname as error:
        raise click.BadParameter(error.what) from None


def _described(profile: Profile) -> dict[str, str]:
    fp = profile.bundle.fingerprint
    return {
        "name": profile.name,
        "fingerprint": to_groups(fp),
        "words": to_words(fp),
        "trust": _trust_command(profile),
    }


def _trust_command(profile: Profile) -> str:
    name = shlex.quote(profile.name or "NAME")
    return f"securechat trust add {name} {to_groups(profile.bundle.fingerprint)}"


def _shown(profile: Profile) -> str:
    fp = profile.bundle.fingerprint
    shown = f"Your fingerprint, and the same in words:\n\n{groups_and_words(fp)}"
    return f"{shown}\n\n{qr(to_groups(fp))}" if has_room() else shown


def _next_step(profile: Profile) -> str:
    return f"A friend who knows that this is you trusts you by\n\n    {_trust_command(profile)}"
