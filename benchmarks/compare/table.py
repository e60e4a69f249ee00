"""
What came out, for people and for programs.
"""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.compare.goals import GOALS, Goal
from benchmarks.compare.results import Results, Spread
from benchmarks.compare.rounds import Plan
from benchmarks.compare.servers import MOSQUITTO
from benchmarks.compare.workloads import SOAK, Metric, Workload

_HEADINGS = ["workload", "measured", "server", "median", "least", "most", f"of {MOSQUITTO}"]
_NUMBERS = 3  # the columns from here on are numbers


def as_table(plan: Plan, results: Results) -> str:
    """Return the medians and spreads of all results, and which goals are reached."""
    rows = [_HEADINGS]
    for workload in _measured(plan):
        for number, metric in enumerate(workload.metrics):
            rows += _rows(workload, metric, plan, results, shown=number == 0)
        rows.append([])
    goals = [_judged(goal, results) for goal in GOALS]
    said = [[each.name, each.what] for each in _measured(plan)]
    return "\n".join(
        [
            *_aligned(rows, _NUMBERS),
            *_aligned(said, 2),
            "",
            *_aligned([["goal", "got", ""], *goals], 3),
        ]
    )


def _measured(plan: Plan) -> list[Workload]:
    return [*plan.workloads, *([SOAK] if plan.soak else [])]


def _rows(
    workload: Workload, metric: Metric, plan: Plan, results: Results, *, shown: bool
) -> Iterator[list[str]]:
    """Return a row for each server; the first names *metric*, and the workload where *shown*."""
    titles = [workload.name if shown else "", metric.name]
    for server in plan.servers:
        if (workload.name, server.name) in results.rounds:
            spread = results.spread(workload.name, server.name, metric.key)
            ratio = results.ratio(workload.name, server.name, MOSQUITTO, metric.key)
            yield [*titles, server.name, *_spelled(spread, metric.digits), _times(ratio)]
            titles = ["", ""]


def _spelled(spread: Spread | None, digits: int) -> list[str]:
    if spread is None:
        return ["failed", "", ""]
    return [f"{each:,.{digits}f}" for each in (spread.median, spread.least, spread.most)]


def _times(ratio: Spread | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f}"


def _judged(goal: Goal, results: Results) -> list[str]:
    got = goal.got(results)
    if got is None:
        return [str(goal), "", "not measured"]
    return [str(goal), f"{got.median:.2f}", "reached" if goal.is_reached(got) else "NOT reached"]


def _aligned(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Return *rows* as lines, the first *left* columns flush left, the others right."""
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = max(widths.get(column, 0), len(cell))
    for row in rows:
        cells = (
            cell.ljust(widths[column]) if column < left else cell.rjust(widths[column])
            for column, cell in enumerate(row)
        )
        yield "  ".join(cells).rstrip()


def as_data(plan: Plan, results: Results) -> dict[str, Any]:
    """Return all that was measured in each round, with the machine that it was measured on."""
    return {
        "machine": machine(),
        "rounds": plan.rounds,
        "workloads": {
            workload.name: {
                "what": workload.what,
                "servers": {
                    server.name: results.rounds[workload.name, server.name]
                    for server in plan.servers
                    if (workload.name, server.name) in results.rounds
                },
            }
            for workload in _measured(plan)
        },
        "goals": [
            {
                "goal": str(goal),
                "got": None if got is None else attrs.asdict(got)["values"],
                "reached": None if got is None else goal.is_reached(got),
            }
            for goal, got in ((goal, goal.got(results)) for goal in GOALS)
        ],
    }


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
    }
