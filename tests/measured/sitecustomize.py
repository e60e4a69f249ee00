"""
Keep the coverage of a process that ends by a signal.

twistd stops cleanly on SIGTERM, and then sends the same signal to itself once more, with the
default handler, so that its exit status tells the truth. No exit handler of Python runs after
that, so what coverage measured would be lost. tox puts this directory on ``PYTHONPATH``; Python
imports ``sitecustomize`` in every process, after coverage has started.
"""

from __future__ import annotations

import os

import coverage

_kill = os.kill


def _save_then_kill(pid: int, signal: int, /) -> None:
    measuring = coverage.Coverage.current()
    if pid == os.getpid() and measuring is not None:
        measuring.save()
    _kill(pid, signal)


os.kill = _save_then_kill
