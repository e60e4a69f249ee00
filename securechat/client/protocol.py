"""
One connection to a relay, as the client has it: bytes to lines, lines to the listener, and back.

The relay's `banner` holds a fresh nonce. The client answers with `identity`, signed over that
banner and over what the connection itself is: on TLS the exporter of RFC 9266 and the relay's
key, elsewhere the address as dialled. A relay that passes the signature on to another one
shows that one another connection, so nobody can log in as somebody else. After the relay's
`ack` every line goes to the *listener*.

This module knows how to prove an identity and what lines look like. It knows no room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from securechat.address import Address
from securechat.channel import binding
from securechat.client.contact import contact_machine
from securechat.client.refusals import bare, error_for, is_last, lost
from securechat.client.tls import shown_pin
from securechat.errors import (
    ConnectionLost,
    NotARelay,
    RelaySilent,
    SecureChatError,
    VersionMismatch,
    WireError,
    WrongName,
    WrongPin,
)
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
"""How long a relay may take for `banner` and `ack`, a TLS handshake before them included."""

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


class ClientProtocol(LineOnlyReceiver):
    """
    The line to a relay; a `contact.Core`, which does what the state of the contact asks for.

    :ivar proved: fires with this protocol at `ack`, or fails with what was in the way.
        Cancelling it closes the connection.
    :ivar gone: fires when the connection is over.
    :ivar limits: what the relay's banner has said of its limits, by their names.
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
        self.address = address.relay
        self.proved: Deferred[ClientProtocol] = Deferred(lambda _: self.close())
        self.gone: Deferred[None] = Deferred()
        self.limits: Mapping[str, int] = {}
        self._identity = identity
        self._clock = clock
        self._listener = listener
        self._tap = tap
        self._contact = contact_machine(self)
        self._why: SecureChatError | None = None
        self._timer: IDelayedCall | None = None

    # The transport's events

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self._wait(PROOF_SECONDS, self._silent)

    def lineReceived(self, line: bytes) -> None:
        if self._why is not None:
            return  # what came together with the line that ended it
        self._tap("R", line)
        try:
            parsed = parse(line, FROM_RELAY)
        except WireError as error:
            self._not_a_relay(str(error))
            return
        match parsed:
            case Banner():
                self._contact.banner(parsed, line)
            case Ack():
                self._contact.ack()
            case _:
                self._contact.other(parsed)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._not_a_relay("a line is too long")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        handle = self.transport.getHandle() if self.address.kind == "tls" else None
        self._contact.lost(self._why or lost(self.address, reason, handle))
        self.gone.callback(None)

    # What the client uses

    def say(self, line: Line) -> None:
        """Send *line*."""
        raw = serialise(line)
        self._tap("C", raw)
        self.transport.write(raw + self.delimiter)

    def pause_reading(self) -> None:
        """Read nothing more; what was read already is heard yet."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    def close(self) -> None:
        """Close the connection, and abort it if the relay does not answer that in time."""
        why = ConnectionLost(address=str(self.address), why="it was closed at this end")
        self._why = self._why or why
        self.transport.loseConnection()
        self._wait(ABORT_SECONDS, self.transport.abortConnection)

    def abort(self, why: SecureChatError) -> None:
        """Drop the connection at once, because of *why*."""
        self._why = self._why or why
        self.transport.abortConnection()

    # What the contact asks for

    def prove(self, banner: Banner, raw: bytes) -> None:
        self.limits = banner.limits
        if PROTOCOL_VERSION not in banner.versions:
            self.abort(VersionMismatch(mine=PROTOCOL_VERSION, theirs=max(banner.versions)))
            return
        bound, pin = b"", self.address.dialled
        if self.address.kind == "tls":
            handle = self.transport.getHandle()
            try:
                bound, pin = binding(handle), shown_pin(handle, self.address)
            except (WrongName, WrongPin) as error:
                self.abort(bare(error))
                return
        me = self._identity
        signature = me.sign("identity", raw, bound, pin, me.fingerprint)
        self.say(IdentityLine(PROTOCOL_VERSION, me.bundle.encode(), signature))

    def accepted(self) -> None:
        self._stop_waiting()
        self.proved.callback(self)

    def hear(self, line: Line) -> None:
        if isinstance(line, ErrorLine) and is_last(line):
            self.abort(error_for(line))
        else:
            self._listener.line_received(line)

    def refused(self, line: Line) -> None:
        if isinstance(line, ErrorLine):
            self.abort(error_for(line))
        else:
            self.out_of_turn()

    def out_of_turn(self) -> None:
        self._not_a_relay("a line out of turn")

    def failed(self, error: SecureChatError) -> None:
        if not self.proved.called:  # else it was cancelled
            self.proved.errback(error)

    def over(self, error: SecureChatError) -> None:
        self._listener.connection_lost(error)

    def _not_a_relay(self, why: str) -> None:
        self.abort(NotARelay(address=str(self.address), why=why))

    def _silent(self) -> None:
        self.abort(RelaySilent(address=str(self.address), seconds=PROOF_SECONDS))

    def _wait(self, seconds: float, act: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._clock.callLater(seconds, act)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
