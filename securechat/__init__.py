"""
securechat: group chat through a relay that can read nothing.

What an application needs to embed a client or a relay stands here, and is promised to stay:
``from securechat import ChatClient``. Each name is imported when it is first used, so that a
relay never loads what holds keys, and a client never what stores other people's messages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from securechat.address import Address
    from securechat.client.archive import Retention
    from securechat.client.client import ChatClient
    from securechat.client.directory import StateDirectory
    from securechat.client.events import (
        CaughtUp,
        Connected,
        Disconnected,
        Event,
        MembersAsked,
        NewcomerAsks,
        NotVouched,
        Paired,
        Refusal,
        Rejoining,
        Replaying,
        StorageFailed,
        TrustAdded,
        TrustRemoved,
        Vouched,
        VoucherMet,
        Waiting,
    )
    from securechat.client.inviting import Invitation
    from securechat.client.known import KnownRooms
    from securechat.client.state import KeptMessage, MemoryState, State
    from securechat.client.trusting import TrustPolicy
    from securechat.errors import SecureChatError
    from securechat.group.detail import Why
    from securechat.group.events import (
        Alarm,
        Confirmed,
        Delivered,
        FramesMissing,
        KeysLost,
        KeysRenewed,
        MemberAdded,
        MemberLeaving,
        MemberRemoved,
        Message,
        Named,
        Reason,
        Reformed,
        Removed,
        RoomEvent,
        Uncertain,
    )
    from securechat.group.room import Room
    from securechat.group.roster import Policy, Vouchers
    from securechat.identity import Bundle, Identity
    from securechat.relay.factory import RelayFactory
    from securechat.relay.limits import Limits
    from securechat.relay.service import RelayService
    from securechat.trust import TrustStore
    from securechat.trusted import Trusted

_HOMES = {
    "securechat.address": ("Address",),
    "securechat.client.archive": ("Retention",),
    "securechat.client.client": ("ChatClient",),
    "securechat.client.directory": ("StateDirectory",),
    "securechat.client.events": (
        "CaughtUp",
        "Connected",
        "Disconnected",
        "Event",
        "MembersAsked",
        "NewcomerAsks",
        "NotVouched",
        "Paired",
        "Refusal",
        "Rejoining",
        "Replaying",
        "StorageFailed",
        "TrustAdded",
        "TrustRemoved",
        "Vouched",
        "VoucherMet",
        "Waiting",
    ),
    "securechat.client.inviting": ("Invitation",),
    "securechat.client.known": ("KnownRooms",),
    "securechat.client.state": ("KeptMessage", "MemoryState", "State"),
    "securechat.client.trusting": ("TrustPolicy",),
    "securechat.errors": ("SecureChatError",),
    "securechat.group.detail": ("Why",),
    "securechat.group.events": (
        "Alarm",
        "Confirmed",
        "Delivered",
        "FramesMissing",
        "KeysLost",
        "KeysRenewed",
        "MemberAdded",
        "MemberLeaving",
        "MemberRemoved",
        "Message",
        "Named",
        "Reason",
        "Reformed",
        "Removed",
        "RoomEvent",
        "Uncertain",
    ),
    "securechat.group.room": ("Room",),
    "securechat.group.roster": ("Policy", "Vouchers"),
    "securechat.identity": ("Bundle", "Identity"),
    "securechat.relay.factory": ("RelayFactory",),
    "securechat.relay.limits": ("Limits",),
    "securechat.relay.service": ("RelayService",),
    "securechat.trust": ("TrustStore",),
    "securechat.trusted": ("Trusted",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Address",
    "Alarm",
    "Bundle",
    "CaughtUp",
    "ChatClient",
    "Confirmed",
    "Connected",
    "Delivered",
    "Disconnected",
    "Event",
    "FramesMissing",
    "Identity",
    "Invitation",
    "KeptMessage",
    "KeysLost",
    "KeysRenewed",
    "KnownRooms",
    "Limits",
    "MemberAdded",
    "MemberLeaving",
    "MemberRemoved",
    "MembersAsked",
    "MemoryState",
    "Message",
    "Named",
    "NewcomerAsks",
    "NotVouched",
    "Paired",
    "Policy",
    "Reason",
    "Reformed",
    "Refusal",
    "Rejoining",
    "RelayFactory",
    "RelayService",
    "Removed",
    "Replaying",
    "Retention",
    "Room",
    "RoomEvent",
    "SecureChatError",
    "State",
    "StateDirectory",
    "StorageFailed",
    "TrustAdded",
    "TrustPolicy",
    "TrustRemoved",
    "TrustStore",
    "Trusted",
    "Uncertain",
    "Vouched",
    "VoucherMet",
    "Vouchers",
    "Waiting",
    "Why",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'securechat' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
