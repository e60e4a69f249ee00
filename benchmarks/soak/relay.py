"""The relay of the soak: ``twistd -n securechat`` as a process, always on the same port."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from benchmarks.soak.process import Process
from securechat.address import Address

_TWISTD = "from twisted.scripts.twistd import run; run()"
"""What the script ``twistd`` does, which may not be on the path."""


class Relay:
    """
    A relay that is killed and started again.

    :ivar port: where it listens, on this machine alone.
    :ivar kills: how often it was killed.
    """

    def __init__(self, reactor: Any, directory: Path) -> None:
        """:param directory: where it keeps its key, its history and its log."""
        self.port = _free_port()
        self.kills = 0
        self._reactor = reactor
        self._directory = directory
        self._process: Process | None = None

    async def start(self) -> Address:
        """Start it, and return its address once it listens."""
        listening: Deferred[str] = Deferred()
        arguments = [
            *("-n", "--pidfile=", f"--logfile={self._directory / 'relay.log'}", "securechat"),
            *("--name=127.0.0.1", f"--listen=tcp:{self.port}:interface=127.0.0.1"),
            f"--state-dir={self._directory / 'relay'}",
        ]
        process = self._process = Process(
            self._reactor,
            ["-c", _TWISTD, *arguments],
            self._directory / "relay.err",
            listening.callback,
        )
        process.ended.addCallback(self._ended, listening)
        return Address.parse(await listening)

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return int(self._process.transport.pid)

    async def restart(self) -> None:
        """Kill it, and start it again."""
        self.kills += 1
        await self.end()
        await self.start()

    async def end(self) -> None:
        """Kill it for good."""
        if self._process is not None:
            process, self._process = self._process, None
            await process.kill()

    def _ended(self, status: int, listening: Deferred[str]) -> int:
        if not listening.called:
            listening.errback(RuntimeError(f"the relay did not start: status {status}"))
        return status


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
