"""Tests of `securechat.client.entering`: an entry has landed, and a relay that may lie."""

from __future__ import annotations

import attrs

from securechat.client.known import KnownRooms
from securechat.client.refusals import subject
from securechat.errors import AdmissionRefused, ConnectionLost, FoundedAnew, RelayForked
from securechat.group.log import MAX_SNAPSHOT
from securechat.relay import lookup
from securechat.testing import ADDRESS
from securechat.wire import Code, ErrorLine, Page, Resume, Resumed, Vouch
from tests.adversary.kit import LABEL, heard, room
from tests.client.kit import JoiningCase


class RosterTests(JoiningCase):
    """The roster, in pages."""

    def test_roster_in_pages(self) -> None:
        """However many there are."""
        self.patch(lookup, "PAGE", 1_000)
        self.enters(self.bob.chat.join(LABEL))
        self.assertGreater(len(heard(self.bob, Page)), 3)

    def test_page_that_was_not_asked_for(self) -> None:
        """Of another room or epoch, out of order, or before anything has landed."""
        vouches = self.network.hold(Vouch, to=self.bob)
        joined = self.join()
        self.tell(Page(room(self.alice).id, 2, 0, 10, b"early"))
        self.network.be_honest()
        pages = self.network.hold(Page, to=self.bob)
        self.tell(*vouches)
        self.network.be_honest()
        (page,) = pages
        self.tell(
            attrs.evolve(page, room=bytes(32)),
            attrs.evolve(page, epoch=page.epoch + 1),
            attrs.evolve(page, offset=5),
            page,
        )
        self.tell(page)  # once more, in vain
        self.enters(joined)

    def test_roster_that_is_another(self) -> None:
        """It is not the one that the voucher signed, or none at all."""
        for chunk in (b"junk", None):
            self.setUp()
            pages = self.network.hold(Page, to=self.bob)
            joined = self.join()
            snapshot = chunk or pages[0].chunk.replace(self.alice.fingerprint, bytes(32))
            self.tell(attrs.evolve(pages[0], chunk=snapshot, total=len(snapshot)))
            self.assertIn("user_added", self.fails(joined, AdmissionRefused))

    def test_roster_without_end(self) -> None:
        """No more than two million bytes are taken."""
        pages = self.network.hold(Page, to=self.bob)
        joined = self.join()
        self.tell(attrs.evolve(pages[0], total=MAX_SNAPSHOT + 1))
        self.assertIn("too long", self.fails(joined, AdmissionRefused))


class ResumeTests(JoiningCase):
    """The room that it makes."""

    def test_relay_hides_the_entry(self) -> None:
        """It says that all is here, and the newcomer's own entry is not."""
        self.network.hold(Resume, by=self.bob)
        joined = self.join()
        self.tell(Resumed(room(self.alice).id, 5))
        self.assertIn("hides", self.fails(joined, AdmissionRefused))

    def test_relay_does_not_let_resume(self) -> None:
        """The reason is why the join fails."""
        self.network.hold(Resume, by=self.bob)
        joined = self.join()
        self.tell(ErrorLine(Code.FORK, subject(room(self.alice).id), "another log"))
        self.fails(joined, RelayForked)

    def test_founded_anew_after_the_newcomer_agreed(self) -> None:
        """Another program of the same user was faster, and was in another room."""
        known = KnownRooms()
        carol = self.newcomer("carol", known=known)
        self.network.hold(Page, to=carol)
        joined = carol.chat.join(LABEL)
        self.network.settle()
        carol.transport.lose()
        self.failureResultOf(joined, ConnectionLost)
        known.learn(ADDRESS, LABEL, bytes(32))
        self.network.be_honest()
        self.network.get(carol.chat.connect())
        self.assertRaises(FoundedAnew, self.network.get, carol.chat.join(LABEL))
        self.assertEqual(carol.chat.rooms, ())
