"""One member's view of a room: what it shows of an honest stream, and of one that lies."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, encode
from securechat.errors import EncodingError, EntryRefused, MessageTooLong
from securechat.group import speaking
from securechat.group.entry import SignedEntry
from securechat.group.events import (
    Alarm,
    Confirmed,
    Delivered,
    FramesMissing,
    MemberAdded,
    Message,
    Named,
    Reason,
    RoomEvent,
)
from securechat.group.hearing import MAX_SKIP
from securechat.group.messages import MAX_BODY, Content, Frame, Header, Kind, seal_frame
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, digest, encrypt
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    Admission,
    Member,
    Stream,
    adding,
    anyone,
    consenting,
    flipped,
    place_of,
    proposal,
    resigned,
    room_of,
    trusting,
)


def texts(events: list[RoomEvent]) -> list[str]:
    """The texts that were shown."""
    return [each.text for each in events if isinstance(each, Message)]


class RoomCase(SynchronousTestCase):
    """Alice, who founded the room, and Bob, whom she vouched for."""

    def setUp(self) -> None:
        """The stream holds the two entries."""
        self.stream, (self.alice, self.bob) = room_of(ALICE, BOB)

    def alarmed(self, events: list[RoomEvent], reason: Reason, sender: Identity | None) -> None:
        """The last of *events* is an alarm with *reason* about *sender*, and no text is shown."""
        alarm = events[-1]
        self.assertIsInstance(alarm, Alarm)
        assert isinstance(alarm, Alarm)
        self.assertEqual(alarm.reason, reason)
        self.assertEqual(alarm.sender, sender and sender.fingerprint)
        self.assertEqual(texts(events), [])

    def next(self, member: Member) -> int:
        """The number that *member* waits for."""
        return member.room.seq + 1

    def signed(self, member: Member, **changes: Any) -> Frame:
        """
        A frame by *member* in this epoch with *changes* to what it says: what a member can make
        that does not keep to the protocol. Its ratchet stays where it is.
        """
        room = member.room
        row = room.log.membership.index[member.fingerprint]
        ratchet = room._keys.ratchets[row].skip(changes.pop("ahead", 0))
        header = Header(room.log.epoch, row, ratchet.n)
        content = Content(Kind.TEXT, *room._transcript.newest, b"hello")
        content = attrs.evolve(content, **changes)
        return seal_frame(member.identity, ratchet, room.id, room.log.head, header, content)


class SpeakingTests(RoomCase):
    """What was said, and what becomes of it."""

    def test_what_one_says_all_others_are_shown(self) -> None:
        """A text arrives with its sender and its number; its author learns of its delivery."""
        self.bob.room.say(Kind.TEXT, "h\u00e4llo".encode())
        self.stream.flush()
        self.assertEqual(self.alice.of(Message), [Message(LABEL, BOB.fingerprint, "h\u00e4llo", 3)])
        self.assertEqual(self.bob.of(Delivered), [Delivered(LABEL, 0, 3, "hällo")])
        self.assertEqual((self.bob.of(Message), self.bob.room.unsent), ([], 0))

    def test_many_messages_in_both_directions(self) -> None:
        """Each one has its own key, ticket and number; nothing is alarming about it."""
        for number in range(5):
            for member in (self.alice, self.bob):
                self.assertEqual(member.room.say(Kind.TEXT, b"%d" % number), number)
            self.stream.flush()
        for member in (self.alice, self.bob):
            self.assertEqual(texts(member.heard), ["0", "1", "2", "3", "4"])
            self.assertEqual([each.ticket for each in member.of(Delivered)], [0, 1, 2, 3, 4])
            self.assertEqual(member.room.alarms, [])

    def test_a_name_is_said_and_cleaned(self) -> None:
        """E3: a name is kept under the fingerprint, without what a terminal would obey."""
        self.bob.room.greet("bob\x1b[2J\u202e  the  builder")
        self.stream.flush()
        self.assertEqual(
            self.alice.of(Named), [Named(LABEL, BOB.fingerprint, "bob[2J the builder")]
        )
        self.assertEqual(self.alice.room.names, {BOB.fingerprint: "bob[2J the builder"})

    def test_a_name_that_is_said_again(self) -> None:
        """Who greets again, for those who came since, is announced to nobody else."""
        for name in ("bob", "bob", "rob"):
            self.bob.room.greet(name)
        self.stream.flush()
        self.assertEqual([each.name for each in self.alice.of(Named)], ["bob", "rob"])

    def test_names_are_cleaned_by_who_hears_them(self) -> None:
        """A member that greets by itself with escapes is not shown with them."""
        body = encode("\x1b[31mbob\n", BOB.fingerprint)
        (named,) = self.alice.feed(3, self.signed(self.bob, kind=Kind.HELLO, body=body))
        self.assertEqual(named, Named(LABEL, BOB.fingerprint, "[31mbob"))

    def test_heartbeats_show_nothing(self) -> None:
        """A heartbeat is delivered, and nobody is told of it."""
        self.bob.room.say(Kind.HEARTBEAT, b"")
        self.stream.flush()
        self.assertEqual(len(self.bob.of(Delivered)), 1)
        self.assertEqual(self.alice.heard[2:], [])

    def test_what_a_later_version_says_is_no_harm(self) -> None:
        """A kind that is not known is passed over."""
        self.assertEqual(self.alice.feed(3, self.signed(self.bob, kind=99)), [])
        self.assertEqual(self.alice.room.alarms, [])

    def test_a_message_that_is_too_long_is_not_said(self) -> None:
        """Nothing has changed after the refusal: ticket, ratchet and queue are the same."""
        self.assertRaises(MessageTooLong, self.bob.room.say, Kind.TEXT, bytes(MAX_BODY + 1))
        self.assertEqual((self.bob.room.unsent, list(self.bob.room.outgoing)), (0, []))
        self.assertEqual(self.bob.room.say(Kind.TEXT, b"short"), 0)
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["short"])

    def test_an_entry_kills_frames_which_are_encrypted_anew(self) -> None:
        """What was on its way is said again in the new epoch, once and in order."""
        for number in range(3):
            self.bob.room.say(Kind.TEXT, b"%d" % number)
        dead = list(self.bob.room.outgoing)
        carol = self.stream.admit(CAROL, self.alice)
        again = list(self.bob.room.outgoing)
        self.assertEqual([each.header.n for each in again], [0, 1, 2])
        self.assertEqual({each.header.epoch for each in again}, {3})
        self.assertFalse({each.ciphertext for each in dead} & {each.ciphertext for each in again})
        self.stream.flush()
        for member in (self.alice, carol):
            self.assertEqual(texts(member.heard), ["0", "1", "2"])
        self.assertEqual([each.ticket for each in self.bob.of(Delivered)], [0, 1, 2])

    def test_what_was_delivered_is_not_said_again(self) -> None:
        """Only what has not come back is encrypted anew."""
        self.stream.say(self.bob, "before")
        self.bob.room.say(Kind.TEXT, b"after")
        self.stream.admit(CAROL, self.alice)
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["before", "after"])

    def test_the_same_bytes_are_sent_again(self) -> None:
        """Once all is here and a frame is not, it goes out again as it was, in order."""
        frames = [self.bob.said(text) for text in ("one", "two", "three")]
        self.bob.feed(3, frames[0])
        self.assertEqual(self.bob.room.caught_up(3), [])
        self.assertEqual(list(self.bob.room.outgoing), frames[1:])
        self.assertEqual(self.bob.room.unsent, 2)

    def test_texts_that_wait(self) -> None:
        """The tickets of texts that are not in the room yet are known; of heartbeats, not."""
        before = self.bob.room.waiting
        self.bob.room.say(Kind.HEARTBEAT, b"")
        tickets = [self.bob.room.say(Kind.TEXT, text) for text in (b"one", b"two")]
        self.assertEqual(self.bob.room.waiting, (*before, *tickets))

    def test_nothing_to_send_again(self) -> None:
        """Who has all back sends nothing."""
        self.stream.say(self.bob, "hello")
        self.assertEqual(self.bob.room.caught_up(3), [])
        self.assertEqual(list(self.bob.room.outgoing), [])

    def test_no_text_is_in_a_repr(self) -> None:
        """What waits to be sent does not show in logs."""
        self.bob.room.say(Kind.TEXT, b"hello")
        self.assertNotIn("hello", repr(vars(self.bob.room)))


class PlaceTests(RoomCase):
    """What a member knows of its room."""

    def test_all_members_know_the_same(self) -> None:
        """Room, head, roster and transcript are one for all, however they came in."""
        carol = self.stream.admit(CAROL, self.bob)
        self.stream.say(carol, "hello")
        rooms = [each.room for each in (self.alice, self.bob, carol)]
        for known in (
            lambda room: room.id,
            lambda room: room.label,
            lambda room: room.place,
            lambda room: room.roster,
            lambda room: room.seq,
            lambda room: room._transcript.newest,
        ):
            self.assertEqual(len({known(room) for room in rooms}), 1)
        self.assertEqual(self.alice.room.id, self.alice.room.first_entry.head)

    def test_members_are_announced(self) -> None:
        """Everybody is told who came, through whom and when; the newcomer too."""
        carol = self.stream.admit(CAROL, self.bob)
        added = MemberAdded(LABEL, CAROL.fingerprint, BOB.fingerprint, 3)
        for member in (self.alice, self.bob, carol):
            self.assertEqual(member.of(MemberAdded)[-1], added)
        founder = MemberAdded(LABEL, ALICE.fingerprint, ALICE.fingerprint, 1)
        self.assertEqual(self.alice.of(MemberAdded)[0], founder)

    def test_an_entry_with_the_tag_of_another_key(self) -> None:
        """It counts, since to refuse it would split the room; its author is named."""
        signed = SignedEntry.make(proposal(CAROL, self.bob).entry, bytes(HASH_LENGTH), BOB)
        self.stream.append(signed.encode())
        for member in (self.alice, self.bob):
            (alarm,) = member.room.alarms
            self.assertEqual((alarm.reason, alarm.sender), (Reason.WRONG_KEY, BOB.fingerprint))
            self.assertEqual(member.room.roster[-1].fingerprint, CAROL.fingerprint)
        self.stream.say(self.alice, "hello")
        self.assertEqual(texts(self.bob.heard), ["hello"])

    def test_a_proposal_changes_nothing(self) -> None:
        """Until its own entry comes in the stream, a voucher's room is as it was."""
        before = self.alice.room.place
        proposal(CAROL, self.alice)
        self.assertEqual(self.alice.room.place, before)
        self.stream.say(self.alice, "hello")
        self.assertEqual(texts(self.bob.heard), ["hello"])

    def test_proposals_keep_to_the_rules(self) -> None:
        """What the log would refuse is not proposed."""
        add = consenting(BOB, place_of(self.alice.room.log), ALICE)
        self.assertRaises(EntryRefused, self.alice.room.propose, add)

    def test_who_has_a_gap_can_vouch(self) -> None:
        """A member that misses frames names the newest T that it knows, and that is enough."""
        signed = proposal(CAROL, self.alice)
        self.stream.members.remove(self.bob)
        self.stream.say(self.alice, "missed")
        self.bob.feed(self.stream.append(signed.encode()), signed.encode())
        later = proposal(DAVE, self.bob)
        self.assertEqual((later.entry.seq, signed.entry.seq), (2, 2))
        self.assertEqual(self.alice.room.log.after(later).epoch, 4)


