"""What is stored later than it is said, or not at all."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from securechat.wire import (
    Changed,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    Leaving,
    Member,
    Resumed,
    Slice,
    UserAdded,
)
from tests.relay.clients import Relay, kinds
from tests.relay.stored import StoredHistory


class StorageCase(SynchronousTestCase):
    """A room whose history is slow."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob = self.members = self.relay.room(2)
        self.history.slow = True

    def silent(self) -> None:
        """See that nobody hears anything."""
        self.assertEqual([member.hear() for member in self.members], [[], []])

    def lose(self) -> None:
        """Lose what waits; see that everybody live is told, and hung up on."""
        with capturedLogs() as logs:
            self.history.lose()
        self.assertTrue(any("disk is full" in (formatEvent(event) or "") for event in logs))
        for member in self.members:
            error = member.hears(ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.STORAGE, "-"))
            self.assertTrue(member.hung_up)

    def back(self) -> None:
        """All come back."""
        self.history.slow = False
        self.members = [self.relay.again(member) for member in self.members]
        self.alice, self.bob = self.members
        for member in self.members:
            member.resume()
            self.assertEqual(kinds(member.hear()), [Resumed])


class LaterTests(StorageCase):
    """What is stored later is told later."""

    def test_frames(self) -> None:
        """They are not passed on before."""
        self.alice.says(self.alice.frame(), self.alice.frame())
        self.silent()
        self.history.store()
        self.assertEqual([kinds(each.hear()) for each in self.members], [[FrameLine] * 2] * 2)

    def test_a_frame_of_an_epoch_that_ends(self) -> None:
        """An entry that was said before comes before it; the frame is dropped."""
        self.bob.land(self.bob.update())
        self.alice.says(self.alice.frame())
        self.history.store()
        self.assertEqual([kinds(each.hear()) for each in self.members], [[Slice, Changed]] * 2)

    def test_an_add(self) -> None:
        """The newcomer hears of its entry once it is durable."""
        joiner = self.relay.client()
        joiner.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        joiner.challenge(attempt)
        self.alice.respond(attempt)
        for client in (self.alice, joiner):
            client.hear()
        self.alice.add(attempt, joiner)
        self.silent()
        self.assertEqual(joiner.hear(), [])
        self.history.store()
        self.assertEqual(kinds(joiner.hear()), [UserAdded])
        self.assertEqual(kinds(self.bob.hear()), [UserAdded])

    def test_an_add_whose_newcomer_is_gone(self) -> None:
        """It is a member all the same."""
        joiner = self.relay.client()
        joiner.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        joiner.challenge(attempt)
        self.alice.respond(attempt)
        self.alice.add(attempt, joiner)
        joiner.lose()
        self.history.store()
        self.assertEqual(kinds(self.bob.hear()), [UserAdded])

    def test_a_room(self) -> None:
        """It is there once its create entry is durable; its label is taken before."""
        entry = self.alice.creation("other").encode()
        self.alice.says(Found(entry))
        self.bob.says(Found(self.bob.creation("other").encode()))
        self.assertIs(self.bob.refused(), Code.TAKEN)
        self.bob.join("other")
        self.assertIs(self.bob.refused(), Code.NO_ROOM)
        self.silent()
        self.history.store()
        self.assertEqual(kinds(self.alice.hear()), [UserAdded])

    def test_a_room_whose_founder_is_gone(self) -> None:
        """It finds it when it comes back."""
        entry = self.alice.creation("other")
        self.alice.says(Found(entry.encode()))
        self.alice.lose()
        self.history.store()
        again = self.relay.again(self.alice)
        again.join("other")
        self.assertEqual(again.hears(Member).room, entry.head)


class LostTests(StorageCase):
    """What cannot be stored is not told, and may be said again."""

    def test_frames(self) -> None:
        """Their n are free again: the same bytes are taken when they come once more."""
        frames = [self.alice.frame(), self.alice.frame()]
        self.alice.says(*frames)
        self.lose()
        self.back()
        self.alice.says(*frames)
        for member in self.members:
            self.assertEqual([line.seq for line in member.hears_all(FrameLine)], [3, 4])

    def test_frames_that_were_stored_before(self) -> None:
        """Their n stay taken."""
        first, second = self.alice.frame(), self.alice.frame()
        self.alice.says(first)
        self.history.store()
        for member in self.members:
            member.hear()
        self.alice.says(second)
        self.lose()
        self.back()
        self.alice.says(first, second)
        self.assertEqual([line.n for line in self.alice.hears_all(FrameLine)], [1])

    def test_a_change(self) -> None:
        """The log is as it was; its author may try again."""
        entry = self.alice.update()
        sealed = self.alice.land(entry)
        self.lose()
        self.back()
        self.assertEqual(len(sealed), 2)
        self.alice.land(entry)
        self.assertEqual(kinds(self.bob.hear()), [Slice, Changed])

    def test_an_add(self) -> None:
        """The newcomer is asked for again."""
        joiner = self.relay.client()
        joiner.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        joiner.challenge(attempt)
        self.alice.respond(attempt)
        self.alice.hear()
        self.alice.add(attempt, joiner)
        self.history.lose()
        self.alice.hear()
        self.bob.hear()
        self.back()
        self.assertEqual(kinds(joiner.hear())[-1], ErrorLine)  # nobody is here
        newcomer = self.relay.client()
        newcomer.join_by(self.alice)

    def test_a_leave(self) -> None:
        """Who asked to leave is not told that it was taken."""
        self.bob.leave()
        self.lose()
        self.back()
        self.bob.leave()
        self.assertEqual(kinds(self.bob.hear()), [Leaving])

    def test_a_leave_by_who_is_not_live(self) -> None:
        """It is hung up on, too."""
        self.bob.lose()
        self.members[1] = self.bob = self.relay.again(self.bob)
        self.bob.leave()
        self.lose()

    def test_a_room(self) -> None:
        """There is none, and its label is free."""
        entry = self.alice.creation("other").encode()
        self.alice.says(Found(entry))
        self.members = [self.alice]
        self.lose()
        self.history.slow = False
        self.alice = self.relay.again(self.alice)
        self.alice.says(Found(entry))
        self.assertEqual(kinds(self.alice.hear()), [UserAdded])

    def test_that_a_handover_is_no_longer_needed(self) -> None:
        """It is kept for longer; nothing else is lost with it."""
        self.bob.says(self.bob.frame())
        self.lose()
        self.back()
        self.bob.says(self.bob.frame(n=0))
        self.assertEqual(kinds(self.alice.hear()), [FrameLine])
