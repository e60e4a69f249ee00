"""One visit to a room, with a client that the test plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.cli.names import Names
from securechat.cli.passphrase import Passphrase
from securechat.cli.views import JSONView
from securechat.cli.visiting import Inside, Visit, Visitor
from securechat.client.events import Connected, Disconnected
from securechat.errors import ConnectionLost, NotThere, Superseded
from securechat.group.room import Room
from securechat.trust import TrustStore
from tests.group.kit import ALICE, BOB, room_of

ADDRESS = Address(host="relay.example").in_room("lobby")


class Client:
    """A client that has kept the room, and connects at once."""

    address = ADDRESS.relay

    def __init__(self, *kept: Room) -> None:
        self.kept = kept
        self.closed = False
        self.joined: Deferred[Room] = Deferred()

    def observe(self, observer: Any) -> None:
        self.emit = observer

    def connect(self) -> Deferred[None]:
        self.emit(Connected())
        return succeed(None)

    def join(self, label: str) -> Deferred[Room]:
        return self.joined

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class VisitorTests(SynchronousTestCase):
    """What a visit does with what comes between."""

    def setUp(self) -> None:
        _, (alice, _) = room_of(ALICE, BOB)
        self.room = alice.room
        self.work: Deferred[None] = Deferred()
        self.lines: list[str] = []

    def begin(self, client: Any, **how: Any) -> Deferred[None]:
        """Begin a visit in which `work` is to be done."""

        async def act(inside: Inside) -> None:
            await self.work

        names = Names(ALICE.fingerprint, "alice", TrustStore())
        view = JSONView(names)

        def seen(event: Any) -> None:
            self.lines.append(view(event))  # and nothing is written

        visit = Visit(Path("home"), ADDRESS, None, False, Passphrase(), True)
        how.setdefault("lost", None)
        visitor = Visitor(Clock(), client, names, seen, visit, act, **how)
        return Deferred.fromCoroutine(visitor.go())

    def test_connection_that_comes_back(self) -> None:
        """While there is another try the work goes on; then the client is closed."""
        client = Client(self.room)
        visit = self.begin(client)
        client.joined.callback(self.room)
        client.emit(Disconnected(ConnectionLost(address="a", why="it broke"), 2.0))
        self.assertNoResult(visit)
        self.work.callback(None)
        self.successResultOf(visit)
        self.assertTrue(client.closed)
        self.assertEqual(len(self.lines), 5)

    def test_connection_that_does_not(self) -> None:
        """Where no other try follows the visit ends with the reason."""
        client = Client(self.room)
        visit = self.begin(client)
        client.joined.callback(self.room)
        client.emit(Disconnected(Superseded(words="elsewhere"), None))
        self.failureResultOf(visit, Superseded)
        self.assertTrue(client.closed)

    def test_interrupt(self) -> None:
        """Who interrupts it ends it, wherever it is."""
        client = Client(self.room)
        visit = self.begin(client)
        visit.cancel()
        self.failureResultOf(visit, CancelledError)
        self.assertTrue(client.closed)

    def test_nothing_kept(self) -> None:
        """Where nothing is kept nobody is asked, unless there is something to do all the same."""
        self.failureResultOf(self.begin(Client()), NotThere)
        done: list[object] = []

        async def lost(client: object) -> None:
            done.append(client)

        client = Client()
        self.successResultOf(self.begin(client, lost=lost))
        self.assertEqual(done, [client])
