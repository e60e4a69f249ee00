"""
What went wrong, as errors that a person can read: from the relay's `error` lines, and from the
reasons for which connections fail.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TypeVar

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionLost as TransportLost
from twisted.python.failure import Failure

from securechat import errors
from securechat.address import Address
from securechat.client.tls import shown_names
from securechat.fingerprint import to_groups
from securechat.group.detail import Why
from securechat.group.events import Removed
from securechat.wire import Code, ErrorLine

E = TypeVar("E", bound=BaseException)


def bare(error: E) -> E:
    """
    Return *error* without its traceback and what was handled when it was raised: they keep
    frames alive, and so the keys in them, for as long as somebody keeps the error.
    """
    error.__context__ = None
    return error.with_traceback(None)


def subject(identifier: bytes) -> str:
    """Return how the subject of an `error` line spells a room or an attempt."""
    return urlsafe_b64encode(identifier).decode("ascii").rstrip("=")


def is_last(line: ErrorLine) -> bool:
    """Whether the relay closes the connection after *line*, which is then about all of it."""
    return line.subject == "-" and line.code is not Code.ENTRY


def error_for(line: ErrorLine, resumed: str | None = None) -> errors.SecureChatError:
    """
    Return the error that *line* is to the person who made the client say something.

    :param resumed: the label of the room, where the line refuses to resume it.
    """
    if resumed is not None and line.code is Code.NO_ROOM:
        return errors.RoomKnown(label=resumed)
    label = resumed or line.subject
    match line.code:
        case Code.NO_ROOM:
            return errors.NoSuchRoom(label=label)
        case Code.TAKEN:
            return errors.RoomTaken(label=label)
        case Code.FOUNDERS:
            return errors.MayNotFound(label=label)
        case Code.NOT_MEMBER:
            return errors.NotAMember(label=label)
        case Code.NOBODY:
            return errors.NobodyVouches(label=label, words=line.words)
        case Code.FORK:
            return errors.RelayForked(label=label)
        case Code.PROOF:
            return errors.ProofRefused(words=line.words)
        case Code.BUSY:
            return errors.RelayBusy(words=line.words)
        case Code.SUPERSEDED:
            return errors.Superseded(words=line.words)
        case Code.CLOSING:
            return errors.RelayClosing(words=line.words)
        case _:
            return errors.RelayRefused(words=line.words)


_WHY = {
    Why.LEFT: "as you had asked",
    Why.STALE: "since you had been away for too long",
    Why.KICKED: "as owners and moderators may",
    Why.REVOKED: "since your identity was revoked",
}


def removed(event: Removed) -> errors.WasRemoved:
    """Return the error that *event* is to who tries to do something in the room."""
    return errors.WasRemoved(
        label=event.label, by=event.by, groups=to_groups(event.by), why=_WHY[event.why]
    )


def lost(
    address: Address, reason: Failure, handle: SSL.Connection | None = None
) -> errors.SecureChatError:
    """
    Return why the connection to *address* failed or ended, from Twisted's *reason*.

    :param handle: the TLS connection, where there was one: it knows the relay's certificate.
    """
    relay, error = str(address.relay), reason.value
    if isinstance(error, errors.SecureChatError):
        return bare(error)
    if isinstance(error, VerificationError):
        return errors.WrongName(address=relay, expected=address.host, shown=_names(handle))
    if isinstance(error, SSL.Error):
        return _tls_failed(relay, error)
    if isinstance(error, ConnectionDone):
        return errors.ConnectionLost(address=relay, why="the relay closed it")
    if isinstance(error, TransportLost):
        return errors.ConnectionLost(address=relay, why="it broke")
    return errors.ConnectFailed(address=relay, why=str(error).rstrip(".") or type(error).__name__)


def _tls_failed(relay: str, error: SSL.Error) -> errors.SecureChatError:
    queue = error.args[0] if error.args else ()  # of OpenSSL's errors: library, function, reason
    reasons = "; ".join(each[-1] for each in queue) if isinstance(queue, list) else str(error)
    reasons = reasons or "it does not say why"
    if "certificate verify failed" in reasons:
        return errors.UntrustedCertificate(address=relay, why=reasons)
    return errors.ConnectFailed(address=relay, why=f"TLS failed: {reasons}")


def _names(handle: SSL.Connection | None) -> str:
    """Return the names that the relay's certificate is for."""
    chain = handle and handle.get_peer_cert_chain(as_cryptography=True)
    return shown_names(chain[0]) if chain else "nobody"


def as_error(reason: Failure) -> errors.SecureChatError:
    """Return the error that *reason* holds; anything else is raised again."""
    reason.trap(errors.SecureChatError)
    assert isinstance(reason.value, errors.SecureChatError)
    return reason.value
