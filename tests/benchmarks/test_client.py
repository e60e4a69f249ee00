"""What a client computes, measured in a small room: whether every step is there."""

from __future__ import annotations

import json

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.bare import Bare
from benchmarks.client import Row, Steps, as_table, budget, main, measure

SMALL = ["--members", "4", "--messages", "3", "--rounds", "2"]
STEPS = [
    "vouch",
    "challenge",
    "challenge checked",
    "entry made",
    "response",
    "response checked",
    "entering",
    "entry taken by a member",
    "encrypt a message",
    "decrypt and verify a message",
]


class ClientBenchmarkTests(SynchronousTestCase):
    """`benchmarks.client`."""

    def test_every_step(self) -> None:
        """Each step is measured in each round, and so are its primitives."""
        rows = measure(members=4, messages=3, rounds=2)
        self.assertEqual([row.name for row in rows], STEPS)
        for row in rows:
            self.assertTrue(0 < row.least <= row.took <= row.most, row)
            self.assertGreater(row.bare, 0)
        lines = as_table(rows, 4, 2).splitlines()
        self.assertEqual([line[:30].strip() for line in lines[2:]], STEPS)

    def test_budget(self) -> None:
        """Every primitive of every step can be called, and called again."""
        for calls in budget(Bare(), 3).values():
            for call in calls * 2:
                call()

    def test_ratio_of_each_round(self) -> None:
        """A ratio is of figures of the same round: a machine that slows down changes none."""
        row = Row.of("step", [(30.0, 20.0), (15.0, 10.0), (60.0, 40.0), (30.0, 20.0)])
        self.assertEqual((row.took, row.least, row.most, row.bare), (30.0, 15.0, 60.0, 20.0))
        self.assertEqual(row.ratio, 1.5)

    def test_as_often(self) -> None:
        """The primitives are called as often as the step is taken."""
        called: list[str] = []
        steps = Steps({"step": [lambda: called.append("bare")]})
        steps.measure("step", lambda: called.append("step"), times=3)
        self.assertEqual(called, ["step", "bare", "bare", "bare"])
        self.assertEqual(len(steps.took["step"]), 1)

    def test_json(self) -> None:
        """``--json`` prints an object."""
        result = CliRunner().invoke(main, [*SMALL, "--json"], catch_exceptions=False)
        data = json.loads(result.output)
        self.assertEqual((data["members"], data["messages"], data["rounds"]), (4, 3, 2))
        self.assertEqual([step["name"] for step in data["steps"]], STEPS)

    def test_profile(self) -> None:
        """``--profile`` shows the primitives of both directions."""
        result = CliRunner().invoke(main, [*SMALL, "--profile"], catch_exceptions=False)
        encrypting, decrypting = result.output.split("decrypt and verify a message, 6 times")
        self.assertIn("encrypt a message, 6 times", encrypting)
        self.assertIn("'sign' of", encrypting)
        self.assertIn("'verify' of", decrypting)

    def test_table(self) -> None:
        """Without options it prints a table."""
        result = CliRunner().invoke(main, SMALL, catch_exceptions=False)
        self.assertIn("a room of 4 members", result.output)
        self.assertIn("decrypt and verify a message", result.output)