class ConfirmationTests(SynchronousTestCase):
    """Whether a newcomer has heard somebody that it trusts."""

    def room(self, *trusted: Identity) -> tuple[Stream, list[Member], Member]:
        """Alice and Bob; Carol, whom Alice vouched for, and who trusts *trusted*."""
        stream, members = room_of(ALICE, BOB)
        return stream, members, stream.admit(CAROL, members[0], trusting(*trusted))

    def test_a_founder_needs_no_confirmation(self) -> None:
        """Who made the room knows that it is real."""
        self.assertTrue(Stream().found().room.confirmed)

    def test_the_voucher_confirms_nothing(self) -> None:
        """D6: whoever it was that led into a made-up room would confirm it."""
        stream, (alice, _), carol = self.room(ALICE, BOB)
        stream.say(alice, "all is well")
        self.assertEqual((carol.room.confirmed, carol.of(Confirmed)), (False, []))

    def test_somebody_unknown_confirms_nothing(self) -> None:
        """A former member can fill a made-up room with identities of its own."""
        stream, (_, bob), carol = self.room(ALICE, DAVE)
        stream.say(bob, "all is well")
        self.assertEqual((carol.room.confirmed, carol.of(Confirmed)), (False, []))

    def test_a_trusted_member_confirms_once(self) -> None:
        """The first message of a trusted member who did not vouch tells, before it is shown."""
        stream, (_, bob), carol = self.room(ALICE, BOB)
        stream.say(bob, "one")
        stream.say(bob, "two")
        self.assertTrue(carol.room.confirmed)
        self.assertEqual(carol.of(Confirmed), [Confirmed(LABEL, BOB.fingerprint)])
        self.assertLess(
            carol.heard.index(carol.of(Confirmed)[0]), carol.heard.index(carol.of(Message)[0])
        )

    def test_a_forged_frame_confirms_nothing(self) -> None:
        """An insider cannot speak as the member who is trusted."""
        _, (alice, bob), carol = self.room(ALICE, BOB)
        frame = bob.said("all is well")
        lie = attrs.evolve(frame, ciphertext=flipped(frame.ciphertext))
        carol.feed(carol.room.seq + 1, lie)
        self.assertFalse(carol.room.confirmed)
        self.assertEqual(alice.room.alarms, [])


