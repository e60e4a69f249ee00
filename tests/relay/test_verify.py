"""The copy of a history, and the check of one without keys."""

from __future__ import annotations

import sqlite3
from base64 import urlsafe_b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat import errors
from securechat.group.detail import Update
from securechat.group.entry import SignedEntry
from securechat.primitives import XWING_LENGTH, random_bytes
from securechat.relay.backup import back_up
from securechat.relay.history import Draft, Landing
from securechat.relay.memory import MemoryHistory
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.state import changes_by, named
from securechat.relay.verify import Verdict, verify
from securechat.wire import SLICE
from tests.relay.clients import Client, Relay


class Doubled(MemoryHistory):
    """A history in memory that says everything again to one on disk."""

    def __init__(self, clock: Clock, other: SQLiteHistory) -> None:
        super().__init__(clock)
        self._other = other

    def append_entry(self, room: bytes, landing: Landing) -> Deferred[int]:
        self._other.append_entry(room, landing)
        return super().append_entry(room, landing)

    def append_frame(self, room: bytes, head: bytes, draft: Draft) -> None:
        self._other.append_frame(room, head, draft)
        super().append_frame(room, head, draft)


def store(path: Path, *labels: str) -> list[Client]:
    """
    Put a room for each of *labels* into the history *path*; return the members of the last.

    In each Alice (1) adds Bob (2), both say something (3, 4), Alice renews her leaf key, with
    slices (5), and says something more (6).
    """
    clock = Clock()
    history = SQLiteHistory(path, clock)
    relay = Relay(history=Doubled(clock, history))
    for label in labels:
        alice, bob = relay.client(), relay.client()
        alice.found(label)
        bob.join_by(alice, label)
        for member in alice, bob:
            member.says(member.frame())
            clock.advance(0)
        update(history, alice)
        history.append_frame(alice.log.room, alice.log.head, frame_of(alice, n=7))
    closed = history.close()
    clock.advance(0)
    assert closed.called
    return [alice, bob]


def update(history: SQLiteHistory, author: Client, **more: Any) -> None:
    """Append the entry by which *author* renews its leaf key."""
    author.hear()
    leaf = Update(random_bytes(XWING_LENGTH))
    entry = author.log.proposed(leaf, author.fingerprint, author.seq, random_bytes(32))
    signed = SignedEntry.make(attrs.evolve(entry, **more), random_bytes(32), author.identity)
    before = author.log.head
    author.log = log = author.log.after(signed)
    slices = {row.fingerprint: random_bytes(SLICE) for row in log.membership.rows}
    draft = Draft(b"changed", urlsafe_b64encode(signed.encode()).rstrip(b"="))
    history.append_entry(
        log.room,
        Landing(
            *(draft, before, log.head, log.epoch, log.label, log.snapshot(), slices),
            values=named(changes_by(signed)),
        ),
    )


def frame_of(member: Client, **changed: Any) -> Draft:
    """Return a frame of *member* as the relay appends it."""
    send = attrs.evolve(member.frame(), **changed)
    fields = b"%d %d %d " % (send.epoch, send.row, send.n)
    sealed = (urlsafe_b64encode(each).rstrip(b"=") for each in (send.nonce, send.ciphertext))
    return Draft(b"frame", fields + b" ".join(sealed))


class StoredTestCase(SynchronousTestCase):
    """A history in a file."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(0o700)
        self.path = self.directory / "history.sqlite"

    def execute(self, *statements: str) -> None:
        """Change the file behind the relay's back."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.executescript(statement)


