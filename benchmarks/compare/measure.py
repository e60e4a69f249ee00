"""
One server under one workload: start it, load it, stop it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from benchmarks.compare.build import LIMIT, LOAD, build
from benchmarks.compare.cast import MEMBERS, cast, payload_size
from benchmarks.compare.process import Failed, bind, cores, free_ports, running, said, wait_for
from benchmarks.compare.servers import Place, Server
from benchmarks.compare.workloads import Workload
from securechat.files import private_directory
from securechat.relay.database import NAME
from securechat.relay.tls import own_certificate

Outcome = dict[str, float]
"""What the load generator has measured, by the keys of `workloads.Metric`."""

_WARM_UP = 0.5
_PATIENCE = 120.0  # seconds, beyond those of the workload: thousands of connections begin first
_SPARE_FILES = 200


@attrs.frozen
class Started:
    """A server that listens."""

    server: Server
    process: subprocess.Popen[bytes]
    port: int
    members: Path | None
    directory: Path

    @property
    def pid(self) -> int:
        return self.process.pid


@attrs.define
class Bench:
    """
    What all measurements share.

    :param seconds: how long each is, for the workloads that are not longer.
    :param tell: is told of what takes long.
    :param kept: a directory of what is made once: programs, a certificate, casts.
    :raises CannotBuild: if the C programs cannot be made.
    """

    seconds: float
    tell: Callable[[str], None]
    kept: Path
    _load: Path = attrs.field(init=False)
    _limit: Path = attrs.field(init=False)
    _certificate: tuple[Path, Path] = attrs.field(init=False)
    _payload: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        private_directory(self.kept)
        self._load, self._limit = (build(each, self.kept) for each in (LOAD, LIMIT))
        private_directory(self.kept / "certificate")
        self._certificate = own_certificate(self.kept / "certificate")
        self._payload = payload_size()

    def measure(self, workload: Workload, server: Server) -> Outcome:
        """
        Return what came out.

        :raises Failed: if the server or the load generator failed.
        """
        with self.started(workload, server) as started:
            return self.loaded(workload, started, self.seconds * workload.longer)

    @contextmanager
    def started(
        self,
        workload: Workload,
        server: Server,
        command: Callable[[Place], list[str]] | None = None,
    ) -> Iterator[Started]:
        """
        Start *server* with what it needs for *workload*, and stop it in the end.

        :param command: how to start it, if not as always.
        """
        members = None
        with tempfile.TemporaryDirectory(prefix="securechat-bench-", dir=_disk()) as name:
            directory = Path(name)
            if server.is_relay:
                made = cast(workload.shape, self.kept, self.tell)
                members = made / MEMBERS
                private_directory(directory / "relay")
                shutil.copy(made / NAME, directory / "relay" / NAME)
            port, spare = free_ports(2)
            place = Place(directory, port, spare, *self._certificate, self._limit)
            with running(
                (command or server.command)(place),
                directory,
                cores()[0],
                environment=server.environment,
            ) as process:
                wait_for(process, directory, port)
                yield Started(server, process, port, members, directory)

    def loaded(
        self,
        workload: Workload,
        started: Started,
        seconds: float,
        watch: Callable[[], None] = lambda: None,
    ) -> Outcome:
        """
        Put the load on.

        :param watch: is called each second.
        """
        command = self._command(workload, started, seconds)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(bind, cores()[1]),
        ) as load:
            try:
                output, errors = _communicate(load, _PATIENCE + seconds, watch)
            finally:
                load.kill()
        if load.returncode:
            raise Failed(f"{errors.strip()[-800:]}; the server: {said(started.directory)}")
        outcome: Outcome = json.loads(output)
        return outcome

    def _command(self, workload: Workload, started: Started, seconds: float) -> list[str]:
        options: dict[str, Any] = {
            "protocol": started.server.protocol,
            "port": started.port,
            "pid": started.pid,
            "connections": workload.connections,
            "rooms": workload.shape.rooms,
            "payload": self._payload,
            "warm-up": _WARM_UP,
            "seconds": seconds,
        }
        if started.members is not None:
            options["cast"] = started.members
        words = [f"--{name}={value}" for name, value in options.items()]
        return [str(self._load), workload.run, *words, *workload.options]


def _communicate(
    load: subprocess.Popen[str], seconds: float, watch: Callable[[], None]
) -> tuple[str, str]:
    while seconds > 0:
        try:
            return load.communicate(timeout=1.0)
        except subprocess.TimeoutExpired:
            seconds -= 1.0
            watch()
    raise Failed("the load generator did not come to an end")


def _disk() -> str | None:
    """Return a directory on a disk, where the usual one for temporary files may be in memory."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None


def allow_files(workloads: tuple[Workload, ...]) -> list[Workload]:
    """
    Raise the number of files that this process and its children may open; return those of
    *workloads* for which that is not enough.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(each.connections for each in workloads) + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < most:
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return []
    return [each for each in workloads if each.connections + _SPARE_FILES > soft]
