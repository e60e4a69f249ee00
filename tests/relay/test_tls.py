"""The relay's TLS: its own certificate, the operator's, and the proof over real TLS."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.defer import DeferredQueue
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from securechat.channel import pin_of
from securechat.errors import NotPrivate, UnusableCertificate
from securechat.files import private_directory
from securechat.identity import Identity
from securechat.relay.direct import DirectEndpoint
from securechat.relay.factory import RelayFactory
from securechat.relay.service import RelayService
from securechat.relay.tls import ServerTLS, own_certificate
from securechat.wire import (
    FROM_RELAY,
    MAX_LINE,
    Ack,
    Banner,
    Code,
    ErrorLine,
    Found,
    IdentityLine,
    Line,
    Page,
    Roster,
    parse,
    serialise,
)
from tests.relay.clients import creation

reactor: Any = _reactor

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay.example")])
AUTHORITY = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])


def certify(key: Any, issuer: x509.Name = NAME) -> bytes:
    """Return a certificate for *key*, in PEM."""
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())
        .public_bytes(Encoding.PEM)
    )


def private(key: Any, encryption: Any = None) -> bytes:
    """Return *key* in PEM."""
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return pem


class Files:
    """A directory with a certificate and its key."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        private_directory(self.directory)
        self.certificate = self.directory / "certificate.pem"
        self.key = self.directory / "key.pem"

    def write(self, key: Any, issuer: x509.Name = NAME) -> None:
        """Write both for *key*."""
        self.certificate.write_bytes(certify(key, issuer))
        self.write_key(private(key))

    def write_key(self, pem: bytes, mode: int = 0o600) -> None:
        """Write the key file."""
        self.key.write_bytes(pem)
        self.key.chmod(mode)

    def load(self) -> ServerTLS:
        """Return what is made of them."""
        return ServerTLS(self.certificate, self.key)


class OwnCertificateTests(SynchronousTestCase):
    """`own_certificate`: what the relay makes itself."""

    def setUp(self) -> None:
        self.files = Files(self.mktemp())

    def pin(self) -> bytes:
        """Return the pin of the relay's own certificate."""
        pin = ServerTLS(*own_certificate(self.files.directory)).pin
        assert pin is not None
        return pin

    def test_it_is_made_once(self) -> None:
        """The pin that clients have stays the same."""
        self.assertEqual(self.pin(), self.pin())

    def test_nobody_else_reads_the_key(self) -> None:
        """It has mode 0600."""
        self.pin()
        self.assertEqual(self.files.key.stat().st_mode & 0o777, 0o600)

    def test_a_lost_certificate_is_made_anew(self) -> None:
        """It says nothing but the key: the pin stays."""
        before = self.pin()
        self.files.certificate.unlink()
        self.assertEqual(self.pin(), before)

    def test_a_lost_key_is_another_relay(self) -> None:
        """Key and certificate are made anew, together."""
        before = self.pin()
        self.files.key.unlink()
        self.assertNotEqual(self.pin(), before)

    def test_it_is_valid_for_ever(self) -> None:
        """No relay dies of a date."""
        self.pin()
        (certificate,) = x509.load_pem_x509_certificates(self.files.certificate.read_bytes())
        self.assertEqual(certificate.not_valid_after_utc.year, 9999)


