"""
What a user at a terminal can have done in the midst of a chat: lines that begin with a slash.

Each runs beside the conversation; what comes of it is told when it is there.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from securechat.cli.codes import told
from securechat.cli.happenings import AskToLeave, Happening, Left, NotDone, Notice
from securechat.cli.names import Names, check_on_screen
from securechat.cli.questions import Questions
from securechat.cli.roster import lines
from securechat.cli.whom import member
from securechat.client.client import ChatClient
from securechat.client.events import StorageFailed
from securechat.errors import NoSuchCommand, SecureChatError
from securechat.group.room import Room

HELP = (
    "/members: who is in the room, and who is here now",
    "/invite [NAME]: make a code by which a friend comes in; NAME is what you call them",
    "/kick NAME: remove somebody; for owners and moderators",
    "/leave: leave the room for good",
    "/help: this",
    "//text: say a line that begins with a slash",
)


@attrs.define
class Slash:
    """The commands of one chat, and those of them that are under way."""

    client: ChatClient
    room: Room
    names: Names
    questions: Questions
    tell: Callable[[Happening], None]
    left: Callable[[], None]
    """Called when the user has left the room."""
    _under_way: list[Deferred[bool]] = attrs.field(factory=list, init=False)

    def take(self, line: str) -> str | None:
        """Return what *line* says in the room; None if it is a command, which is obeyed."""
        if not line.startswith("/"):
            return line
        if line.startswith("//"):
            return line[1:]
        doing = Deferred.fromCoroutine(self._obey(*line.split(maxsplit=1)))
        self._under_way.append(doing)
        doing.addBoth(self._over, doing).addCallbacks(self._done, self._not_done)
        return None

    def end(self) -> None:
        """Do nothing any more."""
        self.tell = lambda _: None
        for each in list(self._under_way):
            each.cancel()

    async def _obey(self, command: str, name: str = "") -> bool:
        """Do *command*; return whether the user has left the room by it."""
        match command:
            case "/members":
                for line in lines(self.room, self.names, await self.client.online(self.room)):
                    self.tell(Notice(line))
            case "/invite":
                await self._invite(name.strip() or None)
            case "/kick" if name.strip():
                kicked = member(name.strip(), self.room, self.names, me=self.names.me)
                self._say_when()
                await self.client.kick(self.room, kicked)  # and the room tells
            case "/leave":
                return await self._leave()
            case "/help":
                for line in HELP:
                    self.tell(Notice(line))
            case _:
                raise NoSuchCommand(name=command if command != "/kick" else "/kick without a NAME")
        return False

    async def _invite(self, petname: str | None) -> None:
        if petname is not None:
            check_on_screen(petname)
        invitation = await self.client.invite(self.room, petname)
        self.tell(told(invitation, self.client.address.in_room(self.room.label)))
        await invitation.friend  # and the client tells

    async def _leave(self) -> bool:
        if not await self.questions.ask(AskToLeave(self.room.label)):
            return False
        self._say_when()
        await self.client.leave(self.room)
        self.tell(Left(self.room.label))
        return True

    def _say_when(self) -> None:
        if not self.client.connected:
            self.tell(Notice("that is done once there is a connection again"))

    def _over(self, result: bool | Failure, doing: Deferred[bool]) -> bool | Failure:
        self._under_way.remove(doing)
        return result

    def _done(self, left: bool) -> None:
        if left:
            self.left()

    def _not_done(self, reason: Failure) -> None:
        match reason.value:
            case SecureChatError():
                self.tell(NotDone(reason.value))
            case OSError():
                self.tell(StorageFailed(reason.value))
            case _:
                reason.trap(CancelledError)
