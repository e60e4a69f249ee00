"""Metrics for Prometheus, by HTTP from a relay in which something happens."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.iweb import IResponse
from twisted.web.resource import Resource
from twisted.web.server import Request

from securechat.fingerprint import short
from securechat.relay.counts import Census, Commits, Counts
from securechat.relay.metrics import MetricsSite, RelayCollector
from securechat.relay.service import ListeningService
from securechat.wire import Code, Join
from tests.relay.clients import Relay
from tests.test_documents import DOCS, cells, section


def samples(text: str) -> list[Sample]:
    """Return what Prometheus reads in *text*."""
    return [each for family in text_string_to_metric_families(text) for each in family.samples]


def told(text: str) -> dict[str, float]:
    """Return the metrics in *text* that have no label."""
    return {sample.name: sample.value for sample in samples(text) if not sample.labels}


class HTTPTests(TestCase):
    """What is served, over a real socket."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.site = MetricsSite(self.relay.factory, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.service = ListeningService(self.site, [endpoint])
        self.service.startService()
        self.addCleanup(self.service.stopService)

    async def ask(
        self, path: str, method: bytes = b"GET", body: bytes | None = None
    ) -> tuple[IResponse, str]:
        """Return the answer for *path*, its head and its body."""
        host: Any = self.service.ports[0].getHost()
        response: IResponse = await Agent(reactor).request(
            method,
            f"http://127.0.0.1:{host.port}{path}".encode("ascii"),
            bodyProducer=None if body is None else FileBodyProducer(BytesIO(body)),
        )
        answer: Deferred[bytes] = readBody(response)
        return response, (await answer).decode("utf-8")

    async def test_what_happens_is_told(self) -> None:
        """Each time as it is then, in the format of Prometheus."""
        response, text = await self.ask("/metrics")
        self.assertEqual(response.code, 200)
        (kind,) = response.headers.getRawHeaders(b"content-type")
        self.assertEqual(kind, b"text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(told(text)["securechat_members_online"], 0)
        alice, _ = self.relay.room(2)
        alice.says(alice.frame())
        metrics = told((await self.ask("/metrics"))[1])
        self.assertEqual(metrics["securechat_frames_total"], 1)
        self.assertEqual(metrics["securechat_deliveries_total"], 2)
        self.assertEqual(metrics["securechat_members_online"], 2)

    async def test_nothing_says_who_or_what(self) -> None:
        """No name of a room, no identity; the only label of the relay's is an error's code."""
        alice, bob = self.relay.room(2)
        bob.says(Join("cellar"))
        _, text = await self.ask("/metrics")
        ours = [each for each in samples(text) if each.name.startswith("securechat_")]
        self.assertEqual({name for each in ours for name in each.labels}, {"code"})
        self.assertEqual(
            {each.labels["code"] for each in ours if each.labels}, {code.value for code in Code}
        )
        for word in "lobby", "cellar", short(alice.fingerprint), short(bob.fingerprint):
            self.assertNotIn(word, text)

    async def test_the_process_and_its_memory(self) -> None:
        """The library tells of them, where the system lets it."""
        _, text = await self.ask("/metrics")
        self.assertGreater(told(text)["process_resident_memory_bytes"], 0)
        self.assertIn("python_gc_collections_total", {each.name for each in samples(text)})

    async def test_nothing_else_is_served(self) -> None:
        """There is one thing to be had, and nothing to be changed."""
        for method, path, code in (
            (b"GET", "/", 404),
            (b"GET", "/metrics/all", 404),
            (b"POST", "/metrics", 405),
        ):
            response, _ = await self.ask(path, method)
            self.assertEqual(response.code, code, path)

    async def test_bodies_are_not_kept(self) -> None:
        """However much of one comes."""

        class Kept(Resource):
            def render_POST(self, request: Request) -> bytes:
                assert request.content is not None
                return b"kept: %d" % len(request.content.read())

        self.site.resource.putChild(b"kept", Kept())
        _, text = await self.ask("/kept", b"POST", bytes(200_000))
        self.assertEqual(text, "kept: 0")

    async def test_scrapers_do_not_fill_the_log(self) -> None:
        """They come back every few seconds; some ask first whether there is anything."""
        with capturedLogs() as events:
            await self.ask("/metrics")
            response, text = await self.ask("/metrics", b"HEAD")
        self.assertEqual((response.code, text), (200, ""))
        logged = "".join(str(formatEvent(event)) for event in events)
        self.assertNotIn("/metrics", logged)
        self.assertNotIn("HEAD", logged)


class NamesTests(SynchronousTestCase):
    """Which metrics there are."""

    def setUp(self) -> None:
        self.factory = Relay().factory

    def test_each_count_is_told(self) -> None:
        """Under its own name, with its own number."""
        names = [field.name for field in attrs.fields(Counts) if field.default == 0]
        numbers = {name: number for number, name in enumerate(names, start=1)}
        self.factory.counts = Counts(
            commits=Commits(done=100, seconds=0.5, failed=101),
            hang_ups=Counter({Code.TIMEOUT: 102}),
            refusals=Counter({Code.FORK: 103}),
            **numbers,
        )
        families = list(RelayCollector(self.factory).collect())
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
            if sample.value
        }
        expected = {(f"securechat_{name}_total",): number for name, number in numbers.items()}
        self.assertEqual(
            found,
            expected
            | {
                ("securechat_history_commit_seconds_count",): 100,
                ("securechat_history_commit_seconds_sum",): 0.5,
                ("securechat_history_commit_failures_total",): 101,
                ("securechat_hang_ups_total", "timeout"): 102,
                ("securechat_refusals_total", "fork"): 103,
            },
        )

    def test_the_census_is_told(self) -> None:
        """Under the names of its fields, as gauges."""
        census = Census(**{field.name: n for n, field in enumerate(attrs.fields(Census), start=1)})
        self.patch(self.factory, "census", lambda: census)
        gauges = {
            family.name: family.samples[0].value
            for family in RelayCollector(self.factory).collect()
            if family.type == "gauge"
        }
        self.assertEqual(
            gauges, {f"securechat_{name}": n for name, n in attrs.asdict(census).items()}
        )

    def test_every_metric_is_documented(self) -> None:
        """The table for operators has every metric with its kind, and no other."""
        table = cells(section((DOCS / "relay.md").read_text("utf-8"), "Metrics"))
        documented = {
            row[0].strip("`"): row[1] for row in table if row[0].startswith("`securechat_")
        }
        kinds = {
            family.name + ("_total" if family.type == "counter" else ""): family.type
            for family in RelayCollector(self.factory).collect()
        }
        self.assertEqual(documented, kinds)
