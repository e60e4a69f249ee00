"""
Newcomers, from a member's side: who is vouched for, and what has become of it.

The relay asks with `new_user`. A newcomer whom the user trusts is vouched for at once, or once
`may_vouch` has said yes. Everybody else gets a `nack` without a reason, after a time that is
the same whatever the reason was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.client.events import NewcomerAsks, NotVouched, Vouched
from securechat.client.party import Party
from securechat.errors import AdmissionRefused, EntryRefused, Malformed
from securechat.group.joiner import MAX_CANDIDATES
from securechat.group.room import Room
from securechat.group.voucher import Voucher, voucher
from securechat.identity import Bundle
from securechat.wire import (
    AddUser,
    Challenge,
    Nack,
    NewUser,
    Over,
    Response,
    Stale,
    Vouch,
)

FORGET_SECONDS = 120.0
"""How long an attempt is remembered that the relay says nothing about."""

MAX_ATTEMPTS = 64
"""How many newcomers are vouched for at a time."""

MayVouch: TypeAlias = Callable[[str, Bundle], Awaitable[bool]]
"""Whether to vouch in the room of that label for that identity, which the user trusts."""


async def always(label: str, newcomer: Bundle) -> bool:
    """Vouch for everybody who is trusted."""
    return True


@attrs.define(repr=False)
class _Attempt:
    room: Room
    newcomer: Bundle
    asking: Deferred[None] | None = None
    """Until it is decided whether to vouch."""
    machine: Voucher | None = None
    forget: IDelayedCall | None = None
    responses: int = 0
    awaited_head: bytes | None = None
    """After `stale`: the head that the entry has to stand on, once it is here."""


class Vouching:
    """All the attempts in which this member is the voucher."""

    _log = Logger()

    def __init__(self, party: Party, may_vouch: MayVouch = always) -> None:
        self._party = party
        self._may_vouch = may_vouch
        self._attempts: dict[bytes, _Attempt] = {}

    def new_user(self, line: NewUser, room: Room) -> None:
        """The relay asks: do you know this identity?"""
        number = line.attempt
        if number in self._attempts:
            self._forget(number)
        try:
            newcomer = Bundle.decode(line.bundle)
        except Malformed:
            self._decline(number)
            return
        trusted = self._party.knows(newcomer)
        self._party.emit(NewcomerAsks(room.label, newcomer.fingerprint, trusted))
        if not trusted or self._is_busy_with(newcomer, room) or not self._may_enter(newcomer, room):
            self._decline(number)
            return
        attempt = self._attempts[number] = _Attempt(room, newcomer)
        attempt.asking = Deferred.fromCoroutine(self._consider(number, attempt))
        attempt.asking.addErrback(self._undecided, number, attempt)

    def challenge(self, line: Challenge) -> None:
        """The newcomer's answer came: check it, and hand the key over."""
        attempt = self._attempts.get(line.attempt)
        if attempt is None or attempt.machine is None:
            return
        try:
            attempt.machine.challenged(line.sealed)
        except AdmissionRefused as error:
            self._fail(line.attempt, str(error))
        else:
            self._respond(line.attempt, attempt, attempt.machine)

    def stale(self, line: Stale) -> None:
        """Another entry came first: try again on top of it, now or when it is here."""
        attempt = self._attempts.get(line.attempt)
        if attempt is not None:
            attempt.awaited_head = line.head
            self._try_again(line.attempt, attempt)

    def entry_taken(self, room: Room) -> None:
        """The room's log has moved on."""
        for number, attempt in list(self._attempts.items()):
            if attempt.room is room:
                self._follow(number, attempt)

    def over(self, line: Over) -> None:
        """The relay gave the attempt up."""
        if line.attempt in self._attempts:
            self._end(line.attempt, "the relay gave it up")

    def connection_lost(self) -> None:
        """Every attempt has ended with the connection."""
        for number in list(self._attempts):
            self._forget(number)

    # Whether to vouch

    async def _consider(self, number: bytes, attempt: _Attempt) -> None:
        room, newcomer = attempt.room, attempt.newcomer
        wanted = await self._may_vouch(room.label, newcomer)
        if self._attempts.get(number) is not attempt:
            return  # it is over, whatever was decided
        attempt.asking = None
        if not wanted:
            self._forget(number)
            self._decline(number)
            return
        machine = voucher(self._party.identity, number, newcomer, room.place, room.label)
        sealed = machine.vouch()
        attempt.machine = machine
        attempt.forget = self._party.clock.callLater(
            FORGET_SECONDS, self._end, number, "the relay says nothing more"
        )
        self._party.say(Vouch(number, self._party.identity.bundle.encode(), sealed))

    def _undecided(self, reason: Failure, number: bytes, attempt: _Attempt) -> None:
        if not reason.check(CancelledError, AdmissionRefused):  # refused: the key is unusable
            self._log.failure("Whether to vouch could not be decided", reason)
        if self._attempts.get(number) is attempt:
            del self._attempts[number]
            self._decline(number)

    def _is_busy_with(self, newcomer: Bundle, room: Room) -> bool:
        """Whether this member vouches for the newcomer there already, or for too many."""
        attempts = self._attempts.values()
        return len(attempts) >= MAX_ATTEMPTS or any(
            each.newcomer == newcomer and each.room is room for each in attempts
        )

    def _may_enter(self, newcomer: Bundle, room: Room) -> bool:
        membership = room.log.membership
        return (
            membership.may_vouch(self._party.identity.fingerprint)
            and newcomer.fingerprint not in membership.index
        )

    def _decline(self, number: bytes) -> None:
        self._party.decline(number)

    # The attempt

    def _respond(self, number: bytes, attempt: _Attempt, machine: Voucher) -> None:
        attempt.responses += 1
        if attempt.responses > MAX_CANDIDATES:
            self._fail(number, "other entries always came first")
            return
        try:
            sealed, signed = machine.respond(attempt.room.propose)
        except (AdmissionRefused, EntryRefused) as error:
            self._fail(number, str(error))
            return
        self._party.say(Response(number, sealed))
        self._party.say(AddUser(number, signed.encode()))

    def _follow(self, number: bytes, attempt: _Attempt) -> None:
        membership = attempt.room.log.membership
        row = membership.index.get(attempt.newcomer.fingerprint)
        if row is None:
            self._try_again(number, attempt)
        elif membership.rows[row].voucher == self._party.identity.fingerprint:
            self._party.emit(Vouched(attempt.room.label, attempt.newcomer.fingerprint))
            self._forget(number)
        else:
            self._end(number, "another member has done so")

    def _try_again(self, number: bytes, attempt: _Attempt) -> None:
        if attempt.machine is not None and attempt.awaited_head == attempt.room.place.head:
            attempt.awaited_head = None
            self._respond(number, attempt, attempt.machine)

    def _fail(self, number: bytes, why: str) -> None:
        self._end(number, why)
        self._party.say(Nack(number))

    def _end(self, number: bytes, why: str) -> None:
        attempt = self._forget(number)
        self._party.emit(NotVouched(attempt.room.label, attempt.newcomer.fingerprint, why))

    def _forget(self, number: bytes) -> _Attempt:
        attempt = self._attempts.pop(number)
        if attempt.asking is not None:
            attempt.asking.cancel()
        if attempt.forget is not None and attempt.forget.active():
            attempt.forget.cancel()
        return attempt
