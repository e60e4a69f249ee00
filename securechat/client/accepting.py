"""One invite, from the side of who was told the code: from `claim` to the inviter's answer."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from securechat.client.events import Paired
from securechat.client.party import Party
from securechat.client.refusals import bare, error_for
from securechat.client.rooms import Rooms
from securechat.errors import CodeRefused, CodeSpent, OtherGone, SecureChatError
from securechat.pairing import Code, Invited
from securechat.trusted import Trusted
from securechat.wire import Claim, Claimed, Close, Closed, ErrorLine, Mail
from securechat.wire import Code as ErrorCode

ANSWER_SECONDS = 40.0
"""How long the relay and the other side may take for all of it: longer than a relay gives them."""


class Accepting:
    """
    :ivar done: fires with the inviter, whom the user trusts then. Cancelling it closes the
        mailbox, and the code is spent.
    """

    def __init__(
        self,
        party: Party,
        rooms: Rooms,
        side: Invited,
        code: Code,
        label: str,
        petname: str | None,
        over: Callable[[int], None],
    ) -> None:
        """
        :param petname: what to call the inviter; None: what they call themselves.
        :param over: called with the number of the mailbox when nothing is to be heard of it any
            more.
        """
        self.done: Deferred[Trusted] = Deferred(lambda _: self._close())
        self._party = party
        self._rooms = rooms
        self._side = side
        self._number = code.number
        self._label = label
        self._petname = petname
        self._over = over
        self._claimed = False
        self._timer = party.clock.callLater(ANSWER_SECONDS, self._give_up, OtherGone(label=label))

    def start(self) -> None:
        """Tell the relay which mailbox the code is of."""
        self._party.say(Claim(self._number))

    # What the relay says

    def hear(self, line: Claimed | Mail | Closed) -> None:
        """Take a line about the mailbox; others than those that are due are ignored."""
        match line:
            case Claimed() if not self._claimed:
                self._claimed = True
                self._claim(line.pake)
            case Mail() if self._claimed:
                self._answered(line.body)
            case Closed() if self._claimed:
                self.failed(CodeRefused(label=self._label))
            case Closed():
                self.failed(CodeSpent(number=self._number))

    def refused(self, line: ErrorLine) -> None:
        """The relay does not take something."""
        if line.code is not ErrorCode.NO_MAILBOX:
            self.failed(error_for(line))
        elif self._claimed:  # and it ended while the mail was on its way
            self.failed(OtherGone(label=self._label))
        else:
            self.failed(CodeSpent(number=self._number))

    def failed(self, error: SecureChatError | OSError) -> None:
        """It is over, because of *error*."""
        self._stop()
        self.done.errback(bare(error))

    # The steps

    def _claim(self, pake: bytes) -> None:
        try:
            mail = self._side.claim(pake)
        except SecureChatError as error:
            self._give_up(error)
        else:
            self._party.say(Mail(self._number, mail))

    def _answered(self, body: bytes) -> None:
        try:
            friend, room = self._side.answered(body)
            self._rooms.learn(self._label, room)
            trusted = self._party.befriend(friend, self._petname)
        except (SecureChatError, OSError) as error:
            self._give_up(error)
            return
        self._close()
        self.done.callback(trusted)
        self._party.emit(Paired(self._label, trusted.fingerprint, trusted.petname))

    # The end

    def _give_up(self, error: SecureChatError | OSError) -> None:
        self._close()
        self.failed(error)

    def _close(self) -> None:
        self._party.say(Close(self._number))
        self._stop()

    def _stop(self) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._over(self._number)