class NewcomerTests(RoomCase):
    """What one sees who comes later."""

    def newcomer(self, stream: Stream, by: Member, newcomer: Identity = CAROL) -> Member:
        """A member whose entry landed, and who has been given nothing of the stream yet."""
        entrance, signed = Admission(newcomer, by).entrance()
        for number in range(3):
            stream.say(self.bob, f"before {number}")
        stream.append(signed.encode())
        room = Room.enter(newcomer, LABEL, entrance, by.room.log.snapshot(), anyone)
        return Member(newcomer, room)

    def test_frames_from_before_are_folded_and_not_read(self) -> None:
        """D3: a newcomer takes part in the transcript of what it cannot read."""
        carol = self.newcomer(self.stream, self.alice)
        first = carol.room.seq + 1
        for seq in range(first, self.stream.seq + 1):
            self.assertFalse(carol.room.inside)
            carol.feed(seq, self.stream.items[seq - 1])
        self.assertTrue(carol.room.inside)
        self.assertEqual(carol.heard, [MemberAdded(LABEL, CAROL.fingerprint, ALICE.fingerprint, 6)])
        self.assertEqual(carol.room._transcript.newest, self.bob.room._transcript.newest)

    def test_keys_of_the_past_are_not_handed_over(self) -> None:
        """D3: with all that a newcomer has, no frame of an earlier epoch opens."""
        frame = self.bob.said("secret")
        self.stream.append(frame)
        carol = self.stream.admit(CAROL, self.alice)
        old = attrs.evolve(frame, header=Header(3, frame.header.row, 0))
        self.alarmed(carol.feed(self.next(carol), old), Reason.FORGED, BOB)

    def test_an_entry_that_the_voucher_had_not_seen(self) -> None:
        """Where an earlier entry comes before the own one, it is no news and no alarm."""
        earlier = self.stream.items[1]
        carol = self.newcomer(self.stream, self.alice)
        self.assertEqual(carol.feed(carol.room.seq + 1, earlier), [])
        self.assertFalse(carol.room.inside)

    def test_nothing_but_its_own_entry_lets_a_newcomer_in(self) -> None:
        """An entry that would follow the newcomer's own cannot take its place."""
        entrance, signed = Admission(CAROL, self.alice).entrance()
        self.stream.append(signed.encode())
        snapshot = self.alice.room.log.snapshot()
        room = Room.enter(CAROL, LABEL, entrance, snapshot, anyone)
        place = room.place
        following = proposal(DAVE, self.alice).encode()
        carol = Member(CAROL, room)
        self.alarmed(carol.feed(3, following), Reason.BAD_ENTRY, None)
        self.assertEqual((room.inside, room.place), (False, place))
        self.assertEqual(
            carol.feed(4, signed.encode())[0],
            MemberAdded(LABEL, CAROL.fingerprint, ALICE.fingerprint, 4),
        )
        self.assertTrue(room.inside)

    def test_what_is_said_before_the_entry_came(self) -> None:
        """A newcomer may speak at once; its frames are of the epoch that begins with it."""
        carol = self.newcomer(self.stream, self.alice)
        frame = carol.said("hello")
        for seq in range(carol.room.seq + 1, self.stream.seq + 1):
            carol.feed(seq, self.stream.items[seq - 1])
        self.stream.members.append(carol)
        self.stream.append(frame)
        self.assertEqual(texts(self.alice.heard), ["before 0", "before 1", "before 2", "hello"])
        self.assertEqual(len(carol.of(Delivered)), 1)

    def test_frames_missing_before_the_entry(self) -> None:
        """A relay that no longer has them says so by its numbers, and T starts later."""
        carol = self.newcomer(self.stream, self.alice)
        events = carol.feed(6, self.stream.items[5])
        self.assertEqual(events[0], FramesMissing(LABEL, 3, 5))
        self.assertTrue(carol.room.inside)
        self.stream.members.append(carol)
        self.stream.say(self.bob, "hello")
        self.assertEqual(texts(carol.heard), ["hello"])
        self.assertEqual(carol.room.alarms, [])

    def test_what_was_missing_before_the_entry_allows_nothing(self) -> None:
        """The epoch begins with the newcomer's own entry: no frame of it is missing yet."""
        carol = self.newcomer(self.stream, self.alice)
        carol.feed(6, self.stream.items[5])
        self.bob.said("held back")
        self.alarmed(carol.feed(7, self.bob.said("hello")), Reason.DROPPED, BOB)

    def test_a_snapshot_that_lies(self) -> None:
        """D1: another roster, another past or junk from the relay: the room is not entered."""
        entrance, signed = Admission(CAROL, self.alice).entrance()
        self.stream.append(signed.encode())
        log = self.alice.room.log
        stranger = log.after(adding(log, MALLORY, BOB))
        for lie in (
            stranger.snapshot(),
            attrs.evolve(log, membership=stranger.membership).snapshot(),
        ):
            self.assertRaises(EntryRefused, Room.enter, CAROL, LABEL, entrance, lie, anyone)
        for junk in (b"", b"junk", encode(), log.snapshot()[:-1]):
            self.assertRaises(EncodingError, Room.enter, CAROL, LABEL, entrance, junk, anyone)
        room = Room.enter(CAROL, LABEL, entrance, log.snapshot(), anyone)
        self.assertEqual(room.roster, log.membership.rows)

    def test_a_founder_waits_for_its_own_entry(self) -> None:
        """A room is real once its create entry is in the stream, and only then."""
        room = Room.found(ALICE, LABEL, Policy(), anyone)
        other = Room.found(BOB, LABEL, Policy(), anyone)
        alice = Member(ALICE, room)
        self.alarmed(alice.feed(1, other.first_entry.encode()), Reason.BAD_ENTRY, None)
        self.assertFalse(room.inside)
        self.assertEqual(len(alice.feed(2, room.first_entry.encode())), 1)
        self.assertTrue(room.inside)


