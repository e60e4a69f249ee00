"""
One member's whole view of one room, without sockets, clocks or files.

What the relay's stream brings goes in by `take_entry` and `take_frame`, strictly in the order
of its numbers; events come out. What the member says goes in by `say`; frames to send wait in
`outgoing` for whoever holds the connection. What changes the room is made by `remove`, `update`
and `reform`, and is true once it comes in the stream.

The relay is believed about nothing. Whatever it can do to the stream shows as an `Alarm`, as
`FramesMissing` or as `KeysLost`; no lie makes a room show something that a member did not say.

`changes` gives what is to be stored, in small parts. Who uses a room stores them before it
sends a frame or an entry, and before it shows an event: so after a crash no key is used for a
second message, what is sent again is the same bytes, and nothing is shown twice. `Room.restore`
makes of the parts a room that goes on as this one would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from securechat.encoding import encode
from securechat.errors import (
    BadCiphertext,
    BadSignature,
    EncodingError,
    EntryRefused,
    KeysGone,
    NotAMember,
    StaleEntry,
)
from securechat.group.admission import Place
from securechat.group.change import Change
from securechat.group.detail import (
    Add,
    Create,
    Detail,
    Reform,
    Removal,
    Remove,
    Subject,
    Update,
    leaving,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.group.events import (
    Alarm,
    Delivered,
    KeysLost,
    MemberLeaving,
    Reason,
    Removed,
    RoomEvent,
    Uncertain,
)
from securechat.group.hearing import Hearing
from securechat.group.joiner import Entrance
from securechat.group.keyring import Keyring
from securechat.group.keys import NO_CHAIN, NOTHING_FRESH, confirmation, epoch_secret
from securechat.group.log import CONSENT_WINDOW, Log, founding
from securechat.group.messages import Content, Frame, Header, Kind, seal_frame
from securechat.group.news import news
from securechat.group.outbox import Outbox, Seal
from securechat.group.progress import Progress
from securechat.group.roster import Policy, Row
from securechat.group.rules import is_stale
from securechat.group.table import Table, one
from securechat.group.transcript import Transcript
from securechat.group.watch import Watch
from securechat.identity import Identity
from securechat.primitives import (
    HASH_LENGTH,
    KEY_LENGTH,
    SIGNATURE_LENGTH,
    XWing,
    digest,
    random_bytes,
    same,
    verify,
)
from securechat.text import clean_name


class Room:
    """
    A room as one member sees it. Make it with `found`, `enter` or `restore`.

    :ivar first_entry: the entry that this member came in by.
    :ivar inside: whether that entry has come in the stream.
    :ivar gone: how this member was taken off the roster; None while it is on it.
    """

    def __init__(
        self,
        identity: Identity,
        log: Log,
        first: SignedEntry,
        transcript: Transcript,
        trusts: Callable[[bytes], bool],
    ) -> None:
        self.log = log
        self.first_entry = first
        self.inside = False
        self.gone: Removed | None = None
        self._identity = identity
        self._keys = Keyring()
        self._transcript = transcript
        self._watch = Watch(log.label, transcript)
        self._hearing = Hearing(self._keys, self._watch, trusts, first.entry.author)
        self._hearing.confirmed = first.entry.author == identity.fingerprint
        self._outbox = Outbox()
        self._leaves: Table[bytes, bytes] = Table(
            "leave", bytes, lambda signature: [signature], one(SIGNATURE_LENGTH)
        )
        self._landed: Table[int, int] = Table("landed", int, lambda seq: [seq], one(int))
        """Epoch to the number of its entry, of the last 16 that came."""
        self._kept: tuple[bytes, Progress] | None = None  # head and progress, as given out last

    # Becoming a member

    @classmethod
    def found(
        cls, identity: Identity, label: str, policy: Policy, trusts: Callable[[bytes], bool]
    ) -> Room:
        """Return a new room of one member. It is real once its `first_entry` is in the stream."""
        leaf = XWing.generate()
        subject = Subject.of(identity.bundle, leaf.public)
        entry = founding(Create(random_bytes(HASH_LENGTH), label, policy, subject))
        secret = epoch_secret(NO_CHAIN, random_bytes(KEY_LENGTH), entry)
        signed = SignedEntry.make(entry, confirmation(secret, entry), identity)
        entrance = Entrance(signed, secret, leaf)
        return cls._begun(identity, Log.founded(signed), entrance, trusts)

    @classmethod
    def enter(
        cls,
        identity: Identity,
        label: str,
        entrance: Entrance,
        snapshot: bytes,
        trusts: Callable[[bytes], bool],
    ) -> Room:
        """
        Return the room that *entrance* leads to, with the roster of the relay's *snapshot*.

        :raises EncodingError: if the snapshot is malformed.
        :raises EntryRefused: if it is not the roster that the voucher signed.
        """
        log = Log.entered(label, entrance.signed, snapshot)
        return cls._begun(identity, log, entrance, trusts)

    @classmethod
    def _begun(
        cls, identity: Identity, log: Log, entrance: Entrance, trusts: Callable[[bytes], bool]
    ) -> Room:
        entry = entrance.signed.entry
        transcript = Transcript.starting(entry.seq, entry.transcript)
        room = cls(identity, log, entrance.signed, transcript, trusts)
        room._keys.begin(entrance.leaf, entrance.secret, log.membership.index)
        return room

    # Being stored

    @classmethod
    def restore(
        cls, identity: Identity, parts: Mapping[str, bytes], trusts: Callable[[bytes], bool]
    ) -> Room:
        """
        Return the room of which *parts* are all that `changes` ever gave, the newest of each.
        Nothing is outgoing until it has `caught_up`.

        :raises EncodingError: if they are not the parts of a room of *identity*.
        """
        try:
            log, first = Log.restored(parts["log"]), SignedEntry.decode(parts["first"])
            progress = Progress.decode(log.label, parts["progress"])
        except (KeyError, ValueError, EntryRefused):
            raise EncodingError(what="no parts of a room") from None
        transcript = Transcript(progress.seq, progress.newest)
        room = cls(identity, log, first, transcript, trusts)
        for table in room._tables:
            table.fill(parts)
        room._restore(progress)
        return room

    def _restore(self, progress: Progress) -> None:
        self.inside, self.gone = progress.inside, progress.gone
        self._hearing.confirmed = progress.confirmed
        self._outbox.tickets = progress.tickets
        self._watch.missed, self._watch.last_missed = progress.missed, progress.last_missed
        rows = {} if self._keys.lost else self._members
        if self._keys.ratchets.keys() != set(rows.values()) or (
            self.gone is None and self._identity.fingerprint not in self._members
        ):
            raise EncodingError(what="the parts of another room")
        self._kept = (self.log.head, progress)

    def changes(self) -> dict[str, bytes | None]:
        """
        Return what changed since the last call, by name; None: that part is no more. At first
        that is everything.
        """
        changed = dict(chain.from_iterable(table.changes() for table in self._tables))
        progress = Progress(
            self.inside,
            self.confirmed,
            self._outbox.tickets,
            self._watch.missed,
            self._watch.last_missed,
            self.seq,
            self._transcript.newest,
            self.gone,
        )
        head, before = self._kept or (b"", None)
        if before is None:
            changed["first"] = self.first_entry.encode()
        if head != self.log.head:
            changed["log"] = self.log.snapshot()
        if before != progress:
            changed["progress"] = progress.encode()
        self._kept = (self.log.head, progress)
        return changed

    @property
    def _tables(self) -> list[Table[int, Any] | Table[bytes, Any] | Table[str, Any]]:
        return [
            self._keys.secrets,
            self._keys.ratchets,
            self._transcript.slots,
            self._watch.seen,
            self._watch.alarms,
            self._hearing.names,
            self._outbox.said,
            self._leaves,
            self._landed,
        ]

    # What is known

    @property
    def label(self) -> str:
        return self.log.label

    @property
    def id(self) -> bytes:
        """G, the hash of the create entry."""
        return self.log.room

    @property
    def seq(self) -> int:
        """The newest number of the stream that came."""
        return self._transcript.seq

    @property
    def place(self) -> Place:
        """The head that a voucher names now, and that `resume` starts from."""
        return Place(self.id, self.log.epoch, self.log.head)

    @property
    def roster(self) -> tuple[Row, ...]:
        """The members' rows, in join order."""
        return self.log.membership.rows

    @property
    def names(self) -> Mapping[bytes, str]:
        """What members call themselves, by fingerprint."""
        return self._hearing.names

    @property
    def confirmed(self) -> bool:
        """
        Whether somebody trusted, other than the voucher, was heard here. Until then a relay and
        a former member together could have made the room up for a newcomer.
        """
        return self._hearing.confirmed

    @property
    def stuck(self) -> bool:
        """
        Whether this member has lost the room's keys, and follows the log by its signatures
        only, until it leaves and joins again.
        """
        return self._keys.lost and self.gone is None

    @property
    def unsent(self) -> int:
        """How many messages are on their way, and have not come back in the stream."""
        return self._outbox.unsent

    @property
    def held(self) -> int:
        """How many messages wait for a known departure to be over."""
        return self._outbox.held

    @property
    def waiting(self) -> tuple[int, ...]:
        """The tickets of texts that have not come back in the stream, in order."""
        said = self._outbox.said.items()
        return tuple(ticket for ticket, each in said if each.kind is Kind.TEXT)

    @property
    def outgoing(self) -> deque[Frame]:
        """The frames to send now, in order, for who sends them to take out."""
        return self._outbox.outgoing

    @property
    def leaving(self) -> Mapping[bytes, bytes]:
        """Who has signed its `leave` and is still on the roster: the signature by fingerprint."""
        return {each: self._leaves[each] for each in self._members if each in self._leaves}

    @property
    def stale(self) -> tuple[bytes, ...]:
        """The fingerprints whose leaf keys are so old that the next entry may remove them."""
        membership, epoch = self.log.membership, self.log.epoch + 1
        rows = (row.fingerprint for row in self.roster if is_stale(membership, row, epoch))
        return tuple(each for each in rows if each != self._identity.fingerprint)

    @property
    def leaf_epoch(self) -> int:
        """The epoch since when this member has had its leaf key."""
        return self._row.leaf_epoch

    @property
    def alarms(self) -> list[Alarm]:
        """The first alarm of each reason and sender; they do not go away."""
        return list(self._watch.alarms.values())

    def entries_after(self, epoch: int, head: bytes) -> list[tuple[int, SignedEntry]] | None:
        """
        Return the entries that came after *head*, the head of *epoch*, with their numbers; or
        None if that is not one of the last 16, or one of them did not come in the stream.
        """
        later = [each for each in self.log.recent if each.entry.epoch > epoch]
        if (epoch, head) not in self.log.heads or any(
            each.entry.epoch not in self._landed for each in later
        ):
            return None
        return [(self._landed[each.entry.epoch], each) for each in later]

    @property
    def _members(self) -> Mapping[bytes, int]:
        return self.log.membership.index

    @property
    def _row(self) -> Row:
        if self.gone is not None:
            raise NotAMember(label=self.label)
        return self.roster[self._members[self._identity.fingerprint]]

    # Speaking

    def say(self, kind: Kind, body: bytes) -> int:
        """
        Encrypt a message, put its frame into `outgoing`, and return its ticket: `Delivered`
        names it. While somebody is `leaving` it is held, and encrypted once the keys are new; a
        heartbeat is then not said at all.

        :raises MessageTooLong: if the body is larger than 32 KiB.
        :raises KeysGone: if this member is stuck.
        :raises NotAMember: if it is gone.
        """
        if self.gone is not None:
            raise NotAMember(label=self.label)
        if self.stuck:
            raise KeysGone(label=self.label)
        return self._outbox.say(kind, body, self.seq, self._seal_now)

    def greet(self, name: str) -> int:
        """Say the seed's `hello_i_am(name, identity)`; raises what `say` does."""
        return self.say(Kind.HELLO, encode(clean_name(name), self._identity.fingerprint))

    def caught_up(self, seq: int) -> list[RoomEvent]:
        """The relay says that all up to *seq* was here: send again what has not come back."""
        if self.gone is not None:
            return []
        events = self._watch.expect(seq + 1)
        if self._seal_now is not None:
            self._outbox.send_again()
        return events

    @property
    def _seal_now(self) -> Seal | None:
        """What makes frames, if any may be made."""
        return None if self._leaves or self._keys.lost else self._seal

    def _seal(self, kind: Kind, body: bytes) -> Frame:
        row = self._members[self._identity.fingerprint]
        ratchet = self._keys.ratchets[row]
        header = Header(self.log.epoch, row, ratchet.n)
        content = Content(kind, *self._transcript.newest, body)
        frame = seal_frame(self._identity, ratchet, self.id, self.log.head, header, content)
        self._keys.ratchets[row] = ratchet.skip(1)
        return frame

    # Changing the room

    def propose(self, add: Add) -> tuple[SignedEntry, bytes]:
        """
        Return the entry that would make *add* true on the log's head, and the secret of the
        epoch that it starts. Nothing changes here until it comes in the stream.

        :raises EntryRefused: if the log's rules forbid it, or this member has no keys.
        """
        change = self._change(add)
        return change.signed, epoch_secret(self._keys.chain, NOTHING_FRESH, change.signed.entry)

    def remove(self, removals: Iterable[Removal]) -> Change:
        """
        Return the change that takes members off the roster, at most 100.

        :raises EntryRefused: as `propose`.
        """
        return self._change(Remove(tuple(removals)))

    def update(self) -> Change:
        """
        Return the change that gives this member a new leaf key, and the room new keys. The key
        is among the `changes`: they are stored before the entry is sent.

        :raises EntryRefused: as `propose`.
        """
        self._check_keys()
        return self._change(Update(self._keys.next_leaf().public))

    def reform(
        self, policy: Policy, owners: Iterable[bytes], moderators: Iterable[bytes]
    ) -> Change:
        """
        Return the change to another *policy*, other *owners* and *moderators*: fingerprints.

        :raises EntryRefused: as `propose`.
        """
        return self._change(Reform(policy, tuple(owners), tuple(moderators)))

    def leave(self) -> bytes:
        """
        Return the signature by which this member asks to be taken off the roster.

        :raises NotAMember: if it is gone.
        """
        return self._identity.sign("leave", *leaving(self.id, self._row))

    def _change(self, detail: Detail) -> Change:
        self._check_keys()
        me = self._identity.fingerprint
        entry = self.log.proposed(detail, me, *self._transcript.newest)
        rows = self.log.membership_with(detail, me).rows
        return Change.make(entry, rows, self._keys.chain, self._identity)

    def _check_keys(self) -> None:
        if self._keys.lost:
            raise EntryRefused(why="its author has not the room's keys")

    # Hearing

    def take_leave(self, member: bytes, signature: bytes) -> list[RoomEvent]:
        """
        Take the *signature* by which the fingerprint *member*, says the relay, leaves. Nothing
        is sent until it is off the roster.
        """
        if self.gone is not None or member not in self._members or member in self._leaves:
            return []
        row = self.roster[self._members[member]]
        try:
            verify(row.ed25519, signature, "leave", *leaving(self.id, row))
        except BadSignature:
            return [self._watch.alarm(Reason.FORGED, member, self.seq)]
        self._leaves[member] = signature
        self.outgoing.clear()
        return [MemberLeaving(self.label, member)]

    def take_entry(self, seq: int, data: bytes, sealed: bytes | None = None) -> list[RoomEvent]:
        """
        Take the entry that the relay says is number *seq* of the stream.

        :param sealed: this member's slice of it, where the relay gave one.
        """
        if self.gone is not None:
            return []
        events = self._watch.expect(seq)
        if seq <= self.seq:
            return events
        self._transcript.fold(seq, digest("item", data))
        try:
            signed = SignedEntry.decode(data)
            if not self.inside:
                return [*events, *self._before_inside(seq, signed)]
            log = self.log.after(signed)
        except (EncodingError, EntryRefused, StaleEntry):
            return [*events, self._watch.alarm(Reason.BAD_ENTRY, None, seq)]
        entry = signed.entry
        events += self._watch.check_view(entry.author, seq, entry.seq, entry.transcript)
        self._follow(log, seq)
        events += self._end(entry, seq) or news(log, seq)
        if not self._keys.lost:
            events += self._new_keys(signed, sealed, seq)
        for ticket in self._outbox.anew(self._watch.last_missed, seq, self._seal_now):
            events.append(Uncertain(self.label, ticket))
        if self._keys.lost:
            self._outbox.wipe()
        self._watch.new_epoch()
        return events

    def take_frame(self, seq: int, frame: Frame) -> list[RoomEvent]:
        """Take the frame that the relay says is number *seq* of the stream."""
        if self.gone is not None:
            return []
        events = self._watch.expect(seq)
        if seq <= self.seq:
            return events
        self._transcript.fold(seq, frame.digest)
        if not self.inside or self._keys.lost:
            return events  # it is folded, and not for this member to read
        header = frame.header
        if header.epoch != self.log.epoch or header.row >= len(self.roster):
            return [*events, self._watch.alarm(Reason.FORGED, None, seq)]
        if self.roster[header.row].fingerprint == self._identity.fingerprint:
            return [*events, *self._own_frame(seq, frame)]
        return [*events, *self._hearing.hear(seq, frame, self.log)]

    def _before_inside(self, seq: int, signed: SignedEntry) -> list[RoomEvent]:
        """
        Take an entry of a time when this member was not in the room: nothing follows from it
        but that its own entry makes it a member.
        """
        if signed == self.first_entry:
            self.inside = True
            self._landed[self.log.epoch] = seq
            self._watch.new_epoch()
            return news(self.log, seq)
        if signed in self.log.recent:
            return []
        return [self._watch.alarm(Reason.BAD_ENTRY, None, seq)]

    def _follow(self, log: Log, seq: int) -> None:
        """The log has one more entry: forget what is no more."""
        self._landed[log.epoch] = seq
        self._landed.pop(log.epoch - CONSENT_WINDOW, None)
        before, self.log = {row.fingerprint: row for row in self.roster}, log
        for row in self.roster:
            if row.leaf_hash != before.pop(row.fingerprint, row).leaf_hash:
                self._leaves.pop(row.fingerprint, None)
        for removed in before:
            for table in (self._leaves, self._hearing.names, self._watch.seen):
                table.pop(removed, None)

    def _new_keys(self, signed: SignedEntry, sealed: bytes | None, seq: int) -> list[RoomEvent]:
        """Take the keys of the epoch that *signed* starts, or lose them."""
        entry = signed.entry
        try:
            secret = self._keys.secret_of(entry, sealed, self._row.leaf_hash)
            right = same(signed.tag, confirmation(secret, entry))
            if entry.detail.FRESH and not right:
                raise BadCiphertext()
        except BadCiphertext:
            self._keys.wipe()
            return [KeysLost(self.label, entry.author, seq)]
        self._keys.renew(secret, self._members)
        # Who needs no slice follows in any case: to refuse would let the author split the room.
        return [] if right else [self._watch.alarm(Reason.WRONG_KEY, entry.author, seq)]

    def _end(self, entry: Entry, seq: int) -> list[RoomEvent]:
        """If this member is off the roster now, keep no key, and say so."""
        if self._identity.fingerprint in self._members:
            return []
        assert isinstance(entry.detail, Remove)
        (why,) = (
            each.why for each in entry.detail.removals if each.member == self._identity.fingerprint
        )
        self._keys.wipe()
        self._leaves.clear()
        self.gone = Removed(self.label, entry.author, why, seq)
        return [self.gone]

    def _own_frame(self, seq: int, frame: Frame) -> list[RoomEvent]:
        header, me = frame.header, self._identity.fingerprint
        back = self._outbox.came_back(frame, self._watch.last_missed)
        if back is not None:
            ticket, uncertain = back
            events = [Uncertain(self.label, each) for each in uncertain]
            return [*events, Delivered(self.label, ticket, seq)]
        used = header.n < self._keys.ratchets[header.row].n and not self._outbox.awaits(header.n)
        return [self._watch.alarm(Reason.REPLAYED if used else Reason.FORGED, me, seq)]
