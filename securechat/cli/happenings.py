"""
What the command itself has to tell, beside the events of `securechat.client.events`: where it
is on its way, and what it has to ask.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from securechat.client.events import Event
from securechat.errors import SecureChatError
from securechat.group.events import RoomEvent


@attrs.frozen
class Connecting:
    """The client dials *address*."""

    address: str


@attrs.frozen
class Entered(RoomEvent):
    """The user is in the room, with *members*, itself among them."""

    members: tuple[bytes, ...]
    founded: bool
    confirmed: bool


@attrs.frozen
class ComingBack(RoomEvent):
    """
    The user was a member when the last run ended, and comes back. *unsent* lines of then have
    not been seen in the room.
    """

    unsent: int


@attrs.frozen
class CatchingUp(RoomEvent):
    """Coming back takes its time; *messages* have come so far."""

    messages: int


@attrs.frozen
class Returned(RoomEvent):
    """
    The user is back in the room, with *members*, itself among them. *messages* were said since
    the last run.
    """

    members: tuple[bytes, ...]
    confirmed: bool
    messages: int


@attrs.frozen
class ArrivedLate(RoomEvent):
    """*text*, which was said in an earlier run, is in the room now, as number *seq*."""

    text: str
    seq: int


@attrs.frozen
class Staying(RoomEvent):
    """The command ends, and the user stays a member. *address* is what to leave."""

    address: str


@attrs.frozen
class Left(RoomEvent):
    """The user has left the room: the relay has stored it."""


@attrs.frozen
class AskToLeave(RoomEvent):
    """Is the user to leave the room?"""


@attrs.frozen
class InviteOpen(RoomEvent):
    """
    A friend can come into the room: *code* is for them alone, and is good once, for so many
    *seconds*. *command* is what they type.
    """

    code: str
    command: str
    seconds: float


@attrs.frozen
class SameName(RoomEvent):
    """
    *member*, whom the user does not trust, calls itself by the name that the user has given to
    *friend*. *voucher* has let it in.
    """

    member: bytes
    friend: bytes
    voucher: bytes


@attrs.frozen
class Notice:
    """*text* is what the user wanted to know, or one line of it."""

    text: str


@attrs.frozen
class NotDone:
    """What the user wanted was not done, because of *why*."""

    why: SecureChatError


@attrs.frozen
class AsksAgain(RoomEvent):
    """Nobody has let the user in, because of *why*; it asks again in *seconds*."""

    why: SecureChatError
    seconds: float


@attrs.frozen
class AskToFound(RoomEvent):
    """There is no such room: is it to be founded?"""


@attrs.frozen
class AskToVouch(RoomEvent):
    """Is *newcomer*, whom the user trusts, to be let in?"""

    newcomer: bytes


@attrs.frozen
class NotSent:
    """A line of the input was not sent, because of *why*. The next ones are."""

    why: SecureChatError


@attrs.frozen
class Failed:
    """The command ends because of *why*."""

    why: SecureChatError


Happening: TypeAlias = Event | Connecting | NotSent | NotDone | Notice | Failed
