"""
The connection to a relay, made anew when it breaks.

Where the client wants to stay connected, since it is in a room, every loss is followed by
another try after a pause that grows with each failure. Twisted's `ClientService` does the
like; but people have to be told why there is no connection and when the next try is, and some
failures end it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from securechat.client.protocol import ClientProtocol, Listener
from securechat.client.refusals import as_error, bare, lost
from securechat.client.waiters import Waiters
from securechat.errors import (
    NotConnected,
    ProofRefused,
    SecureChatError,
    Superseded,
    UntrustedCertificate,
    VersionMismatch,
    WrongName,
    WrongPin,
)
from securechat.wire import Line

_HOPELESS = (
    Superseded,
    ProofRefused,
    VersionMismatch,
    WrongPin,
    WrongName,
    UntrustedCertificate,
)
"""What another try would not mend, or should not."""


class Link:
    """
    At most one connection to a relay at a time.

    :param endpoint: dials the relay.
    :param protocol: makes the protocol of one connection, given who listens to it.
    :param chance: random numbers from 0 to 1, for the pauses.
    :param wanted: whether a connection that is lost is to be made anew.
    :param connected: hears that there is a connection, with the identity proved on it.
    :param heard: hears each line of the relay.
    :param disconnected: hears that there is no connection, why, and in how many seconds the
        next try is; None: there will be none.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        protocol: Callable[[Listener], ClientProtocol],
        chance: Callable[[], float],
        *,
        wanted: Callable[[], bool],
        connected: Callable[[], None],
        heard: Callable[[Line], None],
        disconnected: Callable[[SecureChatError, float | None], None],
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._protocol = protocol
        self._wanted = wanted
        self._connected = connected
        self._heard = heard
        self._disconnected = disconnected
        self._pause = backoffPolicy(jitter=chance)
        self._failures = 0
        self._retry: IDelayedCall | None = None
        self._dialling: Deferred[ClientProtocol] | None = None
        self._stopped = False  # whether the dialling was
        self._connection: ClientProtocol | None = None
        self._paused = False
        self._put_off = False  # whether it is time for another try, but for the pause
        self._connecting: Waiters[None] = Waiters(self._forsaken)
        self._closing: Waiters[None] = Waiters()

    @property
    def up(self) -> bool:
        """Whether there is a connection on which the identity is proved."""
        return self._connection is not None and not self._closing

    @property
    def limits(self) -> Mapping[str, int]:
        """What the relay says of its limits, by their names; nothing without a connection."""
        return {} if self._connection is None else self._connection.limits

    def connect(self) -> Deferred[None]:
        """Connect now. Fails with what is in the way."""
        if self.up:
            return succeed(None)
        done = self._connecting.wait()
        self._dial()
        return done

    @property
    def paused(self) -> bool:
        """Whether nothing is heard, since nobody wants to hear it."""
        return self._paused

    def pause_reading(self) -> None:
        """Hear nothing more, nor make another connection, until `resume_reading`."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Hear again what there is to hear."""
        self._paused = False
        if self._connection is not None:
            self._connection.resume_reading()
        elif self._put_off:
            self._dial()

    def close(self) -> Deferred[None]:
        """Close the connection, or stop trying. Fires when there is none."""
        self._put_off = False
        if self.paused:
            self.resume_reading()  # to see the relay close its end
        self._stop_pausing()
        self._connecting.fail(NotConnected())
        done = self._closing.wait()
        if self._connection is not None:
            self._connection.close()
        elif self._dialling is not None:
            self._stop_dialling()
        else:
            self._rest()
        return done

    def say(self, line: Line) -> None:
        """Send *line*, if there is a connection."""
        if self._connection is not None:
            self._connection.say(line)

    def abort(self, why: SecureChatError) -> None:
        """Drop the connection, because of *why*."""
        if self._connection is not None:
            self._connection.abort(why)

    # What the protocol of a connection tells

    def line_received(self, line: Line) -> None:
        self._failures = 0  # it is of use, and not just there
        self._heard(line)

    def connection_lost(self, error: SecureChatError) -> None:
        self._connection = None
        self._disconnected(error, None if self._closing else self._try_again(error))
        self._rest()

    # Dialling

    def _dial(self) -> None:
        self._put_off = False
        self._stop_pausing()
        if self._dialling is None and self._connection is None:
            self._stopped = False
            self._dialling = dialling = Deferred.fromCoroutine(self._make())
            dialling.addCallbacks(self._made, self._not_made)

    async def _make(self) -> ClientProtocol:
        protocol = self._protocol(self)
        try:
            await self._endpoint.connect(_Once(protocol))
        except (CancelledError, ConnectingCancelledError):
            raise CancelledError() from None
        except Exception:  # whatever an endpoint fails with, `lost` puts into words
            raise lost(protocol.address, Failure()) from None
        try:
            return await protocol.proved
        except CancelledError:
            await protocol.gone
            raise

    def _made(self, protocol: ClientProtocol) -> None:
        self._dialling, self._connection = None, protocol
        if self.paused:
            protocol.pause_reading()
        self._connected()
        self._connecting.fire(None)

    def _not_made(self, reason: Failure) -> None:
        self._dialling = None
        if not self._stopped:
            error, somebody_waited = bare(as_error(reason)), bool(self._connecting)
            self._connecting.fail(error)
            retry_in = self._try_again(error)
            if retry_in is not None or not somebody_waited:
                self._disconnected(error, retry_in)
        self._rest()

    def _try_again(self, error: SecureChatError) -> float | None:
        """Return in how many seconds the next try is, if there is one."""
        if self._connecting or isinstance(error, _HOPELESS) or not self._wanted():
            return None
        self._failures += 1
        pause = self._pause(self._failures)
        self._retry = self._reactor.callLater(pause, self._dial_again)
        return pause

    def _dial_again(self) -> None:
        if self.paused:
            self._put_off = True
        else:
            self._dial()

    def _rest(self) -> None:
        """There is no connection, and none is being made: is one wanted by now?"""
        self._closing.fire(None)
        if self._connecting:
            self._dial()

    def _forsaken(self) -> None:
        """Nobody waits any more for what is being dialled."""
        if self._dialling is not None and not (self._connecting or self._wanted()):
            self._stop_dialling()

    def _stop_dialling(self) -> None:
        if self._dialling is not None and not self._stopped:
            self._stopped = True
            self._dialling.cancel()

    def _stop_pausing(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()


class _Once(Factory[ClientProtocol]):
    """Hands out one protocol, for the one connection that an endpoint makes."""

    noisy = False

    def __init__(self, protocol: ClientProtocol) -> None:
        self._its = protocol

    def buildProtocol(self, _: object) -> ClientProtocol:
        return self._its