class ReplayTests(RoomCase):
    """E2: the relay sends again what was here."""

    def test_numbers_never_go_back(self) -> None:
        """What comes under a number that was here is not looked at."""
        self.stream.say(self.bob, "yes")
        for seq in (0, 1, 2, 3):
            for item in (self.stream.items[2], self.stream.items[1], b"junk"):
                self.alarmed(self.alice.feed(seq, item), Reason.REPLAYED, None)
        self.assertEqual(self.alice.room.seq, 3)
        self.stream.say(self.bob, "no")
        self.assertEqual(texts(self.alice.heard), ["yes", "no"])

    def test_a_frame_under_a_new_number(self) -> None:
        """The same frame again, as if it were new, is shown once."""
        self.stream.say(self.bob, "yes")
        self.alarmed(self.alice.feed(4, self.stream.items[2]), Reason.REPLAYED, BOB)
        self.assertEqual(texts(self.alice.heard), ["yes"])

    def test_a_frame_with_junk_in_it(self) -> None:
        """Its number is used, whatever it said."""
        frame = self.signed(self.bob, kind=Kind.HELLO)
        self.alarmed(self.alice.feed(3, frame), Reason.MALFORMED, BOB)
        self.alarmed(self.alice.feed(4, frame), Reason.REPLAYED, BOB)

    def test_ones_own_frame(self) -> None:
        """It is delivered once."""
        self.stream.say(self.bob, "yes")
        self.alarmed(self.bob.feed(4, self.stream.items[2]), Reason.REPLAYED, BOB)
        self.assertEqual(len(self.bob.of(Delivered)), 1)

    def test_an_entry_under_a_new_number(self) -> None:
        """An old entry stands on an old head."""
        for number, entry in enumerate(self.stream.items[:2], start=3):
            self.alarmed(self.alice.feed(number, entry), Reason.BAD_ENTRY, None)
        self.assertEqual(self.alice.room.log.epoch, 2)

    def test_to_be_caught_up_with_less_than_was_shown(self) -> None:
        """A relay that knows less than it has shown is remarked on, and nothing goes back."""
        (alarm,) = self.alice.room.caught_up(0)
        self.assertIsInstance(alarm, Alarm)
        self.assertEqual(self.alice.room.seq, 2)
        self.stream.say(self.bob, "hello")
        self.assertEqual(texts(self.alice.heard), ["hello"])


