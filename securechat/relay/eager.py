"""
A socket that is written at once.

Twisted's own transport queues what it is given, asks the kernel to be told when the socket takes
something, and writes in the next turn of the reactor: dearer than the write itself, and in vain,
as a socket nearly always takes a line. This one writes first, and asks only after the kernel has
refused, or has taken a part. From then until all is written, everything is queued, in its order.

A room writes to all of its members in one loop. So `EagerTransport.write` never raises, and calls
nobody but its own producer and `meter`: that a peer is dead is told in the next turn.

It reads until the kernel has no more, but no more than 64 KiB and a bit before others have their
turn, and gives it to its protocol at once: over TLS each line comes as a record of its own.

To lose a connection is to say all that is queued, to end our direction, and then to read and
throw away what still comes until the peer ends the other: a close with something unread would be
a reset, and a reset may take from the peer our last line before it has read it. How long the peer
may take is its protocol's to bound, by `abortConnection`.

What it is registered for with the reactor follows from its state, in one place (`_register`), so
that it is never told again and again of what it does not take: the reactor would spin.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ClassVar

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress, IProducer, IProtocol, ISystemHandle, ITCPTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

TURNS = 64
"""Reads before others have their turn; …"""

AT_ONCE = 65_536
"""… and the bytes that are read before that. Also those that are offered in one call."""

_NO_LINGERING = struct.pack("ii", 1, 0)  # close is a reset then


def _nobody(change: int) -> None:
    """Measure nothing."""


@implementer(ISystemHandle)
class EagerTransport(FileDescriptor):
    """
    The transport of *protocol* on *connected*. It provides `ITCPTransport` on TCP, with
    TCP_NODELAY from the beginning. `begin` connects the two.

    It differs from Twisted's in that `loseConnection` waits for the peer's end, that nothing is
    written after it unless a producer is registered, and that a peer that ends its direction ends
    the connection, whatever the protocol is.

    :param connected: a stream socket that does not block.
    :param peer: its peer's address; *host* its own.
    :ivar meter: is called with each change of `buffered`, in bytes, and with 0 where the socket
        takes something of which `buffered` does not tell; the sum over the life of a connection
        is 0.
    :ivar buffered: bytes that are queued.
    """

    SEND_LIMIT = AT_ONCE
    reactor: Any  # which is more than a FileDescriptor needs
    meter: Callable[[int], None] = staticmethod(_nobody)

    _blocked: ClassVar[tuple[type[Exception], ...]] = (BlockingIOError,)
    """What is raised where the kernel would have to wait,"""
    _broken: ClassVar[type[Exception]] = OSError
    """and for all else. Subclasses of it are in the former."""
    _READ: ClassVar[int] = 16_384

    def __init__(
        self,
        connected: socket.socket,
        protocol: IProtocol,
        reactor: Any,
        peer: IAddress,
        host: IAddress,
    ) -> None:
        super().__init__(reactor)
        self.protocol = protocol
        self.connected = 1
        self.buffered = 0
        self._socket = connected
        self._addresses = peer, host
        self._head: bytes | memoryview = b""  # what is written next: the rest of what was joined
        self._queue: list[bytes | memoryview] = []  # what comes after it
        self._reading = True  # whether anybody wants what comes
        self._direct = False  # whether a write may go past the queue
        self._ending = False  # whether our direction is to end once all is written
        self._ended = False  # whether it has
        self._open()
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            directlyProvides(self, ITCPTransport)
            self.setTcpNoDelay(True)

    def begin(self) -> None:
        """Connect the protocol, and start to read."""
        self._settle()
        self.protocol.makeConnection(self)

    def _open(self) -> None:
        """Have the functions that write and read."""
        self._send: Callable[[bytes | memoryview], int] = self._socket.send
        self._recv: Callable[[int], bytes] = self._socket.recv

    # Writing

    def write(self, data: bytes) -> None:
        """Write *data*, or queue what cannot be written now."""
        if not (self._direct and data):
            self._enqueue(data)
            return
        rest: bytes | memoryview = data
        try:
            sent = self._send(data) if len(data) <= self.SEND_LIMIT else 0
            if sent == len(data):
                return
            rest = memoryview(data)[sent:]
            while rest:
                rest = rest[self._send(rest[: self.SEND_LIMIT]) :]
        except self._blocked as error:
            self._must_wait(error)
            self._enqueue(rest)
        except self._broken as error:
            self._break(self._cannot_write(error))

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def doWrite(self) -> BaseException | None:
        """The socket takes something: write what is queued."""
        if self._is_over:
            return None  # a read in the same turn ended it
        while True:  # until the queue is empty, or the socket full
            if not self._head:
                if not self._queue:
                    break
                self._head = memoryview(b"".join(self._queue))
                self._queue.clear()
            try:
                sent = self._send(self._head[: self.SEND_LIMIT])
            except self._blocked as error:
                self._must_wait(error)
                if self._can_write():  # else it is not the socket that it waits for
                    self.meter(0)
                return None
            except self._broken as error:
                return self._cannot_write(error)
            self._head = self._head[sent:]
            self._count(-sent)
        self._head = b""
        self._drained()
        return None

    def _enqueue(self, data: bytes | memoryview) -> None:
        if not data or self._ended or (self._ending and self.producer is None):
            return
        self._queue.append(data)
        self._count(len(data))
        if (
            self.producer is not None
            and self.streamingProducer
            and not self.producerPaused
            and self.buffered > self.bufferSize
        ):
            self.producerPaused = True
            self._settle()  # first: it may write
            self.producer.pauseProducing()  # type: ignore[attr-defined]  # as it is streaming
        self._settle()

    def _count(self, change: int) -> None:
        self.buffered += change
        self.meter(change)

    def _drained(self) -> None:
        self._settle()
        producer = self.producer
        if producer is not None and (self.producerPaused or not self.streamingProducer):
            self.producerPaused = False
            producer.resumeProducing()  # type: ignore[attr-defined]  # which both kinds have

    def _must_wait(self, error: Exception) -> None:
        """Take note of why a write has to wait."""

    def _cannot_write(self, error: Exception) -> BaseException:
        """Return the reason for which the connection is lost."""
        return CONNECTION_LOST

    # Reading

    def doRead(self) -> BaseException | None:
        """There is something to read: give it to the protocol, in one piece."""
        if not self._reading:
            return None
        pieces: list[bytes] = []
        left, why, broken = AT_ONCE, None, None
        for _ in range(TURNS):
            try:
                piece = self._recv(self._READ)
            except self._blocked as error:
                self._nothing_to_read(error)
                break
            except self._broken as error:
                broken = error
                break
            if not piece:
                why = CONNECTION_DONE
                break
            pieces.append(piece)
            left -= len(piece)
            if left <= 0:
                break
        if pieces and not self.disconnecting:
            self.protocol.dataReceived(b"".join(pieces))
        return why if broken is None else self._cannot_read(broken)

    def _nothing_to_read(self, error: Exception) -> None:
        """Take note of why a read has to wait."""

    def _cannot_read(self, error: Exception) -> BaseException:
        """Return the reason for which the connection is lost."""
        return CONNECTION_LOST

    def pauseProducing(self) -> None:
        """Read no more. Who loses the connection has no say any more."""
        if not self.disconnecting:
            self._reading = False
            self._settle()

    def resumeProducing(self) -> None:
        """Read again."""
        self._reading = not self._is_over
        self._settle()

    # Producers

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if not streaming:
            self._direct = False  # it is asked for more whenever the queue is empty again
        super().registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.producer = None
        self._settle()

    # The end

    def loseConnection(self) -> None:
        """
        Write all that is queued, and what a producer that is registered still gives; then end our
        direction, and close once the peer has ended the other.
        """
        if self.connected and not self.disconnecting:
            self.disconnecting = 1
            self._reading = not self._is_over
            self.loseWriteConnection()

    def loseWriteConnection(self) -> None:
        """End our direction alone, in the same way; what comes still goes to the protocol."""
        self._ending = True
        self._settle()

    def abortConnection(self) -> None:
        """Drop what is queued, and reset the connection in the next turn."""
        self._break(ConnectionAborted())

    def connectionLost(self, reason: Failure) -> None:
        if self.disconnected:
            return
        self._stop()
        super().connectionLost(reason)
        if reason.check(ConnectionAborted):
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self._close()
        protocol = self.protocol
        del self.protocol
        protocol.connectionLost(reason)

    def _break(self, why: BaseException) -> None:
        """Lose the connection in the next turn, for the reason *why*."""
        if not self._is_over:
            self._stop()
            self._settle()
            self.reactor.callLater(0, self.connectionLost, Failure(why))

    def _stop(self) -> None:
        """Write and read nothing any more."""
        self._is_over = self._ended = True
        self._direct = self._reading = False
        self._queue.clear()
        self._head = b""
        if self.buffered:
            self._count(-self.buffered)

    def _close(self) -> None:
        del self._send, self._recv
        self._socket.close()

    _is_over = False

    # What it is registered for

    def _settle(self) -> None:
        """Do what follows from a change of the state."""
        if self.disconnected:
            return
        if self._must_end() and self._can_write():
            self._ended = self._end()
        self._direct = (
            not (self.buffered or self._ending or self._is_over)
            and (self.producer is None or self.streamingProducer)
            and self._can_write()
        )
        self._register()

    def _must_end(self) -> bool:
        """Whether the end of our direction is what is to be written next."""
        return self._ending and not self._ended and not self.buffered and self.producer is None

    def _end(self) -> bool:
        """End our direction; false if that is yet to be done once the socket takes something."""
        with suppress(OSError):  # which reading will tell
            self._socket.shutdown(socket.SHUT_WR)
        return True

    def _can_write(self) -> bool:
        return True

    def _wants_read(self) -> bool:
        return self._reading

    def _wants_write(self) -> bool:
        return self._can_write() and (self.buffered > 0 or self._must_end())

    def _register(self) -> None:
        """Be told of what this state can do something about, and of nothing else."""
        if self._wants_read():
            self.startReading()
        else:
            self.stopReading()
        if self._wants_write():
            self.startWriting()
        else:
            self.stopWriting()

    # What it is

    def fileno(self) -> int:
        return self._socket.fileno()

    def getHandle(self) -> Any:
        """Return the socket."""
        return self._socket

    def getPeer(self) -> Any:
        return self._addresses[0]

    def getHost(self) -> Any:
        return self._addresses[1]

    def logPrefix(self) -> str:
        return type(self).__name__

    def getTcpNoDelay(self) -> bool:
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        with suppress(OSError):  # macOS refuses it for a connection that is lost already
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)
