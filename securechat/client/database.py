"""
The SQLite database of a client's state: its file, its tables, its transactions.

What a transaction has committed is on the disk, also after a power failure (WAL, with
``synchronous=FULL``), and what is deleted is overwritten in the file. The database knows no key
and no meaning; whatever SQLite says is told as an error of ours.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from securechat.errors import DamagedState, StateNotKept, UnsupportedVersion
from securechat.files import private_file

_PARTS = """CREATE TABLE parts
    (relay BLOB, room BLOB, name BLOB, box BLOB, PRIMARY KEY (relay, room, name)) WITHOUT ROWID"""
_TOTAL = "CREATE TABLE total (box BLOB)"
_MESSAGES = """CREATE TABLE messages
    (room BLOB, seq INTEGER, day INTEGER, box BLOB, PRIMARY KEY (room, seq)) WITHOUT ROWID"""

STEPS = ((_PARTS, _TOTAL, _MESSAGES),)
"""The statements that bring a database from each version to the next one, from 0, an empty one."""

_SETTINGS = (
    "synchronous = FULL",
    "fullfsync = ON",  # where fsync alone does not reach the disk
    "secure_delete = ON",
)

_OUTSIDE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}
"""What SQLite says where the file may be as it should, and something else is not."""


class Database:
    """An open database; made where there is none."""

    def __init__(self, path: Path) -> None:
        """
        :raises NotPrivate: if others have access to the file or its directory.
        :raises DamagedState: if it is no such database, or damaged.
        :raises UnsupportedVersion: if a later version of securechat wrote it.
        :raises StateNotKept: if it cannot be used for another reason.
        """
        self.path = path
        os.close(private_file(path))  # SQLite would make one that others can read
        self._connection = sqlite3.connect(path, timeout=1, isolation_level=None)
        self._connection.text_factory = bytes
        try:
            for setting in _SETTINGS:
                self.execute(f"PRAGMA {setting}")
            if self.execute("PRAGMA quick_check(1)") != [(b"ok",)]:
                raise self._damaged("SQLITE_CORRUPT")
            self._upgrade()
            self.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self.close()
            raise

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """
        Do *statement*; return its rows. After a damage their fields can be of any type.

        :raises DamagedState, StateNotKept: as when it was opened.
        """
        with self._told():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do what is done meanwhile as one: all of it, durably, or nothing."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _upgrade(self) -> None:
        if self._version() == len(STEPS):
            return
        with self.transaction():  # and look again: it is others' turn no more
            version = self._version()
            # A new one is written as a whole; SQLite takes the first bytes of one for none.
            if version == 0 and self.path.stat().st_size > 0:
                raise self._damaged("SQLITE_CORRUPT")
            if not 0 <= version <= len(STEPS):
                raise UnsupportedVersion(
                    what=f"file {self.path}", version=version, known=len(STEPS)
                )
            for step in STEPS[version:]:
                for statement in step:
                    self.execute(statement)
            self.execute(f"PRAGMA user_version = {len(STEPS)}")

    def _version(self) -> int:
        ((version,),) = self.execute("PRAGMA user_version")
        return int(version)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The lower byte is the kind of error, the others say more about it.
            if error.sqlite_errorcode & 0xFF in _OUTSIDE:
                raise StateNotKept(path=self.path, why=str(error)) from None
            raise self._damaged(error.sqlite_errorname) from None
        except UnicodeDecodeError:  # SQLite's message quotes what it found
            raise self._damaged("SQLITE_CORRUPT") from None

    def _damaged(self, kind: str) -> DamagedState:
        return DamagedState(path=self.path, what=f"it is no sound database ({kind})")
