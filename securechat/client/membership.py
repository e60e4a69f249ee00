"""
One room that the client is in: its `Room` on the one side, the connection on the other.

It feeds the stream into the room, sends what the room wants to have sent, tells senders when
their message is in the stream, and keeps the heartbeat: who has been silent for max(60 s, N ·
2 s) in a room of N says with an empty message what it has seen, so that a relay which shows
different streams to different members, or drops the newest, is found out.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from securechat.client.events import CaughtUp
from securechat.client.party import Party
from securechat.errors import SecureChatError
from securechat.group.events import Delivered, RoomEvent
from securechat.group.messages import Frame, Header, Kind
from securechat.group.room import Room
from securechat.wire import FrameLine, Resume, Send, UserAdded

HEARTBEAT_SECONDS = 60.0
HEARTBEAT_SECONDS_PER_MEMBER = 2.0
_JITTER = 0.2


class Membership:
    """A room that the client is in."""

    def __init__(self, party: Party, room: Room, name: str) -> None:
        """:param name: what the client calls itself there; nothing: it does not say."""
        self.room = room
        self.live = False
        """Whether the relay sends what is new: after `resume`, until the connection is lost."""
        self._party = party
        self._name = name
        self._greeted_epoch = 0
        self._sent: dict[int, Deferred[int]] = {}  # by ticket
        self._resuming: list[Deferred[int]] = []
        self._heartbeat: IDelayedCall | None = None

    def send(self, text: str) -> Deferred[int]:
        """
        Send *text*, now or when there is a connection. Fires with the number of the stream that
        it got. To cancel stops the waiting; a message that was encrypted cannot be taken back.

        :raises MessageTooLong: if it is larger than 32 KiB in UTF-8.
        """
        body = text.encode("utf-8")
        self._greet_newcomers()
        ticket = self.room.say(Kind.TEXT, body)
        done: Deferred[int] = Deferred(lambda _: self._stop_waiting(ticket))
        self._sent[ticket] = done
        self._flush()
        return done

    def greet(self) -> None:
        """Say the seed's `hello_i_am(name, identity)`."""
        if self._name:
            self.room.greet(self._name)
        self._greeted_epoch = self.room.place.epoch
        self._flush()

    def resume(self) -> Deferred[int]:
        """Ask for what is after the newest number. Fires with the relay's newest."""
        done: Deferred[int] = Deferred(self._forget_resume)
        self._resuming.append(done)
        place = self.room.place
        self._party.say(Resume(place.room, place.epoch, place.head, self.room.seq))
        return done

    def began(self) -> None:
        """The relay counts the client as live without a `resume`: it has just founded."""
        self.live = True
        self._flush()

    def entry(self, line: UserAdded) -> None:
        """The relay's `user_added`."""
        self._tell(self.room.take_entry(line.seq, line.entry))

    def frame(self, line: FrameLine) -> None:
        """The relay's `frame`."""
        header = Header(line.epoch, line.row, line.n)
        self._tell(self.room.take_frame(line.seq, Frame(header, line.nonce, line.ciphertext)))

    def resumed(self, seq: int) -> None:
        """The relay's `resumed`: all up to *seq* has come."""
        events = self.room.caught_up(seq)
        self.live = True
        self._tell([*events, CaughtUp(self.room.label, seq)])
        waiting, self._resuming = self._resuming, []
        for each in waiting:
            each.callback(seq)

    def refused(self, error: SecureChatError) -> bool:
        """The relay refused the `resume`; returns whether somebody waited for it."""
        waiting, self._resuming = self._resuming, []
        for each in waiting:
            each.errback(error)
        return bool(waiting)

    def connection_lost(self, error: SecureChatError) -> None:
        """Nothing comes any more; what was sent may yet show up after a `resume`."""
        self.live = False
        self._stop_heartbeat()
        self.refused(error)

    def leave_alone(self, error: SecureChatError) -> None:
        """The client closes: nobody will learn any more what became of what was sent."""
        self.connection_lost(error)
        sent, self._sent = self._sent, {}
        for each in sent.values():
            each.errback(error)

    def _greet_newcomers(self) -> None:
        """
        Names are said in the stream, and who came since this member's last greeting has not
        heard its name.
        """
        if self._greeted_epoch != self.room.place.epoch:
            self.greet()

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
            quiet = max(HEARTBEAT_SECONDS, HEARTBEAT_SECONDS_PER_MEMBER * len(self.room.roster))
            jitter = 1 + _JITTER * self._party.chance()
            self._heartbeat = self._party.clock.callLater(quiet * jitter, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        self.room.say(Kind.HEARTBEAT, b"")
        self._flush()

    def _stop_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def _tell(self, events: list[RoomEvent]) -> None:
        self._flush()
        for event in events:
            self._party.emit(event)
            if isinstance(event, Delivered) and event.ticket in self._sent:
                self._sent.pop(event.ticket).callback(event.seq)

    def _stop_waiting(self, ticket: int) -> None:
        self._sent.pop(ticket, None)

    def _forget_resume(self, done: Deferred[int]) -> None:
        self._resuming.remove(done)
