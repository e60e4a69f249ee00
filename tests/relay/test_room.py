"""One room: founding, the stream, coming back, and the roster in pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.group.entry import SignedEntry
from securechat.group.log import Log
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.relay.limits import Limits
from securechat.relay.refusal import subject
from securechat.relay.retention import Retention
from securechat.wire import (
    AddUser,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    Join,
    Member,
    NewUser,
    Page,
    Resumed,
    Roster,
    UserAdded,
)
from tests.relay.clients import Client, Relay, kinds


class FoundTests(SynchronousTestCase):
    """Who may found a room, and what of."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.client = self.relay.client()

    def refuses(self, entry: SignedEntry | bytes, code: Code, client: Client | None = None) -> str:
        """See that a create entry is refused; return the words."""
        client = client or self.client
        client.says(Found(entry if isinstance(entry, bytes) else entry.encode()))
        error = client.hears(ErrorLine)
        self.assertIs(error.code, code)
        self.assertFalse(client.hung_up)
        return error.words

    def test_the_create_entry_is_number_one(self) -> None:
        """The founder hears it as the first of the stream, and is live."""
        entry = self.client.creation("lobby")
        self.client.says(Found(entry.encode()))
        added = self.client.hears(UserAdded)
        self.assertEqual(added, UserAdded(entry.head, 1, entry.encode()))
        self.client.log = Log.founded(entry)
        self.client.says(self.client.frame())
        self.assertEqual(self.client.hears(FrameLine).seq, 2)

    def test_a_label_is_taken_once(self) -> None:
        """The second room of a label is refused, whoever founds it."""
        self.client.found("lobby")
        other = self.relay.client()
        self.refuses(other.creation("lobby"), Code.TAKEN, other)
        self.refuses(self.client.creation("lobby"), Code.TAKEN)

    def test_the_entry_is_the_founders_own(self) -> None:
        """Nobody founds a room in the name of another."""
        other = self.relay.client()
        words = self.refuses(other.creation("lobby"), Code.ENTRY)
        self.assertEqual(words, "the entry is not yours")

    def test_a_bad_entry(self) -> None:
        """It is checked by the rules that every member checks it by."""
        self.refuses(b"nonsense", Code.ENTRY)
        good = self.client.creation("lobby")
        self.refuses(SignedEntry(good.entry, good.tag, bytes(64)), Code.ENTRY)
        self.client.found("other")
        joiner = self.relay.client()
        self.refuses(self.client.addition(joiner), Code.ENTRY)

    def test_founders(self) -> None:
        """The operator may let some identities found rooms, and nobody else."""
        chosen = Identity.generate()
        relay = Relay(founders={chosen.fingerprint})
        relay.client(chosen).found("lobby")
        other = relay.client()
        self.refuses(other.creation("other"), Code.FOUNDERS, other)


