"""How a command gets at a relay, and what more there is to say where it does not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint

from securechat.address import Address
from securechat.cli.failures import exit_code, fail
from securechat.errors import FoundedAnew, NeedsEndpoint, RoomKnown

endpoint_option = click.option(
    "--endpoint",
    metavar="STRING",
    help="Reach the relay through this Twisted client endpoint: a tunnel, or a proxy. Whose "
    "relay it is stays checked.",
)


def dialled(reactor: Any, text: str | None) -> IStreamClientEndpoint | None:
    """
    Return the endpoint that *text* describes, if there is one.

    :raises UsageError: if that is no endpoint.
    """
    if text is None:
        return None
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, text)
        return endpoint
    except (LookupError, TypeError, ValueError) as error:
        raise click.UsageError(f"{text!r} is no Twisted client endpoint: {error}") from None


@contextmanager
def advised(address: Address) -> Iterator[None]:
    """Say with some errors about the room at *address* what to type."""
    try:
        yield
    except (FoundedAnew, RoomKnown) as error:
        command = f"securechat rooms forget {shlex.quote(str(address))}"
        fail(f"{error} To forget it: {command}", exit_code(error))
    except NeedsEndpoint as error:
        fail(
            f"{error} Such as --endpoint tcp:127.0.0.1:9117, for a tunnel there.", exit_code(error)
        )
