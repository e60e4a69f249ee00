"""
What a member knows and keeps of one room, and how that is stored in parts and comes back.

Nothing is decided here: `securechat.group.room` does that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Self

from securechat.errors import EncodingError, EntryRefused, NotAMember
from securechat.group.admission import Place
from securechat.group.entry import SignedEntry
from securechat.group.events import Alarm, Removed
from securechat.group.hearing import Hearing
from securechat.group.keyring import Keyring
from securechat.group.log import Log
from securechat.group.messages import Frame
from securechat.group.outbox import Outbox
from securechat.group.progress import Progress
from securechat.group.roster import Row
from securechat.group.rules import is_stale
from securechat.group.table import Table, one
from securechat.group.transcript import Transcript
from securechat.group.watch import Watch
from securechat.identity import Identity
from securechat.primitives import SIGNATURE_LENGTH


class State:
    """
    One member's state in one room.

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

    # Being stored

    @classmethod
    def restore(
        cls, identity: Identity, parts: Mapping[str, bytes], trusts: Callable[[bytes], bool]
    ) -> Self:
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
        member = self._identity.fingerprint in self._members
        if not self._keys.fits(len(self.roster)) or member == (self.gone is not None):
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
    def me(self) -> bytes:
        """The fingerprint of the member whose room this is."""
        return self._identity.fingerprint

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
        return tuple(ticket for ticket, each in said if each.text is not None)

    @property
    def outgoing(self) -> deque[Frame]:
        """The frames to send now, in order, for who sends them to take out."""
        return self._outbox.outgoing

    @property
    def leaving(self) -> Mapping[bytes, bytes]:
        """Who has signed its `leave` and is still on the roster: the signature by fingerprint."""
        members = self._members
        there = sorted((each for each in self._leaves if each in members), key=members.__getitem__)
        return {each: self._leaves[each] for each in there}

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
