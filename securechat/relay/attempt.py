"""
One attempt: one member asked whether it vouches for one newcomer, as a state machine.

::

    asked ──vouch──▶ held ──pass_on──▶ vouched ──challenge──▶ challenged ──response──▶ answered
                                                                  ▲                       │
                                                                  └──stale── submitted ◀──┘
                                                                                │    add_user
                                                                              landed
                                                                                ▼
    from every state by nack, loss or timeout ───────────────────────────────▶ over

The relay passes on what it cannot read. A vouch is *held* while the newcomer answers another.
The keys of one attempt are never used in another, so whatever goes wrong ends it; only an
entry that came too late may be made anew, with a new response. Each step starts anew the time
in which the side whose turn it is must take the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automat import NoTransition, TypeMachineBuilder
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from securechat.errors import EntryRefused, Malformed, SecureChatError, StaleEntry
from securechat.primitives import random_bytes
from securechat.relay.refusal import Refusal, subject
from securechat.relay.session import Session
from securechat.wire import (
    AddUser,
    Challenge,
    Code,
    ErrorLine,
    Nack,
    NewUser,
    Over,
    Response,
    Stale,
    Vouch,
)

if TYPE_CHECKING:
    from securechat.relay.admission import Admission

ID_LENGTH = 16

MAX_RESPONSES = 16
"""Responses in one attempt; a newcomer keeps no more candidates for its entry."""


class Steps(Protocol):
    """What can happen in an attempt."""

    def vouch(self, line: Vouch) -> None:
        """The member vouches."""

    def pass_on(self) -> None:
        """It is this vouch's turn with the newcomer."""

    def challenge(self, line: Challenge) -> None:
        """The newcomer answers the vouch."""

    def response(self, line: Response) -> None:
        """The member answers the challenge, or answers it anew."""

    def add_user(self, line: AddUser) -> None:
        """The member submits the entry."""

    def stale(self) -> None:
        """Another entry came first."""

    def landed(self) -> None:
        """The entry is in the log."""

    def end(self, by: Session | None) -> None:
        """It comes to nothing: by one of the two, or by the relay."""


