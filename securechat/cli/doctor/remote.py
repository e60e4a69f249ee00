"""
The relay, step by step, as a chat would get to it: name, port, TLS, whose key it is, what it
speaks, whether it lets the user in, and the room.

It ends with the first step that fails, since the next ones cannot do better.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from cryptography.x509 import Certificate
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    connectProtocol,
)
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostResolution, IResolutionReceiver, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from securechat.address import Address, pin_text
from securechat.channel import pin_of
from securechat.cli.doctor.findings import Report
from securechat.cli.doctor.look import NEEDED, look
from securechat.cli.roster import count
from securechat.client.endpoint import endpoint_for
from securechat.client.protocol import ClientProtocol
from securechat.client.refusals import bare, error_for, lost, subject
from securechat.client.tls import is_ip, shown_names
from securechat.errors import (
    ConnectFailed,
    NeedsEndpoint,
    NotARelay,
    RelaySilent,
    SecureChatError,
    UntrustedCertificate,
    VersionMismatch,
    WrongName,
    WrongPin,
)
from securechat.identity import Identity
from securechat.wire import Banner, ErrorLine, Line, Online, Who

SECONDS = 10.0
"""How long one address may take to accept a connection, and the relay to answer a question."""

_CHECKS: tuple[tuple[str, tuple[type[SecureChatError], ...]], ...] = (
    ("pin", (WrongPin,)),
    ("certificate", (WrongName, UntrustedCertificate)),
    ("relay", (VersionMismatch, NotARelay)),
)
"""What an error is about, whenever it comes."""


@attrs.frozen
class Caller:
    """
    Who asks the relay.

    :param identity: whose login is tried.
    :param own: whether that is the user's, and not one that was made for this.
    :param room: G of the room to ask about, if there is one that the user knows.
    """

    identity: Identity
    own: bool
    room: bytes | None = None


class There:
    """The relay at *address*."""

    def __init__(
        self, reactor: Any, address: Address, through: IStreamClientEndpoint | None, report: Report
    ) -> None:
        """:param through: as for `endpoint_for`."""
        self._reactor = reactor
        self._address = address
        self._through = through
        self._report = report

    async def examine(self, caller: Caller) -> None:
        """Take one step after the other."""
        try:
            endpoint = endpoint_for(self._reactor, self._address.relay, self._through)
        except NeedsEndpoint as error:
            self._report.wrong("address", error)
            return
        if await self._reachable() and (self._address.kind != "tls" or await self._tls()):
            await self._converse(endpoint, caller)

    # The way there

    async def _reachable(self) -> bool:
        """Whether connections come about, by one address at least."""
        if self._through is not None:
            self._report.skipped("name", "the way there is that of --endpoint")
            return True
        if self._address.kind == "unix":
            return True
        found = await self._resolve()
        if not found:
            error = DNSLookupError(f"there is no such name as {self._address.host}")
            self._report.wrong("name", lost(self._address, Failure(error)))
            return False
        if not is_ip(self._address.host):
            hosts = ", ".join(each.host for each in found)
            self._report.ok("name", f"{self._address.host} is {hosts}")
        return await self._ports(found)

    async def _resolve(self) -> list[IPv4Address | IPv6Address]:
        resolving = _Resolving()
        host = self._address.host
        self._reactor.nameResolver.resolveHostName(resolving, host, self._address.port)
        return await resolving.done

    async def _ports(self, found: Sequence[IPv4Address | IPv6Address]) -> bool:
        """Whether the port takes connections by one of the addresses *found*."""
        tried = await gatherResults([Deferred.fromCoroutine(self._dial(each)) for each in found])
        some = None in tried
        for each, why in zip(found, tried, strict=True):
            if why is None:
                self._report.ok("port", f"{each.host} takes connections on port {each.port}")
            elif some:
                self._report.warning(
                    "port",
                    f"{each.host} does not: {why}. A chat takes another address, after a moment; "
                    "whoever runs the relay, or your network, should mend this one",
                )
            else:
                self._report.wrong("port", ConnectFailed(address=f"{each.host}", why=why))
        return some

    async def _dial(self, where: IPv4Address | IPv6Address) -> str | None:
        """Return why there is no connection to *where*, None if there is."""
        kind = TCP4ClientEndpoint if isinstance(where, IPv4Address) else TCP6ClientEndpoint
        try:
            endpoint = kind(self._reactor, where.host, where.port, timeout=SECONDS)
            touch = await connectProtocol(endpoint, _Touch())
        except Exception:  # whatever an endpoint fails with, `lost` puts into words
            error = lost(self._address, Failure())
            return error.why if isinstance(error, ConnectFailed) else str(error)
        await touch.gone
        return None

    # Who is there

    async def _tls(self) -> bool:
        """Look at what shows itself; whether a chat could go on."""
        dialled = self._through or HostnameEndpoint(
            self._reactor, self._address.host, self._address.port
        )
        try:
            shown = await look(self._reactor, self._address, dialled)
        except SecureChatError as error:
            self._report.wrong("tls", error)
            return False
        if shown.version != NEEDED:
            why = f"it speaks {shown.version}, and securechat needs {NEEDED}"
            self._report.wrong("tls", ConnectFailed(address=str(self._address.relay), why=why))
            return False
        self._report.ok("tls", f"{shown.version}, keys by {shown.group}")
        self._certificate(shown.certificate)
        return True

    def _certificate(self, certificate: Certificate) -> None:
        """Say what *certificate* is; whether it is the right one a chat's own code says later."""
        now = datetime.now(UTC)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        words = f"it is for {shown_names(certificate)}, from {begin.date()} to {end.date()}"
        pin = self._address.pin
        if begin <= now <= end:
            self._report.ok("certificate", words)
        else:
            when = "over" if now > end else "still to come"
            after = "Whoever runs the relay has to renew it"
            if pin is not None:
                after = "With the pin in the address that does not matter"
            self._report.warning(
                "certificate",
                f"{words}, which is {when}. {after}, unless it is your clock that is wrong: here "
                f"it is {now:%Y-%m-%d %H:%M} UTC",
            )
        if pin is None:
            self._report.skipped(
                "pin",
                f"the address has none; that of what answers is {pin_text(pin_of(certificate))}",
            )

    # What it says

    async def _converse(self, endpoint: IStreamClientEndpoint, caller: Caller) -> None:
        """Log in, and ask about the room."""
        ear = _Ear()
        protocol = _Examined(caller.identity, self._address, self._reactor, ear)
        try:
            await connectProtocol(endpoint, protocol)
        except Exception:  # whatever an endpoint fails with, `lost` puts into words
            self._failed(protocol, lost(self._address, Failure()))
            return
        try:
            await protocol.proved
            self._banner(protocol.banner)
            self._report.ok("login", _welcome(caller))
            if caller.room is not None:
                await self._room(protocol, ear, caller.room)
        except SecureChatError as error:
            await protocol.gone  # which comes next: it is the connection that has failed
            self._failed(protocol, error)
        finally:
            if not protocol.gone.called:
                protocol.close()
                await protocol.gone

    def _failed(self, protocol: _Examined, error: SecureChatError) -> None:
        """The conversation has ended with *error*."""
        default = "relay" if protocol.banner is None else "login"
        check = next((name for name, kinds in _CHECKS if isinstance(error, kinds)), default)
        if check == "login":
            self._banner(protocol.banner)
        self._report.wrong(check, error)

    def _banner(self, banner: Banner | None) -> None:
        """Say what *banner*, that of the right relay, holds."""
        assert banner is not None, "the relay speaks first"
        if self._address.pin is not None:
            self._report.ok("pin", "the relay has proved to hold the key that the address names")
        versions = ", ".join(map(str, banner.versions))
        self._report.ok("relay", f"it speaks version {versions} of the protocol")
        limits = ", ".join(f"{name} {number:,}" for name, number in banner.limits.items())
        self._report.ok("limits", f"the relay announces {limits}")

    async def _room(self, protocol: ClientProtocol, ear: _Ear, room: bytes) -> None:
        label = str(self._address.room)
        protocol.say(Who(room))
        silent = RelaySilent(address=str(self._address.relay), seconds=SECONDS)
        timer = self._reactor.callLater(SECONDS, protocol.abort, silent)
        try:
            line = await ear.answer(room)
        except SecureChatError as error:
            await protocol.gone  # as above
            self._report.wrong("room", error)
            return
        finally:
            if timer.active():
                timer.cancel()
        if isinstance(line, ErrorLine):
            self._report.wrong("room", error_for(line, resumed=label))
        else:
            online = count(sum(each.bit_count() for each in line.rows), "member")
            self._report.ok(
                "room", f"#{label} is there, you are one of its members, and {online} online"
            )


