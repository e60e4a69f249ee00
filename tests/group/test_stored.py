"""What of a room is stored, and the room that comes back of it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode, encode
from securechat.errors import EncodingError
from securechat.group import messages
from securechat.group.detail import Why
from securechat.group.events import Delivered
from securechat.group.messages import Kind
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.group.transcript import WINDOW
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    Member,
    anyone,
    room_of,
    trusting,
)


def stored(member: Member) -> dict[str, bytes]:
    """All the parts of the member's room, as they are after the first `changes`."""
    return {name: data for name, data in member.room.changes().items() if data is not None}


def facts(room: Room) -> tuple[object, ...]:
    """What can be seen of a room."""
    return (
        room.label,
        room.place,
        room.seq,
        room.roster,
        dict(room.names),
        room.confirmed,
        room.inside,
        room.gone,
        room.stuck,
        room.unsent,
        room.held,
        room.waiting,
        dict(room.leaving),
        room.stale,
        room.alarms,
        room.first_entry,
        room.log,
        room.entries_after(1, dict(room.log.heads).get(1, b"")),
        room._transcript.newest,
        {seq: room._transcript.at(seq) for seq in range(room.seq + 2)},
    )


class StoredTests(SynchronousTestCase):
    """One room, stored and restored."""

    def setUp(self) -> None:
        """Alice, Bob and Carol, with some of everything in their rooms."""
        self.stream, (self.alice, self.bob, self.carol) = room_of(ALICE, BOB, CAROL)
        self.parts = stored(self.bob)

    def changed(self) -> dict[str, bytes | None]:
        """What changed in Bob's room, which is stored."""
        changes = self.bob.room.changes()
        for name, data in changes.items():
            if data is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = data
        return changes

    def back(self) -> Room:
        """Bob's room as it was when it was stored last."""
        return Room.restore(BOB, self.parts, anyone)

    def same(self) -> None:
        """What is stored of Bob's room now makes the same room."""
        self.changed()
        back = self.back()
        self.assertEqual(facts(back), facts(self.bob.room))
        self.assertEqual(back.changes(), {})

    def test_everything_comes_back(self) -> None:
        """Names, alarms, what is unsent, who leaves, how far it has come."""
        self.same()
        self.alice.room.greet("alice")
        self.stream.flush()
        self.same()
        self.bob.feed(0, b"")
        self.bob.feed(self.stream.seq, b"")
        self.bob.room.take_leave(CAROL.fingerprint, bytes(64))
        self.bob.room.say(Kind.TEXT, b"unsent")
        self.same()
        self.stream.leave(self.carol)
        self.bob.room.say(Kind.TEXT, b"held")
        self.bob.room.update()
        self.same()
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        self.same()
        self.bob.room.caught_up(self.stream.seq + 2)
        self.same()

    def test_a_founder_and_a_newcomer_who_are_not_inside_yet(self) -> None:
        """What is stored before the first entry has come is enough to go on from."""
        room = Room.found(ALICE, "lobby", self.alice.room.log.membership.policy, anyone)
        parts = {name: data for name, data in room.changes().items() if data is not None}
        back = Room.restore(ALICE, parts, anyone)
        self.assertEqual(facts(back), facts(room))
        back.take_entry(1, back.first_entry.encode())
        self.assertTrue(back.inside)

    def test_who_was_removed(self) -> None:
        """It knows by whom and why, and there is no key in what is stored."""
        self.stream.remove(self.alice, self.bob)
        self.same()
        self.assertFalse([name for name in self.parts if name.startswith(("secret", "ratchet"))])
        self.assertEqual(self.back().gone, self.bob.room.gone)

    def test_who_is_stuck(self) -> None:
        """It stays so."""
        change = self.alice.room.update()
        self.stream.append(change.signed.encode())
        self.assertTrue(self.bob.room.stuck)
        self.same()
        self.assertFalse([name for name in self.parts if name.startswith(("secret", "ratchet"))])

    def test_a_pending_update(self) -> None:
        """The new leaf is stored before the entry is sent, so its slice opens after a crash."""
        change = self.bob.room.update()
        self.changed()
        self.bob.room = self.back()
        self.stream.land(change)
        self.assertFalse(self.bob.room.stuck)
        self.same()

    def test_no_key_is_used_twice(self) -> None:
        """What was stored with a frame sends the same bytes again, and the next n after it."""
        self.bob.room.say(Kind.TEXT, b"one")
        (frame,) = self.bob.room.outgoing
        self.changed()
        back = self.back()
        self.assertFalse(back.outgoing)
        back.caught_up(self.stream.seq)
        self.assertEqual(list(back.outgoing), [frame])
        self.assertEqual(back.say(Kind.TEXT, b"two"), 1)
        self.assertEqual(back.outgoing[-1].header.n, frame.header.n + 1)
        self.assertEqual(back.take_frame(4, frame), [Delivered("lobby", 0, 4, "one")])

    def test_trust_is_asked_anew(self) -> None:
        """Whom the user trusts is not stored with the room."""
        carol = stored(self.carol)
        back = Member(CAROL, Room.restore(CAROL, carol, trusting(BOB)))
        back.feed(4, self.bob.said("hello"))
        self.assertTrue(back.room.confirmed)
        self.carol.room = Room.restore(CAROL, carol, trusting())
        self.assertFalse(self.carol.room.confirmed)

    def test_a_message_changes_little(self) -> None:
        """Said or heard, in a room of any size: a few parts, and a few hundred bytes of them."""
        self.changed()
        self.bob.room.say(Kind.TEXT, b"hello")
        said = self.changed()
        self.assertEqual(set(said), {"progress", "ratchet/1", "said/0"})
        self.stream.flush()
        delivered = self.changed()
        self.assertEqual(set(delivered), {"progress", "transcript/4", "said/0"})
        self.assertIsNone(delivered["said/0"])
        self.stream.say(self.alice, "hello")
        heard = self.changed()
        seen = f"seen/{ALICE.fingerprint.hex()}"
        self.assertEqual(set(heard), {"progress", "ratchet/0", "transcript/5", seen})
        self.assertLess(sum(len(data or b"") for data in heard.values()), 300)
        self.assertEqual(self.changed(), {})

    def test_an_entry_changes_what_it_has_to(self) -> None:
        """The log, and every ratchet; rows that are no more are taken away."""
        self.changed()
        self.stream.remove(self.alice, self.carol)
        changes = self.changed()
        self.assertIn("log", changes)
        self.assertIsNone(changes["ratchet/2"])
        self.assertNotIn("first", changes)

    def test_what_is_kept_of_the_stream_is_bounded(self) -> None:
        """The transcript's parts are used again after 4,096 numbers."""
        self.stream.members.remove(self.bob)
        for seq in range(4, WINDOW + 20):
            self.bob.feed(seq, b"junk")
        self.changed()
        slots = [name for name in self.parts if name.startswith("transcript/")]
        self.assertEqual(len(slots), WINDOW)

    def test_parts_that_are_none(self) -> None:
        """What is missing, damaged, or of another room or identity is refused, whatever it is."""
        self.bob.room.say(Kind.TEXT, b"hello")
        self.bob.feed(0, b"")
        self.changed()
        for name in ("log", "first", "progress", "secret/chain", "ratchet/0"):
            parts = dict(self.parts)
            del parts[name]
            self.assertRaises(EncodingError, Room.restore, BOB, parts, anyone)
        for name in self.parts:
            self.assertRaises(
                EncodingError, Room.restore, BOB, {**self.parts, name: b"junk"}, anyone
            )
        self.assertRaises(EncodingError, Room.restore, DAVE, self.parts, anyone)
        self.assertRaises(EncodingError, Room.restore, BOB, {}, anyone)

    def test_values_that_are_none(self) -> None:
        """Kinds, reasons, digests and frames that there are not."""
        self.bob.room.say(Kind.TEXT, b"hello")
        self.bob.feed(0, b"")
        self.changed()
        kind, body, since, frame = decode(self.parts["said/0"])
        reason, _, seq = decode(self.parts["alarm/0"])
        slot = decode(self.parts["transcript/3"])
        progress = decode(self.parts["progress"])
        removed = [ALICE.fingerprint, 9, 7]
        for name, value in (
            ("said/0", [99, body, since, frame]),
            ("said/0", [kind, body, since, frame[:-1]]),
            ("alarm/0", ["no reason", b"", seq]),
            ("alarm/0", [reason, b"nobody", seq]),
            ("transcript/3", [slot[0], b"short", slot[2]]),
            ("transcript/3", [slot[0], slot[1], b"short"]),
            ("ratchet/0", [b"short", 1]),
            ("secret/chain", ["text"]),
            ("leave/00", [b"short"]),
            ("progress", [*progress[:-1], removed]),
            ("progress", [*progress[:-1], [1, 2, 3]]),
        ):
            self.assertRaises(
                EncodingError, Room.restore, BOB, {**self.parts, name: encode(*value)}, anyone
            )


