"""Tests of `securechat.client.directory` and what it is made of: what is on the disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.client import database
from securechat.client.archive import Retention
from securechat.client.directory import STATE_FILE, StateDirectory
from securechat.client.state import now
from securechat.errors import (
    DamagedState,
    NotPrivate,
    StateNotKept,
    UnsupportedVersion,
)
from securechat.identity import Identity
from tests.client.test_state import BOB, HERE, ME, OTHER, ROOM, THERE, WHEN

PARTS = {"log": bytes(5000), "keys": b"key", "progress": b"7"}

REFUSED = DamagedState, UnsupportedVersion, StateNotKept
"""What a damaged file can look like: one byte says that it is only to be read."""


class DirectoryCase(SynchronousTestCase):
    """A directory, and what a test does to the file in it."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).resolve()
        self.path = self.home / STATE_FILE

    def open(self, identity: Identity = ME, **how: Any) -> StateDirectory:
        """Open the state, for the test's time at most."""
        state = StateDirectory.open(self.home, identity, messages=True, **how)
        self.addCleanup(state.close)
        return state

    def fill(self) -> None:
        """Keep two rooms and a message, and close."""
        with self.open() as state:
            for relay, room in (HERE, ROOM), (THERE, OTHER):
                state.save(relay, room, PARTS)
            state.keep_message(ROOM, 1, BOB, "hello")
            state.commit()

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Do *statements* as another program does; return the rows of the last."""
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                return [connection.execute(each).fetchall() for each in statements][-1]
        finally:
            connection.close()


class FileTests(DirectoryCase):
    """The files of the state."""

    def test_modes(self) -> None:
        """Nobody else can read any of them, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        state = self.open()
        state.save(HERE, ROOM, PARTS)
        state.commit()
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.home.iterdir()}
        names = STATE_FILE, f"{STATE_FILE}-shm", f"{STATE_FILE}-wal", "state.lock"
        self.assertEqual(modes, dict.fromkeys(names, 0o600))
        self.assertEqual(self.home.stat().st_mode & 0o777, 0o700)
        state.close()
        self.assertEqual({path.name for path in self.home.iterdir()}, {STATE_FILE, "state.lock"})

    def test_open_to_others(self) -> None:
        """Where others have access to the file or the directory it is refused, and told."""
        self.fill()
        for path, mode in (self.path, 0o640), (self.home, 0o750):
            before = path.stat().st_mode & 0o777
            path.chmod(mode)
            error = self.assertRaises(NotPrivate, self.open)
            self.assertIn(f"chmod {before:o} '{path}'", str(error))
            path.chmod(before)
        self.open()

    def test_against_power_failure(self) -> None:
        """A commit is on the disk when it returns, and what is deleted is overwritten."""
        state = self.open()
        for setting, value in ("journal_mode", b"wal"), ("synchronous", 2), ("secure_delete", 1):
            self.assertEqual(state._database.execute(f"PRAGMA {setting}"), [(value,)])

    def test_nothing_to_commit(self) -> None:
        """A commit without anything to keep writes nothing."""
        state = self.open()
        before = (self.home / f"{STATE_FILE}-wal").read_bytes()
        state.commit()
        self.assertEqual((self.home / f"{STATE_FILE}-wal").read_bytes(), before)

    def test_secret(self) -> None:
        """Nothing of a room or message can be read in the file, nor which rooms they are."""
        self.fill()
        content = self.path.read_bytes()
        for secret in (
            *(b"progress", b"key", b"hello", b"relay.example"),
            *(ROOM, OTHER, BOB, ME.fingerprint),
        ):
            if any(secret):  # ROOM is zeros
                self.assertNotIn(secret, content)

    def test_two_boxes_of_one_content(self) -> None:
        """That a part is the same as before, or as another, cannot be seen."""
        state = self.open()
        for _ in range(2):
            state.save(HERE, ROOM, {"one": b"same", "other": b"same"})
            state.commit()
            boxes = state._database.execute("SELECT box FROM parts")
            self.assertEqual(len(set(boxes)), 2)
            self.assertEqual({len(box) for (box,) in boxes}, {12 + 16 + 10, 12 + 16 + 12})


