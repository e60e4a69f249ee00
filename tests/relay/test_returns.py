"""A relay that was away: stopped and started, or restored from an older copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import encode
from securechat.errors import EncodingError
from securechat.group.detail import Reform, Why
from securechat.group.entry import SignedEntry
from securechat.group.log import Log
from securechat.group.roster import Policy
from securechat.primitives import random_bytes
from securechat.relay.handover import Handover
from securechat.relay.history import Item
from securechat.relay.limits import Limits
from securechat.relay.memory import MemoryHistory
from securechat.relay.rates import MAX_SKIPS
from securechat.relay.refusal import Refusal, subject
from securechat.relay.returns import MAX_SKIP
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.state import Kind, Values, log_of, name
from securechat.wire import (
    Asked,
    Behind,
    Challenge,
    Changed,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    LeafKeys,
    Leaves,
    Leaving,
    Member,
    NewUser,
    Page,
    Queued,
    Response,
    Restore,
    Resumed,
    Roster,
    Slice,
    UserAdded,
)
from tests.relay.clients import Relay, kinds
from tests.relay.stored import StoredHistory


class RestartTests(SynchronousTestCase):
    """The relay is started anew on what it has stored."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob = self.relay.room(2)

    def restart(self, **settings: Any) -> None:
        """Start another relay on a copy of what the one has stored; nobody is connected."""
        self.history = self.history.copy()
        self.relay = Relay(history=self.history, **settings)
        self.alice, self.bob = self.relay.again(self.alice), self.relay.again(self.bob)

    def resume(self) -> None:
        """Both resume, and hear nothing new."""
        for client in (self.alice, self.bob):
            client.resume()
            self.assertEqual(kinds(client.hear()), [Resumed])

    def test_the_room_goes_on(self) -> None:
        """Members resume, and what they say has the next numbers."""
        self.alice.says(self.alice.frame())
        for client in (self.alice, self.bob):
            client.hear()
        self.restart()
        self.resume()
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hears(FrameLine).seq, 4)
        self.bob.hear()
        self.alice.hear()
        self.alice.land(self.alice.update())
        self.assertEqual(kinds(self.bob.hear()), [Slice, Changed])

    def test_a_frame_that_was_taken_is_not_taken_again(self) -> None:
        """Who did not hear of it sends it again; it is in the stream once."""
        frames = [self.alice.frame() for _ in range(3)]
        self.alice.says(*frames)
        self.restart()
        self.alice.resume()
        self.assertEqual(kinds(self.alice.hear()), [FrameLine, FrameLine, FrameLine, Resumed])
        self.bob.resume()
        self.bob.hear()
        self.alice.says(*frames, self.alice.frame())
        self.assertEqual([line.seq for line in self.alice.hears_all(FrameLine)], [6])

    def test_frames_of_the_epoch_before_do_not_count(self) -> None:
        """Each epoch counts anew."""
        self.alice.says(self.alice.frame(n=7))
        self.alice.hear()
        self.bob.hear()
        self.alice.land(self.alice.update(seq=2))
        self.alice.hear()
        self.bob.hear()
        self.restart()
        self.resume()
        self.alice.says(self.alice.frame(n=0))
        self.assertEqual(self.bob.hears(FrameLine).seq, 5)

    def test_slices_are_handed_out_later(self) -> None:
        """To who was away."""
        self.bob.lose()
        self.alice.land(self.alice.update())
        self.restart()
        self.bob.resume()
        self.assertEqual(kinds(self.bob.hear()), [Slice, Changed, Resumed])

    def test_leaf_keys(self) -> None:
        """They are kept, as each entry changed them."""
        update = self.bob.update()
        self.bob.land(update)
        self.restart()
        self.alice.resume()
        self.alice.hear()
        self.alice.says(Leaves(self.alice.room, 3, 1))
        leaf = update.entry.detail.leaf  # type: ignore[union-attr]  # an update has one
        self.assertEqual(self.alice.hears(LeafKeys).keys, leaf)

    def test_pending_leaves(self) -> None:
        """They are told to who resumes; to leave once more is not needed."""
        self.bob.leave()
        self.restart()
        self.alice.resume()
        self.assertEqual(kinds(self.alice.hear()), [Leaving, Resumed])
        self.bob.join()
        self.alice.land(self.alice.removal(self.bob))
        self.assertEqual(kinds(self.bob.hear())[-1], Asked)

    def test_a_leave_that_became_void_as_it_was_stored(self) -> None:
        """It does not come back."""
        signature = self.bob.leave_signature()
        self.bob.land(self.bob.update())
        for member, value in ((self.bob, signature), (self.relay.client(), random_bytes(64))):
            self.history.put(self.alice.room, name(Kind.LEAVE, member.fingerprint), value)
        self.alice.hear()
        self.bob.hear()
        self.restart()
        self.resume()

    def test_removed_members(self) -> None:
        """They are told, however long they were away; others learn nothing."""
        stranger = self.relay.client()
        self.alice.land(self.alice.removal(self.bob, why=Why.KICKED))
        self.bob.lose()
        self.restart()
        self.bob.resume()
        self.assertEqual(kinds(self.bob.hear()), [Changed, ErrorLine])
        again = self.relay.again(self.alice)
        stranger = self.relay.client()
        stranger.log = again.log
        stranger.resume()
        self.assertIs(stranger.refused(), Code.NOT_MEMBER)

    def test_handovers(self) -> None:
        """A newcomer who was just added gets what it needs."""
        self.restart()
        self.bob.join()
        response, added = self.bob.hear()
        self.assertIsInstance(response, Response)
        assert isinstance(added, UserAdded)
        self.assertEqual(added.seq, 2)
        self.bob.says(Roster(self.alice.room, 2, 0))
        self.bob.hears(Page)
        self.bob.resume()
        self.bob.hear()
        self.bob.says(self.bob.frame())
        self.bob.hear()
        self.restart()
        self.bob.join()
        self.bob.hears(Member)

    def test_limits_count_what_is_stored(self) -> None:
        """Rooms of one founder, and in all."""
        self.restart(limits=Limits(rooms_per_founder=1))
        self.alice.says(Found(self.alice.creation("another").encode()))
        self.assertIs(self.alice.refused(), Code.BUSY)
        self.restart(limits=Limits(rooms_in_all=1))
        self.bob.says(Found(self.bob.creation("another").encode()))
        self.assertIs(self.bob.refused(), Code.BUSY)
        self.bob.says(Found(self.bob.creation("lobby").encode()))
        self.assertIs(self.bob.refused(), Code.TAKEN)

    def test_a_room_that_everybody_has_left(self) -> None:
        """The relay ended before it could drop it: it does so now."""
        for member in (self.alice, self.bob):
            key = name(Kind.LEAVE, member.fingerprint)
            self.history.put(self.alice.room, key, member.leave_signature())
        self.restart()
        self.assertFalse(self.history.rooms())
        self.alice.join()
        self.assertIs(self.alice.refused(), Code.NO_ROOM)

    def test_two_come_back_at_once(self) -> None:
        """The second finds what the first has read."""
        self.alice.says(self.alice.frame())
        self.restart()
        for client in (self.alice, self.bob):
            client.resume()
            self.assertEqual(kinds(client.hear()), [FrameLine, Resumed])

    def test_nonsense_is_not_believed(self) -> None:
        """What is no room's state ends the start of the relay."""
        kept = next(iter(self.history.rooms()))
        self.history.put(kept.room, "nonsense", b"")
        with self.assertRaisesRegex(EncodingError, "lobby"):
            self.restart()
        for state in (b"nonsense", encode([], [], []), kept.state[:-1]):
            with self.assertRaises(EncodingError):
                log_of(state)
        entry = self.alice.update().value()
        with self.assertRaises(EncodingError):
            log_of(encode(self.alice.log.membership.value(), entry, [entry]))
        for wrong in ("leaf nonsense", "other " + 64 * "0"):
            with self.assertRaises(EncodingError):
                Values({wrong: b""})


