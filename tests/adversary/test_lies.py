"""
Each lie of `tests.adversary.lies`, alone: who notices it, by what, and how soon.

Alice, Bob, Carol and Dave are in the room "lobby", and Bob is lied to. A lie is noticed at once,
with the next message, or within a heartbeat: the time after which every member says something,
see `HEARTBEAT`. The time is that of a `Clock`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.changing import LANDING_SECONDS, LEAF_KEYS_SECONDS
from securechat.client.departing import PICK_SECONDS, WHO_SECONDS
from securechat.client.events import Disconnected, Refusal
from securechat.client.heartbeat import patience
from securechat.errors import (
    AdmissionRefused,
    BadCiphertext,
    NotAMember,
    RelayForked,
    RelaySilent,
    RoomKnown,
    SecureChatError,
)
from securechat.group.admission import Place
from securechat.group.entry import SignedEntry
from securechat.group.events import (
    Alarm,
    FramesMissing,
    KeysLost,
    MemberAdded,
    MemberLeaving,
    MemberRemoved,
    Message,
    Reason,
)
from securechat.group.slices import open_slice
from securechat.testing import Person
from securechat.wire import SLICE, Begin, Send, Slices
from tests.adversary import lies
from tests.adversary.cast import Cast, Player, turns_by_name
from tests.adversary.invariants import Watcher
from tests.adversary.kit import LABEL, LyingNetwork, room, said, texts
from tests.adversary.lies import LIES, Lie

HEARTBEAT = patience(4, 0.5)
"""Seconds after which every member of a room of four has said something, in a test."""


class LieCase(SynchronousTestCase):
    """Bob is lied to."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.people = self.network.members("alice", "bob", "carol", "dave")
        self.alice, self.bob, self.carol, self.dave = self.people
        self.spoken: list[tuple[bytes, str]] = []

    def lie(self, lie: Lie, victim: Person | None = None) -> None:
        """Tell *lie*, to Bob if nobody else is named."""
        lie(self.network, victim or self.bob)

    def say(self, *people: Person) -> None:
        """Let *people* say something, and not wait until it is there."""
        for person in people:
            self.spoken.append((person.fingerprint, f"{len(self.spoken)}"))
            person.chat.send(room(person), self.spoken[-1][1])
        self.network.settle()

    def resume(self) -> None:
        """Break Bob's connection: he connects again, and resumes."""
        self.network.wire(self.bob).near.lose(Failure(ConnectionLost()))
        self.network.turn(5)

    def within(self, seconds: float, seen: Callable[[], object]) -> None:
        """Check that something is *seen* by the time that *seconds* have gone by."""
        self.network.settle()
        while not seen():
            self.assertGreater(seconds, 0, "it took too long")
            self.network.turn(1)
            seconds -= 1

    def alarmed(self, reason: Reason, *, within: float = 0, who: Person | None = None) -> None:
        """Check that Bob, or *who*, raises the alarm of *reason*, and believes nothing false."""
        victim = who or self.bob
        self.within(within, lambda: reason in {each.reason for each in victim.heard(Alarm)})
        self.nothing_false()

    def lost(self, why: type[SecureChatError], *, within: float) -> None:
        """Check that Bob is told within so many seconds that the connection is lost, and why."""
        losses = self.bob.heard(Disconnected)
        self.within(within, lambda: len(self.bob.heard(Disconnected)) > len(losses))
        self.assertIsInstance(self.bob.heard(Disconnected)[-1].why, why)
        self.nothing_false()

    def refused(self, why: type[SecureChatError]) -> None:
        """Check that Bob's room cannot be resumed, that he is told why, and keeps its keys."""
        self.assertIsInstance(self.bob.heard(Refusal)[-1].why, why)
        self.assertFalse(room(self.bob).stuck)
        self.assertIsNone(room(self.bob).gone)

    def nothing_false(self) -> None:
        """Check that all that anybody was shown was said, once, and all are who they were."""
        for person in self.people:
            shown = texts(person)
            self.assertEqual(len(shown), len(set(shown)))
            self.assertLessEqual(set(shown), set(self.spoken))
            added = [each for each in person.heard(MemberAdded) if each.label == LABEL]
            self.assertEqual(added, [])

    def shown(self, *authors: Person, to: Person | None = None) -> None:
        """Check that Bob, or another, was shown a message of each of *authors*, in that order."""
        senders = [sender for sender, _ in texts(to or self.bob)]
        self.assertEqual(senders, [each.fingerprint for each in authors])


