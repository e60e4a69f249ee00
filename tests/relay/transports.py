"""
How connections go on, stall and end, in each way: what is so on plain sockets and over TLS.

`tests.relay.test_eager` and `tests.relay.test_tlssocket` have it run.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer, ISystemHandle, ITCPTransport
from zope.interface.verify import verifyObject

from securechat.relay.eager import AT_ONCE
from tests.relay.peers import ABORTED, DONE, LOST, Listening, turns, until

LARGE = bytes(range(256)) * 8192
"""2 MiB: more than the sockets with small buffers take."""


class Calls:
    """Counts what the reactor has a transport do."""

    def __init__(self, transport: Any) -> None:
        self.number = 0
        self._read, self._write = transport.doRead, transport.doWrite
        transport.doRead, transport.doWrite = self.read, self.write

    def read(self) -> Any:
        """Take the place of `doRead`."""
        self.number += 1
        return self._read()

    def write(self) -> Any:
        """Take the place of `doWrite`."""
        self.number += 1
        return self._write()

    async def in_turns(self) -> int:
        """Return how many there are in some turns of the reactor in which nothing happens."""
        await turns(10)  # what was on its way has arrived
        self.number = 0
        await turns(20)
        return self.number


class Behaviour(Listening):
    """What holds on plain sockets and over TLS."""

    async def test_it_is_a_transport(self) -> None:
        """It has all that the interfaces promise."""
        protocol, peer = await self.connected()
        transport = protocol.transport
        for interface in (ITCPTransport, ISystemHandle, IConsumer):
            self.assertTrue(verifyObject(interface, transport))
        self.assertEqual(transport.getHost().port, self.address[1])
        self.assertEqual(transport.getPeer().port, peer.socket.getsockname()[1])
        self.assertTrue(transport.getTcpNoDelay())
        transport.setTcpNoDelay(False)
        self.assertFalse(transport.getTcpNoDelay())
        self.assertFalse(transport.getTcpKeepAlive())
        transport.setTcpKeepAlive(True)
        self.assertTrue(transport.getTcpKeepAlive())
        self.assertIn("Transport", transport.logPrefix())

    async def test_bytes_go_both_ways(self) -> None:
        """As they are, and nothing is queued for it."""
        protocol, peer = await self.connected()
        await peer.send(b"question")
        await until(lambda: protocol.data == b"question")
        protocol.transport.write(b"answer")
        protocol.transport.writeSequence([b", and", b"", b" more"])
        protocol.transport.write(b"")
        self.assertEqual(await peer.receives(16), b"answer, and more")
        self.assertEqual(protocol.metered, [])

    async def test_what_is_written_is_sent_at_once(self) -> None:
        """Before the reactor turns."""
        protocol, peer = await self.connected()
        protocol.transport.write(b"now")
        while not peer.data:
            peer.take()
        self.assertEqual(peer.data, b"now")

    async def test_a_large_write(self) -> None:
        """It is on its way at once as far as there is room, whatever pieces that takes."""
        protocol, peer = await self.connected()
        protocol.transport.write(LARGE[:60_000])
        self.assertEqual(protocol.metered, [])
        self.assertTrue(await peer.receives(60_000) == LARGE[:60_000])

    async def test_who_reads_slowly_gets_all(self) -> None:
        """In order, over any number of partial writes; writes in the meantime come after."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        self.assertGreater(protocol.transport.buffered, 0)
        protocol.transport.write(b"and")
        await peer.receives(0)
        first = await peer.receives(len(LARGE) // 2)
        protocol.transport.write(b" more")
        rest = await peer.receives(len(LARGE) // 2 + 8)
        self.assertTrue(first + rest == LARGE + b"and more")
        await until(lambda: not protocol.transport.buffered)
        protocol.metered.clear()
        protocol.transport.write(b"at once again")
        self.assertEqual(await peer.receives(13), b"at once again")
        self.assertEqual(protocol.metered, [])

    async def test_many_small_writes_are_joined(self) -> None:
        """None is lost, and none overtakes another."""
        protocol, peer = await self.connected(small=True)
        lines = [b"line %d\n" % number for number in range(50_000)]
        for line in lines:
            protocol.transport.write(line)
        self.assertGreater(protocol.transport.buffered, 0)
        whole = b"".join(lines)
        self.assertTrue(await peer.receives(len(whole)) == whole)

    async def test_a_large_write_that_the_socket_takes(self) -> None:
        """It is offered in parts, and gone at once."""
        protocol, peer = await self.connected()
        protocol.transport.write(LARGE[:100_000])
        self.assertEqual(protocol.metered, [])
        self.assertTrue(await peer.receives(100_000) == LARGE[:100_000])

    async def test_a_write_that_stops_within_is_gone_on_with(self) -> None:
        """Where it stopped, with what was written after it; also one that is offered in parts."""
        for size in (50_000, 70_000):
            protocol, peer = await self.connected(small=True)
            first = bytes([7]) * size
            protocol.transport.write(first)
            self.assertGreater(protocol.transport.buffered, 0)
            protocol.transport.write(LARGE)
            self.assertTrue(await peer.receives(size + len(LARGE)) == first + LARGE)

    async def test_the_meter_tells_each_change(self) -> None:
        """Its sum is what is queued, at any time; and who reads slowly is seen to read."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        self.assertEqual(sum(protocol.metered), protocol.transport.buffered)
        before = protocol.transport.buffered
        told = len(protocol.metered)
        while len(protocol.metered) == told:
            await peer.receives(1_000)
        while protocol.transport.buffered == before:
            await peer.receives(16_384)
        self.assertEqual(sum(protocol.metered), protocol.transport.buffered)

    async def test_who_does_not_read_costs_nothing(self) -> None:
        """The reactor does not call us for what cannot be written."""
        protocol, _ = await self.connected(small=True)
        protocol.transport.write(LARGE)
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)

    # Producers

    async def test_a_producer_is_paused_and_resumed(self) -> None:
        """Once each: when more than 64 KiB are queued, and when nothing is."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.registerProducer(protocol, True)
        while not protocol.happened:
            protocol.transport.write(bytes(1000))
        self.assertGreater(protocol.transport.buffered, 65_536)
        protocol.transport.write(bytes(1000))
        self.assertEqual(protocol.happened, ["pause"])
        await until(lambda: peer.take() is None or protocol.happened[1:])
        self.assertEqual(protocol.happened, ["pause", "resume"])
        self.assertEqual(protocol.transport.buffered, 0)

    async def test_a_producer_may_write_as_it_is_paused(self) -> None:
        """What it writes then comes after what was written before."""
        protocol, peer = await self.connected(small=True)
        protocol.paused = lambda: protocol.transport.write(b"its last")
        protocol.transport.registerProducer(protocol, True)
        protocol.transport.write(LARGE)
        self.assertTrue(await peer.receives(len(LARGE) + 8) == LARGE + b"its last")

    async def test_a_producer_is_not_resumed_after_an_abort(self) -> None:
        """Also where the socket takes something in the same turn."""
        protocol, _ = await self.connected(small=True)
        protocol.transport.registerProducer(protocol, True)
        protocol.transport.write(LARGE)
        self.assertEqual(protocol.happened, ["pause"])
        protocol.transport.abortConnection()
        protocol.transport.doWrite()
        await self.lost(protocol, ABORTED)
        self.assertEqual(protocol.happened, ["pause", "stop"])

    async def test_a_pull_producer_is_asked_again(self) -> None:
        """Whenever all is written that it gave."""
        protocol, peer = await self.connected()
        transport = protocol.transport

        def resume() -> None:
            protocol.happened.append("resume")
            transport.write(b"x")
            if len(protocol.happened) == 5:
                transport.unregisterProducer()

        protocol.resumeProducing = resume  # type: ignore[method-assign]
        transport.registerProducer(protocol, False)
        self.assertEqual(await peer.receives(5), b"xxxxx")
        await until(lambda: not transport.buffered)
        protocol.metered.clear()
        transport.write(b"direct")
        self.assertEqual(protocol.metered, [])

    async def test_a_producer_is_waited_for(self) -> None:
        """The end comes after what it gives, and after nobody else's."""
        protocol, peer = await self.connected()
        protocol.transport.registerProducer(protocol, True)
        protocol.transport.loseConnection()
        protocol.transport.write(b"its last")
        await turns(5)
        protocol.transport.unregisterProducer()
        protocol.transport.write(b"too late")
        self.assertEqual(await peer.receives(100), b"its last")
        await peer.goodbye()
        await self.lost(protocol, DONE)

    async def test_a_producer_is_stopped_by_the_end(self) -> None:
        """As the connection is lost."""
        protocol, peer = await self.connected()
        protocol.transport.registerProducer(protocol, True)
        peer.reset()
        await self.lost(protocol, LOST)
        self.assertEqual(protocol.happened, ["stop"])

    # Reading

    async def test_a_burst_is_read_in_one_go(self) -> None:
        """More or less, however many pieces it was sent in."""
        protocol, peer = await self.connected()
        reads = Calls(protocol.transport)
        for _ in range(20):
            await peer.send(b"a line\n")  # reactor turns only where the socket is full
        await until(lambda: len(protocol.data) == 140)
        self.assertLess(reads.number, 10)

    async def test_others_have_their_turn(self) -> None:
        """Who sends without end is read a megabyte at most at a time."""
        protocol, peer = await self.connected()
        reads = Calls(protocol.transport)
        await peer.send(LARGE)
        await until(lambda: len(protocol.data) == len(LARGE))
        self.assertTrue(protocol.data == LARGE)
        self.assertGreater(reads.number, 1)

    async def test_a_pause_in_a_burst(self) -> None:
        """Nothing is read after it until the protocol resumes; then all is."""
        protocol, peer = await self.connected()
        protocol.on_data = lambda data: protocol.transport.pauseProducing()
        whole = b"".join(bytes([number]) * 16_384 for number in range(8))
        sending = peer.send(whole)
        await sending
        await until(lambda: protocol.data)
        seen = len(protocol.data)
        self.assertLess(seen, len(whole))
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        self.assertEqual(len(protocol.data), seen)
        protocol.on_data = lambda data: None
        protocol.transport.resumeProducing()
        await until(lambda: len(protocol.data) == len(whole))
        self.assertTrue(protocol.data == whole)

    async def test_a_pause_by_another_in_the_same_turn(self) -> None:
        """Who was paused reads nothing, though the reactor has been told that it could."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)  # so that it stays known to the reactor
        await peer.send(b"unwanted")
        protocol.transport.pauseProducing()
        protocol.transport.doRead()
        self.assertEqual(protocol.data, b"")

    # Who loses the connection

    async def test_the_last_line_arrives(self) -> None:
        """All that is queued is written, and then the end; what comes after is thrown away."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        protocol.transport.write(b"too late")
        await peer.send(b"still talking")
        self.assertTrue(await peer.receives(len(LARGE) + 1) == LARGE)
        self.assertEqual(await peer.ends(), "close_notify" if self.tls else "FIN")
        await peer.send(b"and talking")
        self.assertIsNone(protocol.reason)
        await peer.goodbye()
        await self.lost(protocol, DONE)
        self.assertEqual(protocol.data, b"")

    async def test_who_does_not_go_costs_nothing(self) -> None:
        """A peer that neither reads nor ends is aborted, when the protocol has waited enough."""
        protocol, _ = await self.connected()
        protocol.transport.loseConnection()
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        self.assertIsNone(protocol.reason)
        protocol.transport.abortConnection()
        await self.lost(protocol, ABORTED)

    async def test_who_is_paused_and_loses_the_connection_sees_its_end(self) -> None:
        """Nothing is held back any more, and a pause comes too late."""
        protocol, peer = await self.connected()
        protocol.transport.pauseProducing()
        await peer.send(b"unwanted")
        protocol.transport.loseConnection()
        protocol.transport.pauseProducing()
        await peer.goodbye()
        await self.lost(protocol, DONE)
        self.assertEqual(protocol.data, b"")

    async def test_our_direction_alone_can_end(self) -> None:
        """What comes then is still the protocol's."""
        protocol, peer = await self.connected()
        protocol.transport.write(b"all that I have")
        protocol.transport.loseWriteConnection()
        protocol.transport.write(b"too late")
        await peer.ends()
        self.assertEqual(peer.data or b"", b"")
        await peer.send(b"thanks")
        await until(lambda: protocol.data == b"thanks")
        await peer.goodbye()
        await self.lost(protocol, DONE)

    async def test_abortion_drops_everything(self) -> None:
        """It comes in the next turn, with a reset for the peer, once however often it is asked."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        protocol.transport.abortConnection()
        self.assertIsNone(protocol.reason)
        self.assertEqual(protocol.transport.buffered, 0)
        protocol.transport.write(b"too late")
        protocol.transport.abortConnection()
        protocol.transport.loseConnection()
        protocol.transport.resumeProducing()
        await peer.send(b"unwanted")
        await self.lost(protocol, ABORTED)
        self.assertEqual(protocol.data, b"")
        self.assertEqual(await peer.ends(), "reset")

    async def test_abortion_in_the_middle_of_a_burst(self) -> None:
        """The protocol is given nothing after it."""
        protocol, peer = await self.connected()
        protocol.on_data = lambda data: protocol.transport.abortConnection()
        await peer.send(bytes(2 * AT_ONCE))
        await self.lost(protocol, ABORTED)
        self.assertLess(len(protocol.data), 2 * AT_ONCE)

    async def test_nothing_is_done_after_the_end(self) -> None:
        """Whatever a protocol still calls, nothing is raised, queued or written."""
        protocol, peer = await self.connected()
        peer.reset()
        await self.lost(protocol, LOST)
        transport = protocol.transport
        transport.reactor = None
        transport.write(b"x")
        transport.writeSequence([b"x"])
        transport.pauseProducing()
        transport.resumeProducing()
        transport.registerProducer(protocol, True)
        transport.unregisterProducer()
        transport.loseConnection()
        transport.loseWriteConnection()
        transport.abortConnection()
        transport.connectionLost(None)
        self.assertEqual(protocol.metered, [])
        self.assertEqual(transport.fileno(), -1)

    # A peer that ends

    async def test_a_peer_that_ends(self) -> None:
        """Its end ends the connection, after what it has said."""
        protocol, peer = await self.connected()
        await peer.send(b"bye")
        await peer.goodbye()
        await self.lost(protocol, DONE)
        self.assertEqual(protocol.data, b"bye")

    async def test_a_peer_that_ends_while_much_is_queued(self) -> None:
        """It wants nothing any more."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        await peer.goodbye()
        await self.lost(protocol, DONE)

    async def test_a_reset(self) -> None:
        """The connection is lost."""
        protocol, peer = await self.connected()
        peer.reset()
        await self.lost(protocol, LOST)

    async def test_a_reset_while_much_is_queued(self) -> None:
        """The connection is lost."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        peer.reset()
        await self.lost(protocol, LOST)

    async def test_a_reset_that_a_write_of_the_reactors_finds(self) -> None:
        """The connection is lost, as it is by what a read finds."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.write(LARGE)
        peer.reset()
        self.assertIsInstance(protocol.transport.doWrite(), LOST)

    async def test_a_reset_while_the_protocol_is_paused(self) -> None:
        """It is seen where something is queued, and as soon as something is written."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.pauseProducing()
        protocol.transport.write(LARGE)
        peer.reset()
        await self.lost(protocol, LOST)

    async def test_who_only_listens_costs_nothing_while_the_protocol_is_paused(self) -> None:
        """The end of a peer's direction is not told again and again; it is seen on resuming."""
        protocol, peer = await self.connected()
        protocol.transport.pauseProducing()
        await peer.goodbye()
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        protocol.transport.write(b"still")
        self.assertEqual(await peer.receives(5), b"still")
        protocol.transport.resumeProducing()
        await self.lost(protocol, DONE)

    async def test_who_only_listens_and_does_not_read(self) -> None:
        """The same with much queued for it."""
        protocol, peer = await self.connected(small=True)
        protocol.transport.pauseProducing()
        protocol.transport.write(LARGE)
        await peer.goodbye()
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        self.assertTrue(await peer.receives(len(LARGE)) == LARGE)
        protocol.transport.resumeProducing()
        await self.lost(protocol, DONE)

    async def test_a_dead_member_of_a_room(self) -> None:
        """To write to it raises nothing, calls nobody, and harms no other."""
        members = [await self.connected() for _ in range(3)]
        dead, peer = members[1]
        dead.transport.pauseProducing()  # so that it is the write that finds out
        peer.reset()
        for _ in range(3):
            for protocol, _ in members:
                protocol.transport.write(b"news ")
        self.assertIsNone(dead.reason)
        await self.lost(dead, LOST)
        for protocol, peer in (members[0], members[2]):
            self.assertEqual(await peer.receives(15), b"news " * 3)
            await peer.send(b"well")
            await until(lambda protocol=protocol: protocol.data == b"well")  # type: ignore[misc]
