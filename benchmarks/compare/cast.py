"""
The rooms and members that the relay has before it starts, made as real ones come to be.

Each room's founder adds the others one after the other, by entries that all of them agreed to and
signed, and these land in a history as the relay would have them land; only the sockets between are
left out. Beside the history stands a file of the members for the load generator, which proves to
be each of them. To make a thousand members takes seconds, so a cast is kept, and each relay that
is started gets a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock

from benchmarks.rekey import agreed
from securechat.encoding import decode
from securechat.files import private_directory
from securechat.group.entry import SignedEntry
from securechat.group.messages import Frame, Kind
from securechat.group.room import Room
from securechat.group.roster import MAX_ROSTER, Policy
from securechat.identity import Identity
from securechat.primitives import XWing
from securechat.relay import Draft, Landing, SQLiteHistory
from securechat.relay.database import NAME
from securechat.relay.ledger import draft
from securechat.relay.schema import STEPS
from securechat.relay.state import changes_by, named
from securechat.wire import Send, serialise

MEMBERS = "members"
"""The name of the file that the load generator reads."""

_TEXT = b"x" * 140
"""A message of usual size; everything from 82 to 145 bytes is as long when it is encrypted."""

_MOST_DAYS = 10.0  # the relay drops messages of 30 days
_SECONDS_A_TURN = 0.001


@attrs.frozen
class Shape:
    """How many there are."""

    rooms: int
    members: int
    """Of each room."""
    messages: int = 0
    """That its founder has said in each room."""

    def __str__(self) -> str:
        said = f" and {self.messages:,} messages" if self.messages else ""
        return f"{self.rooms:,} room(s) of {self.members:,}{said}"


def payload_size() -> int:
    """Return the length of the ciphertext field of a usual message, as a line has it."""
    room = _founded("size")[1]
    return len(_line_of(room, _frame(room)).rpartition(b" ")[2])


def cast(shape: Shape, kept: Path, tell: Callable[[str], None]) -> Path:
    """
    Return the directory with a history of *shape* and its file of members; make it if need be.

    :param kept: a directory of casts, which only its user can read.
    :param tell: is told of what takes long.
    """
    private_directory(kept)
    source = f"{len(STEPS)} {Path(__file__).read_text('utf-8')}"
    name = "-".join(map(str, attrs.astuple(shape)))
    path = kept / f"cast-{name}-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    for each in kept.glob("cast-*"):
        if time.time() - each.stat().st_mtime > _MOST_DAYS * 86_400:
            shutil.rmtree(each)
    if path.exists():
        return path
    tell(f"making {shape}: once, they are kept in {kept}")
    with tempfile.TemporaryDirectory(dir=kept) as made:
        place = Path(made) / "cast"
        private_directory(place)
        _Making(shape, place, tell).make()
        place.rename(path)
    return path


@attrs.define
class _Making:
    """One cast as it comes to be."""

    shape: Shape
    place: Path
    tell: Callable[[str], None]
    clock: Any = attrs.field(factory=Clock)

    def make(self) -> None:
        self.clock.advance(time.time())  # else all messages are too old to be kept
        history = SQLiteHistory(self.place / NAME, self.clock)
        rooms = [list(self._room(history, number)) for number in range(self.shape.rooms)]
        history.close()
        # The generator's connection i is in room i % rooms.
        lines = [line for members in zip(*rooms, strict=True) for line in members]
        descriptor = os.open(self.place / MEMBERS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{line}\n" for line in lines)

    def _room(self, history: SQLiteHistory, number: int) -> Iterator[str]:
        """Make a room, and return its members' lines of the file in roster order."""
        founder, room = _founded(f"room-{number}")
        people = [founder]
        self._land(history, room, room.first_entry)
        for _ in range(1, self.shape.members):
            newcomer = Identity.generate()
            people.append(newcomer)
            signed, _ = room.propose(agreed(room, founder, newcomer, XWing.generate()))
            room.take_entry(room.seq + 1, signed.encode())
            self._land(history, room, signed)
            if not len(people) % 250:
                self.tell(f"  room {number + 1} of {self.shape.rooms}: {len(people):,} members")
        for said in range(1, self.shape.messages + 1):
            frame = _frame(room)
            rest = _line_of(room, frame).split(b" ", 2)[2]
            history.append_frame(room.id, room.place.head, Draft(b"frame", rest))
            room.take_frame(room.seq + 1, frame)
            if not said % 100:
                self.clock.advance(_SECONDS_A_TURN)
        self.clock.advance(_SECONDS_A_TURN)
        for row, member in enumerate(people):
            yield _spelled(room, row, member)

    def _land(self, history: SQLiteHistory, room: Room, signed: SignedEntry) -> None:
        """Have the newest entry of *room* stored, as the relay's ledger does."""
        landing = Landing(
            draft(room.log),
            signed.entry.prev,
            signed.head,
            room.log.epoch,
            room.log.label,
            room.log.snapshot(),
            values=named(changes_by(signed)),
        )
        history.append_entry(room.id, landing)
        self.clock.advance(_SECONDS_A_TURN)


def _founded(label: str) -> tuple[Identity, Room]:
    founder = Identity.generate()
    room = Room.found(founder, label, Policy(roster_maximum=MAX_ROSTER), lambda _: True)
    room.take_entry(1, room.first_entry.encode())
    return founder, room


def _frame(room: Room) -> Frame:
    room.say(Kind.TEXT, _TEXT)
    return room.outgoing.popleft()


def _line_of(room: Room, frame: Frame) -> bytes:
    header = frame.header
    return serialise(
        Send(room.id, header.epoch, header.row, header.n, frame.nonce, frame.ciphertext)
    )


def _spelled(room: Room, row: int, member: Identity) -> str:
    _, seed, *_ = decode(member.encode())
    place = room.place
    fields = [
        seed.hex(),
        member.fingerprint.hex(),
        _base64(member.bundle.encode()),
        _base64(place.room),
        str(place.epoch),
        _base64(place.head),
        str(row),
        str(room.seq),
    ]
    return " ".join(fields)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
