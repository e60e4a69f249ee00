"""Tests of `securechat.client.state`, and of what every state does, wherever it is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.client.directory import StateDirectory
from securechat.client.state import KeptMessage, MemoryState, State
from securechat.errors import StateNotKept
from securechat.identity import Identity

ME = Identity.generate()
HERE = Address(host="relay.example")
THERE = Address(host="other.example")
ROOM, OTHER = bytes(32), bytes(range(32))
BOB = bytes(31) + b"B"
WHEN = datetime(2026, 1, 1, 12, tzinfo=UTC)


class StateTests(SynchronousTestCase):
    """What holds for every `State`, here for `MemoryState`."""

    def setUp(self) -> None:
        self.memory = MemoryState(clock=lambda: WHEN)

    def open(self, *, messages: bool = True) -> State:
        """Return the state as a client finds it that starts now."""
        self.memory = self.memory.survivor()
        self.memory._keeps_messages = messages
        return self.memory

    def fill(self) -> None:
        """Let nothing more fit in."""
        self.memory.full = True

    def empty(self) -> None:
        """Make room again."""
        self.memory.full = False

    def test_nothing_yet(self) -> None:
        """A new state has no room and no message, and nothing to keep."""
        state = self.open()
        state.commit()
        self.assertEqual(state.rooms(HERE), [])
        self.assertEqual(state.messages(ROOM), [])

    def test_parts_come_back(self) -> None:
        """The next run gets the newest parts of each room; the others are as they were."""
        state = self.open()
        state.save(HERE, ROOM, {"log": b"1", "keys": b"2", "leaf": b""})
        state.commit()
        state.save(HERE, ROOM, {"keys": b"3", "never": None})
        state.save(HERE, ROOM, {"log": None, "new": b"4"})
        state.commit()
        state.close()
        self.assertEqual(self.open().rooms(HERE), [{"keys": b"3", "leaf": b"", "new": b"4"}])

    def test_rooms_of_a_relay(self) -> None:
        """Each relay has its own rooms, and is known without its pin."""
        state = self.open()
        for relay, room, content in (HERE, ROOM, b"1"), (THERE, ROOM, b"2"), (HERE, OTHER, b"3"):
            state.save(relay, room, {"log": content})
        state.commit()
        pinned = Address(host="relay.example", pin=bytes(32), room="lobby")
        self.assertEqual(sorted(each["log"] for each in state.rooms(pinned)), [b"1", b"3"])
        self.assertEqual(state.rooms(THERE), [{"log": b"2"}])

    def test_only_what_was_committed(self) -> None:
        """What a run had not committed when it ended is not there for the next one."""
        state = self.open()
        state.save(HERE, ROOM, {"log": b"1"})
        state.commit()
        state.save(HERE, ROOM, {"log": b"2"})
        state.keep_message(ROOM, 1, BOB, "hello")
        self.assertEqual(state.rooms(HERE), [{"log": b"1"}])
        state.close()
        again = self.open()
        self.assertEqual(again.rooms(HERE), [{"log": b"1"}])
        self.assertEqual(again.messages(ROOM), [])

    def test_forgotten_room(self) -> None:
        """A room can be forgotten, at every relay, with all that was given before; not others."""
        state = self.open()
        for relay, room in (HERE, ROOM), (THERE, ROOM), (HERE, OTHER):
            state.save(relay, room, {"log": b"1", "keys": b"2"})
        state.keep_message(ROOM, 1, BOB, "hello")
        state.commit()
        state.save(HERE, ROOM, {"log": b"3"})
        state.forget(ROOM)
        state.save(THERE, ROOM, {"log": b"4"})
        state.commit()
        self.assertEqual(state.rooms(HERE), [{"log": b"1", "keys": b"2"}])
        self.assertEqual(state.rooms(THERE), [{"log": b"4"}])
        self.assertEqual([each.text for each in state.messages(ROOM)], ["hello"])

    def test_room_without_parts(self) -> None:
        """A room of which every part was deleted is none."""
        state = self.open()
        state.save(HERE, ROOM, {"log": b"1"})
        state.commit()
        state.save(HERE, ROOM, {"log": None})
        state.commit()
        self.assertEqual(state.rooms(HERE), [])

    def test_messages_come_back(self) -> None:
        """The next run gets the messages in the order of their numbers, in pages."""
        state = self.open()
        for seq in (4, 2, 12, 9):
            state.keep_message(ROOM, seq, BOB, f"text \N{SNOWMAN} {seq}")
        state.keep_message(OTHER, 5, BOB, "elsewhere")
        state.commit()
        state.close()
        again = self.open(messages=False)
        first = again.messages(ROOM, most=3)
        self.assertEqual([each.seq for each in first], [2, 4, 9])
        self.assertEqual(first[0], KeptMessage(2, BOB, "text \N{SNOWMAN} 2", WHEN))
        self.assertEqual([each.seq for each in again.messages(ROOM, after=9)], [12])

    def test_messages_that_nobody_wants(self) -> None:
        """Where the user did not ask for it no message is kept."""
        state = self.open(messages=False)
        state.keep_message(ROOM, 1, BOB, "hello")
        state.commit()
        self.assertEqual(state.messages(ROOM), [])

    def test_forgotten_messages(self) -> None:
        """The messages of a room can be forgotten, with all that were given before; not others."""
        state = self.open()
        state.save(HERE, ROOM, {"log": b"1"})
        state.keep_message(ROOM, 1, BOB, "one")
        state.keep_message(OTHER, 1, BOB, "other")
        state.commit()
        state.keep_message(ROOM, 2, BOB, "two")
        state.forget_messages(ROOM)
        state.keep_message(ROOM, 3, BOB, "three")
        state.commit()
        self.assertEqual([each.text for each in state.messages(ROOM)], ["three"])
        self.assertEqual([each.text for each in state.messages(OTHER)], ["other"])
        self.assertEqual(state.rooms(HERE), [{"log": b"1"}])

    def test_full(self) -> None:
        """Where nothing fits any more, nothing is kept, and a later commit keeps it all."""
        state = self.open()
        state.save(HERE, ROOM, {"log": b"1", "old": b""})
        state.commit()
        self.fill()
        state.save(HERE, ROOM, {"log": b"2", "big": bytes(100_000), "old": None})
        state.keep_message(ROOM, 1, BOB, "hello")
        for _ in range(2):
            error = self.assertRaises(StateNotKept, state.commit)
            self.assertIn("full", str(error))
            self.assertEqual(state.rooms(HERE), [{"log": b"1", "old": b""}])
            self.assertEqual(state.messages(ROOM), [])
        self.empty()
        state.commit()
        self.assertEqual(state.rooms(HERE), [{"log": b"2", "big": bytes(100_000)}])
        self.assertEqual(len(state.messages(ROOM)), 1)


class StateDirectoryTests(StateTests):
    """The same, for `StateDirectory`."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp())

    def open(self, *, messages: bool = True) -> State:
        """Return the state that is on disk."""
        self.directory = StateDirectory.open(self.home, ME, messages=messages, clock=lambda: WHEN)
        self.addCleanup(self.directory.close)
        return self.directory

    def fill(self) -> None:
        """Let nothing more fit in: no more pages than there are, since fewer cannot be."""
        self.directory._database.execute("PRAGMA max_page_count = 1")

    def empty(self) -> None:
        """Make room again."""
        self.directory._database.execute("PRAGMA max_page_count = 1000000")
