"""
The changes of a room that this member makes, one at a time on its way.

::

    leaves, leaf_keys      the keys of everybody on the roster, in pages
    begin                  the entry, made now
    slices                 its secret for everybody who remains, sealed a line at a time
    commit

What became of it the stream alone says. Any entry that lands, the own one too, ends what is on
its way, and each intent is looked at again: it is true by now, or it is tried again on the new
head. After a lost connection the same, once the member has caught up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.client.intents import Intent
from securechat.client.party import Party
from securechat.client.refusals import error_for, subject
from securechat.client.waiters import Waiters
from securechat.errors import SecureChatError
from securechat.group.change import Change
from securechat.group.detail import leaf_hash
from securechat.group.room import Room
from securechat.primitives import XWING_LENGTH
from securechat.wire import (
    SLICES_A_LINE,
    Begin,
    Code,
    Commit,
    ErrorLine,
    LeafKeys,
    Leaves,
    Overtaken,
    Slices,
)

LEAF_KEYS_SECONDS = 10.0
"""How long the relay may take for a page of leaf keys."""

LANDING_SECONDS = 60.0
"""How long the relay may take to let an entry land that it has, or that it says has landed."""


class Changing:
    """
    The intents of this member in one room.

    :ivar staged: whether an entry of this member is at the relay, or on its way there. What the
        member says meanwhile has to wait: it would have seen more than the entry that comes
        after it.
    """

    _log = Logger()

    def __init__(self, party: Party, room: Room, store: Callable[[], None]) -> None:
        """:param store: has the room stored; `stored` is called once it is."""
        self.staged = False
        self._party = party
        self._room = room
        self._store = store
        self._live = False
        self._head = room.place.head
        self._wanted: dict[Intent, Waiters[None]] = {}  # in the order in which they came
        self._under_way: Intent | None = None
        self._attempt: Deferred[Any] | None = None
        self._stored: Deferred[None] | None = None
        self._owed: Deferred[LeafKeys | None] | None = None  # what the relay has to say
        self._asked: tuple[int, int] | None = None  # the page of leaf keys that is waited for
        self._asks: deque[tuple[int, int]] = deque()  # all that it has not answered, in order
        self._keys: dict[bytes, bytes] = {}  # leaf keys by their hashes

    def want(self, intent: Intent) -> Deferred[None]:
        """
        Make *intent* true. Fires when it is, whoever has done it; fails with why it may not be
        or is refused. To cancel it stops trying; what has been sent may land all the same.
        """
        waiters = self._wanted.get(intent)
        if waiters is None:
            waiters = self._wanted[intent] = Waiters(self._forsaken)
        done = waiters.wait()
        self._go_on()
        return done

    # What the membership tells

    def stored(self) -> None:
        """What has become of the room is stored: what waited for that goes on, on this head."""
        if self._stored is not None and self._head == self._room.place.head:
            stored, self._stored = self._stored, None
            stored.callback(None)

    def settled(self, *, live: bool) -> None:
        """
        What has become of the room is stored, and told.

        :param live: whether the member is one who can change it now.
        """
        self._live = live
        if self._head != self._room.place.head:
            self._head = self._room.place.head
            self._drop()
        self._go_on()

    def connection_lost(self) -> None:
        """Nothing is on its way any more, unless it has arrived."""
        self._live = False
        self._asks.clear()
        self._drop()

    def leave_alone(self, error: BaseException) -> None:
        """Nothing will come of it, because of *error*."""
        self.connection_lost()
        wanted, self._wanted = self._wanted, {}
        for waiters in wanted.values():
            waiters.fail(error)

    # What the relay says

    def leaf_keys(self, line: LeafKeys) -> None:
        """Take a page of leaf keys."""
        page = (line.epoch, line.first)
        if self._asks and self._asks[0] == page:
            self._asks.popleft()
            if self._asked == page:
                self._answered(line)

    def overtaken(self, line: Overtaken) -> None:
        """Another entry came first: nothing can be done before it is here."""
        if self.staged and line.head != self._head:
            self._await_entry()

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about what is on its way."""
        intent = self._under_way
        if line.subject != subject(self._room.id):
            return False
        if line.code is Code.GONE and self._asks:
            if self._asks.popleft() == self._asked:  # the roster is another by now
                self._await_entry()
            return True
        if intent is None or line.code not in (Code.ENTRY, Code.BUSY, Code.GONE):
            return False
        if self.staged:
            self._give_up(intent, error_for(line))
        return True

    # How

    def _go_on(self) -> None:
        for intent in [each for each in self._wanted if not each.holds(self._room)]:
            if intent in self._wanted and intent != self._under_way:
                self._wanted.pop(intent).fire(None)
        if self._live and self._under_way is None and self._wanted:
            self._under_way = intent = next(iter(self._wanted))
            self._attempt = attempt = Deferred.fromCoroutine(self._carry_out(intent))
            attempt.addErrback(self._failed, intent)

    async def _carry_out(self, intent: Intent) -> None:
        # A connection stages one entry at a time, in whatever room.
        await self._party.staging.acquire()
        try:
            if intent.fresh:
                await self._fetch_leaf_keys()
            change = intent.change(self._room)
            self.staged = True
            await self._until_stored()
            await self._send(change)
            await self._answer(LANDING_SECONDS)
        finally:
            self._party.staging.release()

    async def _send(self, change: Change) -> None:
        room = self._room.id
        self._party.say(Begin(room, change.signed.encode()))
        slices = change.slices([self._keys.get(row.leaf_hash, b"") for row in change.rows])
        for first in range(0, len(change.rows), SLICES_A_LINE):
            self._party.say(Slices(room, first, b"".join(islice(slices, SLICES_A_LINE))))
            await deferLater(self._party.clock, 0)
        self._party.say(Commit(room))

    async def _fetch_leaf_keys(self) -> None:
        """
        Have the leaf key of each member, except for those that the relay does not have as the
        roster names them.
        """
        room, epoch, roster = self._room.id, self._room.place.epoch, self._room.roster
        hashes = [row.leaf_hash for row in roster]
        known = {each: self._keys[each] for each in hashes if each in self._keys}
        self._keys = known
        asked = 0  # rows before this one have been asked for, or were known
        for number, each in enumerate(hashes):
            if each in known or number < asked:
                continue
            self._asked = (epoch, number)
            self._asks.append(self._asked)
            self._party.say(Leaves(room, epoch, number))
            page = await self._answer(LEAF_KEYS_SECONDS)
            assert page is not None  # nothing else answers this
            keys = [
                page.keys[at : at + XWING_LENGTH] for at in range(0, len(page.keys), XWING_LENGTH)
            ]
            asked = number + len(keys)
            for key, wanted in zip(keys, hashes[number:asked], strict=False):
                if leaf_hash(key) == wanted:
                    known[wanted] = key

    async def _until_stored(self) -> None:
        """The room as it is now, the secret of a new leaf key too, is where it is found again."""
        stored = self._stored = Deferred()
        self._store()
        await stored

    async def _answer(self, seconds: float) -> LeafKeys | None:
        """Return what the relay answers; who does not answer is not there."""
        owed = self._owed = Deferred()
        try:
            return await owed.addTimeout(seconds, self._party.clock)
        except TimeoutError:
            self._party.silent(seconds)
            raise

    def _answered(self, line: LeafKeys) -> None:
        self._asked = None
        assert self._owed is not None
        self._owed.callback(line)

    def _await_entry(self) -> None:
        intent = self._under_way
        self._drop()
        self._under_way = intent
        self._attempt = Deferred.fromCoroutine(self._answer(LANDING_SECONDS))
        self._attempt.addErrback(_ended)

    def _failed(self, reason: Failure, intent: Intent) -> None:
        if isinstance(reason.value, SecureChatError):
            self._give_up(intent, reason.value)
        else:
            _ended(reason)

    def _give_up(self, intent: Intent, error: SecureChatError) -> None:
        self._drop()
        self._wanted.pop(intent).fail(error)
        self._store()  # what waited can go
        self._go_on()

    def _forsaken(self) -> None:
        """Somebody waits no more."""
        for intent in [each for each, waiters in self._wanted.items() if not waiters]:
            del self._wanted[intent]
            if intent == self._under_way:
                self._drop()
        self._go_on()

    def _drop(self) -> None:
        """Nothing is on its way."""
        self._under_way = self._asked = self._stored = None
        self.staged = False
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()


def _ended(reason: Failure) -> None:
    """What was on its way was given up, or the connection with it."""
    reason.trap(CancelledError, TimeoutError)
