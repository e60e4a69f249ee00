"""
The state directory: a client's rooms and messages on disk, under its identity's keys.

It is a database, `state.sqlite`, beside the identity and what else its user keeps, and a lock.
The identity's key file is under the passphrase, and so is, by that, all of this.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from securechat.address import Address
from securechat.client.archive import RETENTION, Archive, Retention
from securechat.client.database import Database
from securechat.client.lock import Lock
from securechat.client.parts import Parts
from securechat.client.state import Gathering, KeptMessage, now
from securechat.errors import DamagedState, StateNotKept
from securechat.identity import Identity

STATE_FILE = "state.sqlite"


class StateDirectory(Gathering):
    """
    A state that is kept in a directory; `open` it, and close it in the end.

    What is kept of messages is looked through when it is opened, and once a day.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        *,
        messages: bool,
        retention: Retention,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(messages=messages, clock=clock)
        self._database = database
        self._rooms = Parts(database, identity)
        self._archive = Archive(database, identity)
        self._retention = retention
        self._pruned: date | None = None
        self._closing = ExitStack()

    @classmethod
    def open(
        cls,
        home: Path,
        identity: Identity,
        *,
        messages: bool = False,
        retention: Retention = RETENTION,
        clock: Callable[[], datetime] = now,
    ) -> Self:
        """
        Open the state of *identity* in the directory *home*, and lock it against others.

        :param messages: whether new messages are kept.
        :param clock: returns the time of day, in UTC.
        :raises StateInUse: if another client uses it.
        :raises NotPrivate: if others than the user have access to it.
        :raises DamagedState: if it cannot be used, and stays as it is.
        :raises UnsupportedVersion: if a later version of securechat wrote it.
        :raises StateNotKept: if the disk is full, or the file cannot be written.
        """
        with ExitStack() as closing:
            lock = Lock(home)
            closing.callback(lock.release)
            database = Database(home / STATE_FILE)
            closing.callback(database.close)
            state = cls(database, identity, messages=messages, retention=retention, clock=clock)
            state._keep()
            state._closing = closing.pop_all()
        return state

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def rooms(self, relay: Address) -> list[dict[str, bytes]]:
        return self._rooms.of(relay.dialled)

    def messages(self, room: bytes, *, after: int = 0, most: int = 100) -> list[KeptMessage]:
        return self._archive.read(room, after, most)

    def commit(self) -> None:
        if self._gathered:
            try:
                self._keep()
            except DamagedState as error:  # since it was opened; the disk fails, it seems
                raise StateNotKept(path=error.path, why=error.what) from None

    def close(self) -> None:
        self._gathered_nothing()
        self._closing.close()

    def _keep(self) -> None:
        today = self._clock().date()
        with self._database.transaction():
            if self._forgotten or self._parts:
                self._rooms.change(self._forgotten, self._parts)
            for room in self._emptied:
                self._archive.forget(room)
            for room, messages in self._messages.items():
                self._archive.keep(room, messages)
            if today != self._pruned:
                self._archive.prune(self._retention, today)
        self._pruned = today
        self._gathered_nothing()
