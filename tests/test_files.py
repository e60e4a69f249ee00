"""Tests of `securechat.files`."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import DamagedFile, FileExists, NotPrivate
from securechat.files import (
    exchange,
    locked,
    private_directory,
    read_private,
    told,
    write_new,
    write_private,
)


def mode(path: Path) -> int:
    """Return the permissions of *path*."""
    return path.stat().st_mode & 0o7777


class FileTests(SynchronousTestCase):
    """Files that only their user may read."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).resolve() / "home"
        self.path = self.home / "file"

    def test_modes(self) -> None:
        """File and directory are made for the user alone, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        write_private(self.path, b"data")
        self.assertEqual((mode(self.home), mode(self.path)), (0o700, 0o600))
        self.assertEqual(read_private(self.path, 4), b"data")

    def test_never_overwrites(self) -> None:
        """A file that is there stays as it is, and nothing else is left behind."""
        write_private(self.path, b"old")
        error = self.assertRaises(FileExists, write_private, self.path, b"new")
        self.assertIn(str(self.path), str(error))
        self.assertEqual(read_private(self.path, 9), b"old")
        self.assertEqual(os.listdir(self.home), ["file"])

    def test_replaces(self) -> None:
        """Where it is asked for, the new file takes the old one's place."""
        write_private(self.path, b"old")
        write_private(self.path, b"new", replace=True)
        self.assertEqual(read_private(self.path, 9), b"new")
        self.assertEqual(os.listdir(self.home), ["file"])

    def test_failure_leaves_the_old(self) -> None:
        """Where the new file cannot be made durable, the old one stays, and nothing else."""
        write_private(self.path, b"old")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "no space left")

        self.patch(os, "fsync", full)
        with self.assertRaises(OSError) as caught:
            write_private(self.path, b"new", replace=True)
        self.assertEqual(
            told(caught.exception),
            f"{self.path}: no space left. Make room on the disk, and try again.",
        )
        self.assertEqual(read_private(self.path, 9), b"old")
        self.assertEqual(os.listdir(self.home), ["file"])

    def test_file_open_to_others(self) -> None:
        """A file that others can read or write is refused with the command that helps."""
        write_private(self.path, b"data")
        for found in (0o640, 0o604, 0o620):
            self.path.chmod(found)
            error = self.assertRaises(NotPrivate, read_private, self.path, 9)
            self.assertIn(f"its mode is {found:o}", str(error))
            self.assertIn(f"chmod 600 '{self.path}'", str(error))

    def test_directory_open_to_others(self) -> None:
        """A directory that others can enter is refused, to read from and to write into."""
        write_private(self.path, b"data")
        self.home.chmod(0o711)
        for call in (
            lambda: read_private(self.path, 9),
            lambda: write_private(self.home / "other", b""),
            lambda: private_directory(self.home),
        ):
            error = self.assertRaises(NotPrivate, call)
            self.assertIn(f"chmod 700 '{self.home}'", str(error))

    def test_limit(self) -> None:
        """A file that is too long is refused without being read whole."""
        write_private(self.path, b"12345")
        error = self.assertRaises(DamagedFile, read_private, self.path, 4)
        self.assertIn("more than 4 bytes", str(error))

    def test_no_file(self) -> None:
        """Where there is no file, the ordinary error says so."""
        self.assertRaises(FileNotFoundError, read_private, self.path, 9)

    def test_new_file_anywhere(self) -> None:
        """A new file is the user's alone, in whatever directory, and never takes a place."""
        self.home.mkdir(mode=0o755, parents=True)
        write_new(self.path, b"content")
        self.assertEqual((self.path.read_bytes(), mode(self.path)), (b"content", 0o600))
        self.assertRaises(FileExists, write_new, self.path, b"other")
        self.assertEqual(self.path.read_bytes(), b"content")

    def test_new_file_that_cannot_be_written(self) -> None:
        """A file that could not be written whole is not there, and the error names it."""

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.home.mkdir(parents=True)
        self.patch(os, "fsync", full)
        error = self.assertRaises(OSError, write_new, self.path, b"content")
        self.assertEqual(error.filename, str(self.path))
        self.assertFalse(self.path.exists())

    def test_exchange(self) -> None:
        """A directory takes the place of another, which is aside then; or all stays."""
        new, aside = self.home.with_name("new"), self.home.with_name("aside")
        for each in self.home, new:
            each.mkdir(parents=True)
            (each / each.name).touch()
        exchange(new, self.home, aside)
        self.assertEqual([*self.home.iterdir()], [self.home / "new"])
        self.assertEqual([*aside.iterdir()], [aside / "home"])
        other = self.home.with_name("other")
        self.assertRaises(OSError, exchange, new, self.home, other)
        self.assertEqual([*self.home.iterdir()], [self.home / "new"])
        self.assertFalse(other.exists())

    def test_exchange_interrupted(self) -> None:
        """Ctrl-C in the middle of it leaves all as it was, too."""
        new, aside = self.home.with_name("new"), self.home.with_name("aside")
        for each in self.home, new:
            each.mkdir(parents=True)
        rename, done = os.rename, list[Path]()

        def interrupted(source: Path, target: Path) -> None:
            done.append(source)
            if len(done) == 2:
                raise KeyboardInterrupt
            rename(source, target)

        self.patch(os, "rename", interrupted)
        self.assertRaises(KeyboardInterrupt, exchange, new, self.home, aside)
        self.assertEqual(done, [self.home, new, aside])
        self.assertTrue(self.home.exists() and new.exists() and not aside.exists())

    def test_lock(self) -> None:
        """While one program holds the lock another cannot have it, and afterwards it can."""
        private_directory(self.home)
        attempt = (
            "import fcntl, os, sys\n"
            "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        )

        def other() -> int:
            command = [sys.executable, "-c", attempt, str(self.home)]
            return subprocess.run(command, capture_output=True, check=False).returncode

        with locked(self.home):
            self.assertEqual(other(), 1)
        self.assertEqual(other(), 0)
