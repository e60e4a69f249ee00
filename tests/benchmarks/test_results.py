"""What came of all rounds, and whether it is good enough."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.compare.cast import Shape
from benchmarks.compare.goals import Goal
from benchmarks.compare.process import Failed
from benchmarks.compare.results import Results
from benchmarks.compare.rounds import Plan
from benchmarks.compare.servers import MOSQUITTO, PEERS, relay
from benchmarks.compare.soak import growth
from benchmarks.compare.table import as_data, as_table, machine
from benchmarks.compare.workloads import WORKLOADS, Metric, Workload

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text("utf-8")

WORKLOAD = Workload(
    "flood-100",
    "a flood",
    "traffic",
    Shape(1, 100),
    (Metric("cpu_us", "µs"), Metric("p99_ms", "ms")),
)


def results(**values: list[float | None]) -> Results:
    """Return rounds of `WORKLOAD` in which each server had these µs, and ten times these ms."""
    made = Results()
    for server, all_of_it in values.items():
        for value in all_of_it:
            outcome = None if value is None else {"cpu_us": value, "p99_ms": 10 * value}
            made.add(WORKLOAD.name, server, outcome)
    return made


class ResultsTests(SynchronousTestCase):
    """`Results`."""

    def test_median_and_spread(self) -> None:
        """Of all rounds the median counts, and the least and the most are told."""
        spread = results(relay=[3.0, 1.0, 2.5]).spread("flood-100", "relay", "cpu_us")
        assert spread is not None
        self.assertEqual((spread.median, spread.least, spread.most), (2.5, 1.0, 3.0))

    def test_ratio_is_of_one_round(self) -> None:
        """
        A ratio is taken within each round: where the machine was slow in a round, and all servers
        with it, it says nothing else than in the others.
        """
        slow = results(relay=[1.0, 10.0, 1.0], mosquitto=[2.0, 20.0, 2.0])
        ratio = slow.ratio("flood-100", "relay", "mosquitto", "cpu_us")
        assert ratio is not None
        self.assertEqual(ratio.values, (0.5, 0.5, 0.5))

    def test_rounds_that_failed(self) -> None:
        """A round that failed for one of two servers has no ratio, and moves no other's."""
        some = results(relay=[1.0, None, 3.0], mosquitto=[2.0, 2.0, None])
        ratio = some.ratio("flood-100", "relay", "mosquitto", "cpu_us")
        assert ratio is not None
        self.assertEqual(ratio.values, (0.5,))

    def test_nothing_measured(self) -> None:
        """Where nothing was measured there is no spread, and no ratio."""
        none = results(relay=[None], mosquitto=[0.0])
        self.assertIsNone(none.spread("flood-100", "relay", "cpu_us"))
        self.assertIsNone(none.ratio("flood-100", "mosquitto", "relay", "cpu_us"))
        self.assertIsNone(none.ratio("flood-100", "mosquitto", "mosquitto", "cpu_us"))


class GoalTests(SynchronousTestCase):
    """`Goal`."""

    def test_compared_with_a_server(self) -> None:
        """A goal may be a ratio to another server, of the median round."""
        goal = Goal("flood-100", "cpu_us", 0.5, MOSQUITTO)
        got = goal.got(results(relay=[1.0, 1.0, 9.0], mosquitto=[2.0, 4.0, 2.0]))
        assert got is not None
        self.assertEqual(got.median, 0.5)
        self.assertTrue(goal.is_reached(got))

    def test_compared_with_another_workload(self) -> None:
        """A goal may be a ratio to our own figure under another workload."""
        goal = Goal("flood-1000", "cpu_us", 2.0, "relay", of="flood-100")
        measured = results(relay=[1.0])
        measured.add("flood-1000", "relay", {"cpu_us": 2.5})
        got = goal.got(measured)
        assert got is not None
        self.assertEqual(got.median, 2.5)
        self.assertFalse(goal.is_reached(got))

    def test_not_measured(self) -> None:
        """Where one of both was not measured nobody can say."""
        self.assertIsNone(Goal("flood-100", "cpu_us", 1.0, "nats").got(results(relay=[1.0])))


class GrowthTests(SynchronousTestCase):
    """`growth`."""

    def test_late_to_early(self) -> None:
        """What a server makes once, in the first quarter, is no growth."""
        grown = growth([10, 50, 100, 100, 100, 110, 110, 110])
        self.assertEqual((grown.early_kib, grown.late_kib, grown.most_kib), (100, 110, 110))
        self.assertAlmostEqual(grown.grown, 1.1)

    def test_too_short(self) -> None:
        """In less than four samples there is no early and late."""
        self.assertRaises(Failed, growth, [1, 2, 3])


class TableTests(SynchronousTestCase):
    """`as_table` and `as_data`."""

    def setUp(self) -> None:
        servers = [relay(), *(each for each in PEERS if each.name in (MOSQUITTO, "nats"))]
        self.plan = Plan([WORKLOAD], servers, 2)
        self.results = results(relay=[1.0, 2.0], mosquitto=[10.0, 20.0], nats=[None])

    def test_rows(self) -> None:
        """Each server has a row: median, spread, ratio, and its other medians."""
        lines = as_table(self.plan, self.results).splitlines()
        cells = [line.split() for line in lines[1:4]]
        self.assertEqual(
            cells,
            [
                ["flood-100", "relay", "1.50", "1.00", "2.00", "0.10", "15.00", "ms"],
                ["mosquitto", "15.00", "10.00", "20.00", "1.00", "150.00", "ms"],
                ["nats", "failed"],
            ],
        )

    def test_goals(self) -> None:
        """Below it stands which goals are reached, which not, and which nobody can say."""
        table = as_table(self.plan, self.results)
        (reached,) = (line for line in table.splitlines() if "0.12 times mosquitto" in line)
        (unknown,) = (line for line in table.splitlines() if "0.75 times nats" in line)
        self.assertTrue(reached.endswith("0.10  reached"), reached)
        self.assertTrue(unknown.endswith("not measured"), unknown)
        self.assertNotIn("serial-100", table)  # nobody asked
        worse = results(relay=[1.3], mosquitto=[10.0])
        self.assertIn("0.13  NOT reached", as_table(self.plan, worse))

    def test_machine(self) -> None:
        """Figures are worth nothing without it."""
        self.assertIn(machine()["processor"], as_table(self.plan, self.results).splitlines()[-1])

    def test_data(self) -> None:
        """The object has all rounds, also those that failed."""
        data = json.loads(json.dumps(as_data(self.plan, self.results)))
        rounds = data["workloads"]["flood-100"]["rounds"]
        self.assertEqual([each["cpu_us"] for each in rounds["relay"]], [1.0, 2.0])
        self.assertEqual(rounds["nats"], [None])
        self.assertIn(True, [each["reached"] for each in data["goals"]])


class WorkloadTests(SynchronousTestCase):
    """`WORKLOADS`."""

    def test_names(self) -> None:
        """No two have the same name; a kind's name means all of it, and a part of a word none."""
        names = [each.name for each in WORKLOADS]
        self.assertEqual(len(set(names)), len(names))
        named = [each.name for each in WORKLOADS if each.is_named("flood")]
        self.assertEqual(named, ["flood-100", "flood-1000"])
        self.assertFalse(any(each.is_named("flood-1") for each in WORKLOADS))

    def test_documented(self) -> None:
        """The document tells what each does, and of no others."""
        table = DOCUMENT.partition("| workload |")[2].partition("\n\n")[0]
        told = re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
        self.assertEqual(sorted(told), sorted(each.name for each in WORKLOADS))
