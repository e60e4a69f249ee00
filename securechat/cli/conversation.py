"""
One conversation: connect, enter the room, pass lines on in both directions, and end well.

It ends when the input does, once all that was sent is in the room for everybody; when it is
cancelled; or when the room cannot be had any more. An invite can be accepted before, and
something else be done in the room than to talk.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from securechat.cli.happenings import (
    AsksAgain,
    AskToFound,
    Connecting,
    Entered,
    Failed,
    Happening,
    NotSent,
    Staying,
)
from securechat.cli.homecoming import Homecoming
from securechat.cli.questions import Questions, yes_or_no
from securechat.client.client import ChatClient
from securechat.client.events import Connected, Disconnected, Refusal, StorageFailed
from securechat.client.refusals import removed
from securechat.errors import (
    FateUnknown,
    KeysGone,
    NobodyVouches,
    NoSuchRoom,
    NotAMember,
    RelayForked,
    RoomKnown,
    SecureChatError,
    StateNotKept,
    Undelivered,
)
from securechat.group.events import KeysLost, Removed
from securechat.group.room import Room
from securechat.text import printable

MAX_UNDELIVERED = 64
"""How many messages may be under way before the next line is read."""

DELIVERY_SECONDS = 60.0
"""How long, after the end of the input, the last message may take."""

ASK_AGAIN_SECONDS = 30.0
"""After how long who waits to be let in asks again."""

_LOST = (NotAMember, RelayForked, RoomKnown)
"""Why the room cannot be had any more, though the relay is there."""


_KEPT = "They are kept, and go out when you are in the room again."


Doing: TypeAlias = Callable[[Room], Coroutine[Deferred[Any], Any, None]]
"""What is to be done in a room."""


class Lines(Protocol):
    """Where the lines of the user come from: a terminal, or what is in its place."""

    async def next_line(self) -> str | SecureChatError | None:
        """Return the next line, or what is wrong with it; None at the end."""


class Obeys(Protocol):
    """Who takes lines that are for the command, and not for the room."""

    def take(self, line: str) -> str | None:
        """Return what *line* says in the room; None if it is obeyed."""

    def end(self) -> None:
        """Do nothing any more."""


@attrs.frozen
class Acceptance:
    """
    An invite that is to be accepted.

    :param code: as its inviter has told it.
    :param petname: what to call the inviter; None: what they call themselves.
    """

    code: str = attrs.field(repr=False)
    petname: str | None


@attrs.define
class Conversation:
    """A user in a room, by a terminal or a program."""

    reactor: Any
    client: ChatClient
    label: str
    lines: Lines
    questions: Questions
    tell: Callable[[Happening], None]
    obeying: Callable[[Room, Conversation], Obeys] | None = None
    """Makes what obeys some lines, of the room and of this conversation."""
    waits: bool = False
    """Whether it asks again, as long as nobody lets the user in."""
    acceptance: Acceptance | None = None
    """The invite by which the user comes, if it is by one."""
    doing: Doing | None = None
    """What to do in the room instead of talking; then it is over."""
    _homecoming: Homecoming | None = attrs.field(default=None, init=False)
    _obeys: Obeys | None = attrs.field(default=None, init=False)
    _stored: bool = attrs.field(default=True, init=False)
    _doubtful: list[str] = attrs.field(factory=list, init=False)
    _left: bool = attrs.field(default=False, init=False)
    _under_way: dict[Deferred[int], str] = attrs.field(factory=dict, init=False)
    _fewer: Deferred[None] | None = attrs.field(default=None, init=False)
    _talking: Deferred[None] | None = attrs.field(default=None, init=False)
    _lost: SecureChatError | None = attrs.field(default=None, init=False)

    async def run(self, *, found: bool, patient: bool, rejoin: bool) -> None:
        """
        Have the conversation.

        :param found: whether a room that is not there is founded without a question.
        :param patient: as for `ChatClient.join`.
        :param rejoin: likewise.
        :raises SecureChatError: why it could not be had, or ended.
        """
        self.client.observe(self._hear)
        try:
            await self._have(found, patient, rejoin)
        except SecureChatError as error:
            self.tell(Failed(error))
            raise
        finally:
            self.questions.end()
            await self.client.close()

    async def _have(self, found: bool, patient: bool, rejoin: bool) -> None:
        kept = [each for each in self.client.kept if each.label == self.label]
        if kept:
            self._homecoming = Homecoming(self.reactor, kept[0], self.tell)
        self.tell(Connecting(str(attrs.evolve(self.client.address, pin=None))))
        await self.client.connect()
        if self.acceptance is not None:
            accepted = self.acceptance
            await self.client.accept(accepted.code, self.label, accepted.petname)
        room = await self._enter(found, patient, rejoin)
        if self.obeying is not None:
            self._obeys = self.obeying(room, self)
        self._talking = Deferred.fromCoroutine((self.doing or self._talk)(room))
        try:
            await self._talking
        except CancelledError:
            self._complain_of_undelivered()
            if self._lost is not None:
                raise self._lost from None
            if not self._left:
                raise
        finally:
            if self._obeys is not None:
                self._obeys.end()
            if not (self._left or self._lost):
                address = self.client.address.in_room(self.label)
                self.tell(Staying(self.label, str(address)))

    async def _enter(self, found: bool, patient: bool, rejoin: bool) -> Room:
        founded = False
        joining = Deferred.fromCoroutine(self._joined(patient, rejoin))
        try:
            if self._homecoming is not None:
                room = await self._homecoming.watch(joining)
                if room.stuck:
                    raise KeysGone(label=self.label)
                return room
            room = await joining
        except NoSuchRoom:
            if not found and not await self._asked_to_found():
                raise
            await self.client.connect()  # the relay sends away who thinks about it for long
            room = await self.client.found(self.label)
            founded = True
        members = tuple(row.fingerprint for row in room.roster)
        self.tell(Entered(self.label, members, founded, room.confirmed))
        return room

    async def _joined(self, patient: bool, rejoin: bool) -> Room:
        """Return the room once the user is let in."""
        while True:
            try:
                return await self.client.join(self.label, patient=patient, rejoin=rejoin)
            except NobodyVouches as error:
                if not self.waits:
                    raise
                self.tell(AsksAgain(self.label, error, ASK_AGAIN_SECONDS))
            await deferLater(self.reactor, ASK_AGAIN_SECONDS)
            await self.client.connect()  # the relay sends away whom nobody lets in

    async def _asked_to_found(self) -> bool:
        while self.questions.somebody:
            self.tell(AskToFound(self.label))
            line = await self.lines.next_line()
            if line is None:
                break
            if isinstance(line, str) and (said := yes_or_no(line)) is not None:
                return said
        return False

    async def _talk(self, room: Room) -> None:
        while (line := await self.lines.next_line()) is not None:
            if isinstance(line, SecureChatError):
                self.tell(NotSent(line))
            elif not self.questions.answer(line) and line.strip():
                text = line if self._obeys is None else self._obeys.take(line)
                if text is not None:
                    self.send(room, text).addErrback(_told)
            await self._fewer_than(MAX_UNDELIVERED)
        self.questions.end()
        delivered = Deferred.fromCoroutine(self._fewer_than(1))
        try:
            await delivered.addTimeout(DELIVERY_SECONDS, self.reactor)
        except TimeoutError:
            raise self._undelivered() from None
        if self._doubtful:
            raise self._undelivered()

    def left(self) -> None:
        """The user has left the room: that is the end."""
        self._left = True
        if self._talking is not None:
            self._talking.cancel()

    def send(self, room: Room, text: str) -> Deferred[int]:
        """Send *text*, as `ChatClient.send` does; the end of the conversation waits for it."""
        sent = self.client.send(room, text)
        self._under_way[sent] = text
        return sent.addBoth(self._known, sent)

    def _known(self, result: int | Failure, sent: Deferred[int]) -> int | Failure:
        """
        What became of *sent* is known; but not where the client has closed: it stays under way.
        """
        if isinstance(result, Failure):
            if not result.check(FateUnknown):
                return result
            self._doubtful.append(self._under_way[sent])  # and the room has told
        del self._under_way[sent]
        if self._fewer is not None:
            fewer, self._fewer = self._fewer, None
            fewer.callback(None)
        return result

    async def _fewer_than(self, most: int) -> None:
        while len(self._under_way) >= most:
            self._fewer = Deferred()
            await self._fewer

    def _undelivered(self) -> Undelivered:
        lines = [*self._under_way.values(), *self._doubtful]
        error = Undelivered(count=len(lines), first=printable(lines[0])[:60])
        if self._stored and not (self._doubtful or self._left or self._lost):
            error.fate = _KEPT
        return error

    def _complain_of_undelivered(self) -> None:
        if self._under_way:
            self.tell(NotSent(self._undelivered()))

    def _hear(self, event: Happening) -> None:
        if self._homecoming is not None:
            self._homecoming.hear(event)
        match event:
            case Connected():
                self._stored = True
                self.tell(event)
            case StorageFailed(why=StateNotKept()):
                self._stored = False
                self.tell(event)
            case Disconnected(why=error, retry_in=None):
                self.tell(event)
                self._lose(error)
            case Refusal(why=error) if isinstance(error, _LOST) and self._talking is not None:
                self._lose(error)  # and the end says why
            case Removed():
                self.tell(event)
                self._lose(removed(event))
            case KeysLost():
                self.tell(event)
                self._lose(KeysGone(label=event.label))
            case _:
                self.tell(event)

    def _lose(self, error: SecureChatError) -> None:
        if self._talking is not None and self._lost is None:
            self._lost = error
            self._talking.cancel()


def _told(reason: Failure) -> None:
    """The room, or the end of the conversation, tells what has become of a line."""
    reason.trap(SecureChatError)
