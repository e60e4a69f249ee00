"""The comparison, for real: servers as processes, loaded for a moment."""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks.__main__ import main
from benchmarks.compare.build import LIMIT, LOAD, Lacking, build
from benchmarks.compare.cast import Shape
from benchmarks.compare.measure import Bench
from benchmarks.compare.process import Failed
from benchmarks.compare.rounds import Plan, perform
from benchmarks.compare.servers import PEERS, RELAY, Server, relay
from benchmarks.compare.workloads import Metric, Workload

OURS = [relay(), *(each for each in PEERS if each.name in ("limit", "naive"))]
"""The servers for which nothing has to be installed but a compiler."""

MOMENT = 0.2
_SETTLE, _WARM_UP = "--settle=0.05", "--warm-up=0.1"


def workload(run: str, shape: Shape, key: str, *options: str) -> Workload:
    """Return one that measures *key*."""
    return Workload("short", "for a moment", run, shape, (Metric(key, key),), options)


class CompareTests(SynchronousTestCase):
    """`perform`, and all that it starts."""

    def setUp(self) -> None:
        kept = Path("kept-by-benchmarks").absolute()  # by all tests of a run together
        self.said: list[str] = []
        try:
            self.bench = Bench(MOMENT, self.said.append, kept)
        except Lacking as error:
            raise SkipTest(str(error)) from None

    def perform(self, workload: Workload, *servers: Server) -> dict[str, dict[str, float]]:
        """Measure one round; return what came out of it, by the server's name."""
        results = perform(Plan([workload], servers, 1), self.bench)
        outcomes = {server: rounds[0] for (_, server), rounds in results.rounds.items()}
        return {name: each for name, each in outcomes.items() if each is not None}

    def test_no_warnings(self) -> None:
        """The C compiler has nothing to say about the programs."""
        for sources in (LOAD, LIMIT):
            build(sources, self.bench.kept, "-Werror")

    def test_traffic(self) -> None:
        """
        What is sent to two rooms of three members is delivered to all three of the one room, by
        the relay (to which each proves that it is a member), and by the two other relays.
        """
        traffic = workload(
            "traffic", Shape(2, 3), "cpu_us", "--window=8", "--senders=2", _WARM_UP, _SETTLE
        )
        outcomes = self.perform(traffic, *OURS)
        self.assertEqual(list(outcomes), [each.name for each in OURS], self.said)
        for each in outcomes.values():
            self.assertGreater(each["deliveries"], 10)
            self.assertGreater(each["cpu_us"], 0.0)
            self.assertGreaterEqual(each["p99_ms"], each["p50_ms"])

    def test_resume(self) -> None:
        """A member that has seen nothing gets all messages that its room has."""
        coming = workload("resume", Shape(1, 2, 300), "frames")
        self.assertEqual(self.perform(coming, OURS[0])[RELAY]["frames"], 300, self.said)

    def test_sitting(self) -> None:
        """Connections that do nothing are counted by their memory, new ones by their CPU."""
        idle = workload("idle", Shape(1, 40), "kib", _SETTLE)
        self.assertGreater(self.perform(idle, OURS[1])["limit"]["kib"], 0.0, self.said)
        handshakes = workload("handshakes", Shape(1, 20), "cpu_us", "--login", _SETTLE)
        self.assertGreater(self.perform(handshakes, OURS[0])[RELAY]["cpu_us"], 100, self.said)

    def test_server_that_does_not_start(self) -> None:
        """What a server said that did not start is told, and the others have their turn."""
        broken = Server("broken", "raw", lambda _: [sys.executable, "-c", "exit('no port')"])
        traffic = workload("traffic", Shape(1, 2), "cpu_us", _WARM_UP)
        outcomes = self.perform(traffic, broken, OURS[1])
        self.assertEqual(list(outcomes), [OURS[1].name])
        self.assertIn("broken      failed: it did not start: no port", self.said[0])

    def test_load_that_fails(self) -> None:
        """What the load generator could not do is an error with its own words."""
        traffic = workload("traffic", Shape(1, 2), "cpu_us", "--senders=3")
        error = self.assertRaises(Failed, self.bench.measure, traffic, OURS[1])
        self.assertIn("not that many senders", str(error))


class OptionTests(SynchronousTestCase):
    """The command line."""

    def test_unknown(self) -> None:
        """A workload or a server that there is not is an error which tells how to find them."""
        for words, said in (
            (["sereal"], "there is no workload 'sereal': see --help"),
            (["--servers", "relay,mosquito"], "there is no server 'mosquito', only relay, mosq"),
            (["--soak", "3"], "it takes 4 seconds at least"),
            (["--seconds", "0"], "0.1<=x<=60"),
            (["--json", "/there is/none"], "No such file or directory"),
        ):
            result = CliRunner().invoke(main, words)
            self.assertEqual(result.exit_code, 2)
            self.assertIn(said, " ".join(result.output.split()))

    def test_help(self) -> None:
        """``--help`` names every workload, and what it is."""
        result = CliRunner().invoke(main, ["--help"])
        self.assertEqual(result.exit_code, 0)
        self.assertIn("flood-1000       64 messages under way, room of 1,000\n", result.output)
