"""
The mailboxes that one client shares with others at the relay, by their numbers: which invite, or
which acceptance of one, a line of the relay is about.

`invite` names no mailbox, and the relay answers each in turn; so those that it has not answered
are in the order in which they were said.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from securechat.client.inviting import Inviting
from securechat.client.refusals import error_for
from securechat.errors import SecureChatError
from securechat.wire import Claimed, Closed, Code, ErrorLine, Invited, Mail

UNANSWERED = "0"
"""The subject of an error about an `invite`, which has no number yet."""


class Mailbox(Protocol):
    """This client's side of one mailbox."""

    def hear(self, line: Claimed | Mail | Closed) -> None:
        """Take a line about it."""

    def refused(self, line: ErrorLine) -> None:
        """Take an `error` about it."""

    def failed(self, error: SecureChatError) -> None:
        """It is over, because of *error*."""


class Mailboxes:
    """All mailboxes of one client."""

    def __init__(self) -> None:
        self._opening: deque[Inviting] = deque()
        self._open: dict[int, Mailbox] = {}

    def find(self, number: int) -> Mailbox | None:
        """Return this client's side of the mailbox *number*, if it has one."""
        return self._open.get(number)

    def opening(self, inviting: Inviting) -> None:
        """Its `invite` is said."""
        self._opening.append(inviting)

    def claiming(self, number: int, accepting: Mailbox) -> None:
        """Its `claim` is said."""
        self._open[number] = accepting

    def over(self, number: int) -> None:
        """Nothing more is to be heard of that mailbox."""
        self._open.pop(number, None)

    def hear(self, line: Invited | Claimed | Mail | Closed) -> None:
        """Take a line about a mailbox; about one that is none, or not any more, it is ignored."""
        if isinstance(line, Invited):
            if self._opening and line.number not in self._open:
                inviting = self._opening.popleft()
                self._open[line.number] = inviting
                inviting.opened(line)
        elif (mailbox := self._open.get(line.number)) is not None:
            mailbox.hear(line)

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about a mailbox; a room may be called as one."""
        if line.code not in (Code.NO_MAILBOX, Code.BUSY, Code.STATE):
            return False
        if line.subject == UNANSWERED and self._opening:
            self._opening.popleft().failed(error_for(line))
            return True
        mailbox = next((each for n, each in self._open.items() if str(n) == line.subject), None)
        if mailbox is not None:
            mailbox.refused(line)
        return mailbox is not None or line.code is Code.NO_MAILBOX  # it crossed a `close`

    def failed(self, error: SecureChatError) -> None:
        """All of them are over, because of *error*."""
        while self._opening:
            self._opening.popleft().failed(error)
        while self._open:
            _, mailbox = self._open.popitem()
            mailbox.failed(error)
