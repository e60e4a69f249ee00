"""Members whose room changes, for tests of what they do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import CaughtUp
from securechat.errors import SecureChatError
from securechat.group.events import Message
from securechat.testing import Person
from securechat.wire import Line
from tests.adversary.kit import LyingNetwork, heard, room, texts

L = TypeVar("L", bound=Line)


class ChangesCase(SynchronousTestCase):
    """Alice, who has founded it, Bob and Carol are in the room "lobby"."""

    names: tuple[str, ...] = ("alice", "bob", "carol")
    keeps = False
    """Whether all of them keep their rooms."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.network.keeps = self.keeps
        self.people = self.network.members(*self.names)
        self.alice, self.bob, self.carol = self.people[:3]

    def cut(self, person: Person) -> None:
        """Break the connection of *person*."""
        self.network.wire(person).near.lose(Failure(ConnectionDone()))

    def vanish(self, person: Person) -> None:
        """Break the connection of *person* for good."""
        self.network.get(person.chat.close())

    def away(self, person: Person) -> None:
        """Break the connection of *person*, and keep it away until the network is reachable."""
        self.network.reachable = False
        self.cut(person)
        self.network.settle()

    def back(self, *people: Person) -> None:
        """Let *people* connect again, and catch up."""
        self.network.reachable = True
        for person in people:
            person.events.clear()
        self.network.turn(60, step=1)
        for person in people:
            self.assertTrue(person.heard(CaughtUp))

    def hold(self, kind: type[L]) -> list[L]:
        """From now on hold back the lines of class *kind* that members say."""
        held: list[L] = []

        def keep(line: L) -> Iterable[Line]:
            held.append(line)
            return []

        for person in self.people:
            self.network.lie(kind, keep, by=person)
        return held

    def fails(self, work: Deferred[Any], kind: type[SecureChatError]) -> str:
        """Check that *work* has failed, and return why."""
        return str(self.failureResultOf(work, kind).value)

    def agree(self, *people: Person) -> None:
        """Check that *people* are the members of one room, and hear each other without alarms."""
        for person in people:
            person.events.clear()
        said = [f"{person.name} is here" for person in people]
        for person, text in zip(people, said, strict=True):
            self.network.speak(person, text)
        members = {person.fingerprint for person in people}
        self.assertEqual({row.fingerprint for row in room(people[0]).roster}, members)
        for person in people:
            self.assertEqual(room(person).place, room(people[0]).place)
            self.assertEqual(room(person).alarms, [])
            others = [text for text in said if not text.startswith(person.name)]
            self.assertEqual([text for _, text in texts(person)], others)

    def heard_nothing(self, person: Person) -> None:
        """Check that *person* was shown no message."""
        self.assertEqual(person.heard(Message), [])

    def release(self, person: Person, lines: Iterable[Line]) -> None:
        """Let the relay hear *lines* of *person*, which were held back."""
        self.network.say(person, *lines)


def last(person: Person, kind: type[Any]) -> Any:
    """Return the newest line of class *kind* that reached *person*."""
    return heard(person, kind)[-1]