class VerifyTests(StoredTestCase):
    """`verify`."""

    def wrong(self, *statements: str) -> str:
        """Return what is wrong after *statements*."""
        (self.path).unlink(missing_ok=True)
        store(self.path, "lobby")
        self.execute(*statements)
        (verdict,) = verify(self.path)
        assert verdict.wrong is not None
        return verdict.wrong

    def test_all_is_well(self) -> None:
        """Rooms come in the order of their labels, each with how much of it there is."""
        alice, _ = store(self.path, "second", "first")
        first, second = verify(self.path)
        self.assertEqual(first, Verdict(alice.log.room, "first", 3, 3, None))
        self.assertEqual(second, attrs.evolve(first, room=second.room, label="second"))

    def test_nothing_at_all(self) -> None:
        """A history without rooms is in order."""
        SQLiteHistory(self.path, Clock()).close()
        self.assertEqual(list(verify(self.path)), [])

    def test_while_the_relay_runs(self) -> None:
        """Neither disturbs the other; what comes meanwhile is not looked at, or whole."""
        store(self.path, "one", "three", "two")
        clock = Clock()
        history = SQLiteHistory(self.path, clock)
        self.addCleanup(history.database.close)
        rooms = {kept.label: kept.room for kept in history.rooms()}
        verdicts = verify(self.path)
        self.assertEqual(next(verdicts).label, "one")
        history.drop(rooms["one"])
        history.drop(rooms["three"])
        clock.advance(0)
        self.assertEqual([(each.label, each.wrong) for each in verdicts], [("two", None)])

    def test_frames_that_were_dropped(self) -> None:
        """Old frames may be missing; entries may not."""
        drop = "DELETE FROM {} WHERE seq = 3"
        store(self.path, "lobby")
        size = "(SELECT sum(length(line)) FROM frames)"
        self.execute(drop.format("frames"), f"UPDATE rooms SET frames = 2, bytes = {size}")
        self.assertEqual([each.wrong for each in verify(self.path)], [None])
        for seq, why in (1, "begins with a create entry"), (2, "a frame of another epoch"):
            wrong = self.wrong(f"DELETE FROM entries WHERE seq = {seq}")
            self.assertIn(why, wrong)

    def test_what_an_entry_must_be(self) -> None:
        """By the rules of the log, and as it is stored."""
        for change, why in (
            ("UPDATE entries SET head = zeroblob(32) WHERE seq = 2", "number 2: epoch or head"),
            ("UPDATE entries SET epoch = 9 WHERE seq = 5", "number 5: epoch or head"),
            ("UPDATE entries SET line = x'6e6f0d0a' WHERE seq = 5", "5: A line is malformed"),
            ("UPDATE entries SET seq = 9 WHERE seq = 5", "number 6: it is a frame of another"),
            ("UPDATE entries SET seq = 7 WHERE seq = 5; DELETE FROM frames", "of another place"),
            ("DELETE FROM frames; DELETE FROM entries WHERE seq = 2", "does not stand on the log"),
            ("UPDATE rooms SET room = zeroblob(32)", "number 1: its line is of another place"),
        ):
            self.assertIn(why, self.wrong(change), change)

    def test_a_line_of_another_kind(self) -> None:
        """An entry is in the line of its type, a frame in that of frames, and it ends."""
        replace = "UPDATE {} SET line = CAST({} AS BLOB) WHERE seq = {}"
        changed = "replace(CAST(line AS TEXT), 'changed ', 'user_added ')"
        for table, line, seq, why in (
            ("entries", changed, 5, "its line is for entries of another type"),
            ("frames", "'resumed ' || substr(line, 7, 45) || char(13, 10)", 3, "neither"),
            ("frames", "substr(line, 1, length(line) - 2)", 3, "not whole"),
            ("frames", "CAST(line || line AS BLOB)", 3, "of another place"),
        ):
            self.assertIn(why, self.wrong(replace.format(table, line, seq)), line)
        swap = "INSERT INTO {} SELECT room, seq, {} FROM {} WHERE seq = {}"
        self.assertIn(
            "number 4: entries and frames are exchanged",
            self.wrong(
                swap.format("entries", "9, x'00', line", "frames", 4),
                "DELETE FROM frames WHERE seq = 4",
            ),
        )
        self.assertIn(
            "number 5: entries and frames are exchanged",
            self.wrong(
                swap.format("frames", "0, line, 1", "entries", 5),
                "DELETE FROM entries WHERE seq = 5",
            ),
        )

    def test_a_run_of_frames(self) -> None:
        """Its lines are as many as its row says, and each in its place."""
        run = """
            UPDATE frames SET count = {},
            line = CAST((SELECT line FROM frames WHERE seq = 3) || line AS BLOB) WHERE seq = 4;
            DELETE FROM frames WHERE seq = 3
        """
        store(self.path, "lobby")
        self.execute(run.format(2))
        self.assertEqual([each.wrong for each in verify(self.path)], [None])
        for count in 1, 3:
            self.assertIn("of another place", self.wrong(run.format(count)))
        self.assertIn("not as many", self.wrong("UPDATE frames SET line = x'' WHERE seq = 3"))

    def test_a_create_entry_of_another_room(self) -> None:
        """Its hash is the room's name."""
        alice, _ = store(self.path, "lobby")
        other = SignedEntry.make(
            attrs.evolve(alice.log.created.entry), random_bytes(32), alice.identity
        )
        spelled, mine = (
            urlsafe_b64encode(each.encode()).rstrip(b"=").decode()
            for each in (other, alice.log.created)
        )
        self.execute(
            f"UPDATE entries SET line = CAST(replace(CAST(line AS TEXT), '{mine}', '{spelled}')"
            " AS BLOB)"
        )
        (verdict,) = verify(self.path)
        self.assertIn("number 1: it founds another room", verdict.wrong or "")

    def test_what_a_frame_must_be(self) -> None:
        """Of the epoch in which it came, by a member, and new."""
        line = "UPDATE frames SET line = CAST(replace(CAST(line AS TEXT), ' {} ', ' {} ') AS BLOB)"
        for change, why in (
            (line.format("4 2 1 0", "4 1 1 0"), "number 4: it is a frame of another epoch"),
            (line.format("4 2 1 0", "4 2 2 0"), "number 4: it is a frame of no member"),
            (line.format("4 2 1 0", "4 2 0 0"), "number 4: it is a frame that its sender had"),
        ):
            self.assertIn(why, self.wrong(change), change)
        self.assertIn("another epoch", self.wrong("DELETE FROM entries"))

    def test_a_view_that_its_author_cannot_have_had(self) -> None:
        """An entry says up to where its author had seen the stream."""
        for seq in 4, 7:
            self.path.unlink(missing_ok=True)
            alice, _ = store(self.path, "lobby")
            clock = Clock()
            history = SQLiteHistory(self.path, clock)
            update(history, alice, seq=seq)
            history.close()
            clock.advance(0)
            (verdict,) = verify(self.path)
            self.assertIn("number 7: its author's view", verdict.wrong or "")

    def test_what_slices_there_can_be(self) -> None:
        """Of an entry with fresh keys, for members, and of the size that they have."""
        for change, why in (
            ("UPDATE slices SET seq = 2", "number 2: it has a slice that it cannot have"),
            ("UPDATE slices SET sealed = x'00'", "number 5: it has a slice"),
            ("UPDATE slices SET member = zeroblob(32) WHERE rowid = 1", "number 5: it has a slice"),
            ("UPDATE slices SET seq = 4", "there are slices of number 4, which is no entry"),
        ):
            self.assertIn(why, self.wrong(change), change)

    def test_what_is_stored_beside_the_stream(self) -> None:
        """It has to be what the stream leads to."""
        for change, what in (
            ("UPDATE rooms SET label = 'other'", "label"),
            ("UPDATE rooms SET head = zeroblob(32)", "head"),
            ("UPDATE rooms SET newest = 5", "newest number"),
            ("UPDATE rooms SET frames = 4", "number of frames"),
            ("UPDATE rooms SET bytes = 4", "size of the frames"),
            ("UPDATE states SET state = zeroblob(9)", "state"),
            ("DELETE FROM states", "state"),
        ):
            self.assertIn(f"the stored {what} is not", self.wrong(change), change)
        for change in (
            "UPDATE named SET value = zeroblob(1216) WHERE name LIKE 'leaf %'",
            "DELETE FROM named",
            "INSERT INTO named SELECT room, 'leaf 00', value FROM named LIMIT 1",
        ):
            self.assertIn("the stored values 'leaf' are not", self.wrong(change), change)
        self.assertIn(
            "the stored values 'removed' are not",
            self.wrong("INSERT INTO named VALUES (1, 'removed 00', x'00')"),
        )
        self.assertIn("there is no entry", self.wrong("DELETE FROM entries", "DELETE FROM frames"))

    def test_what_is_damaged_as_a_file(self) -> None:
        """SQLite itself checks it first."""
        place = "(SELECT rootpage FROM sqlite_master WHERE name = 'frames')"
        swap = f"UPDATE sqlite_master SET rootpage = {place} WHERE name = 'slices'"
        for change, why in (
            ("UPDATE frames SET room = 9", "there are frames of no room"),
            (f"PRAGMA writable_schema = ON; {swap}", "2nd reference to page"),
        ):
            self.path.unlink(missing_ok=True)
            store(self.path, "lobby")
            self.execute(change)
            with self.assertRaisesRegex(errors.HistoryDamaged, why):
                list(verify(self.path))

    def test_there_is_none(self) -> None:
        """It is said so; none is made by that."""
        with self.assertRaises(errors.NoHistory):
            list(verify(self.path))
        self.assertFalse(self.path.exists())


