"""`TLSTransport`: what TLS adds to the ways in which a connection goes on, stalls and ends."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import ssl
import struct
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from securechat.channel import binding
from securechat.relay.eager import AT_ONCE
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.relay.tlssocket import TLSTransport
from tests.relay import transports
from tests.relay.peers import (
    ABORTED,
    DONE,
    LOST,
    SMALL,
    Listening,
    Peer,
    Recorder,
    TLSPeer,
    client_context,
    reactor,
    turns,
    until,
)
from tests.relay.test_tls import Files
from tests.relay.transports import LARGE, Calls


class OverTLS(Listening):
    """Listens with the relay's own certificate."""

    def setUp(self) -> None:
        self.directory = Files(self.mktemp()).directory
        self.tls = ServerTLS(*self.certificate())
        super().setUp()

    def certificate(self) -> tuple[Path, Path]:
        """Return the files of certificate and key."""
        return own_certificate(self.directory)


class TLSTests(OverTLS, transports.Behaviour):
    """The behaviour that plain sockets have, over TLS."""

    async def test_it_is_a_transport_of_tls(self) -> None:
        """With OpenSSL's connection as its handle."""
        protocol, _ = await self.connected()
        self.assertTrue(verifyObject(ISSLTransport, protocol.transport))
        self.assertIsInstance(protocol.transport.getHandle(), SSL.Connection)
        self.assertIsNone(protocol.transport.getPeerCertificate())

    async def test_both_ends_export_the_same(self) -> None:
        """The channel binding is that of this connection, at either end."""
        creator = SSL.Context(SSL.TLS_METHOD)
        connecting = socket.create_connection(self.address)
        self.addCleanup(connecting.close)
        client = SSL.Connection(creator, connecting)
        client.set_connect_state()
        connecting.setblocking(False)
        await self.shaken(client)
        (protocol,) = self.made
        self.assertEqual(binding(client), binding(protocol.transport.getHandle()))

    async def shaken(self, client: SSL.Connection) -> None:
        """See *client* through its handshake, and the relay."""
        done = False
        while not done:
            try:
                client.do_handshake()
                done = True
            except SSL.WantReadError:
                await turns(1)
        await until(lambda: self.made and self.made[0].transport._direct)

    async def test_the_cipher(self) -> None:
        """What machines have instructions for."""
        protocol, _ = await self.connected()
        self.assertIn("AES_256_GCM", protocol.transport.getHandle().get_cipher_name())


