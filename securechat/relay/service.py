"""
The relay as a service of Twisted's, for the applications that run others beside it.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import os
from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.errors import CannotListen
from securechat.relay.factory import RelayFactory

EXPIRY = 3_600.0
"""Seconds between two looks at what is too old to be kept."""


class ListeningService(Service):
    """
    *factory* on all of *endpoints*, which listens while the service runs, or already before.

    :ivar ports: the ports of the endpoints, in their order, once they are there.
    """

    _log = Logger()

    def __init__(
        self, factory: IProtocolFactory, endpoints: Sequence[IStreamServerEndpoint]
    ) -> None:
        self._factory = factory
        self._endpoints = endpoints
        self._listening: Deferred[None] | None = None
        self.ports: list[IListeningPort] = []

    def listen(self) -> Deferred[None]:
        """
        Listen already now, before the service starts.

        :return: fires when all endpoints listen, or fails with `CannotListen`.
        """
        self._listening = Deferred.fromCoroutine(self._listen())
        return self._listening

    def startService(self) -> None:
        super().startService()
        if self._listening is None:
            self.listen().addErrback(self._complain)
        for port in self.ports:
            _hold_lock(port)

    def stopService(self) -> Deferred[None]:
        """Stop listening; fires when that is done."""
        super().stopService()
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None
        return Deferred.fromCoroutine(self._stop())

    async def _listen(self) -> None:
        for endpoint in self._endpoints:
            try:
                port = await endpoint.listen(self._factory)
            except (CannotListenError, OSError, OverflowError) as error:  # such as a port
                raise CannotListen(why=str(error).rstrip(".")) from None
            self.ports.append(port)

    async def _stop(self) -> None:
        stopped = [maybeDeferred(port.stopListening) for port in self.ports]
        self.ports = []
        await self._hang_up()
        for each in stopped:
            await each

    async def _hang_up(self) -> None:
        """Nothing listens any more: see off who is connected."""

    def _complain(self, failure: Failure) -> None:
        failure.trap(CannotListen)
        self._log.critical("{error}", error=failure.value)


class RelayService(ListeningService):
    """
    A relay that listens while it runs, and says goodbye to its clients when it stops: that takes
    5 seconds at most.

    ::

        tls = ServerTLS(Path("certificate.pem"), Path("key.pem"))
        endpoint = DirectEndpoint(TCP4ServerEndpoint(reactor, 7117), tls)
        RelayService(RelayFactory(reactor), [endpoint]).setServiceParent(application)
    """

    def __init__(self, factory: RelayFactory, endpoints: Sequence[IStreamServerEndpoint]) -> None:
        super().__init__(factory, endpoints)
        self._relay = factory
        self._expiry = LoopingCall(factory.history.expire)
        self._expiry.clock = factory.clock

    def startService(self) -> None:
        super().startService()
        self._expiry.start(EXPIRY)

    def stopService(self) -> Deferred[None]:
        if self._expiry.running:
            self._expiry.stop()
        return super().stopService()

    async def _hang_up(self) -> None:
        await self._relay.close()


def _hold_lock(port: object) -> None:
    """
    Have the lock beside a unix socket bear this process's number. Who listened before a fork
    locked it for a process that is gone, and the next relay would take socket and lock.
    """
    lock = getattr(port, "lockFile", None)
    if lock is not None and os.readlink(lock.name) != os.fsencode(str(os.getpid())):
        mine = lock.name + b".new"
        os.symlink(str(os.getpid()), mine)
        os.replace(mine, lock.name)
