"""Tests of `securechat.client.party`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import Event, StorageFailed
from securechat.client.journal import Journal
from securechat.client.party import DISCREET_SECONDS, LOOK_SECONDS, MAX_DISCREET, Party
from securechat.errors import DamagedFile
from securechat.identity import Identity
from securechat.revocation import revocation
from securechat.succession import succession
from securechat.testing import ADDRESS
from securechat.trust import TRUST_FILE, TrustStore
from securechat.wire import Line, Nack

ME, FRIEND, STRANGER = (Identity.generate() for _ in range(3))
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class PartyCase(SynchronousTestCase):
    """A party with a clock, and whom it trusts on disk."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.home = Path(self.mktemp())
        self.events: list[Event] = []
        self.chance = 0.5
        self.said: list[Line] = []
        self.party = Party(
            ME,
            self.clock,
            TrustStore.open(self.home, ME),
            lambda: self.chance,
            say=self.said.append,
            emit=self.events.append,
            silent=lambda seconds: None,
            journal=Journal(self.clock, None, ADDRESS, lambda error: None),
        )
        self.elsewhere = TrustStore.open(self.home, ME)
        """The same identities, in another program."""


class TrustTests(PartyCase):
    """Whom the user trusts."""

    def test_another_program_trusts_somebody(self) -> None:
        """Where somebody is let in that counts at once, for messages a second later."""
        self.assertFalse(self.party.knows(FRIEND.bundle))
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON)
        self.assertFalse(self.party.trusts(FRIEND.fingerprint))
        self.clock.advance(LOOK_SECONDS)
        self.assertTrue(self.party.trusts(FRIEND.fingerprint))
        self.assertFalse(self.party.trusts(STRANGER.fingerprint))
        self.elsewhere.remove("friend")
        self.assertFalse(self.party.knows(FRIEND.bundle))
        self.assertFalse(self.party.trusts(FRIEND.fingerprint))

    def test_another_program_revokes_somebody(self) -> None:
        """Nobody is let in on it at once, and a second later there is evidence for a removal."""
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON)
        self.assertTrue(self.party.knows(FRIEND.bundle))
        self.elsewhere.revoke(revocation(FRIEND), NOON)
        self.assertIsNone(self.party.revoked(FRIEND.fingerprint))
        self.clock.advance(LOOK_SECONDS)
        evidence = self.party.revoked(FRIEND.fingerprint)
        assert evidence is not None
        FRIEND.bundle.verify(evidence, "revocation", FRIEND.fingerprint)
        self.assertFalse(self.party.trusts(FRIEND.fingerprint))
        self.assertFalse(self.party.knows(FRIEND.bundle))
        self.assertIsNone(self.party.revoked(STRANGER.fingerprint))

    def test_another_program_follows_a_succession(self) -> None:
        """The new identity is let in, and the old one is not any more."""
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON)
        self.assertTrue(self.party.knows(FRIEND.bundle))
        self.elsewhere.follow(succession(FRIEND, STRANGER, NOON.date()), NOON)
        self.assertTrue(self.party.knows(STRANGER.bundle))
        self.assertFalse(self.party.knows(FRIEND.bundle))

    def test_bundle_that_is_met(self) -> None:
        """Is kept, of those who are trusted, once."""
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON)
        self.assertTrue(self.party.knows(FRIEND.bundle))
        self.assertTrue(self.party.knows(FRIEND.bundle))
        self.assertFalse(self.party.knows(STRANGER.bundle))
        self.elsewhere.refresh()
        (known,) = self.elsewhere
        self.assertEqual(known.bundle, FRIEND.bundle)
        self.assertEqual(self.events, [])

    def test_file_that_cannot_be_read(self) -> None:
        """The user is told, and what is in memory counts."""
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON, FRIEND.bundle)
        self.assertTrue(self.party.knows(FRIEND.bundle))
        (self.home / TRUST_FILE).write_bytes(b"junk")
        self.assertTrue(self.party.knows(FRIEND.bundle))
        (failed,) = self.events
        assert isinstance(failed, StorageFailed)
        self.assertIsInstance(failed.why, DamagedFile)

    def test_file_that_cannot_be_written(self) -> None:
        """It is no reason not to go on."""
        self.elsewhere.add("friend", FRIEND.fingerprint, "typed", NOON)
        self.patch(TrustStore, "learn_bundle", self.disk_is_full)
        self.assertTrue(self.party.knows(FRIEND.bundle))
        (failed,) = self.events
        assert isinstance(failed, StorageFailed)
        self.assertIsInstance(failed.why, OSError)

    def disk_is_full(self, *_: object) -> None:
        raise OSError("disk full")

    def test_a_fault_is_raised(self) -> None:
        """Not everything is the disk's doing."""

        def fault() -> None:
            with self.party.storing():
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, fault)


class DiscretionTests(PartyCase):
    """What is said after the same time, whatever the reason."""

    def setUp(self) -> None:
        super().setUp()
        self.done: list[str] = []

    def act(self) -> None:
        self.done.append("act")

    def test_a_random_time(self) -> None:
        """Between half a second and a whole one."""
        for self.chance in (0.0, 0.5, 1.0):
            self.done.clear()
            self.party.discreetly(self.act)
            self.clock.advance(DISCREET_SECONDS * (1 + self.chance) - 0.01)
            self.assertEqual(self.done, [])
            self.clock.advance(0.01)
            self.assertEqual(self.done, ["act"])

    def test_lost_connection(self) -> None:
        """There is nobody to say it to any more, and no timer is left."""
        self.party.discreetly(self.act)
        self.party.discreetly(self.act)
        self.party.connection_lost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(1)
        self.assertEqual(self.done, [])

    def test_flood(self) -> None:
        """
        A relay that asks without end fills no memory, and has nobody say sooner whom it does not
        trust: what is too much goes unanswered.
        """
        for _ in range(MAX_DISCREET + 3):
            self.party.decline(bytes(16))
        self.party.discreetly(self.act)
        self.assertEqual((self.said, self.done), ([], []))
        self.clock.advance(1)
        self.assertEqual(self.said, [Nack(bytes(16))] * MAX_DISCREET)
        self.assertEqual(self.done, ["act"])
