"""Departures: who leaves, what waits meanwhile, and what becomes of who is removed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import decode
from securechat.errors import EntryRefused, KeysGone, MessageTooLong, NotAMember
from securechat.group.detail import Removal, Why
from securechat.group.events import (
    Alarm,
    Delivered,
    MemberAdded,
    MemberLeaving,
    MemberRemoved,
    Message,
    Reason,
    Reformed,
    Removed,
    Uncertain,
)
from securechat.group.messages import MAX_BODY, Kind
from securechat.group.roster import Policy
from securechat.revocation import revocation
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    flipped,
    leave_of,
    place_of,
    proposal,
    room_of,
)
from tests.group.test_room import texts


class LeavingCase(SynchronousTestCase):
    """Alice, who founded the room, Bob and Carol."""

    def setUp(self) -> None:
        """The stream holds three entries."""
        self.stream, (self.alice, self.bob, self.carol) = room_of(ALICE, BOB, CAROL)
        self.all = (self.alice, self.bob, self.carol)


class LeaveTests(LeavingCase):
    """A signed request."""

    def test_everybody_learns_of_it(self) -> None:
        """Who stays and who leaves: it is the leaver's receipt."""
        signature = self.stream.leave(self.carol)
        for member in self.all:
            self.assertEqual(member.of(MemberLeaving), [MemberLeaving(LABEL, CAROL.fingerprint)])
            self.assertEqual(member.room.leaving, {CAROL.fingerprint: signature})
            self.assertEqual(member.room.roster, self.alice.room.roster)

    def test_it_is_about_this_room_and_row(self) -> None:
        """What is signed is the room, the fingerprint, and the leaf of the row."""
        self.assertEqual(self.carol.room.leave(), leave_of(self.alice.room.log, CAROL))

    def test_it_is_told_once(self) -> None:
        """A relay that says it again, to one who comes back, tells nobody anything new."""
        signature = self.stream.leave(self.carol)
        self.assertEqual(self.alice.room.take_leave(CAROL.fingerprint, signature), [])

    def test_in_roster_order(self) -> None:
        """However the relay tells it."""
        self.stream.leave(self.carol)
        self.stream.leave(self.bob)
        self.assertEqual(list(self.alice.room.leaving), [BOB.fingerprint, CAROL.fingerprint])

    def test_who_does_not_wait_for_its_removal(self) -> None:
        """Once the relay has its leave it may wipe its keys: it says and reads nothing more."""
        frame = self.bob.said("crossed")
        self.stream.leave(self.carol)
        self.carol.room.say(Kind.TEXT, b"held")
        self.carol.room.wipe()
        self.stream.append(frame)
        self.assertEqual(texts(self.carol.heard), [])
        self.assertEqual(self.carol.room.held, 0)
        self.assertEqual(self.carol.room.me, CAROL.fingerprint)
        self.assertRaises(KeysGone, self.carol.room.say, Kind.TEXT, b"hello")

    def test_a_relay_makes_nobody_leave(self) -> None:
        """A signature that does not hold is an alarm that names the member, and nothing more."""
        good = self.carol.room.leave()
        for signature in (bytes(64), flipped(good), self.bob.room.leave()):
            (alarm,) = self.alice.room.take_leave(CAROL.fingerprint, signature)
            self.assertEqual(alarm, Alarm(LABEL, Reason.FORGED, CAROL.fingerprint, 3))
        self.assertEqual(self.alice.room.leaving, {})

    def test_who_is_not_on_the_roster_does_not_leave_it(self) -> None:
        """The line may have crossed an entry: it is passed over."""
        signature = MALLORY.sign("leave", self.alice.room.id, MALLORY.fingerprint, bytes(32))
        self.assertEqual(self.alice.room.take_leave(MALLORY.fingerprint, signature), [])

    def test_a_new_leaf_makes_it_void(self) -> None:
        """A leave is for one leaf: an update of its author ends it, another's does not."""
        self.stream.leave(self.carol)
        self.stream.update(self.bob)
        self.assertEqual(list(self.alice.room.leaving), [CAROL.fingerprint])
        signature = self.stream.leave(self.bob)
        self.stream.update(self.bob)
        self.assertEqual(list(self.alice.room.leaving), [CAROL.fingerprint])
        (alarm,) = self.alice.room.take_leave(BOB.fingerprint, signature)
        self.assertIsInstance(alarm, Alarm)


