"""``python -m benchmarks``: the options, and the table. What it does is in `benchmarks.compare`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TextIO

import attrs
import click
import platformdirs

from benchmarks.compare.measure import Bench, allow_files
from benchmarks.compare.profiling import profile
from benchmarks.compare.rounds import Plan, perform
from benchmarks.compare.servers import PEERS, RELAY, Server, relay
from benchmarks.compare.table import as_data, as_table
from benchmarks.compare.workloads import WORKLOADS, Workload

_tell = partial(click.echo, err=True)

_QUICK = ("serial-100", "flood-100", "rate", "idle-1000", "handshake-login", "resume")

_WORKLOADS = "\n".join(f"{each.name:<17}{each.what}" for each in WORKLOADS)
_SERVERS = ", ".join([RELAY, *(each.name for each in PEERS)])


@click.command(
    epilog=f"\b\nWorkloads (all, if none is named; `flood` is each `flood-…`):\n{_WORKLOADS}"
)
@click.argument("names", metavar="[WORKLOAD]...", nargs=-1)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--seconds",
    default=1.5,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="Of each measurement.",
)
@click.option("--servers", help=f"Of {_SERVERS}, separated by commas; all, if not given.")
@click.option(
    "--checkout",
    "checkouts",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Whose relay is measured, instead of this one's. If given again, that relay too.",
)
@click.option(
    "--soak",
    default=0,
    type=click.IntRange(0),
    help="Seconds of a flood in which memory is watched, 4 at least; 0: none.",
)
@click.option(
    "--profile",
    "profiles",
    type=click.Path(file_okay=False, path_type=Path),
    help="A directory for profiles of the relay, instead of all else.",
)
@click.option("--json", "data", type=click.File("w", lazy=False), help="A file.")
@click.option("--quick", is_flag=True, help="One short round of the most important workloads.")
def main(
    names: tuple[str, ...],
    rounds: int,
    seconds: float,
    servers: str | None,
    checkouts: tuple[Path, ...],
    soak: int,
    profiles: Path | None,
    data: TextIO | None,
    quick: bool,
) -> None:
    """
    Measure the relay beside other servers, in rounds in which each has its turn, and print
    one table.

    A server is started for each measurement, on one core, and loaded from another. Needed are a
    C compiler and OpenSSL's headers (apt-get install gcc libssl-dev); peers that are not
    installed are left out, and named before it begins.

    The table has the median of the rounds, the least and the most of them, and what the median of
    the ratios is to mosquitto in the same round. Machines that others use too may be twice as fast
    a minute later: what counts is a ratio, over some rounds, and no figure by itself.
    """
    if 0 < soak < 4:
        raise click.BadParameter("it takes 4 seconds at least", param_hint="--soak")
    signal.signal(signal.SIGTERM, _terminated)  # so that no server is left behind
    if quick:
        names, rounds, seconds = names or _QUICK, 1, min(seconds, 0.5)
    plan = Plan(_possible(_chosen(names)), _servers(servers, checkouts), rounds, soak)
    bench = Bench(seconds, _tell, platformdirs.user_cache_path("securechat-benchmarks"))
    if profiles is not None:
        for path in profile(bench, _relays(checkouts)[0], profiles):
            click.echo(path)
        return
    results = perform(plan, bench)
    click.echo(as_table(plan, results))
    if data is not None:
        data.write(json.dumps(as_data(plan, results), indent=2) + "\n")


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _chosen(names: Sequence[str]) -> list[Workload]:
    for name in names:
        if not any(each.is_named(name) for each in WORKLOADS):
            raise click.UsageError(f"there is no workload {name!r}: see --help")
    return [each for each in WORKLOADS if not names or any(map(each.is_named, names))]


def _possible(workloads: list[Workload]) -> list[Workload]:
    """Return those of *workloads* for which this system lets enough files be open."""
    too_large = allow_files(tuple(workloads))
    for each in too_large:
        _tell(f"{each.name} is left out: it takes more open files than `ulimit -Hn` allows")
    return [each for each in workloads if each not in too_large]


def _servers(names: str | None, checkouts: Sequence[Path]) -> list[Server]:
    known = {each.name: [each] for each in PEERS} | {RELAY: _relays(checkouts)}
    wanted = [RELAY, *(each.name for each in PEERS)] if names is None else names.split(",")
    for name in wanted:
        if name not in known:
            raise click.UsageError(f"there is no server {name!r}, only {_SERVERS}")
    chosen = [each for name in wanted for each in known[name]]
    for each in chosen:
        if each.lacks:
            _tell(f"{each.name} is left out: {each.lacks}")
    return [each for each in chosen if not each.lacks]


def _relays(checkouts: Sequence[Path]) -> list[Server]:
    """Return the relay of each checkout, of which the first is the one that has goals."""
    relays = [relay(each, f"{RELAY}:{each.absolute().name}") for each in checkouts] or [relay()]
    return [attrs.evolve(relays[0], name=RELAY), *relays[1:]]


if __name__ == "__main__":
    main()
