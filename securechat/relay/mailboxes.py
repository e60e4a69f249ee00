"""
Mailboxes: where two meet who have a short code in common, and do not know each other's keys yet.

A member opens one, and says its number and some words to a friend, by a way that is not the
relay's. Who claims the number has it for itself, whatever the words: the two exchange one message
each, which only who has the words can make and open, and that is all. So whoever guesses at the
words does so once, the relay once with each of the two, and is seen.

Numbers are short, since people say them, and so they can be guessed: who claims what is somebody
else's learns nothing, but has spent that code. Hence strangers get few claims a minute, are not
told why they cannot have one, and keep one only for the ask timeout, so that its inviter soon
knows. Nobody opens one who is in no room here. What is scarce, claims and mailboxes, is bounded
for each source and not for each identity, which costs nothing to make.

A mailbox is held by its two connections, and ends with either. What passes through is kept
nowhere but on its way to who reads it.
"""

from __future__ import annotations

from secrets import randbelow
from typing import TYPE_CHECKING, TypeAlias

from twisted.internet.interfaces import IReactorTime

from securechat.relay.counts import Counts
from securechat.relay.limits import Limits
from securechat.relay.refusal import Refusal
from securechat.relay.sources import Quota
from securechat.wire import Claim, Claimed, Close, Closed, Code, Invite, Invited, Mail

if TYPE_CHECKING:
    from securechat.relay.session import Session

MailboxLine: TypeAlias = Invite | Claim | Mail | Close
"""What clients say about mailboxes."""

_FEWEST = 99
"""Numbers that there are where few mailboxes are open: it takes a while to claim all of them."""

_NONE = "0"  # the subject of what is said about a mailbox that was not opened


class Mailbox:
    """
    The mailbox *number*, opened by *inviter*, whose first message of SPAKE2 is *pake*.

    :ivar inviter: who has opened it.
    """

    def __init__(self, mailboxes: Mailboxes, number: int, inviter: Session, pake: bytes) -> None:
        self.inviter = inviter
        self._mailboxes = mailboxes
        self._number = number
        self._pake = pake
        self._claimer: Session | None = None
        self._said: set[Session] = set()
        inviter.mailboxes[number] = self
        self._timer = mailboxes.clock.callLater(mailboxes.limits.mailbox_seconds, self.end)

    @property
    def claimed(self) -> bool:
        """Whether its code is spent."""
        return self._claimer is not None

    def claim(self, session: Session) -> None:
        """Be for *session* and the inviter alone."""
        self._claimer = session
        session.mailboxes[self._number] = self
        self._timer.reset(self._mailboxes.limits.ask_timeout)
        session.say(Claimed(self._number, self._pake))

    def mail(self, session: Session, line: Mail) -> None:
        """
        Pass on the *line* of *session*, one of the two.

        :raises Refusal: if there is nobody to hear it yet, or *session* has said one.
        """
        if self._claimer is None:
            raise Refusal(Code.STATE, "nobody has claimed this mailbox yet", str(self._number))
        if session in self._said:
            raise Refusal(Code.STATE, "you have said your mail already", str(self._number))
        self._said.add(session)
        other = self._claimer if session is self.inviter else self.inviter
        other.say(line)

    def end(self, by: Session | None = None) -> None:
        """Be over: *by* has closed it, or is gone; None: its time is. Who else has it is told."""
        if self._timer.active():
            self._timer.cancel()
        self._mailboxes.forget(self._number)
        for session in (self.inviter, self._claimer):
            if session is not None:
                del session.mailboxes[self._number]
                if session is not by:
                    session.say(Closed(self._number))


class Mailboxes:
    """
    All that are not over.

    :param counts: where claims count that are refused.
    """

    def __init__(self, clock: IReactorTime, limits: Limits, counts: Counts) -> None:
        self.clock = clock
        self.limits = limits
        self._counts = counts
        self._boxes: dict[int, Mailbox] = {}
        self._claims = Quota(clock, limits.claims_per_minute)

    def __len__(self) -> int:
        return len(self._boxes)

    def handle(self, session: Session, line: MailboxLine) -> None:
        """
        Take the *line* of *session*.

        :raises Refusal: if it may not be said, or not now; about the number of the mailbox, or 0
            where none is opened.
        """
        match line:
            case Invite():
                self._open(session, line.pake)
            case Claim():
                self._claim(session, line.number)
            case Mail():
                mailbox = session.mailboxes.get(line.number)
                if mailbox is None:
                    raise _no_mailbox(line.number)
                mailbox.mail(session, line)
            case _:
                mailbox = session.mailboxes.get(line.number)
                if mailbox is not None:  # else `closed` has crossed it
                    mailbox.end(session)

    def forget(self, number: int) -> None:
        """The mailbox *number* is over."""
        del self._boxes[number]

    def _open(self, session: Session, pake: bytes) -> None:
        self._check_may_open(session)
        number = self._free_number()
        self._boxes[number] = Mailbox(self, number, session, pake)
        session.say(Invited(number, int(self.limits.mailbox_seconds)))

    def _check_may_open(self, session: Session) -> None:
        limits, inviters = self.limits, [each.inviter for each in self._boxes.values()]
        if not session.live:
            raise Refusal(Code.STATE, "only who is live in a room here may invite", _NONE)
        if inviters.count(session) >= limits.mailboxes_per_connection:
            raise Refusal(Code.BUSY, "you invite too many at once: close one first", _NONE)
        source = session.wire.source
        if sum(each.wire.source == source for each in inviters) >= limits.mailboxes_per_address:
            words = "too many from your address invite somebody: try again in some minutes"
            raise Refusal(Code.BUSY, words, _NONE)
        if len(inviters) >= limits.mailboxes_in_all:
            words = "this relay has no place for another mailbox: try again in some minutes"
            raise Refusal(Code.BUSY, words, _NONE)

    def _free_number(self) -> int:
        """Return a random number that is free, short as long as there are few."""
        most = _FEWEST
        while 2 * len(self._boxes) >= most:
            most = 10 * most + 9
        while (number := 1 + randbelow(most)) in self._boxes:
            pass  # at most every second is taken
        return number

    def _claim(self, session: Session, number: int) -> None:
        if number in session.mailboxes:
            raise Refusal(Code.STATE, "this mailbox is yours", str(number))
        try:
            self._check_may_claim(session, number)
        except Refusal:
            self._counts.claims_refused += 1
            raise
        self._boxes[number].claim(session)

    def _check_may_claim(self, session: Session, number: int) -> None:
        if not self._claims.take(session.wire.source):
            words = "too many codes were tried from your address: try again in a minute"
            raise Refusal(Code.BUSY, words, str(number))
        mailbox = self._boxes.get(number)
        if mailbox is None or mailbox.claimed:
            raise _no_mailbox(number)


def _no_mailbox(number: int) -> Refusal:
    words = "there is no such mailbox, it has expired, or its code is spent"
    return Refusal(Code.NO_MAILBOX, words, str(number))