class StreamTests(SynchronousTestCase):
    """Frames: their numbers, who gets them, and which are dropped."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)

    def all_hear(self) -> list[int]:
        """Return the numbers of the frames that everybody has heard, each the same."""
        heard = [
            [line.seq for line in member.hear() if isinstance(line, FrameLine)]
            for member in self.members
        ]
        self.assertEqual(heard, [heard[0]] * len(heard))
        return heard[0]

    def test_everybody_hears_a_frame(self) -> None:
        """The sender too: that is how it learns that the frame is delivered."""
        frame = self.bob.frame()
        self.bob.says(frame)
        for member in self.members:
            line = member.hears(FrameLine)
            self.assertEqual(line.seq, 4)
            self.assertEqual(
                (line.room, line.epoch, line.row, line.n, line.nonce, line.ciphertext),
                (frame.room, frame.epoch, 1, 0, frame.nonce, frame.ciphertext),
            )

    def test_frames_are_numbered_as_they_come(self) -> None:
        """One sequence for all senders."""
        for member in [self.alice, self.carol, self.alice]:
            member.says(member.frame())
        self.assertEqual(self.all_hear(), [4, 5, 6])

    def test_frames_of_another_epoch_are_dropped(self) -> None:
        """Silently: the entry that came first is what the sender sees."""
        self.alice.says(self.alice.frame(epoch=2), self.alice.frame(epoch=4))
        self.assertEqual(self.all_hear(), [])

    def test_frames_of_anothers_row_are_dropped(self) -> None:
        """A connection speaks for its own row."""
        self.alice.says(self.alice.frame(row=1), self.alice.frame(row=9))
        self.assertEqual(self.all_hear(), [])

    def test_a_number_is_taken_once(self) -> None:
        """A frame that is sent again, to be sure, is shown once."""
        frame = self.alice.frame(n=5)
        self.alice.says(frame, frame, self.alice.frame(n=4), self.alice.frame(n=6))
        self.assertEqual(self.all_hear(), [4, 5])

    def test_numbers_begin_anew_in_each_epoch(self) -> None:
        """Each epoch has ratchets of its own."""
        self.alice.says(self.alice.frame(n=3))
        dave = self.relay.client()
        dave.join_by(self.alice)
        for member in self.members:
            member.hear()
        self.alice.says(self.alice.frame(n=0))
        self.assertEqual(self.all_hear(), [6])

    def test_who_is_not_live_does_not_hear(self) -> None:
        """A member whose connection is gone gets nothing, and nothing goes wrong."""
        self.carol.lose()
        self.members.remove(self.carol)
        self.alice.says(self.alice.frame())
        self.assertEqual(self.all_hear(), [4])
        self.assertEqual(self.carol.hear(), [])

    def test_only_members_send(self) -> None:
        """A stranger is told that it is none."""
        stranger = self.relay.client()
        frame = self.alice.frame()
        stranger.says(frame)
        error = stranger.hears(ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.NOT_MEMBER, subject(frame.room)))
        self.assertEqual(self.all_hear(), [])

    def test_only_to_rooms_that_exist(self) -> None:
        """A room of another relay, or of a life before, is none."""
        self.alice.says(self.alice.frame(room=bytes(32)))
        self.assertIs(self.alice.refused(), Code.NO_ROOM)


class ResumeTests(SynchronousTestCase):
    """A member comes back."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob = self.relay.room(2)

    def back(self) -> None:
        """Bob's connection breaks, and he connects anew."""
        self.bob.lose()
        new = self.relay.client(self.bob.identity)
        new.log, new.seq = self.bob.log, self.bob.seq
        self.bob = new

    def test_what_was_missed_is_replayed(self) -> None:
        """Entries and frames, in order, then the word that this is all; then it is live."""
        self.back()
        self.alice.says(self.alice.frame())
        self.relay.client().join_by(self.alice)
        self.alice.hear()
        self.alice.says(self.alice.frame(n=0))
        self.bob.resume()
        heard = self.bob.hear()
        self.assertEqual(kinds(heard), [FrameLine, UserAdded, FrameLine, Resumed])
        self.assertEqual([line.seq for line in heard[:3]], [3, 4, 5])  # type: ignore[attr-defined]  # all have one
        self.assertEqual(heard[-1], Resumed(self.bob.room, 5))
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hears(FrameLine).seq, 6)

    def test_nothing_was_missed(self) -> None:
        """Then the word alone comes."""
        self.back()
        self.bob.resume()
        self.assertEqual(self.bob.hears(Resumed), Resumed(self.bob.room, 2))

    def test_who_knows_an_old_head_may_resume(self) -> None:
        """Each epoch's head is remembered."""
        self.back()
        self.relay.client().join_by(self.alice)
        self.bob.resume(epoch=1, head=self.bob.room, seq=1)
        self.assertEqual(kinds(self.bob.hear()), [UserAdded, UserAdded, Resumed])

    def test_what_is_no_longer_kept_is_left_out(self) -> None:
        """Its numbers are missing, which the client sees; entries never are."""
        relay = Relay(retention=Retention(retain_bytes=1_000))
        alice, bob = relay.room(2)
        bob.lose()
        alice.says(*(alice.frame(ciphertext=bytes(500)) for _ in range(5)))
        again = relay.client(bob.identity)
        again.log = bob.log
        again.resume(epoch=1, head=bob.room, seq=1)
        added, frame, resumed = again.hear()
        assert isinstance(added, UserAdded)
        assert isinstance(frame, FrameLine)
        self.assertEqual((added.seq, frame.seq), (2, 7))
        self.assertEqual(resumed, Resumed(bob.room, 7))

    def test_where_nothing_is_kept(self) -> None:
        """A history that keeps no frame at all still says where the stream is."""
        relay = Relay(retention=Retention(retain_bytes=1))
        alice, bob = relay.room(2)
        bob.lose()
        alice.says(alice.frame())
        again = relay.client(bob.identity)
        again.log, again.seq = bob.log, bob.seq
        again.resume()
        self.assertEqual(again.hears(Resumed), Resumed(bob.room, 3))

    def test_another_past(self) -> None:
        """Who knows another log than the relay's is told so, whichever of it differs."""
        self.back()
        for changed in (
            {"head": bytes(32)},
            {"epoch": 0, "head": bytes(32)},
            {"epoch": 1},
            {"seq": 2**53 - 1},
        ):
            self.bob.resume(**changed)
            self.assertIs(self.bob.refused(), Code.FORK, changed)

    def test_strangers_do_not_resume(self) -> None:
        """Who is not on the roster learns nothing of the log."""
        stranger = self.relay.client()
        stranger.log, stranger.seq = self.bob.log, self.bob.seq
        stranger.resume()
        self.assertIs(stranger.refused(), Code.NOT_MEMBER)
        stranger.resume(room=bytes(32))
        self.assertIs(stranger.refused(), Code.NO_ROOM)

    def test_to_resume_twice_replays_twice(self) -> None:
        """A client that lost its place asks again, on the same connection."""
        self.bob.resume(epoch=1, head=self.bob.room, seq=1)
        self.assertEqual(kinds(self.bob.hear()), [UserAdded, Resumed])
        self.alice.says(self.alice.frame())
        self.assertEqual(self.bob.hears(FrameLine).seq, 3)

    def test_a_long_absence_comes_in_batches_without_end(self) -> None:
        """More than one batch, to a transport that takes all of it."""
        self.back()
        frames = [self.alice.frame(ciphertext=bytes(10_000)) for _ in range(20)]
        self.alice.says(*frames)
        self.bob.resume()
        self.relay.clock.advance(0)
        heard = self.bob.hear()
        self.assertEqual(len(heard), 21)
        self.assertEqual(heard[-1], Resumed(self.bob.room, 22))