class DropTests(LieCase):
    """It drops and delays."""

    def test_drops_a_message(self) -> None:
        """The number that is missing shows with the next line."""
        self.lie(lies.drops_a_message)
        self.say(self.alice, self.carol)
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.shown(self.carol)

    def test_drops_the_last_message(self) -> None:
        """And that is within a heartbeat."""
        self.lie(lies.drops_a_message)
        self.say(self.alice)
        self.within(HEARTBEAT, lambda: self.bob.heard(FramesMissing))
        self.nothing_false()

    def test_drops_a_message_and_closes_the_gap(self) -> None:
        """The next message of anybody says that its author has seen more."""
        self.lie(lies.drops_a_message_and_closes_the_gap)
        self.say(self.alice)
        self.say(self.carol)
        self.alarmed(Reason.REORDERED)

    def test_drops_a_message_of_who_goes_on(self) -> None:
        """The next message of the same author has a count that is too high, and is not shown."""
        self.lie(lies.drops_a_message_and_closes_the_gap)
        self.say(self.alice)
        self.say(self.alice)
        self.alarmed(Reason.DROPPED)
        self.shown()

    def test_says_nothing(self) -> None:
        """Bob's own heartbeat does not come back."""
        self.lie(lies.says_nothing)
        self.say(self.alice)
        self.lost(RelaySilent, within=2 * HEARTBEAT)

    def test_swallows_messages(self) -> None:
        """The same: and then Bob sends the same bytes again."""
        self.lie(lies.swallows_messages)
        self.say(self.bob)
        self.lost(RelaySilent, within=2 * HEARTBEAT)
        first = said(self.bob, Send)[0]
        self.network.be_honest()
        self.network.turn(5)
        self.assertIn(first, said(self.bob, Send)[1:])
        self.shown(self.bob, to=self.alice)

    def test_swallows_changes(self) -> None:
        """A change that does not land shows that the relay does not answer."""
        self.lie(lies.swallows_changes)
        self.bob.chat.renew(room(self.bob))
        self.lost(RelaySilent, within=LANDING_SECONDS)

    def test_delays_messages(self) -> None:
        """What comes late, and in order, is shown late, and nothing else is wrong."""
        self.lie(lies.delays_messages)
        self.say(self.alice, self.carol)
        self.shown(self.alice)
        self.network.turn(HEARTBEAT + 1)
        self.shown(self.alice, self.carol)
        self.assertEqual(self.bob.heard(Alarm), [])


class OrderTests(LieCase):
    """It replays and reorders."""

    def setUp(self) -> None:
        super().setUp()
        self.say(self.alice)

    def test_replays_a_message(self) -> None:
        """A number that was there before is noticed at once."""
        self.lie(lies.replays_a_message)
        self.alarmed(Reason.REPLAYED)
        self.shown(self.alice)

    def test_replays_a_message_as_new(self) -> None:
        """So is a message that was there before."""
        self.lie(lies.replays_a_message_as_new)
        self.alarmed(Reason.REPLAYED)
        self.shown(self.alice)

    def test_replays_an_entry(self) -> None:
        """An entry that stands on an old head changes nothing, and is noticed at once."""
        place = room(self.dave).place
        self.lie(lies.replays_an_entry, self.dave)
        self.network.settle()
        self.lie(lies.replays_an_entry, self.carol)
        self.alarmed(Reason.BAD_ENTRY, who=self.carol)
        self.assertEqual(room(self.dave).place, place)

    def test_reorders_messages(self) -> None:
        """The next message of anybody says that its author has seen another past."""
        self.lie(lies.reorders_messages)
        self.say(self.carol, self.dave)
        self.say(self.alice)
        self.alarmed(Reason.FORKED)

    def test_reorders_the_last_messages(self) -> None:
        """And that is within a heartbeat."""
        self.lie(lies.reorders_messages)
        self.say(self.carol, self.dave)
        self.alarmed(Reason.FORKED, within=HEARTBEAT)

    def test_reorders_numbers(self) -> None:
        """What comes after a greater number is noticed at once, and not shown."""
        self.lie(lies.reorders_numbers)
        self.say(self.carol, self.dave)
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.alarmed(Reason.REPLAYED)
        self.shown(self.alice, self.dave)


