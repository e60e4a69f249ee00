"""The relay of the demonstration: a real one, run by twistd, as a process of its own."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from securechat.address import Address
from securechat.errors import Deviation

START_SECONDS = 15.0
STOP_SECONDS = 5.0

_TWISTD = """
import signal
from twisted.scripts.twistd import run

signal.signal(signal.SIGINT, signal.SIG_IGN)
run()
"""
"""
What the script ``twistd`` does, which may not be on the path; except that Ctrl-C is for the
demonstration to take, which then ends the relay.
"""


class RelayProcess(ProcessProtocol):
    """
    ``twistd -n securechat``, on a free port of this machine alone.

    :ivar log: all that it has written, which with ``--log-wire`` has every line that it hears.
    """

    transport: Any

    def __init__(self, reactor: Any, directory: Path) -> None:
        """:param directory: where it keeps its key; it has to be there."""
        self.log = ""
        self._reactor = reactor
        self._listening: Deferred[Address] = Deferred()
        self._ended: Deferred[None] = Deferred()
        here = ["--listen", "tcp:0:interface=127.0.0.1", "--name", "127.0.0.1"]
        options = ["-n", "securechat", *here, "--state-dir", "state", "--log-wire"]
        self.command = f"twistd {' '.join(options)}"
        """What a person would type, in the directory, to have this relay."""
        reactor.spawnProcess(
            self,
            sys.executable,
            [sys.executable, "-c", _TWISTD, "--pidfile=", *options],
            env=os.environ,
            path=str(directory),
        )

    async def listening(self) -> Address:
        """
        Return its address, as soon as it listens there.

        :raises Deviation: if it does not.
        """
        self._listening.addTimeout(START_SECONDS, self._reactor, self._too_late)
        return await self._listening

    async def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._signal("TERM")
        killing = self._reactor.callLater(STOP_SECONDS, self._signal, "KILL")
        await self._ended
        if killing.active():
            killing.cancel()

    def outReceived(self, data: bytes) -> None:
        self.log += data.decode("utf-8", "backslashreplace")
        if not self._listening.called and (
            printed := re.search(r"^securechat://\S+$", self.log, re.MULTILINE)
        ):
            self._listening.callback(Address.parse(printed[0]))

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self._ended.callback(None)
        if not self._listening.called:
            self._listening.errback(Deviation(what=f"the relay did not start:\n{self.log}"))

    def _too_late(self, _: object, seconds: float) -> Address:
        raise Deviation(what=f"the relay did not listen within {seconds:.0f} seconds")

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(name)