class HoldingTests(LeavingCase):
    """Nobody sends between a known departure and the new keys."""

    def test_what_is_said_waits_and_then_goes_in_order(self) -> None:
        """Texts are held, and come out under the new key once the leaver is off the roster."""
        self.stream.leave(self.carol)
        tickets = [self.bob.room.say(Kind.TEXT, b"%d" % number) for number in range(3)]
        self.assertEqual((self.bob.room.held, self.bob.room.unsent), (3, 0))
        self.assertFalse(self.bob.room.outgoing)
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        self.assertEqual((self.bob.room.held, self.bob.room.unsent), (0, 3))
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["0", "1", "2"])
        self.assertEqual([each.ticket for each in self.bob.of(Delivered)], tickets)
        self.assertEqual(texts(self.carol.heard), [])

    def test_what_was_on_its_way_is_not_sent_any_more(self) -> None:
        """A frame that waits for its connection is held back, and said anew with the rest."""
        self.bob.room.say(Kind.TEXT, b"before")
        self.stream.leave(self.carol)
        self.bob.room.say(Kind.TEXT, b"after")
        self.assertFalse(self.bob.room.outgoing)
        self.assertEqual(self.bob.room.caught_up(self.stream.seq), [])
        self.assertFalse(self.bob.room.outgoing)
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["before", "after"])

    def test_what_was_sent_already_may_come_back(self) -> None:
        """What the relay has it numbers: the sender had not heard of the leave."""
        frame = self.bob.said("crossed")
        self.stream.leave(self.carol)
        self.stream.append(frame)
        self.assertEqual(texts(self.alice.heard), ["crossed"])
        self.assertEqual(self.bob.room.unsent, 0)

    def test_heartbeats_are_skipped(self) -> None:
        """An empty message is not worth waiting for: neither a new one, nor one that died."""
        self.bob.room.say(Kind.HEARTBEAT, b"")
        self.stream.leave(self.carol)
        self.assertEqual(self.bob.room.say(Kind.HEARTBEAT, b""), 1)
        self.assertEqual(self.bob.room.say(Kind.TEXT, b"2"), 2)
        self.assertEqual(self.bob.room.held, 1)
        self.stream.admit(DAVE, self.alice)
        self.assertEqual((self.bob.room.held, self.bob.room.unsent), (1, 0))

    def test_another_entry_does_not_let_them_go(self) -> None:
        """A newcomer's entry makes new keys, which the leaver can derive: all goes on waiting."""
        self.bob.room.say(Kind.TEXT, b"0")
        self.stream.leave(self.carol)
        self.bob.room.say(Kind.TEXT, b"1")
        self.stream.admit(DAVE, self.alice)
        self.assertEqual((self.bob.room.held, self.bob.room.unsent), (2, 0))
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["0", "1"])

    def test_until_all_have_gone(self) -> None:
        """Two leave and one is removed: there is one to wait for yet."""
        dave = self.stream.admit(DAVE, self.alice)
        self.stream.leave(self.carol)
        self.stream.leave(dave)
        self.bob.room.say(Kind.TEXT, b"at last")
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        self.assertEqual(self.bob.room.held, 1)
        self.stream.remove(self.alice, dave, why=Why.LEFT)
        self.stream.flush()
        self.assertEqual(texts(self.alice.heard), ["at last"])

    def test_a_message_that_is_too_long_is_not_held(self) -> None:
        """It is refused when it is said, not when it cannot be asked about any more."""
        self.stream.leave(self.carol)
        self.assertRaises(MessageTooLong, self.bob.room.say, Kind.TEXT, bytes(MAX_BODY + 1))
        self.assertEqual((self.bob.room.held, self.bob.room.say(Kind.TEXT, b"short")), (0, 0))

    def test_what_is_held_is_not_in_a_repr(self) -> None:
        """Nor does it show in logs."""
        self.stream.leave(self.carol)
        self.bob.room.say(Kind.TEXT, b"hello")
        self.assertNotIn("hello", repr(dict(self.bob.room._outbox.said)))


