"""Changes of a room's membership that add nobody: from `begin` to `changed`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import Reform
from securechat.group.roster import Policy
from securechat.wire import (
    Changed,
    Slice,
)
from tests.relay.clients import Relay, kinds


class ChangeTests(SynchronousTestCase):
    """Entries with slices, and without."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def test_a_remove(self) -> None:
        """Who remains gets its own slice, and the entry right after; who is removed the entry."""
        entry = self.alice.removal(self.carol)
        sealed = self.alice.land(entry)
        changed = Changed(self.alice.room, 4, entry.encode())
        for member, own in zip(self.members[:2], sealed, strict=True):
            self.assertEqual(member.hear(), [Slice(self.alice.room, 4, own), changed])
        self.assertEqual(self.carol.hear(), [changed])

    def test_an_update(self) -> None:
        """Everybody gets a slice, its author too."""
        entry = self.bob.update()
        sealed = self.bob.land(entry)
        for member, own in zip(self.members, sealed, strict=True):
            self.assertEqual(
                member.hear(),
                [Slice(member.room, 4, own), Changed(member.room, 4, entry.encode())],
            )

    def test_a_reform(self) -> None:
        """Its key follows from what all have, so there are no slices."""
        reform = Reform(Policy(rounds=9), (self.bob.fingerprint,), ())
        entry = self.alice.change(reform)
        self.alice.land(entry)
        for member in self.members:
            self.assertEqual(member.hear(), [Changed(member.room, 4, entry.encode())])

    def test_nothing_lands_before_the_commit(self) -> None:
        """Until then nobody hears of it."""
        entry = self.alice.update()
        self.alice.begin(entry)
        self.alice.slices(3)
        self.assertEqual([member.hear() for member in self.members], [[], [], []])
        self.alice.commit()
        self.assertEqual([kinds(member.hear()) for member in self.members], [[Slice, Changed]] * 3)
