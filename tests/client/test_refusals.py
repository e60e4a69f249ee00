"""Tests of `securechat.client.refusals`."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from securechat import errors
from securechat.address import Address
from securechat.client.refusals import as_error, bare, error_for, is_last, lost, subject
from securechat.wire import Code, ErrorLine

ADDRESS = Address(host="relay.example", room="lobby")

ERRORS: dict[Code, type[errors.SecureChatError]] = {
    Code.NO_ROOM: errors.NoSuchRoom,
    Code.TAKEN: errors.RoomTaken,
    Code.FOUNDERS: errors.MayNotFound,
    Code.NOT_MEMBER: errors.NotAMember,
    Code.NOBODY: errors.NobodyVouches,
    Code.FORK: errors.RelayForked,
    Code.PROOF: errors.ProofRefused,
    Code.BUSY: errors.RelayBusy,
    Code.SUPERSEDED: errors.Superseded,
    Code.CLOSING: errors.RelayClosing,
}

NO_LABEL = set(Code) - set(ERRORS) | {Code.PROOF, Code.BUSY, Code.SUPERSEDED, Code.CLOSING}
"""About the whole connection, or a fault."""


class ErrorLineTests(SynchronousTestCase):
    """`error_for`, `is_last` and `subject`."""

    def test_every_code_is_an_error_that_can_be_shown(self) -> None:
        """Each has its class; those that only a fault brings about show the relay's words."""
        for code in Code:
            error = error_for(ErrorLine(code, "lobby", "why it was so"))
            self.assertIs(type(error), ERRORS.get(code, errors.RelayRefused), code)
            if code not in (Code.FOUNDERS, *NO_LABEL):
                self.assertIn("#lobby", str(error))
            if type(error) is errors.RelayRefused:
                self.assertIn("why it was so", str(error))

    def test_a_room_that_is_not_there_any_more(self) -> None:
        """To who was in it, a room that is not there is lost or hidden; and it has its label."""
        error = error_for(ErrorLine(Code.NO_ROOM, "AAAA", "no such room"), "lobby")
        self.assertIsInstance(error, errors.RoomKnown)
        for code in (Code.NOT_MEMBER, Code.FORK):
            self.assertIn("#lobby", str(error_for(ErrorLine(code, "AAAA", "no"), "lobby")))

    def test_errors_about_nothing_are_the_last(self) -> None:
        """The relay closes the connection after them; but not because an entry is refused."""
        for code in Code:
            self.assertFalse(is_last(ErrorLine(code, "lobby", "words")))
            self.assertEqual(is_last(ErrorLine(code, "-", "words")), code is not Code.ENTRY)

    def test_subjects_are_base64url(self) -> None:
        """As the relay spells rooms and attempts, without padding."""
        self.assertEqual(subject(b"\xff" * 16), "_____________________w")


class LostTests(SynchronousTestCase):
    """`lost`: why a connection failed or ended."""

    def why(self, error: BaseException, handle: Any = None) -> errors.SecureChatError:
        """Return what the user is told."""
        told = lost(ADDRESS, Failure(error), handle)
        self.assertNotIn("lobby", str(told))  # it is about the relay
        return told

    def test_each_way_to_end(self) -> None:
        """A close, a break, a refusal to connect; each says which relay and why."""
        for error, kind, text in (
            (ConnectionDone(), errors.ConnectionLost, "closed it"),
            (ConnectionLost(), errors.ConnectionLost, "broke"),
            (ConnectionRefusedError(), errors.ConnectFailed, "refused"),
            (OSError(), errors.ConnectFailed, "OSError"),
            (SSL.Error([("SSL", "", "wrong version number")]), errors.ConnectFailed, "wrong ver"),
            (SSL.Error([]), errors.ConnectFailed, "does not say"),
            (SSL.Error(), errors.ConnectFailed, "does not say"),
            (SSL.SysCallError(-1, "Unexpected EOF"), errors.ConnectFailed, "Unexpected EOF"),
            (
                SSL.Error([("SSL routines", "", "certificate verify failed")]),
                errors.UntrustedCertificate,
                "verify failed",
            ),
        ):
            told = self.why(error)
            self.assertIs(type(told), kind)
            self.assertIn(text, str(told))
            self.assertIn("securechat://relay.example", str(told))

    def test_an_error_of_ours_stays_itself(self) -> None:
        """And loses its traceback."""
        wrong = errors.WrongPin(address="here", expected="one", shown="other")
        self.assertIs(self.why(wrong), wrong)

    def test_names_of_a_certificate(self) -> None:
        """Where there is no certificate at hand, none are shown."""
        told = self.why(VerificationError([]))
        assert isinstance(told, errors.WrongName)
        self.assertEqual((told.expected, told.shown), ("relay.example", "nobody"))


class BareTests(SynchronousTestCase):
    """`bare` and `as_error`."""

    def test_no_frames_are_kept(self) -> None:
        """Neither those that it was raised in, nor those of what was handled meanwhile."""
        try:
            try:
                raise ValueError("inner")
            except ValueError:
                raise errors.NotConnected() from None
        except errors.NotConnected as error:
            self.assertIsNotNone(error.__traceback__)
            self.assertIsNotNone(error.__context__)
            self.assertIs(bare(error), error)
            self.assertIsNone(error.__traceback__)
            self.assertIsNone(error.__context__)

    def test_whatever_is_no_error_of_ours_is_raised(self) -> None:
        """A fault of the program is not taken for a refusal."""
        error = errors.NotConnected()
        self.assertIs(as_error(Failure(error)), error)
        self.assertRaises(ValueError, as_error, Failure(ValueError()))
