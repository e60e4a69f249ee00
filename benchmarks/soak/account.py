"""
The account that a member keeps of its texts and events: lines of a file, appended one by one.

A line that was written is there after SIGKILL; half a line is as if it were not.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs

ACCOUNT_FILE = "account"


@attrs.define
class Account:
    """What a member has noted."""

    meant: list[str] = attrs.field(factory=list)
    accepted: set[str] = attrs.field(factory=set)
    acknowledged: set[str] = attrs.field(factory=set)
    uncertain: set[str] = attrs.field(factory=set)
    left: list[tuple[str, int]] = attrs.field(factory=list)
    """The rooms that it was about to leave, and the newest number there."""
    roster: list[tuple[str, int, str, str]] = attrs.field(factory=list)
    """Of each event about the roster: room, number, ``+`` or ``-``, member in hexadecimal."""
    shown: list[tuple[str, str, int]] = attrs.field(factory=list)
    """Of each event `Message`: sender in hexadecimal, text, number in the stream."""

    @classmethod
    def read(cls, home: Path) -> Account:
        """Return the account of the member in the directory *home*."""
        account = cls()
        for line in _whole_lines(home / ACCOUNT_FILE):
            word, _, text = line.partition(" ")
            match word:
                case "meant":
                    account.meant.append(text)
                case "left":
                    seq, label = text.split()
                    account.left.append((label, int(seq)))
                case "roster":
                    seq, sign, member, label = text.split()
                    account.roster.append((label, int(seq), sign, member))
                case "shown":
                    seq, sender, text = text.split(" ", 2)
                    account.shown.append((sender, text, int(seq)))
                case "accepted":
                    account.accepted.add(text)
                case "acknowledged":
                    account.acknowledged.add(text)
                case "uncertain":
                    account.uncertain.add(text)
        return account


def room_of(text: str) -> str:
    """Return the label of the room in which *text* is said."""
    return text.rpartition(" ")[0]


def number_of(text: str) -> int:
    """Return the number that *text* has among those of its sender."""
    return int(text.rpartition(" ")[2])


class Pen:
    """Appends to the account in the directory *home*."""

    def __init__(self, home: Path) -> None:
        path = home / ACCOUNT_FILE
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.ftruncate(self._file, sum(len(line.encode()) + 1 for line in _whole_lines(path)))

    def note(self, *words: object) -> None:
        """Append a line of *words*."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def _whole_lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