class GapTests(RoomCase):
    """E2: something is left out."""

    def frames(self, count: int) -> list[Frame]:
        """What Bob said, *count* frames of it."""
        return [self.bob.said(str(number)) for number in range(count)]

    def test_numbers_left_out_are_named(self) -> None:
        """The member is told which numbers are missing, and reads on."""
        frames = self.frames(5)
        events = self.alice.feed(7, frames[4])
        self.assertEqual(events[0], FramesMissing(LABEL, 3, 6))
        self.assertEqual(texts(events), ["4"])
        self.assertEqual(self.alice.room.alarms, [])

    def test_a_sender_skips_no_more_than_is_missing(self) -> None:
        """With two numbers missing, a third frame of one sender was kept back: an alarm."""
        frames = self.frames(4)
        self.alarmed(self.alice.feed(5, frames[3]), Reason.DROPPED, BOB)
        self.assertEqual(texts(self.alice.feed(6, frames[2])), ["2"])
        self.assertEqual(texts(self.alice.feed(7, frames[3])), ["3"])

    def test_a_frame_left_out_silently(self) -> None:
        """The relay renumbers, so that nothing seems missing: the sender's count shows it."""
        frames = self.frames(2)
        self.alarmed(self.alice.feed(3, frames[1]), Reason.DROPPED, BOB)

    def test_what_is_missing_is_counted_once(self) -> None:
        """Numbers that the relay says are past, and passes over, are missing once."""
        frames = self.frames(5)
        self.assertEqual(self.alice.room.caught_up(4), [FramesMissing(LABEL, 3, 4)])
        self.assertEqual(self.alice.room.seq, 4)
        self.alarmed(self.alice.feed(5, frames[3]), Reason.DROPPED, BOB)
        self.assertEqual(texts(self.alice.feed(6, frames[2])), ["2"])

    def test_a_new_epoch_starts_from_nothing(self) -> None:
        """What was missing before an entry allows nothing after it."""
        self.stream.members.remove(self.alice)
        missed = self.stream.say(self.bob, "missed")
        self.stream.admit(CAROL, self.bob)
        self.alice.feed(missed + 1, self.stream.items[missed])
        frames = self.frames(2)
        self.alarmed(self.alice.feed(missed + 2, frames[1]), Reason.DROPPED, BOB)

    def test_no_more_than_1024_keys_are_skipped(self) -> None:
        """However many numbers are missing: 1,024 are skipped, and 1,025 are an alarm."""
        far = self.signed(self.bob, ahead=MAX_SKIP + 1)
        near = self.signed(self.bob, ahead=MAX_SKIP)
        self.alarmed(self.alice.feed(MAX_SKIP * 10, far), Reason.DROPPED, BOB)
        self.assertEqual(texts(self.alice.feed(MAX_SKIP * 10 + 1, near)), ["hello"])

    def test_a_number_out_of_this_world(self) -> None:
        """A relay that jumps to the last of all numbers costs nothing but its own service."""
        frame = self.bob.said("hello")
        events = self.alice.feed(MAX_INTEGER, frame)
        self.assertEqual(texts(events), ["hello"])
        self.alarmed(self.alice.feed(MAX_INTEGER, frame), Reason.REPLAYED, None)

    def test_a_frame_far_ahead(self) -> None:
        """n itself is the relay's to write: it is bounded before any key is derived."""
        frame = attrs.evolve(self.bob.said("hello"), header=Header(2, 1, MAX_INTEGER))
        self.alarmed(self.alice.feed(3, frame), Reason.DROPPED, BOB)

    def test_skipping_is_kept_only_if_the_frame_holds(self) -> None:
        """A forged frame far ahead does not cost the frames between."""
        frames = self.frames(3)
        forged = attrs.evolve(frames[2], ciphertext=flipped(frames[2].ciphertext))
        self.alarmed(self.alice.feed(6, forged), Reason.FORGED, BOB)
        for seq, frame in enumerate(frames, start=7):
            self.alice.feed(seq, frame)
        self.assertEqual(texts(self.alice.heard), ["0", "1", "2"])

    def test_the_next_message_tells_t_again(self) -> None:
        """After a gap T is unknown, and what a member says that it saw is believed."""
        self.stream.members.remove(self.alice)
        for number in range(2):
            self.stream.say(self.bob, str(number))
        self.alice.feed(4, self.stream.items[3])
        self.assertEqual(self.alice.room._transcript.newest[0], 4)
        self.assertEqual(self.alice.room._transcript.newest, self.bob.room._transcript.newest)

    def test_the_next_entry_tells_t_again(self) -> None:
        """After a gap T is unknown, so nothing is compared, until an author tells what it saw."""
        self.stream.members.remove(self.alice)
        for frame in self.frames(3):
            self.stream.append(frame)
        self.alice.feed(5, self.stream.items[4])
        self.assertEqual(self.alice.room._transcript.newest[0], 2)
        self.stream.members.append(self.alice)
        self.stream.admit(CAROL, self.bob)
        self.assertEqual(self.alice.room._transcript.newest, self.bob.room._transcript.newest)
        self.stream.say(self.alice, "here again")
        self.assertEqual((self.alice.room.alarms, self.bob.room.alarms), ([], []))


