"""
Options that several commands have: the directory, the passphrase, JSON.

Each is a decorator that gives its function one argument: ``home``, ``passphrase``, ``as_json``.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import platformdirs

from securechat.cli.passphrase import Passphrase

F = TypeVar("F", bound=Callable[..., Any])

version_option = click.version_option(
    package_name="securechat", prog_name="securechat", message="%(prog)s %(version)s"
)
"""``--version``, which every command has."""


def home_option(**more: Any) -> Callable[[F], F]:
    """``--home DIR``, before or after the name of the command."""
    return click.option(
        "--home",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_home,
        help="Where your identity, and what it knows, is kept.",
        **more,
    )


def _home(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path:
    parent = ctx.parent
    while value is None and parent is not None:  # of the groups, the nearest one that has it
        value, parent = parent.params.get("home"), parent.parent
    return value or platformdirs.user_data_path("securechat")


def passphrase_options(function: F) -> F:
    """``--passphrase-file`` and ``--passphrase-fd``; without them the terminal is asked."""

    @click.option(
        "--passphrase-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Read the passphrase from this file; one line end at its end is not part of it.",
    )
    @click.option(
        "--passphrase-fd",
        type=click.IntRange(min=0),
        help="Read the passphrase from this file descriptor, as from a file.",
    )
    @functools.wraps(function)
    def with_passphrase(
        *args: Any, passphrase_file: Path | None, passphrase_fd: int | None, **kwargs: Any
    ) -> Any:
        if passphrase_file is not None and passphrase_fd is not None:
            raise click.UsageError("--passphrase-file and --passphrase-fd exclude each other.")
        source = passphrase_fd if passphrase_file is None else passphrase_file
        return function(*args, passphrase=Passphrase(source), **kwargs)

    return with_passphrase  # type: ignore[return-value]  # click calls it with all by name


keep_option = click.option(
    "--keep-messages",
    is_flag=True,
    help='Keep what is said, encrypted, for "securechat history".',
)

yes_option = click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


def somebody_types() -> bool:
    """Return whether somebody sits at the terminal that is stdin, and can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()  # None: it was closed


def sure(question: str, *, yes: bool) -> bool:
    """Return whether *question* is answered by a yes; where nobody can answer, it is."""
    return yes or not somebody_types() or click.confirm(question, err=True)


def common(function: F) -> F:
    """What every command has: ``--home`` and ``--version``."""
    return home_option()(version_option(function))


def echo_json(value: object) -> None:
    """Write *value* as one line of JSON, in ASCII."""
    click.echo(to_json(value))


def to_json(value: object) -> str:
    """
    Return *value* as one line of JSON in which every character that a terminal might obey is
    escaped: JSON lets DEL stand as it is, and ``json`` leaves that one alone.
    """
    return json.dumps(value).replace("\x7f", "\\u007f")
