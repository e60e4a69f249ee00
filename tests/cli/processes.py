"""
The command as processes, at terminals and between pipes, and a relay in the test's own process.

Nothing here waits for time to pass: tests wait for what a process writes, or for its end.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from securechat import keyfile
from securechat.address import Address
from securechat.cli.profile import Profile
from securechat.identity import Identity
from securechat.relay.direct import DirectEndpoint
from securechat.relay.factory import RelayFactory
from securechat.relay.memory import MemoryHistory
from securechat.relay.retention import Retention
from securechat.relay.service import RelayService
from securechat.relay.tls import ServerTLS, own_certificate

reactor: Any = _reactor  # it provides more than its module says


class Process(ProcessProtocol):
    """
    A process of the command.

    :ivar ended: fires with the exit status; negative: the signal that it died of.
    """

    transport: Any

    def __init__(self) -> None:
        self.output = ""
        """What it wrote on stdout; at a terminal also on stderr, and what was typed."""
        self.errors = ""
        self.ended: Deferred[int] = Deferred()
        self._read = 0
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._wanted: tuple[str, Deferred[str]] | None = None

    async def says(self, pattern: str) -> str:
        """Wait until it writes what matches *pattern*, after what was waited for last."""
        assert self._wanted is None
        found: Deferred[str] = Deferred()
        self._wanted = pattern, found
        self._look()
        return await found

    def type(self, *lines: str) -> None:
        """Write *lines* to its stdin."""
        self.transport.write("".join(f"{line}\n" for line in lines).encode())

    def end_input(self) -> None:
        """Close its stdin."""
        self.transport.closeStdin()

    def kill(self, name: str = "KILL") -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(signal.Signals[f"SIG{name}"])

    def outReceived(self, data: bytes) -> None:
        self.output += self._decode(data)
        self._look()

    def errReceived(self, data: bytes) -> None:
        self.errors += data.decode()

    def processEnded(self, reason: Failure) -> None:
        end: Any = reason.value  # a ProcessDone or a ProcessTerminated
        self._look()
        if self._wanted is not None:
            pattern, found = self._wanted
            if not found.called:  # else the test has given up, and that is what it fails with
                found.errback(AssertionError(f"no {pattern!r} in {self.output!r}, {self.errors!r}"))
        self.ended.callback(-end.signal if end.exitCode is None else end.exitCode)

    def _look(self) -> None:
        if self._wanted is None:
            return
        pattern, found = self._wanted
        if match := re.compile(pattern).search(self.output, self._read):
            self._wanted = None
            self._read = match.end()
            found.callback(match[0])


class ProcessTestCase(TestCase):
    """Tests with processes of the command, and with a relay."""

    timeout = 60
    if "SECURECHAT_LOWEST" in os.environ:
        # They are half of the time of all tests.
        skip = "what depends on versions is met in one process; whole commands run with the newest"

    def start(
        self,
        *arguments: str | Path,
        terminal: bool = False,
        files: dict[int, Any] | None = None,
        **environment: str,
    ) -> Process:
        """
        Start the command with *arguments*.

        :param terminal: whether it has a terminal, for stdin, stdout and stderr.
        :param files: as for ``spawnProcess``, if they are not to be pipes.
        """
        process = Process()
        reactor.spawnProcess(
            process,
            sys.executable,
            [sys.executable, "-m", "securechat", *map(str, arguments)],
            env={**os.environ, **environment},
            usePTY=terminal,
            childFDs=files,
        )
        self.addCleanup(self._end, process)
        return process

    def _end(self, process: Process) -> Deferred[int]:
        process.kill()
        return process.ended

    def home(self, name: str) -> tuple[Path, Identity]:
        """Make the directory, called so, of somebody of that name, with an identity."""
        path = Path(self.mktemp()).absolute() / name
        identity = Identity.generate()
        keyfile.create(path, identity, None)
        Profile(name, identity.bundle).save(path)
        return path, identity


class Relay:
    """A relay in this process, over TLS, that can be cut off and brought back."""

    def __init__(self, state: Path, **how: Any) -> None:
        """:param how: arguments for `RelayFactory`."""
        self._tls = ServerTLS(*own_certificate(state))
        self._port = 0
        self._factory = RelayFactory(reactor, **how)
        self._service: RelayService | None = None

    def forget(self, retention: Retention | None = None) -> None:
        """Lose all rooms, as a relay does that keeps nothing; and keep no more than that."""
        history = MemoryHistory(reactor, retention or Retention())
        self._factory = RelayFactory(reactor, history=history)

    async def begin(self) -> Address:
        """Listen, on the same port as before, and return the relay's address."""
        endpoint = TCP4ServerEndpoint(reactor, self._port, interface="127.0.0.1")
        self._service = RelayService(self._factory, [DirectEndpoint(endpoint, self._tls)])
        await self._service.listen()
        listening: Any = self._service.ports[0]
        self._port = listening.getHost().port
        return Address(host="127.0.0.1", port=self._port, pin=self._tls.pin)

    async def end(self) -> None:
        """Stop listening, and hang up on everybody."""
        if self._service is not None:
            service, self._service = self._service, None
            await service.stopService()

    def stop(self) -> Deferred[None]:
        """The same, for the end of a test."""
        return Deferred.fromCoroutine(self.end())
