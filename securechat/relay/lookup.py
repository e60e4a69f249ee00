"""
What members look up in a room: its roster, the leaf keys, and who is online.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from securechat.group.log import CONSENT_WINDOW, Log
from securechat.primitives import XWING_LENGTH
from securechat.relay.refusal import Refusal, subject
from securechat.relay.state import Kind
from securechat.wire import MAX_CHUNK, Code, LeafKeys, Leaves, Online, Page, Roster, Who

if TYPE_CHECKING:
    from securechat.relay.room import Room

PAGE = 24_576
"""Bytes of a snapshot in one `page`."""

LEAF_KEYS = MAX_CHUNK // XWING_LENGTH
"""Leaf keys in one `leaf_keys`."""

_NO_LEAF = bytes(XWING_LENGTH)  # its hash is no row's, so nothing is sealed to it


@attrs.frozen
class _State:
    """The log as of one epoch, for who was added then and asks for its roster."""

    log: Log

    @cached_property
    def snapshot(self) -> bytes:
        return self.log.snapshot()


class Lookup:
    """The desk at which *room* answers."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._states: dict[int, _State] = {}
        self._seen: tuple[int, frozenset[bytes]] | None = None  # epoch, and who is present
        self._answer: Online  # to `who` as of then: each row was looked at for it
        self.remember(room.ledger.log)

    def remember(self, log: Log) -> None:
        """*log* is the newest; those of 16 entries ago are forgotten."""
        self._states[log.epoch] = _State(log)
        self._states.pop(log.epoch - CONSENT_WINDOW, None)

    def answer(self, line: Roster | Leaves | Who) -> Page | LeafKeys | Online:
        """
        Return what answers *line*.

        :raises Refusal: if there is no such thing, or not any more.
        """
        match line:
            case Roster():
                return self._page(line)
            case Leaves():
                return self._leaf_keys(line)
            case _:
                return self._online()

    def _page(self, line: Roster) -> Page:
        state = self._states.get(line.epoch)
        if state is None or line.offset >= len(state.snapshot):
            raise self._gone("this relay has no such page of the roster")
        chunk = state.snapshot[line.offset : line.offset + PAGE]
        return Page(line.room, line.epoch, line.offset, len(state.snapshot), chunk)

    def _leaf_keys(self, line: Leaves) -> LeafKeys:
        log = self._room.ledger.log
        rows = log.membership.rows[line.first : line.first + LEAF_KEYS]
        if line.epoch != log.epoch or not rows:
            raise self._gone("these are not rows of the newest roster: ask for those")
        leaf_keys = self._room.ledger.values.of(Kind.LEAF)
        keys = b"".join(leaf_keys.get(row.fingerprint, _NO_LEAF) for row in rows)
        return LeafKeys(line.room, line.epoch, line.first, keys)

    def _online(self) -> Online:
        log = self._room.ledger.log
        now = log.epoch, self._room.history.present(log.room)
        if now != self._seen:
            self._seen, self._answer = now, _online(log, now[1])
        return self._answer

    def _gone(self, words: str) -> Refusal:
        return Refusal(Code.GONE, words, subject(self._room.id))


def _online(log: Log, present: frozenset[bytes]) -> Online:
    """Return which members on the roster of *log* are *present*."""
    bits = bytearray((len(log.membership.rows) + 7) // 8)
    for number, row in enumerate(log.membership.rows):
        if row.fingerprint in present:
            bits[number // 8] |= 0x80 >> number % 8
    return Online(log.room, log.epoch, bytes(bits))
