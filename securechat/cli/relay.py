"""``securechat relay``: what an operator does with the history of a relay, running or not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from securechat.cli.failures import fail
from securechat.cli.options import common
from securechat.relay.backup import back_up
from securechat.relay.database import NAME
from securechat.relay.options import default_state
from securechat.relay.verify import Verdict
from securechat.relay.verify import verify as check
from securechat.text import printable

F = TypeVar("F", bound=Callable[..., Any])


def state_option(function: F) -> F:
    """``--state-dir DIR``, as the relay itself has it."""
    return click.option(
        "--state-dir",
        "state",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_state,
        help="The relay's own directory, where it was given one.",
    )(function)


@click.group(short_help="For who runs a relay: back its history up, check it.")
@common
def relay(home: Path) -> None:
    """
    For who runs a relay: its history, while it is running or not.

    The relay itself is started by "twistd securechat".
    """


@relay.command(short_help="Copy a relay's history.")
@click.argument("file", type=click.Path(path_type=Path))
@state_option
@common
def backup(home: Path, file: Path, state: Path) -> None:
    """
    Copy a relay's history to FILE, as it is at this moment; the relay goes on meanwhile.

    To bring it back, stop the relay, move away what is in its directory under the names that
    begin with history.sqlite, and copy FILE there as history.sqlite.

    \b
    Examples:
      securechat relay backup /backups/monday.sqlite
      securechat relay backup monday.sqlite --state-dir /var/lib/securechat-relay
    """
    with click.progressbar(length=1, label="Copying", file=sys.stderr) as bar:

        def progress(copied: int, total: int) -> None:
            bar.length = total
            bar.update(copied - bar.pos)

        back_up(state / NAME, file, progress)
    click.echo(f"{file.stat().st_size:,} bytes are in {printable(str(file))}.")


@relay.command(short_help="Check a relay's history, or a copy.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@state_option
@common
def verify(home: Path, file: Path | None, state: Path) -> None:
    """
    Check every room of a relay's history, or of the backup FILE.

    No key is needed: signatures, rules and hashes say whether the membership log of a room is
    whole, and the log says what else there can be. What members wrote only they can check.

    The exit code is 0 if all is as it should be, 1 otherwise.

    \b
    Examples:
      securechat relay verify
      securechat relay verify /backups/monday.sqlite
    """
    wrong = count = 0
    for verdict in check(file or state / NAME):
        count += 1
        wrong += verdict.wrong is not None
        click.echo(_line(verdict))
    if wrong:
        fail(f"{wrong} of {count} rooms are not as they should be: bring back a backup")
    click.echo(f"{count:,} room{'' if count == 1 else 's'}, and all is as it should be.")


def _line(verdict: Verdict) -> str:
    label = printable(verdict.label)
    kept = f"{verdict.entries:,} entries, {verdict.frames:,} messages"
    if verdict.wrong is None:
        return f"#{label}: {kept}"
    return f"#{label}: WRONG after {kept}: {printable(verdict.wrong)}"
