"""A client whose user cannot keep up, and so reads nothing for a while."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import Connected, Disconnected
from securechat.errors import ConnectionLost
from securechat.testing import Network
from tests.adversary.kit import texts


class PausingTests(SynchronousTestCase):
    """Alice speaks, and Bob does not listen."""

    def setUp(self) -> None:
        self.network = Network()
        self.alice = self.network.client("alice")
        self.bob = self.network.client("bob", trusts=[self.alice])
        self.alice.trust(self.bob)
        self.network.get(self.alice.chat.found("lobby"))
        self.network.get(self.bob.chat.join("lobby"))
        self.network.settle()
        self.bob.events.clear()

    def say(self, *said: str) -> None:
        """Let Alice say something."""
        for each in said:
            self.network.get(self.alice.chat.send(self.alice.chat.rooms[0], each))
        self.network.settle()

    def heard(self) -> list[str]:
        """What Bob has heard."""
        return [text for _, text in texts(self.bob)]

    def test_pause(self) -> None:
        """Nothing is heard, and then all of it, in order."""
        self.bob.chat.pause_reading()
        self.say("one", "two")
        self.assertEqual(self.heard(), [])
        self.bob.chat.resume_reading()
        self.network.settle()
        self.assertEqual(self.heard(), ["one", "two"])

    def test_connection_is_lost(self) -> None:
        """Where it is lost meanwhile no other one is made before somebody wants to hear."""
        self.bob.chat.pause_reading()
        self.say("one")
        self.bob.transport.lose()
        self.network.turn(60)
        self.assertEqual(self.bob.heard(Connected), [])
        self.assertEqual(len(self.bob.heard(Disconnected)), 1)
        self.say("two")
        self.bob.chat.resume_reading()
        self.network.settle()
        self.assertEqual(self.heard(), ["one", "two"])

    def test_resumed_before_the_next_try(self) -> None:
        """The next try comes when it would have."""
        self.bob.chat.pause_reading()
        self.bob.transport.lose()
        self.bob.chat.resume_reading()
        self.network.settle()
        self.assertFalse(self.bob.chat.connected)
        self.network.turn(10)
        self.assertTrue(self.bob.chat.connected)

    def test_paused_before_the_next_try(self) -> None:
        """No other connection is made until there is somebody to hear it."""
        self.bob.transport.lose()
        self.bob.chat.pause_reading()
        self.network.turn(10)
        self.assertFalse(self.bob.chat.connected)
        self.bob.chat.resume_reading()
        self.network.settle()
        self.assertTrue(self.bob.chat.connected)

    def test_for_long(self) -> None:
        """The connection is given up in the end, for which the relay is not blamed."""
        self.bob.chat.pause_reading()
        self.network.turn(200, step=5)
        (lost,) = self.bob.heard(Disconnected)
        self.assertIsInstance(lost.why, ConnectionLost)
        self.assertIn("nothing was read at this end", str(lost.why))

    def test_connected_while_paused(self) -> None:
        """On a connection that the user has asked for nothing is heard either."""
        self.bob.chat.pause_reading()
        self.bob.transport.lose()
        self.network.get(self.bob.chat.connect())
        self.say("one")
        self.assertEqual(self.heard(), [])
        self.bob.chat.resume_reading()
        self.network.settle()
        self.assertEqual(self.heard(), ["one"])

    def test_close(self) -> None:
        """It can be closed all the same."""
        self.bob.chat.pause_reading()
        self.say("one")
        closed = self.bob.chat.close()
        self.network.settle()
        self.successResultOf(closed)
