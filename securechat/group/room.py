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

from collections.abc import Callable, Mapping

from securechat.errors import (
    BadCiphertext,
    BadSignature,
    EncodingError,
    EntryRefused,
    StaleEntry,
)
from securechat.group.detail import (
    Create,
    Remove,
    Subject,
    leaving,
)
from securechat.group.entry import Entry, SignedEntry
from securechat.group.events import (
    Delivered,
    KeysLost,
    MemberLeaving,
    Reason,
    Removed,
    RoomEvent,
    Uncertain,
)
from securechat.group.joiner import Entrance
from securechat.group.keys import NO_CHAIN, confirmation, epoch_secret
from securechat.group.log import CONSENT_WINDOW, Log, founding
from securechat.group.messages import Frame
from securechat.group.news import news
from securechat.group.outbox import Said
from securechat.group.roster import Policy
from securechat.group.speaking import Speaking
from securechat.group.transcript import Transcript
from securechat.identity import Identity
from securechat.primitives import (
    HASH_LENGTH,
    KEY_LENGTH,
    XWing,
    digest,
    random_bytes,
    same,
    verify,
)


class Room(Speaking):
    """A room as one member sees it. Make it with `found`, `enter` or `restore`."""

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
        events += self._unknown(self._outbox.anew(self._watch.last_missed, seq, self._seal_now))
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
            ticket, said, uncertain = back
            return [*self._unknown(uncertain), Delivered(self.label, ticket, seq, said.text)]
        used = header.n < self._keys.ratchets[header.row].n and not self._outbox.awaits(header.n)
        return [self._watch.alarm(Reason.REPLAYED if used else Reason.FORGED, me, seq)]

    def _unknown(self, uncertain: Mapping[int, Said]) -> list[RoomEvent]:
        return [Uncertain(self.label, ticket, each.text) for ticket, each in uncertain.items()]
