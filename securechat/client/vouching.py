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
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from securechat.client.events import NewcomerAsks, NotVouched, Vouched
from securechat.client.party import Party
from securechat.errors import AdmissionRefused, EntryRefused, Malformed
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
    UserAdded,
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


@attrs.define
class _Attempt:
    room: Room
    newcomer: bytes
    machine: Voucher
    forget: IDelayedCall
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
        try:
            newcomer = Bundle.decode(line.bundle)
        except Malformed:
            self._decline(line.attempt)
            return
        trusted = self._party.trusts(newcomer.fingerprint)
        self._party.emit(NewcomerAsks(room.label, newcomer.fingerprint, trusted))
        if trusted:
            self._party.met(newcomer)
        if not trusted or not self._free_for(newcomer.fingerprint, room):
            self._decline(line.attempt)
            return
        Deferred.fromCoroutine(self._consider(line.attempt, newcomer, room)).addErrback(
            lambda reason: self._log.failure("Asking whether to vouch failed", reason)
        )

    def challenge(self, line: Challenge) -> None:
        """The newcomer's answer came: check it, and hand the key over."""
        attempt = self._attempts.get(line.attempt)
        if attempt is None:
            return
        try:
            attempt.machine.challenged(line.sealed)
        except AdmissionRefused as error:
            self._fail(line.attempt, str(error))
        else:
            self._respond(line.attempt)

    def stale(self, line: Stale) -> None:
        """Another entry came first: try again on top of it, now or when it is here."""
        attempt = self._attempts.get(line.attempt)
        if attempt is not None:
            attempt.awaited_head = line.head
            self._try_again(line.attempt)

    def entry_taken(self, room: Room, line: UserAdded) -> None:
        """The room's log has moved on."""
        for number, attempt in list(self._attempts.items()):
            if attempt.room is not room:
                continue
            if attempt.newcomer in room.log.membership.index:
                self._party.emit(Vouched(room.label, attempt.newcomer))
                self._forget(number)
            else:
                self._try_again(number)

    def over(self, line: Over) -> None:
        """The relay gave the attempt up."""
        if line.attempt in self._attempts:
            self._tell(line.attempt, "the relay gave it up")
            self._forget(line.attempt)

    def connection_lost(self) -> None:
        """Every attempt has ended with the connection."""
        for number in list(self._attempts):
            self._forget(number)

    async def _consider(self, number: bytes, newcomer: Bundle, room: Room) -> None:
        if not await self._may_vouch(room.label, newcomer):
            self._decline(number)
            return
        if not self._free_for(newcomer.fingerprint, room):
            self._decline(number)
            return
        machine = voucher(self._party.identity, number, newcomer, room.place, room.label)
        try:
            sealed = machine.vouch()
        except Malformed:
            self._decline(number)
            return
        forget = self._party.clock.callLater(FORGET_SECONDS, self._forget, number)
        self._attempts[number] = _Attempt(room, newcomer.fingerprint, machine, forget)
        self._party.say(Vouch(number, self._party.identity.bundle.encode(), sealed))

    def _free_for(self, newcomer: bytes, room: Room) -> bool:
        """Whether the room lets this member vouch, and it does not do so already."""
        membership = room.log.membership
        return (
            membership.may_vouch(self._party.identity.fingerprint)
            and newcomer not in membership.index
            and len(self._attempts) < MAX_ATTEMPTS
            and not any(
                each.newcomer == newcomer and each.room is room for each in self._attempts.values()
            )
        )

    def _respond(self, number: bytes) -> None:
        attempt = self._attempts[number]
        try:
            sealed, signed = attempt.machine.respond(attempt.room.propose)
        except (AdmissionRefused, EntryRefused) as error:
            self._fail(number, str(error))
            return
        self._party.say(Response(number, sealed))
        self._party.say(AddUser(number, signed.encode()))

    def _try_again(self, number: bytes) -> None:
        attempt = self._attempts[number]
        if attempt.awaited_head == attempt.room.place.head:
            attempt.awaited_head = None
            self._respond(number)

    def _decline(self, number: bytes) -> None:
        self._party.discreetly(lambda: self._party.say(Nack(number)))

    def _fail(self, number: bytes, why: str) -> None:
        self._tell(number, why)
        self._forget(number)
        self._party.say(Nack(number))

    def _tell(self, number: bytes, why: str) -> None:
        attempt = self._attempts[number]
        self._party.emit(NotVouched(attempt.room.label, attempt.newcomer, why))

    def _forget(self, number: bytes) -> None:
        attempt = self._attempts.pop(number)
        if attempt.forget.active():
            attempt.forget.cancel()