class RosterTests(SynchronousTestCase):
    """The snapshot of the log, in pages."""

    def pages(self, client: Client, epoch: int) -> bytes:
        """Return the snapshot as of *epoch*."""
        found = b""
        while True:
            client.says(Roster(client.room, epoch, len(found)))
            page = client.hears(Page)
            self.assertEqual((page.epoch, page.offset), (epoch, len(found)))
            found += page.chunk
            if len(found) == page.total:
                return found

    def test_a_snapshot_is_the_log(self) -> None:
        """A member that fetched all pages has the log that the others have."""
        relay = Relay()
        *_, newest = relay.room(18)
        snapshot = self.pages(newest, 18)
        self.assertGreater(len(snapshot), 24_576)
        entry = newest.log.recent[-1]
        self.assertEqual(Log.entered("lobby", entry, snapshot), newest.log)

    def test_a_newcomer_gets_its_own_epoch(self) -> None:
        """Though others were added since."""
        relay = Relay()
        alice, bob, _ = relay.room(3)
        snapshot = self.pages(bob, 2)
        self.assertEqual(snapshot, self.pages(alice, 2))
        self.assertNotEqual(snapshot, self.pages(alice, 3))

    def test_old_epochs_are_gone(self) -> None:
        """The last 16 are kept."""
        relay = Relay()
        alice, *_ = relay.room(17)
        self.pages(alice, 2)
        for epoch in (0, 1, 18):
            alice.says(Roster(alice.room, epoch, 0))
            self.assertIs(alice.refused(), Code.GONE)

    def test_there_is_nothing_behind_the_end(self) -> None:
        """An offset past the snapshot is refused."""
        (alice,) = Relay().room(1)
        alice.says(Roster(alice.room, 1, 100_000))
        self.assertIs(alice.refused(), Code.GONE)

    def test_only_members_see_it(self) -> None:
        """Strangers do not learn who is in a room."""
        relay = Relay()
        (alice,) = relay.room(1)
        stranger = relay.client()
        stranger.says(Roster(alice.room, 1, 0))
        self.assertIs(stranger.refused(), Code.NOT_MEMBER)


