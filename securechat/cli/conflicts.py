"""
Commands that change whom the user trusts, where a name would go to another identity.

They refuse it, as the trust store does, and show both identities beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from securechat.cli.changed import changed
from securechat.errors import IdentitySucceeded, PetnameTaken, SecureChatError
from securechat.trust import TrustStore
from securechat.trusted import Trusted


@contextmanager
def explained(store: TrustStore, other: bytes, what: str) -> Iterator[None]:
    """
    Where the identity *other* is refused, since the user knows another one by its name, show both.

    :param what: as for `changed`.
    """
    try:
        yield
    except SecureChatError as error:
        known = whose(error, store)
        if known is not None and known.fingerprint != other:
            warn(what, known, store, other)
        raise


def whose(error: SecureChatError, store: TrustStore) -> Trusted | None:
    """Return the identity that has the name instead, None if *error* is about something else."""
    if isinstance(error, PetnameTaken | IdentitySucceeded):
        return store.by_name(error.petname)
    return None


def warn(what: str, known: Trusted, store: TrustStore, other: bytes | None) -> None:
    """Show the warning of `changed`, on stderr."""
    for line in changed(what, known, store, other):
        click.echo(line, err=True)
    click.echo(err=True)
