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

from benchmarks.compare.goals import GOALS, Goal
from benchmarks.compare.results import Results, Spread
from benchmarks.compare.rounds import Plan
from benchmarks.compare.servers import MOSQUITTO
from benchmarks.compare.workloads import SOAK, Metric, Workload

_HEADINGS = ("workload", "server", "median", "least", "most", f"of {MOSQUITTO}", "besides")


def as_table(plan: Plan, results: Results) -> str:
    """
    Return the medians and spreads of all results, which goals are reached of those that are about
    these workloads, and on what machine that is.
    """
    rows: list[Sequence[str]] = [_HEADINGS]
    for workload in _measured(plan):
        rows += _rows(workload, plan, results)
    said = [(each.name, f"{each.metrics[0].name}; {each.what}") for each in _measured(plan)]
    names = {name for name, _ in said}
    goals = [_judged(each, results) for each in GOALS if each.workload in names]
    lines = [*_aligned(rows, "<<>>>><"), "", *_aligned(said, "<<")]
    if goals:
        lines += ["", *_aligned([("goal", "got", ""), *goals], "<><")]
    return "\n".join([*lines, "", ", ".join(f"{name} {it}" for name, it in machine().items())])


def _measured(plan: Plan) -> list[Workload]:
    return [*plan.workloads, *([SOAK] if plan.soak else [])]


def _rows(workload: Workload, plan: Plan, results: Results) -> Iterator[Sequence[str]]:
    """Return a row for each server: the workload's first metric, and medians of the others."""
    title, first = workload.name, workload.metrics[0]
    for server in plan.servers:
        if (workload.name, server.name) not in results.rounds:
            continue
        spread = results.spread(workload.name, server.name, first.key)
        ratio = results.ratio(workload.name, server.name, MOSQUITTO, first.key)
        if spread is None:
            yield title, server.name, "failed"
        else:
            numbers = (_spelled(each, first) for each in (spread.median, spread.least, spread.most))
            times = "" if ratio is None else f"{ratio.median:.2f}"
            yield title, server.name, *numbers, times, _besides(workload, server.name, results)
        title = ""


def _besides(workload: Workload, server: str, results: Results) -> str:
    found = ((each, results.spread(workload.name, server, each.key)) for each in workload.metrics)
    _, *others = ((each, spread) for each, spread in found if spread is not None)
    return ", ".join(f"{_spelled(spread.median, each)} {each.name}" for each, spread in others)


def _spelled(value: float, metric: Metric) -> str:
    return f"{value:,.{metric.digits}f}"


def _judged(goal: Goal, results: Results) -> tuple[str, str, str]:
    got = goal.got(results)
    if got is None:
        return str(goal), "", "not measured"
    return str(goal), f"{got.median:.2f}", "reached" if goal.is_reached(got) else "NOT reached"


def _aligned(rows: Sequence[Sequence[str]], how: str) -> Iterator[str]:
    """Return *rows* as lines, each column flush left (``<`` in *how*) or right (``>``)."""
    widths = [
        max(len(row[column]) for row in rows if column < len(row)) for column in range(len(how))
    ]
    for row in rows:
        cells = (
            f"{cell:{side}{width}}" for cell, side, width in zip(row, how, widths, strict=False)
        )
        yield "  ".join(cells).rstrip()


def as_data(plan: Plan, results: Results) -> dict[str, Any]:
    """Return all that was measured in each round, with the machine that it was measured on."""
    return {
        "machine": machine(),
        "workloads": {
            workload.name: {
                "what": workload.what,
                "rounds": {
                    server.name: results.rounds[workload.name, server.name]
                    for server in plan.servers
                    if (workload.name, server.name) in results.rounds
                },
            }
            for workload in _measured(plan)
        },
        "goals": [_as_data(goal, goal.got(results)) for goal in GOALS],
    }


def _as_data(goal: Goal, got: Spread | None) -> dict[str, Any]:
    return {
        "goal": str(goal),
        "got": None if got is None else got.median,
        "reached": None if got is None else goal.is_reached(got),
    }


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    information = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    models = [line for line in information.splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
    }
