"""Tests of `securechat.client.renewing`: when leaf keys are renewed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from securechat.client.renewing import period
from securechat.group.events import KeysRenewed
from tests.adversary.kit import room
from tests.client.changes import ChangesCase

DAY = 86_400.0


class PeriodTests(ChangesCase):
    """`period`."""

    @given(st.integers(1, 10_000), st.floats(0, 1))
    def test_period(self, members: int, chance: float) -> None:
        """A day, or a quarter of an hour for each member, and up to a fifth more."""
        seconds = period(members, chance)
        self.assertTrue(DAY <= seconds <= max(DAY, 900 * members) * 1.2)
        self.assertGreaterEqual(seconds, 900 * members)


class ScheduleTests(ChangesCase):
    """`Schedule`."""

    def days(self, days: float) -> None:
        """Let *days* go by."""
        self.network.turn(days * DAY, step=60)

    def test_once_a_day(self) -> None:
        """Everybody, each at its own time."""
        self.days(1.05)
        self.assertEqual(self.bob.heard(KeysRenewed), [])
        self.days(0.2)
        renewed = [each.member for each in self.bob.heard(KeysRenewed)]
        self.assertEqual(set(renewed), {person.fingerprint for person in self.people})
        self.assertEqual(len(renewed), 3)
        self.agree(*self.people)

    def test_by_hand(self) -> None:
        """Puts the next one off."""
        self.days(0.5)
        self.network.get(self.bob.chat.renew(room(self.bob)))
        self.days(0.75)
        members = [each.member for each in self.alice.heard(KeysRenewed)]
        self.assertEqual(members.count(self.bob.fingerprint), 1)

    def test_while_away(self) -> None:
        """Soon after it is back, but not at once: others may come back at the same time."""
        self.away(self.bob)
        self.network.clock.advance(2 * DAY)
        self.back(self.bob)
        self.network.turn(60, step=1)
        members = [each.member for each in self.alice.heard(KeysRenewed)]
        self.assertIn(self.bob.fingerprint, members)
