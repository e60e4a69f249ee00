"""
Rooms that live: whatever people do at whatever moment, in the end all of them agree, and nothing
was lost.

Hypothesis writes the plays. Three to eight people found, join, leave, kick and renew, while their
programs crash, their connections break or stall, and the relay is killed. No step waits for what
the one before has begun. At the end everybody is there, and time goes by until nothing moves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.adversary.cast import NAMES, Cast, Player, turns_by_name
from tests.adversary.invariants import Watcher

somebody = st.integers(0, len(NAMES) - 1)

_EXAMPLES = settings().max_examples

PLAYS = settings(
    max_examples=min(_EXAMPLES, max(50, _EXAMPLES // 5)),  # of the `random` profile, a thousand
    stateful_step_count=30,
)
"""How many plays there are, and how long they are."""


def pick(number: int, players: Iterable[Player]) -> list[Player]:
    """Return one of *players*, the same for the same *number*; none where there are none."""
    among = list(players)
    return [among[number % len(among)]] if among else []


class Living(RuleBasedStateMachine):
    """A play."""

    @initialize(size=st.integers(3, 8), inside=st.integers(1, 8))
    def begin(self, size: int, inside: int) -> None:
        """*size* people are connected, and so many of them *inside*; the first has founded."""
        self.directory = Path(mkdtemp())
        self.cast = Cast(self.directory, *NAMES[:size])
        self.watcher = Watcher(self.cast)
        self.turns = turns_by_name(self.cast)
        self.turns.__enter__()
        founder, *others = list(self.cast)[:inside]
        self.cast.found(founder)
        self.cast.settle()
        for player in others:
            self.cast.join(player)
            self.cast.settle()

    # What people do

    @rule(who=somebody)
    def join(self, who: int) -> None:
        for player in pick(who, (each for each in self.running if each.room is None)):
            self.cast.join(player)

    @rule(who=somebody, rounds=st.integers(1, 12), whom=somebody)
    def join_in_a_crash(self, who: int, rounds: int, whom: int) -> None:
        """The newcomer, or who vouches for it, dies on the way."""
        for player in pick(who, (each for each in self.running if each.room is None)):
            self.cast.join(player)
            self.cast.nudge(rounds)
            for other in pick(whom, [player, *self.cast.members[:2]]):
                self.cast.crash(other)

    @rule(who=somebody)
    def say(self, who: int) -> None:
        for player in pick(who, self.cast.members):
            self.cast.say(player)

    @rule()
    def talk(self) -> None:
        self.cast.talk()

    @rule(who=somebody)
    def leave(self, who: int) -> None:
        for player in pick(who, self.cast.members[1:]):
            self.cast.leave(player)

    @rule(who=somebody, whom=somebody)
    def kick(self, who: int, whom: int) -> None:
        for player in pick(who, self.cast.members):
            for other in pick(whom, (each for each in self.cast.members if each is not player)):
                self.cast.kick(player, other)

    @rule(who=somebody)
    def renew(self, who: int) -> None:
        for player in pick(who, self.cast.members):
            self.cast.renew(player)

    # What happens to them

    @rule(who=somebody)
    def crash(self, who: int) -> None:
        for player in pick(who, self.running):
            self.cast.crash(player)

    @rule(who=somebody)
    def come_back(self, who: int) -> None:
        for player in pick(who, (each for each in self.cast if each.absent)):
            self.cast.come_back(player)

    @rule(who=somebody)
    def cut(self, who: int) -> None:
        for player in pick(who, self.connected):
            self.cast.cut(player)

    @rule(who=somebody)
    def stall(self, who: int) -> None:
        for player in pick(who, self.connected):
            self.cast.stall(player)

    @rule(who=somebody)
    def wake(self, who: int) -> None:
        for player in pick(who, self.connected):
            self.cast.wake(player)

    @rule()
    def restart_relay(self) -> None:
        self.cast.restart_relay()

    @property
    def running(self) -> list[Player]:
        return [each for each in self.cast if not each.absent]

    @property
    def connected(self) -> list[Player]:
        return [each for each in self.running if each.person.chat.connected]

    # How it goes on

    @rule(rounds=st.integers(1, 4))
    def nudge(self, rounds: int) -> None:
        self.cast.nudge(rounds)

    @rule()
    def settle(self) -> None:
        self.cast.settle()

    @rule(seconds=st.sampled_from([1, 5, 60]))
    def wait(self, seconds: int) -> None:
        self.cast.turn(seconds)

    @invariant()
    def nothing_false_is_believed(self) -> None:
        if hasattr(self, "watcher"):
            self.watcher.look()

    def end(self) -> None:
        """Everybody is there, nothing breaks any more, and time goes by until nothing moves."""
        self.cast.rest()
        self.watcher.look()
        self.watcher.agree()

    def teardown(self) -> None:
        if not hasattr(self, "watcher"):
            return
        try:
            self.end()
        finally:
            self.turns.__exit__(None, None, None)
            self.cast.stop_relay()
            shutil.rmtree(self.directory)


class LivingTests(SynchronousTestCase):
    """The plays."""

    def test_everybody_agrees_in_the_end(self) -> None:
        """
        On roster, head and transcript. Nobody reads what was said before it came or after it
        was removed; what was said is shown to everybody who was there, once, and nothing else.
        """
        run_state_machine_as_test(Living, settings=PLAYS)
