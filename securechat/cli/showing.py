"""``securechat trust show``: all that is known of one identity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from securechat.cli.drawing import groups_and_words
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.standing import came, compared, described, described_revoked
from securechat.errors import BadFingerprint, NotTrusted
from securechat.fingerprint import parse, to_groups, to_words
from securechat.text import clean_name
from securechat.trust import TrustStore
from securechat.trusted import Revoked, Trusted


@click.command(short_help="Show all that is known of somebody.")
@click.argument("name", metavar="NAME-OR-FINGERPRINT")
@passphrase_options
@json_option
@common
def show(home: Path, name: str, passphrase: Passphrase, as_json: bool) -> None:
    """
    Show all that is known of somebody whom you trust, or who was revoked: the fingerprint, in
    groups and words; how it came, and when; who vouched; whose place it took; whether you have
    compared it, when and how.

    \b
    Examples:
      securechat trust show bob
      securechat trust show --json KRSXG5A2-...
    """
    _, identity = Profile.unlock(home, passphrase)
    store = TrustStore.open(home, identity)
    trusted = store.by_name(name)
    revoked = next((each for each in store.revoked if each.petname == name), None)
    if trusted is None and revoked is None:
        trusted, revoked = _by_fingerprint(name, store)
    if trusted is not None:
        if as_json:
            echo_json(_value(trusted))
        else:
            click.echo("\n".join(_lines(trusted, store)))
    elif revoked is not None:
        if as_json:
            echo_json(_value_revoked(revoked, store))
        else:
            click.echo("\n".join(_lines_revoked(revoked, store)))
    else:
        raise NotTrusted(who=clean_name(name))


def _by_fingerprint(text: str, store: TrustStore) -> tuple[Trusted | None, Revoked | None]:
    try:
        fp = parse(text)
    except BadFingerprint:
        return None, None
    return store.find(fp), next((each for each in store.revoked if each.fingerprint == fp), None)


def _lines(trusted: Trusted, store: TrustStore) -> Iterator[str]:
    yield f"{trusted.petname}\n\n{groups_and_words(trusted.fingerprint)}\n"
    yield f"trusted    since {trusted.when.date().isoformat()}, {came(trusted, store)}"
    if trusted.verification is not None:
        yield f"verified   yes: {compared(trusted.verification)}"
    elif trusted.verified:
        yield "verified   yes, as it came from its owner; compared: no"
    else:
        yield "verified   no: securechat trust verify compares it"
    if trusted.voucher is not None:
        voucher = store.find(trusted.voucher)
        who = "" if voucher is None else f"{voucher.petname}  "
        yield f"vouched    {who}{to_groups(trusted.voucher)}"
    for each in trusted.before:
        note = "" if store.revocation(each) is None else "  (REVOKED)"
        yield f"place of   {to_groups(each)}{note}"
    yield f"bundle     {'here' if trusted.bundle else 'not here yet: it comes when you meet'}"
    yield "revoked    no"


def _value(trusted: Trusted) -> dict[str, object]:
    return {
        **described(trusted),
        "words": to_words(trusted.fingerprint),
        "bundle": trusted.bundle and trusted.bundle.armour(),
        "revoked": False,
    }


def _lines_revoked(revoked: Revoked, store: TrustStore) -> Iterator[str]:
    yield f"{_name(revoked)}\n\n{groups_and_words(revoked.fingerprint)}\n"
    yield f"revoked    yes, which you know since {revoked.when.date().isoformat()}"
    successor = store.successor(revoked.fingerprint)
    if successor is not None:
        yield f"successor  {successor.petname}  {to_groups(successor.fingerprint)}"


def _value_revoked(revoked: Revoked, store: TrustStore) -> dict[str, object]:
    successor = store.successor(revoked.fingerprint)
    return {
        **described_revoked(revoked),
        "words": to_words(revoked.fingerprint),
        "revoked": True,
        "successor": None if successor is None else described(successor),
    }


def _name(revoked: Revoked) -> str:
    return revoked.petname or "somebody whom you did not trust"
