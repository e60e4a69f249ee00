"""
One room that the client is in: its `Room` on the one side, the connection on the other.

It feeds the stream into the room, sends what the room wants to have sent, and tells senders when
their message is in the stream. Around it stand those who know one thing each: `Resuming` how to
come back to the stream, `Heartbeat` what to say when there is nothing to say, `Changing` how to
change the room, `Departing` and `Schedule` why, `Leaver` how to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs
from twisted.internet.defer import Deferred, fail

from securechat.client.changing import Changing
from securechat.client.departing import Departing
from securechat.client.events import CaughtUp, Refusal
from securechat.client.heartbeat import Heartbeat
from securechat.client.intents import Intent, Kicking
from securechat.client.leaving import Leaver
from securechat.client.party import Party
from securechat.client.presence import Presence
from securechat.client.refusals import removed
from securechat.client.renewing import Schedule
from securechat.client.resuming import Resuming
from securechat.client.waiters import Waiters
from securechat.errors import FateUnknown, HasLeft, KeysGone, SecureChatError
from securechat.group.detail import Why
from securechat.group.events import Delivered, KeysLost, Removed, RoomEvent, Uncertain
from securechat.group.messages import Frame, Header, Kind
from securechat.group.room import Room
from securechat.wire import (
    Behind,
    Changed,
    ErrorLine,
    FrameLine,
    LeafKeys,
    Leaving,
    Online,
    Overtaken,
    Resumed,
    Send,
    Slice,
    UserAdded,
)

InRoom: TypeAlias = FrameLine | Slice | Resumed | Behind | Leaving | Online | LeafKeys | Overtaken
"""What the relay says about a room besides its entries, and the newcomers who ask there."""


class Membership:
    """
    A room that the client is in, or about to be in.

    :ivar entered: whether the client is in it for good, and has said so by `hello_i_am`.
    :ivar kept: whether the room is stored, so that the client can come back to it.
    :ivar live: whether the relay sends what is new: after `resume`, until the connection is
        lost.
    """

    def __init__(
        self,
        party: Party,
        room: Room,
        name: str,
        ended: Callable[[Membership, SecureChatError], None],
        renewal: bytes | None = None,
    ) -> None:
        """
        :param name: what the client calls itself there; nothing: it does not say.
        :param ended: hears that the client is no member any more, and why.
        :param renewal: what is kept of the `Schedule`.
        """
        self.room = room
        self.entered = False
        self.kept = False
        self.live = False
        self.presence = Presence(party, room)
        self._party = party
        self._name = name
        self._ended = ended
        self._greeted: frozenset[bytes] = frozenset()
        self._sent: dict[int, Waiters[int]] = {}  # by ticket, what somebody waits for
        self._spoke = False  # since the heartbeat was told
        self._slice: Slice | None = None  # the own slice of the entry that is to come next
        self._resuming = Resuming(party, room)
        self._heartbeat = Heartbeat(party, room, self._note)
        self._changing = Changing(party, room, self._note)
        self._departing = Departing(party, room, self._changing, self.presence)
        self._schedule = Schedule(
            party, room, self._changing, self.presence, self._departing.due, renewal
        )
        self._leaver = Leaver(party, room, lambda: ended(self, HasLeft(label=room.label)))

    # What the client does there

    def enter(self) -> None:
        """Be in the room for good, and say the seed's `hello_i_am(name, identity)`."""
        self.entered = self.kept = True
        self._greet()
        self._note()

    def send(self, text: str) -> Deferred[int]:
        """
        Send *text*, now or when there is a connection. Fires with the number of the stream that
        it got; fails where the relay refuses to resume the room. To cancel stops the waiting; a
        message that was encrypted cannot be taken back.

        :raises MessageTooLong: if it is larger than 32 KiB in UTF-8.
        :raises KeysGone: if the client has lost the room's keys.
        """
        if self._resuming.refusal is not None:
            return fail(self._resuming.refusal)
        if not self.room.log.membership.index.keys() <= self._greeted:
            # Names are said in the stream: who came since has not heard this one's.
            self._greet()
        ticket = self.room.say(Kind.TEXT, text.encode("utf-8", "replace"))
        waiters = self._sent[ticket] = Waiters()
        done = waiters.wait()
        self._note()
        return done

    def want(self, intent: Intent) -> Deferred[None]:
        """Make *intent* true, now or when there is a connection. Fires when it is."""
        return self._changing.want(intent)

    def kicks(self, members: frozenset[bytes]) -> Kicking:
        """Return the intent to have *members* gone, and with them whoever departs."""
        return Kicking(self._departing.due, members, Why.KICKED, self._party.identity.fingerprint)

    def leave(self) -> Deferred[None]:
        """Leave the room, now or when there is a connection. Fires once the relay knows."""
        done = self._leaver.leave()
        self._note()
        return done

    def come_back(self) -> Deferred[int]:
        """
        Be in the room again, of which the client was a member before it was started anew. Fires
        with the relay's newest number once all is here.
        """
        self.entered = self.kept = True
        return self.resume()

    def catch_up(self) -> None:
        """Ask for what is after the newest number."""
        self._resuming.ask()

    def resume(self) -> Deferred[int]:
        """The same. Fires with the relay's newest number once all is here."""
        done = self._resuming.wait()
        self._resuming.ask()
        return done

    # What the relay says

    def entry(self, line: UserAdded | Changed) -> bool:
        """Take an entry; return whether by it the client has become a member."""
        was_inside = self.room.inside
        mine, self._slice = self._slice, None
        sealed = mine.sealed if mine is not None and mine.seq == line.seq else None
        self._heartbeat.answered()  # what is on its way is dead by it
        self._take(line.seq, self.room.take_entry(line.seq, line.entry, sealed))
        return self.room.inside and not was_inside

    def hear(self, line: InRoom) -> None:
        """Take what is no entry."""
        match line:
            case FrameLine():
                self._frame(line)
            case Slice():
                self._slice = line
            case Resumed():
                self._resumed(line.seq)
            case Behind():
                self._behind(line)
            case Leaving():
                if not self._leaver.leaving(line):
                    self._note(self.room.take_leave(line.member, line.signature))
            case Online():
                self.presence.online(line)
            case LeafKeys():
                self._changing.leaf_keys(line)
            case _:
                self._changing.overtaken(line)

    def _frame(self, line: FrameLine) -> None:
        self._slice = None
        header = Header(line.epoch, line.row, line.n)
        frame = Frame(header, line.nonce, line.ciphertext)
        self._take(line.seq, self.room.take_frame(line.seq, frame))

    def began(self) -> None:
        """The relay counts the client as live without a `resume`: it has just founded."""
        self.live = True

    def _resumed(self, seq: int) -> None:
        """All up to *seq* has come."""
        if self._resuming.resumed():
            events = self.room.caught_up(seq)
            self.live = True
            self._note([*events, CaughtUp(self.room.label, seq)])

    def _behind(self, line: Behind) -> None:
        """The relay was restored from an older copy."""
        if self._resuming.behind(line):
            self._schedule.hurry()  # others may have lost their slices with it
            self._check_refusal()

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about this room, and about what was said of it."""
        if any(part.refused(line) for part in (self._changing, self._leaver)):
            return True
        refused = self._resuming.refused(line)
        if refused:
            self._check_refusal()
        return refused

    def _check_refusal(self) -> None:
        """Where the room cannot be resumed, tell who waits for something there."""
        error = self._resuming.refusal
        if error is not None:
            if not self._resuming.awaited:
                self._party.emit(Refusal(error))
            self.leave_alone(error)

    def connection_lost(self, error: BaseException) -> None:
        """Nothing comes any more; what was sent may yet show up after a `resume`."""
        self.live, self._slice = False, None
        self._heartbeat.connection_lost()
        self._resuming.connection_lost(error)
        self._departing.connection_lost()
        self._schedule.connection_lost()
        self._changing.connection_lost()
        self._leaver.connection_lost()
        self.presence.leave_alone(error)

    def leave_alone(self, error: BaseException) -> None:
        """Nobody will learn any more what became of what was sent."""
        self.connection_lost(error)
        self._changing.leave_alone(error)
        self._leaver.leave_alone(error)
        self._fail_sent(error)

    # What the journal asks

    def changes(self) -> dict[str, bytes | None]:
        """Return the parts to keep that have changed since the last time."""
        return {**self.room.changes(), **self._schedule.changes()}

    def stored(self) -> None:
        """What has happened is stored: say what is to be said."""
        self._changing.stored()
        self._flush()

    def settled(self, events: Iterable[RoomEvent]) -> None:
        """And now tell it, and do what follows from it."""
        for event in events:
            self._tell(event)
        if self.room.gone is not None:
            return  # and this has ended
        able = self.live and self._can_change
        self._changing.settled(live=able)
        self.presence.settled(live=self.live)
        self._departing.settled(live=able)
        self._schedule.settled(live=able)
        self._leaver.settled(live=self.live and not self._changing.staged)
        if not self._party.journal.awaits(self):
            self._flush()  # what waited for the end of a change
        self._heartbeat.settled(live=self.live, spoke=self._spoke)
        self._spoke = False

    # How

    @property
    def _can_change(self) -> bool:
        room = self.room
        me = self._party.identity.fingerprint
        going = self._leaver.wanted or me in room.leaving
        return self.entered and not room.stuck and not going

    def _note(self, events: Iterable[RoomEvent] = ()) -> None:
        """The room has changed: have it stored, then go on in `settled`."""
        self._party.journal.note(self, events)

    def _take(self, seq: int, events: list[RoomEvent]) -> None:
        self._note([*events, *self._resuming.progress(seq)])

    def _greet(self) -> None:
        self._greeted = frozenset(self.room.log.membership.index)
        if self._name:
            self.room.greet(self._name)

    def _flush(self) -> None:
        while self.live and self.room.outgoing and not self._changing.staged:
            frame = self.room.outgoing.popleft()
            epoch, row, n = attrs.astuple(frame.header)
            self._party.say(Send(self.room.id, epoch, row, n, frame.nonce, frame.ciphertext))
            self._spoke = True

    def _tell(self, event: RoomEvent) -> None:
        self._party.trusting.heard(self.room, event)
        match event:
            case Delivered():
                self._heartbeat.answered()
                if event.text is not None:
                    self._party.emit(event)
                    self._sent.pop(event.ticket, Waiters()).fire(event.seq)
            case Uncertain():
                if event.text is not None:
                    self._party.emit(event)
                    error = FateUnknown(label=self.room.label)
                    self._sent.pop(event.ticket, Waiters()).fail(error)
            case CaughtUp():
                self._party.emit(event)
                self._resuming.caught_up(event.seq)
            case KeysLost():
                self._party.emit(event)
                self._fail_sent(KeysGone(label=self.room.label))
            case Removed():
                self._party.emit(event)
                self._leaver.done()
                self._ended(self, removed(event))
            case _:
                self._party.emit(event)

    def _fail_sent(self, error: BaseException) -> None:
        for each in list(self._sent.values()):
            each.fail(error)
