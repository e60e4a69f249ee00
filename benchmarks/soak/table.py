"""The outcome of a soak, as a table for people or as an object for programs."""

from __future__ import annotations

import json
from statistics import median, quantiles

import attrs

from benchmarks.soak.count import Row
from benchmarks.soak.outcome import Outcome
from benchmarks.soak.plan import Plan

COLUMNS = (
    "sent", "acknowledged", "uncertain", "dropped", "delivered", "lost", "doubled", "disordered",
    "invented",
)  # fmt: skip
MOST_EXAMPLES = 20


def numbers(row: Row) -> dict[str, int]:
    """Return the numbers of *row* by their columns."""
    values = attrs.asdict(row, recurse=False)
    return {
        name: value if isinstance(value := values[name], int) else len(value) for name in COLUMNS
    }


def as_table(plan: Plan, outcome: Outcome) -> str:
    """Return the table."""
    rows = [numbers(row) for row in outcome.rows]
    total = {name: sum(row[name] for row in rows) for name in COLUMNS}
    table = [["member", *COLUMNS, "kills"]]
    for number, (row, kills) in enumerate(zip(rows, outcome.client_kills, strict=True)):
        table.append([str(number), *(f"{row[name]:,}" for name in COLUMNS), str(kills)])
    kills = sum(outcome.client_kills)
    table.append(["all", *(f"{total[name]:,}" for name in COLUMNS), str(kills)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(str.rjust, line, widths)) for line in table]
    return "\n".join([*lines, "", *_conclusions(plan, outcome, total)])


def _conclusions(plan: Plan, outcome: Outcome, total: dict[str, int]) -> list[str]:
    quiet = outcome.quiet_after
    caught_up = (
        "it did not become quiet" if quiet is None else f"after {quiet:.1f} s all were quiet"
    )
    lines = [
        f"{plan.clients} clients in {plan.rooms} room(s), seed {plan.seed}",
        f"{outcome.seconds:.0f} s of sending; {caught_up}",
        f"relay killed {outcome.relay_kills} times, clients {sum(outcome.client_kills)} times",
        f"connections cut {outcome.cuts} times",
        f"keys renewed {outcome.changes} times, rooms left {outcome.departures} times",
        ", ".join(f"{name} {total[name]:,}" for name in COLUMNS),
        _reconnections(outcome.backs),
    ]
    for name in ("lost", "doubled", "disordered", "invented"):
        for number, row in enumerate(outcome.rows):
            for sender, text in getattr(row, name)[:MOST_EXAMPLES]:
                lines.append(f"{name} at member {number}: {text!r} of {sender[:8]}")
    unkept = sum(row.unkept for row in outcome.rows)
    lines += [f"events of what is not kept: {unkept}"] if unkept else []
    return [*lines, *outcome.troubles, "good" if outcome.good else "BAD"]


def _reconnections(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"reconnections: {len(seconds)}"
    late = quantiles(seconds, n=20, method="inclusive")[-1]
    return (
        f"reconnections: {len(seconds):,}, in {median(seconds):.1f} s (median), "
        f"{late:.1f} s (95 %), {max(seconds):.1f} s (longest)"
    )


def as_json(plan: Plan, outcome: Outcome) -> str:
    """Return the same as JSON."""
    rows = [
        {**numbers(row), "kills": kills}
        for row, kills in zip(outcome.rows, outcome.client_kills, strict=True)
    ]
    total = {name: sum(row[name] for row in rows) for name in COLUMNS}
    content = {
        "plan": attrs.asdict(plan),
        **attrs.asdict(outcome, filter=attrs.filters.exclude("rows", "client_kills", "backs")),
        "reconnected": {
            "times": len(outcome.backs),
            "median": median(outcome.backs) if outcome.backs else None,
            "longest": max(outcome.backs, default=None),
        },
        "members": rows,
        "total": total,
        "good": outcome.good,
    }
    return json.dumps(content, indent=2)
