"""
A relay and clients joined in memory, and a clock to turn: for embedders' tests as for ours.

::

    network = Network()
    alice = network.client("alice")
    bob = network.client("bob", trusts=[alice])
    alice.trust(bob)
    room = network.get(alice.chat.found("lobby"))
    same = network.get(bob.chat.join("lobby"))
    network.get(bob.chat.send(same, "hello"))
    alice.events  # …, Message(label='lobby', sender=…, text='hello', seq=4)

Nothing here opens a socket or waits: `Network.settle` carries bytes to and fro until nobody
has anything to say, `Network.turn` lets time go by.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.address import Address
from securechat.client.client import ChatClient
from securechat.client.events import Event
from securechat.client.state import MemoryState
from securechat.identity import Identity
from securechat.relay.factory import RelayFactory
from securechat.trust import TrustStore

T = TypeVar("T")

ADDRESS = Address(kind="unix", path="/in/memory")
"""Where the relay of a `Network` is."""

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
"""When every trust of a `Person` came."""


@implementer(ITransport, IPushProducer)
class MemoryTransport:
    """
    One end of a connection in memory: what is written here arrives at the other end when the
    network carries it there.
    """

    def __init__(self) -> None:
        self.protocol: IProtocol
        self.other: MemoryTransport
        self.disconnecting = False
        self.reading = True
        self.deaf = False
        """Set it, and nothing arrives here any more: a peer that stalls."""
        self.cut = False
        self._aborting = False
        self._pending = bytearray()
        self._producer: Any = None

    def write(self, data: bytes) -> None:
        if not (self.disconnecting or self._aborting or self.cut):
            self._pending += data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self._aborting = True  # and lost in the next turn, as with a real reactor

    def getPeer(self) -> UNIXAddress:
        return UNIXAddress("/in/memory")

    def getHost(self) -> UNIXAddress:
        return UNIXAddress("/in/memory")

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    def pause_writer(self) -> None:
        """Tell who writes here that it is enough for now, as a full socket does."""
        self._producer.pauseProducing()

    def resume_writer(self) -> None:
        """Tell who writes here that there is room again."""
        self._producer.resumeProducing()

    def die(self) -> None:
        """The program at this end is no more, and does not hear what becomes of the connection."""
        self.cut = True
        self.other.lose()

    def lose(self, reason: Failure | None = None) -> None:
        """The connection breaks, for both ends, and what was under way is lost."""
        reason = reason or Failure(ConnectionLost())
        for end in (self, self.other):
            if not end.cut:
                end.cut = True
                end._pending.clear()
                end.protocol.connectionLost(reason)

    def carry(self) -> bool:
        """Let what was written here arrive; returns whether anything happened."""
        if self._aborting and not self.cut:
            self.lose(Failure(ConnectionAborted()))
            return True
        if self.cut or self.other.deaf or self.other._aborting or not self.other.reading:
            return False
        if self._pending:
            data, self._pending = bytes(self._pending), bytearray()
            self.other.protocol.dataReceived(data)
            return True
        if self.disconnecting:
            self.lose(Failure(ConnectionDone()))
            return True
        return False


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, network: Network) -> None:
        self._network = network
        self.near: MemoryTransport
        self.dead = False

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        if self.dead:
            return Deferred()
        if not self._network.reachable:
            return fail(ConnectionRefusedError())
        connected = self._network.connect(factory)
        self.near = self._network.transports[-1]
        return connected


@attrs.define(eq=False)
class Person:
    """One user of a `Network`: identity, trust, client, and what happened to them."""

    name: str
    identity: Identity
    trusted: TrustStore
    chat: ChatClient
    state: MemoryState | None = None
    events: list[Event] = attrs.field(factory=list)
    lines: list[tuple[str, bytes]] = attrs.field(factory=list)
    """Every line between this client and the relay, with ``C`` or ``R`` for who said it."""
    _endpoint: _Endpoint = attrs.field(kw_only=True)

    @property
    def transport(self) -> MemoryTransport:
        """This client's end of its newest connection."""
        return self._endpoint.near

    @property
    def fingerprint(self) -> bytes:
        return self.identity.fingerprint

    def trust(self, *others: Person) -> None:
        """Put *others* among the trusted identities, as typed."""
        for other in others:
            self.trusted.add(other.name, other.fingerprint, "typed", WRITTEN)

    def heard(self, kind: type[T]) -> list[T]:
        """Return the events of one kind, in order."""
        return [each for each in self.events if isinstance(each, kind)]


