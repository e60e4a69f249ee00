"""
All workloads and servers, in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from benchmarks.compare.measure import Bench
from benchmarks.compare.process import Failed
from benchmarks.compare.results import Results
from benchmarks.compare.servers import Server
from benchmarks.compare.soak import soak
from benchmarks.compare.workloads import SOAK, Workload


@attrs.frozen
class Plan:
    """What is to be done."""

    workloads: Sequence[Workload]
    servers: Sequence[Server]
    rounds: int
    soak: int = 0
    """Seconds of a soak of the relays after all rounds; 0: none."""


def perform(plan: Plan, bench: Bench) -> Results:
    """Do it, and return what came out."""
    results = Results()
    for number in range(1, plan.rounds + 1):
        for workload in plan.workloads:
            if number > workload.most_rounds:
                continue
            for server in plan.servers:
                if server.takes(workload):
                    label = f"round {number} of {plan.rounds}  {workload.name:16}{server.name:12}"
                    _measure(results, bench, workload, server, label)
    if plan.soak:
        for server in plan.servers:
            if server.takes(SOAK):
                _measure(results, bench, SOAK, server, f"soak  {server.name:12}", plan.soak)
    return results


def _measure(
    results: Results,
    bench: Bench,
    workload: Workload,
    server: Server,
    label: str,
    seconds: float = 0.0,
) -> None:
    try:
        outcome = soak(bench, server, seconds) if seconds else bench.measure(workload, server)
    except Failed as error:
        bench.tell(f"{label}failed: {error}")
        results.add(workload.name, server.name, None)
        return
    results.add(workload.name, server.name, outcome)
    shown = (f"{outcome[each.key]:,.{each.digits}f} {each.name}" for each in workload.metrics)
    bench.tell(label + ", ".join(shown))
