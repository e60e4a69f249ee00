"""
The rooms that a user has been in: at which relay, under which label, and which room that is.

A label is only a hint: whoever founds a room anew under it, at a relay that lost or hides the
old one, would be taken for the room that the user knew. So the first one is remembered, and
another is never accepted silently. Of a room that the user is not in any more, the head of its
log is remembered, too: nobody can lead the user back into what the room was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from securechat.address import Address
from securechat.encoding import Value, decode, encode, shaped
from securechat.errors import DamagedFile, EncodingError, FoundedAnew
from securechat.group.admission import Place
from securechat.group.entry import ZERO
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH
from securechat.sealedfile import SealedFile

VERSION = 2
ROOMS_FILE = "rooms"


def _with_heads(content: bytes) -> bytes:
    """Return what a file of version 1, which had no heads, holds in version 2."""
    return encode(*([*row, 0, ZERO] for row in decode(content)))


class KnownRooms:
    """Relay and label to the room, and what it was when the user was last in it."""

    def __init__(self, file: SealedFile | None = None) -> None:
        """
        :param file: where they are kept; None: in memory only.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        self._file = file
        self._rooms: dict[tuple[bytes, str], Place] = {}
        self._refresh()

    @classmethod
    def open(cls, home: Path, identity: Identity) -> KnownRooms:
        """Return the rooms that *identity* knows, of the directory *home*."""
        older = {1: _with_heads}
        return cls(SealedFile(home / ROOMS_FILE, identity, "rooms", VERSION, older))

    def __iter__(self) -> Iterator[tuple[bytes, str, bytes]]:
        """Yield each room: the relay, as `Address.dialled`, the label, and G."""
        for (relay, label), place in self._rooms.items():
            yield relay, label, place.room

    def find(self, relay: Address, label: str) -> bytes | None:
        """
        Return G of the room that is known as *label* at *relay*, by now: another program may
        have been there.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        place = self.last(relay, label)
        return None if place is None else place.room

    def last(self, relay: Address, label: str) -> Place | None:
        """
        Return the room that is known as *label* at *relay* as the user last knew it; of one that
        the user is still in the epoch is 0.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        self._refresh()
        return self._rooms.get((relay.dialled, label))

    def learn(self, relay: Address, label: str, room: bytes) -> None:
        """
        Remember that *label* at *relay* is *room*.

        :raises FoundedAnew: if it is another one.
        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        with self._changing():
            known = self._rooms.setdefault((relay.dialled, label), Place(room, 0, ZERO))
            if known.room != room:
                raise FoundedAnew(label=label)

    def left(self, relay: Address, label: str, place: Place) -> None:
        """
        Remember that the user has left the room *label* at *relay*, which was at *place*.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        with self._changing():
            known = self._rooms.get((relay.dialled, label))
            if known is not None and known.room == place.room and known.epoch < place.epoch:
                self._rooms[relay.dialled, label] = place

    def forget(self, relay: Address, label: str) -> None:
        """
        Know nothing of *label* at *relay* any more.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        with self._changing():
            self._rooms.pop((relay.dialled, label), None)

    def take_over(self, other: KnownRooms) -> None:
        """
        Know what *other* knows, of the same user's other identity; what is known here stays.

        :raises DamagedFile, NotPrivate, UnsupportedVersion: as `SealedFile.read`.
        """
        with self._changing():
            self._rooms = other._rooms | self._rooms

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let what is on disk now be changed, and keep it there."""
        with nullcontext() if self._file is None else self._file.locked():
            self._refresh()
            yield
            if self._file is not None:
                rows: list[Value] = [
                    [*known, place.room, place.epoch, place.head]
                    for known, place in self._rooms.items()
                ]
                self._file.write(encode(*rows))

    def _refresh(self) -> None:
        if self._file is None or (content := self._file.read()) is None:
            return
        try:
            shape = bytes, str, HASH_LENGTH, int, HASH_LENGTH
            rows = [shaped(row, *shape) for row in decode(content)]
        except EncodingError as error:
            raise DamagedFile(path=self._file.path, what=error.what) from None
        self._rooms = {(relay, label): Place(*place) for relay, label, *place in rows}
