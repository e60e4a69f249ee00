"""
The relay's counts over HTTP, in Prometheus's text format.

This imports `prometheus_client`, which is there with the extra ``securechat[metrics]``; nothing
else does. The library has a resource for Twisted, but that collects in a thread, and what the
relay has is the reactor's alone; so this one collects where the relay runs, in a millisecond or
two. No metric of the relay has a label but the code of an `error` line: nothing says who or what.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from twisted.web.http import Request as AnyRequest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from securechat.relay.counts import Census, Commits, Counts
from securechat.relay.factory import RelayFactory
from securechat.wire import Code

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"  # which all scrapers read


class RelayCollector(Collector):
    """Makes metrics of what *relay* has counted, when it is asked to."""

    def __init__(self, relay: RelayFactory) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        for field in attrs.fields(Counts):
            counted = getattr(self._relay.counts, field.name)
            if isinstance(counted, Commits):
                yield from _commits(counted)
                continue
            name, help = _described(field)
            if isinstance(counted, Counter):
                family = CounterMetricFamily(name, help, labels=["code"])
                for code in Code:
                    family.add_metric([code.value], counted[code])
                yield family
            else:
                yield CounterMetricFamily(name, help, value=counted)
        census = self._relay.census()
        for field in attrs.fields(Census):
            yield GaugeMetricFamily(*_described(field), value=getattr(census, field.name))


def _described(field: attrs.Attribute[Any]) -> tuple[str, str]:
    return f"securechat_{field.name}", field.metadata["help"]


def _commits(commits: Commits) -> Iterator[Metric]:
    yield SummaryMetricFamily(
        "securechat_history_commit_seconds",
        "Commits of the history, and how long they took.",
        count_value=commits.done,
        sum_value=commits.seconds,
    )
    yield CounterMetricFamily(
        "securechat_history_commit_failures",
        "Commits that failed: what was to be in them is lost.",
        value=commits.failed,
    )


class MetricsSite(Site):
    """
    The metrics of *relay*, of its process and of Python's memory, at ``/metrics``. Listen with
    it where only those can reach it who may know how much is said.

    :param reactor: for its time-outs.
    """

    noisy = False

    def __init__(self, relay: RelayFactory, reactor: Any) -> None:
        registry = CollectorRegistry()
        registry.register(RelayCollector(relay))
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        root = Resource()
        root.putChild(b"metrics", _Metrics(registry))
        super().__init__(root, requestFactory=_Request, reactor=reactor)

    def log(self, request: AnyRequest) -> None:
        """Log nothing: scrapers come back all day."""


class _Request(Request):
    """One that keeps nothing of a body: no request that is answered has one."""

    def handleContentChunk(self, data: bytes) -> None:
        pass


class _Metrics(Resource):
    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_HEAD(self, request: Request) -> bytes:
        request.setHeader(b"content-type", _TEXT)
        return b""

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", _TEXT)
        return generate_latest(self._registry)