class Twins:
    """
    Alice and others make things happen; Bob hears of them, and so does his twin, who crashes now
    and then and is restored.
    """

    def __init__(self) -> None:
        self.stream, (self.alice, self.bob) = room_of(ALICE, BOB)
        self.stream.members.remove(self.bob)
        self.people = [CAROL, DAVE]
        self.others: list[Member] = []
        self.parts: dict[str, bytes] = {}
        self.crash()

    @property
    def both(self) -> tuple[Member, Member]:
        """Bob and his twin."""
        return self.bob, self.twin

    def crash(self) -> None:
        """The twin is what was stored of Bob; the connection of both is lost, and made again."""
        for name, data in self.bob.room.changes().items():
            if data is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = data
        self.twin = Member(BOB, Room.restore(BOB, self.parts, anyone), list(self.bob.heard))
        self.bob.room.outgoing.clear()
        self.catch_up()

    def catch_up(self) -> None:
        """Both hear all that they have not, and are told so."""
        for each in self.both:
            self.stream.show(each)
            each.heard += each.room.caught_up(self.stream.seq)

    def may_speak(self) -> bool:
        """Whether Bob is a member with keys."""
        return self.bob.room.gone is None and not self.bob.room.stuck

    def say(self) -> None:
        """Both say the same."""
        if self.may_speak():
            for each in self.both:
                each.room.say(Kind.TEXT, b"text %d" % each.room._outbox.tickets)

    def flush(self) -> None:
        """What they said is in the stream."""
        while self.bob.room.outgoing:
            self.stream.append(self.bob.room.outgoing.popleft())
            self.twin.room.outgoing.popleft()
        self.catch_up()

    def lose(self) -> None:
        """What they said is lost on the way."""
        for each in self.both:
            each.room.outgoing.clear()

    def gap(self) -> None:
        """The relay no longer has something when they come back."""
        self.stream.say(self.alice, "lost to Bob")
        for each in self.both:
            each.heard += each.room.caught_up(self.stream.seq)

    def other(self) -> None:
        """Somebody else says something."""
        self.stream.say(self.alice, "from Alice")

    def greet(self) -> None:
        """Somebody else gives itself a name."""
        self.alice.room.greet(f"alice {self.stream.seq}")
        self.stream.flush()

    def junk(self) -> None:
        """The relay makes something up."""
        self.stream.slices[self.stream.seq + 1] = {}
        self.stream.items.append(b"junk")
        for each in self.stream.members:
            self.stream.show(each)

    def replay(self) -> None:
        """The relay shows something again."""
        for each in self.both:
            each.feed(1, self.stream.items[0])

    def admit(self) -> None:
        """Somebody joins."""
        if self.people:
            self.others.append(self.stream.admit(self.people.pop(), self.alice))

    def leave(self) -> None:
        """Somebody wants to leave."""
        if self.others:
            signature = self.others[-1].room.leave()
            self.catch_up()
            for each in (self.alice, *self.both):
                each.take_leave(self.others[-1].fingerprint, signature)

    def remove(self) -> None:
        """Somebody is removed."""
        if self.others:
            self.stream.remove(self.alice, self.others.pop())

    def remove_bob(self) -> None:
        """Bob is removed."""
        if BOB.fingerprint in self.alice.room.log.membership.index:
            self.stream.remove(self.alice, self.bob)

    def update(self) -> None:
        """The keys are renewed."""
        self.stream.update(self.alice)

    def withhold(self) -> None:
        """The keys are renewed, and the relay gives Bob no slice."""
        change = self.alice.room.update()
        slices = self.stream.sealed(change)
        slices.pop(BOB.fingerprint, None)
        self.stream.append(change.signed.encode(), slices)

    def own_update(self) -> None:
        """Bob renews the keys, and stores that before he sends it."""
        self.catch_up()
        if self.may_speak():
            change = self.bob.room.update()
            self.crash()
            self.stream.land(change)

    def reform(self) -> None:
        """The policy is another."""
        self.stream.reform(self.alice, Policy(rounds=self.stream.seq))


