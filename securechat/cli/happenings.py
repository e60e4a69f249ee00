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


Happening: TypeAlias = Event | Connecting | NotSent | Failed