class PastTests(LieCase):
    """It rolls back, and shows another past."""

    def test_goes_back_in_the_stream(self) -> None:
        """What Bob has had is noticed when he resumes, and not shown again."""
        self.say(self.alice)
        self.lie(lies.goes_back_in_the_stream)
        place = room(self.bob).place
        self.resume()
        self.alarmed(Reason.REPLAYED)
        self.shown(self.alice)
        self.assertEqual(room(self.bob).place, place)

    def test_claims_an_older_log(self) -> None:
        """Bob restores nothing on a head that he never had."""
        self.lie(lies.claims_an_older_log)
        self.resume()
        self.refused(RelayForked)

    def test_claims_another_log(self) -> None:
        """Bob is told so when he resumes, and goes on with no other log."""
        self.lie(lies.claims_another_log)
        self.resume()
        self.refused(RelayForked)

    def test_claims_that_a_member_is_none(self) -> None:
        """Bob is told that the relay says so; he believes an entry alone."""
        self.lie(lies.claims_that_a_member_is_none)
        self.resume()
        self.refused(NotAMember)

    def test_claims_that_there_is_no_room(self) -> None:
        """Bob is told that the relay has lost it."""
        self.lie(lies.claims_that_there_is_no_room)
        self.resume()
        self.refused(RoomKnown)

    def test_claims_more_than_there_is(self) -> None:
        """Bob is told what he misses, and what comes with lower numbers is noticed."""
        self.lie(lies.claims_more_than_there_is)
        self.resume()
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.say(self.alice)
        self.alarmed(Reason.REPLAYED)

    def test_hides_an_entry(self) -> None:
        """Bob does not follow, so what is said under the new keys he cannot open."""
        self.lie(lies.hides_an_entry)
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.say(self.carol)
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.alarmed(Reason.FORGED)
        self.shown()


class MemberTests(LieCase):
    """It invents members, and takes members away."""

    def unmoved(self) -> None:
        """Check that Bob's roster is as it was."""
        self.assertEqual(room(self.bob).place, room(self.alice).place)
        self.assertEqual(self.bob.heard(MemberRemoved), [])

    def test_invents_a_member(self) -> None:
        """An entry by nobody is noticed at once."""
        self.lie(lies.invents_a_member)
        self.alarmed(Reason.BAD_ENTRY)
        self.unmoved()

    def test_invents_a_vouch(self) -> None:
        """So is one that its author has not signed."""
        self.lie(lies.invents_a_vouch)
        self.alarmed(Reason.BAD_ENTRY)
        self.unmoved()

    def test_invents_a_removal(self) -> None:
        """So is one that would take somebody away."""
        self.lie(lies.invents_a_removal)
        self.alarmed(Reason.BAD_ENTRY)
        self.unmoved()

    def test_invents_a_leave(self) -> None:
        """A leave that was not signed is noticed at once, and nobody waits for new keys."""
        self.lie(lies.invents_a_leave)
        self.alarmed(Reason.FORGED)
        self.assertEqual(self.bob.heard(MemberLeaving), [])
        self.say(self.bob)
        self.shown(self.bob, to=self.alice)

    def test_replays_a_leave(self) -> None:
        """A leave is for one stay: shown again once its member is back, it is none."""
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.network.turn(10)
        self.network.get(self.dave.chat.join(LABEL))
        self.network.turn(1)
        for person in self.people:
            person.events.clear()
        self.lie(lies.replays_a_leave)
        self.alarmed(Reason.FORGED)
        self.unmoved()

    def test_hides_a_leave(self) -> None:
        """
        It is no secret: who is told removes the leaver, and the entry says it to all. If nobody
        is told nothing happens, but the leaver has no key any more, and reads nothing.
        """
        self.lie(lies.hides_a_leave)
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.within(4 * PICK_SECONDS, lambda: self.bob.heard(MemberRemoved))
        for person in (self.alice, self.bob):
            self.lie(lies.hides_a_leave, person)
        self.network.get(self.carol.chat.leave(room(self.carol)))
        self.network.turn(HEARTBEAT)
        self.assertEqual(len(room(self.alice).roster), 3)
        self.assertEqual((self.carol.chat.rooms, self.dave.chat.rooms), ((), ()))

    def test_alters_the_roster(self) -> None:
        """What a newcomer is shown has to be what its voucher has signed."""
        erin = self.network.client("erin", trusts=self.people)
        for person in self.people:
            person.trust(erin)
        self.lie(lies.alters_the_roster, erin)
        self.assertRaises(AdmissionRefused, self.network.get, erin.chat.join(LABEL))
        self.assertEqual(erin.chat.rooms, ())