class DamageTests(DirectoryCase):
    """What somebody, or the disk, did to the file."""

    def content(self) -> tuple[object, ...]:
        """What a client finds that starts now."""
        with self.open() as state:
            return state.rooms(HERE), state.rooms(THERE), state.messages(ROOM)

    def refused(self, *statements: str) -> None:
        """After *statements* the state is refused, with advice."""
        self.sql(*statements)
        error = self.assertRaises(DamagedState, self.open)
        self.assertIn(
            f"{self.path}, which holds the keys of your rooms, cannot be used", str(error)
        )

    def test_rows_exchanged(self) -> None:
        """A part cannot be put into the place of another one."""
        self.fill()
        self.refused(
            "UPDATE parts SET box = (SELECT max(box) FROM parts)"
            " WHERE box = (SELECT min(box) FROM parts)"
        )

    def test_row_missing(self) -> None:
        """No part can be taken away."""
        self.fill()
        self.refused("DELETE FROM parts WHERE box = (SELECT min(box) FROM parts)")

    def test_all_rows_missing(self) -> None:
        """Nor can all of them."""
        self.fill()
        self.refused("DELETE FROM parts")

    def test_total_missing(self) -> None:
        """Nor can what binds them together, or be something else."""
        self.fill()
        self.refused("DELETE FROM total")
        for other in "7", "NULL", "'text'", "x'00'":
            self.refused("DELETE FROM total", f"INSERT INTO total VALUES ({other})")

    def test_older_row(self) -> None:
        """No part can be brought back alone from an older copy."""
        self.fill()
        self.sql("CREATE TABLE older AS SELECT * FROM parts")
        with self.open() as state:
            state.save(HERE, ROOM, {"keys": b"newer"})
            state.commit()
        self.refused("REPLACE INTO parts SELECT * FROM older")

    def test_changed_while_it_is_open(self) -> None:
        """What was changed under the client's hands is refused; nothing of it is committed."""
        self.fill()
        state = self.open()
        self.sql("UPDATE parts SET box = x'00'")
        self.assertRaises(DamagedState, state.rooms, HERE)
        self.sql("UPDATE total SET box = x'00'")
        state.save(HERE, ROOM, {"keys": b"newer"})
        error = self.assertRaises(StateNotKept, state.commit)
        self.assertIn("somebody changed it", str(error))

    def test_message_changed(self) -> None:
        """A message is what it was when it was kept, at its number, in its room."""
        for change in ("box = x'00'", "seq = 2", "day = day + 1", "box = 7"):
            self.fill()
            self.sql(f"UPDATE messages SET {change}")
            state = self.open()
            error = self.assertRaises(DamagedState, state.messages, ROOM)
            self.assertIn("somebody changed a message in it", str(error))
            state.forget_messages(ROOM)
            state.commit()
            state.close()

    def test_of_another_identity(self) -> None:
        """The state of another identity is refused."""
        self.fill()
        error = self.assertRaises(DamagedState, self.open, Identity.generate())
        self.assertIn("another identity wrote it", str(error))

    def test_no_database(self) -> None:
        """A file that is something else is refused and left as it is."""
        self.fill()
        for junk in (b"junk", bytes(10_000), b"SQLite format 3\0" + bytes(10_000)):
            self.path.write_bytes(junk)
            self.assertRaises(DamagedState, self.open)
            self.assertEqual(self.path.read_bytes(), junk)

    def test_damaged_page(self) -> None:
        """What SQLite itself finds is told."""
        self.fill()
        content = bytearray(self.path.read_bytes())
        content[4096:] = bytes(len(content) - 4096)
        self.path.write_bytes(content)
        self.assertRaises(DamagedState, self.open)

    @given(st.data())
    def test_any_byte_changed(self, data: st.DataObject) -> None:
        """With any one byte changed it is refused, or is as it was: no part is wrong or missing."""
        self.remove()
        self.fill()
        whole = self.content()
        wrong = bytearray(self.path.read_bytes())
        wrong[data.draw(st.integers(0, len(wrong) - 1))] ^= data.draw(st.integers(1, 255))
        self.path.write_bytes(wrong)
        self.unharmed(whole)

    @given(st.data())
    def test_cut_off(self, data: st.DataObject) -> None:
        """With its end missing it is refused, or is as it was: there may be nothing in the end."""
        self.remove()
        self.fill()
        whole = self.content()
        content = self.path.read_bytes()
        self.path.write_bytes(content[: data.draw(st.integers(1, len(content) - 1))])
        self.unharmed(whole)

    def test_nearly_all_cut_off(self) -> None:
        """What is left of a database is not taken for a new one."""
        self.fill()
        content = self.path.read_bytes()
        for length in range(1, 200, 9):
            self.path.write_bytes(content[:length])
            self.assertRaises(DamagedState, self.open)
            self.assertEqual(self.path.read_bytes(), content[:length])

    @given(st.data())
    def test_any_byte_of_the_log_changed(self, data: st.DataObject) -> None:
        """
        After a crash some of it is in SQLite's log. With any byte of that changed it is
        refused, or is as one of the commits left it: the log's end cannot be told from one
        that was not written to its end.
        """
        self.remove()
        files: dict[Path, bytes] = {}
        commits: list[object] = []
        with self.open() as state:
            for number in range(4):
                state.save(HERE, ROOM, {"one": b"%d" % number, "other": b"%d" % number})
                state.commit()
                commits.append(state.rooms(HERE))
            for path in self.home.glob(f"{STATE_FILE}*"):
                files[path] = path.read_bytes()
        for path, content in files.items():  # as a kill leaves them
            path.write_bytes(content)
            path.chmod(0o600)
        log = self.home / f"{STATE_FILE}-wal"
        wrong = bytearray(files[log])
        wrong[data.draw(st.integers(0, len(wrong) - 1))] ^= data.draw(st.integers(1, 255))
        log.write_bytes(wrong)
        with contextlib.suppress(*REFUSED), self.open() as state:
            self.assertIn(state.rooms(HERE), [[], *commits])

    def remove(self) -> None:
        """Remove what an example before left."""
        for path in self.home.glob(f"{STATE_FILE}*"):
            path.unlink()

    def unharmed(self, whole: tuple[object, ...]) -> None:
        """The state is refused, or is the *whole* one."""
        with contextlib.suppress(*REFUSED):
            self.assertTrue(self.content() == whole)


