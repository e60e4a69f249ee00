"""
Rooms that live: whatever people do at whatever moment, in the end all of them agree, and nothing
was lost.

Hypothesis writes the plays. Three to eight people found, join, leave, kick and renew, while their
programs crash, their connections break or stall, and the relay is killed. No step waits for what
the one before has begun. At the end everybody is there, and time goes by until nothing moves.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.adversary.cast import NAMES, Cast, Player, turns_by_name
from tests.adversary.invariants import Watcher

somebody = st.integers(0, len(NAMES) - 1)

REST_SECONDS = 600
"""Within which time everything that was begun has to be over."""


class Living(RuleBasedStateMachine):
    """A play. Who is asked for something that is not his to do does nothing."""

    @initialize(size=st.integers(3, 8))
    def begin(self, size: int) -> None:
        """Everybody is connected, and the first has founded the room."""
        self.directory = Path(mkdtemp())
        self.cast = Cast(self.directory, *NAMES[:size])
        self.watcher = Watcher(self.cast)
        self.turns = turns_by_name(self.cast)
        self.turns.__enter__()
        self.cast.found(self.cast["alice"])
        self.cast.settle()

    def pick(self, number: int) -> Player:
        """Return one of those who are there, the same for the same *number*."""
        players = list(self.cast)
        return players[number % len(players)]

    # What people do

    @rule(who=somebody)
    def join(self, who: int) -> None:
        player = self.pick(who)
        if not player.absent and player.room is None:
            self.cast.join(player)

    @rule(who=somebody)
    def say(self, who: int) -> None:
        player = self.pick(who)
        if player.room is not None:
            self.cast.say(player)

    @rule(who=somebody)
    def leave(self, who: int) -> None:
        player = self.pick(who)
        if player.room is not None and len(self.cast.members) > 1:
            self.cast.leave(player)

    @rule(who=somebody, whom=somebody)
    def kick(self, who: int, whom: int) -> None:
        player, other = self.pick(who), self.pick(whom)
        if player.room is not None and player is not other:
            self.cast.kick(player, other)

    @rule(who=somebody)
    def renew(self, who: int) -> None:
        player = self.pick(who)
        if player.room is not None:
            self.cast.renew(player)

    # What happens to them

    @rule(who=somebody)
    def crash(self, who: int) -> None:
        player = self.pick(who)
        if not player.absent:
            self.cast.crash(player)

    @rule(who=somebody)
    def come_back(self, who: int) -> None:
        player = self.pick(who)
        if player.absent:
            self.cast.come_back(player)

    @rule(who=somebody)
    def cut(self, who: int) -> None:
        player = self.pick(who)
        if player.person.chat.connected:
            self.cast.cut(player)

    @rule(who=somebody)
    def stall(self, who: int) -> None:
        player = self.pick(who)
        if player.person.chat.connected:
            self.cast.stall(player)

    @rule(who=somebody)
    def wake(self, who: int) -> None:
        player = self.pick(who)
        if player.person.chat.connected:
            self.cast.wake(player)

    @rule()
    def restart_relay(self) -> None:
        self.cast.restart_relay()

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

    def teardown(self) -> None:
        """Everybody is there, nothing breaks any more, and time goes by until nothing moves."""
        if not hasattr(self, "watcher"):
            return
        try:
            self.cast.rest()
            self.watcher.look()
            self.watcher.agree()
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
        run_state_machine_as_test(
            Living, settings=settings(max_examples=60, stateful_step_count=30)
        )
