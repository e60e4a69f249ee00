"""
What the relay has to reach.
"""

from __future__ import annotations

import attrs

from benchmarks.compare.results import Results, Spread
from benchmarks.compare.servers import MOSQUITTO, RELAY


@attrs.frozen
class Goal:
    """A number of our relay's that is to be at most *most*, or that times another number."""

    workload: str
    key: str
    most: float
    to: str | None = None
    """The server whose number it is compared with; None: it counts as it is."""
    of: str | None = None
    """The workload of that number, if it is another one."""

    def __str__(self) -> str:
        to = self.of or self.to
        times = f" times {to}" if to else ""
        return f"{self.workload} {self.key} ≤ {self.most:g}{times}"

    def got(self, results: Results) -> Spread | None:
        """Return what is to be at most *most*, None where it was not measured."""
        if self.to is None:
            return results.spread(self.workload, RELAY, self.key)
        return results.ratio(self.workload, RELAY, self.to, self.key, of=self.of)

    def is_reached(self, got: Spread) -> bool:
        """Whether what `got` has returned is good enough."""
        return got.median <= self.most


GOALS = (
    Goal("flood-100", "cpu_us", 0.12, MOSQUITTO),
    Goal("flood-100", "cpu_us", 0.75, "nats"),
    Goal("flood-100", "cpu_us", 2.0, "limit"),
    Goal("serial-100", "cpu_us", 1.3, MOSQUITTO),
    Goal("serial-100", "cpu_us", 0.45, "naive"),
    Goal("rate", "p50_ms", 1.5, MOSQUITTO),
    Goal("rate", "p99_ms", 2.0, MOSQUITTO),
    Goal("idle-1000", "kib", 30.0),
    Goal("idle-5000", "kib", 30.0),
    Goal("handshake-login", "cpu_us", 2.0, MOSQUITTO),
    Goal("serial-1000", "cpu_us", 2.0, RELAY, of="serial-100"),
    Goal("flood-1000", "cpu_us", 2.0, RELAY, of="flood-100"),
    Goal("soak", "grown", 1.05),
)
