"""What the newest entry of a log has to tell the members."""

from __future__ import annotations

from securechat.group.detail import Reform, Remove, Update
from securechat.group.events import KeysRenewed, MemberAdded, MemberRemoved, Reformed, RoomEvent
from securechat.group.log import Log


def news(log: Log, seq: int) -> list[RoomEvent]:
    """Return what has happened by the newest entry of *log*, which is number *seq*."""
    label, by = log.label, log.newest.author
    match log.newest.detail:
        case Remove(removals):
            return [MemberRemoved(label, each.member, by, each.why, seq) for each in removals]
        case Update():
            return [KeysRenewed(label, by, seq)]
        case Reform(policy, owners, moderators):
            return [Reformed(label, by, policy, owners, moderators, seq)]
        case _:  # create, or add
            row = log.membership.rows[-1]
            return [MemberAdded(label, row.fingerprint, row.voucher, seq)]
