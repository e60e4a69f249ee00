"""
A bot in an existing Twisted application: what is posted to a web hook is said in a room, and
who asks the bot in the room gets an answer.

    python hook_bot.py HOME 'securechat://HOST:7117/lobby#PIN' 8080
    curl -d 'the backup is done' http://localhost:8080/

HOME is the directory of an identity: ``securechat --home HOME init --name bot --no-passphrase``.
The bot trusts whom ``securechat --home HOME trust add`` made it trust, and somebody in the room
has to trust the bot. It comes back to the room when it is started again.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from securechat import (
    Address,
    ChatClient,
    Event,
    KnownRooms,
    Message,
    Room,
    StateDirectory,
    TrustStore,
)
from securechat.keyfile import KEY_FILE, load


class Hook(Resource):
    """Says in the room what is posted here."""

    isLeaf = True

    def __init__(self, chat: ChatClient, room: Room) -> None:
        Resource.__init__(self)
        self._chat = chat
        self._room = room

    def render_POST(self, request: Request) -> int:
        assert request.content is not None
        text = request.content.read(4_096).decode("utf-8", "replace")

        def delivered(seq: int) -> None:
            request.write(b"delivered\n")
            request.finish()

        def failed(reason: Failure) -> None:
            if not reason.check(CancelledError):  # else there is nobody any more to be told
                request.setResponseCode(503)
                request.write(f"{reason.value}\n".encode())
                request.finish()

        sending = self._chat.send(self._room, text).addCallbacks(delivered, failed)
        request.notifyFinish().addErrback(lambda _: sending.cancel())
        return NOT_DONE_YET


def answer(chat: ChatClient, room: Room, event: Event) -> None:
    """Answer who says ``!members``."""
    if isinstance(event, Message) and event.text.strip() == "!members":
        chat.send(room, f"we are {len(room.roster)}").addErrback(print)


async def run(reactor: Any, home: Path, address: Address, port: int) -> None:
    """Be in the room and serve the hook until the process ends."""
    identity = load(home / KEY_FILE, None)
    with StateDirectory.open(home, identity) as state:
        chat = ChatClient(
            reactor,
            identity,
            TrustStore.open(home, identity),
            address,
            name="bot",
            known=KnownRooms.open(home, identity),
            state=state,
        )
        await chat.connect()
        room = await chat.join(address.room or "lobby")
        chat.observe(lambda event: answer(chat, room, event))
        endpoint = TCP4ServerEndpoint(reactor, port, interface="127.0.0.1")
        hook: Any = await endpoint.listen(Site(Hook(chat, room)))
        print(f"in #{room.label}, listening on port {hook.getHost().port}", flush=True)
        await Deferred()


if __name__ == "__main__":
    task.react(
        lambda reactor: Deferred.fromCoroutine(
            run(reactor, Path(sys.argv[1]), Address.parse(sys.argv[2]), int(sys.argv[3]))
        )
    )
