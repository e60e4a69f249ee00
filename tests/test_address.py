"""Tests of `securechat.address`."""

from __future__ import annotations

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address, check_label, check_pin, pin_text
from securechat.errors import AddressError

PIN = bytes(range(32))
PIN_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
ONION = "abcdefgh234567ij" * 3 + "klmnopqr.onion"

labels = st.from_regex("[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
names = st.from_regex("[a-z]([a-z0-9-]{0,20}[a-z])?([.][a-z]{2,9}){0,3}", fullmatch=True)
hosts = names | st.ip_addresses().map(str)
ports = st.integers(1, 65535)
paths = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20).map(
    "/run/relay".__add__
)
onions = st.from_regex("[a-z2-7]{56}", fullmatch=True).map(lambda name: name + ".onion")
addresses = (
    st.builds(
        Address,
        host=hosts,
        port=ports,
        room=st.none() | labels,
        pin=st.none() | st.binary(min_size=32, max_size=32),
    )
    | st.builds(Address, st.just("unix"), path=paths, room=st.none() | labels)
    | st.builds(Address, st.just("onion"), host=onions, port=ports, room=st.none() | labels)
)


class AddressTests(SynchronousTestCase):
    """Addresses and their text."""

    def complaint(self, text: str) -> str:
        """Return what the refusal of *text* says."""
        return str(self.assertRaises(AddressError, Address.parse, text))

    @given(addresses)
    def test_round_trip(self, address: Address) -> None:
        """The text of an address is that address, and ASCII without spaces."""
        text = str(address)
        self.assertEqual(Address.parse(text), address)
        self.assertTrue(text.isascii() and text.isprintable() and " " not in text)

    @given(st.text() | st.text("securechat+unixo:/?#[].%=0aF-").map("securechat://".__add__))
    @example("securechat+unix:///%ff")
    @example("securechat+unix:///%00")
    @example("securechat://[::1%2]")
    @example("securechat://\u212aelvin")
    def test_any_text(self, text: str) -> None:
        """Any text is an address, which has one canonical text, or is refused as none."""
        try:
            address = Address.parse(text)
        except AddressError:
            return
        self.assertEqual(Address.parse(str(address)), address)
        self.assertEqual(str(Address.parse(str(address))), str(address))

    def test_tls(self) -> None:
        """Over TLS there are a host, a port, a room and a pin; all but the host can be absent."""
        self.assertEqual(
            Address.parse(f"securechat://Relay.Example.:99/lobby#{PIN_TEXT}"),
            Address(host="relay.example", port=99, room="lobby", pin=PIN),
        )
        self.assertEqual(Address.parse(" securechat://h/\n"), Address(host="h", port=7117))
        self.assertEqual(str(Address(host="h", port=7117)), "securechat://h")

    def test_ip_addresses(self) -> None:
        """IP addresses are hosts, those of version 6 in brackets and in their shortest form."""
        address = Address.parse("securechat://[2001:DB8:0::1]:1/room")
        self.assertEqual(address.host, "2001:db8::1")
        self.assertEqual(str(address), "securechat://[2001:db8::1]:1/room")
        self.assertEqual(Address.parse("securechat://192.0.2.1:1").host, "192.0.2.1")

    def test_unix(self) -> None:
        """Over a unix socket there are a path, in one form, and a room."""
        address = Address.parse("SecureChat+Unix:////run//a/../my%20relay?room=lobby")
        self.assertEqual(address, Address("unix", path="/run/my relay", room="lobby"))
        self.assertEqual(str(address), "securechat+unix:///run/my%20relay?room=lobby")

    def test_onion(self) -> None:
        """Over an onion service there are a name, a port and a room."""
        address = Address.parse(f"securechat+onion://{ONION}:80/lobby")
        self.assertEqual(address, Address("onion", host=ONION, port=80, room="lobby"))

    def test_relay_and_room(self) -> None:
        """The relay's address lacks the room, and gives that of any of its rooms."""
        address = Address.parse(f"securechat://h/lobby#{PIN_TEXT}")
        self.assertEqual(str(address.relay), f"securechat://h#{PIN_TEXT}")
        self.assertEqual(address.relay.in_room("#lobby"), address)
        self.assertRaises(AddressError, address.in_room, "no label")

    def test_dialled(self) -> None:
        """What is signed is the same for all who mean the same relay, whatever room or pin."""
        self.assertEqual(
            Address.parse("securechat+unix:///run/./x?room=r").dialled, b"securechat+unix:///run/x"
        )
        self.assertEqual(
            Address.parse(f"securechat+onion://{ONION.upper()}:7117/r").dialled,
            b"securechat+onion://" + ONION.encode(),
        )
        self.assertEqual(
            Address.parse(f"securechat://h/r#{PIN_TEXT}").dialled, Address(host="h").dialled
        )

    def test_missing_scheme(self) -> None:
        """Without a scheme, the whole form is suggested."""
        self.assertIn("does not begin with securechat://", self.complaint("h:1/r"))

    def test_other_scheme(self) -> None:
        """Another scheme is answered with those that there are."""
        message = self.complaint("https://h")
        for scheme in ("securechat,", "securechat+unix,", "securechat+onion."):
            self.assertIn(scheme, message)

    def test_pins(self) -> None:
        """A pin of a wrong length, and one that is no canonical base64url, are told apart."""
        self.assertIn("43 characters, not 42", self.complaint(f"securechat://h#{PIN_TEXT[1:]}"))
        self.assertIn("/ROOM", self.complaint("securechat://h/#lobby"))
        self.assertIn("43 characters, not 0", self.complaint("securechat://h#"))
        for wrong in (PIN_TEXT[:-1] + "9", "+" + PIN_TEXT[1:], "!" + PIN_TEXT[1:]):
            self.assertIn("mistyped", self.complaint(f"securechat://h#{wrong}"))
        self.assertRaises(AddressError, check_pin, "é" * 43)
        self.assertEqual(pin_text(check_pin(PIN_TEXT)), PIN_TEXT)

    def test_what_is_wrong(self) -> None:
        """Whatever else is wrong is named."""
        for text, what in {
            "securechat://" + "h" * 1100: "too long",
            "securechat://exämple": "not ASCII",
            "securechat://h/a room": "a space",
            "securechat://": "names no host",
            "securechat://-h": "names no host",
            "securechat://a..b": "names no host",
            "securechat://" + "a." * 130: "names no host",
            "securechat://1.2.3.4.5": "no valid IPv4",
            "securechat://256.0.0.1": "no valid IPv4",
            "securechat://[::12345]": "no valid IPv6",
            "securechat://[fe80::1%2]": "a zone",
            "securechat://[h]": "malformed",
            "securechat://h:0": "between 1 and 65535",
            "securechat://h:65536": "between 1 and 65535",
            "securechat://h:": "between 1 and 65535",
            "securechat://::1": "between 1 and 65535",
            "securechat://h/Lobby": "a room's label",
            "securechat://h/a/b": "a room's label",
            "securechat+unix://run/x": "absolute",
            "securechat+unix:///x%00": "absolute",
            "securechat+unix:///": "names no unix socket",
            "securechat+unix:///%ff": "not UTF-8",
            "securechat+unix:///" + "x" * 107: "at most 107 bytes, not 108",
            "securechat+unix:///x?rum=r": "?room=ROOM",
            "securechat+unix:///x#lobby": "no pin",
            "securechat+unix:///x?room=": "a room's label",
            "securechat+onion://short.onion": "onion service's name",
            f"securechat+onion://{ONION}#{PIN_TEXT}": "only a relay over TLS",
        }.items():
            self.assertIn(what, self.complaint(text), text)

    def test_nothing_else_exists(self) -> None:
        """No address can be made with parts that its kind does not have."""
        for parts in (
            {"kind": "unix", "path": "/x", "host": "h"},
            {"kind": "unix", "path": "/x", "port": 1},
            {"kind": "unix", "path": "/\ud800"},
            {"host": "h", "path": "/x"},
            {"host": "h", "pin": b"short"},
        ):
            with self.assertRaises(AddressError):
                Address(**parts)

    def test_frozen(self) -> None:
        """An address cannot be changed, and so can be a key."""
        address = Address(host="h")
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            address.host = "other"  # type: ignore[misc]  # what is tried here
        self.assertEqual({address: 1}[Address.parse("securechat://H:7117")], 1)


class LabelTests(SynchronousTestCase):
    """The labels of rooms."""

    @given(labels)
    def test_labels(self, label: str) -> None:
        """A label is taken as it is, and with one # before it."""
        self.assertEqual(check_label(label), label)
        self.assertEqual(check_label("#" + label), label)

    def test_others(self) -> None:
        """Anything else is refused with what a label may be."""
        for text in ("", "#", "##lobby", "Lobby", ".x", "a b", "a/b", "x" * 65, "lobby\n", "é"):
            error = self.assertRaises(AddressError, check_label, text)
            self.assertIn("1 to 64 of a-z, 0-9", str(error))