class HandshakeTests(OverTLS):
    """What happens before there is anything to say."""

    async def begun(self) -> tuple[Recorder, TLSPeer]:
        """Return the ends of a connection without a handshake."""
        peer = self.peer()
        await until(lambda: self.made)
        return self.made[0], peer

    def hello(self, peer: TLSPeer) -> bytes:
        """Return what *peer* says first."""
        self.assertFalse(peer.shake())
        return peer.outgoing.read()

    async def test_the_protocol_is_connected_before_it(self) -> None:
        """So its timer bounds the handshake: one that never goes on can be aborted."""
        protocol, peer = await self.begun()
        await peer.raw(self.hello(peer)[:100])
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        protocol.transport.abortConnection()
        await self.lost(protocol, ABORTED)

    async def test_what_is_written_before_waits(self) -> None:
        """In order, with what comes after it, and nothing of it in the clear."""
        protocol, peer = await self.begun()
        protocol.transport.write(b"one ")
        protocol.transport.write(b"two ")
        await turns(5)
        self.assertFalse(peer.take())
        self.assertEqual(protocol.transport.buffered, 8)
        await peer.begin()
        protocol.transport.write(b"three")
        self.assertEqual(await peer.receives(13), b"one two three")
        self.assertEqual(protocol.transport.buffered, 0)

    async def test_much_is_written_before(self) -> None:
        """All of it goes when the handshake is done, but others have their turn in between."""
        protocol, peer = await self.begun()
        protocol.transport.write(LARGE)
        writes = Calls(protocol.transport)
        await peer.begin()
        self.assertTrue(await peer.receives(len(LARGE)) == LARGE)
        self.assertGreater(writes.number, 1)

    async def test_a_goodbye_before_it(self) -> None:
        """What was written before the end is sent, and then the end."""
        protocol, peer = await self.begun()
        protocol.transport.write(b"too many")
        protocol.transport.loseConnection()
        await peer.begin()
        self.assertEqual(await peer.receives(8), b"too many")
        self.assertEqual(await peer.ends(), "close_notify")
        await peer.goodbye()
        await self.lost(protocol, DONE)

    async def test_an_end_before_it(self) -> None:
        """Who has nothing to say waits for no handshake."""
        protocol, _ = await self.begun()
        protocol.transport.loseConnection()
        await self.lost(protocol, ABORTED)

    async def test_a_producer_before_it(self) -> None:
        """It is paused, and resumed when the handshake is done."""
        protocol, peer = await self.begun()
        protocol.transport.registerProducer(protocol, True)
        protocol.transport.write(bytes(70_000))
        self.assertEqual(protocol.happened, ["pause"])
        protocol.transport.unregisterProducer()
        protocol.transport.registerProducer(protocol, True)
        await peer.begin()
        await peer.receives(70_000)
        await until(lambda: protocol.happened == ["pause", "resume"])

    async def test_in_single_bytes(self) -> None:
        """It is done all the same."""
        protocol, peer = await self.begun()
        for byte in self.hello(peer):
            await peer.raw(bytes([byte]))
            await turns(1)
        await peer.begin()
        await peer.send(b"done")
        await until(lambda: protocol.data == b"done")

    async def test_in_one_piece_with_what_comes_after_it(self) -> None:
        """The first line of a client in a hurry is not lost."""
        protocol, peer = await self.begun()
        await peer.raw(self.hello(peer))
        while not peer.shake():
            await until(peer.take)
        await peer.raw(peer.outgoing.read() + peer.records(b"in a hurry"))
        await until(lambda: protocol.data == b"in a hurry")

    async def test_protocols_are_offered(self) -> None:
        """As browsers do and some libraries (ALPN). None is chosen, and that is all."""
        context = client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        connecting = socket.create_connection(self.address)
        self.addCleanup(connecting.close)
        peer = TLSPeer(connecting, context)
        await peer.begin()
        self.assertIsNone(peer.tls.selected_alpn_protocol())
        await peer.send(b"a line")
        await until(lambda: self.made[0].data == b"a line")

    async def test_no_tls_at_all(self) -> None:
        """HTTP, nonsense and nothing: the connection is lost, and nothing is logged."""
        for said in (b"GET / HTTP/1.0\r\n\r\n", bytes(100), b"\x16\x03\x01\xff\xff" + bytes(100)):
            protocol, peer = await self.begun()
            await peer.raw(said)
            await self.lost(protocol, SSL.Error)
            self.made.clear()
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_a_client_that_is_gone_in_it(self) -> None:
        """By an end of its direction, or by a reset, at any point of it."""
        for gone in (Peer.fin, Peer.reset):
            for said in (0, 1, 50, None):
                protocol, peer = await self.begun()
                await peer.raw(self.hello(peer)[:said])
                gone(peer)
                await self.lost(protocol, LOST)
                self.made.clear()

    async def test_a_client_that_does_not_believe_us(self) -> None:
        """Its alert is the reason."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        protocol, peer = await self.begun()
        peer.tls = context.wrap_bio(peer.incoming, peer.outgoing, server_hostname="relay.example")
        await peer.raw(self.hello(peer))
        with self.assertRaises(ssl.SSLCertVerificationError):
            while not peer.shake():
                await until(peer.take)
        await peer.raw(peer.outgoing.read())
        reason = await self.lost(protocol, SSL.Error)
        self.assertIn("alert", str(reason))

    async def test_older_tls(self) -> None:
        """The client is told by an alert."""
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        protocol, peer = await self.begun()
        peer.tls = context.wrap_bio(peer.incoming, peer.outgoing)
        with self.assertRaises(ssl.SSLError) as caught:
            await peer.begin()
        self.assertIn("ALERT_PROTOCOL_VERSION", str(caught.exception))
        await self.lost(protocol, SSL.Error)


class SecondHandshakeTests(TestCase):
    """
    A second handshake, in which a write waits for a read. The relay's TLS has none, but its
    transport may not depend on that to be quiet.
    """

    async def test_a_write_waits_for_it(self) -> None:
        """And costs nothing meanwhile; it is done when the peer has answered."""
        files = Files(self.mktemp())
        files.write(ec.generate_private_key(ec.SECP256R1()))
        context = SSL.Context(SSL.TLSv1_2_METHOD)
        context.use_certificate_file(str(files.certificate))
        context.use_privatekey_file(str(files.key))
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        for each in ours, theirs:
            each.setblocking(False)
        server, client = SSL.Connection(context, ours), SSL.Connection(context, theirs)
        server.set_accept_state()
        client.set_connect_state()
        protocol, here = Recorder(), UNIXAddress(None)
        transport = TLSTransport(ours, protocol, reactor, here, here, server)
        transport.begin()
        received = b""

        async def receives(size: int) -> None:
            nonlocal received
            while len(received) < size:
                try:
                    received += client.recv(1000)
                except SSL.WantReadError:
                    await turns(1)

        transport.write(b"one ")
        await receives(4)
        server.renegotiate()
        server.do_handshake()  # which asks the client to begin
        with self.assertRaises(SSL.WantReadError):
            client.recv(1000)
        await turns(10)  # now it waits for the client to go on
        transport.write(b"two ")
        self.assertEqual(transport.buffered, 4)
        transport.write(b"three")
        self.assertEqual(await Calls(transport).in_turns(), 0)
        await receives(13)
        self.assertEqual(received, b"one two three")
        client.send(b"understood")
        await until(lambda: protocol.data == b"understood")
        transport.abortConnection()
        await until(lambda: protocol.reason)
        self.assertEqual(sum(protocol.metered), 0)


class LongHandshakeTests(OverTLS):
    """A handshake that the sockets cannot take at once."""

    def certificate(self) -> tuple[Path, Path]:
        files = Files(str(self.directory))
        files.write(ec.generate_private_key(ec.SECP256R1()))
        files.certificate.write_bytes(files.certificate.read_bytes() * 200)
        return files.certificate, files.key

    def prepare_socket(self, listening: socket.socket) -> None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)

    async def test_it_waits_for_the_client_to_read(self) -> None:
        """It costs nothing meanwhile, even if the client sends more, and goes on after that."""
        peer = self.peer(small=True)
        self.assertFalse(peer.shake())
        await peer.raw(peer.outgoing.read())
        await until(lambda: self.made)
        (protocol,) = self.made
        protocol.transport.write(b"hello")
        await until(lambda: protocol.transport._read_waits)
        await peer.raw(b"\x14\x03\x03\x00\x01\x01")  # what clients send to please middleboxes
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        while not peer.shake():
            await until(peer.take)
        finished = peer.outgoing.read()
        await peer.raw(finished.removeprefix(b"\x14\x03\x03\x00\x01\x01"))
        self.assertEqual(await peer.receives(5), b"hello")
        await peer.send(b"hello yourself")
        await until(lambda: protocol.data == b"hello yourself")

    async def test_a_client_that_is_gone_in_it(self) -> None:
        """The connection is lost."""
        peer = self.peer(small=True)
        self.assertFalse(peer.shake())
        await peer.raw(peer.outgoing.read())
        await until(lambda: self.made)
        await until(lambda: self.made[0].transport._read_waits)
        peer.reset()
        await self.lost(self.made[0], LOST)


class Secrets:
    """Makes a client's records from its secrets, for what Python's TLS cannot be made to send."""

    def __init__(self, log: Path) -> None:
        (secret,) = (
            line.split(" ")[2]
            for line in log.read_text().splitlines()
            if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")
        )
        self._secret = bytes.fromhex(secret)
        self._number = 0

    def _expand(self, label: bytes, length: int) -> bytes:
        """HKDF-Expand-Label (RFC 8446, section 7.1), for what one block of the hash has."""
        label = b"tls13 " + label
        info = struct.pack("!HB", length, len(label)) + label + b"\0\x01"
        return hmac.digest(self._secret, info, hashlib.sha384)[:length]

    def record(self, content: bytes, kind: int = 23) -> bytes:
        """Return the next record, with *content* of the type *kind*."""
        nonce = int.from_bytes(self._expand(b"iv", 12), "big") ^ self._number
        self._number += 1
        header = struct.pack("!BHH", 23, 0x0303, len(content) + 17)
        key = AESGCM(self._expand(b"key", 32))
        return header + key.encrypt(nonce.to_bytes(12, "big"), content + bytes([kind]), header)

    def key_update(self, answer: bool) -> bytes:
        """Return a KeyUpdate (section 4.6.3), and use the next key from then on."""
        record = self.record(bytes([24, 0, 0, 1, answer]), 22)
        self._secret = self._expand(b"traffic upd", 48)
        self._number = 0
        return record


class RecordTests(OverTLS):
    """What comes in records, and does not come as they do."""

    async def with_secrets(self, small: bool = False) -> tuple[Recorder, TLSPeer, Secrets]:
        """Return the ends of a connection, and the client's secrets."""
        context = client_context()
        log = self.directory / "secrets"
        context.keylog_filename = str(log)
        peer = self.peer(small)
        peer.tls = context.wrap_bio(peer.incoming, peer.outgoing)
        await peer.begin()
        await until(lambda: self.made and self.made[0].transport._direct)
        (protocol,) = self.made
        if small:
            protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        return protocol, peer, Secrets(log)

    async def test_many_in_one_segment(self) -> None:
        """All are read."""
        protocol, peer = await self.connected()
        lines = [b"line %d\n" % number for number in range(100)]
        await peer.raw(peer.records(*lines))
        whole = b"".join(lines)
        await until(lambda: protocol.data == whole)

    async def test_more_than_are_read_in_one_go(self) -> None:
        """The rest is read in the next."""
        protocol, peer = await self.connected()
        reads = Calls(protocol.transport)
        await peer.raw(peer.records(*[b"."] * 100))
        await until(lambda: len(protocol.data) == 100)
        self.assertEqual(reads.number, 2)

    async def test_a_pause_between_two_in_one_segment(self) -> None:
        """What was decrypted is given; what was not is there on resuming."""
        protocol, peer = await self.connected()
        protocol.on_data = lambda data: protocol.transport.pauseProducing()
        protocol.transport.pauseProducing()
        await peer.raw(peer.records(*[b"a" * 16_384] * 8, b"b"))
        protocol.transport.resumeProducing()
        for seen in (AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1):
            await until(lambda: protocol.data)
            await turns(5)
            self.assertEqual(len(protocol.data), seen)
            protocol.transport.resumeProducing()
            await turns(5)

    async def test_one_in_single_bytes(self) -> None:
        """It is read when it is whole."""
        protocol, peer = await self.connected()
        record = peer.records(b"a line\n")
        for byte in record[:-1]:
            await peer.raw(bytes([byte]))
            await turns(1)
        self.assertEqual(protocol.data, b"")
        await peer.raw(record[-1:])
        await until(lambda: protocol.data == b"a line\n")

    async def test_one_that_was_tampered_with(self) -> None:
        """The connection is lost, and nothing of it is believed."""
        protocol, peer = await self.connected()
        record = bytearray(peer.records(b"a line\n"))
        record[-1] ^= 1
        await peer.raw(bytes(record))
        await self.lost(protocol, SSL.Error)
        self.assertEqual(protocol.data, b"")

    async def test_garbage(self) -> None:
        """The connection is lost, and nobody else's: the next one's reads say what they said."""
        others = [await self.connected() for _ in range(2)]
        protocol, peer = await self.connected()
        await peer.raw(b"GET / HTTP/1.0\r\n\r\n")
        await self.lost(protocol, SSL.Error)
        for other, its_peer in others:
            other.transport.write(b"well?")
            await its_peer.send(b"well")
            await until(partial(other.heard, b"well"))
            self.assertEqual(await its_peer.receives(5), b"well?")

    async def test_errors_are_left_to_nobody(self) -> None:
        """Whatever broke a connection is not said again of the next thing that fails."""
        for small in (False, True):
            for found_by in ("write", "doWrite", "doRead"):
                protocol, peer = await self.connected(small)
                protocol.transport.pauseProducing()
                if small:
                    protocol.transport.write(LARGE)
                peer.reset()
                if found_by == "write":
                    protocol.transport.write(b"x")
                    protocol.transport.loseConnection()
                elif found_by == "doWrite":
                    protocol.transport.doWrite()
                else:
                    protocol.transport.resumeProducing()
                    protocol.transport.doRead()
                with self.assertRaises(SSL.Error) as caught:
                    SSL.Context(SSL.TLS_METHOD).set_cipher_list(b"none")
                self.assertEqual(len(caught.exception.args[0]), 1)
                protocol.transport.abortConnection()
                await until(lambda protocol=protocol: protocol.reason)  # type: ignore[misc]

    async def test_an_end_without_close_notify(self) -> None:
        """Anybody can have sent it: the connection is lost, not done."""
        protocol, peer = await self.connected()
        await peer.send(b"a line, but the next is")
        peer.fin()
        await self.lost(protocol, LOST)
        self.assertEqual(protocol.data, b"a line, but the next is")

    async def test_an_end_without_close_notify_after_ours(self) -> None:
        """Nothing can be cut off that we would have kept."""
        protocol, peer = await self.connected()
        protocol.transport.loseConnection()
        self.assertEqual(await peer.ends(), "close_notify")
        peer.fin()
        await self.lost(protocol, DONE)

    async def test_an_end_without_close_notify_where_we_only_listen(self) -> None:
        """What the protocol still waits for can be cut off."""
        protocol, peer = await self.connected()
        protocol.transport.loseWriteConnection()
        self.assertEqual(await peer.ends(), "close_notify")
        peer.fin()
        await self.lost(protocol, LOST)

    async def test_a_close_notify_is_answered(self) -> None:
        """The peer sees a clean end."""
        protocol, peer = await self.connected()
        await peer.goodbye()
        await self.lost(protocol, DONE)
        self.assertEqual(await peer.ends(), "close_notify")

    async def test_a_close_notify_of_ours_that_has_to_wait(self) -> None:
        """It is sent as soon as the socket takes it, and the end of our direction after it."""
        protocol, peer = await self.connected(small=True)
        raw = Peer(peer.socket)
        full = socket.socket(fileno=os.dup(protocol.transport.fileno()))
        with full:
            for piece in bytes(SMALL), b"x":
                with contextlib.suppress(BlockingIOError):
                    while full.send(piece):
                        pass
        protocol.transport.loseConnection()
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        said = await raw.receives(1 << 20)
        self.assertEqual(raw.end, "FIN")
        self.assertEqual(said[-24:-19], b"\x17\x03\x03\x00\x13")  # as long as an alert

    async def test_new_keys(self) -> None:
        """A client that changes its keys is understood, and gets ours changed if it asks."""
        protocol, peer, secrets = await self.with_secrets()
        await peer.raw(
            secrets.record(b"one ") + secrets.key_update(False) + secrets.record(b"two ")
        )
        await peer.raw(secrets.key_update(True) + secrets.record(b"three"))
        await until(lambda: protocol.data == b"one two three")
        protocol.transport.write(b"understood")
        self.assertEqual(await peer.receives(10), b"understood")

    async def test_new_keys_in_parts(self) -> None:
        """A client that sends them so is understood, too, but for the middle of a write."""
        protocol, peer, secrets = await self.with_secrets(small=True)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        parts = [secrets.record(part, 22) for part in (bytes([24, 0, 0, 1]), bytes(1))]
        reads = Calls(protocol.transport)
        await peer.raw(parts[0])
        await until(lambda: reads.number)
        protocol.transport.write(b"a line")
        self.assertEqual(protocol.metered, [6])
        reads.number = 0
        await peer.raw(parts[1][:3])
        await until(lambda: reads.number)
        self.assertEqual(protocol.metered, [6])  # nothing of it is taken
        await peer.raw(parts[1][3:])
        self.assertEqual(await peer.receives(6), b"a line")

    async def test_a_part_of_new_keys_in_the_middle_of_a_write(self) -> None:
        """Nothing is said twice: the connection is lost."""
        protocol, peer, secrets = await self.with_secrets(small=True)
        lines = b"".join(b"%07d\n" % number for number in range(8_192))
        protocol.transport.write(lines)
        said = await peer.receives(24_000)
        await turns(20)
        await peer.raw(secrets.record(bytes([24, 0, 0, 1]), 22))
        said += await peer.receives(len(lines))
        await self.lost(protocol, LOST)
        self.assertTrue(lines.startswith(said))

    async def test_a_flood_of_new_keys(self) -> None:
        """Others have their turn after each: who only changes keys does not keep us reading."""
        protocol, peer, secrets = await self.with_secrets()
        reads = Calls(protocol.transport)
        flood = b"".join([secrets.key_update(False) for _ in range(100)])
        await peer.raw(flood + secrets.record(b"at last"))
        await until(lambda: protocol.data == b"at last")
        self.assertGreaterEqual(reads.number, 100)

    async def test_new_keys_while_much_is_queued(self) -> None:
        """The answer finds its place between two records."""
        protocol, peer, secrets = await self.with_secrets(small=True)
        protocol.transport.write(LARGE)
        await peer.raw(secrets.key_update(True) + secrets.record(b"new keys"))
        await until(lambda: protocol.data == b"new keys")
        self.assertEqual(await Calls(protocol.transport).in_turns(), 0)
        self.assertTrue(await peer.receives(len(LARGE)) == LARGE)
        protocol.transport.write(b"understood")
        self.assertEqual(await peer.receives(10), b"understood")
