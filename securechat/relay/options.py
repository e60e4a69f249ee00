"""
The options of ``twistd securechat``.
"""

# mypy: allow-untyped-calls
# (Twisted has no annotations there.)

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

import attrs
import platformdirs
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import ILogObserver
from twisted.python.usage import Options, UsageError

from securechat import fingerprint
from securechat.address import DEFAULT_PORT, Address
from securechat.errors import SecureChatError
from securechat.relay.limits import Limits
from securechat.relay.listening import EverywhereEndpoint
from securechat.relay.logs import json_observer
from securechat.relay.retention import Retention

N = TypeVar("N", Limits, Retention)


def _spelled(field: str) -> str:
    return field.replace("_", "-")


def default_state() -> Path:
    """Return the directory of the relay's own files where nobody names one."""
    return platformdirs.user_data_path("securechat-relay")


def _number(option: str, kind: type[int] | type[float]) -> Callable[[str], float]:
    def coerce(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"--{option} takes a number, not {text!r}") from None

    return coerce


_NUMBERS = [
    [
        _spelled(field.name),
        None,
        field.default,
        field.metadata["help"],
        _number(_spelled(field.name), float if isinstance(field.default, float) else int),
    ]
    for field in (*attrs.fields(Limits), *attrs.fields(Retention))
]


class RelayOptions(Options):
    """
    What the operator wants.

    :param reactor: for the endpoints.
    """

    synopsis = "[options]"
    longdesc = (
        "A relay for securechat: it passes on and orders messages that it cannot read. "
        "Without any option it makes itself a key and listens on every address, "
        f"port {DEFAULT_PORT}."
    )
    optFlags: ClassVar[list[Any]] = [
        ["memory", None, "Keep rooms in memory, not on disk: they end with the relay."],
        ["log-wire", None, "Log the beginning of each line that a client says."],
    ]
    optParameters: ClassVar[list[Any]] = [
        ["name", None, None, "Host name or IP address under which clients reach this machine."],
        ["state-dir", None, None, "Directory of the relay's key, addresses and history."],
        ["certificate", None, None, "File with the TLS certificate and its chain (PEM)."],
        ["key", None, None, "File with the key of --certificate (PEM)."],
        ["founders", None, None, "File of fingerprints, one a line: who may found rooms."],
        ["durability", None, "process", "What the history outlasts: process (crash), or power."],
        ["log-format", None, "text", "text or json."],
        *_NUMBERS,
    ]

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.reactor = reactor
        self.tls: list[IStreamServerEndpoint] = []
        self.plain: list[IStreamServerEndpoint] = []
        self.metrics: list[IStreamServerEndpoint] = []
        self.addresses: list[Address] = []
        self.founders: frozenset[bytes] | None = None
        self.limits: Limits
        self.retention: Retention
        self.observer: Callable[[], ILogObserver] | None

    def opt_listen(self, endpoint: str) -> None:
        """
        Twisted server endpoint on which clients are served over TLS, such as tcp:7117. Can be
        given more than once.
        """
        self.tls.append(self._endpoint(endpoint))

    def opt_listen_plain(self, endpoint: str) -> None:
        """
        The same without TLS: for unix sockets and onion services. Can be given more than once.
        """
        self.plain.append(self._endpoint(endpoint))

    def opt_metrics(self, endpoint: str) -> None:
        """
        Twisted server endpoint on which metrics are served for Prometheus, such as
        tcp:9117:interface=127.0.0.1. Keep it local: whoever reaches it sees how much is said,
        though never what. Can be given more than once.
        """
        self.metrics.append(self._endpoint(endpoint))

    def opt_address(self, text: str) -> None:
        """
        Address at which clients reach a --listen-plain that is no unix socket, such as
        securechat+onion://NAME.onion. Can be given more than once.
        """
        try:
            address = Address.parse(text).relay
        except SecureChatError as error:
            raise UsageError(f"--address: {error}") from None
        if address.kind == "tls":
            raise UsageError("--address is for what has no TLS; a host's name is given by --name")
        self.addresses.append(address)

    def opt_version(self) -> NoReturn:
        """
        Show the version of securechat.
        """
        print(f"securechat {version('securechat')}")
        sys.exit(0)

    def postOptions(self) -> None:
        if not self.tls and not self.plain:
            self.tls.append(EverywhereEndpoint(self.reactor, DEFAULT_PORT))
        self.limits = self._numbers(Limits)
        self.retention = self._numbers(Retention)
        self.founders = self._founders()
        self._check_name()
        if (self["certificate"] is None) != (self["key"] is None):
            raise UsageError("--certificate and --key go together")
        if self["durability"] not in ("process", "power"):
            raise UsageError(f"--durability is process or power, not {self['durability']!r}")
        self.observer = self._observer()

    @property
    def name(self) -> str:
        """What clients call this machine."""
        return self["name"] or socket.gethostname()

    @property
    def state(self) -> Path:
        """The directory of the relay's own files."""
        return Path(self["state-dir"] or default_state()).absolute()

    def _endpoint(self, text: str) -> IStreamServerEndpoint:
        try:
            endpoint: IStreamServerEndpoint = serverFromString(self.reactor, text)
        except Exception as error:  # each kind of endpoint has errors of its own
            raise UsageError(f"{text!r} is no server endpoint: {error}") from None
        return endpoint

    def _numbers(self, kind: type[N]) -> N:
        names = [field.name for field in attrs.fields(kind)]
        try:
            return kind(**{name: self[_spelled(name)] for name in names})
        except ValueError as error:
            raise UsageError(_spelled(error.args[0])) from None

    def _founders(self) -> frozenset[bytes] | None:
        path = self["founders"]
        if path is None:
            return None
        found = set()
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--founders {path}: {error}") from None
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            try:
                found.update([fingerprint.parse(text)] if text else [])
            except SecureChatError as error:
                raise UsageError(f"--founders {path}, line {number}: {error}") from None
        return frozenset(found)

    def _check_name(self) -> None:
        try:
            Address(host=self.name)
        except SecureChatError:
            raise UsageError(
                f"{self.name!r} is no host name: give the one that clients use, by --name"
            ) from None

    def _observer(self) -> Callable[[], ILogObserver] | None:
        kind = self["log-format"]
        if kind not in ("text", "json"):
            raise UsageError(f"--log-format is text or json, not {kind!r}")
        if kind == "text":
            return None  # that is twistd's own
        twistd: Any = self.parent or {}
        if "logfile" not in twistd:
            raise UsageError("--log-format is for twistd; twist has an option of that name")
        return partial(json_observer, twistd["logfile"], foreground=bool(twistd["nodaemon"]))
