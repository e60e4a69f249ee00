"""
TLS on the socket itself.

Twisted's own TLS has OpenSSL encrypt into memory, copies that out and writes it; here OpenSSL
writes to the socket. That is one Python call for a line instead of five, and less memory. All
else is as it is there, and as in `securechat.relay.eager`; this is what TLS adds to it:

*The handshake.* The protocol is connected before it, so that the protocol's own timer bounds it.
What is written until it is done is queued; to write earlier would be to write in the clear, or
make OpenSSL ask for the handshake in the middle of a write.

*Writing.* OpenSSL encrypts a record (16 KiB at most) and then writes it. It does so for all
that it is offered (see `ServerTLS.on_socket`), which is one Python call for up to 64 KiB in the
place of four. Where the socket takes only a part, ``SSL_write`` says that it has written nothing,
and keeps the rest of the record and how many it has written. It must then be called again with
the same bytes, and at least as many. So what could not be written stays first in the queue, as it
is. (pyOpenSSL sets the mode that lets the bytes be elsewhere in memory then.) Who reads slowly
would seem to read nothing until 64 KiB are gone: what tells of it is that we are asked to write.

*Reading.* One ``SSL_read`` gives one record at most, and what it does not give it keeps, where
the kernel cannot tell of it. So we always have room for a whole record. OpenSSL takes from the
socket no more than the record that it needs (we do not set ``read_ahead``), so that after a
pause the kernel tells of the rest. After a record that is no data it returns as if it had to
wait (see `ServerTLS.on_socket`): a client that changes its keys without end would have the
reactor for itself otherwise.

*The other direction.* A handshake is written while we read, and read while we write; in TLS 1.3
there is no other after the first but the change of keys, whose answer OpenSSL writes before our
own next record. Where only a part of a change of the keys has come, OpenSSL does not write before
it has the rest, and forgets how much it has written of what it was offered: if that was something,
the connection is lost, as it could only say it again. No client is known to send it in parts. What
waits for the other direction is registered for that alone, as otherwise
the reactor would tell again and again of what cannot be used yet.

*The end.* We end our direction with close_notify and then the socket's (FIN). What comes after
that is decrypted and thrown away until the peer's close_notify or FIN. A peer's close_notify is
answered, and ends the connection cleanly. A FIN without one is a lost connection: anybody in
between can send it. Everything else that OpenSSL complains about (another version of TLS, no TLS
at all, a record that was tampered with) is the reason for which the connection is lost; OpenSSL
has sent the alert that belongs to it.

*Errors.* OpenSSL has one queue of errors for all connections of a thread. pyOpenSSL empties it as
it raises an `Error`, but not with each `SysCallError`, and an error that is left there may be
taken for the next connection's. So we empty it.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IProtocol, ISSLTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from zope.interface import implementer

from securechat.relay.eager import EagerTransport
from securechat.relay.tls import writer

_scratch = SSL.Context(SSL.TLS_METHOD)


def _forget_errors() -> None:
    """Empty OpenSSL's queue of errors. There is no call for it, but each `Error` has all of it."""
    with suppress(SSL.Error):
        _scratch.set_cipher_list(b"none of this name")


@implementer(ISSLTransport)
class TLSTransport(EagerTransport):
    """
    The transport of *protocol* over *tls*, which is in its accept state, on *connected*.
    """

    _blocked = (SSL.WantReadError, SSL.WantWriteError)
    _broken = SSL.Error

    def __init__(
        self,
        connected: socket.socket,
        protocol: IProtocol,
        reactor: Any,
        peer: IAddress,
        host: IAddress,
        tls: SSL.Connection,
    ) -> None:
        self._tls = tls
        self._shaking = True  # whether the handshake is not done
        self._read_waits = False  # whether a read (or the handshake) waits for a write
        self._write_waits = False  # whether a write waits for a read
        self._within = False  # whether a write may have stopped in the middle
        super().__init__(connected, protocol, reactor, peer, host)

    def _open(self) -> None:
        self._send = writer(self._tls)
        self._recv = self._tls.recv

    def getHandle(self) -> SSL.Connection:
        """Return the connection that OpenSSL has."""
        return self._tls

    def getPeerCertificate(self) -> Any:
        return self._tls.get_peer_certificate()

    # Both directions

    def doRead(self) -> BaseException | None:
        if self._write_waits:
            self._write_waits = False
            return self._flush() or self._read()
        return self._read()

    def doWrite(self) -> BaseException | None:
        if self._read_waits:
            self._read_waits = False
            self._settle()
            return self._read() or self._write()
        return self._write()

    def _read(self) -> BaseException | None:
        # Who has just shaken hands has rarely said more: the next turn will tell.
        return self._shake() if self._shaking else super().doRead()

    def _write(self) -> BaseException | None:
        if self._can_write():
            return super().doWrite()
        return None

    def _shake(self) -> BaseException | None:
        try:
            self._tls.do_handshake()
        except self._blocked as error:
            self._nothing_to_read(error)
            return None
        except self._broken as error:
            return self._cannot_read(error)
        self._shaking = False
        return self._flush()

    def _flush(self) -> BaseException | None:
        """Write what had to wait."""
        why = self._write()
        self._settle()
        return why

    def _must_wait(self, error: Exception) -> None:
        if not isinstance(error, SSL.WantReadError):
            self._within = True
        elif self._within:
            self._break(CONNECTION_LOST)  # see "The other direction"
        else:
            self._write_waits = True
            self._settle()

    def _count(self, change: int) -> None:
        if change < 0:
            self._within = False
        super()._count(change)

    def _nothing_to_read(self, error: Exception) -> None:
        if isinstance(error, SSL.WantWriteError):
            self._read_waits = True
            self._settle()

    def _cannot_write(self, error: Exception) -> BaseException:
        _forget_errors()
        return CONNECTION_LOST

    def _cannot_read(self, error: Exception) -> BaseException:
        if isinstance(error, SSL.ZeroReturnError):  # which is none, and leaves none
            self._say_end()
            return CONNECTION_DONE
        _forget_errors()
        if isinstance(error, SSL.SysCallError) or error.args == ([],):
            # FIN, which depends on OpenSSL's version, or a reset. Nothing is cut off where we
            # throw away what comes.
            return CONNECTION_DONE if self.disconnecting and self._ended else CONNECTION_LOST
        return error.with_traceback(None)  # which would hold all of this

    # The end

    def loseConnection(self) -> None:
        if self._shaking and not self.buffered and self.producer is None:
            self.abortConnection()  # there is no way to say goodbye yet, and nothing else to say
        super().loseConnection()

    def _end(self) -> bool:
        return self._say_end() and super()._end()

    def _say_end(self) -> bool:
        """Send close_notify; false if the socket does not take it now."""
        try:
            self._tls.shutdown()
        except self._blocked:
            return False
        except self._broken:
            _forget_errors()  # reading will tell
        return True

    def _close(self) -> None:
        super()._close()
        del self._tls

    # What it is registered for

    def _can_write(self) -> bool:
        return not self._shaking and not self._write_waits

    def _wants_read(self) -> bool:
        return self._reading and (not self._read_waits or self._write_waits)

    def _wants_write(self) -> bool:
        return super()._wants_write() or (self._reading and self._read_waits)
