"""
One room that the client is in: its `Room` on the one side, the connection on the other.

It feeds the stream into the room, sends what the room wants to have sent, tells senders when
their message is in the stream, and keeps the heartbeat: who has been silent for max(60 s, N ·
2 s) in a room of N says with an empty message what it has seen, so that a relay which shows
different streams to different members, or drops the newest, is found out. A heartbeat comes
back like any message; where by the next one nothing has come, the connection is taken for dead.

What this member changes in the room is known by `Changing`; why it would, by `Departing` and
`Schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall

from securechat.client.changing import Changing
from securechat.client.departing import Departing
from securechat.client.events import CaughtUp, Refusal
from securechat.client.intents import Intent, Kicking
from securechat.client.leaving import Leaver
from securechat.client.party import Party
from securechat.client.presence import Presence
from securechat.client.refusals import error_for, removed, subject
from securechat.client.renewing import Schedule
from securechat.client.waiters import Waiters
from securechat.errors import FateUnknown, HasLeft, KeysGone, RelayForked, SecureChatError
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
    Restore,
    Resume,
    Resumed,
    Send,
    Slice,
    UserAdded,
)

HEARTBEAT_SECONDS = 60.0
HEARTBEAT_SECONDS_PER_MEMBER = 2.0


def patience(members: int, chance: float) -> float:
    """
    Return after how many seconds of silence a member of a room of *members* says a heartbeat:
    a minute, or more where there are many, and up to a fifth more by *chance*. So a room costs
    at most half a heartbeat a second.

    :param chance: a random number from 0 to 1.
    """
    quiet = max(HEARTBEAT_SECONDS, HEARTBEAT_SECONDS_PER_MEMBER * members)
    return quiet * (1 + chance / 5)


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
        self._asked = 0  # how often `resume` was said and not answered
        self._resuming: Waiters[int] = Waiters()
        self._refusal: SecureChatError | None = None
        self._restored = False  # whether a relay that was behind was shown what it lacks
        self._slice: Slice | None = None  # the own slice of the entry that is to come next
        self._heartbeat: IDelayedCall | None = None
        self._seq_of_last_beat: int | None = None
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
        if self._refusal is not None:
            return fail(self._refusal)
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
        self._asked += 1
        self._refusal = None
        place = self.room.place
        self._party.say(Resume(place.room, place.epoch, place.head, self.room.seq))

    def resume(self) -> Deferred[int]:
        """The same. Fires with the relay's newest number once all is here."""
        done = self._resuming.wait()
        self.catch_up()
        return done

    # What the relay says

    def entry(self, line: UserAdded | Changed) -> bool:
        """Take an entry; return whether by it the client has become a member."""
        was_inside = self.room.inside
        mine, self._slice = self._slice, None
        sealed = mine.sealed if mine is not None and mine.seq == line.seq else None
        self._note(self.room.take_entry(line.seq, line.entry, sealed))
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
        self._note(self.room.take_frame(line.seq, frame))

    def began(self) -> None:
        """The relay counts the client as live without a `resume`: it has just founded."""
        self.live = True

    def _resumed(self, seq: int) -> None:
        """All up to *seq* has come."""
        if not self._asked:
            return
        self._asked -= 1
        events = self.room.caught_up(seq)
        self.live, self._restored = True, False
        self._note([*events, CaughtUp(self.room.label, seq)])

    def _behind(self, line: Behind) -> None:
        """The relay lacks the newest entries: show them, if the older are the same."""
        if not self._asked:
            return
        self._asked -= 1
        later = None if self._restored else self.room.entries_after(line.epoch, line.head)
        if later is None:
            self._refuse(RelayForked(label=self.room.label))
            return
        self._restored = True
        for seq, signed in later:
            self._party.say(Restore(self.room.id, seq, signed.encode()))
        self._schedule.hurry()  # others may have lost their slices with it
        self.catch_up()

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about this room, and about what was said of it."""
        if self._changing.refused(line) or self._leaver.refused(line):
            return True
        if not self._asked or line.subject != subject(self.room.id):
            return False
        if self.room.gone is not None:
            return True  # as the entry before has said, and more: it is about to be told
        self._refuse(error_for(line, self.room.label))
        return True

    def _refuse(self, error: SecureChatError) -> None:
        """The room cannot be resumed, because of *error*."""
        self._refusal = error
        if not self._resuming:
            self._party.emit(Refusal(error))
        self.leave_alone(error)

    def connection_lost(self, error: BaseException) -> None:
        """Nothing comes any more; what was sent may yet show up after a `resume`."""
        self.live, self._asked, self._seq_of_last_beat = False, 0, None
        self._slice, self._restored = None, False
        self._stop_heartbeat()
        self._resuming.fail(error)
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

    def settled(self, events: Iterable[RoomEvent]) -> None:
        """What has happened is stored: tell, and say what is to be said."""
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
        self._flush()

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

    def _greet(self) -> None:
        self._greeted = frozenset(self.room.log.membership.index)
        if self._name:
            self.room.greet(self._name)

    def _flush(self) -> None:
        while self.live and self.room.outgoing and not self._changing.staged:
            frame = self.room.outgoing.popleft()
            header = frame.header
            self._party.say(
                Send(
                    self.room.id, header.epoch, header.row, header.n, frame.nonce, frame.ciphertext
                )
            )
            self._stop_heartbeat()
        if self.live and self._heartbeat is None:
            seconds = patience(len(self.room.roster), self._party.chance())
            self._heartbeat = self._party.clock.callLater(seconds, self._beat, seconds)

    def _beat(self, seconds: float) -> None:
        self._heartbeat = None
        if self.room.seq == self._seq_of_last_beat:
            self._party.silent(seconds)
            return
        self._seq_of_last_beat = None
        if not (self.room.stuck or self.room.leaving):  # else nothing would come back
            self._seq_of_last_beat = self.room.seq
            self.room.say(Kind.HEARTBEAT, b"")
        self._note()

    def _stop_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def _tell(self, event: RoomEvent) -> None:
        match event:
            case Delivered():
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
                self._resuming.fire(event.seq)
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
