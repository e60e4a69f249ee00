"""The history on disk: what outlasts what, and what happens where the disk fails."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from securechat import errors
from securechat.relay import schema
from securechat.relay.database import open_to_read
from securechat.relay.history import RUN, Kept
from securechat.relay.memory import MemoryHistory
from securechat.relay.retention import Retention
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.worker import Worker
from tests.relay.histories import (
    ALICE,
    BOB,
    OTHER,
    ROOM,
    Listener,
    frame,
    head,
    landing,
    seqs,
    singly,
)


def _not_there(_: object) -> None:
    """Hear, or be told, as one who cannot."""
    raise AttributeError("nobody is there")


class Slow:
    """A worker that works when it is told to, and fails if it is told so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], None], Deferred[None]]] = []
        self.stopped = False

    def run(self, function: Callable[[], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.waiting.append((function, done))
        return done

    def work(self) -> None:
        """Do the one thing that there is to do."""
        ((function, done),) = self.waiting
        self.waiting.clear()
        function()
        done.callback(None)

    def fail(self, error: Exception) -> None:
        """Do not."""
        ((_, done),) = self.waiting
        self.waiting.clear()
        done.errback(error)

    def stop(self) -> None:
        self.stopped = True


class OnDisk(SynchronousTestCase):
    """A history in a file, and who listens to one of its rooms."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(0o700)
        self.path = self.directory / "history.sqlite"

    def open(self, retention: Retention | None = None, worker: Any = None) -> SQLiteHistory:
        """Open the history and listen."""
        self.history = SQLiteHistory(self.path, self.clock, retention, worker)
        self.addCleanup(self.history.database.close)
        self.listener = Listener(self.history)
        return self.history

    def again(self, **more: Any) -> SQLiteHistory:
        """Open it again, after the sudden end of the process."""
        self.history.database.close()
        self.clock = Clock()  # and what was to be done is not
        return self.open(**more)

    def turn(self) -> None:
        """Let a turn of the reactor pass."""
        self.clock.advance(0)

    def found(self, **more: Any) -> None:
        """Open the history, and append a create entry."""
        self.open(**more)
        self.history.append_entry(ROOM, landing())
        self.turn()

    def say(self, *texts: bytes) -> None:
        """Append a frame for each of *texts*, for this turn."""
        for text in texts:
            self.history.append_frame(ROOM, head(1), frame(text))

    def read(self, member: bytes = ALICE) -> list[int]:
        """Return the numbers of what is kept."""
        return seqs(self.successResultOf(self.history.read(ROOM, 0, 10**7, member)))


class TurnTests(OnDisk):
    """When something is durable, and when it is heard."""

    def test_a_turn_is_heard_when_it_is_durable(self) -> None:
        """Together, in order; until then it is not there."""
        self.open()
        self.listener.follow(self.history.append_entry(ROOM, landing()))
        self.say(b"", b"")
        self.assertEqual((self.listener.events, self.history.newest(ROOM)), ([], 0))
        self.assertEqual(self.read(), [])
        self.turn()
        self.assertEqual((self.listener.events, self.history.newest(ROOM)), ([[1, 2, 3], 1], 3))
        self.assertEqual(self.read(), [1, 2, 3])

    def test_what_was_heard_is_there_after_a_crash(self) -> None:
        """And what was not heard is not."""
        self.found()
        self.say(b"")
        self.turn()
        self.say(b"")
        self.again()
        self.assertEqual((self.read(), self.history.newest(ROOM)), ([1, 2], 2))

    def test_a_room_goes_on_after_a_restart(self) -> None:
        """Numbers, head, state and values are what they were, each value under its name."""
        self.found()
        values = {"a": b"1", "b": b"2", "c": b"3"}
        self.history.append_entry(ROOM, landing(2, values=values))
        self.turn()
        self.history.append_entry(ROOM, landing(3, values={"a": None}))
        put = [self.history.put(ROOM, *each) for each in [("b", None), ("c", b"4"), ("d", b"5")]]
        self.history.append_entry(OTHER, landing())
        self.assertNoResult(put[0])
        self.turn()
        for each in put:
            self.successResultOf(each)
        self.again()
        self.assertEqual(
            list(self.history.rooms()),
            [
                Kept(ROOM, "lobby", head(3), b"state 3", {"c": b"4", "d": b"5"}),
                Kept(OTHER, "lobby", head(1), b"state 1", {}),
            ],
        )
        self.history.append_frame(ROOM, head(3), frame())
        self.turn()
        self.assertEqual(self.read(), [1, 2, 3, 4])

    def test_a_room_that_is_over(self) -> None:
        """It does not come back, nor what was said in the same turn."""
        self.found()
        self.history.append_entry(ROOM, landing(2, slices={ALICE: b"s"}, values={"a": b"1"}))
        self.say(b"")
        self.turn()
        self.history.append_entry(OTHER, landing())
        self.history.append_entry(ROOM, landing(3))
        self.history.drop(ROOM)
        self.turn()
        self.again()
        self.assertEqual([kept.room for kept in self.history.rooms()], [OTHER])
        with sqlite3.connect(self.path) as connection:
            for table in "entries", "frames", "slices", "named":
                query = f"SELECT count(*) FROM {table}"
                count = connection.execute(query).fetchone()[0]
                self.assertEqual(count, table == "entries", table)
        connection.close()

    def test_numbers_never_go_back(self) -> None:
        """Not if all frames are dropped, nor if numbers were skipped, before the end."""
        self.found(retention=Retention(retain_messages=1))
        self.say(*[b""] * 5)
        self.history.skip(ROOM, 30)
        self.turn()
        self.again()
        self.assertEqual(self.history.newest(ROOM), 30)

    def test_numbers_that_are_skipped_while_others_are_on_their_way(self) -> None:
        """Those are heard first."""
        self.found()
        self.say(b"")
        self.history.skip(ROOM, 9)
        self.assertEqual(self.history.newest(ROOM), 1)
        self.turn()
        self.assertEqual((self.read(), self.history.newest(ROOM)), ([1, 2], 9))

    def test_slices_outlast_the_relay(self) -> None:
        """Until their members have them."""
        self.found()
        self.history.append_entry(ROOM, landing(2, slices={ALICE: b"a", BOB: b"b"}))
        self.turn()
        self.history.has_seen(ROOM, ALICE, 2)
        self.turn()
        self.again()
        for member, expected in (ALICE, {}), (BOB, {BOB: b"b"}):
            items = self.successResultOf(self.history.read(ROOM, 1, 1, member))
            self.assertEqual([dict(item.slices) for item in items], [expected])

    def test_frames_that_come_together(self) -> None:
        """They are told, kept and read together: up to a size, an entry, or a gap."""
        self.found()
        self.say(*[b""] * 3)
        self.history.append_entry(ROOM, landing(2))
        for _ in range(2):
            self.history.append_frame(ROOM, head(2), frame())
        self.history.skip(ROOM, 10)
        for size in (10, RUN, 20, 30):
            self.history.append_frame(ROOM, head(2), frame(bytes(size)))
        self.turn()
        runs = [[1], [2, 3, 4], [5], [6, 7], [11, 12], [13, 14]]
        self.assertEqual([seqs([item]) for item in self.listener.heard], runs)
        kept = self.successResultOf(self.history.read(ROOM, 0, 10**7, ALICE))
        self.assertEqual([seqs([item]) for item in kept], runs)

    def test_what_is_read_may_begin_in_the_middle(self) -> None:
        """Of frames that came together, as of others, only what is newer is read."""
        self.found()
        self.say(b"a", b"b", b"c")
        self.turn()
        for after, lines in ((1, b"abc"), (2, b"bc"), (3, b"c"), (4, b"")):
            kept = self.successResultOf(self.history.read(ROOM, after, 10**7, ALICE))
            self.assertEqual(seqs(kept), list(range(after + 1, 5)))
            said = b"".join(line[-1:] for item in kept for line in item.lines)
            self.assertEqual(said, lines)

    def test_less_is_kept_after_a_restart(self) -> None:
        """If the operator wants so; what is too much goes at the first look, in several turns."""
        self.found()
        self.say(*[b""] * 10_000)
        self.turn()
        worker = Slow()
        self.again(retention=Retention(retain_messages=5), worker=worker)
        self.history.expire()
        for kept in 10_001 - 4_096, 10_001 - 2 * 4_096, 6:
            self.turn()
            worker.work()
            self.assertEqual(len(self.read()), kept)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.read(), [1, *range(9_997, 10_002)])

    def test_a_room_that_is_dropped_while_too_much_is_kept(self) -> None:
        """There is nothing more to do for it."""
        self.found(retention=Retention(retain_messages=5))
        self.history.subscribe(ROOM, lambda items: self.history.drop(ROOM), print)
        self.say(*[b""] * 5_000)
        commits = self.history.commits

        def look() -> None:
            if commits.done > 10:
                self.fail("it is never done")
            if self.clock.getDelayedCalls():
                self.clock.callLater(0, look)

        look()
        self.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_listener_that_fails(self) -> None:
        """It is logged, and the others hear."""
        self.found()
        self.history.append_entry(OTHER, landing())
        self.history.subscribe(OTHER, _not_there, self.listener.failed)
        self.say(b"")
        self.turn()
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.assertEqual(seqs(self.listener.heard), [1, 2])

    def test_a_read_does_not_hold_up_others(self) -> None:
        """What is left of a bounded read is not kept open, so that the log of writes can end."""
        self.found()
        self.say(*[b"f" * 1_000] * 100)
        self.turn()
        self.successResultOf(self.history.read(ROOM, 0, 1, ALICE))
        busy, *_ = self.history.database.writer.execute(
            "PRAGMA wal_checkpoint(TRUNCATE)"
        ).fetchone()
        self.assertEqual(busy, 0)

    def test_a_rest(self) -> None:
        """The connections are closed, as they must be over a fork; the lock stays."""
        self.found()
        self.history.rest()
        with self.assertRaises(errors.HistoryLocked):
            SQLiteHistory(self.path, self.clock)
        self.say(b"")
        self.turn()
        self.history.rest()
        self.assertEqual(self.read(), [1, 2])

    def test_what_is_on_its_way_is_written_before_the_end(self) -> None:
        """Then the file is closed, and nothing is taken any more."""
        self.found()
        self.say(b"")
        closed = self.history.close()
        self.turn()
        self.successResultOf(closed)
        self.assertEqual(self.listener.events, [[1], [2]])
        for lost in self.history.read(ROOM, 0, 1, ALICE), self.history.head(ROOM, 1):
            self.failureResultOf(lost, errors.HistoryFailed)
        self.say(b"")
        self.turn()
        self.assertIsInstance(self.listener.events[-1], errors.HistoryFailed)
        self.assertEqual(
            sorted(each.name for each in self.directory.iterdir()),
            [
                "history.sqlite",
                "history.sqlite-lock",
            ],
        )
        self.open()
        self.assertEqual(self.read(), [1, 2])

    @given(st.data())
    def test_it_does_as_the_one_in_memory(self, data: st.DataObject) -> None:
        """Whatever is appended, and whenever it crashes or the disk is full."""
        self.setUp()
        durable: list[tuple[Any, ...]] = []
        pending: list[tuple[Any, ...]] = []
        retention = Retention(retain_messages=4)
        self.open(retention)
        epoch = seq = 0
        for _ in range(data.draw(st.integers(1, 25))):
            match data.draw(st.sampled_from("eeefffffsttxk")):
                case "e":
                    epoch += 1
                    slices = data.draw(st.dictionaries(st.sampled_from([ALICE, BOB]), st.binary()))
                    pending.append(("append_entry", ROOM, landing(epoch, slices=slices)))
                case "f":
                    pending.append(("append_frame", ROOM, head(epoch), frame(b"f")))
                case "s":
                    pending.append(("has_seen", ROOM, ALICE, data.draw(st.integers(0, 20))))
                case "k":
                    seq += 5
                    pending.append(("skip", ROOM, seq))
                case "t":
                    self.perform(self.history, pending)
                    self.turn()
                    durable, pending = [*durable, *pending], []
                case "x":
                    self.perform(self.history, pending)
                    pending = []
                    epoch = max([0, *(each[2].epoch for each in durable if "entry" in each[0])])
                    self.again(retention=retention)
        memory = MemoryHistory(self.clock, retention)
        self.perform(memory, durable)
        self.assertEqual(self.history.newest(ROOM), memory.newest(ROOM))
        for member in ALICE, BOB:
            found, expected = [
                singly(self.successResultOf(each.read(ROOM, 0, 10**6, member)))
                for each in (self.history, memory)
            ]
            self.assertEqual(found, expected)
        self.history.database.close()

    def perform(self, history: Any, doings: list[tuple[Any, ...]]) -> None:
        """Do with *history* what is to be done."""
        for name, *arguments in doings:
            getattr(history, name)(*arguments)


class FailureTests(OnDisk):
    """Where the disk does not do what it should."""

    def fill(self) -> None:
        """Let there be no space for anything more."""
        (pages,) = self.history.database.writer.execute("PRAGMA page_count").fetchone()
        self.history.database.writer.execute(f"PRAGMA max_page_count = {pages}")

    def empty(self) -> None:
        """Let there be space again."""
        self.history.database.writer.execute("PRAGMA max_page_count = 1000000")

    def test_a_full_disk(self) -> None:
        """All that is on its way is lost together, everybody is told, and nobody heard it."""
        self.found()
        other = Listener(self.history, OTHER)
        self.history.append_entry(OTHER, landing())
        self.turn()
        self.fill()
        self.say(b"f" * 20_000)
        self.listener.follow(self.history.append_entry(ROOM, landing(2)))
        self.listener.follow(self.history.put(ROOM, "name", b"value"))
        self.history.append_frame(OTHER, head(1), frame())
        self.turn()
        full = errors.HistoryFull
        first, error, *told = self.listener.events
        assert isinstance(error, full)
        self.assertEqual((first, told, error.path), ([1], [full, full], self.path))
        self.assertIs(type(other.events[-1]), full)
        self.assertEqual((self.read(), self.history.newest(ROOM)), ([1], 1))

    def test_commits_are_counted(self) -> None:
        """With the time that they took, and apart from them those that failed."""
        self.found()
        before = self.history.commits.seconds
        self.assertGreater(before, 0.0)
        self.say(b"one", b"two")
        self.turn()
        self.assertGreater(self.history.commits.seconds, before)
        self.fill()
        self.say(b"f" * 20_000)
        self.turn()
        self.assertEqual((self.history.commits.done, self.history.commits.failed), (2, 1))

    def test_it_goes_on_when_there_is_space(self) -> None:
        """With the numbers and the head of what is durable; the next turn may do."""
        self.found()
        self.fill()
        self.say(b"f" * 20_000)
        self.turn()
        self.empty()
        landed = self.history.append_entry(ROOM, landing(2))
        self.turn()
        self.assertEqual(self.successResultOf(landed), 2)
        self.assertEqual(seqs(self.listener.heard), [1, 2])
        self.again()
        self.assertEqual(self.read(), [1, 2])

    def test_a_room_that_could_not_begin(self) -> None:
        """It can a turn later."""
        self.open()
        self.fill()
        values = {"name": b"v" * 20_000}
        lost = self.history.append_entry(ROOM, landing(values=values))
        self.turn()
        self.failureResultOf(lost, errors.HistoryFull)
        self.successResultOf(self.history.put(ROOM, "name", b"value"))
        self.empty()
        landed = self.history.append_entry(ROOM, landing(values=values))
        self.turn()
        self.assertEqual(self.successResultOf(landed), 1)

    def test_a_room_that_could_not_be_dropped(self) -> None:
        """It is dropped with the next that is written, and does not come back."""
        self.found()
        self.history.append_entry(OTHER, landing())
        self.turn()
        self.fill()
        self.history.append_frame(OTHER, head(1), frame(b"f" * 20_000))
        self.history.drop(ROOM)
        self.turn()
        self.empty()
        self.history.append_frame(OTHER, head(1), frame())
        self.turn()
        self.again()
        self.assertEqual([kept.room for kept in self.history.rooms()], [OTHER])

    def test_a_disk_that_cannot_be_written(self) -> None:
        """It says why; here because the system lets no file of the process grow."""
        self.found()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = (self.directory / "history.sqlite-wal").stat().st_size
        self.say(b"f" * 60_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            self.turn()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        error = self.listener.events[-1]
        self.assertIsInstance(error, errors.HistoryFailed)
        self.assertIn("disk I/O error", str(error))
        self.say(b"f" * 60_000)
        self.turn()
        self.assertEqual((self.listener.events[-1], self.read()), ([2], [1, 2]))

    def test_a_fault_of_the_program(self) -> None:
        """It is logged, and those who wait are told."""
        worker = Slow()
        self.open(worker=worker)
        self.listener.follow(self.history.append_entry(ROOM, landing()))
        self.turn()
        worker.fail(ZeroDivisionError("no"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        failed = errors.HistoryFailed
        self.assertEqual(
            [getattr(each, "__class__", 0) for each in self.listener.events],
            [
                failed,
                type,
            ],
        )

    def test_who_cannot_be_told(self) -> None:
        """It is logged, and the others are."""
        worker = Slow()
        self.open(worker=worker)
        self.history.subscribe(OTHER, self.listener.hear, _not_there)
        for room in OTHER, ROOM:
            self.listener.follow(self.history.append_entry(room, landing()))
        self.turn()
        worker.fail(errors.HistoryFull(path=self.path))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.assertEqual(len(self.listener.events), 3)

    def test_a_damage_that_is_met_later(self) -> None:
        """Who reads is told so."""
        self.found()
        self.say(*[b"f" * 5_000] * 50)
        self.turn()
        self.history.database.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.history.rest()
        data = bytearray(self.path.read_bytes())
        data[100_000:] = b"\xff" * (len(data) - 100_000)
        self.path.write_bytes(data)
        damaged = errors.HistoryDamaged
        self.failureResultOf(self.history.read(ROOM, 0, 10**6, ALICE), damaged)


class WorkerTests(OnDisk):
    """What is different with a thread that writes."""

    def setUp(self) -> None:
        super().setUp()
        self.worker = Slow()
        self.open(worker=self.worker)

    def test_turns_gather_while_one_is_written(self) -> None:
        """They are written together then; the order is kept."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        for _ in range(3):
            self.say(b"")
            self.turn()
        self.worker.work()
        self.assertEqual(self.listener.events, [[1]])
        self.turn()
        self.worker.work()
        self.assertEqual(self.listener.events, [[1], [2, 3, 4]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_how_much_is_on_its_way(self) -> None:
        """It is told at any time, and who waits for less hears of it, be it written or lost."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        self.worker.work()
        for end in (self.worker.work, lambda: self.worker.fail(OSError("no"))):
            self.say(bytes(1_000))
            self.turn()
            self.say(bytes(1_000))
            self.assertGreater(self.history.backlog, 2_000)
            relief = self.history.relief()
            self.assertNoResult(relief)
            end()
            self.assertIsNone(self.successResultOf(relief))
            self.assertLess(self.history.backlog, 2_000)
            self.turn()
            if self.worker.waiting:
                self.worker.work()
            self.assertEqual(self.history.backlog, 0)
        self.say(bytes(1_000))
        self.history.drop(ROOM)
        self.assertEqual(self.history.backlog, 0)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_what_gathered_is_lost_with_what_it_stands_on(self) -> None:
        """Each is told once; then it goes on."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        self.worker.work()
        self.say(b"")
        self.turn()
        self.say(b"")
        self.listener.follow(self.history.append_entry(ROOM, landing(2)))
        self.worker.fail(errors.HistoryFull(path=self.path))
        self.assertEqual(len(self.listener.events), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.say(b"")
        self.turn()
        self.worker.work()
        self.assertEqual((self.listener.events[-1], self.read()), ([2], [1, 2]))

    def test_what_is_committed_and_not_heard_is_not_read(self) -> None:
        """Nobody is ahead of who subscribed."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        ((write, _),) = self.worker.waiting
        write()
        self.assertEqual(self.read(), [])

    def test_numbers_that_are_skipped_meanwhile(self) -> None:
        """They stay skipped."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        self.worker.work()
        self.say(b"")
        self.turn()
        self.worker.work()
        self.history.skip(ROOM, 5)
        self.turn()
        self.history.skip(ROOM, 9)
        self.worker.work()
        self.assertEqual(self.history.newest(ROOM), 9)

    def test_the_end_waits_for_it(self) -> None:
        """And for what gathered."""
        self.history.append_entry(ROOM, landing())
        self.turn()
        self.say(b"")
        closed = self.history.close()
        self.worker.work()
        self.assertNoResult(closed)
        self.turn()
        self.worker.work()
        self.successResultOf(closed)
        self.assertTrue(self.worker.stopped)

    def test_commits_outlast_a_loss_of_power(self) -> None:
        """SQLite is told so; without the worker it need not wait for the disk."""
        ask = "PRAGMA synchronous"
        self.assertEqual(self.history.database.writer.execute(ask).fetchone(), (2,))
        self.history.database.close()
        self.open()
        self.assertEqual(self.history.database.writer.execute(ask).fetchone(), (1,))


class ThreadTests(TestCase):
    """The real `Worker`."""

    async def test_a_thread_that_writes(self) -> None:
        """What is appended is durable when the Deferred fires; at the end the thread is gone."""
        directory = Path(self.mktemp())
        directory.mkdir(0o700)
        clock: Any = reactor
        history = SQLiteHistory(directory / "history.sqlite", clock, worker=Worker(reactor))
        listener = Listener(history)
        self.assertEqual(await history.append_entry(ROOM, landing()), 1)
        history.append_frame(ROOM, head(1), frame())
        self.assertEqual(await history.append_entry(ROOM, landing(2)), 3)
        self.assertEqual(listener.events, [[1], [2, 3]])
        await history.put(ROOM, "name", b"value")
        await history.close()

    async def test_a_thread_that_was_not_needed(self) -> None:
        """It never started, and need not be stopped."""
        Worker(reactor).stop()


class OpeningTests(OnDisk):
    """What can be wrong when the relay starts."""

    def refused(self, kind: type[errors.SecureChatError]) -> str:
        """See that the history cannot be opened, and the file is as it was; return why."""
        before = self.path.read_bytes()
        with self.assertRaises(kind) as caught:
            self.open()
        self.assertEqual(self.path.read_bytes(), before)
        self.assertIn(str(self.path), str(caught.exception))
        return str(caught.exception)

    def test_the_file_is_private(self) -> None:
        """And those that SQLite puts beside it."""
        self.found()
        for each in self.directory.iterdir():
            self.assertEqual(stat.S_IMODE(each.stat().st_mode), 0o600, each)
        self.history.database.close()
        self.path.chmod(0o644)
        self.assertIn("chmod 600", self.refused(errors.NotPrivate))

    def test_one_relay_at_a_time(self) -> None:
        """Also by another name of the same directory."""
        self.found()
        link = Path(self.mktemp()).absolute()
        link.symlink_to(self.directory)
        for path in self.path, link / self.path.name:
            with self.assertRaises(errors.HistoryLocked):
                SQLiteHistory(path, self.clock)
        self.again()

    def test_nonsense(self) -> None:
        """A file that is no database."""
        for data in b"nonsense" * 1_000, b"SQLite format 3\0" + b"\xff" * 9_000:
            self.path.write_bytes(data)
            self.path.chmod(0o600)
            self.assertIn("put a backup in its place", self.refused(errors.HistoryDamaged))

    def test_a_file_that_was_cut(self) -> None:
        """The beginning of a history is none."""
        self.found()
        self.history.database.close()
        data = self.path.read_bytes()
        self.path.write_bytes(data[: len(data) // 2])
        self.refused(errors.HistoryDamaged)

    def test_an_empty_file(self) -> None:
        """The relay crashed as it made it: it begins anew."""
        self.path.touch(0o600)
        self.found()
        self.assertEqual(self.read(), [1])

    def test_a_database_of_others(self) -> None:
        """It is not touched."""
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        self.path.chmod(0o600)
        self.assertIn("another program made it", self.refused(errors.HistoryForeign))

    def test_a_newer_schema(self) -> None:
        """Who went back to an older securechat is told what to do."""
        self.found()
        self.history.database.close()
        self.patch(schema, "STEPS", ())
        why = self.refused(errors.HistoryVersion)
        self.assertIn("version 2, and this securechat knows version 0: upgrade", why)

    def test_an_older_schema(self) -> None:
        """It goes the steps that are missing, all or none; nothing is lost by that."""
        self.found()
        self.history.database.close()
        steps = schema.STEPS
        self.patch(schema, "STEPS", (*steps, ("CREATE TABLE new (x)",), ("nonsense",)))
        with self.assertRaises(errors.HistoryFailed):
            self.open()
        self.patch(schema, "STEPS", (*steps, ("CREATE TABLE new (x)",)))
        with self.assertRaises(errors.HistoryVersion) as caught:
            open_to_read(self.path)
        self.assertIn("start a relay with it", str(caught.exception))
        self.open()
        self.assertEqual(self.read(), [1])
        row = self.history.database.reader.execute("PRAGMA user_version").fetchone()
        self.assertEqual(row, (len(steps) + 1,))

    def test_a_room_without_state(self) -> None:
        """The relay does not start as if the room had never been."""
        self.found()
        self.history.database.writer.execute("DELETE FROM states")
        with self.assertRaises(errors.HistoryDamaged):
            list(self.history.rooms())

    def test_tables_that_are_not_as_they_should_be(self) -> None:
        """That is an error of the file, and the lock is given back."""
        self.found()
        self.history.database.writer.execute("ALTER TABLE rooms RENAME head TO tail")
        self.history.database.close()
        for _ in range(2):
            with self.assertRaises(errors.HistoryFailed):
                self.open()

    def test_a_file_system_that_cannot(self) -> None:
        """WAL needs shared memory, which some have not; in memory SQLite has none either."""
        self.patch(sqlite3, "connect", _in_memory(sqlite3.connect))
        with self.assertRaisesRegex(errors.HistoryFailed, "file system"):
            self.open()


def _in_memory(connect: Any) -> Any:
    def connected(_: Path, **more: Any) -> Any:
        return connect(":memory:", **more)

    return connected


WRITER = """
import sys
from pathlib import Path
from twisted.internet import reactor
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.worker import Worker
from tests.relay.histories import ROOM, frame, head, landing

def hear(items):
    for item in items:
        print(item.seq, flush=True)
    for _ in range(3):
        history.append_frame(ROOM, head(1), frame(b"f" * 500))

worker = Worker(reactor) if sys.argv[2] == "power" else None
history = SQLiteHistory(Path(sys.argv[1]), reactor, worker=worker)
history.subscribe(ROOM, hear, print)
history.append_entry(ROOM, landing())
reactor.run()
"""


class KillTests(OnDisk):
    """A real process that ends from one moment to the next."""

    def test_nothing_that_was_heard_is_lost(self) -> None:
        """By SIGKILL, in the middle of the work; with a worker and without."""
        for durability in "process", "power":
            self.path = self.directory / f"{durability}.sqlite"
            with subprocess.Popen(
                [sys.executable, "-c", WRITER, self.path, durability],
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            ) as process:
                assert process.stdout is not None
                for _ in range(500):
                    process.stdout.readline()
                process.send_signal(signal.SIGKILL)
                heard = process.stdout.read().splitlines(keepends=True)
            last = max([500, *(int(line) for line in heard if line.endswith("\n"))])
            self.open()
            kept = self.read()
            self.assertEqual(kept, list(range(1, len(kept) + 1)))
            self.assertGreaterEqual(len(kept), last)
            self.history.database.close()
