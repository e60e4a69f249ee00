"""
Addresses: where a relay is, which of its rooms is meant, and whose key it must show.

=============================================  =============================================
``securechat://HOST[:PORT][/ROOM][#PIN]``      over TLS; an IPv6 address stands in brackets
``securechat+unix:///PATH[?room=ROOM]``        over a unix socket, without TLS
``securechat+onion://NAME.onion[:PORT][/ROOM]``  over an onion service, without TLS
=============================================  =============================================

PIN is the SHA-256 of the relay's TLS public key (its SubjectPublicKeyInfo, in DER), in
base64url without padding: 43 characters. Without it a certificate authority and the host
name decide.

There is one way to write an address: every `Address` that exists is valid and canonical, and
two that lead to the same place in the same way are equal. This module opens no connection
and asks no name server.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import posixpath
import re
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote_to_bytes

import attrs

from securechat.errors import AddressError
from securechat.wire import LABEL

Kind: TypeAlias = Literal["tls", "unix", "onion"]

DEFAULT_PORT = 7117
PIN_LENGTH = 32

_PIN_TEXT_LENGTH = 43
_MAX_TEXT = 1024
_MAX_UNIX_PATH = 107  # bytes, with one for the zero at the end: unix(7)
_SCHEMES: dict[str, Kind] = {
    "securechat": "tls",
    "securechat+unix": "unix",
    "securechat+onion": "onion",
}
_HOST_LABEL = re.compile("[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_ONION = re.compile(r"[a-z2-7]{56}\.onion")


def check_label(text: str) -> str:
    """
    Return *text* without the one ``#`` that it may begin with, if that is a room's label.

    :raises AddressError: if it is none.
    """
    label = text.removeprefix("#")
    if not LABEL.fullmatch(label):
        raise AddressError(
            what="a room's label has 1 to 64 of a-z, 0-9, '.', '_' and '-', "
            "and begins with a letter or digit"
        )
    return label


def check_pin(text: str) -> bytes:
    """
    Return the 32 bytes of the pin *text*.

    :raises AddressError: if it is none.
    """
    if len(text) != _PIN_TEXT_LENGTH:
        raise AddressError(
            what=f"what follows '#' is the relay's pin and has {_PIN_TEXT_LENGTH} characters, "
            f"not {len(text)} (a room is written /ROOM)"
        )
    try:
        pin = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        pin = b""
    if pin_text(pin) != text:
        raise AddressError(what="the pin after '#' is mistyped: it is no base64url")
    return pin


def pin_text(pin: bytes) -> str:
    """Return *pin* (32 bytes) as it stands in an address, 43 characters."""
    return base64.urlsafe_b64encode(pin).decode("ascii").rstrip("=")


def _lower(host: str) -> str:
    return host.lower()


@attrs.frozen
class Address:
    """
    A relay's address, or that of one of its rooms.

    :param host: the host of ``tls`` and ``onion``, an IPv6 address without brackets.
    :param path: the absolute path of a ``unix`` socket.
    :param room: a room's label, without ``#``.
    :param pin: 32 bytes, for ``tls`` only.
    :raises AddressError: if these are not an address.
    """

    kind: Kind = "tls"
    host: str = attrs.field(default="", converter=_lower)
    port: int = DEFAULT_PORT
    path: str = ""
    room: str | None = None
    pin: bytes | None = None

    def __attrs_post_init__(self) -> None:
        if self.kind == "unix":
            object.__setattr__(self, "path", _path(self.path))
            if self.host or self.port != DEFAULT_PORT:
                raise AddressError(what="a unix socket has no host and no port")
        else:
            object.__setattr__(self, "host", _host(self.kind, self.host))
            if not 0 < self.port < 65536:
                raise AddressError(what="the port is not between 1 and 65535")
            if self.path:
                raise AddressError(what="only a unix socket has a path")
        if self.room is not None:
            object.__setattr__(self, "room", check_label(self.room))
        if self.pin is not None and (self.kind != "tls" or len(self.pin) != PIN_LENGTH):
            raise AddressError(what="only a relay over TLS has a pin, and it has 32 bytes")

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        Return the address that *text* is, white space around it aside.

        :raises AddressError: if it is none; it says what is wrong.
        """
        text = text.strip()
        if len(text) > _MAX_TEXT:
            raise AddressError(what="it is too long")
        if not re.fullmatch("[!-~]*", text):
            raise AddressError(
                what="it has characters that are not ASCII, or a space in it (write a host's "
                "name as in the DNS: xn--…)"
            )
        scheme, found, rest = text.partition("://")
        if not found:
            raise AddressError(what="it does not begin with securechat://")
        kind = _SCHEMES.get(scheme.lower())
        if kind is None:
            raise AddressError(what=f"its scheme is none of {', '.join(_SCHEMES)}")
        return _parse_unix(rest) if kind == "unix" else _parse_host(kind, rest)

    def __str__(self) -> str:
        if self.kind == "unix":
            room = f"?room={self.room}" if self.room else ""
            return f"securechat+unix://{quote(self.path)}{room}"
        scheme = "securechat" if self.kind == "tls" else "securechat+onion"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        room = f"/{self.room}" if self.room else ""
        pin = f"#{pin_text(self.pin)}" if self.pin else ""
        return f"{scheme}://{host}{port}{room}{pin}"

    @property
    def relay(self) -> Address:
        """The same without a room."""
        return attrs.evolve(self, room=None)

    def in_room(self, label: str) -> Address:
        """
        Return the address of the room *label* at the same relay.

        :raises AddressError: if *label* is none.
        """
        return attrs.evolve(self, room=label)

    @property
    def dialled(self) -> bytes:
        """What a client signs as the relay's name where there is no TLS: no room, no pin."""
        return str(attrs.evolve(self, room=None, pin=None)).encode("ascii")


