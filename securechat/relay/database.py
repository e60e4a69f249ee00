"""
The file that a history on disk is in: who may have it open, and how.

The relay holds a lock beside the file for as long as it runs, so that no other relay gives out
the same numbers. Others may read meanwhile, for a backup or a check: the file is in SQLite's
WAL mode, in which reader and writer do not wait for each other. This module knows SQLite; what
is in the tables is `securechat.relay.sqlite`'s.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from securechat.errors import (
    HistoryDamaged,
    HistoryError,
    HistoryFailed,
    HistoryForeign,
    HistoryFull,
    HistoryLocked,
    HistoryVersion,
    NoHistory,
)
from securechat.files import private_file
from securechat.relay import schema

NAME = "history.sqlite"
"""The name of the file in the relay's directory."""

_WAIT = 5.0
"""Seconds to wait for who locks the database for a moment: SQLite itself, as it cleans up."""


class Database:
    """
    The file of a history, which one relay at a time has open.

    There are two connections, one that writes and one that reads, so that a thread may write
    while the reactor's reads. Each is opened when it is first used: one must not be carried over
    a fork, which only the lock survives.

    :param durable: whether a commit is to outlast the loss of power, not only of the process.
    :raises HistoryError, OSError: if it cannot be used.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self.path = path.resolve()
        self._durable = durable
        self._closed = False
        self._lock = _locked(self.path)
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        try:
            os.close(private_file(self.path))  # SQLite would make one that others can read
            with explained(self.path):
                _migrate(self.writer, self.path)
        except BaseException:
            self.close()
            raise

    @property
    def writer(self) -> sqlite3.Connection:
        """The connection that writes, which is used by one thread at a time."""
        if self._writer is None:
            self._writer = self._connect()
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            self._writer.execute("PRAGMA foreign_keys = ON")
            self._writer.execute("PRAGMA secure_delete = FAST")  # what is over need not linger
        return self._writer

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection that reads, which sees what is committed."""
        if self._reader is None:
            self._reader = self._connect()
            self._reader.execute("PRAGMA query_only = ON")
        return self._reader

    def rest(self) -> None:
        """Close both connections until one is used again. The lock stays."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def close(self) -> None:
        """Close all there is, for good, and let others have the file."""
        self.rest()
        if not self._closed:
            self._closed = True
            os.close(self._lock)

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("the relay has closed it")
        # Whoever uses it does so from one thread at a time, which SQLite cannot know.
        return sqlite3.connect(
            self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False
        )


def open_to_read(path: Path) -> sqlite3.Connection:
    """
    Return a connection to the history *path* that changes nothing, also while a relay uses it.

    :raises HistoryError: if there is none, it cannot be read, or is of another version than this
        one.
    :raises OSError: if the system does not let it be read.
    """
    try:
        os.close(os.open(path, os.O_RDONLY))  # the system says better than SQLite what is wrong
    except FileNotFoundError:
        raise NoHistory(path=path) from None
    with explained(path):
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT, isolation_level=None
        )
        if (version := _version(connection, path)) != len(schema.STEPS):
            raise HistoryVersion(path=path, version=version, known=len(schema.STEPS))
    return connection


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """
    Let what SQLite complains about, for the history *path*, be an error that says what to do.

    :raises HistoryError: instead of `sqlite3.Error`.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise explanation(error, path) from None


def explanation(error: sqlite3.Error, path: Path) -> HistoryError:
    """Return *error*, of the history *path*, as one that says what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return HistoryFull(path=path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return HistoryDamaged(path=path, what=str(error))
    return HistoryFailed(path=path, why=str(error))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what is done with *connection* within, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after some errors SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _locked(path: Path) -> int:
    descriptor = private_file(path.with_name(f"{path.name}-lock"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise HistoryLocked(path=path) from None
    return descriptor


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise HistoryFailed(path=path, why="its file system cannot do what SQLite's WAL needs")
    if version < len(schema.STEPS):
        with transaction(connection):
            for step in schema.STEPS[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(schema.STEPS)}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != schema.APPLICATION_ID and (application, version, tables) != (0, 0, 0):
        raise HistoryForeign(path=path)
    if version > len(schema.STEPS):
        raise HistoryVersion(path=path, version=version, known=len(schema.STEPS))
    return version
