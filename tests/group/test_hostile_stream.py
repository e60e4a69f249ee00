"""
A relay that does to the stream whatever it likes, for each member as it likes.

It keeps all that anybody ever sent, changes copies of it, and shows any of it to anybody under any
number. Whatever it does: no room raises anything, and no room shows a text that its sender did not
say, or shows one twice without a sign that the stream was meddled with.
"""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import AdmissionRefused, EntryRefused
from securechat.group.events import FramesMissing, Message
from securechat.group.messages import Frame, Header, Kind
from securechat.group.room import Room
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LABEL,
    MALLORY,
    Admission,
    Item,
    Member,
    anyone,
    flipped,
    room_of,
)

some = st.integers(0, 30)
small = st.integers(0, 3)


def headed(frame: Frame, epoch: int, row: int, n: int) -> Frame:
    """*frame* with another header."""
    return attrs.evolve(frame, header=Header(epoch, row, n))


class HostileRelay(RuleBasedStateMachine):
    """Alice, Bob and whoever they vouch for, at the mercy of a relay."""

    def __init__(self) -> None:
        super().__init__()
        stream, self.members = room_of(ALICE, BOB)
        self.items: list[Item] = [*stream.items]
        self.newcomers = [CAROL, DAVE, MALLORY]
        self.said: set[tuple[bytes, str]] = set()
        self.reached = dict.fromkeys(self.members, len(self.items))

    def member(self, number: int) -> Member:
        """One of the members."""
        return self.members[number % len(self.members)]

    def item(self, age: int) -> Item:
        """One of the items, by how long ago it came up."""
        return self.items[-1 - age % len(self.items)]

    @rule(who=some, waits=st.booleans())
    def say(self, who: int, waits: bool) -> None:
        """A member says something that nobody has said before; the relay may take it later."""
        member, text = self.member(who), f"text {len(self.said)}"
        self.said.add((member.fingerprint, text))
        member.room.say(Kind.TEXT, text.encode())
        if not waits:
            self.collect(who)

    @rule(who=some)
    def collect(self, who: int) -> None:
        """The relay takes what a member has to send."""
        room = self.member(who).room
        while room.outgoing:
            self.items.append(room.outgoing.popleft())

    @rule(who=some, count=st.integers(1, 8))
    def go_on(self, who: int, count: int) -> None:
        """The relay shows a member what follows in the order in which it came up."""
        member = self.member(who)
        for item in self.items[self.reached[member] :][:count]:
            self.reached[member] += 1
            member.feed(member.room.seq + 1, item)

    @rule(count=st.integers(1, 4))
    def go_on_with_all(self, count: int) -> None:
        """The relay does what it ought to, for once."""
        for number in range(len(self.members)):
            self.go_on(number, count)

    @rule(who=some, gap=small)
    def leave_out(self, who: int, gap: int) -> None:
        """The relay leaves out what follows for a member, with or without saying so."""
        member = self.member(who)
        self.reached[member] += 1
        member.heard += member.room.caught_up(member.room.seq + gap // 2)

    @rule(who=some, age=some)
    def show(self, who: int, age: int) -> None:
        """The relay shows anything to a member as the next number."""
        member = self.member(who)
        member.feed(member.room.seq + 1, self.items[-1 - age % len(self.items)])

    @rule(who=some, age=some, back=some)
    def replay(self, who: int, age: int, back: int) -> None:
        """The relay shows something under a number that has passed."""
        member = self.member(who)
        member.feed(max(0, member.room.seq - back), self.item(age))

    @rule(age=some, at=st.integers(0, 5_000))
    def flip(self, age: int, at: int) -> None:
        """The relay makes a copy with a bit of it changed."""
        item = self.item(age)
        if isinstance(item, bytes):
            self.items.append(flipped(item, at % len(item)))
        else:
            ciphertext = flipped(item.ciphertext, at % len(item.ciphertext))
            self.items.append(attrs.evolve(item, ciphertext=ciphertext))

    @rule(age=some, epoch=small, row=small, n=small)
    def readdress(self, age: int, epoch: int, row: int, n: int) -> None:
        """The relay makes a copy of a frame with another header."""
        item = self.item(age)
        if isinstance(item, Frame):
            self.items.append(headed(item, epoch, row, n))

    @rule(junk=st.binary(min_size=1, max_size=40))
    def make_up(self, junk: bytes) -> None:
        """The relay makes something up."""
        self.items += [junk, Frame(Header(2, len(junk) % 3, 0), bytes(12), junk)]

    @rule(who=some, ahead=small)
    def catch_up(self, who: int, ahead: int) -> None:
        """The relay says that a member has all there is."""
        member = self.member(who)
        member.heard += member.room.caught_up(member.room.seq - 1 + ahead)

    @precondition(lambda self: self.newcomers)
    @rule(who=some, shown=st.booleans())
    def admit(self, who: int, shown: bool) -> None:
        """A member vouches for somebody, on the log as it sees it; the relay may keep it back."""
        by, newcomer = self.member(who), self.newcomers[-1]
        admission = Admission(newcomer, by)
        try:
            entrance, signed = admission.entrance()
        except (AdmissionRefused, EntryRefused):
            return
        self.items.append(signed.encode())
        if not shown:
            return
        self.reached[by] = len(self.items)
        by.feed(by.room.seq + 1, signed.encode())
        try:
            room = Room.enter(newcomer, LABEL, entrance, by.room.log.snapshot(), anyone)
        except EntryRefused:
            return
        self.newcomers.pop()
        self.members.append(Member(newcomer, room))
        self.reached[self.members[-1]] = room.seq

    @invariant()
    def nothing_is_made_up(self) -> None:
        """Every text that is shown was said by whom it is shown to be from."""
        for member in self.members:
            for message in member.of(Message):
                assert (message.sender, message.text) in self.said

    @invariant()
    def nothing_is_shown_twice_unnoticed(self) -> None:
        """
        A text is shown twice only where its author could not know what had become of it, and
        then who reads it or who wrote it has been told that something is wrong.
        """
        meddled = {
            each.fingerprint: bool(each.room.alarms or each.of(FramesMissing))
            for each in self.members
        }
        for member in self.members:
            shown = Counter((each.sender, each.text) for each in member.of(Message))
            for (sender, _), times in shown.items():
                assert times == 1 or meddled[sender] or meddled[member.fingerprint]

    @invariant()
    def nothing_is_shown_in_another_order(self) -> None:
        """Number by number, a member is shown each item once."""
        for member in self.members:
            seqs = [each.seq for each in member.of(Message)]
            assert seqs == sorted(set(seqs))


class HostileStreamTests(SynchronousTestCase):
    """Rooms at the mercy of their relay."""

    def test_no_meddling_makes_a_room_show_what_is_not_so(self) -> None:
        """Nothing is raised, made up, or shown twice unnoticed, in whatever order things come."""
        run_state_machine_as_test(HostileRelay)
