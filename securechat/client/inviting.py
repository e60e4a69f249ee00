"""One invite, from the side of who invites: from `invite` to the answer to who had the code."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from securechat.client.events import Paired
from securechat.client.party import Party
from securechat.client.refusals import bare, error_for
from securechat.errors import InviteExpired, OtherGone, SecureChatError
from securechat.pairing import Code, Inviter
from securechat.trusted import Trusted
from securechat.wire import Claimed, Close, Closed, ErrorLine, Invite, Invited, Mail

MAX_SECONDS = 86_400
"""How long an invite is open at most, whatever the relay says."""

TOLERANCE = 5.0
"""How much sooner than at its end an invite may be closed by the relay since it has expired."""

GRACE = 40.0
"""How much later it is given up here: somebody may have come with the code at the last moment."""

OPEN_SECONDS = 30.0
"""How long the relay may take to open a mailbox."""


@attrs.frozen(eq=False)
class Invitation:
    """
    An invite that is open.

    :ivar label: of the room to which it invites.
    :ivar code: what to tell the friend, in a way in which nobody else hears it.
    :ivar seconds: how long it is good.
    :ivar friend: fires with whom the user trusts by it, once somebody has come with the code.
        Fails with `WrongCode` if somebody has come with another one, `InviteExpired`,
        `OtherGone`, `OwnInvite`, `UnsupportedVersion`, `IdentityRevoked`, `IdentitySucceeded`,
        `NotConnected`, an `Unreachable`, or what keeps the trusted identities from being written.
        Whatever it is, the code is spent. Cancelling it closes the invite.
    """

    label: str
    code: str = attrs.field(repr=False)
    seconds: float
    friend: Deferred[Trusted] = attrs.field(repr=False)


class Inviting:
    """
    :ivar done: fires with the `Invitation` once it is open. Cancelling it closes it again.
    """

    def __init__(
        self,
        party: Party,
        side: Inviter,
        label: str,
        petname: str | None,
        over: Callable[[int], None],
    ) -> None:
        """
        :param petname: what to call who comes; None: what they call themselves.
        :param over: called with the number of the mailbox when nothing is to be heard of it any
            more.
        """
        self.done: Deferred[Invitation] = Deferred(lambda _: self._abandon())
        self._friend: Deferred[Trusted] = Deferred(lambda _: self._close())
        self._party = party
        self._side = side
        self._label = label
        self._petname = petname
        self._over = over
        self._abandoned = False  # before it had a number
        self._number: int | None = None
        self._seconds = self._until = 0.0
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Ask the relay for a mailbox."""
        self._wait(OPEN_SECONDS, self._party.silent, OPEN_SECONDS)
        self._party.say(Invite(self._side.pake))

    # What the relay says

    def opened(self, line: Invited) -> None:
        """It is open."""
        self._number = line.number
        if self._abandoned:
            self._close()
            return
        self._seconds = float(min(line.seconds, MAX_SECONDS))
        self._until = self._party.clock.seconds() + self._seconds
        self._wait(self._seconds + GRACE, self._expired)
        code = str(Code(line.number, self._side.words))
        self.done.callback(Invitation(self._label, code, self._seconds, self._friend))

    def hear(self, line: Claimed | Mail | Closed) -> None:
        """Take a line about the mailbox; others than those that are due are ignored."""
        match line:
            case Mail():
                self._mail(line.body)
            case Closed() if self._until - self._party.clock.seconds() <= TOLERANCE:
                self._expired()
            case Closed():
                self.failed(OtherGone(label=self._label))

    def refused(self, line: ErrorLine) -> None:
        """The relay does not take something."""
        self.failed(error_for(line))

    def failed(self, error: SecureChatError | OSError) -> None:
        """It is over, because of *error*."""
        self._stop()
        if self._number is not None:
            self._friend.errback(bare(error))
        elif not self._abandoned:
            self.done.errback(bare(error))

    # The steps

    def _mail(self, body: bytes) -> None:
        assert self._number is not None
        try:
            friend, answer = self._side.claimed(self._number, body)
            trusted = self._party.befriend(friend, self._petname)
        except (SecureChatError, OSError) as error:
            self._close()
            self.failed(error)
            return
        # Whom the answer reaches may ask to be let in at once: they are trusted by then.
        self._party.say(Mail(self._number, answer))
        self._close()
        self._friend.callback(trusted)
        self._party.emit(Paired(self._label, trusted.fingerprint, trusted.petname))

    def _expired(self) -> None:
        self._close()
        self.failed(InviteExpired(minutes=self._seconds / 60))

    # The end

    def _abandon(self) -> None:
        """Nobody wants it any more, and it has no number yet by which it could be closed."""
        self._abandoned = True

    def _close(self) -> None:
        assert self._number is not None
        self._party.say(Close(self._number))
        self._stop()

    def _stop(self) -> None:
        self._stop_timer()
        if self._number is not None:
            self._over(self._number)

    def _wait(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        self._stop_timer()
        self._timer = self._party.clock.callLater(seconds, act, *args)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
