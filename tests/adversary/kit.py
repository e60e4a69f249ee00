"""
A relay in memory that lies.

In a `LyingNetwork` real clients talk to the real relay, and every line between them passes through
the *lies* that a test has told the network to tell. So a test is both the network and the relay:
it holds lines back, changes them, invents them, and leads them elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, ITransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.client.state import MemoryState
from securechat.errors import WireError
from securechat.group.events import Message
from securechat.group.room import Room
from securechat.group.roster import Policy
from securechat.identity import Bundle
from securechat.relay.limits import Limits
from securechat.testing import MemoryTransport, Network, Person
from securechat.wire import IdentityLine, Line, parse, serialise

L = TypeVar("L", bound=Line)
Speaker: TypeAlias = Literal["C", "R"]
"""Who says a line: the client or the relay."""

Lie: TypeAlias = Callable[[L], Iterable[Line]]
"""What arrives in place of a line."""

LABEL = "lobby"


# The relay that lies


@implementer(IProtocol)
class _Ear:
    """Hears what is said on one end of a connection, and lets through what the lies make of it."""

    def __init__(self, wire: Wire, protocol: IProtocol, speaker: Speaker) -> None:
        self._wire = wire
        self._protocol = protocol
        self._speaker = speaker
        self._rest = b""

    def dataReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            for told in self._wire.tell(self._speaker, line):
                self._protocol.dataReceived(told + b"\r\n")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._protocol.connectionLost(reason)

    def makeConnection(self, transport: ITransport) -> None:
        """The protocol has been connected before somebody got between."""

    def connectionMade(self) -> None:
        """Likewise."""


class Wire:
    """One connection, and whose it is once an identity was claimed on it."""

    def __init__(self, network: LyingNetwork, near: MemoryTransport) -> None:
        self.whose: bytes | None = None
        self.near = near
        self.client, self.relay = near.protocol, near.other.protocol
        self._network = network
        near.protocol = _Ear(self, self.client, "R")
        near.other.protocol = _Ear(self, self.relay, "C")

    def tell(self, speaker: Speaker, raw: bytes) -> list[bytes]:
        """Return the lines that arrive where *raw* was said."""
        if speaker == "R":
            self._network.told.append(raw)
        if not (self._network.lies or raw.startswith(b"identity ")):
            return [raw]
        try:
            line = parse(raw)
        except WireError:
            return [raw]
        if isinstance(line, IdentityLine):
            self.whose = Bundle.decode(line.bundle).fingerprint
        told = [line]
        for lie in self._network.lies:
            told = [new for each in told for new in lie(self.whose, speaker, each)]
        return [serialise(each) for each in told]


class LyingNetwork(Network):
    """
    A network in which somebody sits between every client and the relay: the network, or the relay
    itself. As long as no lie is told it is honest.

    :ivar keeps: whether `friends` keep their rooms, so that what they do is stored before it is
        said.
    """

    keeps = False

    def __init__(self, **relay: Any) -> None:
        # Many newcomers come in a moment.
        relay.setdefault("limits", Limits(entries_per_minute=100))
        super().__init__(**relay)
        self.lies: list[Callable[[bytes | None, Speaker, Line], Iterable[Line]]] = []
        self.wires: list[Wire] = []
        self.told: list[bytes] = []
        """What the relay has said to anybody, before any lie."""

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        done = super().connect(factory)
        self.wires.append(Wire(self, self.transports[-1]))
        return done

    # Lies

    def lie(
        self,
        kind: type[L],
        lie: Lie[L],
        *,
        to: Person | None = None,
        by: Person | None = None,
    ) -> None:
        """
        From now on replace each line of class *kind* by what *lie* makes of it: what the relay
        says *to* a client, or what is said *by* one.
        """
        speaker: Speaker = "R" if by is None else "C"
        person = to or by

        def rule(whose: bytes | None, who: Speaker, line: Line) -> Iterable[Line]:
            about = person is None or whose == person.fingerprint
            return lie(line) if isinstance(line, kind) and who == speaker and about else [line]

        self.lies.append(rule)

    def change(
        self, kind: type[L], *, to: Person | None = None, by: Person | None = None, **fields: Any
    ) -> None:
        """From now on put *fields* into each line of class *kind*."""
        self.lie(kind, lambda line: [attrs.evolve(line, **fields)], to=to, by=by)

    def hold(self, kind: type[L], *, to: Person | None = None, by: Person | None = None) -> list[L]:
        """From now on hold back the lines of class *kind*; return where they are held."""
        held: list[L] = []

        def keep(line: L) -> Iterable[Line]:
            held.append(line)
            return []

        self.lie(kind, keep, to=to, by=by)
        return held

    def answer(self, kind: type[L], answer: Lie[L], *, instead_of: Person) -> list[L]:
        """
        From now on answer the lines of class *kind* in the place of that client, which does not
        hear them; return where they are kept.
        """
        held: list[L] = []

        def speak(line: L) -> Iterable[Line]:
            held.append(line)
            for each in answer(line):
                self.wire(instead_of).relay.dataReceived(serialise(each) + b"\r\n")
            return []

        self.lie(kind, speak, to=instead_of)
        return held

    def be_honest(self) -> None:
        """Tell no lie any more."""
        self.lies.clear()

    def tell(self, person: Person, *lines: Line) -> None:
        """Say *lines* to the client of *person*, as its relay."""
        self.whisper(person, *lines)
        self.settle()

    def whisper(self, person: Person, *lines: Line) -> None:
        """The same, in the midst of something else."""
        for line in lines:
            self.wire(person).client.dataReceived(serialise(line) + b"\r\n")

    def newest(self, kind: type[L], such: Callable[[L], bool]) -> list[L]:
        """Return the newest line of class *kind* that the relay has said to anybody, if any."""
        verb = kind.verb.encode() + b" "
        lines = (parse(raw) for raw in reversed(self.told) if raw.startswith(verb))
        found = next((each for each in lines if isinstance(each, kind) and such(each)), None)
        return [] if found is None else [found]

    def say(self, person: Person, *lines: Line) -> None:
        """Say *lines* to the relay, on the connection of *person*."""
        for line in lines:
            self.wire(person).relay.dataReceived(serialise(line) + b"\r\n")
        self.settle()

    def wire(self, person: Person) -> Wire:
        """Return the newest connection of *person*."""
        return next(each for each in reversed(self.wires) if each.whose == person.fingerprint)

    # Honest people

    def friends(self, *names: str, **chat: Any) -> list[Person]:
        """Return users who all trust each other, and are connected."""
        people = [
            self.client(name, state=MemoryState() if self.keeps else None, **chat) for name in names
        ]
        for person in people:
            person.trust(*(each for each in people if each is not person))
        return people

    def members(self, *names: str, policy: Policy | None = None) -> list[Person]:
        """
        Return friends who are in the room "lobby": the first has founded it and vouched for the
        rest, everybody has said something, and all that was heard until now is forgotten.
        """
        people = self.friends(*names)
        self.get(people[0].chat.found(LABEL, policy))
        for person in people[1:]:
            self.get(person.chat.join(LABEL))
        self.greet(*people)
        return people

    def greet(self, *people: Person) -> None:
        """Let *people* say something, hear it, and forget it."""
        for person in people:
            self.speak(person, "I am here")
        self.settle()
        for person in people:
            person.events.clear()
            person.lines.clear()

    def speak(self, person: Person, text: str) -> int:
        """Let *person* say *text* in its first room; return its number in the stream."""
        return self.get(person.chat.send(room(person), text))


class Script(LineOnlyReceiver):
    """A connection on which just what the test wants is said."""

    delimiter = b"\r\n"
    transport: Any

    def __init__(self) -> None:
        self.heard: list[Line] = []
        self.lost = False

    def lineReceived(self, line: bytes) -> None:
        self.heard.append(parse(line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True

    def say(self, *lines: Line) -> None:
        for line in lines:
            self.transport.write(serialise(line) + self.delimiter)


def dial(network: Network) -> Script:
    """Connect to the relay of *network*, and say nothing yet."""
    script = Script()
    network.connect(Factory.forProtocol(lambda: script))
    network.settle()
    return script


# What clients said and heard


def room(person: Person, label: str = LABEL) -> Room:
    """Return the room *label* as *person* has it."""
    return next(each for each in person.chat.rooms if each.label == label)


def heard(person: Person, kind: type[L]) -> list[L]:
    """Return the lines of class *kind* that reached the client of *person*."""
    return [line for who, line in _lines(person) if who == "R" and isinstance(line, kind)]


def said(person: Person, kind: type[L]) -> list[L]:
    """Return the lines of class *kind* that the client of *person* said."""
    return [line for who, line in _lines(person) if who == "C" and isinstance(line, kind)]


def _lines(person: Person) -> list[tuple[str, Line]]:
    return [(who, parse(raw)) for who, raw in person.lines]


def texts(person: Person) -> list[tuple[bytes, str]]:
    """Return what *person* was shown: who wrote, and what."""
    return [(each.sender, each.text) for each in person.heard(Message)]
