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
from securechat.relay.database import NAME

START_SECONDS = 15.0
STOP_SECONDS = 5.0
STATE = "state"
"""Its own directory, in the one that it is started in."""

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


class Relay:
    """A relay that can be killed, and started again on what it has kept."""

    def __init__(self, reactor: Any, directory: Path) -> None:
        """:param directory: where it keeps its key and its history; it has to be there."""
        self._reactor = reactor
        self._directory = directory
        self._runs: list[RelayProcess] = []
        self._port = 0

    @property
    def log(self) -> str:
        """All that it has written, which with ``--log-wire`` has every line that it hears."""
        return "".join(each.log for each in self._runs)

    @property
    def command(self) -> str:
        """What a person would type, in the directory, to have this relay."""
        return self._runs[-1].command

    def kept(self) -> bytes:
        """Return all that is in the files of its history."""
        files = sorted((self._directory / STATE).glob(f"{NAME}*"))
        return b"".join(each.read_bytes() for each in files)

    def start(self) -> None:
        """Start it, on the port that it had before, or on a free one."""
        self._runs.append(RelayProcess(self._reactor, self._directory, self._port))

    async def listening(self) -> Address:
        """
        Return its address, as soon as it listens there.

        :raises Deviation: if it does not.
        """
        address = await self._runs[-1].listening()
        self._port = address.port
        return address

    async def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        await self._runs[-1].kill()

    async def stop(self) -> None:
        """End it, and wait until it has ended."""
        await self._runs[-1].stop()


class RelayProcess(ProcessProtocol):
    """
    One run of it: ``twistd -n securechat``, reached from this machine alone.

    :ivar log: all that it has written.
    """

    transport: Any

    def __init__(self, reactor: Any, directory: Path, port: int) -> None:
        """:param port: 0: a free one."""
        self.log = ""
        self._reactor = reactor
        self._listening: Deferred[Address] = Deferred()
        self._ended: Deferred[None] = Deferred()
        here = ["--listen", f"tcp:{port}:interface=127.0.0.1", "--name", "127.0.0.1"]
        options = ["-n", "securechat", *here, "--state-dir", STATE, "--log-wire"]
        self.command = f"twistd {' '.join(options)}"
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

    async def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        self._signal("KILL")
        await self._ended

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
