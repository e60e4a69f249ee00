"""
The membership log: who is in a room, decided by signed entries and nothing else.

Each entry names the one before it by hash, is signed by a member, and carries the hash of
the roster that it leads to. So the log alone says who is a member, and everybody who has its
head agrees on all of it. The relay holds the log and checks every entry by the very code that
the clients run; it is believed about nothing.

`Log` is the state after an entry, immutable: `Log.founded` makes it from the create entry and
`Log.after` from each further one, or raises `EntryRefused`; a newcomer takes it from a
`snapshot`. Everything here is public. Confirmation tags are carried, not checked: that takes
the keys of `securechat.group.keys`.
"""

from __future__ import annotations

from itertools import pairwise

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import BadSignature, EncodingError, EntryRefused, StaleEntry
from securechat.group.detail import Create, Detail, detail_of
from securechat.group.entry import ZERO, Entry, SignedEntry
from securechat.group.roster import Membership
from securechat.group.rules import membership_after

CONSENT_WINDOW = 16
"""A consent holds for an entry while its head is one of the last 16."""

MAX_SNAPSHOT = 2_000_000
"""Bytes of the largest snapshot."""


@attrs.frozen
class Log:
    """The log's state after its newest entry."""

    room: bytes
    label: str
    membership: Membership
    created: SignedEntry
    """The create entry, of which the room's name is the hash."""
    recent: tuple[SignedEntry, ...]
    """The last 16 entries, the newest last."""

    @property
    def newest(self) -> Entry:
        return self.recent[-1].entry

    @property
    def epoch(self) -> int:
        """The number of the newest entry, and so of the keys that go with it."""
        return self.newest.epoch

    @property
    def head(self) -> bytes:
        return self.recent[-1].head

    @classmethod
    def founded(cls, signed: SignedEntry) -> Log:
        """
        Return the log that begins with the create entry *signed*.

        :raises EntryRefused: if it breaks a rule.
        """
        entry, detail = signed.entry, signed.entry.detail
        if not isinstance(detail, Create):
            raise EntryRefused(why="a log begins with a create entry")
        membership = _founders(detail)
        if (entry.room, entry.epoch, entry.prev, entry.seq, entry.transcript) != (
            (ZERO, 1, ZERO, 0, ZERO)
        ) or entry.author != detail.subject.fingerprint:
            raise EntryRefused(why="a create entry stands on nothing and adds its author")
        _check_signature(signed, detail.subject.ed25519)
        _check_state(entry, membership)
        return cls(signed.head, detail.label, membership, signed, (signed,))

    def after(self, signed: SignedEntry) -> Log:
        """
        Return the log with *signed* at its end.

        :raises StaleEntry: if it stands on another head than this log's.
        :raises EntryRefused: if it breaks a rule.
        """
        entry = signed.entry
        if entry.room != self.room:
            raise EntryRefused(why="the entry is of another room")
        if entry.prev != self.head:
            raise StaleEntry()
        if entry.epoch != self.epoch + 1:
            raise EntryRefused(why="its epoch does not follow")
        membership = self.membership_with(entry.detail, entry.author)
        row = self.membership.rows[self.membership.index[entry.author]]
        _check_signature(signed, row.ed25519)
        _check_state(entry, membership)
        return attrs.evolve(
            self, membership=membership, recent=(*self.recent, signed)[-CONSENT_WINDOW:]
        )

    def snapshot(self) -> bytes:
        """
        Return the CBOR array [membership, create entry, the last 16 entries], for a newcomer.
        """
        recent = [each.value() for each in self.recent]
        return encode(self.membership.value(), self.created.value(), recent)

    @classmethod
    def restored(cls, snapshot: bytes) -> Log:
        """
        Return the log that `snapshot` made *snapshot* of, here and not elsewhere: what it says
        is believed.

        :raises EncodingError, EntryRefused: if it is none.
        """
        membership, created, recent = shaped(decode(snapshot), list, list, list)
        return attrs.evolve(
            cls.founded(SignedEntry.of(created)),
            membership=Membership.of(membership),
            recent=tuple(SignedEntry.of(each) for each in recent),
        )

    @classmethod
    def entered(cls, label: str, signed: SignedEntry, snapshot: bytes) -> Log:
        """
        Return the log that ends with *signed*, as the *snapshot* from the relay has it.

        The snapshot is believed only as far as *signed*, which the newcomer got from its
        voucher, vouches for it: by its state hash for the roster, by its `prev` for the entries
        before, by its room's name for the create entry, which has the label. And *signed* has
        to follow from them by the rules that all members keep.

        :raises EncodingError: if the snapshot is malformed.
        :raises EntryRefused: if it is not the one of *signed*, or not that of the room *label*.
        """
        if len(snapshot) > MAX_SNAPSHOT:
            raise EncodingError(what="a snapshot that is too long")
        membership_value, created_value, recent_value = shaped(decode(snapshot), list, list, list)
        founded = cls.founded(SignedEntry.of(created_value))
        if (founded.room, founded.label) != (signed.entry.room, label):
            raise EntryRefused(why="the room was founded as another one")
        membership = Membership.of(membership_value)
        _check_state(signed.entry, membership)
        recent = tuple(SignedEntry.of(each) for each in recent_value)
        if len(recent) != min(CONSENT_WINDOW, signed.entry.epoch) or recent[-1:] != (signed,):
            raise EntryRefused(why="the relay shows other entries before it")
        for earlier, later in pairwise(recent):
            if (later.entry.prev, later.entry.epoch) != (earlier.head, earlier.entry.epoch + 1):
                raise EntryRefused(why="the entries before it do not lead to it")
        if recent[0].entry.epoch == 1 and recent[0] != founded.created:
            raise EntryRefused(why="the relay shows another beginning of the room")
        before = attrs.evolve(membership, rows=membership.rows[:-1])
        return attrs.evolve(founded, membership=before, recent=recent[:-1]).after(signed)

    def membership_with(self, detail: Detail, author: bytes) -> Membership:
        """
        Return the membership that *detail* by *author* leads to.

        :raises EntryRefused: if the rules forbid it.
        """
        return membership_after(self, detail, author)

    def proposed(self, detail: Detail, author: bytes, seq: int, transcript: bytes) -> Entry:
        """
        Return the content of the entry that would make *detail* true on this log's head.

        :param seq: the newest number of the stream that *author* has seen, and *transcript* T
            there.
        :raises EntryRefused: if the rules forbid it, or *detail* has no encoding.
        """
        try:
            detail_of(detail.KIND, detail.value())
        except EncodingError as error:
            raise EntryRefused(why=str(error)) from None
        state = self.membership_with(detail, author).hash
        return Entry(self.room, self.epoch + 1, self.head, seq, transcript, author, state, detail)

    @property
    def heads(self) -> tuple[tuple[int, bytes], ...]:
        """The (epoch, head) pairs that a consent may name: of the last 16 entries."""
        # Of the entry before those that are kept the first of them has the hash.
        first = self.recent[0].entry
        before = [(first.epoch - 1, first.prev)] if first.epoch > 1 else []
        kept = [(each.entry.epoch, each.head) for each in self.recent]
        return tuple([*before, *kept][-CONSENT_WINDOW:])


def _founders(detail: Create) -> Membership:
    founder = detail.subject.fingerprint
    return Membership(detail.policy, (founder,), (), (detail.subject.row(1, founder),))


def _check_signature(signed: SignedEntry, author: bytes) -> None:
    try:
        signed.check_signature(author)
    except BadSignature:
        raise EntryRefused(why="its signature does not hold") from None


def _check_state(entry: Entry, membership: Membership) -> None:
    if entry.state_hash != membership.hash:
        raise EntryRefused(why="its state hash is not that of the roster it leads to")


def founding(detail: Create) -> Entry:
    """Return the content of the create entry that *detail* makes: a room with its founder."""
    founder = detail.subject.fingerprint
    return Entry(ZERO, 1, ZERO, 0, ZERO, founder, _founders(detail).hash, detail)
