"""Tests of what is left in a state directory by a process that is killed, and of two at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from securechat.client.directory import STATE_FILE, StateDirectory
from securechat.client.known import KnownRooms
from securechat.client.lock import LOCK_FILE, Lock
from securechat.errors import NotPrivate, StateInUse
from securechat.identity import Identity
from securechat.trust import TrustStore
from tests.client import committing
from tests.client.committing import BOB, NAMES, RELAY, REPEATED, ROOM
from tests.client.test_state import WHEN

ME = Identity.generate()


class OtherProcessTests(SynchronousTestCase):
    """A state directory that another process uses."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp())

    def start(self) -> subprocess.Popen[str]:
        """Return a process that commits numbers, after its first one."""
        command = [sys.executable, committing.__file__, str(self.home), ME.encode().hex()]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for clean in process.stdout.close, process.wait, process.kill:  # from the last one on
            self.addCleanup(clean)
        self.assertEqual(process.stdout.readline(), "1\n")
        return process

    def kill(self, process: subprocess.Popen[str], after: int) -> int:
        """Kill *process* once it has said *after* numbers more; return the last one."""
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(after)]
        process.kill()
        said += process.stdout.readlines()
        process.wait()
        return int(said[-1]) if said else 1

    def test_killed(self) -> None:
        """
        What was committed is there, whole; what was not is absent. One number more than was
        said may be there: the process was killed before it could say it.
        """
        for after in (0, 1, 3, 10, 30):
            last = self.kill(self.start(), after)
            with StateDirectory.open(self.home, ME) as state:
                (parts,) = state.rooms(RELAY)
                self.assertEqual(set(parts), set(NAMES))
                (content,) = set(parts.values())
                kept = int(content[: len(content) // REPEATED])
                self.assertIn(kept, (last, last + 1))
                texts = [each.text for each in state.messages(ROOM, most=kept + 1)]
                self.assertEqual(texts, [str(number) for number in range(1, kept + 1)])
                state.forget_messages(ROOM)  # the next process begins at 1 again
                state.commit()

    def test_two_at_once(self) -> None:
        """The second is told which process has the directory, and can have it after its end."""
        process = self.start()
        error = self.assertRaises(StateInUse, StateDirectory.open, self.home, ME)
        self.assertIn(f"The process {process.pid} uses the rooms in {self.home}", str(error))
        self.kill(process, after=0)
        StateDirectory.open(self.home, ME).close()

    def test_other_files_stay_free(self) -> None:
        """Another program can change whom a client trusts, and which rooms it knows, meanwhile."""
        self.start()
        trust = TrustStore.open(self.home, ME)
        trust.add("bob", BOB, "typed", WHEN)
        KnownRooms.open(self.home, ME).learn(RELAY, "lobby", ROOM)
        self.assertEqual(len(TrustStore.open(self.home, ME)), 1)


class LockTests(SynchronousTestCase):
    """`Lock`."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp())

    def test_one_at_a_time(self) -> None:
        """In one process, too, only one can have it; the next one after it was released."""
        lock = Lock(self.home)
        error = self.assertRaises(StateInUse, Lock, self.home)
        self.assertIn(f"The process {os.getpid()} uses", str(error))
        lock.release()
        Lock(self.home).release()

    def test_holder_who_has_not_said(self) -> None:
        """Between taking the lock and saying so, its holder has no number."""
        lock = Lock(self.home)
        self.addCleanup(lock.release)
        for content in (b"", b"\xff\xff"):
            (self.home / LOCK_FILE).write_bytes(content)
            error = self.assertRaises(StateInUse, Lock, self.home)
            self.assertIn("Another process uses", str(error))

    def test_released_where_the_state_cannot_be_opened(self) -> None:
        """A directory that cannot be used is not locked either."""
        (self.home / STATE_FILE).parent.mkdir(mode=0o700)
        (self.home / STATE_FILE).touch(mode=0o644)
        for _ in range(2):
            self.assertRaises(NotPrivate, StateDirectory.open, self.home, ME)
        Lock(self.home).release()
