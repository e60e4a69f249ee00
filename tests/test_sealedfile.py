"""Tests of `securechat.sealedfile`."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat import sealedfile
from securechat.encoding import decode, encode
from securechat.errors import DamagedFile, EncodingError, NotPrivate, UnsupportedVersion
from securechat.identity import Identity
from securechat.sealedfile import SealedFile

ALICE = Identity.generate()


class SealedFileTests(SynchronousTestCase):
    """What an identity keeps on disk."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve() / "home" / "file"
        self.file = SealedFile(self.path, ALICE, "test", 1)

    @given(st.binary())
    def test_round_trip(self, content: bytes) -> None:
        """What was written last is read, also by another program of the same identity."""
        self.file.write(content)
        again = Identity.decode(ALICE.encode())
        self.assertEqual(SealedFile(self.path, again, "test", 1).read(), content)

    def test_nothing_yet(self) -> None:
        """Where there is no file there is nothing, and that is no error."""
        self.assertIsNone(self.file.read())

    def test_secret(self) -> None:
        """The content cannot be seen in the file, nor that it is the same as before."""
        self.file.write(b"the same content")
        before = self.path.read_bytes()
        self.file.write(b"the same content")
        self.assertNotIn(b"the same content", before)
        self.assertNotEqual(self.path.read_bytes(), before)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    @given(st.data())
    def test_any_byte_changed(self, data: st.DataObject) -> None:
        """A file of which any one byte was changed is refused and left as it is."""
        self.file.write(b"content")
        wrong = bytearray(self.path.read_bytes())
        wrong[data.draw(st.integers(0, len(wrong) - 1))] ^= data.draw(st.integers(1, 255))
        self.path.write_bytes(wrong)
        with self.assertRaises((DamagedFile, UnsupportedVersion)):
            self.file.read()
        self.assertEqual(self.path.read_bytes(), wrong)

    def test_of_another(self) -> None:
        """A file of another identity or of another kind is refused."""
        SealedFile(self.path, Identity.generate(), "test", 1).write(b"")
        error = self.assertRaises(DamagedFile, self.file.read)
        self.assertIn("another identity wrote it", str(error))
        SealedFile(self.path, ALICE, "other", 1).write(b"")
        error = self.assertRaises(DamagedFile, self.file.read)
        self.assertIn("no test file", str(error))

    def test_kind_is_authenticated(self) -> None:
        """A file of one kind cannot be made to pass for another."""
        SealedFile(self.path, ALICE, "other", 1).write(b"")
        self.path.write_bytes(encode("securechat test", *decode(self.path.read_bytes())[1:]))
        self.assertRaises(DamagedFile, self.file.read)

    def test_newer_version(self) -> None:
        """A file that a later version wrote is told as such, and left as it is."""
        SealedFile(self.path, ALICE, "test", 2).write(b"")
        error = self.assertRaises(UnsupportedVersion, self.file.read)
        self.assertIn("you must upgrade", str(error))

    def test_older_version(self) -> None:
        """What earlier versions wrote is brought to this one, step by step; the file stays."""
        self.file.write(b"content")
        before = self.path.read_bytes()
        steps = {1: lambda content: content + b", then", 2: lambda content: content + b", now"}
        newer = SealedFile(self.path, ALICE, "test", 3, steps)
        self.assertEqual(newer.read(), b"content, then, now")
        self.assertEqual(self.path.read_bytes(), before)
        newer.write(b"new")
        self.assertEqual(newer.read(), b"new")

    def test_version_too_old(self) -> None:
        """What an earlier version wrote, and nothing can read any more, is told as such."""
        self.file.write(b"content")
        later = SealedFile(self.path, ALICE, "test", 3, {2: bytes})
        self.assertRaises(UnsupportedVersion, later.read)

    def test_older_content_that_is_none(self) -> None:
        """Content of an earlier version that cannot be brought to this one is damaged."""

        def step(content: bytes) -> bytes:
            raise EncodingError(what="not so")

        self.file.write(b"content")
        self.assertRaises(DamagedFile, SealedFile(self.path, ALICE, "test", 2, {1: step}).read)

    def test_open_to_others(self) -> None:
        """A file that others can read is refused."""
        self.file.write(b"")
        self.path.chmod(0o640)
        self.assertRaises(NotPrivate, self.file.read)

    def test_too_long(self) -> None:
        """A file that is too long is refused."""
        self.file.write(bytes(100))
        self.patch(sealedfile, "MAX_LENGTH", 100)
        self.assertRaises(DamagedFile, self.file.read)

    def test_lock(self) -> None:
        """The lock can be taken before there is a directory, and one after the other."""
        for _ in range(2):
            with self.file.locked():
                self.assertTrue(self.path.parent.is_dir())

    def test_repr(self) -> None:
        """A file shows as its path."""
        self.assertEqual(repr(self.file), f"<SealedFile {self.path}>")
