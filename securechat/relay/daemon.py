"""
What ``twistd securechat`` runs: a relay with its key, its addresses and its signals.

It listens while it is being made, not when it is started: before twistd forks, so that a port
that is taken is one line and an exit status, and the addresses are printed where somebody
reads them; and before it gives up privileges, so that it may have any port.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import ILogObserver, Logger
from twisted.python.failure import Failure

from securechat.errors import NoAddress, NoMetrics, SecureChatError
from securechat.files import private_directory, told, write_private
from securechat.relay.database import NAME
from securechat.relay.direct import DirectEndpoint
from securechat.relay.factory import RelayFactory
from securechat.relay.history import IHistory
from securechat.relay.listening import tls_addresses, unix_addresses
from securechat.relay.memory import MemoryHistory
from securechat.relay.options import RelayOptions
from securechat.relay.service import ListeningService, RelayService
from securechat.relay.signals import Signals
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.relay.worker import Worker


def make_service(options: RelayOptions) -> IService:
    """
    Return the service that *options* ask for. It listens already.

    :raises SystemExit: with one line that says why, if it cannot be made.
    """
    try:
        return Daemon(options)
    except SecureChatError as error:
        raise SystemExit(f"securechat relay: {error}") from None
    except OSError as error:
        raise SystemExit(f"securechat relay: {told(error)}") from None


class Daemon(MultiService):
    """
    The relay and what belongs to it.

    :raises SecureChatError, OSError: if its files or its endpoints cannot be had.
    """

    _log = Logger()

    def __init__(self, options: RelayOptions) -> None:
        super().__init__()
        self._options = options
        private_directory(options.state)
        self._tls = ServerTLS(*_certificate(options))
        self._history = _history(options)
        try:
            self._begin()
        except BaseException:
            self._history.close()
            raise

    def _begin(self) -> None:
        options = self._options
        self.factory = RelayFactory(
            options.reactor,
            limits=options.limits,
            history=self._history,
            founders=options.founders,
            log_wire=bool(options["log-wire"]),
        )
        secure = [DirectEndpoint(each, self._tls, options.reactor) for each in options.tls]
        plain = [DirectEndpoint(each) for each in options.plain]
        self._relay = RelayService(self.factory, [*secure, *plain])
        self._relay.setServiceParent(self)
        Signals(options.reactor, self.reload).setServiceParent(self)
        self._problem: Failure | None = None
        if options.metrics:
            metrics = ListeningService(_metrics(self.factory, options), options.metrics)
            metrics.setServiceParent(self)
            self._begin_to(metrics.listen())
        self._begin_to(self._relay.listen().addCallback(self._publish))
        if isinstance(self._history, SQLiteHistory):
            self._history.rest()  # over the fork, if there is one

    def _begin_to(self, listen: Deferred[None]) -> None:
        listen.addErrback(self._cannot)
        if self._problem is not None:
            self._problem.raiseException()

    def stopService(self) -> Deferred[None]:
        """Stop the relay, and then close its history."""
        stopped: Deferred[None] = super().stopService()
        return stopped.addBoth(lambda _: self._history.close())

    def setServiceParent(self, parent: Any) -> None:
        """Belong to *parent*, an application: twistd logs as that says."""
        super().setServiceParent(parent)
        if self._options.observer is not None:
            parent.setComponent(ILogObserver, self._options.observer())

    def reload(self) -> None:
        """Read the certificate again, for the connections to come."""
        try:
            self._tls.reload()
        except SecureChatError as error:
            self._log.error("the certificate stays what it was: {error}", error=error)
            return
        self._log.info("the certificate has been read again")
        try:
            self._publish()
        except OSError as error:
            self._log.error("its addresses could not be written: {error}", error=error)

    def _publish(self, _: object = None) -> None:
        secure = self._relay.ports[: len(self._options.tls)]
        plain = self._relay.ports[len(self._options.tls) :]
        self.factory.addresses = [*unix_addresses(plain), *self._options.addresses]
        if plain and not self.factory.addresses:
            raise NoAddress()
        addresses = [
            *tls_addresses(secure, self._options.name, self._tls.pin),
            *self.factory.addresses,
        ]
        lines = "".join(f"{address}\n" for address in addresses)
        write_private(self._options.state / "addresses", lines.encode("ascii"), replace=True)
        for address in addresses:
            self._log.info("clients reach this relay at {address}", address=str(address))
            if not self.running:
                print(address, flush=True)  # before a fork copies what is buffered

    def _cannot(self, failure: Failure) -> None:
        if self.running:
            self._log.critical("{error}", error=failure.value)
            self._options.reactor.stop()
        else:
            self._problem = failure


def _history(options: RelayOptions) -> IHistory:
    if options["memory"]:
        return MemoryHistory(options.reactor, options.retention)
    worker = Worker(options.reactor) if options["durability"] == "power" else None
    return SQLiteHistory(options.state / NAME, options.reactor, options.retention, worker)


def _metrics(relay: RelayFactory, options: RelayOptions) -> IProtocolFactory:
    try:
        from securechat.relay.metrics import MetricsSite
    except ModuleNotFoundError:
        raise NoMetrics() from None
    return MetricsSite(relay, options.reactor)


def _certificate(options: RelayOptions) -> tuple[Path, Path]:
    if options["certificate"] is None:
        return own_certificate(options.state)
    return Path(options["certificate"]).absolute(), Path(options["key"]).absolute()