class ForkTests(RoomCase):
    """D5: the relay shows two pasts."""

    def setUp(self) -> None:
        """Carol is there too; the relay shows her what it likes."""
        super().setUp()
        self.carol = self.stream.admit(CAROL, self.alice)
        self.stream.members.remove(self.carol)

    def test_two_orders(self) -> None:
        """Where two members saw the same messages in another order, both learn of it."""
        one, two = self.alice.said("shall I?"), self.bob.said("yes")
        self.stream.append(one)
        self.stream.append(two)
        self.carol.feed(4, two)
        self.carol.feed(5, one)
        self.assertEqual(self.carol.room.alarms, [])
        frame = self.carol.said("so you agree")
        self.carol.feed(6, frame)
        self.stream.append(frame)
        for member in (self.alice, self.bob):
            (alarm,) = member.room.alarms
            self.assertEqual((alarm.reason, alarm.sender), (Reason.FORKED, CAROL.fingerprint))
        events = self.carol.feed(7, self.bob.said("what?"))
        self.assertIn(Alarm(LABEL, Reason.FORKED, BOB.fingerprint, 7), events)

    def test_a_message_from_a_fork_is_shown_beside_the_alarm(self) -> None:
        """The sender may be innocent, and what it wrote is signed: both are shown."""
        self.stream.say(self.bob, "you are not shown this")
        self.carol.feed(4, self.alice.said("but this"))
        self.stream.members.append(self.alice)
        frame = self.carol.said("hello")
        events = self.bob.feed(5, frame)
        self.assertEqual(texts(events), ["hello"])
        self.assertEqual(events[0], Alarm(LABEL, Reason.FORKED, CAROL.fingerprint, 5))

    def test_two_logs_do_not_meet(self) -> None:
        """After two entries on one head, no frame of one side opens on the other."""
        dave, mallory = proposal(DAVE, self.alice), proposal(MALLORY, self.bob)
        self.alice.feed(4, dave.encode())
        self.carol.feed(4, mallory.encode())
        events = self.alice.feed(5, self.carol.said("hello"))
        self.alarmed(events, Reason.FORGED, CAROL)

    def test_an_author_who_saw_another_past(self) -> None:
        """A differing T raises an alarm about the author, and the entry holds all the same."""
        self.stream.say(self.bob, "you are not shown this")
        self.carol.feed(4, self.alice.said("but this"))
        signed = proposal(DAVE, self.carol)
        events = self.bob.feed(5, signed.encode())
        self.assertEqual(events[0], Alarm(LABEL, Reason.FORKED, CAROL.fingerprint, 5))
        self.assertEqual(self.bob.room.log.head, signed.head)

    def test_a_fork_stays_visible(self) -> None:
        """An author's view replaces nobody's own: the next message from the fork alarms again."""
        self.stream.say(self.bob, "you are not shown this")
        self.carol.feed(4, self.alice.said("but this"))
        self.stream.members.remove(self.alice)
        signed = proposal(DAVE, self.carol)
        self.carol.feed(6, signed.encode())
        self.stream.items.append(b"left out")
        self.stream.append(signed.encode())
        newest = self.bob.room._transcript.newest
        events = self.bob.feed(7, self.carol.said("hello"))
        self.assertEqual(newest[0], 4)
        self.assertEqual(events[0], Alarm(LABEL, Reason.FORKED, CAROL.fingerprint, 7))