class HandoverTests(SynchronousTestCase):
    """A newcomer whose connection broke when it was added."""

    def setUp(self) -> None:
        self.relay = Relay()
        (self.alice,) = self.relay.room(1)

    def admitted(self) -> None:
        """Bob is added, and loses his connection at once."""
        self.bob = self.relay.client()
        self.bob.join()
        attempt = self.alice.asked()
        self.alice.vouch(attempt)
        self.bob.challenge(attempt)
        self.response = self.alice.respond(attempt)
        self.entry = self.alice.add(attempt, self.bob)
        self.alice.hear()
        self.bob.lose()
        self.bob = self.relay.client(self.bob.identity)
        self.bob.log, self.bob.seq = self.alice.log, 2

    def test_what_it_needs_is_kept(self) -> None:
        """To join again brings the response and the entry once more, as often as needed."""
        self.admitted()
        for _ in range(2):
            self.bob.join()
            response, added = self.bob.hear()
            self.assertEqual(response, self.response)
            self.assertEqual(added, UserAdded(self.alice.room, 2, self.entry.encode()))

    def test_until_its_first_frame(self) -> None:
        """Then it has the keys; who has lost them since is told so."""
        self.admitted()
        self.bob.resume()
        self.bob.hear()
        self.bob.says(self.bob.frame())
        self.bob.hear()
        self.bob.join()
        self.assert_member(self.bob)

    def test_the_founder_has_no_handover(self) -> None:
        """Nobody handed anything over to it."""
        self.alice.says(Join("lobby"))
        self.assert_member(self.alice)

    def assert_member(self, client: Client) -> None:
        """*client* is told that it is on the roster, with its leaf's hash."""
        membership = self.alice.log.membership
        row = membership.rows[membership.index[client.fingerprint]]
        self.assertEqual(client.hears(Member), Member("lobby", self.alice.room, row.leaf_hash))


class EntryTests(SynchronousTestCase):
    """Entries that add somebody, checked before they are taken."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.alice, self.bob = self.relay.room(2)
        self.joiner = self.relay.client()
        self.joiner.join()
        self.attempt = self.alice.asked()
        self.alice.vouch(self.attempt)
        self.joiner.challenge(self.attempt)
        self.alice.respond(self.attempt)
        self.alice.hear()
        self.joiner.hear()

    def refuses(self, entry: bytes) -> str:
        """See that *entry* is refused and its attempt over; return the words."""
        self.alice.says(AddUser(self.attempt, entry))
        error = self.alice.hear()[0]
        assert isinstance(error, ErrorLine)
        self.assertEqual((error.code, error.subject), (Code.ENTRY, "-"))
        self.assertIsInstance(self.bob.hear()[0], NewUser)
        return error.words

    def test_a_good_entry_is_announced(self) -> None:
        """To all members and to the newcomer, with the next number."""
        entry = self.alice.add(self.attempt, self.joiner)
        for client in (self.alice, self.bob, self.joiner):
            self.assertEqual(client.hears(UserAdded), UserAdded(self.alice.room, 3, entry.encode()))

    def test_a_newcomer_is_not_live_before_it_resumes(self) -> None:
        """It gets no frame until it has the roster and says where it stands."""
        self.alice.add(self.attempt, self.joiner)
        self.alice.hear()
        self.joiner.hear()
        self.alice.says(self.alice.frame())
        self.assertEqual(self.joiner.hear(), [])
        self.joiner.log, self.joiner.seq = self.alice.log, 3
        self.joiner.resume()
        self.assertEqual(kinds(self.joiner.hear()), [FrameLine, Resumed])

    def test_nonsense(self) -> None:
        """What is no entry is refused."""
        self.assertIn("malformed", self.refuses(b"nonsense"))

    def test_another_create_entry(self) -> None:
        """It is the beginning of another room."""
        self.assertIn("another room", self.refuses(self.alice.creation("x").encode()))

    def test_another_author(self) -> None:
        """A member may not submit another's entry in its own attempt."""
        self.assertIn("author", self.refuses(self.bob.addition(self.joiner).encode()))

    def test_another_subject(self) -> None:
        """The attempt is about one newcomer."""
        other = self.relay.client()
        self.assertIn("subject", self.refuses(self.alice.addition(other).encode()))

    def test_a_signature_that_does_not_hold(self) -> None:
        """So that no bad entry jams the room."""
        good = self.alice.addition(self.joiner)
        self.refuses(SignedEntry(good.entry, good.tag, bytes(64)).encode())

    def test_a_view_of_the_stream_that_cannot_be(self) -> None:
        """No author has seen what does not exist, or not seen the entry it stands on."""
        self.assertIn("view", self.refuses(self.alice.addition(self.joiner, seq=3).encode()))

    def test_an_older_view_than_the_entry_before(self) -> None:
        """Between two entries the author's view has passed the landing of the first."""
        self.alice.says(*(self.alice.frame() for _ in range(3)))
        self.alice.add(self.attempt, self.joiner, seq=5)
        self.bob.hear()
        self.alice.hear()
        joiner = self.joiner = self.relay.client()
        joiner.join()
        self.attempt = self.alice.asked()
        self.alice.vouch(self.attempt)
        joiner.challenge(self.attempt)
        self.alice.respond(self.attempt)
        self.alice.hear()
        self.assertIn("view", self.refuses(self.alice.addition(joiner, seq=5).encode()))