class ServerTLSTests(SynchronousTestCase):
    """`ServerTLS`: the operator's files."""

    def setUp(self) -> None:
        self.files = Files(self.mktemp())
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        self.files.write(self.keys[0])

    def complaint(self) -> str:
        """See that the files are refused; return what is said."""
        with self.assertRaises(UnusableCertificate) as caught:
            self.files.load()
        return str(caught.exception)

    def test_a_self_signed_certificate_has_a_pin(self) -> None:
        """Clients know the relay by it."""
        (certificate,) = x509.load_pem_x509_certificates(self.files.certificate.read_bytes())
        self.assertEqual(self.files.load().pin, pin_of(certificate))

    def test_an_authoritys_certificate_has_none(self) -> None:
        """The authority's word and the host name decide then."""
        self.files.write(self.keys[0], AUTHORITY)
        self.assertIsNone(self.files.load().pin)

    def test_any_kind_of_key(self) -> None:
        """Ed25519, too."""
        self.files.write(ed25519.Ed25519PrivateKey.generate())
        self.assertIsNotNone(self.files.load().pin)

    def test_a_chain_is_taken(self) -> None:
        """What follows the first certificate goes along with it."""
        chain = certify(self.keys[0], AUTHORITY) + certify(self.keys[1])
        self.files.certificate.write_bytes(chain)
        self.assertIsNone(self.files.load().pin)

    def test_a_key_that_others_can_read_is_refused(self) -> None:
        """With the command that takes it from them."""
        self.files.write_key(private(self.keys[0]), 0o640)
        with self.assertRaises(NotPrivate) as caught:
            self.files.load()
        self.assertIn("chmod 600", str(caught.exception))

    def test_a_certificate_of_another_key(self) -> None:
        """Both files are named."""
        self.files.write_key(private(self.keys[1]))
        complaint = self.complaint()
        self.assertIn(str(self.files.certificate), complaint)
        self.assertIn(str(self.files.key), complaint)

    def test_files_that_are_not_there(self) -> None:
        """It says which."""
        self.files.key.unlink()
        self.assertIn("key.pem: No such file", self.complaint())
        self.files.certificate.unlink()
        self.assertIn("certificate.pem: No such file", self.complaint())

    def test_files_that_hold_something_else(self) -> None:
        """Nonsense, or a key under a passphrase, which nobody would type for a daemon."""
        self.files.write_key(private(self.keys[0], BestAvailableEncryption(b"x")))
        self.assertIn("passphrase", self.complaint())
        self.files.write_key(b"nonsense")
        self.assertIn("no PEM private key", self.complaint())
        self.files.certificate.write_bytes(b"nonsense")
        self.assertIn("no PEM certificate", self.complaint())

    def test_a_bad_new_certificate_changes_nothing(self) -> None:
        """`reload` fails, and what was there still serves."""
        tls = self.files.load()
        before = tls.pin
        self.files.certificate.write_bytes(certify(self.keys[1]))
        with self.assertRaises(UnusableCertificate):
            tls.reload()
        self.assertEqual(tls.pin, before)


class TLSClient(LineOnlyReceiver):
    """A client over real TLS, which says what a test wants."""

    MAX_LENGTH = MAX_LINE
    transport: Any

    def __init__(self) -> None:
        self.lines: DeferredQueue[bytes] = DeferredQueue()
        self.gone = False
        self.lost: DeferredQueue[BaseException | None] = DeferredQueue()

    def lineReceived(self, line: bytes) -> None:
        self.lines.put(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        self.lost.put(reason.value)

    def close(self) -> None:
        """Break the connection, if there still is one."""
        if not self.gone:
            self.transport.abortConnection()

    async def hears(self) -> Line:
        """Return the next line."""
        return parse(await self.lines.get(), FROM_RELAY)

    def says(self, line: Line) -> None:
        """Say *line*."""
        self.sendLine(serialise(line))

    def proof(self, identity: Identity, banner: bytes, **changed: bytes) -> IdentityLine:
        """Return the line that proves *identity* on this connection, or what is *changed*."""
        connection = self.transport.getHandle()
        certificate = connection.get_peer_certificate(as_cryptography=True)
        signed = {
            "banner": banner,
            "binding": connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""),
            "pin": pin_of(certificate),
        } | changed
        signature = identity.sign("identity", *signed.values(), identity.fingerprint)
        return IdentityLine(1, identity.bundle.encode(), signature)


