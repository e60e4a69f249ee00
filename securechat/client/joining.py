"""
One join, from the newcomer's side: `join`, one voucher after the other, the roster, `resume`,
and the greeting.

The relay may bring several vouchers. One is answered at a time, the next only once that one
has failed or stalled; whoever's entry lands first is the one. What is learned on the way goes
out as events, and the end as the Deferred `done`.

An entry may land while the newcomer is not there to hear of it. So what an attempt was offered
is kept in `Begun`, beyond the join: when the newcomer asks again the relay repeats what led
there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from securechat.client.entering import Entering
from securechat.client.events import MembersAsked, Rejoining, VoucherMet, Waiting
from securechat.client.lost import signed_away
from securechat.client.membership import Membership
from securechat.client.party import Party
from securechat.client.refusals import as_error, bare, error_for, subject
from securechat.client.rooms import Rooms
from securechat.errors import (
    AdmissionRefused,
    FoundedAnew,
    Malformed,
    SecureChatError,
    StateLost,
    VoucherUnknown,
)
from securechat.group.detail import Add, leaf_hash
from securechat.group.entry import SignedEntry
from securechat.group.joiner import Entrance, Joiner, joiner
from securechat.group.room import Room
from securechat.identity import Bundle
from securechat.wire import (
    Asked,
    Cancel,
    Challenge,
    ErrorLine,
    Join,
    Leave,
    Leaving,
    Line,
    Member,
    Nack,
    Over,
    Page,
    Queued,
    Response,
    UserAdded,
    Vouch,
)

ATTEMPT_SECONDS = 30.0
"""How long one voucher may take for each step before the next is answered."""

MAX_VOUCHERS = 16
"""How many vouchers may wait, and how many attempts are remembered."""


@attrs.define(repr=False)
class Begun:
    """What may yet lead into a room: attempts by their id, and ways in by the entry's head."""

    attempts: dict[bytes, Joiner] = attrs.field(factory=dict)
    entrances: dict[bytes, Entrance] = attrs.field(factory=dict)

    def remember(self, number: bytes, attempt: Joiner) -> None:
        """Keep *attempt*; only the newest are."""
        self.attempts[number] = attempt
        if len(self.attempts) > MAX_VOUCHERS:
            del self.attempts[next(iter(self.attempts))]

    def landed(self, head: bytes) -> Entrance | None:
        """Return how to enter by the entry that makes *head*, if an attempt was offered it."""
        for number, attempt in reversed(list(self.attempts.items())):
            with suppress(AdmissionRefused):
                self.entrances[head] = attempt.landed(head)
                del self.attempts[number]
                break
        return self.entrances.get(head)


