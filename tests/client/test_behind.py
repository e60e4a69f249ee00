"""Tests of a relay that was restored from an older copy: `behind` and `restore`."""

from __future__ import annotations

from securechat.client.events import CaughtUp, Refusal
from securechat.client.refusals import subject
from securechat.errors import RelayForked
from securechat.group.events import KeysRenewed
from securechat.testing import Person
from securechat.wire import Behind, Code, ErrorLine, Restore, Resume, Resumed
from tests.adversary.kit import room, said
from tests.client.changes import ChangesCase


class BehindTests(ChangesCase):
    """Bob resumes, and is told that the relay lacks what he knows."""

    def setUp(self) -> None:
        super().setUp()
        self.before = room(self.bob).place
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.get(self.carol.chat.renew(room(self.carol)))
        self.network.settle()
        self.bob.events.clear()
        self.bob.lines.clear()

    def resume(self, person: Person) -> list[Resume]:
        """Let *person* resume, and the relay not hear it."""
        held = self.network.hold(Resume, by=person)
        self.cut(person)
        self.network.turn(3)
        return held

    def test_shows_what_is_missing(self) -> None:
        """Each entry after the relay's head, with its number; then resumes again."""
        held = self.resume(self.bob)
        self.network.hold(Restore, by=self.bob)
        self.network.tell(self.bob, Behind(self.before.room, self.before.epoch, self.before.head))
        restored = said(self.bob, Restore)
        known = room(self.bob).log.recent[-2:]
        self.assertEqual([each.entry for each in restored], [each.encode() for each in known])
        self.assertLess(restored[0].seq, restored[1].seq)
        self.assertEqual(held[0], held[1])
        self.network.be_honest()
        self.release(self.bob, held[1:])
        self.assertEqual(len(self.bob.heard(CaughtUp)), 1)

    def test_renews_soon(self) -> None:
        """The relay may have lost slices of others with it."""
        held = self.resume(self.bob)
        self.network.hold(Restore, by=self.bob)
        self.network.tell(self.bob, Behind(self.before.room, self.before.epoch, self.before.head))
        self.network.be_honest()
        self.release(self.bob, held[1:])
        self.network.turn(50, step=1)
        (renewed,) = self.alice.heard(KeysRenewed)[2:]
        self.assertEqual(renewed.member, self.bob.fingerprint)
        self.agree(*self.people)

    def test_another_past(self) -> None:
        """A head that Bob does not know is a fork."""
        self.resume(self.bob)
        self.network.tell(self.bob, Behind(self.before.room, self.before.epoch, bytes(32)))
        (refusal,) = self.bob.heard(Refusal)
        self.assertIsInstance(refusal.why, RelayForked)
        self.assertEqual(said(self.bob, Restore), [])
        about = subject(self.before.room)
        self.network.tell(
            self.bob,
            Behind(self.before.room, self.before.epoch, bytes(32)),
            ErrorLine(Code.FORK, about, "again, though nobody asked"),
        )
        self.assertEqual(len(self.bob.heard(Refusal)), 2)

    def test_behind_for_ever(self) -> None:
        """A relay that has been shown all, and says the same again, is not shown it again."""
        self.resume(self.bob)
        self.network.hold(Restore, by=self.bob)
        line = Behind(self.before.room, self.before.epoch, self.before.head)
        self.network.tell(self.bob, line, line)
        self.assertEqual(len(said(self.bob, Restore)), 2)
        (refusal,) = self.bob.heard(Refusal)
        self.assertIsInstance(refusal.why, RelayForked)

    def test_nobody_asked(self) -> None:
        """What the relay says without reason changes nothing."""
        place = room(self.bob).place
        self.network.tell(self.bob, Behind(place.room, self.before.epoch, self.before.head))
        self.assertEqual(said(self.bob, Restore) + said(self.bob, Resume), [])
        self.network.tell(self.bob, Resumed(place.room, room(self.bob).seq))
        self.assertEqual(self.bob.events, [])
