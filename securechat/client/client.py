"""
`ChatClient`: one user's connection to one relay, and the rooms that it is in.

Every method that takes time returns a Deferred, and cancelling it cancels the work. What
happens by itself, a message, a newcomer, an alarm, goes to the observers as an event. While
the client is in a room it stays connected: a connection that breaks is made anew, after
growing pauses, and every room is resumed on it.

This module knows who is to hear what; what to do about it is known by `Founding`, `Joining`,
`Membership` and `Vouching`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from securechat import wire
from securechat.address import Address, check_label
from securechat.client.accepting import Accepting
from securechat.client.endpoint import endpoint_for
from securechat.client.events import Connected, Disconnected, Event, Refusal, StorageFailed
from securechat.client.founding import Founding
from securechat.client.intents import Reforming, Renewing
from securechat.client.inviting import Invitation, Inviting
from securechat.client.joining import Begun, Joining
from securechat.client.journal import Journal
from securechat.client.known import KnownRooms
from securechat.client.link import Link
from securechat.client.lost import LeavingLost
from securechat.client.mailboxes import Mailboxes
from securechat.client.membership import InRoom, Membership
from securechat.client.party import Party
from securechat.client.protocol import ClientProtocol, Listener, Tap, no_tap
from securechat.client.refusals import error_for
from securechat.client.renewing import Schedule
from securechat.client.rooms import Rooms
from securechat.client.state import State
from securechat.client.trusting import TrustPolicy
from securechat.client.vouching import MayVouch, Vouching, always
from securechat.errors import (
    AlreadyThere,
    CodeSpent,
    ConnectionLost,
    KeysGone,
    NoMailboxes,
    NoSuchMember,
    NotConnected,
    OwnInvite,
    RelaySilent,
    RoomKnown,
    SecureChatError,
    WasRemoved,
)
from securechat.fingerprint import to_groups
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Identity
from securechat.pairing import Code, Invited, Inviter
from securechat.trust import TrustStore
from securechat.trusted import Trusted
from securechat.wire import (
    Challenge,
    Changed,
    Claimed,
    Closed,
    ErrorLine,
    Line,
    Mail,
    NewUser,
    Over,
    Stale,
    UserAdded,
)

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
        state: State | None = None,
        may_vouch: MayVouch = always,
        trust_policy: TrustPolicy = TrustPolicy.PIN,
        tap: Tap = no_tap,
        chance: Callable[[], float] = _chance,
    ) -> None:
        """
        :param reactor: any of Twisted's reactors.
        :param trust: the identities that this user trusts; what another program changes on
            disk counts.
        :param address: the relay's address; a room in it is ignored.
        :param name: what `hello_i_am` says; empty: it is not said.
        :param endpoint: dials the relay instead of its host and port: a tunnel, a proxy. TLS,
            where the address has it, goes around it.
        :param known: which rooms labels stood for before.
        :param state: where rooms are kept, so that the client can come back to them after it was
            started anew; None: in memory only.
        :param may_vouch: asked before this member vouches for somebody trusted.
        :param trust_policy: whom the client adds by itself to *trust*, where nobody attends it.
        :param tap: sees every line that is sent and received.
        :param chance: random numbers from 0 to 1, for what must not be predictable.
        :raises NeedsEndpoint: for an onion service without *endpoint*.
        """
        self.address = address.relay
        self._identity = identity

        def protocol(listener: Listener) -> ClientProtocol:
            return ClientProtocol(identity, self.address, reactor, listener, tap)

        dialled = endpoint_for(reactor, self.address, endpoint)
        self._link = Link(
            reactor,
            dialled,
            protocol,
            chance,
            wanted=self._in_a_room,
            connected=self._connected,
            heard=self._heard,
            disconnected=self._disconnected,
        )
        self._party = Party(
            identity,
            reactor,
            trust,
            chance,
            say=self._link.say,
            emit=self._emit,
            silent=self._silent,
            journal=Journal(reactor, state, self.address, self._not_stored),
            policy=trust_policy,
        )
        self._rooms = Rooms(self._party, known or KnownRooms(), self.address, name)
        for parts in () if state is None else state.rooms(self.address):
            renewal = parts.pop(Schedule.PART, None)
            self._rooms.remember(Room.restore(identity, parts, self._party.confirms), renewal)
        self._vouching = Vouching(self._party, may_vouch)
        self._mailboxes = Mailboxes()
        self._name = name
        self._observers: list[Callable[[Event], None]] = []
        self._foundings: dict[str, Founding] = {}
        self._joining: Joining | LeavingLost | None = None
        self._begun: dict[str, Begun] = {}
        self._turns: deque[Deferred[None]] = deque()
        self._taking_turns = False
        self._closing = False

    # What embedders call

    def observe(self, observer: Callable[[Event], None]) -> Callable[[], None]:
        """Call *observer* with every event from now on, until the result is called."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    @property
    def rooms(self) -> tuple[Room, ...]:
        """The rooms that this client is in."""
        return tuple(each.room for each in self._rooms if each.entered)

    @property
    def kept(self) -> tuple[Room, ...]:
        """
        The rooms of this user's earlier runs, as they were then: `join` comes back to them. One
        of which the relay knows nothing was perhaps never founded.
        """
        return self._rooms.kept

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the identity is proved."""
        return self._link.up

    def connect(self) -> Deferred[None]:
        """
        Connect, and prove the identity; where the client is in rooms, resume them. Fails with
        an `Unreachable`, a `RelayRefused`, or `NotConnected` if the client is closed meanwhile.
        """
        self._closing = False
        return self._link.connect()

    def found(self, label: str, policy: Policy | None = None) -> Deferred[Room]:
        """
        Found the room *label*. Fires with it once it is real; fails with `RoomTaken`,
        `MayNotFound`, `RoomKnown`, `AlreadyThere`, a `RelayRefused`, `NotConnected` or an
        `Unreachable`. To cancel forgets the room; the relay may have it all the same.
        """
        return maybeDeferred(self._found, label, policy)

    def join(self, label: str, *, patient: bool = False, rejoin: bool = False) -> Deferred[Room]:
        """
        Join the room *label*. Fires with it once this newcomer has greeted; fails with
        `NoSuchRoom`, `RoomKnown`, `NobodyVouches`, `VoucherUnknown`, `AdmissionRefused`,
        `StateLost`, `FoundedAnew`, a `RelayRefused`, `AlreadyThere`, `NotConnected` or an
        `Unreachable`. After the last of these, connect and join again: what was begun is gone
        on with. One join runs at a time, others wait for it.

        :param patient: where a voucher is not trusted, wait for another one.
        :param rejoin: where this user is a member whose keys are lost, leave first. The room
            waits for somebody who makes new keys, and then for a voucher; what was said until
            then can never be read.
        """
        return Deferred.fromCoroutine(self._join(label, patient, rejoin))

    def resume(self, room: Room) -> Deferred[int]:
        """
        Ask the relay for what has come since; done by itself after a reconnection. Fires with
        the newest number once all is here; fails with `RoomKnown` where the relay has lost the
        room, `RelayForked`, `NotAMember`, a `RelayRefused`, `NotConnected` or an `Unreachable`.
        """
        return maybeDeferred(self._resume, room)

    def send(self, room: Room, text: str) -> Deferred[int]:
        """
        Send *text*, now or once there is a connection. Fires with its number in the room's
        stream once it is there for everybody; fails with what refuses to resume the room, or
        with `NotConnected` if the client is closed. To cancel stops the waiting, no more: what
        is encrypted cannot be taken back.

        :raises MessageTooLong: if it is larger than 32 KiB in UTF-8.
        :raises NotAMember: if the client is not in *room*.
        """
        return self._rooms.of(room).send(text)

    def leave(self, room: Room) -> Deferred[None]:
        """
        Leave *room* for good, now or once there is a connection. Fires when the relay has stored
        the signed leave: the members who remain then make new keys without this one. Nothing of
        the room is kept here but which one it was. Fails with `NotAMember`, a `RelayRefused`, or
        `NotConnected` if the client is closed before. To cancel stops the waiting, no more.
        """
        return maybeDeferred(self._leave, room)

    def leave_lost(self, label: str) -> Deferred[None]:
        """
        Leave the room *label*, of which nothing is kept here, for good. Fires when the relay has
        stored the signed leave. Fails with `NotAMember` if the relay knows of no such member,
        `NoSuchRoom`, `FoundedAnew` if it names another room than the label stands for, or one
        that is kept; `AlreadyThere`, a `RelayRefused`, `NotConnected` or an `Unreachable`. To
        cancel stops the waiting, no more.
        """
        return Deferred.fromCoroutine(self._leave_lost(label))

    def kick(self, room: Room, *members: bytes) -> Deferred[None]:
        """
        Remove *members*, by their fingerprints, from *room*, now or once there is a connection.
        Fires when they are off the roster, whoever removed them. Fails with `MayNotKick` if this
        member is no owner, nor a moderator, or they are above it; `NoSuchMember`, `NotAMember`,
        `KeysGone`, a `RelayRefused`, or `NotConnected` if the client is closed before. To cancel
        stops trying; what the relay has may land all the same.
        """
        return maybeDeferred(self._kick, room, frozenset(members))

    def reform(
        self,
        room: Room,
        *,
        policy: Policy | None = None,
        owners: Iterable[bytes] | None = None,
        moderators: Iterable[bytes] | None = None,
    ) -> Deferred[None]:
        """
        Give *room* another *policy*, other *owners* or other *moderators*, by their fingerprints,
        now or once there is a connection; None leaves what is. Fires when it is so. Fails with
        `MayNotReform` if this member is no owner, `EntryRefused` where the rules forbid it,
        `NotAMember`, `KeysGone`, a `RelayRefused`, or `NotConnected` if the client is closed
        before. To cancel stops trying; what the relay has may land all the same.
        """
        return maybeDeferred(self._reform, room, policy, owners, moderators)

    def renew(self, room: Room) -> Deferred[None]:
        """
        Renew this member's leaf key, and with it the keys of *room*, now or once there is a
        connection: whoever has stolen them is out. Done by itself every day. Fires when it is
        done; fails with `NotAMember`, `KeysGone`, `RelayBusy` (a relay takes one an hour), a
        `RelayRefused`, or `NotConnected` if the client is closed before. To cancel stops trying;
        what the relay has may land all the same.
        """
        return maybeDeferred(self._renew, room)

    def invite(self, room: Room, petname: str | None = None) -> Deferred[Invitation]:
        """
        Invite somebody into *room* who is not trusted yet. Fires with an `Invitation` once the
        relay has a mailbox for it: its code is for one friend, its `friend` fires when that one
        has come with it, and trusts this user as this user trusts them. They are vouched for as
        everybody is. Fails with `NotAMember`, `KeysGone`, `NoMailboxes`, `RelayBusy`, a
        `RelayRefused`, `BadPetname` or `PetnameTaken`, `NotConnected`, an `Unreachable`.

        :param petname: what to call them; None: what they call themselves, numbered where another
            is called so. Whoever is trusted already keeps the petname.
        """
        return maybeDeferred(self._invite, room, petname)

    def accept(self, code: str, label: str, petname: str | None = None) -> Deferred[Trusted]:
        """
        Accept an invite into the room *label*, by the *code* that its inviter has told. Fires
        with the inviter, once each trusts the other: now `join` the room. It is remembered which
        room it has to be. Fails with `BadCode`, `CodeSpent`, `CodeRefused` or `WrongCode`,
        `OtherGone`, `OwnInvite`, `FoundedAnew`, `NoMailboxes`, `RelayBusy`, `IdentityRevoked`,
        `IdentitySucceeded`, `UnsupportedVersion`, `BadPetname` or `PetnameTaken`,
        `NotConnected`, an `Unreachable`, or what keeps files from being written. Where the relay
        has been asked the code is spent, however it ends, but for `RelayBusy`. To cancel gives it
        up.

        :param petname: what to call the inviter, as for `invite`.
        """
        return maybeDeferred(self._accept, code, label, petname)

    def online(self, room: Room) -> Deferred[frozenset[bytes]]:
        """
        Ask the relay who is online in *room*; it may lie. Fires with their fingerprints; fails
        with `NotAMember`, `NotConnected` or an `Unreachable`.
        """
        return maybeDeferred(self._online, room)

    def pause_reading(self) -> None:
        """
        Hear nothing more from the relay until `resume_reading`: for who cannot keep up with what
        observers are told. What was read already is still told, no more than some hundred
        kilobytes. What comes meanwhile waits at the relay, which hangs up in the end; nothing
        is dialled before `resume_reading` either, and then all of it comes.
        """
        self._link.pause_reading()

    def resume_reading(self) -> None:
        """Hear again what there is to hear."""
        self._link.resume_reading()

    def close(self) -> Deferred[None]:
        """
        Close the connection and stay away. Fires when it is closed. Who has just turned away
        from an unknown voucher is gone a second later.
        """
        return Deferred.fromCoroutine(self._close())

    # How

    def _found(self, text: str, policy: Policy | None) -> Deferred[Room]:
        label = self._new_label(text)
        if self._rooms.known(label) is not None:
            raise RoomKnown(label=label)
        room = Room.found(self._identity, label, policy or Policy(), self._party.confirms)
        founding = Founding(self._party, self._rooms, room, self._founded)
        self._foundings[label] = founding
        return founding.done

    def _founded(self, label: str) -> None:
        del self._foundings[label]

    async def _join(self, text: str, patient: bool, rejoin: bool) -> Room:
        await self._turn()
        if rejoin:
            self._rooms.end_stuck(check_label(text))
        label = self._new_label(text)
        absent = self._rooms.absent(label, stuck=not rejoin)
        if absent is not None and await self._come_back(absent):
            if not (rejoin and absent.stuck):
                return absent
            self._rooms.end_stuck(label)
        begun = self._begun.setdefault(label, Begun())
        self._joining = joining = Joining(
            self._party, self._rooms, label, begun, self._left, patient=patient, rejoin=rejoin
        )
        joining.start()
        room = await joining.done
        del self._begun[label]
        return room

    async def _come_back(self, room: Room) -> bool:
        """Be a member of *room* again, which was kept; return whether there is such a room."""
        membership = self._rooms.seat(room)
        try:
            await membership.come_back()
        except WasRemoved:
            raise  # and nothing of it is kept
        except RoomKnown:
            self._rooms.unseat(membership)
            if room.inside:
                self._rooms.remember(room)
                raise
            self._party.journal.forget(room.id)  # it was never founded
            return False
        except (SecureChatError, CancelledError):
            self._rooms.unseat(membership)
            self._rooms.remember(room)
            raise
        return True

    def _member(self, room: Room) -> Membership:
        """
        Return the membership of *room*, where the client can act in it.

        :raises NotAMember: if it is not in it.
        :raises KeysGone: if it has lost the keys.
        """
        membership = self._rooms.of(room)
        if room.stuck:
            raise KeysGone(label=room.label)
        return membership

    def _leave(self, room: Room) -> Deferred[None]:
        return self._rooms.of(room).leave()

    async def _leave_lost(self, text: str) -> None:
        await self._turn()
        label = self._new_label(text)
        self._joining = leaving = LeavingLost(self._party, self._rooms, label, self._left)
        leaving.start()
        await leaving.done

    def _renew(self, room: Room) -> Deferred[None]:
        return self._member(room).want(Renewing(room.leaf_epoch))

    def _kick(self, room: Room, members: frozenset[bytes]) -> Deferred[None]:
        membership = self._member(room)
        for each in members:
            if each not in room.log.membership.index:
                raise NoSuchMember(label=room.label, groups=to_groups(each))
        intent = membership.kicks(members)
        intent.check(room)
        return membership.want(intent)

    def _reform(
        self,
        room: Room,
        policy: Policy | None,
        owners: Iterable[bytes] | None,
        moderators: Iterable[bytes] | None,
    ) -> Deferred[None]:
        membership = self._member(room)
        intent = Reforming(
            self._identity.fingerprint,
            policy,
            None if owners is None else tuple(owners),
            None if moderators is None else tuple(moderators),
        )
        intent.check(room)
        return membership.want(intent)

    def _invite(self, room: Room, petname: str | None) -> Deferred[Invitation]:
        self._member(room)
        self._check_mailboxes(petname)
        side = Inviter(self._identity.bundle, self._name, room.label, room.id)
        inviting = Inviting(self._party, side, room.label, petname, self._mailboxes.over)
        self._mailboxes.opening(inviting)
        inviting.start()
        return inviting.done

    def _accept(self, text: str, label: str, petname: str | None) -> Deferred[Trusted]:
        label, code = check_label(label), Code.parse(text)
        self._check_mailboxes(petname)
        match self._mailboxes.find(code.number):
            case None:
                pass
            case Inviting():
                raise OwnInvite()
            case _:
                raise CodeSpent(number=code.number)
        side = Invited(self._identity.bundle, self._name, label, code)
        parts = self._party, self._rooms, side
        accepting = Accepting(*parts, code, label, petname, self._mailboxes.over)
        self._mailboxes.claiming(code.number, accepting)
        accepting.start()
        return accepting.done

    def _check_mailboxes(self, petname: str | None) -> None:
        """Check that the relay has mailboxes, and that somebody can be called *petname*."""
        if self._closing or not self.connected:
            raise NotConnected()
        if not self._link.limits.get("mailboxes"):
            raise NoMailboxes()
        if petname is not None:
            self._party.check_free(petname)

    def _online(self, room: Room) -> Deferred[frozenset[bytes]]:
        membership = self._rooms.of(room)
        return membership.presence.ask() if self.connected else fail(NotConnected())

    def _turn(self) -> Deferred[None]:
        """Return what fires once no join is under way."""
        turn: Deferred[None] = Deferred(self._turns.remove)
        self._turns.append(turn)
        self._take_turns()
        return turn

    def _take_turns(self) -> None:
        if not self._taking_turns:  # else the loop below goes on by itself
            self._taking_turns = True
            while self._turns and self._joining is None:
                self._turns.popleft().callback(None)
            self._taking_turns = False

    def _left(self) -> None:
        self._joining = None
        self._take_turns()

    def _resume(self, room: Room) -> Deferred[int]:
        membership = self._rooms.of(room)
        # What the relay is told to be here it no longer keeps for this member: it is stored first.
        if not (self.connected and self._party.journal.commit()):
            return fail(NotConnected())
        return membership.resume()

    async def _close(self) -> None:
        self._closing = True
        self._mailboxes.failed(NotConnected())
        if self._joining is not None:
            self._joining.failed(NotConnected())
        await self._turn()
        await self._link.close()
        self._party.journal.commit()
        for membership in self._rooms:
            membership.leave_alone(NotConnected())

    def _new_label(self, text: str) -> str:
        """Check that the room *text* can be entered now, and return its label."""
        label = check_label(text)
        if self._closing or not self.connected:
            raise NotConnected()
        taken = {each.room.label for each in self._rooms}
        if self._joining is not None and not self._joining.over:
            taken.add(self._joining.label)
        if label in taken:
            raise AlreadyThere(label=label)
        return label

    # What the link tells

    def _in_a_room(self) -> bool:
        return any(each.entered for each in self._rooms)

    def _connected(self) -> None:
        if not self._party.journal.commit():
            return  # and the connection is dropped
        self._emit(Connected())
        for membership in self._rooms:
            membership.catch_up()

    def _disconnected(self, why: SecureChatError, retry_in: float | None) -> None:
        self._party.connection_lost()
        self._vouching.connection_lost()
        self._mailboxes.failed(why)
        for founding in list(self._foundings.values()):
            founding.failed(why)
        if self._joining is not None:
            self._joining.connection_lost(why)
        for membership in self._rooms:
            membership.connection_lost(why)
        if not self._closing:
            self._emit(Disconnected(why, retry_in))

    def _heard(self, line: Line) -> None:
        """Route what the relay says to whom it concerns."""
        match line:
            case UserAdded() | Changed() if membership := self._rooms.find(line.room):
                self._entry(membership, line)
            case NewUser() if membership := self._rooms.find(line.room):
                self._vouching.new_user(line, membership.room)
            case _ if isinstance(line, InRoom) and (membership := self._rooms.find(line.room)):
                membership.hear(line)
            case Challenge():
                self._vouching.challenge(line)
            case Stale():
                self._vouching.stale(line)
            case wire.Invited() | Claimed() | Mail() | Closed():
                self._mailboxes.hear(line)
            case ErrorLine():
                self._refused(line)
            case _:
                if isinstance(line, Over):
                    self._vouching.over(line)
                if self._joining is not None:
                    self._joining.hear(line)

    def _entry(self, membership: Membership, line: UserAdded | Changed) -> None:
        room = membership.room
        if membership.entry(line):
            self._rooms.pin(room)
            if room.label in self._foundings:
                self._foundings[room.label].landed()
        self._vouching.entry_taken(room)

    def _refused(self, line: ErrorLine) -> None:
        if self._mailboxes.refused(line):
            return
        if line.code in (wire.Code.ATTEMPT, wire.Code.STATE):
            return  # a line of this client crossed another of the relay
        joining = [] if self._joining is None else [self._joining]
        parts = [*self._foundings.values(), *joining, *self._rooms]
        if any(part.refused(line) for part in parts):
            return
        if line.code not in (
            wire.Code.NOT_MEMBER,
            wire.Code.NO_ROOM,
        ):  # of a room that the client has left
            self._emit(Refusal(error_for(line)))

    # What the parts use

    def _not_stored(self, error: SecureChatError) -> None:
        self._emit(StorageFailed(error))
        self._link.abort(error)

    def _silent(self, seconds: float) -> None:
        address = str(self.address)
        if self._link.paused:
            why = f"nothing was read at this end for {seconds:.0f} s"
            self._link.abort(ConnectionLost(address=address, why=why))
        else:
            self._link.abort(RelaySilent(address=address, seconds=seconds))

    def _emit(self, event: Event) -> None:
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception:  # the embedder's, who is not to stop the client
                self._log.failure("An observer of the client failed")
