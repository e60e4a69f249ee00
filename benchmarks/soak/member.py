"""
A client of the soak, as a process: ``python -m benchmarks.soak.member``.

It hears words on stdin, ``go`` (send), ``change`` (give the rooms new keys), ``leave`` (a room, and
join it again), ``stop`` (send no more), ``where N`` (answer), ``end``, and tells on stdout, each
line a JSON array of a word and values:

``in``             it is in all rooms
``back``           it was started, or a connection was lost, and so many seconds later all its
                   rooms were live
``changed``        it has given a room new keys
``left``           it has left a room
``tally``          how many texts it has acknowledged and been shown in this life
``here``           to ``where N``: N, how many texts wait, and the newest number of each room
``trouble``        something that must not be
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import stdio, task
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from benchmarks.soak.life import Life
from securechat.address import Address


def tell(*values: object) -> None:
    """Write a line of *values* for who has started this process."""
    print(json.dumps(values), flush=True)


class Ear(LineOnlyReceiver):
    """Hears what the play says."""

    delimiter = b"\n"

    def __init__(self, life: Life) -> None:
        self._life = life

    def lineReceived(self, line: bytes) -> None:
        word, *values = line.decode().split()
        getattr(self._life, f"hear_{word}")(*values)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._life.hear_end()


async def main(reactor: Any, home: str, address: str, rate: str, seed: str, *words: str) -> None:
    """Live, in the rooms of *words*, of which the first is ``found`` or ``join``."""
    founds, *labels = words
    life = Life(
        reactor,
        Path(home),
        Address.parse(address),
        labels,
        tell,
        rate=float(rate),
        seed=seed,
        founds=founds == "found",
    )
    stdio.StandardIO(Ear(life))
    await life.live()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
