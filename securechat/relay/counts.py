"""
What a relay counts for whoever runs it: how much there is, never who or what.

Whatever happens adds to a plain number, once for a turn, a line or a connection, and never for
each who hears. Nobody looks at the numbers until they are asked for. `securechat.relay.metrics`
tells each under the name of its field, with the field's ``help``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from securechat.wire import Code


def _number(help: str) -> Any:
    return attrs.field(default=0, metadata={"help": help})


@attrs.define
class Commits:
    """What a history has made durable since it was opened. One that commits nothing counts none."""

    done: int = 0
    seconds: float = 0.0
    """How long those took together, each until what it had was told on."""
    failed: int = 0


@attrs.define
class Counts:
    """What has happened since the relay began. No number is ever less than before."""

    connections_accepted: int = _number("Connections that were accepted.")
    connections_proved: int = _number("Connections that have proved an identity.")
    connections_dropped: int = _number("Connections of a crowd that were closed without a word.")
    hang_ups: Counter[Code] = attrs.field(
        factory=Counter,
        metadata={"help": "Connections that the relay has ended, by the error's code."},
    )
    slow_clients: int = _number("Of the hang-ups, those on clients that did not read.")
    silent_clients: int = _number("Of the hang-ups, those on clients that said nothing.")
    greedy_clients: int = _number("Connections that were ended since most was held for them.")
    refusals: Counter[Code] = attrs.field(
        factory=Counter, metadata={"help": "Lines that were refused, by the error's code."}
    )
    frames: int = _number("Frames that rooms were told.")
    frame_bytes: int = _number("Bytes of these frames, as each member is told them.")
    deliveries: int = _number("Frames that members were told at once, once for each member.")
    delivered_bytes: int = _number("Bytes of these deliveries.")
    entries: int = _number("Entries of membership logs that rooms were told.")
    catch_up_reads: int = _number("Reads of the history for a member that was behind.")
    claims_refused: int = _number(
        "Claims of mailboxes that were refused: of a wrong number, or too many from one address."
    )
    senders_held: int = _number("Times that who speaks had to wait for the others or the disk.")
    commits: Commits = attrs.Factory(Commits)
    """The history's."""

    def said(self, frames: int, size: int, listeners: int) -> None:
        """A room was told *frames*, of *size* bytes together, and so were its *listeners*."""
        self.frames += frames
        self.frame_bytes += size
        self.deliveries += frames * listeners
        self.delivered_bytes += size * listeners


@attrs.frozen(kw_only=True)
class Census:
    """What there is at a relay now."""

    connections: int = _number("Connections, proved or not.")
    sessions: int = _number("Connections with a proved identity.")
    rooms: int = _number("Rooms.")
    members_online: int = _number("Members who are live, once for each room.")
    members_behind: int = _number("Of these, those who have yet to catch up from the history.")
    newcomers_waiting: int = _number("Newcomers who wait until their rooms have admitted others.")
    mailboxes: int = _number("Mailboxes that members have opened for whom they invite.")
    buffered_bytes: int = _number("Bytes that wait in memory for all clients together.")
    history_backlog_bytes: int = _number("Bytes on their way into the history.")
