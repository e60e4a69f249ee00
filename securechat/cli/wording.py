"""
What happens, in words. Everything that others wrote becomes one harmless line here.

Where there are several lines, the view makes each of them harmless by itself.
"""

from __future__ import annotations

import shlex

from securechat.cli.changed import changed
from securechat.cli.happenings import (
    ArrivedLate,
    AsksAgain,
    AskToFound,
    AskToLeave,
    AskToVouch,
    CatchingUp,
    ComingBack,
    Connecting,
    Entered,
    Happening,
    InviteOpen,
    Left,
    NotDone,
    Notice,
    NotSent,
    Returned,
    SameName,
    Staying,
)
from securechat.cli.names import ME, Names
from securechat.cli.roster import count
from securechat.client.events import (
    CaughtUp,
    Connected,
    Disconnected,
    MembersAsked,
    NewcomerAsks,
    NotVouched,
    Paired,
    Refusal,
    Rejoining,
    StorageFailed,
    TrustAdded,
    TrustRemoved,
    VoucherMet,
    Waiting,
)
from securechat.client.refusals import removed
from securechat.errors import (
    ConnectFailed,
    ConnectionLost,
    RelayClosing,
    RelaySilent,
    StateNotKept,
    Undelivered,
)
from securechat.fingerprint import to_groups
from securechat.group.detail import Why
from securechat.group.events import (
    Alarm,
    Confirmed,
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
    Uncertain,
)
from securechat.group.roster import Vouchers
from securechat.text import printable

ALARMS = {
    Reason.REPLAYED: "the relay sent again what was here already; it is not shown twice. Once, "
    "after a reconnection, it is a fault; often, ask who runs the relay",
    Reason.DROPPED: "messages of {who} were left out, and what they say cannot be shown until the "
    "keys are new (securechat renew, or within a day). Ask them, by another way, what they said",
    Reason.REORDERED: "{who} claims to have seen what came later than this message, or less than "
    "before: the order is not to be relied on. Ask what the message answers to",
    Reason.FORKED: "{who} saw another past than you did: somebody shows the room two pasts. "
    "Compare with others by another way, and leave the relay if it is so for several of them",
    Reason.FORGED: "somebody sent what {who} did not write; it is not shown. The relay or a "
    "member tries something",
    Reason.BAD_ENTRY: "a change of the members breaks the rules, and is not followed. Do not trust "
    "this relay any more: found the room elsewhere",
    Reason.WRONG_KEY: "{who} gave whom they let in another key than the room's: the newcomer "
    "reads nothing here, nor is read. Ask {who} why",
    Reason.MALFORMED: "{who} sent what is no message: their program has a fault, or they play. "
    "Tell them",
}


