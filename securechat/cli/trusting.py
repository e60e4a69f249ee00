"""``securechat trust``: whom the user knows, by the user's own names."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from securechat.cli.certificates import follow, read_text, revoke
from securechat.cli.conflicts import explained
from securechat.cli.importing import import_
from securechat.cli.names import check_on_screen
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.showing import show
from securechat.cli.standing import came, described, described_revoked, shown, shown_revoked
from securechat.cli.verifying import verify
from securechat.errors import (
    BadFingerprint,
    EncodingError,
    NeitherFingerprintNorFile,
    NoBundle,
    OwnFingerprint,
)
from securechat.fingerprint import parse, to_groups, to_words
from securechat.identity import Bundle
from securechat.trust import TrustStore
from securechat.trusted import How


@click.group(short_help="Whom you trust: add, import, verify, list, revoke…")
@common
def trust(home: Path) -> None:
    """
    Whom you trust, by names of your own.

    You vouch for whom you trust, and enter rooms on their word. A name here stands for a
    fingerprint; what people call themselves proves nothing.
    """


@trust.command(short_help="Trust a friend by a fingerprint.")
@click.argument("name")
@click.argument("source", nargs=-1, required=True, metavar="FINGERPRINT-OR-FILE")
@passphrase_options
@json_option
@common
def add(
    home: Path, name: str, source: tuple[str, ...], passphrase: Passphrase, as_json: bool
) -> None:
    """
    Trust the owner of a fingerprint, under the name that you give them.

    The fingerprint is typed in groups or in words, with any case and spacing, or comes in a
    file that "securechat id --export" made (- is stdin). Have it from its owner.

    \b
    Examples:
      securechat trust add bob KRSXG5A2-...
      securechat trust add bob abandon ability able ...
      securechat trust add bob bob.txt
    """
    check_on_screen(name)
    fp, bundle = _read(source)
    _, identity = Profile.unlock(home, passphrase)
    if fp == identity.fingerprint:
        raise OwnFingerprint
    store = TrustStore.open(home, identity)
    how: How = "typed" if bundle is None else "file"
    with explained(store, fp, f"You are about to give the name {name} to another identity."):
        added = store.add(name, fp, how, datetime.now(UTC), bundle)
    if as_json:
        echo_json(described(added))
        return
    click.echo(f"You trust {added.petname} now, {came(added, store)}:\n\n    {to_groups(fp)}")
    if bundle is not None:
        click.echo(
            f"\n    {to_words(fp)}\n\nCompare this with what {added.petname} sees by "
            '"securechat id", by "securechat trust verify": a file can be exchanged on its way.'
        )


@trust.command("list", short_help="Show whom you trust.")
@passphrase_options
@json_option
@common
def list_(home: Path, passphrase: Passphrase, as_json: bool) -> None:
    """
    Show whom you trust, by which fingerprint, since when and how you came by it; and who was
    revoked, and so is never trusted again.
    """
    _, identity = Profile.unlock(home, passphrase)
    store = TrustStore.open(home, identity)
    if as_json:
        echo_json(
            {
                "trusted": [described(each) for each in store],
                "revoked": [described_revoked(each) for each in store.revoked],
            }
        )
        return
    if not len(store):
        click.echo("You trust nobody yet: securechat trust add NAME FINGERPRINT", err=True)
    for each in store:
        click.echo(f"{shown(each, store)}\n    {to_groups(each.fingerprint)}")
    for revoked in store.revoked:
        click.echo(f"{shown_revoked(revoked)}\n    {to_groups(revoked.fingerprint)}")


@trust.command(short_help="Trust somebody no more.")
@click.argument("name")
@passphrase_options
@json_option
@common
def remove(home: Path, name: str, passphrase: Passphrase, as_json: bool) -> None:
    """
    Trust the owner of this name no more: vouch for them no more, and enter no room on their
    word. Rooms that they are in stay as they are.
    """
    _, identity = Profile.unlock(home, passphrase)
    store = TrustStore.open(home, identity)
    removed = store.remove(name)
    if as_json:
        echo_json(described(removed))
    else:
        click.echo(f"You trust {removed.petname} no more: {to_groups(removed.fingerprint)}")


def _read(source: tuple[str, ...]) -> tuple[bytes, Bundle | None]:
    """
    Return the fingerprint that was typed, or that of the bundle in a file, and the bundle.

    What is a fingerprint is none of a file's name: nobody can put a file in its way.
    """
    try:
        if source != ("-",):
            return parse(" ".join(source)), None
    except BadFingerprint:
        if len(source) > 1 or not os.path.exists(source[0]):
            if len(source) == 1 and ("." in source[0] or os.sep in source[0]):
                raise NeitherFingerprintNorFile(name=source[0]) from None
            raise
    text = read_text(source[0])
    try:
        bundle = Bundle.from_armour(text)
    except EncodingError as error:
        raise NoBundle(name=source[0], what=error.what) from None
    return bundle.fingerprint, bundle


for each in import_, verify, show, revoke, follow:
    trust.add_command(each)
