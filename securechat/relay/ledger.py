"""
What a room's relay holds of its log and its stream, and how entries and frames get into them.

Entries are checked by the rules that every member runs, so that one bad entry cannot jam the
room. Of a frame it is checked whose it is and that it is new; what is inside, nobody here can
know. Both are given to the history. An entry counts, and changes what is held here, only when
the history says that it is durable.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from securechat.errors import EntryRefused
from securechat.group.detail import Add, Create, Remove, Update
from securechat.group.entry import Entry, SignedEntry
from securechat.group.log import Log
from securechat.group.roster import Row
from securechat.relay.epoch import Epoch
from securechat.relay.history import Draft, IHistory, Item, Landing
from securechat.relay.limits import Limits
from securechat.relay.rates import Act, Rates
from securechat.relay.refusal import subject
from securechat.relay.state import Changes, Kind, Values, changes_by, name, named
from securechat.relay.stream import entry_of
from securechat.wire import Passing


class Ledger:
    """
    The books of one room.

    :ivar log: the log up to its newest entry that is durable.
    :ivar values: what is kept for single members.
    :ivar rates: what its members have done lately.
    :ivar lacks: whether members may have entries that are lacking here: until one was written since
        the relay was started, on which theirs could not stand.
    :ivar landed: the number of the newest entry.
    """

    def __init__(
        self, log: Log, values: Values, clock: IReactorTime, history: IHistory, limits: Limits
    ) -> None:
        self.log = log
        self.values = values
        self.rates = Rates(clock, limits)
        self.lacks = True
        self._room = log.room
        self._history = history
        self._limits = limits
        self._epoch = Epoch(log)

    @property
    def landed(self) -> int:
        return self._epoch.landed

    @property
    def full(self) -> bool:
        """Whether nobody can be added."""
        membership = self.log.membership
        most = min(self._limits.members_per_room, membership.policy.roster_maximum)
        return len(membership.rows) >= most

    def row_of(self, member: bytes) -> Row | None:
        """Return the row of the fingerprint *member*, None where it is not on the roster."""
        membership = self.log.membership
        number = membership.index.get(member)
        return None if number is None else membership.rows[number]

    # Entries

    def followed(self, author: bytes, entry: bytes) -> Log:
        """
        Return the log with *entry* at its end, which *author* wants to land.

        :raises StaleEntry: if another entry came first.
        :raises EncodingError: if it is no entry.
        :raises EntryRefused: if it breaks a rule.
        :raises Refusal: if *author* writes too many.
        """
        signed = SignedEntry.decode(entry)
        if signed.entry.author != author:
            raise EntryRefused(why="its author is another")
        self.rates.check(Act.ENTRY, author, subject(self._room))
        if isinstance(signed.entry.detail, Update) and not self._is_ageing(author):
            self.rates.check(Act.UPDATE, author, subject(self._room))
        if signed.entry.prev == self.log.head:
            self.rates.count(Act.ENTRY, author)
        log = self.log.after(signed)
        self.check_view(signed.entry, self._history.newest(self._room))
        return log

    def _is_ageing(self, member: bytes) -> bool:
        """Whether *member* is more than half way to where its row is stale."""
        row, membership = self.row_of(member), self.log.membership
        rounds = membership.policy.rounds * len(membership.rows)
        return row is not None and 2 * (self.log.epoch - row.leaf_epoch) > rounds

    def check_view(self, entry: Entry, newest: int) -> None:
        """
        See that the author of *entry* has seen the entry before, and nothing after *newest*.

        :raises EntryRefused: if it claims so.
        """
        if not self.landed <= entry.seq <= newest:
            raise EntryRefused(why="its view of the stream is not of this room")

    def land(
        self,
        log: Log,
        slices: Mapping[bytes, bytes],
        *,
        besides: Changes | None = None,
        seq: int | None = None,
    ) -> Deferred[int]:
        """
        Have the newest entry of *log* put into the stream.

        :param slices: fingerprint to slice.
        :param besides: what changes with it and is not in the entry.
        :param seq: the number that it has to get: it is restored.
        :return: fires with its number; fails with `StaleEntry`, or why it could not be stored.
        """
        signed, detail = log.recent[-1], log.newest.detail
        landing = Landing(
            draft(log),
            signed.entry.prev,
            signed.head,
            log.epoch,
            log.label,
            log.snapshot(),
            slices,
            detail.members if isinstance(detail, Remove) else frozenset(),
            named({**changes_by(signed), **(besides or {})}),
            seq,
        )
        landed = self._history.append_entry(self._room, landing)
        if seq is None:
            landed.addCallbacks(
                self._landed, self._not_landed, (signed.entry,), errbackArgs=(signed.entry,)
            )
        return landed

    def _landed(self, seq: int, entry: Entry) -> int:
        self.lacks = False
        if isinstance(entry.detail, Update):
            self.rates.count(Act.UPDATE, entry.author)
        return seq

    def _not_landed(self, reason: Failure, entry: Entry) -> Failure:
        self.rates.forgive(Act.ENTRY, entry.author)
        return reason

    def take(self, item: Item) -> Entry:
        """Take the entry that *item* shows, which is durable; return it."""
        signed = entry_of(item)
        if signed.entry.epoch > 1:
            self.log = self.log.after(signed)
        self._epoch.begin(self.log, item.seq)
        self.values.apply(changes_by(signed))
        if isinstance(signed.entry.detail, Remove):
            for member in signed.entry.detail.members:
                self.rates.forget(member)
        return signed.entry

    # Frames

    def send(self, member: bytes, frame: Passing) -> None:
        """Have *frame* of *member* put into the stream, if it is a new one."""
        epoch, row, n = self._epoch, frame.row, frame.n
        if row != epoch.rows[member] or frame.epoch != epoch.number:
            return  # the stream alone says what became of a frame
        last = epoch.last(row)
        if last < 0:
            self._enters(member)
        if n > last:
            epoch.take(row, n)
            self._history.append_frame(self._room, epoch.head, Draft(b"frame", frame.rest))

    def _enters(self, member: bytes) -> None:
        """*member* speaks for the first time in this epoch: it has its keys."""
        self._history.has_seen(self._room, member, self.landed)
        if member in self.values.of(Kind.HANDOVER):
            self.values.apply({(Kind.HANDOVER, member): None})
            # Where that fails it is kept for longer than it is needed.
            self._history.put(self._room, name(Kind.HANDOVER, member), None).addErrback(
                lambda _: None
            )

    def forget(self) -> None:
        """What was taken and not told may be lost."""
        self._epoch.forget()

    async def recall(self) -> None:
        """Read again from the stream what was taken in this epoch, where that is not known."""
        await self._epoch.recall(self._history, self._room, self.log.newest.seq)


def draft(log: Log) -> Draft:
    """Return the line that shows the newest entry of *log* to everybody."""
    verb = b"user_added" if isinstance(log.newest.detail, Create | Add) else b"changed"
    return Draft(verb, urlsafe_b64encode(log.recent[-1].encode()).rstrip(b"="))
