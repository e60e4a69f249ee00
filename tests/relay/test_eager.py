"""`EagerTransport`, on plain sockets: TCP, and unix."""

from __future__ import annotations

import socket

from tests.relay import transports
from tests.relay.peers import Recorder


class EagerTests(transports.Behaviour):
    """The behaviour on plain sockets, and what is theirs alone."""

    async def test_its_handle_is_the_socket(self) -> None:
        """Which is nobody else's any more."""
        protocol, _ = await self.connected()
        self.assertIsInstance(protocol.transport.getHandle(), socket.socket)

    async def test_a_first_word_comes_first(self) -> None:
        """What is written as the connection is made is on its way at once."""

        def greet() -> Recorder:
            protocol = Recorder()
            protocol.at_first = lambda transport: transport.write(b"hello")
            return protocol

        self.patch(self, "prepare", greet)
        _, peer = await self.connected()
        self.assertEqual(await peer.receives(5), b"hello")
