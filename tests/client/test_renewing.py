"""Tests of `securechat.client.renewing`: when leaf keys are renewed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.client import renewing
from securechat.client.refusals import subject
from securechat.client.renewing import period
from securechat.group.detail import Detail, Remove, Update, Why
from securechat.group.entry import SignedEntry
from securechat.group.events import KeysRenewed, MemberRemoved
from securechat.group.roster import Policy
from securechat.testing import Person
from securechat.wire import Begin, Behind, Code, Commit, ErrorLine, Resume
from tests.adversary.kit import room, said
from tests.client.changes import ChangesCase

DAY = 7_200.0
"""A short one, so that the tests are."""


class RenewingCase(ChangesCase):
    """Members, and a relay that may refuse what they want."""

    def setUp(self) -> None:
        self.patch(renewing, "PERIOD_SECONDS", DAY)
        super().setUp()

    def refuse(self, person: Person, kind: type[Detail]) -> None:
        """From now on let the relay refuse the entries of *kind* by *person*."""

        def answer(line: Begin) -> list[Begin]:
            if not isinstance(SignedEntry.decode(line.entry).entry.detail, kind):
                return [line]
            refusal = ErrorLine(Code.BUSY, subject(line.room), "too often")
            self.network.clock.callLater(0, self.network.tell, person, refusal)
            return []

        self.network.lie(Begin, answer, by=person)


class PeriodTests(SynchronousTestCase):
    """`period`."""

    @given(st.integers(1, 10_000), st.floats(0, 1))
    def test_period(self, members: int, chance: float) -> None:
        """A day, or a quarter of an hour for each member, and up to a fifth more."""
        seconds = period(members, chance)
        self.assertTrue(86_400 <= seconds <= max(86_400, 900 * members) * 1.2)
        self.assertGreaterEqual(seconds, 900 * members)


class ScheduleTests(RenewingCase):
    """`Schedule`."""

    def days(self, days: float) -> None:
        """Let *days* go by."""
        self.network.turn(days * DAY, step=30)

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

    def test_refused(self) -> None:
        """It is tried again after an hour, or a little more."""
        where = room(self.bob)
        before = where.leaf_epoch
        self.refuse(self.bob, Update)
        self.days(1.11)
        self.assertNotEqual(said(self.bob, Begin), [])
        self.network.be_honest()
        self.network.turn(3_600, step=30)
        self.assertEqual(where.leaf_epoch, before)
        self.network.turn(2_400, step=30)
        self.assertGreater(where.leaf_epoch, before)

    def test_connection_breaks(self) -> None:
        """It is begun again, soon after the next one."""
        before = room(self.bob).leaf_epoch
        self.network.hold(Commit, by=self.bob)
        self.days(1.1)
        self.network.turn(10)
        self.assertNotEqual(said(self.bob, Begin), [])
        self.network.be_honest()
        self.cut(self.bob)
        self.network.turn(60, step=1)
        self.assertGreater(room(self.bob).leaf_epoch, before)

    def test_nothing_to_hurry_for_twice(self) -> None:
        """What is soon already is not put off."""
        before = room(self.bob).leaf_epoch
        for _ in range(2):
            self.network.hold(Resume, by=self.bob)
            self.cut(self.bob)
            self.network.turn(5)
            place = room(self.bob).place
            self.network.tell(self.bob, Behind(place.room, place.epoch, place.head))
            self.network.be_honest()
            self.network.get(self.bob.chat.resume(room(self.bob)))
        self.network.turn(40, step=1)
        self.assertGreater(room(self.bob).leaf_epoch, before)


class StaleTests(RenewingCase):
    """Leaf keys that have not been renewed for the policy's rounds."""

    def setUp(self) -> None:
        super().setUp()
        self.reform(1)

    def reform(self, times: int) -> None:
        """Change the room, *times* times, in as many minutes."""
        for number in range(times):
            policy = Policy(rounds=4, roster_maximum=100 + number)
            self.network.get(self.alice.chat.reform(room(self.alice), policy=policy))
            self.network.turn(60, step=10)

    def test_renews_before(self) -> None:
        """Who is there renews when half of that has passed, so that nobody may remove it."""
        self.reform(14)
        self.assertEqual(room(self.alice).stale, ())
        self.assertEqual(self.alice.heard(MemberRemoved), [])
        self.agree(*self.people)

    def test_removed(self) -> None:
        """Who has been away for so long is removed by the next member who renews."""
        self.vanish(self.carol)
        self.reform(14)
        self.network.turn(1.3 * DAY, step=30)
        (gone,) = self.bob.heard(MemberRemoved)
        self.assertEqual((gone.member, gone.why), (self.carol.fingerprint, Why.STALE))
        self.agree(self.alice, self.bob)

    def test_who_is_there_is_not(self) -> None:
        """Who is online, and could not renew, is left to do so."""
        self.refuse(self.carol, Update)
        self.reform(14)
        self.assertIn(self.carol.fingerprint, room(self.alice).stale)
        self.network.turn(1.3 * DAY, step=30)
        self.assertEqual(self.bob.heard(MemberRemoved), [])

    def test_refused(self) -> None:
        """A removal that the relay does not take is left for the next time."""
        self.vanish(self.carol)
        self.refuse(self.alice, Remove)
        self.vanish(self.bob)
        self.reform(14)
        self.assertIn(self.carol.fingerprint, room(self.alice).stale)
        self.network.turn(1.3 * DAY, step=30)
        self.assertEqual(self.alice.heard(MemberRemoved), [])
        self.network.be_honest()
        self.network.turn(1.3 * DAY, step=30)
        self.assertNotEqual(self.alice.heard(MemberRemoved), [])