class ReorderTests(RoomCase):
    """E2: a frame says that it was moved."""

    def test_who_saw_the_future(self) -> None:
        """A frame that claims to have seen its own number, or a later one, was moved."""
        for ahead, seen in enumerate((3, 5, MAX_INTEGER)):
            seq = self.next(self.alice)
            frame = self.signed(self.bob, ahead=ahead, seen_seq=seen)
            events = self.alice.feed(seq, frame)
            self.assertEqual(events[0], Alarm(LABEL, Reason.REORDERED, BOB.fingerprint, seq))
            self.assertEqual(texts(events), ["hello"])

    def test_who_saw_less_than_before(self) -> None:
        """A sender's view never shrinks."""
        self.stream.say(self.bob, "one")
        self.stream.say(self.bob, "two")
        frame = self.signed(self.bob, seen_seq=2)
        events = self.alice.feed(5, frame)
        self.assertEqual(events[0], Alarm(LABEL, Reason.REORDERED, BOB.fingerprint, 5))
        self.assertEqual(texts(events), ["hello"])

    def test_what_an_author_saw_counts_too(self) -> None:
        """An entry is part of what its author is known to have seen."""
        self.stream.say(self.alice, "one")
        self.stream.admit(CAROL, self.bob)
        events = self.alice.feed(5, self.signed(self.bob, seen_seq=2))
        self.assertEqual(events[0], Alarm(LABEL, Reason.REORDERED, BOB.fingerprint, 5))

    def test_an_entry_that_saw_the_future(self) -> None:
        """It holds, as the log alone decides; its author is named; T goes on as it was."""
        signed = resigned(proposal(CAROL, self.bob), BOB, seq=MAX_INTEGER)
        events = self.alice.feed(3, signed.encode())
        self.assertEqual(events[0], Alarm(LABEL, Reason.REORDERED, BOB.fingerprint, 3))
        self.assertEqual(self.alice.room.log.head, signed.head)
        self.assertEqual(self.alice.room._transcript.newest[0], 3)


class ForgeryTests(RoomCase):
    """E1: frames that their sender did not make."""

    def forged(self, frame: Frame, sender: Identity | None, member: Member | None = None) -> None:
        """*member* (Alice) gets *frame*, is alarmed, and goes on as before."""
        reader = member or self.alice
        self.alarmed(reader.feed(self.next(reader), frame), Reason.FORGED, sender)

    def test_changed_bytes(self) -> None:
        """A bit of nonce or ciphertext is another one; the frame itself is still good after it."""
        frame = self.bob.said("hello")
        self.forged(attrs.evolve(frame, nonce=flipped(frame.nonce)), BOB)
        self.forged(attrs.evolve(frame, ciphertext=flipped(frame.ciphertext)), BOB)
        self.forged(attrs.evolve(frame, ciphertext=b"x"), BOB)
        self.assertEqual(texts(self.alice.feed(6, frame)), ["hello"])

    def test_in_anothers_row(self) -> None:
        """Carol's frame, said to be Bob's, or said to be of a row that is not there."""
        carol = self.stream.admit(CAROL, self.alice)
        frame = carol.said("hello")
        self.forged(attrs.evolve(frame, header=Header(3, 1, 0)), BOB)
        self.forged(attrs.evolve(frame, header=Header(3, 3, 0)), None)
        self.forged(attrs.evolve(frame, header=Header(3, MAX_INTEGER, 0)), None)

    def test_an_insider_who_has_all_keys(self) -> None:
        """Carol encrypts as Bob, whose ratchet she can derive; the signature is hers."""
        carol = self.stream.admit(CAROL, self.alice)
        room = carol.room
        header = Header(3, 1, 0)
        content = Content(Kind.TEXT, *room._transcript.newest, b"hello")
        ratchet = room._keys.ratchets[1]
        frame = seal_frame(CAROL, ratchet, room.id, room.log.head, header, content)
        self.forged(frame, BOB)
        self.assertEqual(texts(self.alice.feed(5, self.bob.said("me"))), ["me"])

    def test_an_insider_who_signs_nothing(self) -> None:
        """Junk under Bob's key is not taken for something that Bob signed."""
        room = self.alice.room
        key, _ = room._keys.ratchets[1].step()
        associated = digest("ad", room.id, room.log.head, [2, 1, 0])
        frame = Frame(Header(2, 1, 0), bytes(12), encrypt(key, bytes(12), b"junk", associated))
        self.forged(frame, BOB)

    def test_of_another_epoch(self) -> None:
        """The relay does not bring back what was said before an entry, nor what comes later."""
        old = self.bob.said("hello")
        self.stream.admit(CAROL, self.alice)
        self.forged(old, None)
        self.forged(attrs.evolve(old, header=Header(4, 1, 0)), None)

    def test_in_ones_own_name(self) -> None:
        """A frame in one's own row that one did not make, now or ever, is not delivered."""
        frame = self.bob.said("hello")
        self.forged(attrs.evolve(frame, nonce=flipped(frame.nonce)), BOB, self.bob)
        self.forged(attrs.evolve(frame, header=Header(2, 1, 1)), BOB, self.bob)
        self.assertEqual(self.bob.feed(5, frame), [Delivered(LABEL, 0, 5, "hello")])


