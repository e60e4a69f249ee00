"""Tests of `securechat.bundlefiles`."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from securechat.armour import MAX_LENGTH
from securechat.bundlefiles import read_bundles
from securechat.errors import NoBundle
from securechat.identity import Identity

BOB, CAROL = (Identity.generate().bundle for _ in range(2))


class ReadTests(SynchronousTestCase):
    """What is in a directory that somebody else may have filled."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir()

    def refuses(self, name: str, what: str) -> None:
        """The file *name* is the only one, and is refused for that reason."""
        found = read_bundles(self.path)
        self.assertEqual(list(found), [name])
        error = found[name]
        self.assertIsInstance(error, NoBundle)
        self.assertIn(what, str(error))

    def test_bundles(self) -> None:
        """Each file's bundle is there, by the name of the file, whatever is around it."""
        (self.path / "carol").write_text(f"From: Carol\n\n{CAROL.armour()}")
        (self.path / "bob.txt").write_text(BOB.armour())
        self.assertEqual(
            list(read_bundles(self.path).items()), [("bob.txt", BOB), ("carol", CAROL)]
        )

    def test_bad_beside_good(self) -> None:
        """A file without a bundle is told, and stops no other."""
        (self.path / "a").write_bytes(b"\xff\0")
        (self.path / "bob").write_text(BOB.armour())
        found = read_bundles(self.path)
        self.assertIsInstance(found["a"], NoBundle)
        self.assertEqual(found["bob"], BOB)

    def test_link(self) -> None:
        """No link is followed, wherever it leads."""
        (self.path / "bob").symlink_to("/etc/hostname")
        self.refuses("bob", "symbolic link")

    def test_link_that_came_meanwhile(self) -> None:
        """What becomes a link after it was looked at is not followed either."""
        (self.path / "bob").symlink_to("/etc/hostname")
        self.patch(os, "lstat", os.stat)
        self.refuses("bob", "symbolic links")

    def test_other_kinds(self) -> None:
        """Directories are refused, and nobody waits at a pipe."""
        (self.path / "bob").mkdir()
        self.refuses("bob", "no plain file")
        (self.path / "bob").rmdir()
        os.mkfifo(self.path / "bob")
        self.refuses("bob", "no plain file")

    def test_long(self) -> None:
        """A file that is too long is refused, for all that a bundle is in it."""
        (self.path / "bob").write_text(BOB.armour() + "x" * MAX_LENGTH)
        self.refuses("bob", "longer than")

    def test_nothing(self) -> None:
        """An empty directory has no bundles; one that is not there is an error."""
        self.assertEqual(read_bundles(self.path), {})
        self.assertRaises(FileNotFoundError, read_bundles, self.path / "missing")
