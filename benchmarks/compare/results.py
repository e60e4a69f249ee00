"""
What came of all rounds: medians, spreads, ratios.

A ratio is taken within each round, and the median of these counts: a machine that was slow for a
while was slow for both.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import attrs

from benchmarks.compare.measure import Outcome


@attrs.frozen
class Spread:
    """The values of one number in all rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)


@attrs.define
class Results:
    """Workload and server to what came out in each round; None where it failed."""

    rounds: defaultdict[tuple[str, str], list[Outcome | None]] = attrs.Factory(
        lambda: defaultdict(list)
    )

    def add(self, workload: str, server: str, outcome: Outcome | None) -> None:
        self.rounds[workload, server].append(outcome)

    def spread(self, workload: str, server: str, key: str) -> Spread | None:
        """Return the values of *key*, None where there are none."""
        values = self._values(workload, server, key)
        return _spread(values)

    def ratio(
        self, workload: str, server: str, to: str, key: str, *, of: str | None = None
    ) -> Spread | None:
        """
        Return the ratios of *server* to the server *to*, None where there are none.

        :param of: the workload of *to*, if that is another one.
        """
        ours, theirs = self._values(workload, server, key), self._values(of or workload, to, key)
        return _spread(
            [
                None if one is None or not other else one / other
                for one, other in zip(ours, theirs, strict=False)
            ]
        )

    def _values(self, workload: str, server: str, key: str) -> list[float | None]:
        outcomes = self.rounds.get((workload, server), [])
        return [None if each is None else each.get(key) for each in outcomes]


def _spread(values: list[float | None]) -> Spread | None:
    known = tuple(each for each in values if each is not None)
    return Spread(known) if known else None