class BackupTests(StoredTestCase):
    """`back_up`."""

    def setUp(self) -> None:
        super().setUp()
        store(self.path, "lobby")
        self.copy = self.directory / "copy.sqlite"
        self.steps: list[tuple[int, int]] = []

    def progress(self, copied: int, total: int) -> None:
        self.steps.append((copied, total))

    def test_a_copy_is_a_history(self) -> None:
        """One file, for its owner alone, in order; its progress was told."""
        back_up(self.path, self.copy, self.progress)
        (verdict,) = verify(self.copy)
        self.assertIsNone(verdict.wrong)
        self.assertEqual(self.copy.stat().st_mode & 0o777, 0o600)
        names = sorted(each.name for each in self.directory.iterdir())
        self.assertEqual([name for name in names if "copy" in name], ["copy.sqlite"])
        copied, total = self.steps[-1]
        self.assertEqual((copied, total > 0), (total, True))
        again = SQLiteHistory(self.copy, Clock())
        self.addCleanup(again.database.close)
        self.assertEqual([kept.label for kept in again.rooms()], ["lobby"])

    def test_a_moment_of_a_relay_that_goes_on(self) -> None:
        """What it writes meanwhile is not in the copy, and does not make it begin anew."""
        clock = Clock()
        history = SQLiteHistory(self.path, clock)
        self.addCleanup(history.database.close)
        (kept,) = history.rooms()
        padding = Draft(b"frame", b"3 0 9 AAAA " + b"A" * 60_000)
        for _ in range(300):
            history.append_frame(kept.room, kept.head, padding)
        clock.advance(0)
        steps: list[int] = []

        def write(copied: int, total: int) -> None:
            steps.append(copied)
            history.append_frame(kept.room, kept.head, padding)
            clock.advance(0)

        back_up(self.path, self.copy, write)
        self.assertGreater(len(steps), 1)
        self.assertEqual(steps, sorted(set(steps)))
        again = SQLiteHistory(self.copy, clock)
        self.addCleanup(again.database.close)
        self.assertEqual(again.newest(kept.room), 306)
        self.assertEqual(history.newest(kept.room), 306 + len(steps))

    def test_nothing_is_overwritten(self) -> None:
        """Also where another has just put something there."""
        self.copy.write_text("precious")
        with self.assertRaises(errors.FileExists):
            back_up(self.path, self.copy, self.progress)
        self.assertEqual(self.steps, [])
        self.copy.unlink()
        with self.assertRaises(errors.FileExists):
            back_up(self.path, self.copy, lambda *_: self.copy.touch())
        self.assertEqual(self.copy.read_bytes(), b"")

    def test_no_history(self) -> None:
        """What is not there, or is none, is not copied, and leaves nothing behind."""
        self.path.write_bytes(b"nonsense" * 1_000)
        with self.assertRaises(errors.HistoryDamaged):
            back_up(self.path, self.copy, self.progress)
        self.path.unlink()
        with self.assertRaises(errors.NoHistory):
            back_up(self.path, self.copy, self.progress)
        self.assertFalse(self.copy.exists())

    def test_no_directory(self) -> None:
        """Where the copy cannot be, it is said of the copy."""
        copy = self.copy.parent / "nowhere" / "copy"
        with self.assertRaisesRegex(errors.BackupFailed, "nowhere/copy was not made: No such"):
            back_up(self.path, copy, self.progress)

    def test_a_damage_that_is_met_as_it_is_copied(self) -> None:
        """It is said, and nothing is left."""

        def fail(*_: int) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with self.assertRaisesRegex(errors.BackupFailed, "disk is full"):
            back_up(self.path, self.copy, fail)
        self.assertEqual([each for each in self.directory.iterdir() if "copy" in each.name], [])