class Network:
    """A relay, and the clients that are connected to it, in memory."""

    def __init__(self, **relay: Any) -> None:
        """:param relay: arguments for `RelayFactory`."""
        self.clock = Clock()
        self.reachable = True
        self.relay = RelayFactory(self.clock, addresses=[ADDRESS], **relay)
        self.transports: list[MemoryTransport] = []
        """The clients' ends of the connections that live, the oldest first."""

    def person(
        self,
        name: str,
        *,
        trusts: Iterable[Person] = (),
        identity: Identity | None = None,
        trust: TrustStore | None = None,
        state: MemoryState | None = None,
        **chat: Any,
    ) -> Person:
        """
        Return a new user who is not connected yet.

        :param trust: what the user trusts besides *trusts*; by default nobody.
        :param state: where the client keeps its rooms; None: nowhere.
        :param chat: further arguments for `ChatClient`.
        """
        identity = identity or Identity.generate()
        trust = TrustStore() if trust is None else trust
        endpoint = _Endpoint(self)
        lines: list[tuple[str, bytes]] = []
        chat.setdefault("chance", lambda: 0.5)
        client = ChatClient(
            self.clock,
            identity,
            trust,
            ADDRESS,
            name=name,
            endpoint=endpoint,
            state=state,
            tap=lambda who, line: lines.append((who, line)),
            **chat,
        )
        person = Person(name, identity, trust, client, state, lines=lines, endpoint=endpoint)
        client.observe(person.events.append)
        person.trust(*trusts)
        return person

    def restarted(self, person: Person, **chat: Any) -> Person:
        """
        Return *person* after its program has died, without a warning, and was started anew: with
        what its `MemoryState` had kept, not connected, and with nothing heard.
        """
        if person.state is not None:
            chat["state"] = person.state.survivor()
        person._endpoint.dead = True
        person.transport.die()
        self.settle()
        return self.person(person.name, identity=person.identity, trust=person.trusted, **chat)

    def client(self, name: str, **how: Any) -> Person:
        """Return a new user who is connected."""
        person = self.person(name, **how)
        self.get(person.chat.connect())
        return person

    def endpoint(self) -> IStreamClientEndpoint:
        """
        Return an endpoint that leads to the relay, for a client that an application makes itself:
        ``ChatClient(network.clock, identity, trust, ADDRESS, endpoint=network.endpoint())``.
        """
        return _Endpoint(self)

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol of *factory* to the relay, as an endpoint does."""
        near, far = MemoryTransport(), MemoryTransport()
        near.other, far.other = far, near
        ours = factory.buildProtocol(UNIXAddress("/in/memory"))
        assert ours is not None
        self.transports = [each for each in self.transports if not each.cut]
        self.transports.append(near)
        theirs: IProtocol = self.relay.buildProtocol(None)
        for protocol, transport in ((theirs, far), (ours, near)):
            transport.protocol = protocol
            protocol.makeConnection(transport)
        return succeed(ours)

    def settle(self) -> None:
        """Carry bytes until nobody has anything to say. No time goes by."""
        moved = [True]
        while any(moved):
            self.clock.advance(0)
            ends = [end for near in self.transports for end in (near, near.other)]
            moved = [end.carry() for end in ends]

    def turn(self, seconds: float, step: float = 0.25) -> None:
        """Let *seconds* go by, and carry what is said meanwhile."""
        self.settle()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            self.settle()
            seconds -= step

    def get(self, work: Deferred[T]) -> T:
        """
        Carry bytes, and let up to a minute go by, until *work* has fired; return its result.

        :raises AssertionError: if it does not fire.
        """
        results: list[T] = []
        failures: list[Failure] = []
        work.addCallbacks(results.append, failures.append)
        self.settle()
        for _ in range(240):
            if results or failures:
                break
            self.turn(0.25)
        if failures:
            failures[0].raiseException()
        assert results, "it did not fire within a minute"
        return results[0]