class Joining:
    """
    A newcomer on its way into the room *label*.

    :ivar done: fires with the room once `hello_i_am` is sent. Cancelling it ends the join.
    """

    def __init__(
        self,
        party: Party,
        rooms: Rooms,
        label: str,
        begun: Begun,
        left: Callable[[], None],
        *,
        patient: bool = False,
        rejoin: bool = False,
    ) -> None:
        """
        :param left: called when the relay, too, knows that the join is over.
        :param patient: where a voucher is not trusted, wait for another one.
        :param rejoin: where the newcomer is a member still, whose keys are lost, leave first.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: if what is known of rooms cannot
            be read.
        """
        self.label = label
        self.done: Deferred[Room] = Deferred(lambda _: self._cancel())
        self._party = party
        self._rooms = rooms
        self._last = rooms.last(label)  # what the label has to lead to
        self._known = None if self._last is None else self._last.room
        self._begun = begun
        self._left: Callable[[], None] | None = left
        self._patient = patient
        self._rejoin = rejoin
        self._row: Leave | None = None  # what was said to be taken off the roster
        self._vouched = False  # whether a member is, or was, about to let the newcomer in
        self._waiting: deque[Vouch] = deque(maxlen=MAX_VOUCHERS)
        self._answering: bytes | None = None  # the attempt that it is the turn of
        self._timer: IDelayedCall | None = None
        self._entering: Entering | None = None
        self._doubts: SecureChatError | None = None

    def start(self) -> None:
        """Ask the relay for somebody who vouches."""
        self._party.say(Join(self.label))

    @property
    def over(self) -> bool:
        """Whether it has ended, though the relay may not know yet."""
        return self.done.called

    # What the relay says

    def hear(self, line: Line) -> None:
        """Take a line that may be about this join; others are ignored."""
        if self.over:
            return
        match line:
            case Queued() if line.label == self.label:
                self._party.emit(Waiting(self.label, line.position))
            case Member() if line.label == self.label:
                self._member(line)
            case Leaving() if self._row is not None and line.signature == self._row.signature:
                self.start()  # and the relay lets it wait until that has landed
            case Asked() if line.label == self.label:
                self._party.emit(MembersAsked(self.label, line.asked, line.online))
            case Vouch() if self._entering is None and line.attempt not in self._begun.attempts:
                self._vouch(line)
            case Response() if line.attempt in self._begun.attempts:
                self._response(line)
            case UserAdded() if self._entering is None:
                self._user_added(line)
            case Page() if self._entering is not None:
                self._entering.page(line)
            case Over() if line.attempt == self._answering:
                self._answer_next()

    def refused(self, line: ErrorLine) -> bool:
        """Take an `error` line, if it is about this join."""
        if line.subject == self.label:
            self.failed(error_for(line, self.label if self._known else None))
            return True
        if self._row is not None and line.subject == subject(self._row.room):
            self.failed(error_for(line, self.label))
            return True
        if self._entering is not None and self._entering.is_refused_by(line):
            self._doubt(error_for(line, self.label))
            return True
        return False

    def failed(self, error: SecureChatError) -> None:
        """The join is over, because of *error*."""
        if not self.over:
            self._fail(error)
            self._leave()

    def connection_lost(self, error: SecureChatError) -> None:
        """The join is over with the connection."""
        self.failed(error)
        self._leave()

    # The steps

    def _member(self, line: Member) -> None:
        """This newcomer is on the roster: if its user wants that, leave first."""
        if not self._rejoin or self._row is not None:
            self.failed(StateLost(label=self.label))
        elif not self._rooms.may_be(line.room, self.label, self._known):
            self.failed(FoundedAnew(label=self.label))
        else:
            self._row = signed_away(self._party.identity, line)
            self._party.emit(Rejoining(self.label))
            self._party.say(self._row)

    def _vouch(self, line: Vouch) -> None:
        """A member vouches: answer it, now or when the one before has failed."""
        self._waiting.append(line)
        if self._answering is None:
            self._answer_next()

    def _answer_next(self) -> None:
        self._stop_timer()
        self._answering = None
        if self._waiting:
            self._answer(self._waiting.popleft())
        elif self._doubts is not None:
            self._wait(self.failed, self._doubts)

    def _answer(self, line: Vouch) -> None:
        party, number = self._party, line.attempt
        attempt = joiner(party.identity, number, self.label, self._may_let_in, self._last)
        try:
            bundle = Bundle.decode(line.bundle)
            party.knows(bundle)
            challenge = attempt.vouched(bundle, line.sealed)
        except VoucherUnknown as error:
            self._stranger(number, error)
        except FoundedAnew as error:
            self._turn_away(error)
        except (AdmissionRefused, Malformed):
            party.say(Nack(number))
            self._answer_next()
        else:
            self._begun.remember(number, attempt)
            self._answering, self._vouched = number, True
            self._wait(self._stalled)
            party.emit(VoucherMet(self.label, bundle.fingerprint))
            party.say(Challenge(number, challenge))

    def _may_let_in(self, voucher: bytes) -> bool:
        """Whether to enter on the word of *voucher*."""
        party = self._party
        return party.trusts(voucher) or (self._known is None and party.trusting.believes(voucher))

    def _stranger(self, number: bytes, error: VoucherUnknown) -> None:
        if self._patient:
            self._party.decline(number)
            self._answer_next()
        else:
            self._turn_away(error)

    def _turn_away(self, error: SecureChatError) -> None:
        """
        The seed: the newcomer is warned, and disconnects. The warning comes at once; the relay
        learns of it no sooner than of any other refusal.
        """
        self._party.discreetly(self._say_cancel)
        self._fail(error)

    def _response(self, line: Response) -> None:
        """A voucher hands the key over: keep it until its entry lands."""
        try:
            self._begun.attempts[line.attempt].answered(line.sealed)
        except AdmissionRefused:
            del self._begun.attempts[line.attempt]
            self._party.say(Nack(line.attempt))
            if line.attempt == self._answering:
                self._answer_next()
        else:
            if line.attempt == self._answering:
                self._wait(self._stalled)

    def _stalled(self) -> None:
        """The voucher's entry may land all the same, but somebody else's may come first."""
        assert self._answering is not None
        self._party.say(Nack(self._answering))
        self._answer_next()

    def _user_added(self, line: UserAdded) -> None:
        """An entry of some room landed: is it one that adds this newcomer?"""
        try:
            signed = SignedEntry.decode(line.entry)
        except Malformed:
            return
        detail, me = signed.entry.detail, self._party.identity.fingerprint
        if not isinstance(detail, Add) or detail.subject.fingerprint != me:
            return
        entrance = self._begun.landed(signed.head)
        if entrance is None:
            self._key_lost(Member(self.label, signed.entry.room, leaf_hash(detail.subject.leaf)))
            return
        self._waiting.clear()
        self._doubts = None
        self._answer_next()
        self._entering = Entering(self._party, self._rooms, self.label, self._known, entrance)
        self._entering.done.addCallbacks(self._entered, self._not_entered)

    def _key_lost(self, line: Member) -> None:
        """
        The newcomer is on the roster, and has no key to the entry that adds it. Where nobody has
        vouched in this join, the relay says again what it said to an earlier run of the program,
        with which the key went: this is a member who has lost its state. *line* is what the relay
        says of such ones.
        """
        if self._rejoin and self._row is None:
            self._stop_timer()
            self._member(line)
        elif self._vouched:
            why = "the key to the entry that adds you is not here"
            self._doubt(AdmissionRefused(label=self.label, step="user_added", why=why))
        else:
            self._doubt(StateLost(label=self.label))

    def _doubt(self, error: SecureChatError) -> None:
        """
        This way does not lead in, because of *error*. The relay may have lied, and somebody
        else may yet vouch; but an honest one has nobody to ask any more.
        """
        self._entering = None
        self._doubts = error
        if self._answering is None:
            self._answer_next()

    def _entered(self, membership: Membership) -> None:
        if self._known is None:
            self._party.trusting.entered(membership.room)  # first: who is in never was outside
        membership.enter()
        self._stop()
        self.done.callback(membership.room)
        self._leave()

    def _not_entered(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            self.failed(as_error(reason))

    # The end

    def _cancel(self) -> None:
        if self._entering is None:
            self._party.say(Cancel(self.label))
        self._stop()
        self._leave()

    def _say_cancel(self) -> None:
        self._party.say(Cancel(self.label))
        self._leave()

    def _fail(self, error: SecureChatError) -> None:
        self._stop()
        self.done.errback(bare(error))

    def _stop(self) -> None:
        self._stop_timer()
        self._waiting.clear()
        if self._entering is not None:
            self._entering.done.cancel()

    def _leave(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            left()

    def _wait(self, act: Callable[..., None], *args: object) -> None:
        self._stop_timer()
        self._timer = self._party.clock.callLater(ATTEMPT_SECONDS, act, *args)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
