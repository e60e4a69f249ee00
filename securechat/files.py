"""
Files that only their user may read: how they are written, read and locked.

A private file has mode 0600 and stands in a directory of mode 0700; where others have any
access, it is refused with the command that takes it from them. A file is written whole beside
its place and then put there, so whoever reads it, also after a crash, sees the old file or the
new one and nothing between.

This module knows no format and no key. What the operating system refuses (no space, no
permission) stays the `OSError` that it is: it names the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from securechat.errors import DamagedFile, FileExists, NotPrivate

_OTHERS = 0o077

_NEXT = {
    errno.EACCES: "Have its owner give you access, or choose another place.",
    errno.ENOSPC: "Make room on the disk, and try again.",
    errno.EROFS: "Choose a place that can be written.",
}
"""What to do about the refusals that are met most."""


def told(error: OSError) -> str:
    """Return what *error* says to a person: which file, why, and what to do next."""
    where = f"{error.filename}: " if error.filename else ""
    after = f". {_NEXT[error.errno]}" if error.errno in _NEXT else ""
    return f"{where}{error.strerror or error}{after}"


def private_directory(path: Path) -> None:
    """
    Make the directory *path* with mode 0700, or check that of the one that is there.

    :raises NotPrivate: if others have access to it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check(path, path.stat(), mode="700")


def check_private(path: Path) -> None:
    """
    Check that nobody but the user has access to the file or directory *path*.

    :raises FileNotFoundError: if there is none.
    :raises NotPrivate: if others have.
    """
    status = path.stat()
    _check(path, status, mode="700" if stat.S_ISDIR(status.st_mode) else "600")


def read_private(path: Path, limit: int) -> bytes:
    """
    Return the content of *path*.

    :param limit: the most bytes that it may have.
    :raises FileNotFoundError: if there is no such file.
    :raises NotPrivate: if others have access to it or to its directory.
    :raises DamagedFile: if it has more than *limit* bytes.
    """
    with path.open("rb") as file:
        _check(path.parent, path.parent.stat(), mode="700")
        _check(path, os.fstat(file.fileno()), mode="600")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise DamagedFile(path=path, what=f"it has more than {limit} bytes")
    return data


def write_private(path: Path, data: bytes, *, replace: bool = False) -> None:
    """
    Write *data* to the file *path*, with mode 0600, as a whole and durably.

    :param replace: whether it may take the place of a file that is there.
    :raises FileExists: if it may not, and there is one.
    :raises NotPrivate: if others have access to the directory.
    """
    private_directory(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)  # as rename, but it never replaces
    except FileExistsError:
        raise FileExists(path=path) from None
    except OSError as error:
        error.filename = str(path)  # which a write lacks, and the temporary name says nothing
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """
    Write *data* to the new file *path*, with mode 0600 and durably, in any directory: on a disk
    that is carried away, say, which may know no modes. So it has to be encrypted.

    :raises FileExists: if there is one already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExists(path=path) from None
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        os.unlink(path)
        error.filename = str(path)
        raise
    _sync(path.parent)


def exchange(new: Path, place: Path, aside: Path) -> None:
    """
    Put the directory *new* in the place of the directory *place*, and that one *aside*; all are
    in one directory, and there is no *aside*.

    :raises OSError: if that cannot be done; all is as it was then, also where it is interrupted,
        but by the end of the process.
    """
    os.rename(place, aside)
    try:
        os.rename(new, place)
    except BaseException:
        os.rename(aside, place)
        raise
    _sync(place.parent)


def private_file(path: Path) -> int:
    """
    Open the file *path* to read and write, made empty with mode 0600 where there is none.

    :return: a descriptor, the caller's to close.
    :raises NotPrivate: if others have access to it or to its directory.
    """
    private_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _check(path, os.fstat(descriptor), mode="600")
        _sync(path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """
    Keep other programs that ask for the same lock out of *directory*.

    It is meant for the moment of a read and a write, and waits as long as others hold it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result, *, mode: str) -> None:
    if status.st_mode & _OTHERS:
        raise NotPrivate(path=path, found=f"{stat.S_IMODE(status.st_mode):o}", mode=mode)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