class VersionTests(DirectoryCase):
    """Databases of other versions."""

    def test_newer(self) -> None:
        """One of a later version is told as such, and left as it is."""
        self.fill()
        self.sql("PRAGMA user_version = 2")
        before = self.path.read_bytes()
        error = self.assertRaises(UnsupportedVersion, self.open)
        self.assertIn(f"file {self.path} is of version 2", str(error))
        self.assertIn("you must upgrade", str(error))
        self.assertEqual(self.path.read_bytes(), before)

    def test_older(self) -> None:
        """One of an earlier version is brought to this one, step by step, with what it holds."""
        self.fill()
        add = "ALTER TABLE messages ADD COLUMN more"
        self.patch(database, "STEPS", (*database.STEPS, (add,), ("CREATE TABLE new (x)",)))
        with self.open() as state:
            self.assertEqual(state.rooms(HERE), [PARTS])
        self.assertEqual(self.sql("SELECT x FROM new", "PRAGMA user_version"), [(3,)])
        self.assertEqual(self.sql("SELECT more FROM messages"), [(None,)])

    def test_step_that_fails(self) -> None:
        """Where a step fails the database stays what it was."""
        self.fill()
        steps = (*database.STEPS, ("CREATE TABLE new (x)", "CREATE TABLE new (x)"))
        self.patch(database, "STEPS", steps)
        self.assertRaises(DamagedState, self.open)
        self.assertEqual(self.sql("PRAGMA user_version"), [(1,)])
        self.assertRaises(sqlite3.OperationalError, self.sql, "SELECT * FROM new")


class RefusalTests(DirectoryCase):
    """A file that is as it should be, and cannot be used."""

    def test_written_by_another_program(self) -> None:
        """Where another program keeps the file to itself the commit fails, and can be repeated."""
        state = self.open()
        state._database.execute("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        state.save(HERE, ROOM, PARTS)
        error = self.assertRaises(StateNotKept, state.commit)
        self.assertIn(f"{self.path}: database is locked", str(error))
        other.execute("ROLLBACK")
        state.commit()
        self.assertEqual(state.rooms(HERE), [PARTS])

    def test_full_from_the_beginning(self) -> None:
        """Where not even an empty database fits, it says so."""
        self.patch(database, "_SETTINGS", (*database._SETTINGS, "max_page_count = 1"))
        error = self.assertRaises(StateNotKept, self.open)
        self.assertIn("full", str(error))
        self.assertIn("Make room on the disk", str(error))


class RetentionTests(DirectoryCase):
    """How long messages are kept."""

    def setUp(self) -> None:
        super().setUp()
        self.today = WHEN

    def keeping(self, **retention: int) -> StateDirectory:
        """Open the state with the given retention."""
        return self.open(retention=Retention(**retention), clock=lambda: self.today)

    def say(self, state: StateDirectory, *seqs: int) -> None:
        """Keep messages with these numbers, in two rooms."""
        for room in (ROOM, OTHER):
            for seq in seqs:
                state.keep_message(room, seq, BOB, str(seq))
        state.commit()

    def kept(self, state: StateDirectory) -> list[int]:
        """The numbers of the messages, the same in both rooms."""
        ours, others = ([each.seq for each in state.messages(room)] for room in (ROOM, OTHER))
        self.assertEqual(ours, others)
        return ours

    def test_age(self) -> None:
        """Messages of days that are too long ago go, when it is opened and as days go by."""
        with self.keeping(days=2) as state:
            for seq in range(1, 6):
                self.say(state, seq)
                self.today += timedelta(days=1)
            self.assertEqual(self.kept(state), [3, 4, 5])
        with self.keeping(days=2) as state:
            self.assertEqual(self.kept(state), [4, 5])

    def test_count(self) -> None:
        """Of each room the newest stay, as they are looked through once a day."""
        with self.keeping(count=3) as state:
            self.say(state, *range(1, 6))
            self.assertEqual(self.kept(state), [1, 2, 3, 4, 5])
            self.today += timedelta(days=1)
            self.say(state, 6)
            self.assertEqual(self.kept(state), [4, 5, 6])
        with self.keeping(count=1) as state:
            self.assertEqual(self.kept(state), [6])

    def test_clock(self) -> None:
        """By default the time is that of the machine, in UTC, to the second."""
        before = datetime.now(UTC)
        self.assertEqual(now().tzinfo, UTC)
        self.assertLess(abs(now() - before), timedelta(days=1))