class KeyTests(LieCase):
    """It plays with keys."""

    def renewed(self) -> None:
        """Let Alice make new keys."""
        self.network.get(self.alice.chat.renew(room(self.alice)))
        self.network.settle()

    def keys_are_lost(self) -> None:
        """
        Check that Bob is told at once that he has no keys any more, and by which entry; shows
        nothing that he cannot check; and that the others go on.
        """
        (lost,) = self.bob.heard(KeysLost)
        self.assertEqual(lost.by, self.alice.fingerprint)
        self.say(self.alice)
        self.assertEqual(self.bob.heard(Message), [])
        self.assertEqual(len(texts(self.carol)), 1)
        self.nothing_false()

    def test_withholds_slices(self) -> None:
        """Bob loses his keys by the entry that the slice is of."""
        self.lie(lies.withholds_slices)
        self.renewed()
        self.keys_are_lost()

    def test_gives_wrong_slices(self) -> None:
        """What is no slice is not taken for one."""
        self.lie(lies.gives_wrong_slices)
        self.renewed()
        self.keys_are_lost()

    def test_gives_slices_of_others(self) -> None:
        """A slice is sealed to one member."""
        self.lie(lies.gives_slices_of_others)
        self.renewed()
        self.keys_are_lost()

    def test_gives_wrong_leaf_keys(self) -> None:
        """
        Nothing is sealed to a key that the roster does not name: its member gets no slice, and
        the relay none that it can open.
        """
        self.lie(lies.gives_wrong_leaf_keys, self.alice)
        self.renewed()
        self.keys_are_lost_by_all_but(self.alice)
        entry = SignedEntry.decode(said(self.alice, Begin)[-1].entry).entry
        for line in said(self.alice, Slices):
            for at in range(0, len(line.sealed), SLICE):
                sealed = line.sealed[at : at + SLICE]
                self.assertRaises(BadCiphertext, open_slice, lies.MOLE, entry, sealed)

    def keys_are_lost_by_all_but(self, author: Person) -> None:
        """Check that everybody else is told so at once."""
        for person in self.people:
            self.assertEqual(len(person.heard(KeysLost)), int(person is not author))

    def test_withholds_leaf_keys(self) -> None:
        """A relay that does not give them does not answer."""
        self.lie(lies.withholds_leaf_keys)
        self.bob.chat.renew(room(self.bob))
        self.lost(RelaySilent, within=LEAF_KEYS_SECONDS)

    def test_claims_to_be_overtaken(self) -> None:
        """An entry that is said to have landed, and does not come, shows that too."""
        self.lie(lies.claims_to_be_overtaken)
        self.bob.chat.renew(room(self.bob))
        self.lost(RelaySilent, within=LANDING_SECONDS)


class PresenceTests(LieCase):
    """It lies about who is there."""

    def removed_within(self, seconds: float) -> None:
        """Check that Dave, who leaves, is off the roster in time, by one entry."""
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.within(seconds, lambda: self.alice.heard(MemberRemoved))
        self.network.turn(20)
        self.assertEqual(len({room(each).place for each in self.people[:3]}), 1)
        self.assertEqual(room(self.alice).place.epoch, 5)
        for person in self.people[:3]:
            self.assertEqual(len(person.heard(MemberRemoved)), 1)
            self.assertEqual(person.heard(Alarm), [])

    def lie_to_all(self, lie: Lie) -> None:
        for person in self.people:
            self.lie(lie, person)

    def test_claims_that_nobody_is_online(self) -> None:
        """Everybody does what is to be done, and one of them is the first."""
        self.lie_to_all(lies.claims_that_nobody_is_online)
        self.removed_within(1)

    def test_claims_that_everybody_is_online(self) -> None:
        """Whoever waits for somebody who is not there does not wait for ever."""
        self.network.get(self.carol.chat.close())
        self.lie_to_all(lies.claims_that_everybody_is_online)
        self.network.get(self.dave.chat.leave(room(self.dave)))
        self.within(len(self.people) * PICK_SECONDS, lambda: self.alice.heard(MemberRemoved))

    def test_does_not_say_who_is_online(self) -> None:
        """Who is not told waits for that no longer than ten seconds."""
        self.lie_to_all(lies.does_not_say_who_is_online)
        self.removed_within(WHO_SECONDS + 1)


class OtherRoomTests(LieCase):
    """It answers with another room's data."""

    def setUp(self) -> None:
        super().setUp()
        attic = self.network.get(self.alice.chat.found("attic"))
        self.network.get(self.alice.chat.send(attic, "nobody hears me"))

    def test_shows_a_message_of_another_room(self) -> None:
        """It does not open, and is noticed at once."""
        self.lie(lies.shows_a_message_of_another_room)
        self.alarmed(Reason.FORGED)
        self.shown()

    def test_shows_an_entry_of_another_room(self) -> None:
        """It does not stand on this room's head, and is noticed at once."""
        self.lie(lies.shows_an_entry_of_another_room)
        self.alarmed(Reason.BAD_ENTRY)

    def test_resumes_another_room(self) -> None:
        """The same when Bob resumes."""
        self.lie(lies.resumes_another_room)
        self.resume()
        self.alarmed(Reason.FORGED)
        self.shown()


