"""The proof of an identity: what a connection may say before it, and what holds as one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.identity import Identity
from securechat.relay.limits import Limits
from securechat.wire import (
    MAX_LINE,
    Ack,
    Banner,
    Cancel,
    Code,
    ErrorLine,
    IdentityLine,
    Join,
    Nack,
    parse,
    serialise,
)
from tests.relay.clients import ADDRESS, Relay


class BannerTests(SynchronousTestCase):
    """What the relay says first."""

    def test_banner_has_versions_and_limits(self) -> None:
        """A client learns the protocol's version and the limits before it says anything."""
        limits = Limits(
            rooms_per_connection=3,
            joins_per_connection=2,
            members_per_room=7,
            mailboxes_per_connection=5,
        )
        banner = Relay(limits=limits).connect().hears(Banner)
        self.assertEqual(banner.versions, (1,))
        announced = {"line": MAX_LINE, "rooms": 3, "joins": 2, "members": 7, "mailboxes": 5}
        self.assertEqual(banner.limits, announced)

    def test_nonce_is_fresh(self) -> None:
        """No two connections sign the same banner."""
        relay = Relay()
        nonces = {relay.connect().hears(Banner).nonce for _ in range(8)}
        self.assertEqual(len(nonces), 8)


class ProofTests(SynchronousTestCase):
    """Which signatures prove an identity on a connection without TLS."""

    def setUp(self) -> None:
        self.relay = Relay()
        self.client = self.relay.connect()
        self.identity = Identity.generate()

    def refuses(self, line: IdentityLine) -> None:
        """Say *line*, and see that it is no proof and ends the connection."""
        self.client.says(line)
        self.assertIs(self.client.refused(), Code.PROOF)
        self.assertTrue(self.client.hung_up)

    def test_a_valid_proof_is_acknowledged(self) -> None:
        """The seed's Ack."""
        self.client.says(self.client.identify(self.identity))
        self.client.hears(Ack)
        self.assertFalse(self.client.hung_up)

    def test_each_address_of_the_relay_will_do(self) -> None:
        """A relay with several addresses takes the one that the client dialled."""
        other = Address("unix", path="/elsewhere")
        relay = Relay(addresses=[ADDRESS, other])
        for address in (ADDRESS, other):
            client = relay.connect()
            client.says(client.identify(self.identity, pin=address.dialled))
            client.hears(Ack)

    def test_the_proof_is_for_this_relay(self) -> None:
        """A proof made for another relay's address, which that relay passes on, is none."""
        elsewhere = Address("unix", path="/run/evil").dialled
        self.refuses(self.client.identify(self.identity, pin=elsewhere))

    def test_a_relay_without_address_believes_nobody(self) -> None:
        """Where the relay does not know its own address there is nothing that would bind."""
        self.client = Relay(addresses=[]).connect()
        self.refuses(self.client.identify(self.identity))

    def test_the_proof_is_for_this_connection(self) -> None:
        """A proof over another banner, recorded on another connection, is none."""
        other = self.relay.connect()
        self.client.hears(Banner)
        self.client.identity = self.identity
        self.refuses(other.identify(self.identity))

    def test_the_proof_is_for_this_identity(self) -> None:
        """The signature covers the fingerprint."""
        self.refuses(self.client.identify(self.identity, fingerprint=bytes(32)))

    def test_the_proof_is_for_no_tls(self) -> None:
        """A proof that was bound to a TLS connection does not hold without it."""
        self.refuses(self.client.identify(self.identity, binding=bytes(32)))

    def test_the_key_is_needed(self) -> None:
        """Another's bundle with one's own signature is no proof."""
        line = self.client.identify(Identity.generate())
        self.refuses(IdentityLine(1, self.identity.bundle.encode(), line.signature))

    def test_a_malformed_bundle_is_no_proof(self) -> None:
        """What is in the place of the bundle may be anything."""
        line = self.client.identify(self.identity)
        self.refuses(IdentityLine(1, b"\x80", line.signature))


class VersionTests(SynchronousTestCase):
    """Clients of other versions of the protocol."""

    def words(self, line: bytes) -> str:
        """Return what the relay says to the first line *line*."""
        client = Relay().connect()
        client.hears(Banner)
        client.says(line)
        self.assertTrue(client.hung_up)
        error = client.hears(ErrorLine)
        self.assertIs(error.code, Code.VERSION)
        return error.words

    def test_a_newer_client(self) -> None:
        """It is told both versions, and that the relay must be upgraded."""
        words = self.words(b"identity 2 whatever version 2 has here")
        self.assertIn("client speaks version 2", words)
        self.assertIn("this relay version 1", words)
        self.assertIn("the relay must be upgraded", words)

    def test_an_older_client(self) -> None:
        """It is told that itself must be."""
        self.assertIn("the client must be upgraded", self.words(b"identity 0"))

    def test_a_version_that_is_none(self) -> None:
        """What is no number is malformed."""
        client = Relay().connect()
        client.hears(Banner)
        client.says("identity ² x y".encode())
        self.assertIs(client.refused(), Code.MALFORMED)
        self.assertTrue(client.hung_up)


