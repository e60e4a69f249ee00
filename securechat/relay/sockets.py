"""
What the kernel is told of a client's socket, and asked about it.

A peer whose machine or network went away says nothing, and a socket on which nobody writes does
not notice. So the kernel asks whether it is still there: after a minute of silence, and then each
quarter of a minute, four times; then the connection is lost. TCP does the same by itself two hours
after the last word.

What the kernel has taken from us is not yet with the peer. How much of it the peer has not taken
is the one sign of life of a client that reads slowly: the kernel has no room for more until a
good part of its buffer is gone, which on a slow line may be minutes later.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
from contextlib import suppress
from typing import Any

LOST = 120.0
"""Seconds after which at the latest a peer that takes nothing any more is lost."""

_ASKING = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,  # what macOS calls it
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
}
"""The options of TCP that say how it asks, those that some system has."""


def keep_alive(transport: Any, patience: float) -> None:
    """
    Have the kernel notice when the peer of *transport*, which is on TCP, is gone.

    :param patience: seconds for which the kernel bears with a peer that is there, and takes
        nothing; at least `LOST`.
    """
    transport.setTcpKeepAlive(True)
    options = _ASKING | {"TCP_USER_TIMEOUT": int(1000 * max(LOST, patience))}  # RFC 5482
    with suppress(OSError):  # macOS refuses them for a connection that is lost already
        connected = socket.socket(fileno=transport.fileno())
        try:
            for name, value in options.items():
                with suppress(AttributeError):  # this system does not have it
                    connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        finally:
            connected.detach()


def untaken(transport: Any) -> int:
    """
    Return how many bytes the kernel has for the peer of *transport* that the peer has not taken;
    0 where that cannot be known: without a socket, and on some systems.
    """
    try:
        answer = fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int.from_bytes(answer, sys.byteorder)
