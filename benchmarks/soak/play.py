"""The soak itself: who is started, killed, cut and asked, and when."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, FirstError, TimeoutError
from twisted.internet.task import LoopingCall, deferLater

from benchmarks.soak.cast import Actor, all_of, make_homes
from benchmarks.soak.count import Traces, count
from benchmarks.soak.outcome import Outcome
from benchmarks.soak.plan import Plan
from benchmarks.soak.proxy import Proxy
from benchmarks.soak.relay import Relay
from securechat.address import Address

ENTER_SECONDS = 300.0
"""How long it may take until all are in all rooms."""

QUIET_SECONDS = 180.0
"""How long it may take until all have caught up: time for two heartbeats, and a pause."""

PROGRESS_SECONDS = 5.0
ENOUGH_DEATHS = 2


class Play:
    """One soak, in *directory*; *say* is told now and then how it goes."""

    def __init__(
        self, reactor: Any, plan: Plan, directory: Path, say: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._directory = directory
        self._say = say
        self._relay = Relay(reactor, directory)
        self._proxy = Proxy(reactor, self._relay.port, self._chance("proxy"))
        self._actors: list[Actor] = []
        self._playing = False
        self._turn = 0

    async def perform(self) -> Outcome:
        """Play it, and count."""
        address = attrs.evolve(await self._relay.start(), port=await self._proxy.listen())
        homes = make_homes(self._directory, self._plan.clients)
        for home in homes:
            founds = home is homes[0]
            self._actors.append(Actor(self._reactor, self._plan, home, address, founds=founds))
        try:
            await self._enter()
            seconds = await self._deaths()
            quiet_after = await self._quiet()
        finally:
            for each in self._actors:
                await each.end()
            await self._relay.end()
            await self._proxy.close()
        return self._outcome(address, seconds, quiet_after)

    async def _enter(self) -> None:
        founder, *others = self._actors
        founder.start()
        await founder.inside
        for each in others:
            each.start()
        entered = all_of(each.inside for each in others)
        await entered.addTimeout(ENTER_SECONDS, self._reactor)
        self._say(f"{len(self._actors)} clients are in {', '.join(self._plan.labels)}")

    async def _deaths(self) -> float:
        """Let all send, and kill and cut, until it is time; return how long that was."""
        plan, chance, begun = self._plan, self._chance("clients"), self._reactor.seconds()

        async def kill_client() -> None:
            await chance.choice(self._actors).kill()

        async def cut() -> None:
            self._proxy.cut()

        async def change() -> None:
            self._whose_turn().say("change")

        async def leave() -> None:
            chance.choice(self._actors[1:]).say("leave")

        for each in self._actors:
            each.watched = True
            each.say("go")
        progress = LoopingCall(self._progress, begun)
        progress.start(PROGRESS_SECONDS, now=False)
        self._playing = True
        loops = [
            Deferred.fromCoroutine(self._every(seconds, act, self._chance(name)))
            for name, seconds, act in (
                ("relay", plan.kill_relay_every, self._relay.restart),
                ("kills", plan.kill_client_every, kill_client),
                ("cuts", plan.cut_every, cut),
                ("changes", plan.change_every, change),
                ("departures", plan.leave_every, leave),
            )
            if seconds
        ]
        while self._reactor.seconds() - begun < plan.seconds and not self._enough():
            await deferLater(self._reactor, 0.25)
        self._playing = False
        await all_of(loops)
        progress.stop()
        seconds: float = self._reactor.seconds() - begun
        return seconds

    async def _every(
        self, seconds: float, act: Callable[[], Awaitable[None]], chance: random.Random
    ) -> None:
        while self._playing:
            await deferLater(self._reactor, seconds * chance.uniform(0.5, 1.5))
            if self._playing:
                await act()

    def _whose_turn(self) -> Actor:
        """
        Return who gives the rooms new keys next: one after the other, and every other time the
        founder, since a relay takes one new leaf an hour of each.
        """
        founder, *others = self._actors
        self._turn += 1
        turn, founders = divmod(self._turn, 2)
        return founder if founders or turn >= len(others) else others[turn]

    def _enough(self) -> bool:
        enough = self._plan.enough
        deaths = (self._relay.kills, sum(each.kills for each in self._actors), self._proxy.cuts)
        return (
            enough is not None
            and min(deaths) >= ENOUGH_DEATHS
            and sum(each.tally[0] for each in self._actors) >= enough
        )

    async def _quiet(self) -> float | None:
        """Let nobody send; return after how many seconds all had the same, and nothing waited."""
        begun = self._reactor.seconds()
        for each in self._actors:
            each.say("stop")
        while self._reactor.seconds() - begun < QUIET_SECONDS:
            asked = all_of(each.where() for each in self._actors)
            try:
                answers = await asked.addTimeout(5, self._reactor)
            except (TimeoutError, FirstError):  # the one of all, the other of who was late
                continue
            first = answers[0][1]
            if all(answer == (0, first) for answer in answers):
                seconds: float = self._reactor.seconds() - begun
                self._say(f"all is quiet after {seconds:.1f} s")
                return seconds
            await deferLater(self._reactor, 0.5)
        self._say("it does not become quiet")
        return None

    def _progress(self, begun: float) -> None:
        acknowledged, shown = (sum(each.tally[which] for each in self._actors) for which in (0, 1))
        kills = sum(each.kills for each in self._actors)
        self._say(
            f"{self._reactor.seconds() - begun:4.0f} s: {acknowledged:,} acknowledged, "
            f"{shown:,} shown; killed: relay {self._relay.kills}, clients {kills}; "
            f"cut: {self._proxy.cuts}"
        )

    def _outcome(self, address: Address, seconds: float, quiet_after: float | None) -> Outcome:
        labels = self._plan.labels
        return Outcome(
            rows=count([Traces.of(each.home, address, labels) for each in self._actors]),
            seconds=seconds,
            quiet_after=quiet_after,
            relay_kills=self._relay.kills,
            client_kills=[each.kills for each in self._actors],
            cuts=self._proxy.cuts,
            changes=sum(each.changes for each in self._actors),
            departures=sum(each.departures for each in self._actors),
            backs=[back for each in self._actors for back in each.backs],
            troubles=[
                f"{each.home.name}: {trouble}" for each in self._actors for trouble in each.troubles
            ],
        )

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._plan.seed} {name}")
