"""
What the relay bounds, in one table.

Each limit is an option of ``twistd securechat``, named like the field; its help is the
field's ``help``. Every limit that a client runs into is answered by an `error` line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs.validators import ge, gt, le

from securechat.wire import MAX_LINE

_DAY = 86_400.0


def _count(default: int, help: str, *, least: int = 1) -> Any:
    return attrs.field(default=default, validator=ge(least), metadata={"help": help})


def _seconds(default: float, help: str) -> Any:
    return attrs.field(default=default, validator=[gt(0), le(_DAY)], metadata={"help": help})


@attrs.frozen(kw_only=True)
class Limits:
    """
    The relay's limits. All numbers are at least 1, all times in seconds, up to a day.

    :raises ValueError: for a limit that is too low to work.
    """

    identify_seconds: float = _seconds(10.0, "Seconds in which a connection proves its identity.")
    identify_bytes: int = _count(
        8_192, "Bytes in which a connection proves its identity.", least=2_048
    )
    unproved_per_address: int = _count(
        256, "Connections that have not proved an identity yet, per IPv4 address or IPv6 /64."
    )
    connections_in_all: int = _count(10_000, "Connections with a proved identity.")
    rooms_per_connection: int = _count(64, "Rooms that one connection is in.")
    joins_per_connection: int = _count(1, "Joins of one connection that are not over yet.")
    members_per_room: int = _count(1_000, "Members of one room.")
    waiting_per_room: int = _count(256, "Newcomers that wait while a room admits others.")
    waiting_per_address: int = _count(
        32,
        "Newcomers that wait for one room, from one IPv4 address or IPv6 /64, or from one plain "
        "listener.",
    )
    rooms_per_founder: int = _count(16, "Rooms that one identity founds.")
    rooms_in_all: int = _count(1_000, "Rooms on this relay.")
    mailboxes_per_connection: int = _count(
        4, "Mailboxes that one connection has open for those whom it invites."
    )
    mailboxes_per_address: int = _count(
        32,
        "Mailboxes that are open for who invites from one IPv4 address or IPv6 /64, or from one "
        "plain listener.",
    )
    mailboxes_in_all: int = _count(1_000, "Mailboxes on this relay.")
    mailbox_seconds: float = _seconds(600.0, "Seconds in which a mailbox can be claimed.")
    claims_per_minute: int = _count(
        10,
        "Claims of mailboxes in a minute, from one IPv4 address or IPv6 /64, or from one plain "
        "listener.",
    )
    unread_bytes: int = _count(
        2**18,
        "Bytes that wait for a client that does not read, before it is disconnected.",
        least=2 * MAX_LINE,
    )
    unread_seconds: float = _seconds(
        60.0, "Seconds without reading anything of what waits, before a client is disconnected."
    )
    idle_seconds: float = _seconds(
        600.0, "Seconds of silence before a client is disconnected that is in no room."
    )
    buffered_bytes: int = _count(
        2**28,
        "Bytes that wait in memory for all clients together, before those with most are "
        "disconnected.",
        least=2**20,
    )
    entries_per_minute: int = _count(
        10, "Changes of a room's membership by one member in a minute."
    )
    update_seconds: float = _seconds(3_600.0, "Seconds between two updates of a member's keys.")
    staging_seconds: float = _seconds(
        30.0, "Seconds in which a change of a room's membership is sent in parts."
    )
    ask_timeout: float = _seconds(30.0, "Seconds in which a voucher and a newcomer each answer.")

    def announced(self) -> Mapping[str, int]:
        """Return what the banner tells clients."""
        return {
            "line": MAX_LINE,
            "rooms": self.rooms_per_connection,
            "joins": self.joins_per_connection,
            "members": self.members_per_room,
            "mailboxes": self.mailboxes_per_connection,
        }
