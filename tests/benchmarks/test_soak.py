"""A short soak: real processes, killed and cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from benchmarks.soak.plan import Plan
from benchmarks.soak.play import Play
from benchmarks.soak.table import as_table

reactor: Any = _reactor  # it provides more than its module says


class SoakTests(TestCase):
    """`benchmarks.soak`."""

    timeout = 300

    def test_nothing_is_lost_or_doubled(self) -> Deferred[None]:
        """Whatever is killed or cut, everybody has everything once in the end."""
        return Deferred.fromCoroutine(self._soak())

    async def _soak(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        plan = Plan(
            clients=3,
            rooms=2,
            rate=5.0,
            kill_relay_every=2.0,
            kill_client_every=1.5,
            cut_every=0.7,
            change_every=2.0,
            enough=40,
        )
        said: list[str] = []
        outcome = await Play(reactor, plan, directory, said.append).perform()
        self.assertTrue(outcome.good, "\n".join([*said, as_table(plan, outcome)]))
        self.assertGreaterEqual(sum(row.acknowledged for row in outcome.rows), 40)
        self.assertGreaterEqual(min(outcome.relay_kills, outcome.cuts), 2)
        self.assertGreaterEqual(sum(outcome.client_kills), 2)
