"""
The relay's TLS: version 1.3 only, with a certificate that can be replaced while it runs.

Without a certificate of the operator's the relay makes itself a key, and a certificate that
says nothing but the key: clients know the relay by the key's hash, its pin.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from OpenSSL._util import lib  # which Twisted uses, too
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from securechat.channel import pin_of
from securechat.errors import NotPrivate, UnusableCertificate
from securechat.files import write_private

_write: Callable[[Any, bytes, int], int] = lib.SSL_write
_NOT_ON_SOCKETS: int = lib.SSL_MODE_AUTO_RETRY | lib.SSL_MODE_ENABLE_PARTIAL_WRITE

_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280, section 4.1.2.5


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    What `securechat.relay.direct.DirectEndpoint`, and `twisted.internet.endpoints.wrapServerTLS`,
    need of the relay.

    :param certificate: a file of PEM certificates, the relay's own first, then its chain.
    :param key: a file with the PEM private key, which only its owner may read.
    :raises UnusableCertificate: if they are not that.
    :raises NotPrivate: if others may read the key.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = certificate, key
        self.reload()

    def reload(self) -> None:
        """
        Read both files again, for the connections to come.

        :raises UnusableCertificate, NotPrivate: as above; then all stays as it was.
        """
        certificates, key = _certificates(self._paths[0]), _key(self._paths[1])
        try:
            self._context = _context(certificates, key)
        except (SSL.Error, ValueError):
            raise UnusableCertificate(
                path=self._paths[0], what=f"it is not for the key in {self._paths[1]}"
            ) from None
        self._certificate = certificates[0]

    @property
    def pin(self) -> bytes | None:
        """The pin by which clients know this relay; None where a CA's word is there for that."""
        if self._certificate.issuer != self._certificate.subject:
            return None
        return pin_of(self._certificate)

    def on_socket(self, connected: socket.socket) -> SSL.Connection:
        """
        Return the server's end of TLS on *connected*. The handshake is not done yet.

        It differs from others in two modes, which are set by default or by pyOpenSSL. It has no
        function to clear them.

        With SSL_MODE_AUTO_RETRY ``SSL_read`` does not return as long as something comes and none
        of it is data, and a client may change its keys without end. Without it, to read may say
        that it has to wait where it need not: after a record that is no data.

        With SSL_MODE_ENABLE_PARTIAL_WRITE ``SSL_write`` returns after each record of 16 KiB.
        Without it, it writes all, or says that it has to wait.
        """
        connection = SSL.Connection(self._context, connected)
        connection.set_accept_state()
        lib.SSL_clear_mode(connection._ssl, _NOT_ON_SOCKETS)
        return connection

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(self._context)


def writer(connection: SSL.Connection) -> Callable[[bytes | memoryview], int]:
    """
    Return what does as ``connection.send`` does, in a third of its time where all is well: that
    looks for each error that there may be before it believes that there is none, and a relay
    writes a line to each member of a room.
    """
    send, fails, ssl, write = connection.send, connection._raise_ssl_error, connection._ssl, _write

    def send_quickly(data: bytes | memoryview) -> int:
        if type(data) is not bytes:
            return send(data)
        sent: int = write(ssl, data, len(data))
        if sent <= 0:
            fails(ssl, sent)
        return sent

    return send_quickly


def _context(certificates: list[x509.Certificate], key: Any) -> SSL.Context:
    """
    Return what connections have in common.

    It is not of Twisted's `CertificateOptions`, for which pyOpenSSL would look with each write and
    each read whether somebody's choice of a protocol (ALPN) has failed. Nothing is chosen here.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # who is idle has none
    context.use_certificate(certificates[0])
    for certificate in certificates[1:]:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(key)
    context.check_privatekey()
    return context


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise UnusableCertificate(path=path, what=error.strerror or "unreadable") from None
    except ValueError:
        raise UnusableCertificate(path=path, what="it is no PEM certificate") from None


def _key(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise NotPrivate(path=path, found=f"{mode:o}", mode="600")
            return load_pem_private_key(file.read(), None)
    except OSError as error:
        raise UnusableCertificate(path=path, what=error.strerror or "unreadable") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableCertificate(
            path=path, what="it is no PEM private key without a passphrase"
        ) from None


def own_certificate(directory: Path) -> tuple[Path, Path]:
    """
    Return the files of the relay's own certificate and key in *directory*; make what is not
    there. As long as the key stays, so does the pin.

    :raises NotPrivate: if others have access to the directory or the key.
    :raises UnusableCertificate: if there is a key file that holds none.
    """
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    if not key.exists():
        new = ec.generate_private_key(ec.SECP256R1())
        pem = new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(key, pem)
        certificate.unlink(missing_ok=True)
    if not certificate.exists():
        write_private(certificate, _self_signed(_key(key)).public_bytes(Encoding.PEM))
    return certificate, key


def _self_signed(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "securechat relay")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINNING)
        .not_valid_after(_NO_END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, SHA256())
    )