class FirstLineTests(SynchronousTestCase):
    """What may be said before the identity is proved: nothing else."""

    def setUp(self) -> None:
        self.client = Relay().connect()
        self.client.hears(Banner)

    def assert_ends(self, code: Code) -> None:
        """The relay has said one error, and has hung up."""
        self.assertIs(self.client.refused(), code)
        self.assertTrue(self.client.hung_up)

    def test_another_verb(self) -> None:
        """It cannot be said now."""
        self.client.says(Join("lobby"))
        self.assert_ends(Code.STATE)

    def test_no_verb(self) -> None:
        """It is nobody's."""
        self.client.says(b"GET / HTTP/1.1")
        self.assert_ends(Code.UNKNOWN)

    def test_a_verb_of_the_relay(self) -> None:
        """A client may not say what the relay says."""
        self.client.says(b"ack")
        self.assert_ends(Code.UNKNOWN)

    def test_a_malformed_identity(self) -> None:
        """It does not parse."""
        self.client.says(b"identity 1 x")
        self.assert_ends(Code.MALFORMED)

    def test_what_follows_the_close_is_ignored(self) -> None:
        """Nothing that was said after the first wrong line is answered, or even kept."""
        data = serialise(Join("lobby")) + b"\r\n"
        self.client.connection.dataReceived(data * 3)
        self.client.connection.dataReceived(data)
        self.client.connection.dataReceived(b"x" * 100_000)
        self.assert_ends(Code.STATE)

    def test_who_says_both_at_once_is_served(self) -> None:
        """The lines after a valid proof are a session's, even in the same packet."""
        client = Relay().connect()
        proof = serialise(client.identify(Identity.generate()))
        client.connection.dataReceived(proof + b"\r\njoin lobby\r\n")
        ack, refusal = client.hear()
        self.assertEqual(ack, Ack())
        assert isinstance(refusal, ErrorLine)
        self.assertIs(refusal.code, Code.NO_ROOM)

    def test_the_identity_is_proved_once(self) -> None:
        """A second identity line ends the session."""
        client = Relay().connect()
        line = client.identify(Identity.generate())
        client.says(line, line)
        _, refusal = client.hear()
        assert isinstance(refusal, ErrorLine)
        self.assertIs(refusal.code, Code.STATE)
        self.assertTrue(client.hung_up)


class SupersedeTests(SynchronousTestCase):
    """Two connections of one identity."""

    def test_the_newer_connection_wins(self) -> None:
        """The older is told so, and hung up."""
        relay = Relay()
        older = relay.client()
        newer = relay.client(older.identity)
        self.assertIs(older.refused(), Code.SUPERSEDED)
        self.assertTrue(older.hung_up)
        older.lose()
        newer.says(Cancel("lobby"))
        self.assertIs(newer.refused(), Code.STATE)

    def test_without_a_proof_nobody_is_superseded(self) -> None:
        """To know a fingerprint is not enough to disconnect its owner."""
        relay = Relay()
        older = relay.client()
        intruder = relay.connect()
        intruder.says(intruder.identify(older.identity, pin=b"elsewhere"))
        self.assertEqual(older.hear(), [])

    def test_the_newer_connection_is_live_nowhere(self) -> None:
        """It takes over the identity, and resumes its rooms by itself."""
        relay = Relay()
        founder, _ = relay.room(2)
        newer = relay.client(founder.identity)
        newer.log = founder.log
        newer.says(newer.frame())
        self.assertIs(newer.refused(), Code.STATE)

    def test_an_attempt_of_the_older_connection_is_over(self) -> None:
        """Its keys are in a process that is gone: the next member is asked."""
        relay = Relay()
        first, second = relay.room(2)
        joiner = relay.client()
        joiner.join()
        attempt = first.asked()
        newer = relay.client(first.identity)
        newer.says(Nack(attempt))
        self.assertIs(newer.refused(), Code.ATTEMPT)
        self.assertNotEqual(second.asked(), attempt)


class LineTests(SynchronousTestCase):
    """The banner as bytes, since it is signed as bytes."""

    def test_the_banner_is_one_line(self) -> None:
        """What is signed is what was sent, without CRLF."""
        client = Relay().connect()
        data = client.transport.value()
        self.assertTrue(data.endswith(b"\r\n"))
        self.assertEqual(serialise(parse(data[:-2])), data[:-2])
