"""
One join, from the newcomer's side: `join`, one voucher after the other, the roster, `resume`,
and the greeting.

The relay may bring several vouchers. One is answered at a time, the next only once that one
has failed or stalled; whoever's entry lands first is the one. What is learned on the way goes
out as events, and the end as the Deferred `done`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from securechat.client.events import MembersAsked, VoucherMet, Waiting
from securechat.client.membership import Membership
from securechat.client.party import Party
from securechat.client.refusals import as_error
from securechat.errors import (
    AdmissionRefused,
    EntryRefused,
    FoundedAnew,
    Malformed,
    SecureChatError,
    VoucherUnknown,
)
from securechat.group.entry import SignedEntry
from securechat.group.joiner import Entrance, Joiner, joiner
from securechat.group.log import MAX_SNAPSHOT
from securechat.group.room import Room
from securechat.identity import Bundle
from securechat.wire import (
    Asked,
    Cancel,
    Challenge,
    Join,
    Line,
    Nack,
    Over,
    Page,
    Queued,
    Response,
    Roster,
    UserAdded,
    Vouch,
)

ATTEMPT_SECONDS = 30.0
"""How long one voucher may take before the next is answered."""

MAX_VOUCHERS = 16
"""How many vouchers may wait, and how many attempts are remembered."""


class Joining:
    """
    A newcomer on its way into the room *label*.

    :ivar done: fires with the membership once `hello_i_am` is sent. Cancelling it ends the
        join.
    """

    def __init__(
        self,
        party: Party,
        label: str,
        seat: Callable[[Room], Membership],
        *,
        patient: bool = False,
    ) -> None:
        """
        :param seat: makes the membership of the room that was entered.
        :param patient: where a voucher is not trusted, wait for another one.
        """
        self.label = label
        self.done: Deferred[Membership] = Deferred(lambda _: self._end())
        self._party = party
        self._seat = seat
        self._patient = patient
        self._attempts: dict[bytes, Joiner] = {}
        self._waiting: deque[Vouch] = deque(maxlen=MAX_VOUCHERS)
        self._answering: IDelayedCall | None = None
        self._entrance: Entrance | None = None
        self._snapshot = bytearray()

    def start(self) -> None:
        """Ask the relay for somebody who vouches."""
        self._party.say(Join(self.label))

    # What the relay says

    def hear(self, line: Line) -> None:
        """Take a line that may be about this join; others are ignored."""
        match line:
            case Queued():
                self._party.emit(Waiting(self.label, line.position))
            case Asked():
                self._party.emit(MembersAsked(self.label, line.asked, line.online))
            case Vouch():
                self.vouch(line)
            case Response():
                self.response(line)
            case UserAdded():
                self.user_added(line)
            case Page():
                self.page(line)

    def vouch(self, line: Vouch) -> None:
        """A member vouches: answer it, now or when the one before has failed."""
        self._waiting.append(line)
        if self._answering is None:
            self._answer_next()

    def response(self, line: Response) -> None:
        """A voucher hands the key over: keep it until its entry lands."""
        if line.attempt in self._attempts:
            try:
                self._attempts[line.attempt].answered(line.sealed)
            except AdmissionRefused:
                self._failed(line.attempt)

    def over(self, line: Over) -> None:
        """The relay gave an attempt up. Its entry may have landed all the same."""
        self._answer_next()

    def user_added(self, line: UserAdded) -> None:
        """An entry of some room landed: is it the one that adds this newcomer?"""
        if self._entrance is not None:
            return
        try:
            signed = SignedEntry.decode(line.entry)
        except Malformed:
            return
        for attempt in self._attempts.values():
            try:
                self._entrance = attempt.landed(signed.head)
            except AdmissionRefused:
                continue
            self._stop_timer()
            self._fetch()
            return

    def page(self, line: Page) -> None:
        """More of the roster that the entry leads to."""
        entrance = self._entrance
        if entrance is None or line.offset != len(self._snapshot) or line.total > MAX_SNAPSHOT:
            return
        self._snapshot += line.chunk
        if len(self._snapshot) < line.total:
            self._fetch()
            return
        try:
            room = Room.enter(
                self._party.identity,
                self.label,
                entrance,
                bytes(self._snapshot),
                self._party.trusts,
            )
            membership = self._seat(room)
        except (Malformed, EntryRefused) as error:
            self.failed(self._refused("user_added", str(error)))
            return
        except FoundedAnew as error:
            self.failed(error)
            return
        self._entering = membership.resume()
        self._entering.addCallbacks(self._enter, self._lost, callbackArgs=(membership,))

    def failed(self, error: SecureChatError) -> None:
        """The join is over, because of *error*."""
        self._stop()
        if not self.done.called:
            self.done.errback(error)

    # The steps

    def _answer_next(self) -> None:
        self._stop_timer()
        while self._waiting and self._answering is None:
            line = self._waiting.popleft()
            attempt = joiner(self._party.identity, line.attempt, self.label, self._party.trusts)
            try:
                bundle = Bundle.decode(line.bundle)
                challenge = attempt.vouched(bundle, line.sealed)
            except VoucherUnknown as error:
                self._stranger(line.attempt, error)
            except (AdmissionRefused, Malformed):
                self._party.say(Nack(line.attempt))
            else:
                while len(self._attempts) >= MAX_VOUCHERS:
                    del self._attempts[next(iter(self._attempts))]
                self._attempts[line.attempt] = attempt
                self._party.met(bundle)
                self._party.emit(VoucherMet(self.label, bundle.fingerprint))
                self._party.say(Challenge(line.attempt, challenge))
                self._answering = self._party.clock.callLater(ATTEMPT_SECONDS, self._stalled)

    def _stranger(self, attempt: bytes, error: VoucherUnknown) -> None:
        """
        The seed: the newcomer is warned, and disconnects. The warning comes at once; the relay
        learns of it no sooner than of any other refusal.
        """
        if self._patient:
            self._party.discreetly(lambda: self._party.say(Nack(attempt)))
        else:
            self._party.discreetly(lambda: self._party.say(Cancel(self.label)))
            self.failed(error)

    def _failed(self, attempt: bytes) -> None:
        del self._attempts[attempt]
        self._party.say(Nack(attempt))
        self._answer_next()

    def _stalled(self) -> None:
        self._answering = None
        self._answer_next()

    def _fetch(self) -> None:
        assert self._entrance is not None
        entry = self._entrance.signed.entry
        self._party.say(Roster(entry.room, entry.epoch, len(self._snapshot)))

    def _enter(self, seq: int, membership: Membership) -> None:
        if not membership.room.inside:
            self.failed(self._refused("user_added", "the relay hides the entry that adds you"))
            return
        membership.greet()
        self._stop()
        self.done.callback(membership)

    def _lost(self, reason: Failure) -> None:
        self.failed(as_error(reason))

    def _refused(self, step: str, why: str) -> AdmissionRefused:
        return AdmissionRefused(label=self.label, step=step, why=why)

    def _end(self) -> None:
        self._party.say(Cancel(self.label))
        self._stop()

    def _stop(self) -> None:
        self._stop_timer()
        self._waiting.clear()
        self._attempts.clear()
        self._entrance = None

    def _stop_timer(self) -> None:
        if self._answering is not None and self._answering.active():
            self._answering.cancel()
        self._answering = None
