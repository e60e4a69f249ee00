"""
What holds whatever the relay does, and what holds once it has been honest for a while.

`Watcher.look` is called after every step of a play. It looks at what people were shown, at whom
they believe to be in the room, and at who has which keys; the last it knows from inside the
clients, where nobody else can look. `Watcher.agree` is called at the end of a play in which the
relay was honest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

import attrs

from securechat.errors import BadCiphertext
from securechat.group.detail import Add, Create, Remove
from securechat.group.entry import Entry, SignedEntry
from securechat.group.events import Alarm, KeysLost, Removed, Uncertain
from securechat.group.keys import NOTHING_FRESH, epoch_secret
from securechat.group.room import Room
from securechat.group.slices import open_slice
from securechat.primitives import XWing, expand
from securechat.relay.stream import entry_of
from securechat.wire import SLICE, Begin, Slices
from tests.adversary.cast import Cast, Player
from tests.adversary.lies import MOLE


class Watcher:
    """
    Watches over *cast*.

    :ivar holders: which keys anybody ever had, each with the fingerprints of those who had it.
    :ivar rosters: the same keys, each with those who may have it.
    """

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self.holders: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self.rosters: dict[bytes, frozenset[bytes]] = {}
        self._loot: dict[tuple[bytes, bytes], Loot] = {}  # by fingerprint and head

    def look(self) -> None:
        """Check what holds whatever the relay does."""
        self._cast.note_who_is_inside()
        for player in self._cast:
            self._nothing_false_is_shown(player)
            self._nothing_is_shown_twice(player)
            room = player.room
            if room is not None:
                self._nobody_sneaks_in(room)
                self._take_note_of_keys(player, room)
        self._nobody_else_has_the_keys()

    def _nothing_false_is_shown(self, player: Player) -> None:
        for message in player.shown:
            said = self._cast.said.get(message.text)
            assert said is not None and said.author.fingerprint == message.sender, (
                f"{player.name} was shown what its sender did not say: {message}"
            )

    def _nothing_is_shown_twice(self, player: Player) -> None:
        times = Counter(each.text for each in player.shown)
        assert all(count == 1 for count in times.values()), (
            f"{player.name} was shown twice: {times.most_common(1)}"
        )

    def _nobody_sneaks_in(self, room: Room) -> None:
        there = {row.fingerprint for row in room.roster}
        assert there <= self._cast.came, "somebody is on the roster who never wanted to be"

    def _take_note_of_keys(self, player: Player, room: Room) -> None:
        if not room.inside or room.stuck or room.gone is not None:
            return
        chain = room._keys.chain
        roster = frozenset(room.log.membership.index)
        assert self.rosters.setdefault(chain, roster) == roster, "two rosters share a key"
        self.holders[chain].add(player.fingerprint)
        leaves = tuple(
            room._keys.secrets[each] for each in ("leaf", "next") if each in room._keys.secrets
        )
        self._loot[player.fingerprint, room.place.head] = Loot(chain, leaves)

    def _nobody_else_has_the_keys(self) -> None:
        for chain, holders in self.holders.items():
            assert holders <= self.rosters[chain], "somebody has a key who is not on the roster"

    def relay_has_no_key(self) -> None:
        """Check that no slice was ever made that the relay can open with a key of its own."""
        for player in self._cast:
            entry: Entry | None = None
            for line in player.said(Begin, Slices):
                if isinstance(line, Begin):
                    entry = SignedEntry.decode(line.entry).entry
                    continue
                assert entry is not None and isinstance(line, Slices)
                for sealed in slices_of(line):
                    with suppress(BadCiphertext):
                        open_slice(MOLE, entry, sealed)
                        raise AssertionError("a slice was made for the relay")

    # Once the relay has been honest for a while

    def agree(self) -> None:
        """
        Check that everybody in the room agrees on everything, and that nothing was lost: the
        relay was honest all the time, and by now nothing moves.
        """
        rooms = [each.room for each in self._cast if each.room is not None]
        assert len({each.place for each in rooms}) <= 1, "two heads"
        assert len({each.log.membership.hash for each in rooms}) <= 1, "two rosters"
        assert len({each._transcript.newest for each in rooms}) <= 1, "two transcripts"
        names = {each.fingerprint: each.name for each in self._cast}
        there = {each.name for each in self._cast if each.room is not None}
        for room in rooms:
            assert {names[row.fingerprint] for row in room.roster} == there, "an empty place"
            assert not (room.leaving or room.held or room.unsent), "something still moves"
        for player in self._cast:
            for kind in (Alarm, Uncertain):
                assert not player.heard(kind), f"{player.name}: {player.heard(kind)}"
            self._keys_are_kept(player)
        if rooms:
            items = self._cast.history._read(rooms[0].id, 0, 2**40, b"")
            entries = [(each.seq, entry_of(each)) for each in items if each.is_entry]
            self._nothing_is_lost(self._stays(entries))
            self._nobody_follows(entries)

    def _keys_are_kept(self, player: Player) -> None:
        """
        The relay keeps slices for everybody who is away, until it is removed: then the last that
        it may read is what came before the first of them.
        """
        for lost in player.heard(KeysLost):
            removed = (each for each in player.heard(Removed) if each.seq > lost.seq)
            assert next(removed, None), f"{player.name} has lost its keys by {lost}"

    def _nothing_is_lost(self, stays: list[Stay]) -> None:
        """
        What was said is in the stream under one number, unless its author has gone since; and
        was shown to all others who were in the room at that number, and to nobody else.
        """
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for player in self._cast:
            for message in player.shown:
                numbers[message.text].add(message.seq)
        for text, said in self._cast.said.items():
            author = said.author
            numbers[text] |= said.delivered
            if author.room is not None and author.room.first_entry.head == said.stay:
                assert numbers[text], f"{text!r} is lost"
            assert len(numbers[text]) <= 1, f"{text!r} has two numbers"
            for number in numbers[text]:
                self._is_shown(text, number, author, stays)

    def _is_shown(self, text: str, number: int, author: Player, stays: list[Stay]) -> None:
        there = {each.player for each in stays if each.first <= number < each.last}
        waiting = {each.player for each in stays if each.first <= number < each.deaf}
        shown = {each for each in self._cast if any(text == said.text for said in each.shown)}
        assert shown <= there, f"{text!r} was shown to {_names(shown - there)}, who was not there"
        missed = waiting - shown - {author}
        assert not missed, f"{text!r} was never shown to {_names(missed)}"

    def _stays(self, entries: list[tuple[int, SignedEntry]]) -> list[Stay]:
        players = {each.fingerprint: each for each in self._cast}
        stays: dict[bytes, Stay] = {}
        over: list[Stay] = []
        for seq, signed in entries:
            match signed.entry.detail:
                case Create() | Add() as detail:
                    member = detail.subject.fingerprint
                    stays[member] = Stay(players[member], seq, signed.head)
                case Remove() as detail:
                    for member in detail.members:
                        stay = stays.pop(member)
                        over.append(attrs.evolve(stay, last=seq))
        return [self._as_heard(each) for each in (*over, *stays.values())]

    def _as_heard(self, stay: Stay) -> Stay:
        """Return *stay* with the number from which on its player may hear nothing more."""
        if stay.head not in self._cast.inside:
            return attrs.evolve(stay, deaf=stay.first)  # its program has ended before
        ends = [each.seq for each in stay.player.heard(KeysLost)]
        ends += [seq + 1 for seq in self._cast.left[stay.player]]
        within = (each for each in ends if stay.first < each < stay.last)
        return attrs.evolve(stay, deaf=min(within, default=stay.last))

    def _nobody_follows(self, entries: list[tuple[int, SignedEntry]]) -> None:
        """
        Check that nobody who was removed could make the keys that came after, from all that it
        had before and all that the relay ever heard.
        """
        slices = [
            each
            for player in self._cast
            for line in player.said(Slices)
            for each in slices_of(line)
        ]
        for place, (_, signed) in enumerate(entries):
            if not isinstance(signed.entry.detail, Remove):
                continue
            for member in signed.entry.detail.members:
                loot = self._loot.get((member, signed.entry.prev))
                if loot is not None:
                    after = [each.entry for _, each in entries[place:]]
                    made = loot.follow(after, slices)
                    assert not made & self.holders.keys(), "who was removed has a later key"


@attrs.frozen
class Stay:
    """
    *player* is on the roster by the entry that makes *head*, the number *first*, until the number
    *last*. Who leaves, or is removed while it is away, may hear nothing more from *deaf* on.
    """

    player: Player
    first: int
    head: bytes
    last: int = 2**53
    deaf: int = 2**53


@attrs.frozen
class Loot:
    """What somebody had of a room before it was removed."""

    chain: bytes
    leaves: tuple[bytes, ...]

    def follow(self, entries: Iterable[Entry], slices: list[bytes]) -> set[bytes]:
        """Return the chains of later epochs that can be made of it, with *slices* by anybody."""
        made: set[bytes] = set()
        known = {self.chain}
        for entry in entries:
            fresh = {NOTHING_FRESH, *self.opened(entry, slices)}
            known = {
                expand(epoch_secret(chain, each, entry), "chain", "")
                for chain in known
                for each in fresh
            }
            made |= known
        return made

    def opened(self, entry: Entry, slices: list[bytes]) -> Iterator[bytes]:
        """Yield the secrets of *entry* that are in *slices* and can be opened."""
        for leaf in self.leaves:
            for each in slices:
                with suppress(BadCiphertext):
                    yield open_slice(XWing(leaf), entry, each)


def slices_of(line: Slices) -> list[bytes]:
    """Return the slices in *line*."""
    return [line.sealed[at : at + SLICE] for at in range(0, len(line.sealed), SLICE)]


def _names(players: Iterable[Player]) -> str:
    return ", ".join(sorted(each.name for each in players))