STEPS: list[Callable[[Twins], None]] = [
    Twins.crash,
    Twins.catch_up,
    Twins.say,
    Twins.flush,
    Twins.lose,
    Twins.gap,
    Twins.other,
    Twins.greet,
    Twins.junk,
    Twins.replay,
    Twins.admit,
    Twins.leave,
    Twins.remove,
    Twins.remove_bob,
    Twins.update,
    Twins.withhold,
    Twins.own_update,
    Twins.reform,
]


class TwinTests(SynchronousTestCase):
    """A room and one that was restored: told the same, they do the same."""

    @given(st.lists(st.sampled_from(STEPS), max_size=15))
    def test_restored_at_any_moment(self, steps: list[Callable[[Twins], None]]) -> None:
        """Events, frames and all that can be seen are the same, with a crash or without."""
        self.patch(messages, "random_bytes", bytes)  # else no two frames have the same bytes
        twins = Twins()
        for step in [*steps, Twins.flush]:
            step(twins)
            self.assertEqual(facts(twins.twin.room), facts(twins.bob.room))
            self.assertEqual(twins.twin.room.outgoing, twins.bob.room.outgoing)
            self.assertEqual(twins.twin.heard, twins.bob.heard)
        twins.crash()
        self.assertEqual(facts(twins.twin.room), facts(twins.bob.room))
