"""
`ChatClient`: one user's connection to one relay, and the rooms that it is in.

Every method that takes time returns a Deferred, and cancelling it cancels the work. What
happens by itself, a message, a newcomer, an alarm, goes to the observers as an event. While
the client is in a room it stays connected: a connection that breaks is made anew, after
growing pauses, and every room is resumed on it.
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.address import Address, check_label
from securechat.client.endpoint import endpoint_for
from securechat.client.events import Connected, Disconnected, Event, Refusal
from securechat.client.joining import Joining
from securechat.client.known import KnownRooms
from securechat.client.membership import Membership
from securechat.client.party import Party
from securechat.client.protocol import ClientProtocol, Tap, no_tap
from securechat.client.refusals import as_error, error_for, lost
from securechat.client.vouching import MayVouch, Vouching, always
from securechat.errors import (
    AlreadyThere,
    FoundedAnew,
    NoSuchRoom,
    NotAMember,
    NotConnected,
    ProofRefused,
    RoomKnown,
    SecureChatError,
    Superseded,
    VersionMismatch,
    WrongPin,
)
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Bundle, Identity
from securechat.trust import TrustStore
from securechat.wire import (
    Challenge,
    Code,
    ErrorLine,
    Found,
    FrameLine,
    Line,
    NewUser,
    Over,
    Resumed,
    Stale,
    UserAdded,
)

_LAST_WORDS = frozenset(
    {Code.SUPERSEDED, Code.CLOSING, Code.MALFORMED, Code.UNKNOWN, Code.STATE, Code.TIMEOUT}
)
"""Codes after which the relay closes the connection."""

_HOPELESS = (Superseded, ProofRefused, VersionMismatch, WrongPin)
"""What another try would not mend, or should not."""

_chance = random.SystemRandom().random


class ChatClient:
    """One user at one relay."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        identity: Identity,
        trust: TrustStore,
        address: Address,
        *,
        name: str = "",
        endpoint: IStreamClientEndpoint | None = None,
        known: KnownRooms | None = None,
        may_vouch: MayVouch = always,
        tap: Tap = no_tap,
        chance: Callable[[], float] = _chance,
    ) -> None:
        """
        :param reactor: any of Twisted's reactors.
        :param trust: the identities that this user trusts.
        :param address: the relay's address; a room in it is ignored.
        :param name: what `hello_i_am` says; empty: it is not said.
        :param endpoint: dials the relay instead of its host and port: a tunnel, a proxy. TLS,
            where the address has it, goes around it.
        :param known: which rooms labels stood for before.
        :param may_vouch: asked before this member vouches for somebody trusted.
        :param tap: sees every line that is sent and received.
        :param chance: random numbers from 0 to 1, for what must not be predictable.
        :raises NeedsEndpoint: for an onion service without *endpoint*.
        """
        self.address = address.relay
        self._reactor = reactor
        self._identity = identity
        self._trust = trust
        self._name = name
        self._endpoint = endpoint_for(reactor, self.address, endpoint)
        self._known = KnownRooms() if known is None else known
        self._tap = tap
        self._observers: list[Callable[[Event], None]] = []
        self._party = Party(
            identity, reactor, self._trusts, self._say, self._emit, self._met, chance
        )
        self._vouching = Vouching(self._party, may_vouch)
        self._pause = backoffPolicy(jitter=chance)
        self._failures = 0
        self._retry: IDelayedCall | None = None
        self._dialling: Deferred[None] | None = None
        self._connection: ClientProtocol | None = None
        self._last_word: SecureChatError | None = None
        self._closing: list[Deferred[None]] = []
        self._closed = False
        self._memberships: dict[bytes, Membership] = {}
        self._founding: dict[str, tuple[Membership, Deferred[Room]]] = {}
        self._joining: Joining | None = None
        self._one_join = DeferredLock()

    # What embedders call

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call *observer* with every event from now on, until the result is called."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    @property
    def rooms(self) -> tuple[Room, ...]:
        """The rooms that this client is in."""
        return tuple(each.room for each in self._memberships.values())

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the identity is proved."""
        return self._connection is not None

    def connect(self) -> Deferred[None]:
        """
        Connect, and prove the identity. Fails with an `Unreachable` or a `RelayRefused`.
        """
        return Deferred.fromCoroutine(self._dial())

    def found(self, label: str, policy: Policy | None = None) -> Deferred[Room]:
        """
        Found the room *label*. Fires with it once it is real; fails with `RoomTaken`,
        `MayNotFound`, `RoomKnown`, `AlreadyThere`, `RelayBusy` or `NotConnected`. To cancel
        forgets the room; the relay may have it all the same.
        """
        try:
            label = self._new_label(label)
        except SecureChatError as error:
            return fail(error)
        if self._known.find(self.address, label) is not None:
            return fail(RoomKnown(label=label))
        room = Room.found(self._identity, label, policy or Policy(), self._trusts)
        done: Deferred[Room] = Deferred(lambda _: self._forget_founding(label))
        self._founding[label] = (self._seat(room), done)
        self._say(Found(room.first_entry.encode()))
        return done

    def join(self, label: str, *, patient: bool = False) -> Deferred[Room]:
        """
        Join the room *label*. Fires with it once this newcomer has greeted; fails with
        `NoSuchRoom`, `NobodyVouches`, `VoucherUnknown`, `AdmissionRefused`, `StateLost`,
        `FoundedAnew`, `RelayBusy`, `AlreadyThere` or an `Unreachable`. One join runs at a time,
        others wait for it.

        :param patient: where a voucher is not trusted, wait for another one.
        """
        return self._one_join.run(self._join, label, patient)

    def resume(self, room: Room) -> Deferred[int]:
        """
        Ask the relay for what has come since; done by itself after a reconnection. Fires with
        the newest number once all is here; fails with `RoomKnown` where the relay has lost the
        room, `RelayForked`, `NotAMember` or an `Unreachable`.
        """
        if self._connection is None:
            return fail(NotConnected())
        return self._membership(room).resume()

    def send(self, room: Room, text: str) -> Deferred[int]:
        """
        Send *text*, now or once there is a connection. Fires with its number in the room's
        stream once it is there for everybody. To cancel stops the waiting, no more: what is
        encrypted cannot be taken back.

        :raises MessageTooLong: if it is larger than 32 KiB in UTF-8.
        """
        return self._membership(room).send(text)

    def close(self) -> Deferred[None]:
        """Close the connection and stay away. Fires when it is closed."""
        self._closed = True
        self._stop_retrying()
        if self._connection is None:
            self._leave_all(NotConnected())
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._closing.append(done)
        self._connection.close()
        return done

    # The connection

    async def _dial(self) -> None:
        protocol = ClientProtocol(self._identity, self.address, self._reactor, self, self._tap)
        try:
            await self._endpoint.connect(_Once(protocol))
        except CancelledError:
            raise
        except Exception:
            raise lost(self.address, Failure()) from None
        await protocol.proved
        self._connection = protocol
        self._failures = 0
        self._emit(Connected())

    def line_received(self, line: Line) -> None:
        """Route what the relay says to whom it concerns."""
        match line:
            case FrameLine() if line.room in self._memberships:
                self._memberships[line.room].frame(line)
            case UserAdded() if line.room in self._memberships:
                self._entry(self._memberships[line.room], line)
            case Resumed() if line.room in self._memberships:
                self._memberships[line.room].resumed(line.seq)
            case NewUser() if line.room in self._memberships:
                self._vouching.new_user(line, self._memberships[line.room].room)
            case Challenge():
                self._vouching.challenge(line)
            case Stale():
                self._vouching.stale(line)
            case Over():
                self._vouching.over(line)
                if self._joining is not None:
                    self._joining.over(line)
            case ErrorLine():
                self._refused(line)
            case _ if self._joining is not None:
                self._joining.hear(line)
            case _:
                pass  # about a room or a join that is over

    def connection_lost(self, error: SecureChatError) -> None:
        """There is no connection any more: try again while there is a room to be in."""
        self._connection = None
        error, self._last_word = self._last_word or error, None
        self._vouching.connection_lost()
        for label in list(self._founding):
            self._not_founded(label).errback(error)
        if self._joining is not None:
            self._joining.failed(error)
        for membership in self._memberships.values():
            membership.connection_lost(error)
        if self._closed:
            self._leave_all(error)
        else:
            self._try_again(error)
        closing, self._closing = self._closing, []
        for each in closing:
            each.callback(None)

    def _try_again(self, error: SecureChatError) -> None:
        if not self._memberships or isinstance(error, _HOPELESS):
            self._emit(Disconnected(error, None))
            return
        self._failures += 1
        pause = self._pause(self._failures)
        self._emit(Disconnected(error, pause))
        self._retry = self._reactor.callLater(pause, self._reconnect)

    def _reconnect(self) -> None:
        self._retry = None
        self._dialling = Deferred.fromCoroutine(self._redial())
        self._dialling.addErrback(self._unexpected)

    async def _redial(self) -> None:
        try:
            await self._dial()
        except SecureChatError as error:
            self._try_again(error)
        except CancelledError:
            pass  # closed meanwhile
        else:
            for membership in list(self._memberships.values()):
                membership.resume().addErrback(self._not_resumed)

    def _not_resumed(self, reason: Failure) -> None:
        self._emit(Refusal(as_error(reason)))

    def _unexpected(self, reason: Failure) -> None:
        self._log.failure("The client failed", reason)

    def _stop_retrying(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._dialling is not None:
            self._dialling.cancel()

    def _leave_all(self, error: SecureChatError) -> None:
        for membership in self._memberships.values():
            membership.leave_alone(error)

    # Rooms

    async def _join(self, label: str, patient: bool) -> Room:
        label = self._new_label(label)
        joining = Joining(self._party, label, self._seat, patient=patient)
        self._joining = joining
        joining.start()
        try:
            membership = await joining.done
        except NoSuchRoom:
            if self._known.find(self.address, label) is None:
                raise
            raise RoomKnown(label=label) from None
        finally:
            self._joining = None
        return membership.room

    def _new_label(self, text: str) -> str:
        """Check that the room *text* can be entered now, and return its label."""
        label = check_label(text)
        if self._connection is None:
            raise NotConnected()
        if label in self._founding or label in {each.label for each in self.rooms}:
            raise AlreadyThere(label=label)
        return label

    def _seat(self, room: Room) -> Membership:
        """Be in *room* from now on, if that is the one that its label stood for before."""
        known = self._known.find(self.address, room.label)
        if known not in (None, room.id):
            raise FoundedAnew(label=room.label)
        membership = Membership(self._party, room, self._name)
        self._memberships[room.id] = membership
        return membership

    def _entry(self, membership: Membership, line: UserAdded) -> None:
        room = membership.room
        was_inside = room.inside
        membership.entry(line)
        if room.inside and not was_inside:
            self._known.learn(self.address, room.label, room.id)
            if room.label in self._founding:
                _, done = self._founding.pop(room.label)
                membership.began()
                membership.greet()
                done.callback(room)
        self._vouching.entry_taken(room, line)

    def _forget_founding(self, label: str) -> None:
        self._not_founded(label)

    def _not_founded(self, label: str) -> Deferred[Room]:
        membership, done = self._founding.pop(label)
        del self._memberships[membership.room.id]
        return done

    def _membership(self, room: Room) -> Membership:
        try:
            return self._memberships[room.id]
        except KeyError:
            raise NotAMember(label=room.label) from None

    def _refused(self, line: ErrorLine) -> None:
        error, subject = error_for(line), line.subject
        membership = self._resuming(subject)
        if line.code in _LAST_WORDS:
            self._last_word = error
        elif subject in self._founding:
            self._not_founded(subject).errback(error)
        elif self._joining is not None and self._joining.label == subject:
            self._joining.failed(error)
        elif membership is not None:
            membership.refused(error_for(line, membership.room.label))
        elif line.code is not Code.ATTEMPT:  # an attempt that ended while a line was under way
            self._emit(Refusal(error))

    def _resuming(self, subject: str) -> Membership | None:
        """Return the membership of the room that an `error` line names by its G."""
        for room, membership in self._memberships.items():
            if urlsafe_b64encode(room).decode("ascii").rstrip("=") == subject:
                return membership
        return None

    # What the parts use

    def _trusts(self, fp: bytes) -> bool:
        """Whether *fp* is trusted now: another program may have changed the store."""
        try:
            self._trust.refresh()
        except (SecureChatError, OSError):
            self._log.failure("The trusted identities could not be read anew")
        return fp in self._trust

    def _met(self, bundle: Bundle) -> None:
        """Keep the bundle of somebody trusted of whom only the fingerprint was known."""
        known = self._trust.find(bundle.fingerprint)
        if known is not None and known.bundle is None:
            self._trust.learn_bundle(bundle.fingerprint, bundle)

    def _say(self, line: Line) -> None:
        if self._connection is not None:
            self._connection.say(line)

    def _emit(self, event: Event) -> None:
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception:
                self._log.failure("An observer of the client failed")


class _Once(Factory):
    """Hands out one protocol, for the one connection that an endpoint makes."""

    noisy = False

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, _: object) -> ClientProtocol:
        return self._protocol
