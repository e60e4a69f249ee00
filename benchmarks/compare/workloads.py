"""
What is measured.
"""

from __future__ import annotations

import attrs

from benchmarks.compare.cast import Shape


@attrs.frozen
class Metric:
    """One number that a run gives."""

    key: str
    """In the load generator's object."""
    name: str
    digits: int = 2


@attrs.frozen
class Workload:
    """One kind of load."""

    name: str
    what: str
    run: str
    """The load generator's."""
    shape: Shape
    metrics: tuple[Metric, ...]
    """The first is what the workload is about."""
    options: tuple[str, ...] = ()
    """Of the load generator, besides those that follow from the shape."""
    longer: float = 1.0
    """How many times as long as others it takes to be sure."""
    most_rounds: int = 1_000
    """Enough of what hardly differs."""
    relay_only: bool = False

    @property
    def connections(self) -> int:
        """How many there are at once."""
        return self.shape.rooms * self.shape.members

    def is_named(self, word: str) -> bool:
        """Whether *word* is its name, or the name of its kind."""
        return self.name == word or self.name.startswith(f"{word}-")


_CPU = Metric("cpu_us", "CPU µs per delivery", 3)
_P50, _P99 = Metric("p50_ms", "ms p50"), Metric("p99_ms", "ms p99")
_SERIAL = ("--window=1",)
_FLOOD = ("--window=64",)
_RATE = 20

_KIB = Metric("kib", "KiB per connection", 1)
_HANDSHAKE = Metric("cpu_us", "CPU µs per connection", 0)


def _traffic(name: str, what: str, shape: Shape, *options: str) -> Workload:
    return Workload(name, what, "traffic", shape, (_CPU, _P50, _P99), options)


WORKLOADS = (
    _traffic("serial-100", "one message under way, room of 100", Shape(1, 100), *_SERIAL),
    _traffic("serial-1000", "one message under way, room of 1,000", Shape(1, 1_000), *_SERIAL),
    _traffic("flood-100", "64 messages under way, room of 100", Shape(1, 100), *_FLOOD),
    _traffic("flood-1000", "64 messages under way, room of 1,000", Shape(1, 1_000), *_FLOOD),
    _traffic(
        "senders", "the same of ten senders, room of 100", Shape(1, 100), *_FLOOD, "--senders=10"
    ),
    _traffic(
        "rooms", "64 messages under way, 200 rooms of 5", Shape(200, 5), *_FLOOD, "--senders=200"
    ),
    Workload(
        "rate",
        f"{_RATE} messages a second, room of 200",
        "traffic",
        Shape(1, 200),
        (_P50, _P99, _CPU),
        (f"--rate={_RATE}",),
        longer=4.0,
    ),
    Workload(
        "idle-1000",
        "1,000 connections in one room",
        "idle",
        Shape(1, 1_000),
        (_KIB,),
        most_rounds=3,
    ),
    Workload(
        "idle-5000",
        "5,000 connections in five rooms",
        "idle",
        Shape(5, 1_000),
        (_KIB,),
        most_rounds=2,
    ),
    Workload(
        "handshake-login",
        "TLS handshake, and login (identity, ack)",
        "handshakes",
        Shape(1, 256),
        (_HANDSHAKE,),
        ("--login",),
        longer=2.0,
    ),
    Workload(
        "handshake-bare",
        "TLS handshake alone, 256 at a time",
        "handshakes",
        Shape(1, 256),
        (_HANDSHAKE,),
        longer=2.0,
    ),
    Workload(
        "resume",
        "one member gets 10,000 messages again",
        "resume",
        Shape(1, 2, 10_000),
        (Metric("cpu_ms", "CPU ms per resume", 1), Metric("wall_ms", "ms until all is there", 1)),
        relay_only=True,
    ),
)

SOAK = Workload(
    "soak",
    "64 messages under way, room of 100, for long",
    "traffic",
    Shape(1, 100),
    (
        Metric("grown", "memory, late to early", 3),
        Metric("early_kib", "KiB in the second quarter", 0),
        Metric("late_kib", "KiB in the last quarter", 0),
        Metric("most_kib", "KiB at most", 0),
        _CPU,
    ),
    _FLOOD,
    relay_only=True,
)
"""What `soak` measures: not among the others, since it takes minutes."""
