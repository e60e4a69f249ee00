"""
The proof that a client holds the key of the identity that it names.

A client signs the banner, what binds the signature to this one connection, and whom it
believes to be talking to. Over TLS that is the exporter (RFC 9266) and the hash of the TLS
key that it sees; so a relay cannot use the proof that it was given to pose as the client
elsewhere. Without TLS it is the address that the client dialled, which must be one of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from OpenSSL import SSL
from twisted.internet.interfaces import ISSLTransport, ISystemHandle

from securechat.address import Address
from securechat.channel import binding, pin_of
from securechat.errors import BadSignature, Malformed
from securechat.identity import Bundle
from securechat.relay.refusal import Refusal
from securechat.wire import PROTOCOL_VERSION, Code, IdentityLine


@attrs.frozen
class Channel:
    """What a client can have signed on one connection."""

    binding: bytes
    """The TLS exporter; empty without TLS."""
    pins: tuple[bytes, ...]
    """The hash of our TLS key; without TLS, our addresses as a client may have dialled them."""

    @classmethod
    def of(cls, transport: object, addresses: Iterable[Address]) -> Channel:
        """
        Return the channel that *transport* is. Over TLS, the handshake must be done.

        :param addresses: where this relay can be reached without TLS.
        """
        if not ISSLTransport.providedBy(transport):
            return cls(b"", tuple(address.dialled for address in addresses))
        tls: Any = ISystemHandle(transport).getHandle()
        return cls(binding(tls), (_pin(tls),))


_pins: WeakKeyDictionary[SSL.Context, bytes] = WeakKeyDictionary()


def _pin(tls: SSL.Connection) -> bytes:
    """Return the pin of the certificate of this very connection; the relay may have another one."""
    context = tls.get_context()
    pin = _pins.get(context)
    if pin is None:
        certificate: Any = tls.get_certificate(as_cryptography=True)
        pin = _pins[context] = pin_of(certificate)
    return pin


def check_version(line: bytes) -> None:
    """
    Check the version in an `identity` line before the rest of it, whose form may differ.

    :raises Refusal: for another version than ours; it says who must upgrade.
    """
    verb, _, rest = line.partition(b" ")
    version = rest.partition(b" ")[0][:8]
    if verb != IdentityLine.verb.encode("ascii") or not version.isdigit():
        return  # not this function's to refuse
    if int(version) != PROTOCOL_VERSION:
        who = "relay" if int(version) > PROTOCOL_VERSION else "client"
        raise Refusal(
            Code.VERSION,
            f"the client speaks version {int(version)} of the protocol and this relay version "
            f"{PROTOCOL_VERSION}: the {who} must be upgraded",
            closes=True,
        )


def prove(line: IdentityLine, banner: bytes, channel: Channel) -> Bundle:
    """
    Return the bundle of the identity that *line* proves.

    :param banner: the bytes of the banner on this connection, without CRLF.
    :raises Refusal: if it proves none.
    """
    try:
        bundle = Bundle.decode(line.bundle)
    except Malformed as error:
        raise Refusal(Code.PROOF, str(error), closes=True) from None
    for pin in channel.pins:
        try:
            bundle.verify(
                line.signature, "identity", banner, channel.binding, pin, bundle.fingerprint
            )
        except BadSignature:
            continue
        return bundle
    raise Refusal(
        Code.PROOF,
        "the identity is not proved: the signature is not its key's, or was made for another "
        "connection or another relay's address",
        closes=True,
    )
