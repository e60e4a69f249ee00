"""
One member's whole view of one room, without sockets, clocks or files.

What the relay's stream brings goes in by `take_entry` and `take_frame`, strictly in the order
of its numbers; events come out. What the member says goes in by `say`; frames to send wait in
`outgoing` for whoever holds the connection.

What became of a frame is decided by the stream alone:

* It comes back in the stream: it is delivered.
* A new entry comes first: nobody will open it any more; it is encrypted anew, once, in the
  new epoch.
* `caught_up` and neither: the same bytes are sent again.

The relay is believed about nothing. Whatever it can do to the stream shows as an `Alarm` or
as `FramesMissing`; no lie makes a room show something that a member did not say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import (
    BadCiphertext,
    BadSignature,
    EncodingError,
    EntryRefused,
    StaleEntry,
)
from securechat.group.admission import Place
from securechat.group.detail import Add, Create, Subject
from securechat.group.entry import Entry, SignedEntry
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
from securechat.group.joiner import Entrance
from securechat.group.keys import (
    NO_CHAIN,
    NOTHING_FRESH,
    EpochKeys,
    confirmation,
    epoch_secret,
)
from securechat.group.log import Log, founding
from securechat.group.messages import Content, Frame, Header, Kind, open_frame, seal_frame
from securechat.group.roster import Policy, Row
from securechat.group.transcript import Transcript
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, KEY_LENGTH, XWing, digest, random_bytes, same
from securechat.text import clean_name

MAX_SKIP = 1_024
"""Message keys that are skipped at most where frames are missing."""


@attrs.define
class Unsent:
    """A message that has not come back in the stream yet."""

    ticket: int
    kind: Kind
    body: bytes = attrs.field(repr=False)
    frame: Frame


class Room:
    """A room as one member sees it. Make it with `found` or `enter`."""

    def __init__(
        self,
        identity: Identity,
        log: Log,
        keys: EpochKeys,
        leaf: XWing,
        transcript: Transcript,
        trusts: Callable[[bytes], bool],
        first: SignedEntry,
    ) -> None:
        self.log = log
        self.names: dict[bytes, str] = {}
        """What members call themselves, by fingerprint."""
        self.outgoing: deque[Frame] = deque()
        self._identity = identity
        self._keys = keys
        self._leaf = leaf
        self._transcript = transcript
        self._trusts = trusts
        self.first_entry = first
        """The entry that this member came in by."""
        self._voucher = first.entry.author
        self.confirmed = self._voucher == identity.fingerprint
        """
        Whether somebody trusted, other than the voucher, was heard here. Until then a relay and
        a former member together could have made the room up for a newcomer.
        """
        self.inside = False
        """Whether the own first entry has come in the stream."""
        self._unsent: dict[int, Unsent] = {}  # by n
        self._tickets = 0
        self._missed = 0  # numbers of this epoch that never came
        self._seen: dict[bytes, int] = {}  # each sender's newest seen_seq
        self._alarms: dict[tuple[Reason, bytes | None], Alarm] = {}

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
        log = Log.founded(signed)
        start = Transcript.starting(entry.seq, entry.transcript)
        return cls(identity, log, _keys(secret, log), leaf, start, trusts, signed)

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
        signed = entrance.signed
        log = Log.entered(label, signed, snapshot)
        start = Transcript.starting(signed.entry.seq, signed.entry.transcript)
        keys = _keys(entrance.secret, log)
        return cls(identity, log, keys, entrance.leaf, start, trusts, signed)

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
    def unsent(self) -> int:
        """How many messages have not come back in the stream."""
        return len(self._unsent)

    @property
    def alarms(self) -> list[Alarm]:
        """The first alarm of each reason and sender; they do not go away."""
        return list(self._alarms.values())

    # Speaking

    def say(self, kind: Kind, body: bytes) -> int:
        """
        Encrypt a message, put its frame into `outgoing`, and return its ticket: `Delivered`
        names it.

        :raises MessageTooLong: if the body is larger than 32 KiB.
        """
        self._say(self._tickets, kind, body)
        self._tickets += 1
        return self._tickets - 1

    def greet(self, name: str) -> int:
        """Say the seed's `hello_i_am(name, identity)`."""
        return self.say(Kind.HELLO, encode(clean_name(name), self._identity.fingerprint))

    def caught_up(self, seq: int) -> list[RoomEvent]:
        """The relay says that all up to *seq* was here: send again what has not come back."""
        events = self._expect(seq + 1)
        self.outgoing = deque(each.frame for each in self._unsent.values())
        return events

    def propose(self, add: Add) -> tuple[SignedEntry, bytes]:
        """
        Return the entry that would make *add* true on the log's head, and the secret of the
        epoch that it starts. Nothing changes here until it comes in the stream.

        :raises EntryRefused: if the log's rules forbid it.
        """
        me = self._identity.fingerprint
        membership = self.log.membership_with(add, me)
        seen_seq, seen = self._transcript.newest
        entry = Entry(
            self.id, self.log.epoch + 1, self.log.head, seen_seq, seen, me, membership.hash, add
        )
        secret = epoch_secret(self._keys.chain, NOTHING_FRESH, entry)
        return SignedEntry.make(entry, confirmation(secret, entry), self._identity), secret

    def _say(self, ticket: int, kind: Kind, body: bytes) -> None:
        row = self.log.membership.index[self._identity.fingerprint]
        ratchet = self._keys.ratchets[row]
        header = Header(self.log.epoch, row, ratchet.n)
        content = Content(kind, *self._transcript.newest, body)
        frame = seal_frame(self._identity, ratchet, self.id, self.log.head, header, content)
        self._keys.ratchets[row] = ratchet.skip(1)
        self._unsent[header.n] = Unsent(ticket, kind, body, frame)
        self.outgoing.append(frame)

    # Hearing

    def take_entry(self, seq: int, data: bytes) -> list[RoomEvent]:
        """Take the entry that the relay says is number *seq* of the stream."""
        events = self._expect(seq)
        if seq <= self.seq:
            return events
        self._transcript.fold(seq, digest("item", data))
        try:
            signed = SignedEntry.decode(data)
            if not self.inside:
                return [*events, *self._before_inside(seq, signed)]
            log = self.log.after(signed)
        except (EncodingError, EntryRefused, StaleEntry):
            return [*events, self._alarm(Reason.BAD_ENTRY, None, seq)]
        secret = epoch_secret(self._keys.chain, NOTHING_FRESH, signed.entry)
        self.log, self._keys, self._missed = log, _keys(secret, log), 0
        events += self._check_view(
            signed.entry.author, seq, signed.entry.seq, signed.entry.transcript
        )
        events.append(self._added(seq))
        # The entry counts in any case: to refuse it would let its author split the room.
        if not same(signed.tag, confirmation(secret, signed.entry)):
            events.append(self._alarm(Reason.WRONG_KEY, signed.entry.author, seq))
        self._encrypt_anew()
        return events

    def take_frame(self, seq: int, frame: Frame) -> list[RoomEvent]:
        """Take the frame that the relay says is number *seq* of the stream."""
        events = self._expect(seq)
        if seq <= self.seq:
            return events
        self._transcript.fold(seq, frame.digest)
        if not self.inside:
            return events  # from before this member's entry: folded, and not for it to read
        header = frame.header
        if header.epoch != self.log.epoch or header.row >= len(self.roster):
            return [*events, self._alarm(Reason.FORGED, None, seq)]
        row = self.roster[header.row]
        if row.fingerprint == self._identity.fingerprint:
            return [*events, self._own_frame(seq, frame)]
        return [*events, *self._others_frame(seq, frame, row)]

    def _expect(self, seq: int) -> list[RoomEvent]:
        """Say what is wrong if *seq* is not the next number, and make it the next."""
        if seq <= self.seq:
            return [self._alarm(Reason.REPLAYED, None, seq)]
        first, last = self.seq + 1, seq - 1
        self._missed += last - self.seq
        self._transcript.pass_over(last)
        return [FramesMissing(self.label, first, last)] if first <= last else []

    def _before_inside(self, seq: int, signed: SignedEntry) -> list[RoomEvent]:
        """
        Take an entry of a time when this member was not in the room: nothing follows from it
        but that its own entry makes it a member.
        """
        if signed == self.first_entry:
            self.inside, self._missed = True, 0
            return [self._added(seq)]
        return [] if signed in self.log.recent else [self._alarm(Reason.BAD_ENTRY, None, seq)]

    def _added(self, seq: int) -> MemberAdded:
        row = self.roster[-1]
        return MemberAdded(self.label, row.fingerprint, row.voucher, seq)

    def _encrypt_anew(self) -> None:
        """The frames of the epoch that ended are dead: say the same in this one, in order."""
        self.outgoing.clear()
        dead, self._unsent = self._unsent, {}
        for each in dead.values():
            self._say(each.ticket, each.kind, each.body)

    def _own_frame(self, seq: int, frame: Frame) -> RoomEvent:
        header, me = frame.header, self._identity.fingerprint
        unsent = self._unsent.get(header.n)
        if unsent is None and header.n < self._keys.ratchets[header.row].n:
            return self._alarm(Reason.REPLAYED, me, seq)
        if unsent is None or unsent.frame != frame:
            return self._alarm(Reason.FORGED, me, seq)
        del self._unsent[header.n]
        return Delivered(self.label, unsent.ticket, seq)

    def _others_frame(self, seq: int, frame: Frame, row: Row) -> list[RoomEvent]:
        sender, number = row.fingerprint, frame.header.row
        ratchet = self._keys.ratchets[number]
        ahead = frame.header.n - ratchet.n
        if ahead < 0:
            return [self._alarm(Reason.REPLAYED, sender, seq)]
        if ahead > min(self._missed, MAX_SKIP):
            return [self._alarm(Reason.DROPPED, sender, seq)]
        try:
            signed, after = open_frame(
                frame, row.ed25519, ratchet.skip(ahead), self.id, self.log.head
            )
        except (BadCiphertext, BadSignature):
            return [self._alarm(Reason.FORGED, sender, seq)]
        self._keys.ratchets[number] = after
        self._missed -= ahead  # a missing number explains one skipped message, of one sender
        try:
            content = Content.unpadded(signed)
        except EncodingError:
            return [self._alarm(Reason.MALFORMED, sender, seq)]
        events = self._check_view(sender, seq, content.seen_seq, content.seen_transcript)
        if not self.confirmed and sender != self._voucher and self._trusts(sender):
            self.confirmed = True
            events.append(Confirmed(self.label, sender))
        return [*events, *self._read(seq, sender, content)]

    def _check_view(self, sender: bytes, seq: int, seen_seq: int, seen: bytes) -> list[RoomEvent]:
        """
        Compare what *sender* had seen with what is here; where that is not known, since numbers
        are missing, believe *sender*, so that others are held to it from here on.
        """
        if seen_seq >= seq or seen_seq < self._seen.get(sender, 0):
            return [self._alarm(Reason.REORDERED, sender, seq)]
        self._seen[sender] = seen_seq
        self._transcript.learn(seen_seq, seen)
        if self._transcript.at(seen_seq) not in (None, seen):
            return [self._alarm(Reason.FORKED, sender, seq)]
        return []

    def _read(self, seq: int, sender: bytes, content: Content) -> list[RoomEvent]:
        try:
            match content.kind:
                case Kind.HELLO:
                    name, identity = shaped(decode(content.body), str, HASH_LENGTH)
                    if identity != sender:
                        return [self._alarm(Reason.MALFORMED, sender, seq)]
                    name = clean_name(name)
                    if self.names.get(sender) == name:
                        return []  # said again for those who came since
                    self.names[sender] = name
                    return [Named(self.label, sender, name)]
                case Kind.TEXT:
                    return [Message(self.label, sender, content.body.decode("utf-8"), seq)]
                case _:
                    return []  # a heartbeat, or what a later version may say
        except (EncodingError, UnicodeDecodeError):
            return [self._alarm(Reason.MALFORMED, sender, seq)]

    def _alarm(self, reason: Reason, sender: bytes | None, seq: int) -> Alarm:
        alarm = Alarm(self.label, reason, sender, seq)
        self._alarms.setdefault((reason, sender), alarm)
        return alarm


def _keys(secret: bytes, log: Log) -> EpochKeys:
    return EpochKeys.of(secret, (row.fingerprint for row in log.membership.rows))