class DiskTests(SynchronousTestCase):
    """The relay is started anew on the history that is on disk."""

    def start(self) -> None:
        """Start a relay."""
        self.history = SQLiteHistory(self.path, self.clock)
        self.relay = Relay(history=self.history)

    def turn(self) -> None:
        """Let a turn of the reactor end, in which what was said is stored."""
        self.clock.advance(0)

    def test_the_room_goes_on(self) -> None:
        """With all that the relay knows of it."""
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.start()
        alice, bob = self.relay.client(), self.relay.client()
        entry = alice.creation("lobby")
        alice.says(Found(entry.encode()))
        self.turn()
        alice.log = Log.founded(entry)
        alice.hears(UserAdded)
        bob.join()
        attempt = alice.asked()
        alice.vouch(attempt)
        bob.challenge(attempt)
        alice.respond(attempt)
        alice.add(attempt, bob)
        self.turn()
        self.assertEqual(kinds(alice.hear()), [Challenge, UserAdded])
        frame = alice.frame()
        alice.says(frame)
        alice.land(alice.update())
        self.turn()
        self.assertEqual(kinds(alice.hear()), [FrameLine, Slice, Changed])
        bob.log, bob.seq = alice.log, 2
        bob.leave()
        self.turn()
        self.assertEqual(kinds(alice.hear()), [Leaving])
        self.successResultOf(self.history.close())
        self.start()
        alice, bob = self.relay.again(alice), self.relay.again(bob)
        alice.resume()
        self.assertEqual(kinds(alice.hear()), [Leaving, Resumed])
        bob.join()
        self.assertEqual(kinds(bob.hear()), [Queued])
        alice.land(alice.removal(bob))
        self.turn()
        self.assertEqual(kinds(alice.hear()), [Slice, Changed, NewUser])
        self.assertEqual(kinds(bob.hear()), [Asked])
        self.successResultOf(self.history.close())


