"""The relay as a whole: how it ends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.factory import LINGER_AT_END
from securechat.wire import Code
from tests.relay.clients import Relay


class CloseTests(SynchronousTestCase):
    """`RelayFactory.close`."""

    def test_all_are_told(self) -> None:
        """Proved or not; it is over when the last is gone."""
        relay = Relay()
        clients = [relay.client(), relay.connect()]
        clients[1].hear()
        closed = relay.factory.close()
        for client in clients:
            self.assertNoResult(closed)
            self.assertIs(client.refused(), Code.CLOSING)
            self.assertTrue(client.hung_up)
            client.lose()
        self.successResultOf(closed)

    def test_nobody_is_there(self) -> None:
        """Then it is over at once."""
        self.successResultOf(Relay().factory.close())

    def test_who_does_not_go_is_aborted(self) -> None:
        """In time for the whole to be over within 5 seconds."""
        relay = Relay()
        client = relay.client()
        relay.factory.close()
        relay.clock.advance(LINGER_AT_END)
        self.assertTrue(client.transport.aborted)
        self.assertLess(LINGER_AT_END, 5)

    def test_closed_twice(self) -> None:
        """Who asks again waits for the same."""
        relay = Relay()
        client = relay.client()
        closed = [relay.factory.close(), relay.factory.close()]
        client.lose()
        for each in closed:
            self.successResultOf(each)
