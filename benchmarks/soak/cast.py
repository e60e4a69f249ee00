"""The members of the soak: their homes on disk, and the processes that live there in turn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from benchmarks.soak.plan import Plan
from benchmarks.soak.process import Process
from securechat import keyfile
from securechat.address import Address
from securechat.identity import Identity
from securechat.trust import TrustStore


class Actor:
    """
    One member, over all its lives.

    :ivar kills: how often it was killed.
    :ivar changes: how often it has given a room new keys.
    :ivar departures: how often it has left a room.
    :ivar backs: after how many seconds each it was live again, since `watched`.
    :ivar troubles: what must not be, and was.
    """

    def __init__(self, reactor: Any, plan: Plan, home: Path, address: Address, *, founds: bool):
        self.home = home
        self.kills = 0
        self.changes = self.departures = 0
        self.backs: list[float] = []
        self.watched = False
        self.troubles: list[str] = []
        self.inside: Deferred[None]
        self._reactor = reactor
        self._plan = plan
        self._address = address
        self._founds = founds
        self._process: Process | None = None
        self._before = self._now = (0, 0)  # tallies
        self._question = 0
        self._asked: Deferred[tuple[int, dict[str, int]]] | None = None

    @property
    def tally(self) -> tuple[int, int]:
        """How many texts it has acknowledged, and how many it was shown: it says so."""
        return self._before[0] + self._now[0], self._before[1] + self._now[1]

    def start(self, *words: str) -> None:
        """Start a life of it, and say *words* to it. `inside` fires once it is in the rooms."""
        self.inside = Deferred()
        self._before, self._now = self.tally, (0, 0)
        plan = self._plan
        process = self._process = Process(
            self._reactor,
            [
                *("-m", "benchmarks.soak.member", str(self.home), str(self._address)),
                *(str(plan.rate), f"{plan.seed} {self.home.name} {self.kills}"),
                *("found" if self._founds else "join", *plan.labels),
            ],
            self.home.with_suffix(".err"),
            self._hear,
        )
        process.ended.addCallback(self._ended, process)
        for word in words:
            process.say(word)

    async def kill(self) -> None:
        """Kill it, and start its next life, in which it sends."""
        if self._process is not None:
            process, self._process = self._process, None
            self.kills += 1
            await process.kill()
        self.start("go")
        self.inside.addErrback(lambda _: None)  # it is among the troubles, and nobody waits

    def say(self, word: str) -> None:
        """Say *word* to it."""
        if self._process is not None:
            self._process.say(word)

    def where(self) -> Deferred[tuple[int, dict[str, int]]]:
        """Return how many of its texts wait, and the newest number of each room."""
        self._question += 1
        self._asked = Deferred()
        self.say(f"where {self._question}")
        return self._asked

    async def end(self) -> None:
        """Let its life end by itself, within ten seconds."""
        if self._process is not None:
            process, self._process = self._process, None
            process.say("end")
            killing = self._reactor.callLater(10, process.kill)
            await process.ended
            if killing.active():
                killing.cancel()
            else:
                self.troubles.append("it did not end")

    def _ended(self, status: int, process: Process) -> int:
        if process is self._process:
            trouble = f"it ended by itself, with status {status}"
            self.troubles.append(trouble)
            self._process = None
            if not self.inside.called:
                self.inside.errback(RuntimeError(f"{self.home.name}: {trouble}"))
        return status

    def _hear(self, line: str) -> None:
        word, *values = json.loads(line)
        match word:
            case "in":
                self.inside.callback(None)
            case "back" if self.watched:
                self.backs.append(values[0])
            case "changed":
                self.changes += 1
            case "left":
                self.departures += 1
            case "tally":
                self._now = (values[0], values[1])
            case "here" if self._asked is not None and values[0] == self._question:
                asked, self._asked = self._asked, None
                asked.callback((values[1], values[2]))
            case "trouble":
                self.troubles.append(values[0])


def make_homes(directory: Path, number: int) -> list[Path]:
    """Make the directories of *number* members who all trust each other."""
    homes = [directory / f"member-{each}" for each in range(number)]
    identities = [Identity.generate() for _ in homes]
    for home, identity in zip(homes, identities, strict=True):
        keyfile.create(home, identity, None)
        trust = TrustStore.open(home, identity)
        for other, friend in zip(homes, identities, strict=True):
            if friend is not identity:
                trust.add(other.name, friend.fingerprint, "typed", datetime.now(UTC))
    return homes


def all_of(waiting: Iterable[Deferred[Any]]) -> Deferred[list[Any]]:
    """Return what fires with the results of all."""
    return gatherResults(list(waiting), consumeErrors=True)
