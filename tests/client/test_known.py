"""Tests of `securechat.client.known`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.client.known import ROOMS_FILE, VERSION, KnownRooms
from securechat.encoding import encode
from securechat.errors import DamagedFile, FoundedAnew
from securechat.group.admission import Place
from securechat.group.entry import ZERO
from securechat.identity import Identity
from securechat.sealedfile import SealedFile

ME = Identity.generate()
HERE = Address(host="relay.example")
THERE = Address(host="other.example")
ROOM, OTHER = bytes(32), bytes(range(32))


class KnownRoomsTests(SynchronousTestCase):
    """`KnownRooms`."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp())
        self.rooms = KnownRooms.open(self.home, ME)

    def test_a_label_stands_for_one_room_at_each_relay(self) -> None:
        """Two relays may each have a room of one label."""
        for rooms in (self.rooms, KnownRooms()):
            self.assertIsNone(rooms.find(HERE, "lobby"))
            rooms.learn(HERE, "lobby", ROOM)
            rooms.learn(THERE, "lobby", OTHER)
            rooms.learn(HERE, "attic", OTHER)
            self.assertEqual(rooms.find(HERE, "lobby"), ROOM)
            self.assertEqual(rooms.find(THERE, "lobby"), OTHER)
            self.assertEqual(rooms.find(HERE, "attic"), OTHER)
            relays = [relay for relay, label, room in rooms if (label, room) == ("lobby", OTHER)]
            self.assertEqual((relays, len(list(rooms))), ([THERE.dialled], 3))

    def test_the_relay_is_known_without_its_pin(self) -> None:
        """A new pin in its address, or a room in it, makes no other relay."""
        self.rooms.learn(HERE, "lobby", ROOM)
        self.assertEqual(self.rooms.find(Address.parse(f"{HERE}/attic"), "lobby"), ROOM)
        pinned = Address(host="relay.example", pin=bytes(32))
        self.assertEqual(self.rooms.find(pinned, "lobby"), ROOM)

    def test_another_room_is_never_put_in_its_place(self) -> None:
        """Until the user forgets the old one."""
        for rooms in (self.rooms, KnownRooms()):
            rooms.learn(HERE, "lobby", ROOM)
            rooms.learn(HERE, "lobby", ROOM)
            self.assertRaises(FoundedAnew, rooms.learn, HERE, "lobby", OTHER)
            self.assertEqual(rooms.find(HERE, "lobby"), ROOM)
            rooms.forget(HERE, "lobby")
            rooms.forget(HERE, "lobby")
            rooms.learn(HERE, "lobby", OTHER)
            self.assertEqual(rooms.find(HERE, "lobby"), OTHER)

    def test_another_program_shares_them(self) -> None:
        """What one learns or forgets counts at once for the other."""
        other = KnownRooms.open(self.home, ME)
        self.rooms.learn(HERE, "lobby", ROOM)
        self.assertEqual(other.find(HERE, "lobby"), ROOM)
        other.learn(HERE, "attic", OTHER)
        self.assertRaises(FoundedAnew, self.rooms.learn, HERE, "attic", ROOM)
        self.rooms.forget(HERE, "lobby")
        self.assertIsNone(other.find(HERE, "lobby"))
        self.assertEqual(KnownRooms.open(self.home, ME).find(HERE, "attic"), OTHER)

    def test_another_identity_of_the_same_user(self) -> None:
        """Its rooms are taken over; what is known here stays."""
        old = KnownRooms.open(Path(self.mktemp()), Identity.generate())
        for label in "lobby", "attic":
            old.learn(HERE, label, OTHER)
        self.rooms.learn(HERE, "lobby", ROOM)
        self.rooms.take_over(old)
        again = KnownRooms.open(self.home, ME)
        self.assertEqual(again.find(HERE, "lobby"), ROOM)
        self.assertEqual(again.find(HERE, "attic"), OTHER)

    def test_a_room_that_was_left(self) -> None:
        """What it was then is known, the newest of it, also to the next program."""
        self.rooms.learn(HERE, "lobby", ROOM)
        self.assertEqual(self.rooms.last(HERE, "lobby"), Place(ROOM, 0, ZERO))
        for epoch in (5, 3):
            self.rooms.left(HERE, "lobby", Place(ROOM, epoch, OTHER))
        self.rooms.left(HERE, "lobby", Place(OTHER, 9, OTHER))
        self.rooms.left(HERE, "attic", Place(ROOM, 9, OTHER))
        again = KnownRooms.open(self.home, ME)
        self.assertEqual(again.last(HERE, "lobby"), Place(ROOM, 5, OTHER))
        self.assertIsNone(again.last(HERE, "attic"))

    def test_file_of_an_earlier_version(self) -> None:
        """It named rooms and no heads."""
        SealedFile(self.home / ROOMS_FILE, ME, "rooms", 1).write(
            encode([HERE.dialled, "lobby", ROOM])
        )
        self.assertEqual(self.rooms.last(HERE, "lobby"), Place(ROOM, 0, ZERO))
        self.rooms.left(HERE, "lobby", Place(ROOM, 5, OTHER))
        self.assertEqual(KnownRooms.open(self.home, ME).last(HERE, "lobby"), Place(ROOM, 5, OTHER))

    def test_file_that_holds_something_else(self) -> None:
        """A program with a fault wrote it: it is left as it is."""
        self.rooms.learn(HERE, "lobby", ROOM)
        file = SealedFile(self.home / ROOMS_FILE, ME, "rooms", VERSION)
        for content in (b"junk", encode(1), encode([b"relay", "lobby", b"short"])):
            file.write(content)
            self.assertRaises(DamagedFile, self.rooms.find, HERE, "lobby")
            self.assertRaises(DamagedFile, self.rooms.learn, HERE, "attic", ROOM)
            self.assertRaises(DamagedFile, KnownRooms.open, self.home, ME)
            self.assertEqual(file.read(), content)