def _path(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise AddressError(what="a unix socket's path is absolute: securechat+unix:///run/…")
    path = "/" + posixpath.normpath(path).lstrip("/")
    if path == "/":
        raise AddressError(what="it names no unix socket")
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise AddressError(what="the path is not UTF-8") from None
    if length > _MAX_UNIX_PATH:
        raise AddressError(
            what=f"a unix socket's path has at most {_MAX_UNIX_PATH} bytes, not {length}"
        )
    return path


def _host(kind: Kind, host: str) -> str:
    if kind == "onion":
        if not _ONION.fullmatch(host):
            raise AddressError(what="an onion service's name has 56 of a-z and 2-7, then .onion")
        return host
    if ":" in host:
        if "%" in host:
            raise AddressError(what="an IPv6 address with a zone means something on one host only")
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise AddressError(what="it holds no valid IPv6 address") from None
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(map(_HOST_LABEL.fullmatch, labels)):
        raise AddressError(what="it names no host (an IPv6 address stands in [brackets])")
    if labels[-1].isdigit():
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise AddressError(what="it holds no valid IPv4 address") from None
    return host


def _parse_unix(rest: str) -> Address:
    path, _, query = rest.partition("?")
    name, _, room = query.partition("=")
    if query and name != "room":
        raise AddressError(what="after a unix socket's path only ?room=ROOM can follow")
    if "#" in rest:
        raise AddressError(what="a unix socket has no pin; a room is written ?room=ROOM")
    try:
        path = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise AddressError(what="the path is not UTF-8") from None
    return Address("unix", path=path, room=room if query else None)


def _parse_host(kind: Kind, rest: str) -> Address:
    where, hash_sign, pin = rest.partition("#")
    where, _, room = where.partition("/")
    found = re.fullmatch(r"(?:\[([^][]*:[^][]*)\]|([^][:]*))(?::(.*))?", where)
    if found is None:
        raise AddressError(what="HOST:PORT is malformed (an IPv6 address stands in [brackets])")
    port = found[3]
    if port is not None and not re.fullmatch("[0-9]{1,5}", port):
        raise AddressError(what="the port is not a number between 1 and 65535")
    return Address(
        kind,
        host=found[1] or found[2],
        port=DEFAULT_PORT if port is None else int(port),
        room=room or None,
        pin=check_pin(pin) if hash_sign else None,
    )
