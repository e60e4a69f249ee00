"""
A flood of minutes, in which the relay's memory is to stay what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import attrs

from benchmarks.compare.measure import Bench, Outcome
from benchmarks.compare.process import Failed, memory
from benchmarks.compare.servers import Server
from benchmarks.compare.workloads import SOAK


def soak(bench: Bench, server: Server, seconds: float) -> Outcome:
    """
    Flood *server* for *seconds*, and look at its memory each second.

    :raises Failed: as `Bench.measure`; or if it took too short for that.
    """
    samples: list[int] = []
    with bench.started(SOAK, server) as started:
        outcome = bench.loaded(SOAK, started, seconds, lambda: samples.append(memory(started.pid)))
    return {**outcome, **attrs.asdict(growth(samples))}


@attrs.frozen
class Growth:
    """How memory went, in KiB."""

    early_kib: float
    """The median of the second quarter of the time: what is made once is there by then."""
    late_kib: float
    """The median of the last quarter."""
    most_kib: float
    grown: float
    """What the late is of the early."""


def growth(samples: Sequence[int]) -> Growth:
    """
    Return what *samples* say, which were taken at equal intervals.

    :raises Failed: if there are less than four.
    """
    quarter = len(samples) // 4
    if not quarter:
        raise Failed("a soak takes at least four seconds")
    early, late = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
    return Growth(early, late, max(samples), late / early)
