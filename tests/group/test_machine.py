"""
A room that lives: three to eight members, an honest relay, and everything that may go wrong.

Members join, leave, are kicked, renew keys and reform the room, at the same time and on the same
head; they fall behind, lose connections with what was on its way, and crash, before or after what
changed was stored. Whatever the order, once all is quiet everybody agrees, and each text has been
shown once to each member who was in the room when it was said, and to nobody else.
"""

from __future__ import annotations

import contextlib
from collections import Counter

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import (
    BadCiphertext,
    BadSignature,
    EntryRefused,
    KeysGone,
    NotAMember,
    SecureChatError,
    StaleEntry,
)
from securechat.group.change import Change
from securechat.group.detail import Removal, Remove, Why, leaving
from securechat.group.entry import SignedEntry
from securechat.group.events import Delivered, Message, RoomEvent
from securechat.group.log import Log
from securechat.group.messages import Frame, Kind
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.group.slices import ABSENT, open_slice
from securechat.primitives import XWing, verify
from tests.group.kit import LABEL, Admission, Member, Stream, anyone, person

PEOPLE = [person(f"person {number}") for number in range(8)]

who = st.integers(0, 7)


@attrs.define(eq=False)
class Stint(Member):
    """
    One person's time in the room, from when it came until it was removed, on one computer.

    What is in `heard` was shown to the user; what is in `parts` survives a crash.
    """

    since: int = 0
    """The epoch that it came with."""
    until: int | None = None
    """The epoch that it was removed with."""
    stuck: int | None = None
    """The epoch whose keys it did not get."""
    parts: dict[str, bytes] = attrs.field(factory=dict, repr=False)
    live: bool = False
    """Whether there is a connection on which it has caught up."""

    def store(self) -> None:
        """Store what changed: after this it may be sent, and shown."""
        for name, data in self.room.changes().items():
            if data is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = data

    def crash(self) -> None:
        """Lose what was not stored, and the connection."""
        self.room = Room.restore(self.identity, self.parts, anyone)
        self.live = False


@attrs.define
class Relay(Stream):
    """An honest relay, which takes what fits, and shows each member as much as that one reads."""

    logs: list[Log] = attrs.field(factory=list)
    """The log at each epoch, from 1."""
    counts: dict[int, int] = attrs.field(factory=dict)
    """Row to the last n in this epoch."""
    pending: dict[bytes, bytes] = attrs.field(factory=dict)
    """Who has signed its leave, and is on the roster."""

    @property
    def log(self) -> Log:
        """The log as it is now."""
        return self.logs[-1]

    def send(self, sender: Stint, frame: Frame) -> None:
        """Number *frame*, or drop it silently."""
        row = self.log.membership.index.get(sender.fingerprint)
        header = frame.header
        if (header.epoch, header.row) == (self.log.epoch, row) and header.n > self.counts.get(
            header.row, -1
        ):
            self.counts[header.row] = header.n
            self.number(frame)

    def take(self, signed: SignedEntry, slices: dict[bytes, bytes] | None = None) -> bool:
        """Let the entry land, unless another came first."""
        try:
            self.logs.append(self.log.after(signed) if self.logs else Log.founded(signed))
        except (StaleEntry, EntryRefused):
            return False
        self.counts.clear()
        self.number(signed.encode(), slices)
        self.pending = {
            each: signature
            for each, signature in self.pending.items()
            if self.holds(each, signature)
        }
        return True

    def holds(self, leaver: bytes, signature: bytes) -> bool:
        """Whether that is a leave of a row as it is now."""
        number = self.log.membership.index.get(leaver)
        if number is None:
            return False
        row = self.log.membership.rows[number]
        try:
            verify(row.ed25519, signature, "leave", *leaving(self.log.room, row))
        except BadSignature:
            return False
        return True