class GreatLieTests(SynchronousTestCase):
    """It is not one relay, or not the newest. Everybody keeps their rooms."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir(mode=0o700)
        self.cast = Cast(directory, "alice", "bob", "carol", "dave")
        self.addCleanup(self.cast.stop_relay)
        turns = turns_by_name(self.cast)
        turns.__enter__()
        self.addCleanup(turns.__exit__, None, None, None)
        self.cast.found(self.cast["alice"])
        self.cast.settle()
        for player in list(self.cast)[1:]:
            self.cast.join(player)
            self.cast.settle()

        self.watcher = Watcher(self.cast)
        self.talk()
        self.alice, self.bob, self.carol, self.dave = self.cast

    def talk(self) -> None:
        """Let everybody say something, and check that nothing false is believed."""
        for player in self.cast.members:
            self.cast.say(player)
            self.cast.settle()
        self.watcher.look()

    def texts(self, player: Player) -> list[str]:
        """Return what *player* was shown, and all its alarms and gaps."""
        kinds = Message, FramesMissing, Alarm
        return [type(each).__name__ for each in player.person.events if isinstance(each, kinds)]

    def forget(self) -> None:
        for player in self.cast:
            player.person.events.clear()

    def test_shows_two_logs(self) -> None:
        """
        Each half goes on alone, in epochs of its own, and hears no heartbeat of the other. Where
        they meet the relay has to own up: who resumes from a head that it does not have is told.
        """
        lies.shows_two_logs(self.cast)
        self.cast.renew(self.alice)
        self.cast.renew(self.bob)
        self.cast.turn(5)
        self.forget()
        self.talk()
        self.assertEqual([self.texts(each) for each in self.cast], [["Message"]] * 4)
        self.cast.cut(self.alice)
        self.cast.turn(5)
        (refusal,) = self.alice.heard(Refusal)
        self.assertIsInstance(refusal.why, RelayForked)

    def test_shows_two_streams(self) -> None:
        """Two pasts of one epoch: where they meet the next message of anybody raises an alarm."""
        lies.shows_two_logs(self.cast)
        self.talk()
        self.cast.cut(self.alice)
        self.cast.turn(5)
        self.forget()
        self.cast.say(self.bob)
        self.cast.settle()
        self.assertTrue(self.alice.heard(Alarm))
        self.cast.say(self.alice)
        self.cast.settle()
        self.assertTrue(self.bob.heard(Alarm))
        self.watcher.look()

    def test_goes_back_to_an_old_copy(self) -> None:
        """
        The members give it the entries that it lacks, and the numbers go on; nobody is shown
        anything twice. Who was away is told what it has forgotten: messages, and its slices.
        """
        self.cast.copy()
        self.cast.stall(self.dave)
        self.talk()
        self.cast.renew(self.alice)
        self.cast.settle()
        place = place_of(self.alice)
        self.cast.crash(self.dave)
        lies.goes_back_to_an_old_copy(self.cast)
        self.cast.turn(5)
        self.cast.come_back(self.dave)
        self.cast.turn(5)
        self.assertEqual(len(self.dave.heard(FramesMissing)), 1)
        self.assertEqual(len(self.dave.heard(KeysLost)), 1)
        self.forget()
        self.talk()
        self.assertEqual({place_of(each) for each in (self.alice, self.bob, self.carol)}, {place})
        for player in self.cast:
            self.assertEqual(player.heard(Alarm), [])
        for player in (self.alice, self.bob, self.carol):
            self.assertEqual(self.texts(player), ["Message"] * 2)


def place_of(player: Player) -> Place:
    """Return the room at the head that *player*'s client has."""
    assert player.room is not None
    return player.room.place


class CatalogueTests(SynchronousTestCase):
    """All of them."""

    def test_every_lie_is_told(self) -> None:
        """Each has a test of its own name."""
        tests = {
            name.removeprefix("test_")
            for case in [*LieCase.__subclasses__(), GreatLieTests]
            for name in vars(case)
        }
        self.assertEqual((LIES.keys() | lies.GREAT_LIES.keys()) - tests, set())
