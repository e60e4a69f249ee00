"""Tests of `securechat.client.protocol`, without a relay: a transport, a clock, and lines."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from securechat.address import Address
from securechat.client.protocol import ABORT_SECONDS, PROOF_SECONDS, ClientProtocol, no_tap
from securechat.errors import (
    ConnectionLost,
    NotARelay,
    RelayBusy,
    RelayClosing,
    RelaySilent,
    SecureChatError,
    Superseded,
    VersionMismatch,
)
from securechat.identity import Bundle, Identity
from securechat.wire import (
    MAX_LINE,
    Ack,
    Asked,
    Banner,
    Code,
    ErrorLine,
    IdentityLine,
    Join,
    Line,
    parse,
    serialise,
)

ME = Identity.generate()
ADDRESS = Address(kind="unix", path="/run/relay")
BANNER = Banner((1,), bytes(range(32)), {"line": 65_536})
ASKED = Asked("lobby", 1, 2)
CRLF = b"\r\n"


class Listener:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Line] = []
        self.lost: list[SecureChatError] = []

    def line_received(self, line: Line) -> None:
        self.heard.append(line)

    def connection_lost(self, error: SecureChatError) -> None:
        self.lost.append(error)


class Transport(StringTransport):
    """A TCP transport without a network, on which nothing gets lost by itself."""

    options: frozenset[str] = frozenset()
    aborting = False

    def abortConnection(self) -> None:
        self.aborting = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options |= {"no delay"} if enabled else set()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options |= {"keep alive"} if enabled else set()


class ProtocolCase(SynchronousTestCase):
    """A connection to a relay that says what a test wants."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.listener = Listener()
        self.tapped: list[tuple[Literal["C", "R"], bytes]] = []
        self.protocol = ClientProtocol(
            ME,
            ADDRESS,
            self.clock,
            self.listener,
            lambda who, line: self.tapped.append((who, line)),
        )
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)

    def says(self, *lines: Line) -> None:
        """Let the relay say *lines*, in one piece."""
        self.protocol.dataReceived(b"".join(serialise(each) + CRLF for each in lines))

    def said(self) -> list[Line]:
        """Return what the client has said since the last time."""
        *lines, rest = self.transport.value().split(CRLF)
        self.transport.clear()
        self.assertEqual(rest, b"")
        return [parse(each) for each in lines]

    def prove(self) -> None:
        """Let the relay accept the client."""
        self.says(BANNER, Ack())
        self.assertIs(self.successResultOf(self.protocol.proved), self.protocol)

    def lose(self) -> None:
        """The connection is over, as after every close and abort."""
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(self.protocol.gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def assertAborted(self, kind: type[SecureChatError]) -> SecureChatError:
        """Check that the connection is dropped before the proof, and return the reason."""
        self.assertTrue(self.transport.aborting)
        self.lose()
        error = self.failureResultOf(self.protocol.proved, kind).value
        assert isinstance(error, SecureChatError)
        self.assertEqual(self.listener.lost, [])
        return error


class ProofTests(ProtocolCase):
    """Until the relay has accepted the identity."""

    def test_identity_is_proved_to_this_relay_on_this_connection(self) -> None:
        """
        The client says nothing before the banner. Then it signs its bytes and, without TLS, the
        address that it dialled.
        """
        self.assertEqual(self.said(), [])
        self.says(BANNER)
        (line,) = self.said()
        assert isinstance(line, IdentityLine)
        bundle = Bundle.decode(line.bundle)
        self.assertEqual(bundle, ME.bundle)
        bundle.verify(
            line.signature, "identity", serialise(BANNER), b"", ADDRESS.dialled, ME.fingerprint
        )
        self.assertNoResult(self.protocol.proved)
        self.says(Ack())
        self.successResultOf(self.protocol.proved)
        self.lose()

    def test_tap_sees_every_line(self) -> None:
        """With who said it."""
        self.says(BANNER)
        (line,) = self.said()
        self.assertEqual(self.tapped, [("R", serialise(BANNER)), ("C", serialise(line))])
        no_tap("R", b"")

    def test_tcp_options(self) -> None:
        """Lines are not held back, and a peer that has vanished is noticed some day."""
        self.assertEqual(self.transport.options, frozenset())
        tcp = Transport()
        alsoProvides(tcp, ITCPTransport)
        ClientProtocol(ME, ADDRESS, self.clock, self.listener).makeConnection(tcp)
        self.assertEqual(tcp.options, {"no delay", "keep alive"})

    def test_relay_of_another_version(self) -> None:
        """Both versions are named, and who must upgrade; nothing is signed."""
        for versions, who in (((2, 3), "you must upgrade"), ((0,), "the relay must upgrade")):
            self.setUp()
            self.says(Banner(versions, bytes(32), {"line": 1}))
            self.assertEqual(self.said(), [])
            error = self.assertAborted(VersionMismatch)
            self.assertIn(f"version {max(versions)}", str(error))
            self.assertIn("version 1", str(error))
            self.assertIn(who, str(error))

    def test_newer_relay_that_speaks_this_version_too(self) -> None:
        """One version in common is enough."""
        self.says(Banner((0, 1, 2), bytes(32), {"line": 1}))
        self.assertEqual(len(self.said()), 1)

    def test_error_before_the_banner_and_before_the_ack(self) -> None:
        """The relay's reason is what the caller gets."""
        for lines in ([], [BANNER]):
            self.setUp()
            self.says(*lines, ErrorLine(Code.BUSY, "-", "too many of you"))
            self.assertIn("too many of you", str(self.assertAborted(RelayBusy)))

    def test_line_out_of_turn(self) -> None:
        """A relay that does not begin with a banner, or goes on without an ack, is none."""
        for lines in ([Ack()], [ASKED], [BANNER, BANNER], [BANNER, ASKED]):
            self.setUp()
            self.says(*lines)
            self.assertIn("out of turn", str(self.assertAborted(NotARelay)))

    def test_what_is_no_line(self) -> None:
        """Whatever else answers there does not speak as a relay does."""
        for data in (b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"join lobby\r\n", b"\xff\r\n"):
            self.setUp()
            self.protocol.dataReceived(data)
            error = self.assertAborted(NotARelay)
            self.assertIn("/run/relay", str(error))

    def test_line_without_end(self) -> None:
        """No more than a line is ever kept."""
        self.protocol.dataReceived(b"x" * MAX_LINE)
        self.assertFalse(self.transport.aborting)
        self.protocol.dataReceived(b"x" * 2)
        self.assertIn("too long", str(self.assertAborted(NotARelay)))

    @given(st.binary())
    def test_junk(self, data: bytes) -> None:
        """Whatever comes, nothing is raised, and the client says nothing to it."""
        self.setUp()
        self.protocol.dataReceived(data + CRLF)
        self.assertEqual(self.said(), [])
        self.assertAborted(NotARelay)

    def test_silence(self) -> None:
        """Who accepts a connection and does not answer in half a minute is given up."""
        for lines in ([], [BANNER]):
            self.setUp()
            self.says(*lines)
            self.clock.advance(PROOF_SECONDS - 1)
            self.assertFalse(self.transport.aborting)
            self.clock.advance(1)
            self.assertIn("30 seconds", str(self.assertAborted(RelaySilent)))

    def test_relay_hangs_up(self) -> None:
        """Before the proof that is a failure of the proof."""
        self.lose()
        self.failureResultOf(self.protocol.proved, ConnectionLost)
        self.assertEqual(self.listener.lost, [])

    def test_cancelled(self) -> None:
        """To cancel closes the connection; an answer that comes all the same is not heard."""
        self.says(BANNER)
        self.protocol.proved.cancel()
        self.failureResultOf(self.protocol.proved, CancelledError)
        self.assertTrue(self.transport.disconnecting)
        self.transport.disconnecting = False  # as if it had come in the same read
        self.says(Ack(), ASKED)
        self.assertNoResult(self.protocol.gone)
        self.lose()
        self.assertEqual((self.listener.heard, self.listener.lost), ([], []))


class ConversationTests(ProtocolCase):
    """After the relay has accepted the identity."""

    def setUp(self) -> None:
        super().setUp()
        self.prove()
        self.said()

    def test_lines_go_to_the_listener(self) -> None:
        """In order, also those that come together with the ack; and there is no more hurry."""
        self.setUp()
        self.says(ASKED, ErrorLine(Code.NO_ROOM, "lobby", "no such room"))
        self.clock.advance(10 * PROOF_SECONDS)
        self.assertEqual([type(each) for each in self.listener.heard], [Asked, ErrorLine])
        self.assertFalse(self.transport.aborting)

    @given(st.lists(st.sampled_from([ASKED, ErrorLine(Code.GONE, "AAAA", "é")])), st.data())
    def test_however_it_is_cut_in_pieces(self, lines: list[Line], data: st.DataObject) -> None:
        """The same lines are heard, whole or a byte at a time."""
        stream = b"".join(serialise(each) + CRLF for each in lines)
        self.setUp()
        while stream:
            length = data.draw(st.integers(1, len(stream)))
            self.protocol.dataReceived(stream[:length])
            stream = stream[length:]
        self.assertEqual(self.listener.heard, lines)

    def test_client_says_lines(self) -> None:
        """One line, with its end."""
        self.protocol.say(Join("lobby"))
        self.assertEqual(self.transport.value(), b"join lobby\r\n")

    def test_relay_says_why_it_hangs_up(self) -> None:
        """That is the reason for the loss, not the close that follows."""
        for code, kind in ((Code.SUPERSEDED, Superseded), (Code.CLOSING, RelayClosing)):
            self.setUp()
            self.says(ErrorLine(code, "-", "good bye"), ASKED)
            self.lose()
            self.assertIsInstance(self.listener.lost[0], kind)
            self.assertEqual(self.listener.heard, [])

    def test_entry_that_is_refused_is_not_the_end(self) -> None:
        """Though the error names nothing, the listener hears it and the connection stays."""
        refused = ErrorLine(Code.ENTRY, "-", "it breaks a rule")
        self.says(refused)
        self.assertEqual(self.listener.heard, [refused])
        self.assertFalse(self.transport.aborting)

    def test_line_out_of_turn(self) -> None:
        """A second banner or ack ends it."""
        for line in (BANNER, Ack()):
            self.setUp()
            self.says(line, ASKED)
            self.assertTrue(self.transport.aborting)
            self.lose()
            self.assertIsInstance(self.listener.lost[0], NotARelay)
            self.assertEqual(self.listener.heard, [])

    def test_close(self) -> None:
        """A relay that does not answer the close is not waited for."""
        self.protocol.close()
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.transport.aborting)
        self.clock.advance(ABORT_SECONDS)
        self.assertTrue(self.transport.aborting)
        self.lose()
        (error,) = self.listener.lost
        self.assertIn("closed at this end", str(error))

    def test_close_that_is_answered(self) -> None:
        """Leaves nothing behind."""
        self.protocol.close()
        self.lose()
        self.assertEqual(len(self.listener.lost), 1)

    def test_first_reason_counts(self) -> None:
        """Whatever happens after the client gave up is because of that."""
        self.protocol.abort(RelayBusy(words="first"))
        self.protocol.abort(RelayBusy(words="second"))
        self.protocol.close()
        self.lose()
        self.assertIn("first", str(self.listener.lost[0]))
