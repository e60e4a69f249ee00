"""
``securechat trust revoke`` and ``follow``: what others say of their own identities.

Both take a certificate that proves itself, so it may come by any way; that it is acted upon is
the user's decision all the same, and what changes is shown whole.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from securechat import armour, revocation, succession
from securechat.cli.conflicts import explained, warn
from securechat.cli.drawing import groups_and_words
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.standing import came, described, described_revoked
from securechat.errors import (
    AlreadyTrusted,
    BadSignature,
    EncodingError,
    NoCertificate,
    OwnCertificate,
)
from securechat.fingerprint import to_groups
from securechat.succession import Succession
from securechat.trust import TrustStore


@click.command(short_help="Never trust an identity again, on its own word.")
@click.argument("source", metavar="FILE")
@passphrase_options
@json_option
@common
def revoke(home: Path, source: str, passphrase: Passphrase, as_json: bool) -> None:
    """
    Never trust the identity again whose revocation certificate is in FILE (- is stdin).

    Its owner made it with the identity, and gives it to you when the key was stolen or lost.
    It cannot be taken back. It counts for identities that you do not trust, too: they cannot be
    added any more.

    \b
    Example:
      securechat trust revoke revocation-KRSXG5A2.txt
    """
    certificate = _read(source, "revocation", revocation.from_armour)
    _, identity = Profile.unlock(home, passphrase)
    if revocation.check_revocation(certificate) == identity.fingerprint:
        raise OwnCertificate(verb="revoke")
    store = TrustStore.open(home, identity)
    revoked = store.revoke(certificate, datetime.now(UTC))
    successor = store.successor(revoked.fingerprint)
    if as_json:
        after = None if successor is None else described(successor)
        echo_json({**described_revoked(revoked), "successor": after})
        return
    who = revoked.petname or "An identity that you do not trust"
    if successor is not None:
        who = f"An earlier identity of {who}"
    click.echo(f"{who} is revoked:\n\n    {to_groups(revoked.fingerprint)}\n")
    click.echo(
        "You vouch for that identity no more, and it can never be added again. Your chat takes"
    )
    click.echo(
        "it out of the room, in a minute or some. The others trust it until they have the file."
    )
    if successor is not None:
        name = successor.petname
        click.echo(
            "\nIts successor is still trusted:\n\n"
            f"    {to_groups(successor.fingerprint)}\n\n"
            "If the key was stolen, the thief may have named that one: compare the fingerprint\n"
            f"with {name}, and say securechat trust remove '{name}' if it is another."
        )


@click.command(short_help="Let a friend's new identity take the place of the old one.")
@click.argument("source", metavar="FILE")
@passphrase_options
@json_option
@common
def follow(home: Path, source: str, passphrase: Passphrase, as_json: bool) -> None:
    """
    Trust a friend's new identity in the place of the old one, by the succession certificate in
    FILE (- is stdin), which "securechat succeed" has made.

    Both identities have signed it. The new one keeps your name for the old one, and is as well
    verified; the old one is trusted no more.

    \b
    Example:
      securechat trust follow succession-KRSXG5A2.txt
    """
    certificate = _read(source, "succession", succession.from_armour)
    said = succession.check_succession(certificate)
    _, identity = Profile.unlock(home, passphrase)
    if identity.fingerprint in (said.old, said.new.fingerprint):
        raise OwnCertificate(verb="follow")
    store = TrustStore.open(home, identity)
    with _explained(store, said):
        was, now = store.follow(certificate, datetime.now(UTC))
    if as_json:
        echo_json({"old": described(was), "new": described(now), "day": said.day.isoformat()})
        return
    name = now.petname
    click.echo(
        f"{name} has a new identity, since {said.day.isoformat()} as both say. The old one, that "
        f"came {came(was, store)}:\n\n{groups_and_words(was.fingerprint)}\n\n"
        f"The new one:\n\n{groups_and_words(now.fingerprint)}\n\n"
        "You trust the new one now, and the old one no more. If the old key may have been stolen,\n"
        f"compare the new words with {name}: securechat trust verify {shlex.quote(name)}"
    )


@contextmanager
def _explained(store: TrustStore, said: Succession) -> Iterator[None]:
    """Where the new identity is known by another name, or the place is taken, show both."""
    what = "A certificate names a new identity of somebody whom you know."
    new = said.new.fingerprint
    try:
        with explained(store, new, what):
            yield
    except AlreadyTrusted:
        known = store.find(said.old)
        if known is not None:
            warn(what, known, store, new)
        raise


def read_text(name: str) -> str:
    """Return the text in the file *name* (- is stdin), or as much of it as can be armour."""
    with click.open_file(name, encoding="utf-8", errors="replace") as file:
        text: str = file.read(armour.MAX_LENGTH + 1)
    return text


def _read(name: str, kind: str, parse: Callable[[str], bytes]) -> bytes:
    """Return the checked certificate of this *kind* in the file *name*."""
    text = read_text(name)
    try:
        return parse(text)
    except EncodingError as error:
        raise NoCertificate(name=name, kind=kind, what=error.what) from None
    except BadSignature:
        what = "it is not signed by whom it is about"
        raise NoCertificate(name=name, kind=kind, what=what) from None