class OlderCopyTests(SynchronousTestCase):
    """The relay is restored from an older copy of what it had stored."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        self.alice, self.bob, self.carol = self.relay.room(3)
        self.copy = self.history.copy()
        self.before = self.alice.log

    def restore(self) -> None:
        """Start another relay on the older copy."""
        for client in (self.alice, self.bob, self.carol):
            client.hear()
        self.relay = Relay(history=self.copy)
        self.alice, self.bob, self.carol = (
            self.relay.again(client) for client in (self.alice, self.bob, self.carol)
        )

    def entries(self) -> list[Restore]:
        """Return the lines that restore what landed after the copy."""
        return [
            Restore(self.alice.room, 4 + number, entry.encode())
            for number, entry in enumerate(self.alice.log.recent[3:])
        ]

    def land(self) -> None:
        """Two entries land after the copy was made."""
        self.alice.land(self.alice.update())
        self.bob.hear()
        self.bob.land(self.bob.update())
        for client in (self.alice, self.bob, self.carol):
            client.hear()

    def test_only_until_an_entry_was_written_here(self) -> None:
        """
        What members could have beyond it would be another past. So where nothing is lacking nobody
        can have an entry land without slices, past what is counted, or of who does not ask for it.
        """
        self.restore()
        for client in (self.alice, self.bob):
            client.resume(epoch=9, head=random_bytes(32))
            client.hears(Behind)
            client.resume()
            client.hears(Resumed)
        self.alice.land(self.alice.update())
        self.alice.hear()
        self.bob.hear()
        self.bob.resume(epoch=9, head=random_bytes(32))
        self.assertIs(self.bob.refused(), Code.FORK)
        self.bob.says(Restore(self.bob.room, 9, self.bob.update().encode()))
        self.assertIs(self.bob.refused(), Code.STATE)

    def test_numbers_go_on(self) -> None:
        """What a member has seen is not given out again."""
        self.alice.says(*(self.alice.frame() for _ in range(5)))
        self.restore()
        self.bob.seq = 3
        self.bob.resume()
        self.assertEqual(self.bob.hears(Resumed).seq, 3)
        self.alice.resume()
        self.assertEqual(self.alice.hears(Resumed).seq, 8)
        self.alice.says(self.alice.frame())
        self.assertEqual([c.hears(FrameLine).seq for c in (self.alice, self.bob)], [9, 9])
        self.alice.resume(seq=9 + MAX_SKIP + 1)
        self.assertIs(self.alice.refused(), Code.FORK)

    def test_numbers_go_on_a_few_times_only(self) -> None:
        """
        Numbers that were passed over look to everybody like messages that the relay hides, so
        no member can have the relay pass over some as often as it likes.
        """
        for time in range(1, MAX_SKIPS + 1):
            self.alice.resume(seq=10 * time)
            self.assertEqual(self.alice.hears(Resumed).seq, 10 * time)
        self.alice.resume(seq=1_000)
        self.assertIs(self.alice.refused(), Code.BUSY)
        self.alice.resume(seq=10 * MAX_SKIPS)
        self.alice.hears(Resumed)
        self.bob.resume(seq=1_000)
        self.assertEqual(self.bob.hears(Resumed).seq, 1_000)
        self.relay.clock.advance(3_600)
        self.alice.resume(seq=2_000)
        self.assertEqual(self.alice.hears(Resumed).seq, 2_000)

    def test_entries_come_from_a_member(self) -> None:
        """The relay says up to where it knows; then the member resumes, and all go on."""
        self.land()
        self.restore()
        self.alice.seq = 5
        self.alice.resume()
        heard = self.alice.hears(Behind)
        self.assertEqual((heard.epoch, heard.head), (3, self.alice.log.recent[2].head))
        self.alice.says(*self.entries())
        self.alice.resume()
        self.assertEqual(self.alice.hears(Resumed).seq, 5)
        self.carol.resume(epoch=3, head=self.carol.log.recent[2].head, seq=3)
        heard_by_carol = self.carol.hear()
        self.assertEqual(kinds(heard_by_carol), [Changed, Changed, Resumed])
        self.carol.seq = 5
        self.alice.says(self.alice.frame())
        self.assertEqual(self.carol.hears(FrameLine).seq, 6)
        self.carol.land(self.carol.update())
        self.assertEqual(kinds(self.carol.hear()), [Slice, Changed])

    def test_what_is_restored_does_not_count(self) -> None:
        """Its author may update its keys at once, as it should."""
        self.land()
        self.restore()
        self.alice.resume()
        self.alice.says(*self.entries())
        self.alice.seq = 5
        self.alice.resume()
        self.alice.hear()
        self.alice.land(self.alice.update())
        self.assertEqual(kinds(self.alice.hear()), [Slice, Changed])

    def test_two_restore(self) -> None:
        """What the one has restored the other need not."""
        self.land()
        self.restore()
        for client in (self.alice, self.bob):
            client.resume()
            client.hears(Behind)
        first, second = self.entries()
        self.alice.says(first)
        self.bob.says(first, second)
        self.alice.says(second)
        self.assertEqual((self.alice.hear(), self.bob.hear()), ([], []))
        self.bob.seq = 5
        self.bob.resume()
        self.bob.hears(Resumed)

    def test_another_future(self) -> None:
        """An entry that does not follow, or is not the one at its place, is of a fork."""
        self.land()
        self.restore()
        first, second = self.entries()
        self.alice.resume()
        self.alice.hears(Behind)
        self.alice.says(second)
        self.assertIs(self.alice.refused(), Code.FORK)
        self.carol.log, self.carol.seq = self.before, 3
        self.carol.resume()
        self.carol.hears(Resumed)
        self.bob.resume()
        self.bob.hears(Behind)
        self.carol.land(self.carol.update())
        self.bob.says(first)
        self.assertIs(self.bob.refused(), Code.FORK)
        self.bob.resume()
        self.assertIs(self.bob.refused(), Code.FORK)

    def test_only_when_it_is_asked_for(self) -> None:
        """Right after `behind`, on that connection, and not for ever."""
        self.land()
        self.restore()
        first, _ = self.entries()
        self.alice.says(first)
        self.assertIs(self.alice.refused(), Code.STATE)
        self.alice.resume()
        self.alice.hears(Behind)
        self.alice.resume(epoch=1, head=self.alice.room, seq=3)
        self.alice.hears(Resumed)
        self.alice.says(first)
        self.assertIs(self.alice.refused(), Code.STATE)

    def test_what_breaks_a_rule(self) -> None:
        """Entries are checked as ever, and their numbers."""
        self.land()
        self.restore()
        first, second = self.entries()
        good = SignedEntry.decode(first.entry)
        forged = SignedEntry(good.entry, good.tag, bytes(64)).encode()
        for wrong in (
            Restore(first.room, 4, b"nonsense"),
            Restore(first.room, 4, forged),
            Restore(first.room, 3, first.entry),
            Restore(first.room, 3 + MAX_SKIP + 1, first.entry),
        ):
            self.alice.resume()
            self.alice.hears(Behind)
            self.alice.says(wrong)
            error = self.alice.hears(ErrorLine)
            self.assertEqual((error.code, error.subject), (Code.ENTRY, subject(self.alice.room)))
        self.alice.resume()
        self.alice.hears(Behind)
        self.alice.says(first, Restore(second.room, 2**20, second.entry))
        self.assertEqual(self.alice.hear(), [])

    def test_a_view_that_cannot_be(self) -> None:
        """An author has not seen more than what is before its entry."""
        entry = self.alice.update(seq=20)
        self.restore()
        self.alice.resume(epoch=4, head=entry.head)
        self.alice.hears(Behind)
        self.alice.says(Restore(self.alice.room, 20, entry.encode()))
        self.assertIs(self.alice.refused(), Code.ENTRY)

    def test_no_more_than_a_member_can_know(self) -> None:
        """Sixteen entries in an hour, whatever they are."""
        entries = []
        for number in range(17):
            reform = Reform(Policy(rounds=number + 1), (self.alice.fingerprint,), ())
            entries.append(self.alice.change(reform))
            self.alice.land(entries[-1])
            self.alice.hear()
            self.relay.clock.advance(60)
        self.restore()
        self.alice.resume()
        self.alice.hears(Behind)
        for seq, entry in enumerate(entries, start=4):
            self.alice.says(Restore(self.alice.room, seq, entry.encode()))
        self.assertIs(self.alice.refused(), Code.BUSY)
        self.relay.clock.advance(3_600)
        self.alice.resume()
        self.alice.hears(Behind)
        self.alice.says(Restore(self.alice.room, 20, entries[-1].encode()))
        self.alice.resume()
        self.alice.hears(Resumed)

    def test_who_is_removed_by_what_is_restored(self) -> None:
        """Live members hear of it as ever."""
        self.alice.land(self.alice.removal(self.carol, why=Why.KICKED))
        self.restore()
        self.carol.resume(epoch=3, head=self.carol.log.recent[2].head, seq=3)
        self.carol.hears(Resumed)
        self.alice.resume()
        self.alice.hears(Behind)
        self.alice.says(*self.entries())
        self.assertEqual(kinds(self.carol.hear()), [Changed])

    def test_too_many_at_once(self) -> None:
        """Lines that wait for a history are bounded."""
        self.copy.slow = True
        self.land()
        self.restore()
        self.alice.resume()
        self.alice.hears(Behind)
        first, _ = self.entries()
        self.alice.says(*[first] * 18)
        self.assertIs(self.alice.refused(), Code.BUSY)
        self.alice.lose()
        self.copy.store()
        self.bob.resume()
        self.bob.hears(Behind)


class HandoverTests(SynchronousTestCase):
    """What a newcomer gets once more."""

    def setUp(self) -> None:
        self.history = StoredHistory()
        self.relay = Relay(history=self.history)
        (self.alice,) = self.relay.room(1)
        self.bob = self.relay.client()

    def admit(self) -> list[int]:
        """
        Let Bob be added behind 20 frames, of which Alice has seen none, and join again; return
        after which numbers the relay has read what it then gives him.
        """
        self.alice.says(*(self.alice.frame(ciphertext=bytes(10_000)) for _ in range(20)))
        self.bob.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        self.bob.challenge(attempt)
        self.alice.respond(attempt)
        self.alice.add(attempt, self.bob, seq=1)
        self.history.store()
        self.bob.hear()
        reads: list[int] = []

        def read(room: bytes, after: int, most: int, member: bytes) -> Deferred[Sequence[Item]]:
            reads.append(after)
            return MemoryHistory.read(self.history, room, after, most, member)

        self.patch(self.history, "read", read)
        self.bob.join()
        self.assertEqual(kinds(self.bob.hear()), [Response, UserAdded])
        return reads

    def test_the_entry_is_behind_many_frames(self) -> None:
        """
        It is not searched for, however old the view of who wrote it: else each `join` would have
        the relay read all of them.
        """
        self.assertEqual(self.admit(), [21])

    def test_frames_that_were_stored_together_with_it(self) -> None:
        """It is found behind these all the same."""
        self.history.slow = True
        self.assertEqual(self.admit(), [1, 5, 9, 13, 17])

    def test_the_room_is_over(self) -> None:
        """Then there is nothing."""
        handover = Handover(Response(bytes(16), b"sealed"), 1)
        self.assertEqual(Handover.decode(handover.encode()), handover)
        added = handover.added(MemoryHistory(Clock()), bytes(32))
        with self.assertRaises(Refusal):
            added.send(None)
