"""
One room that the client is in: its `Room` on the one side, the connection on the other.

It feeds the stream into the room, sends what the room wants to have sent, tells senders when
their message is in the stream, and keeps the heartbeat: who has been silent for max(60 s, N ·
2 s) in a room of N says with an empty message what it has seen, so that a relay which shows
different streams to different members, or drops the newest, is found out. A heartbeat comes
back like any message; where by the next one nothing has come, the connection is taken for dead.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall

from securechat.client.events import CaughtUp, Refusal
from securechat.client.party import Party
from securechat.client.refusals import error_for, subject
from securechat.client.waiters import Waiters
from securechat.errors import FateUnknown, SecureChatError
from securechat.group.events import Delivered, RoomEvent, Uncertain
from securechat.group.messages import Frame, Header, Kind
from securechat.group.room import Room
from securechat.wire import ErrorLine, FrameLine, Resume, Send, UserAdded

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


class Membership:
    """
    A room that the client is in, or about to be in.

    :ivar entered: whether the client is in it for good, and has said so by `hello_i_am`.
    :ivar kept: whether the room is stored, so that the client can come back to it.
    :ivar live: whether the relay sends what is new: after `resume`, until the connection is
        lost.
    """

    def __init__(self, party: Party, room: Room, name: str) -> None:
        """:param name: what the client calls itself there; nothing: it does not say."""
        self.room = room
        self.entered = False
        self.kept = False
        self.live = False
        self._party = party
        self._name = name
        self._greeted_epoch = 0
        self._sent: dict[int, Waiters[int]] = {  # by ticket, what is on its way
            ticket: Waiters() for ticket in room.waiting
        }
        self._asked = 0  # how often `resume` was said and not answered
        self._resuming: Waiters[int] = Waiters()
        self._refusal: SecureChatError | None = None
        self._heartbeat: IDelayedCall | None = None
        self._seq_of_last_beat: int | None = None

    # What the client does there

    def enter(self) -> None:
        """Be in the room for good, and say the seed's `hello_i_am(name, identity)`."""
        self.entered = self.kept = True
        self._greet()
        self._party.journal.note(self)

    def send(self, text: str) -> Deferred[int]:
        """
        Send *text*, now or when there is a connection. Fires with the number of the stream that
        it got; fails where the relay refuses to resume the room. To cancel stops the waiting; a
        message that was encrypted cannot be taken back.

        :raises MessageTooLong: if it is larger than 32 KiB in UTF-8.
        """
        if self._refusal is not None:
            return fail(self._refusal)
        if self._greeted_epoch != self.room.place.epoch:
            # Names are said in the stream: who came since has not heard this one's.
            self._greet()
        ticket = self.room.say(Kind.TEXT, text.encode("utf-8", "replace"))
        waiters = self._sent[ticket] = Waiters()
        done = waiters.wait()
        self._party.journal.note(self)
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

    def entry(self, line: UserAdded) -> bool:
        """Take `user_added`; return whether by this entry the client has become a member."""
        was_inside = self.room.inside
        self._party.journal.note(self, self.room.take_entry(line.seq, line.entry))
        return self.room.inside and not was_inside

    def frame(self, line: FrameLine) -> None:
        """Take `frame`."""
        header = Header(line.epoch, line.row, line.n)
        frame = Frame(header, line.nonce, line.ciphertext)
        self._party.journal.note(self, self.room.take_frame(line.seq, frame))

    def began(self) -> None:
        """The relay counts the client as live without a `resume`: it has just founded."""
        self.live = True

    def resumed(self, seq: int) -> None:
        """Take `resumed`: all up to *seq* has come."""
        if not self._asked:
            return
        self._asked -= 1
        events = self.room.caught_up(seq)
        self.live = True
        self._party.journal.note(self, [*events, CaughtUp(self.room.label, seq)])

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it refuses to resume this room."""
        if not self._asked or line.subject != subject(self.room.id):
            return False
        error = self._refusal = error_for(line, self.room.label)
        if not self._resuming:
            self._party.emit(Refusal(error))
        self.leave_alone(error)
        return True

    def connection_lost(self, error: BaseException) -> None:
        """Nothing comes any more; what was sent may yet show up after a `resume`."""
        self.live, self._asked, self._seq_of_last_beat = False, 0, None
        self._stop_heartbeat()
        self._resuming.fail(error)

    def leave_alone(self, error: BaseException) -> None:
        """Nobody will learn any more what became of what was sent."""
        self.connection_lost(error)
        self._fail_sent(error)

    # How

    def _greet(self) -> None:
        self._greeted_epoch = self.room.place.epoch
        if self._name:
            self.room.greet(self._name)

    def _flush(self) -> None:
        while self.live and self.room.outgoing:
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
        self._seq_of_last_beat = self.room.seq
        self.room.say(Kind.HEARTBEAT, b"")
        self._party.journal.note(self)

    def _stop_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def settled(self, events: Iterable[RoomEvent]) -> None:
        """What has happened is stored: send what is to be sent, and tell."""
        self._flush()
        for event in events:
            self._tell(event)

    def _tell(self, event: RoomEvent) -> None:
        match event:
            case Delivered():
                if event.ticket in self._sent:  # else it is what the client says by itself
                    self._party.emit(event)
                    self._sent.pop(event.ticket).fire(event.seq)
            case Uncertain():
                if event.ticket in self._sent:
                    self._party.emit(event)
                    self._sent.pop(event.ticket).fail(FateUnknown(label=self.room.label))
            case CaughtUp():
                self._party.emit(event)
                self._resuming.fire(event.seq)
            case _:
                self._party.emit(event)

    def _fail_sent(self, error: BaseException) -> None:
        for each in list(self._sent.values()):
            each.fail(error)
