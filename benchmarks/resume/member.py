"""
The process of the member who comes back: ``python -m benchmarks.resume.member HOME ADDRESS``.

It says on stdout, as JSON in lines, that it is ready; and, once it was told on stdin to go on and
is back, how many messages it was shown.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver

from benchmarks.resume.log import LABEL
from securechat import keyfile
from securechat.address import Address
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.events import Event
from securechat.group.events import Alarm, FramesMissing, Message
from securechat.trust import TrustStore


class _Told(LineOnlyReceiver):
    """Waits for a line."""

    delimiter = b"\n"

    def __init__(self) -> None:
        self.line: Deferred[bytes] = Deferred()

    def lineReceived(self, line: bytes) -> None:
        self.line.callback(line)


class _Count:
    """Counts what the client tells."""

    def __init__(self) -> None:
        self.messages = self.troubles = 0

    def __call__(self, event: Event) -> None:
        match event:
            case Message():
                self.messages += 1
            case Alarm() | FramesMissing():
                self.troubles += 1


async def main(reactor: Any, home: Path, address: Address) -> None:
    identity = keyfile.load(home / keyfile.KEY_FILE, None)
    with StateDirectory.open(home, identity) as state:
        trust = TrustStore.open(home, identity)
        client = ChatClient(reactor, identity, trust, address, state=state)
        count = _Count()
        client.observe(count)
        await client.connect()
        told = _Told()
        StandardIO(told)
        print(json.dumps("ready"), flush=True)
        await told.line
        await client.join(LABEL)
        print(json.dumps([count.messages, count.troubles]), flush=True)
        await Deferred()  # until it is killed


if __name__ == "__main__":
    home, address = Path(sys.argv[1]), Address.parse(sys.argv[2])
    task.react(lambda reactor: Deferred.fromCoroutine(main(reactor, home, address)))
