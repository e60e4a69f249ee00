"""What follows from what is stored goes out only once that, too, is stored."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from securechat.client.events import Event
from securechat.group.events import Delivered, Message
from securechat.wire import Send
from tests.adversary.kit import room, said, texts
from tests.client.test_coming_back import ComingBackCase


class AnsweringTests(ComingBackCase):
    """
    Bob's program says something as soon as it is told something, and from then on his disk is full:
    after a crash he would use the same keys for something else.
    """

    def fill(self) -> None:
        """Let nothing be stored any more."""
        assert self.bob.state is not None
        self.bob.state.full = True
        self.before = len(said(self.bob, Send))

    def when(self, kind: type[Event], act: Callable[[], Deferred[int]]) -> None:
        """Let Bob do *act* when he is told the first event of *kind*, and his disk be full."""
        done: list[Deferred[int]] = []

        def observer(event: Event) -> None:
            if isinstance(event, kind) and not done:
                self.fill()
                done.append(act())

        self.bob.chat.observe(observer)

    def assert_held(self) -> None:
        """Check that nothing has gone out, and that it does once there is room again."""
        self.assertEqual(len(said(self.bob, Send)), self.before)
        self.assertEqual(texts(self.alice), [])
        assert self.bob.state is not None
        self.bob.state.full = False
        self.network.turn(240)
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "pong")])
        self.assertEqual(room(self.alice).alarms + room(self.bob).alarms, [])

    def test_to_a_message(self) -> None:
        """What an observer says when it is told a message is not sent before it is stored."""
        self.when(Message, lambda: self.bob.chat.send(room(self.bob), "pong"))
        self.alice.chat.send(room(self.alice), "ping")
        self.network.settle()
        self.assert_held()

    def test_elsewhere(self) -> None:
        """The same where it is said in another room that has something to store as well."""
        attic = self.network.get(self.bob.chat.found("attic"))
        self.when(Delivered, lambda: self.bob.chat.send(room(self.bob), "pong"))
        self.bob.chat.send(attic, "aside")
        self.bob.chat.send(room(self.bob), "pang")
        self.network.settle()
        self.alice.events.clear()
        self.assert_held()

    def test_to_the_end_of_what_was_waited_for(self) -> None:
        """The same of what is said once the message before it has been delivered."""

        def again(_: int) -> None:
            self.fill()
            self.bob.chat.send(room(self.bob), "pong")

        self.bob.chat.send(room(self.bob), "pang").addCallback(again)
        self.network.settle()
        self.assertEqual(texts(self.alice), [(self.bob.fingerprint, "pang")])
        self.alice.events.clear()
        self.assert_held()
