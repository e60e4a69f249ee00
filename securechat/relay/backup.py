"""
A consistent copy of a history, made while the relay goes on.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from securechat.errors import BackupFailed, FileExists
from securechat.relay.database import open_to_read

_PAGES = 1_024
"""Pages that are copied between two reports, 4 MiB."""

Progress = Callable[[int, int], None]
"""Called with how many pages are copied, of how many."""


def back_up(history: Path, copy: Path, progress: Progress) -> None:
    """
    Copy the *history* as it is at this moment to the file *copy*, which only its owner may read.

    It is copied by SQLite's backup API, in one read transaction: what the relay writes
    meanwhile neither gets in nor makes the copy begin anew. The copy never has another mode than
    0600.

    :raises FileExists: if there is a file *copy*.
    :raises HistoryError: if the history cannot be read, or the copy cannot be written.
    :raises OSError: if the system does not let the history be read, or the copy be finished.
    """
    with closing(open_to_read(history)) as source:
        if copy.exists():
            raise FileExists(path=copy)
        try:
            descriptor, temporary = tempfile.mkstemp(dir=copy.parent, prefix=f".{copy.name}.")
        except OSError as error:
            raise BackupFailed(path=copy, why=error.strerror or str(error)) from None
        try:
            _copy(source, temporary, progress)
            os.fsync(descriptor)
            os.link(temporary, copy)  # as rename, but it never replaces
        except sqlite3.Error as error:
            raise BackupFailed(path=copy, why=str(error)) from None
        except FileExistsError:
            raise FileExists(path=copy) from None
        finally:
            os.close(descriptor)
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def _copy(source: sqlite3.Connection, path: str, progress: Progress) -> None:
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM rooms").fetchone()  # from here on it sees one moment
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _, remaining, total: progress(total - remaining, total),
        )
        target.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
