"""``securechat rooms``."""

from __future__ import annotations

from securechat import keyfile
from securechat.address import Address
from securechat.client.known import KnownRooms
from tests.cli import CommandTestCase

ADDRESS = "securechat://relay.example/lobby"


class ForgetTests(CommandTestCase):
    """``securechat rooms forget``."""

    def known(self) -> KnownRooms:
        """The rooms that Alice knows, as they are on disk now."""
        return KnownRooms.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))

    def test_forgets_one_room(self) -> None:
        """The room of that address is not known any more; another one of the relay still is."""
        self.init()
        relay = Address.parse(ADDRESS).relay
        self.known().learn(relay, "lobby", bytes(32))
        self.known().learn(relay, "attic", bytes(32))
        self.assertIn("#lobby", self.ok("rooms", "forget", ADDRESS))
        self.assertIsNone(self.known().find(relay, "lobby"))
        self.assertIsNotNone(self.known().find(relay, "attic"))

    def test_unknown_room(self) -> None:
        """To forget what is not known changes nothing, and says so."""
        self.init()
        self.assertIn("You know no room #lobby", self.ok("rooms", "forget", ADDRESS))

    def test_address_of_no_room(self) -> None:
        """A relay's address, and what is no address, are wrong usage, with an example."""
        complaint = self.fails(2, "rooms", "forget", "securechat://relay.example")
        self.assertIn(ADDRESS, complaint)
        complaint = self.fails(2, "rooms", "forget", "relay.example/lobby")
        self.assertIn("does not begin with", complaint)
