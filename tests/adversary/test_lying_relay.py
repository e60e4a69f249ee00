"""
A relay that lies, in every way at once, to people who live in its room.

It is the same play as in `tests.adversary.test_living`, and Hypothesis writes the relay's part
too: lies are told to anybody at any moment, one on top of the other. What people do may come to
nothing, but nothing false is believed.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.adversary.lies import GREAT_LIES, LIES
from tests.adversary.test_living import PLAYS, Living, pick, somebody


class Lying(Living):
    """A play before a relay that lies."""

    @initialize(size=st.integers(3, 5), inside=st.integers(2, 5))
    def begin(self, size: int, inside: int) -> None:
        """As in any play, and the founder has a room of its own besides."""
        super().begin(size, inside)
        founder = self.cast.members[0]
        self.cast.found(founder, "attic")
        self.cast.settle()
        attic = next(each for each in founder.person.chat.rooms if each.label == "attic")
        founder.person.chat.send(attic, "nobody hears me")
        self.cast.settle()

    @rule(lie=st.sampled_from(sorted(LIES)), who=somebody)
    def lie(self, lie: str, who: int) -> None:
        for victim in pick(who, (each for each in self.connected if each.room is not None)):
            LIES[lie](self.cast.network, victim.person)

    @rule(lie=st.sampled_from(sorted(GREAT_LIES)))
    def lie_to_all(self, lie: str) -> None:
        self.cast.copy()
        GREAT_LIES[lie](self.cast)

    @rule()
    def be_honest(self) -> None:
        self.cast.network.be_honest()

    def end(self) -> None:
        """Time goes by, with the lies that are being told."""
        self.cast.turn(70, step=5)
        self.watcher.look()
        self.watcher.relay_has_no_key()


class LyingTests(SynchronousTestCase):
    """The plays."""

    def test_nothing_false_is_believed(self) -> None:
        """
        Whatever is told to whomever: nobody is shown what its sender did not say, nor anything
        twice; nobody is on a roster who did not come; and who is not has no key.
        """
        run_state_machine_as_test(Lying, settings=PLAYS)