class RemovedTests(LeavingCase):
    """Who is taken off the roster."""

    def test_everybody_is_told_by_whom_and_why(self) -> None:
        """Who stays, of each who goes; and who goes, of itself."""
        dave = self.stream.admit(DAVE, self.alice)
        self.stream.leave(self.carol)
        signature = self.bob.room.leaving[CAROL.fingerprint]
        self.stream.land(
            self.alice.room.remove(
                [
                    Removal(DAVE.fingerprint, Why.KICKED),
                    Removal(CAROL.fingerprint, Why.LEFT, signature),
                ]
            )
        )
        by, seq = ALICE.fingerprint, self.stream.seq
        for member in (self.alice, self.bob):
            self.assertEqual(
                member.of(MemberRemoved),
                [
                    MemberRemoved(LABEL, DAVE.fingerprint, by, Why.KICKED, seq),
                    MemberRemoved(LABEL, CAROL.fingerprint, by, Why.LEFT, seq),
                ],
            )
            self.assertEqual(len(member.room.roster), 2)
            self.assertEqual(member.room.leaving, {})
        for member, why in ((dave, Why.KICKED), (self.carol, Why.LEFT)):
            removed = Removed(LABEL, by, why, seq)
            self.assertEqual(member.heard[-1], removed)
            self.assertEqual(member.room.gone, removed)
            self.assertEqual(member.of(MemberRemoved), [])

    def test_it_keeps_the_place_and_no_key(self) -> None:
        """G and head, to know the room again; neither chain, leaf nor ratchets."""
        self.stream.remove(self.alice, self.carol)
        room = self.carol.room
        self.assertEqual(room.place, self.alice.room.place)
        self.assertTrue(room._keys.lost)
        self.assertEqual((dict(room._keys.secrets), dict(room._keys.ratchets)), ({}, {}))
        self.assertFalse(room.stuck)

    def test_it_takes_no_part_any_more(self) -> None:
        """Whatever comes is passed over, and nothing can be said."""
        self.carol.room.say(Kind.TEXT, b"lost")
        self.stream.remove(self.alice, self.carol)
        room, seq = self.carol.room, self.stream.seq
        self.assertEqual((room.unsent, room.held, len(room.outgoing)), (0, 0, 0))
        self.stream.say(self.alice, "secret")
        self.stream.update(self.bob)
        self.stream.leave(self.bob)
        before = list(self.carol.heard)
        for number, item in enumerate(self.stream.items[seq:], start=seq + 1):
            self.assertEqual(self.carol.feed(number, item), [])
        signature = self.bob.room.leave()
        self.assertEqual(room.take_leave(BOB.fingerprint, signature), [])
        self.assertEqual(room.caught_up(99), [])
        self.assertEqual((self.carol.heard, room.seq), (before, seq))
        self.assertRaises(NotAMember, room.say, Kind.TEXT, b"hello")
        self.assertRaises(NotAMember, room.leave)
        self.assertRaises(NotAMember, lambda: room.leaf_epoch)
        self.assertRaises(EntryRefused, room.update)

    def test_it_needs_no_slice_and_no_tag(self) -> None:
        """It takes the entry on its signature, as who was away gets it."""
        self.stream.members.remove(self.carol)
        self.stream.say(self.bob, "while you were away")
        self.stream.remove(self.alice, self.carol)
        self.stream.show(self.carol)
        self.assertEqual(texts(self.carol.heard), ["while you were away"])
        self.assertEqual(self.carol.room.gone, Removed(LABEL, ALICE.fingerprint, Why.KICKED, 5))
        self.assertEqual(self.carol.room.alarms, [])

    def test_nothing_of_what_follows_can_be_read(self) -> None:
        """With all that it had before, no key of the new epoch is to be derived."""
        old = [self.carol.room._keys.chain, *self.carol.room._keys.ratchets.values()]
        self.stream.remove(self.alice, self.carol)
        for member in (self.alice, self.bob):
            new = [member.room._keys.chain, *member.room._keys.ratchets.values()]
            self.assertFalse(set(map(repr, old[:1])) & set(map(repr, new)))
        self.assertEqual(self.alice.room._keys.chain, self.bob.room._keys.chain)

    def test_what_may_have_been_sent_is_uncertain(self) -> None:
        """Where numbers are missing before the removal, so is what was on its way."""
        self.stream.members.remove(self.carol)
        self.stream.append(self.carol.said("did it arrive?"))
        self.stream.remove(self.alice, self.carol)
        events = self.carol.feed(5, self.stream.items[4])
        self.assertEqual(events[-1], Uncertain(LABEL, 0, "did it arrive?"))
        self.assertEqual(events[-2], self.carol.room.gone)

    def test_a_revoked_member(self) -> None:
        """Anybody removes it, with what the certificate holds."""
        *_, signature = decode(revocation(ALICE))
        self.stream.land(self.bob.room.remove([Removal(ALICE.fingerprint, Why.REVOKED, signature)]))
        self.assertEqual(self.alice.room.gone, Removed(LABEL, BOB.fingerprint, Why.REVOKED, 4))
        self.stream.say(self.carol, "safe again")
        self.assertEqual(texts(self.bob.heard), ["safe again"])

    def test_a_stale_member(self) -> None:
        """The room says who may be removed, and the entry holds."""
        stream, (alice, bob) = room_of(ALICE, BOB)
        stream.reform(alice, Policy(rounds=1))
        self.assertEqual(alice.room.stale, ())
        for _ in range(2):
            stream.update(alice)
        self.assertEqual(alice.room.stale, (BOB.fingerprint,))
        self.assertEqual(bob.room.stale, ())
        stream.remove(alice, bob, why=Why.STALE)
        self.assertEqual(bob.room.gone, Removed(LABEL, ALICE.fingerprint, Why.STALE, stream.seq))

    def test_who_comes_back_is_a_member_like_any_other(self) -> None:
        """In the last row, and without what was said meanwhile."""
        self.stream.remove(self.alice, self.carol)
        self.stream.say(self.bob, "about Carol")
        carol = self.stream.admit(CAROL, self.bob)
        self.stream.say(carol, "I am back")
        self.assertEqual(texts(carol.heard), [])
        self.assertEqual(texts(self.alice.heard), ["about Carol", "I am back"])
        self.assertEqual(carol.of(MemberAdded)[-1].member, self.alice.room.roster[-1].fingerprint)
        for member in (self.alice, self.bob, carol):
            self.assertEqual(member.room.alarms, [])

    def test_names_go_with_their_members(self) -> None:
        """What somebody called itself before is not what it is called now."""
        self.carol.room.greet("carol")
        self.stream.flush()
        self.stream.remove(self.alice, self.carol)
        self.assertEqual(self.alice.room.names, {})