class Attempt:
    """The attempt to have *voucher* add the newcomer of *admission*."""

    def __init__(self, admission: Admission, voucher: Session) -> None:
        self.id = random_bytes(ID_LENGTH)
        self.admission = admission
        self.voucher = voucher
        self.joiner = admission.joiner
        self.steps = attempt_machine(self)
        self.vouch: Vouch
        self.response: Response
        self.responses = 0
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Ask the member."""
        self.voucher.attempts[self.id] = self
        self.voucher.say(NewUser(self.id, self.admission.room.id, self.joiner.bundle))
        self.wait()

    def handle(self, session: Session, line: Nack | Vouch | Challenge | Response | AddUser) -> None:
        """
        Take a *line* about this attempt from one of the two.

        :raises Refusal: if it is not this one's turn to say that.
        """
        vouches = session is self.voucher
        try:
            match line:
                case Nack():
                    self.steps.end(session)
                case Challenge() if not vouches:
                    self.steps.challenge(line)
                case Vouch() if vouches:
                    self._check_bundle(line)
                    self.steps.vouch(line)
                case Response() if vouches:
                    self.steps.response(line)
                case AddUser() if vouches:
                    self.steps.add_user(line)
                case _:
                    raise Refusal(Code.STATE, "that is for the other side to say", self.subject)
        except NoTransition:
            raise Refusal(Code.STATE, "not at this step of the attempt", self.subject) from None

    def pass_on(self) -> None:
        """Let the newcomer have the vouch."""
        self.steps.pass_on()

    def end(self, by: Session | None) -> None:
        """
        End this attempt.

        :param by: which of the two ended it, or is gone, and is not told so.
        """
        self.steps.end(by)

    @property
    def subject(self) -> str:
        """How `error` lines name this attempt."""
        return subject(self.id)

    def _check_bundle(self, line: Vouch) -> None:
        if line.bundle != self.voucher.bundle:
            raise Refusal(Code.PROOF, "the bundle is not your own", self.subject)

    # What the steps do

    def wait(self) -> None:
        """Begin to wait for the next step."""
        self.stop_waiting()
        room = self.admission.room
        self._timer = room.clock.callLater(room.limits.ask_timeout, self.steps.end, None)

    def stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def submit(self, entry: bytes) -> None:
        """Have the room take *entry*."""
        room = self.admission.room
        adding = room.add(self.voucher, self.joiner, self.response, entry)
        Deferred.fromCoroutine(adding).addCallbacks(self._landed, self._not_landed)

    def _landed(self, _: None) -> None:
        self.steps.landed()

    def _not_landed(self, reason: Failure) -> None:
        match reason.value:
            case StaleEntry():
                self.steps.stale()
                return
            case Malformed() | EntryRefused():
                self.voucher.say(ErrorLine(Code.ENTRY, "-", str(reason.value)))
            case Refusal():
                self.voucher.say(reason.value.line)
            case _:
                reason.trap(SecureChatError)  # not stored, and the connection ends
        self.steps.end(None)

    def forget(self) -> list[Session]:
        """Let nobody find this attempt any more; return who could."""
        self.stop_waiting()
        sides = (self.voucher, self.joiner)
        return [side for side in sides if side.attempts.pop(self.id, None)]


_builder = TypeMachineBuilder(Steps, Attempt)

asked = _builder.state("asked")
held = _builder.state("held")
vouched = _builder.state("vouched")
challenged = _builder.state("challenged")
answered = _builder.state("answered")
submitted = _builder.state("submitted")
over = _builder.state("over")


@asked.upon(Steps.vouch).to(held)
def hold(steps: Steps, attempt: Attempt, line: Vouch) -> None:
    attempt.vouch = line
    attempt.stop_waiting()
    attempt.admission.vouched(attempt)


@held.upon(Steps.pass_on).to(vouched)
def pass_on_vouch(steps: Steps, attempt: Attempt) -> None:
    attempt.joiner.attempts[attempt.id] = attempt
    attempt.joiner.say(attempt.vouch)
    attempt.wait()


@vouched.upon(Steps.challenge).to(challenged)
def pass_on_challenge(steps: Steps, attempt: Attempt, line: Challenge) -> None:
    attempt.voucher.say(line)
    attempt.wait()


@challenged.upon(Steps.response).to(answered)
@answered.upon(Steps.response).to(answered)
def pass_on_response(steps: Steps, attempt: Attempt, line: Response) -> None:
    attempt.responses += 1
    if attempt.responses > MAX_RESPONSES:
        steps.end(None)
        return
    attempt.response = line
    attempt.joiner.say(line)
    attempt.wait()


@answered.upon(Steps.add_user).to(submitted)
def submit(steps: Steps, attempt: Attempt, line: AddUser) -> None:
    attempt.submit(line.entry)


@submitted.upon(Steps.stale).to(challenged)
def say_stale(steps: Steps, attempt: Attempt) -> None:
    attempt.voucher.say(Stale(attempt.id, attempt.admission.room.head))
    attempt.wait()


@submitted.upon(Steps.landed).to(over)
def land(steps: Steps, attempt: Attempt) -> None:
    attempt.forget()
    attempt.admission.landed(attempt)


@asked.upon(Steps.end).to(over)
@held.upon(Steps.end).to(over)
@vouched.upon(Steps.end).to(over)
@challenged.upon(Steps.end).to(over)
@answered.upon(Steps.end).to(over)
@submitted.upon(Steps.end).to(over)
def end(steps: Steps, attempt: Attempt, by: Session | None) -> None:
    for side in attempt.forget():
        if side is not by:
            side.say(Over(attempt.id))
    attempt.admission.ended(attempt)


for late in (Steps.end, Steps.landed, Steps.stale):
    over.upon(late).loop().returns(None)

attempt_machine = _builder.build()
"""Call it with an `Attempt`; ``attempt_machine.asDigraph()`` draws it."""