class BadEntryTests(RoomCase):
    """D1: changes of the roster that break the rules."""

    def refused(self, data: bytes) -> None:
        """Alice is alarmed by the entry, and her room is as it was."""
        place, roster = self.alice.room.place, self.alice.room.roster
        self.alarmed(self.alice.feed(self.next(self.alice), data), Reason.BAD_ENTRY, None)
        self.assertEqual((self.alice.room.place, self.alice.room.roster), (place, roster))

    def test_the_relay_adds_somebody(self) -> None:
        """A forged `user_added`: signed by who is no member, or by nobody."""
        log = self.alice.room.log
        self.refused(adding(log, MALLORY, MALLORY).encode())
        good = adding(log, MALLORY, BOB)
        self.refused(attrs.evolve(good, signature=bytes(64)).encode())
        self.refused(SignedEntry.make(good.entry, good.tag, MALLORY).encode())

    def test_a_member_adds_a_ghost(self) -> None:
        """C2: an insider cannot add who did not agree."""
        good = adding(self.alice.room.log, DAVE, BOB)
        add = consenting(MALLORY, place_of(self.alice.room.log), BOB)
        ghost = attrs.evolve(
            consenting(DAVE, place_of(self.alice.room.log), BOB), consent=add.consent
        )
        self.refused(resigned(good, BOB, detail=ghost).encode())

    def test_junk(self) -> None:
        """What is no entry at all is no accident."""
        entry = self.alice.room.first_entry.encode()
        for junk in (b"", b"junk", encode(), encode(1, 2, 3), entry[:-1], entry + b"\0"):
            self.refused(junk)

    def test_what_was_unsent_stays(self) -> None:
        """Only an entry that holds makes frames dead."""
        frame = self.alice.said("hello")
        self.refused(adding(self.alice.room.log, MALLORY, MALLORY).encode())
        self.assertEqual((self.alice.room.unsent, list(self.alice.room.outgoing)), (1, []))
        self.assertEqual(self.alice.feed(4, frame), [Delivered(LABEL, 0, 4, "hello")])

    def test_another_tag_divides_nobody(self) -> None:
        """Who can derive the key needs no tag: members with another tag before them go on."""
        good = proposal(CAROL, self.bob)
        signed = SignedEntry.make(good.entry, bytes(32), BOB)
        self.stream.append(signed.encode())
        self.stream.say(self.alice, "hello")
        self.assertEqual(texts(self.bob.heard), ["hello"])


class MalformedTests(RoomCase):
    """What a member signed, and is no message."""

    def malformed(self, **changes: Any) -> None:
        """Bob's frame with *changes* is an alarm, and Bob is heard after it."""
        frame = self.signed(self.bob, **changes)
        self.bob.said("uses the number")
        self.alarmed(self.alice.feed(self.next(self.alice), frame), Reason.MALFORMED, BOB)
        events = self.alice.feed(self.next(self.alice), self.bob.said("hello"))
        self.assertEqual(texts(events), ["hello"])

    def test_text_that_is_no_utf_8(self) -> None:
        """A text is UTF-8, without surrogates."""
        for body in (b"\xff", b"\xed\xa0\x80", b"caf\xe9"):
            self.malformed(body=body)

    def test_a_greeting_that_is_none(self) -> None:
        """A name and a fingerprint, and nothing else."""
        for body in (
            b"",
            b"bob",
            encode("bob"),
            encode(1, BOB.fingerprint),
            encode("bob", b"short"),
            encode("bob", BOB.fingerprint, 0),
        ):
            self.malformed(kind=Kind.HELLO, body=body)

    def test_a_greeting_for_somebody_else(self) -> None:
        """E5: the identity of a greeting is that of its signature."""
        self.malformed(kind=Kind.HELLO, body=encode("alice", ALICE.fingerprint))
        self.assertEqual(self.alice.room.names, {})

    def test_content_that_is_none(self) -> None:
        """Signed as it should be, padded as it should not: the number is used all the same."""

        class Junk(Content):
            def padded(self) -> bytes:
                """No padding at all."""
                return b"junk"

        self.patch(speaking, "Content", Junk)
        self.bob.room.say(Kind.TEXT, b"hello")
        junk = self.bob.room.outgoing.pop()
        self.patch(speaking, "Content", Content)
        self.alarmed(self.alice.feed(3, junk), Reason.MALFORMED, BOB)
        self.assertEqual(texts(self.alice.feed(4, self.bob.said("hello"))), ["hello"])


class AlarmTests(RoomCase):
    """What is kept of alarms."""

    def test_alarms_stay(self) -> None:
        """However much good follows, an alarm is not taken back."""
        self.alice.feed(0, b"")
        self.stream.say(self.bob, "all is well")
        (alarm,) = self.alice.room.alarms
        self.assertEqual(alarm, Alarm(LABEL, Reason.REPLAYED, None, 0))

    def test_a_relay_cannot_fill_memory_with_them(self) -> None:
        """The first of each reason and sender is kept; every one of them is told."""
        self.stream.say(self.bob, "hello")
        replayed = self.stream.items[2]
        for seq in range(4, 1000):
            (alarm,) = self.alice.feed(seq, replayed)
            self.assertIsInstance(alarm, Alarm)
            self.alice.feed(0, b"")
        self.assertEqual(
            [(each.reason, each.sender, each.seq) for each in self.alice.room.alarms],
            [(Reason.REPLAYED, BOB.fingerprint, 4), (Reason.REPLAYED, None, 0)],
        )