class RaceTests(LeavingCase):
    """Entries that cross."""

    def test_two_who_remove_the_same(self) -> None:
        """The first at the relay wins; the other's reason is gone with it."""
        self.stream.leave(self.carol)
        signature = self.bob.room.leaving[CAROL.fingerprint]
        reason = [Removal(CAROL.fingerprint, Why.LEFT, signature)]
        late = self.bob.room.remove(reason)
        self.stream.remove(self.alice, self.carol, why=Why.LEFT)
        (alarm,) = self.bob.feed(self.stream.seq + 1, late.signed.encode())
        self.assertIsInstance(alarm, Alarm)
        self.assertRaises(EntryRefused, self.bob.room.remove, reason)

    def test_an_add_and_a_remove(self) -> None:
        """The loser makes its entry again on the new head, from the same consent."""
        late = proposal(DAVE, self.bob)
        self.stream.remove(self.alice, self.carol)
        signed, _ = self.bob.room.propose(late.entry.detail)  # type: ignore[arg-type]  # an Add
        self.stream.append(signed.encode())
        self.assertEqual(len(self.alice.room.roster), 3)
        self.assertEqual(place_of(self.alice.room.log).head, signed.head)

    def test_a_voucher_who_is_removed(self) -> None:
        """Nobody comes in by the word of who is out."""
        late = proposal(DAVE, self.carol)
        self.stream.remove(self.alice, self.carol)
        self.assertRaises(EntryRefused, self.carol.room.propose, late.entry.detail)
        (alarm,) = self.bob.feed(self.stream.seq + 1, late.encode())
        self.assertIsInstance(alarm, Alarm)


class PolicyTests(LeavingCase):
    """Reforms."""

    def test_everybody_is_told(self) -> None:
        """By whom, and all that holds from now on; the keys are new, without slices."""
        policy = Policy(rounds=7)
        self.stream.reform(self.alice, policy, moderators=[self.bob])
        for member in self.all:
            self.assertEqual(
                member.of(Reformed),
                [
                    Reformed(
                        LABEL,
                        ALICE.fingerprint,
                        policy,
                        (ALICE.fingerprint,),
                        (BOB.fingerprint,),
                        4,
                    )
                ],
            )
            self.assertFalse(member.room.stuck)
        self.assertEqual(self.stream.slices[4], {})
        self.stream.say(self.carol, "well")
        self.assertEqual(texts(self.bob.heard), ["well"])

    def test_others_cannot(self) -> None:
        """What the rules forbid is not made."""
        self.assertRaises(EntryRefused, self.bob.room.reform, Policy(), [BOB.fingerprint], [])


class StuckTests(LeavingCase):
    """Who has no keys."""

    def test_it_may_leave_and_come_back(self) -> None:
        """Its leave needs no key of the room; after its removal it joins like anybody."""
        change = self.alice.room.update()
        slices = self.stream.sealed(change)
        del slices[CAROL.fingerprint]
        self.stream.append(change.signed.encode(), slices)
        self.assertTrue(self.carol.room.stuck)
        self.assertRaises(KeysGone, self.carol.room.say, Kind.TEXT, b"hello")
        self.stream.leave(self.carol)
        self.stream.remove(self.bob, self.carol, why=Why.LEFT)
        self.assertEqual(self.carol.of(Removed)[0].by, BOB.fingerprint)
        self.assertFalse(self.carol.room.stuck)
        carol = self.stream.admit(CAROL, self.alice)
        self.stream.say(carol, "healed")
        self.assertEqual(self.bob.of(Message)[-1].text, "healed")
