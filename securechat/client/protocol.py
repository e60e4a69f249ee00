"""
One connection to a relay, as the client has it.

The relay speaks first: its `banner` holds a fresh nonce. The client answers with `identity`,
signed over that banner and over what the connection itself is: on TLS the exporter of RFC
9266 and the relay's key, elsewhere the address as dialled. A relay that passes the signature
on to another one shows that one another connection, so nobody can log in as somebody else.
After the relay's `ack` every line goes to the *listener*.

This module knows how to prove an identity and what lines look like. It knows no room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

from automat import TypeMachineBuilder
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from securechat.address import Address
from securechat.client.refusals import error_for, lost
from securechat.client.tls import exported_binding, shown_pin
from securechat.errors import NotARelay, RelaySilent, SecureChatError, VersionMismatch, WireError
from securechat.identity import Identity
from securechat.wire import (
    FROM_RELAY,
    MAX_LINE,
    PROTOCOL_VERSION,
    Ack,
    Banner,
    ErrorLine,
    IdentityLine,
    Line,
    parse,
    serialise,
)

PROOF_SECONDS = 30.0
"""How long a relay may take for `banner` and `ack`."""

ABORT_SECONDS = 5.0
"""How long a relay may take to answer the close of a connection."""

Tap: TypeAlias = Callable[[Literal["C", "R"], bytes], None]
"""Sees every line: who said it, the client or the relay, and its bytes."""


def no_tap(who: Literal["C", "R"], line: bytes) -> None:
    """See nothing."""


class Listener(Protocol):
    """Who hears what the relay says once the identity is proved."""

    def line_received(self, line: Line) -> None: ...

    def connection_lost(self, error: SecureChatError) -> None: ...


class Contact(Protocol):
    """What happens on a connection, as its state machine sees it."""

    def banner(self, line: Banner, raw: bytes) -> None:
        """The relay greeted."""

    def ack(self) -> None:
        """The relay accepted the identity."""

    def other(self, line: Line) -> None:
        """The relay said anything else."""

    def lost(self, error: SecureChatError) -> None:
        """The connection is over."""


class ClientProtocol(LineOnlyReceiver):
    """
    The line to a relay.

    :ivar proved: fires with this protocol at `ack`, or fails with what was in the way.
        Cancelling it closes the connection.
    """

    delimiter = b"\r\n"
    MAX_LENGTH = MAX_LINE
    transport: Any  # with TLS or without: Twisted has no one type for both

    def __init__(
        self,
        identity: Identity,
        address: Address,
        clock: IReactorTime,
        listener: Listener,
        tap: Tap = no_tap,
    ) -> None:
        self.proved: Deferred[ClientProtocol] = Deferred(lambda _: self.close())
        self._identity = identity
        self._address = address
        self._clock = clock
        self._listener = listener
        self._tap = tap
        self._contact = contact_machine(self)
        self._why: SecureChatError | None = None
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(PROOF_SECONDS, self._silent)

    def lineReceived(self, line: bytes) -> None:
        if self._why is not None:
            return  # what came together with the line that ended it
        self._tap("R", line)
        try:
            parsed = parse(line, FROM_RELAY)
        except WireError as error:
            self.abort(NotARelay(address=str(self._address.relay), why=str(error)))
            return
        match parsed:
            case Banner():
                self._contact.banner(parsed, line)
            case Ack():
                self._contact.ack()
            case _:
                self._contact.other(parsed)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.abort(NotARelay(address=str(self._address.relay), why="a line is too long"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_timer()
        handle = self.transport.getHandle() if self._address.kind == "tls" else None
        error = self._why or lost(self._address, reason, handle)
        self._contact.lost(error)

    def say(self, line: Line) -> None:
        """Send *line*."""
        raw = serialise(line)
        self._tap("C", raw)
        self.transport.write(raw + self.delimiter)

    def close(self) -> None:
        """Close the connection, and abort it if the relay does not answer that in time."""
        self._stop_timer()
        self.transport.loseConnection()
        self._timer = self._clock.callLater(ABORT_SECONDS, self.transport.abortConnection)

    def abort(self, why: SecureChatError) -> None:
        """Drop the connection at once, because of *why*."""
        self._why = self._why or why
        self.transport.abortConnection()

    def _silent(self) -> None:
        self.abort(RelaySilent(address=str(self._address.relay), seconds=PROOF_SECONDS))

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    # What the state machine does

    def _prove(self, banner: Banner, raw: bytes) -> None:
        if PROTOCOL_VERSION not in banner.versions:
            self.abort(VersionMismatch(mine=PROTOCOL_VERSION, theirs=max(banner.versions)))
            return
        if self._address.kind == "tls":
            handle = self.transport.getHandle()
            binding, pin = exported_binding(handle), shown_pin(handle)
        else:
            binding, pin = b"", self._address.dialled
        me = self._identity
        signature = me.sign("identity", raw, binding, pin, me.fingerprint)
        self.say(IdentityLine(PROTOCOL_VERSION, me.bundle.encode(), signature))

    def _proved(self) -> None:
        self._stop_timer()
        self.proved.callback(self)

    def _refused(self, line: Line) -> None:
        if isinstance(line, ErrorLine):
            self.abort(error_for(line))
        else:
            self.out_of_turn()

    def out_of_turn(self, *_: object) -> None:
        """Drop a relay that says what may not be said now."""
        self.abort(NotARelay(address=str(self._address.relay), why="a line out of turn"))

    def _hear(self, line: Line) -> None:
        self._listener.line_received(line)

    def _failed(self, error: SecureChatError) -> None:
        self.proved.errback(error)

    def _over(self, error: SecureChatError) -> None:
        self._listener.connection_lost(error)


def _machine() -> TypeMachineBuilder[Contact, ClientProtocol]:
    builder = TypeMachineBuilder(Contact, ClientProtocol)
    connected = builder.state("connected")
    proving = builder.state("proving")
    proved = builder.state("proved")
    closed = builder.state("closed")

    @connected.upon(Contact.banner).to(proving)
    def prove(_: Contact, connection: ClientProtocol, line: Banner, raw: bytes) -> None:
        connection._prove(line, raw)

    @proving.upon(Contact.ack).to(proved)
    def accepted(_: Contact, connection: ClientProtocol) -> None:
        connection._proved()

    @proved.upon(Contact.other).loop()
    def hear(_: Contact, connection: ClientProtocol, line: Line) -> None:
        connection._hear(line)

    @proved.upon(Contact.lost).to(closed)
    def over(_: Contact, connection: ClientProtocol, error: SecureChatError) -> None:
        connection._over(error)

    for state in (connected, proving):

        @state.upon(Contact.other).loop()
        def refused(_: Contact, connection: ClientProtocol, line: Line) -> None:
            connection._refused(line)

        @state.upon(Contact.lost).to(closed)
        def failed(_: Contact, connection: ClientProtocol, error: SecureChatError) -> None:
            connection._failed(error)

    for state in (proving, proved):

        @state.upon(Contact.banner).loop()
        def greeted_again(_: Contact, connection: ClientProtocol, line: Banner, raw: bytes) -> None:
            connection.out_of_turn()

    for state in (connected, proved):

        @state.upon(Contact.ack).loop()
        def accepted_again(_: Contact, connection: ClientProtocol) -> None:
            connection.out_of_turn()

    return builder


contact_machine = _machine().build()
