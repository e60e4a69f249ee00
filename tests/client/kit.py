"""A newcomer, a member, and a relay that may lie, for tests of joins."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import SecureChatError
from securechat.group.room import Room
from securechat.testing import Person
from securechat.wire import Line
from tests.adversary.kit import LABEL, LyingNetwork, room, texts


class JoiningCase(SynchronousTestCase):
    """Alice is in the room "lobby". Bob, whom she trusts and who trusts her, is outside."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        (self.alice,) = self.network.members("alice")
        self.bob = self.newcomer("bob")

    def newcomer(self, name: str, **how: object) -> Person:
        """Return somebody who is connected and outside, and whom Alice trusts."""
        person = self.network.client(name, trusts=[self.alice], **how)
        self.alice.trust(person)
        return person

    def join(self) -> Deferred[Room]:
        """Let Bob begin to join."""
        joined = self.bob.chat.join(LABEL)
        self.network.settle()
        return joined

    def fails(self, joined: Deferred[Room], kind: type[SecureChatError]) -> str:
        """Check that *joined* has failed, and return why."""
        self.assertEqual(self.bob.chat.rooms, ())
        return str(self.failureResultOf(joined, kind).value)

    def enters(self, joined: Deferred[Room]) -> None:
        """Check that Bob enters, and that he and Alice hear each other."""
        entered = self.network.get(joined)
        self.assertEqual(self.bob.chat.rooms, (entered,))
        self.network.speak(self.bob, "hello")
        self.network.speak(self.alice, "welcome")
        self.assertEqual(texts(self.alice)[-1], (self.bob.fingerprint, "hello"))
        self.assertEqual(texts(self.bob)[-1], (self.alice.fingerprint, "welcome"))
        self.assertEqual(room(self.alice).alarms + entered.alarms, [])

    def tell(self, *lines: Line) -> None:
        """Let the relay say *lines* to Bob."""
        self.network.tell(self.bob, *lines)

    def cut(self) -> None:
        """Break Bob's connection."""
        self.network.wire(self.bob).near.lose(Failure(ConnectionDone()))
