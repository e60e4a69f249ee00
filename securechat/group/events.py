"""What a room has to tell its member."""

from __future__ import annotations

from enum import Enum

import attrs

from securechat.group.detail import Why
from securechat.group.roster import Policy


@attrs.frozen
class RoomEvent:
    """Something happened in the room *label*."""

    label: str


@attrs.frozen
class MemberAdded(RoomEvent):
    """The fingerprint *member* is on the roster now; *voucher* vouched for it."""

    member: bytes
    voucher: bytes
    seq: int


@attrs.frozen
class MemberLeaving(RoomEvent):
    """*member* has signed that it leaves. Nobody sends until it is removed, and keys are new."""

    member: bytes


@attrs.frozen
class MemberRemoved(RoomEvent):
    """*by* has taken *member* off the roster, because of *why*, and the keys are new."""

    member: bytes
    by: bytes
    why: Why
    seq: int


@attrs.frozen
class Removed(RoomEvent):
    """*by* has taken this member off the roster, because of *why*. It keeps no key of the room."""

    by: bytes
    why: Why
    seq: int


@attrs.frozen
class KeysRenewed(RoomEvent):
    """*member* has renewed its leaf key, and with it the keys of the room."""

    member: bytes
    seq: int


@attrs.frozen
class Reformed(RoomEvent):
    """*by* has changed the policy, or who has a say."""

    by: bytes
    policy: Policy
    owners: tuple[bytes, ...]
    moderators: tuple[bytes, ...]
    seq: int


@attrs.frozen
class KeysLost(RoomEvent):
    """
    This member's slice of an entry by *by* is missing or wrong. It can neither read nor be read
    until it has left and joined again.
    """

    by: bytes
    seq: int


@attrs.frozen
class Uncertain(RoomEvent):
    """
    What became of what was sent under *ticket* cannot be known: the relay does not have the
    part of the stream any more in which it would be. It is not sent again.
    """

    ticket: int
    text: str | None
    """None: no text, but what a client says by itself."""


@attrs.frozen
class Named(RoomEvent):
    """A member said what it wants to be called: `hello_i_am`. A label, and no proof."""

    member: bytes
    name: str


@attrs.frozen
class Message(RoomEvent):
    """*sender* wrote *text*, as number *seq* of the stream. It is as hostile as its author."""

    sender: bytes
    text: str
    seq: int


@attrs.frozen
class Delivered(RoomEvent):
    """What was sent under *ticket* is in the stream, as number *seq*."""

    ticket: int
    seq: int
    text: str | None
    """None: no text, but what a client says by itself."""


@attrs.frozen
class Confirmed(RoomEvent):
    """A trusted member other than the voucher has spoken: the room is the one it knows."""

    by: bytes


@attrs.frozen
class FramesMissing(RoomEvent):
    """The relay no longer has, or withholds, the numbers *first* to *last* of the stream."""

    first: int
    last: int


class Reason(Enum):
    """Why an alarm was raised."""

    REPLAYED = "replayed"
    """The relay sent again what was here already."""
    DROPPED = "dropped"
    """Messages of a sender were left out."""
    REORDERED = "reordered"
    """A sender claims to have seen what comes after its own message, or less than before."""
    FORKED = "forked"
    """A sender saw another past than this member: the relay shows two."""
    FORGED = "forged"
    """A frame that its sender did not make."""
    BAD_ENTRY = "bad entry"
    """A change of the roster that breaks the rules; it was not followed."""
    WRONG_KEY = "wrong key"
    """The author of an entry gave whom it added another key than the room's."""
    MALFORMED = "malformed"
    """A member signed something that is no message."""


@attrs.frozen
class Alarm(RoomEvent):
    """
    The relay, or the member *sender*, broke a rule. It may be either: an alarm names both, and
    stays with the room.
    """

    reason: Reason
    sender: bytes | None
    seq: int