class FullTests(SynchronousTestCase):
    """Rooms that have no place left."""

    def test_the_policys_limit(self) -> None:
        """What the members gave themselves counts as the relay's own limit does."""
        relay = Relay()
        founder = relay.client()
        founder.found("lobby", Policy(roster_maximum=1))
        joiner = relay.client()
        joiner.join()
        self.assertIs(joiner.refused(), Code.BUSY)

    def test_who_comes_second_for_the_last_place(self) -> None:
        """Several are admitted at once; the limit holds for the entries, too."""
        relay = Relay(limits=Limits(members_per_room=2))
        (founder,) = relay.room(1)
        joiners = [relay.client(), relay.client()]
        attempts = []
        for joiner in joiners:
            joiner.join()
            attempts.append(founder.asked())
            founder.vouch(attempts[-1])
            joiner.challenge(attempts[-1])
            founder.respond(attempts[-1])
            founder.hear()
        founder.add(attempts[0], joiners[0])
        founder.hear()
        founder.add(attempts[1], joiners[1])
        error, _ = founder.hear()
        assert isinstance(error, ErrorLine)
        self.assertIn("full", error.words)


class OrderTests(SynchronousTestCase):
    """The stream, whoever says what and whoever comes and goes."""

    @given(st.lists(st.sampled_from(["send", "stall", "read", "break", "back"]), max_size=25))
    def test_nothing_is_lost_doubled_or_swapped(self, steps: list[str]) -> None:
        """A member that stalls, breaks and resumes hears every number, once, in order."""
        relay = Relay()
        alice, bob = relay.room(2)
        heard: list[int] = []

        def listen() -> None:
            heard.extend(line.seq for line in bob.hear() if isinstance(line, FrameLine))

        for step in [*steps, "break", "back"]:
            here = bob.transport.connected
            if step == "send":
                alice.says(alice.frame())
            elif step == "stall" and here:
                bob.connection.pauseProducing()
            elif step == "read" and here:
                bob.connection.resumeProducing()
            elif step == "break" and here:
                bob.lose()
                bob.transport.connected = False
            elif step == "back" and not here:
                new = relay.client(bob.identity)
                new.log, new.seq = bob.log, bob.seq
                bob = new
                bob.resume()
            listen()
        sent = alice.n
        self.assertEqual(heard, list(range(3, 3 + sent)))