class LoopbackTests(TestCase):
    """A relay and its clients over real TLS on the loopback."""

    def setUp(self) -> None:
        self.files = Files(self.mktemp())
        self.tls = ServerTLS(*own_certificate(self.files.directory))
        self.factory = RelayFactory(reactor)
        listening = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.relay = RelayService(self.factory, [DirectEndpoint(listening, self.tls)])
        self.successResultOf(self.relay.listen())
        self.relay.startService()
        self.addCleanup(self.relay.stopService)
        self.identity = Identity.generate()

    async def connect(self, **options: Any) -> TLSClient:
        """Return a client whose handshake is done, or under way."""
        host: Any = self.relay.ports[0].getHost()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", host.port)
        creator = CertificateOptions(verify=False, **options)
        client: TLSClient = await connectProtocol(
            wrapClientTLS(creator, endpoint, reactor), TLSClient()
        )
        self.addCleanup(client.close)
        return client

    async def test_an_identity_is_proved(self) -> None:
        """By the exporter of this connection and the key that the relay shows."""
        client = await self.connect()
        client.says(client.proof(self.identity, await client.lines.get()))
        self.assertEqual(await client.hears(), Ack())

    async def test_a_proof_without_binding_is_none(self) -> None:
        """Neither an empty one nor another connection's passes over TLS."""
        for binding in (b"", bytes(32)):
            client = await self.connect()
            banner = await client.lines.get()
            client.says(client.proof(self.identity, banner, binding=binding))
            error = await client.hears()
            assert isinstance(error, ErrorLine)
            self.assertIs(error.code, Code.PROOF)
            await client.lost.get()

    async def test_a_proof_for_another_relay_is_none(self) -> None:
        """A relay in the middle shows another key than this one, and cannot log in here."""
        client = await self.connect()
        banner = await client.lines.get()
        client.says(client.proof(self.identity, banner, pin=bytes(32)))
        error = await client.hears()
        assert isinstance(error, ErrorLine)
        self.assertIs(error.code, Code.PROOF)

    async def test_a_new_certificate_is_for_new_connections(self) -> None:
        """After a reload, older connections still prove themselves by the key they saw."""
        older = await self.connect()
        banner = await older.lines.get()
        before = self.tls.pin
        self.files.key.unlink()
        own_certificate(self.files.directory)
        self.tls.reload()
        self.assertNotEqual(self.tls.pin, before)
        for client, greeting in ((older, banner), (newer := await self.connect(), b"")):
            client.says(client.proof(self.identity, greeting or await newer.lines.get()))
            self.assertEqual(await client.hears(), Ack())

    async def test_older_tls_is_refused(self) -> None:
        """TLS 1.3 only."""
        client = await self.connect(lowerMaximumSecurityTo=TLSVersion.TLSv1_2)
        self.assertIsInstance(await client.lost.get(), SSL.Error)

    async def test_who_does_not_read_pauses_the_relay(self) -> None:
        """A real transport pauses it and resumes it, and nothing is lost."""
        client = await self.connect()
        client.says(client.proof(self.identity, await client.lines.get()))
        await client.hears()
        entry = creation(self.identity, "lobby")
        client.says(Found(entry.encode()))
        await client.hears()
        (connection,) = self.factory.connections
        client.transport.pauseProducing()
        asked = 0
        while connection.writable:
            for _ in range(100):
                client.says(Roster(entry.head, 1, 0))
            asked += 100
            await deferLater(reactor, 0)
        client.transport.resumeProducing()
        for _ in range(asked):
            self.assertIsInstance(await client.hears(), Page)

    async def test_the_end_is_said(self) -> None:
        """Who is connected when the relay stops is told, and the service waits for it."""
        client = await self.connect()
        self.assertIsInstance(await client.hears(), Banner)
        stopped = self.relay.stopService()
        error = await client.hears()
        assert isinstance(error, ErrorLine)
        self.assertIs(error.code, Code.CLOSING)
        await client.lost.get()
        await stopped
