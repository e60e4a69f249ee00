"""What a member of the soak notes of all that its client tells."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.python.failure import Failure

from benchmarks.soak.account import Account, Pen, room_of
from securechat.client.events import CaughtUp, Disconnected, Event, Refusal, StorageFailed
from securechat.errors import FateUnknown, NotAMember, SecureChatError
from securechat.group.events import (
    Alarm,
    Delivered,
    FramesMissing,
    KeysLost,
    MemberAdded,
    MemberRemoved,
    Message,
    Removed,
    Uncertain,
)

_TROUBLE = (Alarm, FramesMissing, KeysLost, Removed, Refusal, StorageFailed)


class Witness:
    """
    The observer of one client, in one life.

    :ivar account: what was noted in earlier lives.
    :ivar acknowledged: how many texts were, in this life.
    :ivar shown: how many were, likewise.
    :ivar lenient: whether the relay may refuse something: where many come in at once, who vouches
        for them soon has no entries left.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path,
        labels: list[str],
        tell: Callable[..., None],
        removed: Callable[[str], None],
    ) -> None:
        """:param removed: hears of which room a leave of an earlier life has come to its end."""
        self.acknowledged = self.shown = 0
        self.lenient = True
        self._reactor = reactor
        self._home = home
        self._labels = labels
        self._tell = tell
        self._removed = removed
        self._pen = Pen(home)
        self.account = Account.read(home)
        self._left = {label for label, _ in self.account.left}
        self._behind = set(labels)  # rooms that are not live
        self._lost_at = reactor.seconds()
        self._pending: set[str] = set()  # what was sent in this life

    # What the member does

    def means(self, text: str) -> None:
        """The member is about to send *text*."""
        self._pending.add(text)
        self._pen.note("meant", text)

    def accepted(self, text: str) -> None:
        """The client has stored it."""
        self._pen.note("accepted", text)

    def sent(self, _: int, text: str) -> None:
        """It is in the stream."""
        self._pending.discard(text)
        self.acknowledged += 1
        self._pen.note("acknowledged", text)

    def not_sent(self, reason: Failure, text: str) -> None:
        """It is not, or nobody knows; if the client was closed, it stays in the state."""
        if reason.check(FateUnknown, NotAMember):
            self._pen.note("uncertain", text)
        else:
            reason.trap(SecureChatError)

    def left(self, label: str) -> bool:
        """Whether the member has ever left the room, or was about to."""
        return label in self._left

    def leaves(self, label: str, seq: int) -> None:
        """The member is about to leave the room, of which *seq* is the newest number that came."""
        self._left.add(label)
        self._pen.note("left", seq, label)

    # What happens to it

    def __call__(self, event: Event) -> None:
        match event:
            case Message():
                self.shown += 1
                self._pen.note("shown", event.seq, event.sender.hex(), event.text)
            case Delivered() if event.text and event.text not in self._pending:
                self.sent(event.seq, event.text)  # in an earlier life, of which no Deferred knows
            case Uncertain() if event.text and event.text not in self._pending:
                self._pen.note("uncertain", event.text)
            case MemberAdded():
                self._pen.note("roster", event.seq, "+", event.member.hex(), event.label)
            case MemberRemoved():
                self._pen.note("roster", event.seq, "-", event.member.hex(), event.label)
            case Removed() if event.label in self._left:
                self._forsake(event.label)
                self._removed(event.label)
            case Disconnected() if not self._behind:
                self._lost_at, self._behind = self._reactor.seconds(), set(self._labels)
            case CaughtUp() if event.label in self._behind:
                self._behind.remove(event.label)
                if not self._behind:
                    self._tell("back", self._reactor.seconds() - self._lost_at)
            case Refusal() if self.lenient:
                print(event.why, file=sys.stderr)
            case _ if isinstance(event, _TROUBLE):
                self._tell("trouble", repr(event))

    def _forsake(self, label: str) -> None:
        """What waited in the room since an earlier life will not be sent any more."""
        account = Account.read(self._home)
        for text in account.accepted - account.acknowledged - account.uncertain - self._pending:
            if room_of(text) == label:
                self._pen.note("uncertain", text)
