"""
A bot that answers: who says ``!echo TEXT`` in its room hears TEXT.

    python echo_bot.py HOME 'securechat://HOST:7117/lobby#PIN'

HOME is the directory of an identity: ``securechat --home HOME init --name echo --no-passphrase``.
Whom ``securechat --home HOME trust add`` made it trust may let it in, and somebody in the room has
to trust it. What it has to remember of the room it keeps in HOME, so it comes back when it is
started again, and answers what was asked meanwhile.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, DeferredQueue

from securechat import (
    Address,
    ChatClient,
    Disconnected,
    Event,
    KnownRooms,
    Message,
    Removed,
    StateDirectory,
    TrustStore,
)
from securechat.keyfile import KEY_FILE, load

ASKS = "!echo "


async def run(reactor: Any, home: Path, address: Address) -> None:
    """Be in the room, and answer, until the process ends."""
    identity = load(home / KEY_FILE, None)
    happened: DeferredQueue[Event] = DeferredQueue()
    with StateDirectory.open(home, identity) as state:
        chat = ChatClient(
            reactor,
            identity,
            TrustStore.open(home, identity),
            address,
            name="echo",
            known=KnownRooms.open(home, identity),
            state=state,
        )
        chat.observe(happened.put)  # before it joins: what was said meanwhile comes on the way
        await chat.connect()
        room = await chat.join(address.room or "lobby")
        print(f"in #{room.label}", flush=True)
        while True:
            match await happened.get():
                case Message(text=text) if text.startswith(ASKS):
                    # What the bot says itself comes back as Delivered, and no Message. The answer
                    # is not waited for: without a connection it goes out when there is one again.
                    chat.send(room, text.removeprefix(ASKS)).addErrback(print)
                case Disconnected(why=why, retry_in=None):
                    raise why
                case Removed():
                    return


if __name__ == "__main__":
    task.react(
        lambda reactor: Deferred.fromCoroutine(
            run(reactor, Path(sys.argv[1]), Address.parse(sys.argv[2]))
        )
    )
