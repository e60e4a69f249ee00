"""``securechat rooms``."""

from __future__ import annotations

from pathlib import Path

from securechat import keyfile
from securechat.address import Address
from securechat.cli import rooms
from securechat.cli.profile import Profile
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.group.messages import Kind
from securechat.group.room import Room
from securechat.group.roster import Policy
from tests.cli import CommandTestCase
from tests.group.kit import ALICE, BOB, room_of

ADDRESS = "securechat://relay.example/lobby"


class RoomsTestCase(CommandTestCase):
    """Alice, and the rooms that she knows."""

    def known(self) -> KnownRooms:
        """The rooms that Alice knows, as they are on disk now."""
        return KnownRooms.open(self.home, keyfile.load(self.home / keyfile.KEY_FILE, None))

    def keep(self, *, stuck: bool = False) -> None:
        """Let Alice be a member of the lobby, who has kept a message of it."""
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        room = Room.found(identity, "lobby", Policy(), lambda _: True)
        room.take_entry(1, room.first_entry.encode())
        room.say(Kind.TEXT, b"unsent")
        relay = Address.parse(ADDRESS).relay
        self.known().learn(relay, "lobby", room.id)
        with StateDirectory.open(self.home, identity, messages=True) as state:
            if stuck:
                room._keys.wipe()
            state.save(relay, room.id, room.changes())
            state.keep_message(room.id, 2, identity.fingerprint, "hello")
            state.commit()


class ForgetTests(RoomsTestCase):
    """``securechat rooms forget``."""

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

    def test_what_is_kept_of_it(self) -> None:
        """Its keys and its messages are forgotten with it; at a terminal after a yes."""
        self.init()
        self.keep()
        for answer, yes in ((False, []), (True, []), (False, ["--yes"])):
            self.patch(rooms, "sure", lambda _, *, yes, answer=answer: yes or answer)
            if answer or yes:
                self.ok("rooms", "forget", ADDRESS, *yes)
                self.assertEqual(self.json("rooms", "list"), [])
                self.assertEqual(self.ok("history", ADDRESS), "")
                self.keep()
            else:
                self.assertIn("Nothing was forgotten", self.fails(1, "rooms", "forget", ADDRESS))
                self.assertEqual(len(self.json("rooms", "list")), 1)

    def test_while_a_client_runs(self) -> None:
        """What a client that runs goes on from is not forgotten under its hands."""
        self.init()
        self.keep()
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        with StateDirectory.open(self.home, identity):
            self.assertIn("uses the rooms in", self.fails(1, "rooms", "forget", ADDRESS))

    def test_address_of_no_room(self) -> None:
        """A relay's address, and what is no address, are wrong usage, with an example."""
        complaint = self.fails(2, "rooms", "forget", "securechat://relay.example")
        self.assertIn(ADDRESS, complaint)
        complaint = self.fails(2, "rooms", "forget", "relay.example/lobby")
        self.assertIn("does not begin with", complaint)


class ListTests(RoomsTestCase):
    """``securechat rooms list``."""

    def test_none(self) -> None:
        """Where there is none it says what makes one."""
        self.init()
        self.assertEqual(self.ok("rooms", "list"), "")
        self.assertEqual(self.json("rooms", "list"), [])

    def test_what_is_known(self) -> None:
        """Relays and labels are in order, and each room says what it is to the user."""
        self.init()
        self.keep()
        relay = Address.parse(ADDRESS).relay
        self.known().learn(relay, "attic", bytes(32))
        self.known().learn(Address.parse("securechat://a.example"), "lobby", bytes(32))
        self.assertEqual(
            self.ok("rooms", "list").splitlines(),
            [
                "securechat://a.example",
                "  #lobby: known; no keys of it are here",
                "securechat://relay.example",
                "  #attic: known; no keys of it are here",
                "  #lobby: you are one of 1 member, 1 line of yours not delivered yet",
            ],
        )
        lobby = self.json("rooms", "list")[0]
        self.assertEqual(
            lobby,
            {
                "relay": "securechat://relay.example",
                "room": "lobby",
                "member": True,
                "keys_lost": False,
                "members": 1,
                "confirmed": True,
                "undelivered": 1,
            },
        )

    def test_removed_and_unconfirmed(self) -> None:
        """Who was removed, and who has heard nobody but the voucher, reads so."""
        for removed, words, member in (
            (False, "you are one of 2 members, unconfirmed", True),
            (True, "you were removed", False),
        ):
            self.home = Path(self.mktemp()).absolute()
            keyfile.create(self.home, BOB, None)
            Profile("bob", BOB.bundle).save(self.home)
            stream, (alice, bob) = room_of(ALICE, BOB)
            if removed:
                stream.remove(alice, bob)
            else:
                bob.room._hearing.confirmed = False
            relay = Address.parse(ADDRESS).relay
            self.known().learn(relay, "lobby", bob.room.id)
            with StateDirectory.open(self.home, BOB) as state:
                state.save(relay, bob.room.id, bob.room.changes())
                state.commit()
            self.assertIn(words, self.ok("rooms", "list"))
            self.assertEqual(self.json("rooms", "list")[0]["member"], member)

    def test_lost_keys(self) -> None:
        """A member whose keys are lost reads what to do."""
        self.init()
        self.keep(stuck=True)
        self.assertIn("--rejoin", self.ok("rooms", "list"))
        self.assertTrue(self.json("rooms", "list")[0]["keys_lost"])