def _welcome(caller: Caller) -> str:
    if caller.own:
        return "the relay accepts your identity"
    return "the relay accepts an identity that was made for this, and is forgotten now"


class _Examined(ClientProtocol):
    """A client's line to the relay, of which the banner is kept."""

    banner: Banner | None = None

    def prove(self, banner: Banner, raw: bytes) -> None:
        self.banner = banner
        super().prove(banner, raw)


class _Ear:
    """Waits for the relay's answer about one room, and leaves aside what else it says."""

    def __init__(self) -> None:
        self._room = b""
        self._answer: Deferred[Online | ErrorLine] = Deferred()

    def answer(self, room: bytes) -> Deferred[Online | ErrorLine]:
        self._room = room
        return self._answer

    def line_received(self, line: Line) -> None:
        match line:
            case Online() if line.room == self._room and not self._answer.called:
                self._answer.callback(line)
            case ErrorLine() if line.subject == subject(self._room) and not self._answer.called:
                self._answer.callback(line)

    def connection_lost(self, error: SecureChatError) -> None:
        if self._room and not self._answer.called:
            self._answer.errback(bare(error))


class _Touch(Protocol):
    """Hangs up at once."""

    transport: Any

    def __init__(self) -> None:
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


@implementer(IResolutionReceiver)
class _Resolving:
    """Gathers the addresses of a host, each once."""

    def __init__(self) -> None:
        self.done: Deferred[list[IPv4Address | IPv6Address]] = Deferred()
        self._found: dict[IPv4Address | IPv6Address, None] = {}

    def resolutionBegan(self, resolution: IHostResolution) -> None: ...

    def addressResolved(self, address: Any) -> None:
        self._found[address] = None

    def resolutionComplete(self) -> None:
        self.done.callback(list(self._found))