class LivingRoom(RuleBasedStateMachine):
    """The room, its people and their relay."""

    def __init__(self) -> None:
        super().__init__()
        self.relay = Relay()
        self.stints: list[Stint] = []
        self.texts: dict[str, tuple[Stint, int]] = {}
        """Each text that was said: by whom, and its ticket."""
        self.loot: list[tuple[XWing, SignedEntry, list[bytes]]] = []
        """Each leaf of who was removed, with the entry and all the slices that it could steal."""

    @initialize(count=st.integers(3, 5))
    def begin(self, count: int) -> None:
        """The first person founds the room, and lets some others in."""
        room = Room.found(PEOPLE[0], LABEL, Policy(rounds=1), anyone)
        founder = Stint(PEOPLE[0], room, since=1)
        self.relay.take(room.first_entry)
        self.stints.append(founder)
        founder.store()
        self.read(0, 100, False)
        self.resume(0)
        for number in range(1, count):
            self.join(number, 0, False)
            self.resume(0)

    # Who is there

    @property
    def present(self) -> list[Stint]:
        """Who thinks that it is in the room."""
        return [each for each in self.stints if each.room.gone is None]

    def stint(self, number: int) -> Stint:
        """One of them."""
        present = self.present
        return present[number % len(present)]

    def hear(self, stint: Stint, upto: int) -> list[RoomEvent]:
        """Let the room of *stint* have what follows, up to a number; what it says to that."""
        before = list(stint.heard)
        self.loot += self.robbed(stint, upto)
        self.relay.show(stint, upto)
        events, stint.heard = stint.heard[len(before) :], before
        return events

    def level(self, stint: Stint) -> list[RoomEvent]:
        """Tell *stint*, which has all there is, who is leaving."""
        events: list[RoomEvent] = []
        if stint.room.seq == self.relay.seq:
            for leaver, signature in self.relay.pending.items():
                events += stint.room.take_leave(leaver, signature)
        return events

    def shown(self, stint: Stint, events: list[RoomEvent], crash: bool) -> None:
        """Store what follows from *events*, and show them; or crash before that."""
        if crash:
            stint.crash()
            return
        stint.store()
        stint.heard += events

    def robbed(self, stint: Stint, upto: int) -> list[tuple[XWing, SignedEntry, list[bytes]]]:
        """What somebody has who takes the computer of *stint* just before it is removed."""
        for seq in range(stint.room.seq + 1, upto + 1):
            item = self.relay.items[seq - 1]
            if isinstance(item, bytes) and not stint.room._keys.lost:
                signed = SignedEntry.decode(item)
                detail = signed.entry.detail
                if isinstance(detail, Remove) and stint.fingerprint in detail.members:
                    slices = list(self.relay.slices[seq].values())
                    return [(stint.room._keys.leaf, signed, slices)]
        return []

    # Reading and writing

    @rule(number=who, text=st.sampled_from("abc"), crash=st.booleans())
    def say(self, number: int, text: str, crash: bool) -> None:
        """Somebody says something; a crash before it is stored takes it along."""
        stint, text = self.stint(number), f"{text}{len(self.texts)}"
        try:
            ticket = stint.room.say(Kind.TEXT, text.encode())
        except (KeysGone, NotAMember):
            return
        if crash:
            stint.crash()
            return
        stint.store()
        self.texts[text] = (stint, ticket)

    @rule(numbers=st.lists(who, max_size=6))
    def chat(self, numbers: list[int]) -> None:
        """Several say something, and most of it is read by most."""
        for number in numbers:
            self.say(number, "d", False)
            self.send(number, 9)
            self.read(number + 1, 9, False)

    @rule(number=who, count=st.integers(1, 3))
    def send(self, number: int, count: int) -> None:
        """Some of what somebody has to send reaches the relay."""
        stint = self.stint(number)
        while stint.live and stint.room.outgoing and count:
            self.relay.send(stint, stint.room.outgoing.popleft())
            count -= 1

    @rule(number=who, count=st.integers(1, 4), crash=st.booleans())
    def read(self, number: int, count: int, crash: bool) -> None:
        """Somebody reads on, and perhaps crashes before that is stored."""
        stint = self.stint(number)
        events = self.hear(stint, min(stint.room.seq + count, self.relay.seq))
        self.shown(stint, [*events, *self.level(stint)], crash)

    @rule(number=who)
    def disconnect(self, number: int) -> None:
        """A connection is lost, with all that was on its way."""
        stint = self.stint(number)
        stint.room.outgoing.clear()
        stint.live = False

    @rule(number=who)
    def crash(self, number: int) -> None:
        """Somebody's computer stops."""
        self.stint(number).crash()

    @rule(number=who)
    def resume(self, number: int) -> None:
        """Somebody comes back, and gets all that it has missed."""
        stint = self.stint(number)
        events = [*self.hear(stint, self.relay.seq), *self.level(stint)]
        if stint.room.gone is None:
            events += stint.room.caught_up(self.relay.seq)
            stint.live = True
        self.shown(stint, events, False)

    # Changing the room

    @rule(number=who, by=who, lost=st.booleans())
    def join(self, number: int, by: int, lost: bool) -> None:
        """A member lets somebody in, unless another entry lands first, or the voucher dies."""
        newcomer, voucher = PEOPLE[number], self.stint(by)
        if newcomer.fingerprint in self.relay.log.membership.index:
            return
        try:
            entrance, signed = Admission(newcomer, voucher).entrance()
        except SecureChatError:
            return  # the voucher is behind, or has no keys
        if lost or not self.relay.take(signed):
            return
        room = Room.enter(newcomer, LABEL, entrance, self.relay.log.snapshot(), anyone)
        stint = Stint(newcomer, room, since=self.relay.log.epoch)
        stint.store()
        self.stints.append(stint)
        self.resume(self.present.index(stint))

    @rule(number=who)
    def leave(self, number: int) -> None:
        """Somebody asks to be removed, as long as somebody is left who does not."""
        stint = self.stint(number)
        signature = stint.room.leave()
        staying = self.relay.log.membership.index.keys() - self.relay.pending.keys()
        if self.relay.holds(stint.fingerprint, signature) and len(staying) > 2:
            self.relay.pending[stint.fingerprint] = signature
            for each in self.present:
                if each.live:
                    self.shown(each, self.level(each), False)

    @rule(by=who)
    def rekey(self, by: int) -> None:
        """A member removes all who leave."""
        author = self.stint(by)
        self.remove(
            author,
            [
                Removal(each, Why.LEFT, signature)
                for each, signature in author.room.leaving.items()
                if each != author.fingerprint
            ],
        )

    @rule(by=who, number=who)
    def kick(self, by: int, number: int) -> None:
        """Somebody wants somebody out, and may."""
        author, member = self.stint(by), self.stint(number)
        if len(author.room.roster) > 3:
            self.remove(author, [Removal(member.fingerprint, Why.KICKED)])

    @rule(by=who)
    def tidy(self, by: int) -> None:
        """Somebody removes whose leaf has become old."""
        author = self.stint(by)
        if len(author.room.roster) - len(author.room.stale) > 1:
            self.remove(author, [Removal(each, Why.STALE) for each in author.room.stale])

    def remove(self, author: Stint, removals: list[Removal]) -> None:
        """The author writes a remove entry, if it may."""
        with contextlib.suppress(EntryRefused):
            self.land(author.room.remove(removals))

    @rule(by=who, crash=st.booleans(), without=st.sampled_from([*[None] * 9, *range(8)]))
    def update(self, by: int, crash: bool, without: int | None) -> None:
        """
        Somebody renews its leaf, and perhaps crashes just after it was sent; perhaps it could not
        get somebody's leaf key.
        """
        author = self.stint(by)
        try:
            change = author.room.update()
        except EntryRefused:
            return
        author.store()
        self.land(change, None if without is None else self.stint(without))
        if crash:
            author.crash()

    @rule(by=who, moderator=who, rounds=st.integers(1, 3))
    def reform(self, by: int, moderator: int, rounds: int) -> None:
        """An owner changes the policy, and makes somebody a moderator."""
        author = self.stint(by)
        owners = author.room.log.membership.owners
        moderators = {self.stint(moderator).fingerprint} - set(owners)
        with contextlib.suppress(EntryRefused):
            self.land(author.room.reform(Policy(rounds=rounds), owners, moderators))

    def land(self, change: Change, without: Stint | None = None) -> None:
        """The relay takes a change with its slices, the one of *without* left empty."""
        slices = self.relay.sealed(change)
        if without is not None and without.fingerprint in slices:
            slices[without.fingerprint] = ABSENT
        if not self.relay.take(change.signed, slices):
            return
        epoch = self.relay.log.epoch
        for stint in self.stints:
            if stint.until is None and stint.since < epoch:
                if stint.fingerprint not in self.relay.log.membership.index:
                    stint.until = epoch
                elif slices.get(stint.fingerprint) == ABSENT and stint.stuck is None:
                    stint.stuck = epoch

    # What holds

    @invariant()
    def nobody_is_alarmed(self) -> None:
        """The relay is honest, and so is everybody else."""
        for stint in self.stints:
            assert stint.room.alarms == []

    @invariant()
    def nothing_is_shown_twice(self) -> None:
        """To nobody, however often it crashed; and always in the order of the stream."""
        for stint in self.stints:
            seqs = [each.seq for each in stint.of(Message)]
            assert seqs == sorted(set(seqs))
            shown = Counter(each.text for each in stint.of(Message))
            assert set(shown.values()) <= {1}

    def teardown(self) -> None:
        """All is quiet in the end: everybody is back, who leaves is gone, what waits is sent."""
        if not self.stints:
            return
        for _ in range(4):
            for stint in self.present:
                self.resume(self.present.index(stint))
            for number in range(len(self.present)):
                self.rekey(number)
                self.resume(number % len(self.present))
            for stint in self.present:
                self.send(self.present.index(stint), 1_000)
        for stint in self.present:
            self.resume(self.present.index(stint))
        self.all_agree()
        self.nothing_is_lost()
        self.nothing_is_shown_twice()
        self.nobody_is_alarmed()
        self.thieves_find_nothing()

    def all_agree(self) -> None:
        """On who is there, on head, roster and transcript, and on the keys but for who is stuck."""
        log = self.relay.log
        assert {each.fingerprint for each in self.present} == set(log.membership.index)
        for stint in self.present:
            room = stint.room
            assert (room.log.head, room.roster) == (log.head, log.membership.rows)
            assert room._transcript.newest == self.present[0].room._transcript.newest
            assert room.stuck == (stint.stuck is not None)
        assert len({each.room._keys.chain for each in self.present if not each.room.stuck}) <= 1

    def nothing_is_lost(self) -> None:
        """
        Each text is shown to each who was in the room in its epoch and had its keys, and to
        nobody else. Only of who is not in the room any more something may never have been said.
        """
        epochs = self.epochs()
        for text, (sender, ticket) in self.texts.items():
            delivered = [each.seq for each in sender.of(Delivered) if each.ticket == ticket]
            readers = {each for each in self.stints if text in [m.text for m in each.of(Message)]}
            if not delivered:
                assert sender.until is not None or sender.stuck is not None
            seqs = {m.seq for each in readers for m in each.of(Message) if m.text == text}
            assert len(delivered) <= 1
            assert len(seqs | set(delivered)) <= 1
            for seq in seqs | set(delivered):
                assert readers == {
                    each
                    for each in self.stints
                    if each is not sender
                    and each.since <= epochs[seq] < min(each.until or 9_999, each.stuck or 9_999)
                }

    def epochs(self) -> dict[int, int]:
        """The epoch of each number of the stream."""
        epoch, epochs = 0, {}
        for seq, item in enumerate(self.relay.items, start=1):
            epoch += isinstance(item, bytes)
            epochs[seq] = epoch
        return epochs

    def thieves_find_nothing(self) -> None:
        """None of the slices of the entry that removed somebody opens with that one's leaf."""
        for leaf, signed, slices in self.loot:
            for sealed in slices:
                try:
                    open_slice(leaf, signed.entry, sealed)
                except BadCiphertext:
                    continue
                raise AssertionError("a member who was removed can read on")


class MachineTests(SynchronousTestCase):
    """Rooms in which everything happens."""

    def test_whatever_happens_everybody_agrees_in_the_end(self) -> None:
        """Roster, head and transcript are one; no text is lost, shown twice, or shown to others."""
        run_state_machine_as_test(LivingRoom)
