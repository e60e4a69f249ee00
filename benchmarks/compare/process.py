"""
A process that is bounded, and certainly gone in the end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

_START = 60.0  # seconds: a relay with thousands of members reads them first
_STOP = 10.0
_POLL = 0.05
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Failed(Exception):
    """A process did not do what it was started for; the text has what it said last."""


def free_ports(count: int) -> list[int]:
    """Return *count* ports of 127.0.0.1 on which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def cores() -> tuple[set[int], set[int]]:
    """Return the cores for a server, and those for who loads it: not the same, if there are two."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[0]}, {mine[1 % len(mine)]}


def bind(core: set[int]) -> None:
    """In a process that was forked: stay on *core*, and do not outlive who forked it."""
    os.sched_setaffinity(0, core)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    core: set[int],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run *command* on *core* in *directory*, where its output goes to the file ``output``, and kill
    it in the end.
    """
    with (directory / "output").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(bind, core),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(process: subprocess.Popen[bytes], directory: Path, port: int) -> None:
    """
    Wait until *process* listens on *port*.

    :raises Failed: if it does not.
    """
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            time.sleep(_POLL)  # a process of another's tells nobody when it listens
        else:
            return
    raise Failed(f"it did not start: {said(directory)}")


def said(directory: Path) -> str:
    """Return the end of what a process in *directory* has written."""
    text = (directory / "output").read_text("utf-8", "replace").strip()
    return text[-800:] or "it said nothing"


def memory(pid: int) -> int:
    """Return the KiB of memory that the process *pid* has resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1])
