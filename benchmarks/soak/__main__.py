"""``python -m benchmarks.soak``: the options, and the table."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from twisted.internet import task
from twisted.internet.defer import Deferred

from benchmarks.soak.outcome import Outcome
from benchmarks.soak.plan import Plan
from benchmarks.soak.play import Play
from benchmarks.soak.table import as_json, as_table
from securechat.files import private_directory

_PLAN = Plan()


@click.command()
@click.option("--seconds", default=_PLAN.seconds, show_default=True, help="How long.")
@click.option("--clients", default=_PLAN.clients, show_default=True, type=click.IntRange(2))
@click.option("--rooms", default=_PLAN.rooms, show_default=True, type=click.IntRange(1))
@click.option(
    "--rate", default=_PLAN.rate, show_default=True, help="Texts a second that each client sends."
)
@click.option("--kill-relay-every", default=_PLAN.kill_relay_every, show_default=True)
@click.option("--kill-client-every", default=_PLAN.kill_client_every, show_default=True)
@click.option("--cut-every", default=_PLAN.cut_every, show_default=True)
@click.option("--change-every", default=_PLAN.change_every, show_default=True)
@click.option("--leave-every", default=_PLAN.leave_every, show_default=True)
@click.option("--seed", default=_PLAN.seed, show_default=True, help="Of all chances here.")
@click.option("--enough", type=int, help="End early, once so many texts are acknowledged.")
@click.option("--json", "as_data", is_flag=True, help="Print an object instead of a table.")
@click.option("--keep", type=click.Path(path_type=Path), help="A new directory for all files.")
def main(as_data: bool, keep: Path | None, **options: Any) -> None:
    """Kill a relay and its clients for a while, and see whether anything is lost or doubled."""
    plan = Plan(**options)

    async def perform(reactor: Any) -> None:
        with _directory(keep) as directory:
            outcome = await Play(reactor, plan, directory, partial(click.echo, err=True)).perform()
        _conclude(plan, outcome, as_data=as_data)

    task.react(lambda reactor: Deferred.fromCoroutine(perform(reactor)))


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        private_directory(keep)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="securechat-soak-") as directory:
        yield Path(directory)


def _conclude(plan: Plan, outcome: Outcome, *, as_data: bool) -> None:
    click.echo(as_json(plan, outcome) if as_data else as_table(plan, outcome))
    sys.exit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()