class Wording:
    """Tells what happens in one room."""

    def __init__(self, names: Names, *, asks: bool) -> None:
        """:param asks: whether the user is asked before newcomers are vouched for."""
        self._names = names
        self._asks = asks
        self._away = False
        self._missed = 0  # messages since the connection was lost
        self._full = False  # whether the user knows that the rooms cannot be kept

    def __call__(self, event: Happening) -> str | None:
        """Return *event* in words, None where there is nothing to tell a person."""
        name = self._names.of
        match event:
            case Message():
                self._missed += 1
                return f"{name(event.sender)}: {printable(event.text)}"
            case Connecting():
                return f"connecting to {event.address}…"
            case Connected():
                self._full = False
                return "connected"
            case Disconnected():
                return self._disconnected(event)
            case CaughtUp() if self._away:
                self._away = False
                return f"here again in #{event.label}, {_since(self._missed)}"
            case Refusal():
                return str(event.why)
            case StorageFailed(why=StateNotKept()) if self._full:
                return None  # it was said, and whether it is so still is tried again and again
            case StorageFailed(why=StateNotKept()):
                self._full = True
                return str(event.why)
            case StorageFailed():
                return f"a file of yours cannot be read or written: {event.why}"
            case NotSent(why=Undelivered()):
                return str(event.why)
            case NotSent():
                return f"not sent: {event.why}"
            case Waiting():
                return f"the room admits others first: you are number {event.position}"
            case Rejoining():
                return (
                    f"you are a member of #{event.label} whose keys are lost: you leave, to be let "
                    "in again"
                )
            case MembersAsked():
                return f"asked {event.asked} of {event.online} members"
            case VoucherMet():
                return f"{name(event.voucher)} vouches for you; you check each other…"
            case Entered():
                return self._entered(event)
            case ComingBack():
                return self._coming_back(event)
            case CatchingUp():
                return (
                    f"on the way back to #{event.label}: {count(event.messages, 'message')} so far"
                )
            case Returned():
                return self._returned(event)
            case ArrivedLate():
                return f"what you wrote the last time is in the room now: {event.text}"
            case Staying():
                return (
                    f"you stay a member of #{event.label}; securechat leave "
                    f"{shlex.quote(event.address)} leaves"
                )
            case AskToLeave():
                return f"leave #{event.label} for good? [y/N]"
            case Left():
                return (
                    f"you have left #{event.label}: the relay has stored it, and the next member "
                    "who is there makes new keys, without you"
                )
            case InviteOpen():
                return (
                    f"the code is {event.code}: tell it to your friend, so that nobody else hears "
                    f"it. It is good once, for {minutes(event.seconds)}. They type: {event.command}"
                )
            case Paired():
                return f"{name(event.friend)} knows the code: you trust each other now"
            case SameName():
                return self._same_name(event)
            case Notice():
                return event.text
            case NotDone():
                return str(event.why)
            case TrustAdded():
                return self._trust_added(event)
            case TrustRemoved():
                return (
                    f"you trust {name(event.member)} no more: they were removed, and only the word "
                    "of another stood for them"
                )
            case NewcomerAsks():
                return self._newcomer(event)
            case NotVouched():
                return f"you have not vouched for {name(event.newcomer)}: {event.why}"
            case MemberAdded() if name(event.member) != ME:
                return f"{name(event.member)} is in: {name(event.voucher)} vouched for them"
            case Named():
                return self._named(event)
            case MemberLeaving():
                return (
                    f"{name(event.member)} {self._verb(event.member, 'leaves', 'leave')}; what is "
                    "written now is sent once the keys are new"
                )
            case MemberRemoved():
                return self._gone(event)
            case Removed():
                return f"{name(event.by)} removed you from #{event.label}, {removed(event).why}"
            case KeysRenewed():
                verb = self._verb(event.member, "has", "have")
                return f"{name(event.member)} {verb} renewed the keys of the room"
            case Reformed():
                return self._reformed(event)
            case KeysLost():
                return (
                    f"{name(event.by)} has changed the room's keys, and yours did not arrive: you "
                    "can neither read nor write here until you have left and joined again"
                )
            case Uncertain():
                return (
                    "whether this arrived cannot be known, since the relay does not have that part "
                    "of the conversation any more. It is not sent again, ask the others: "
                    f"{event.text}"
                )
            case Confirmed():
                return (
                    f"the room is confirmed: {name(event.by)}, whom you trust, is in this very room"
                )
            case FramesMissing():
                return (
                    f"numbers {event.first} to {event.last} of the room are missing: you were away "
                    "for longer than the relay keeps what is said, or it withholds them. Ask the "
                    "others what you missed"
                )
            case Alarm():
                who = "somebody" if event.sender is None else name(event.sender)
                return f"ALARM, {event.reason.value}: {ALARMS[event.reason].format(who=who)}."
            case AsksAgain():
                return (
                    f"nobody has let you in; asking again in {event.seconds:.0f} s (Ctrl-C ends "
                    "it). Somebody in the room who trusts your fingerprint has to be there"
                )
            case AskToFound():
                return f"the relay has no room #{event.label}. Found it, as its first member? [y/N]"
            case AskToVouch():
                return f"{name(event.newcomer)} asks to join. Let {name(event.newcomer)} in? [y/N]"
            case _:
                return None

    def _disconnected(self, event: Disconnected) -> str | None:
        if event.retry_in is None:
            return None  # it ends, and says why
        if not self._away:
            self._away, self._missed = True, 0
        again = f"retrying in {max(1, round(event.retry_in))} s"
        if isinstance(event.why, StateNotKept):  # which was said already
            return f"nothing is sent or shown until then, {again}"
        if isinstance(event.why, RelayClosing):
            return f"the relay is shutting down, {again}"
        if isinstance(event.why, RelaySilent):
            return f"the relay has not answered for {event.why.seconds:.0f} s, {again}"
        if isinstance(event.why, ConnectionLost):
            return f"connection lost, {again}"
        if isinstance(event.why, ConnectFailed):  # the advice would come with every try
            return f"no connection, {again}: {event.why.why}"
        return f"no connection, {again}: {event.why}"

    def _entered(self, event: Entered) -> str:
        if event.founded:
            return f"you have founded #{event.label}, and are alone in it"
        text = f"you are in #{event.label}, {self._with(event.members)}"
        if event.confirmed:
            return text
        return (
            f"{text}. The room is unconfirmed: that it is the one your friends are in you know "
            "from your voucher alone, until somebody else whom you trust has spoken here"
        )

    def _coming_back(self, event: ComingBack) -> str:
        text = f"coming back to #{event.label}…"
        if not event.unsent:
            return text
        return f"{text} {count(event.unsent, 'line')} of the last time had not arrived yet"

    def _returned(self, event: Returned) -> str:
        text = (
            f"here again in #{event.label}, {_since(event.messages)}; {self._with(event.members)}"
        )
        return text if event.confirmed else f"{text}. The room is unconfirmed still"

    def _with(self, members: tuple[bytes, ...]) -> str:
        others = [self._names.of(each) for each in members if self._names.of(each) != ME]
        return f"with {', '.join(others)}" if others else "alone"

    def _gone(self, event: MemberRemoved) -> str:
        by, member = self._names.of(event.by), self._names.of(event.member)
        match event.why:
            case Why.LEFT:
                return f"{member} has left"
            case Why.STALE:
                return f"{by} removed {member}, who was away for too long"
            case Why.REVOKED:
                return (
                    f"{by} removed {member}, whose identity is revoked: trust them no more "
                    "(securechat trust remove)"
                )
            case _:
                return f"{by} removed {member}"

    def _reformed(self, event: Reformed) -> str:
        policy = event.policy
        anyone = policy.vouchers is Vouchers.ANYONE
        vouchers = "anyone vouches" if anyone else "owners and moderators vouch"
        return (
            f"{self._names.of(event.by)} changed the rules: {vouchers} for newcomers; at most "
            f"{policy.roster_maximum} members; owners: {self._list(event.owners)}; moderators: "
            f"{self._list(event.moderators)}"
        )

    def _list(self, members: tuple[bytes, ...]) -> str:
        return ", ".join(map(self._names.of, members)) or "nobody"

    def _trust_added(self, event: TrustAdded) -> str:
        name = self._names.of
        if event.voucher is None:
            why = f"they let you into #{event.label}, where you knew nobody"
        else:
            why = f"{name(event.voucher)} vouched for them"
        return f"you trust {name(event.member)} from now on, since {why}: {to_groups(event.member)}"

    def _verb(self, member: bytes, theirs: str, mine: str) -> str:
        return mine if self._names.of(member) == ME else theirs

    def _newcomer(self, event: NewcomerAsks) -> str | None:
        if event.trusted and self._asks:
            return None  # the question says it
        if event.trusted:
            return f"{self._names.of(event.newcomer)} asks to join; vouching…"
        return (
            "somebody whom you do not trust asks to join; you do not vouch for "
            f"{to_groups(event.newcomer)}"
        )

    def _named(self, event: Named) -> str | None:
        shown = self._names.of(event.member)
        if not self._names.hear(event):
            return None
        now = self._names.said(event.member)
        if not now or now == shown:
            return None
        return f"{shown} calls themselves {now}"

    def _same_name(self, event: SameName) -> str | None:
        friend = self._names.store.find(event.friend)
        if friend is None:
            return None  # the user trusts that one no more, by now
        if event.voucher == event.member:
            who = "who founded it"
        elif event.voucher == event.friend:
            who = f"whom {friend.petname} let in"
        else:
            who = f"whom {self._names.of(event.voucher)} let in"
        what = f"Somebody in #{event.label}, {who}, goes by the name of {friend.petname}."
        return "\n".join(changed(what, friend, self._names.store, event.member))


def minutes(seconds: float) -> str:
    """Return how long an invite is good, in words."""
    return count(max(1, round(seconds / 60)), "minute")


def _since(messages: int) -> str:
    return f"{count(messages, 'message') if messages else 'no message'} since you were away"
