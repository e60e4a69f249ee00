"""
What it costs a large room to lose a member.

::

    python -m benchmarks.rekey --members 1000

A room of that many members is made in memory, with real keys and real entries: the founder has
added them one after the other, the last of them has entered it as a newcomer does. Then one of
the others leaves. Measured is what the founder does to remove it: the entry, and a slice for
everybody who remains, all as the lines that go to the relay. The yardstick is as many bare
`primitives.seal`s, one for each member, in the same run; both take turns, and the median of the
rounds counts. What a member does is what the last one does with its own slice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import TypeVar

import attrs
import click

from securechat.group.change import Change
from securechat.group.detail import (
    Add,
    Removal,
    Subject,
    Why,
    consent,
    leaf_hash,
    leaving,
)
from securechat.group.events import MemberRemoved
from securechat.group.joiner import Entrance
from securechat.group.room import Room
from securechat.group.roster import MAX_ROSTER, Policy
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, KEY_LENGTH, XWing, random_bytes, seal
from securechat.wire import (
    SLICES_A_LINE,
    Begin,
    Changed,
    Commit,
    LeafKeys,
    Line,
    Slice,
    Slices,
    serialise,
)

LABEL = "benchmark"
KEYS_A_LINE = 26

T = TypeVar("T")


@attrs.frozen
class Costs:
    """What was measured: times in milliseconds, sizes in bytes as on the wire."""

    members: int
    rounds: int
    removal: float
    seals: float
    up: int
    lines_up: int
    keys_down: int
    down: int
    take: float

    @property
    def ratio(self) -> float:
        """The time of the removal in bare seals of the whole room."""
        return self.removal / self.seals


@attrs.frozen
class Crowd:
    """A room of many: its founder's view, its last member's, who leaves, and all leaf keys."""

    founder: Room
    last: Room
    leaver: Identity
    leaves: dict[bytes, bytes]
    """Fingerprint to public leaf key."""
    seq: int
    """The newest number of the stream."""

    @classmethod
    def gather(cls, members: int) -> Crowd:
        """Let the founder add all the others."""
        founder, leaf_of = Identity.generate(), {}
        policy = Policy(roster_maximum=MAX_ROSTER)
        room = Room.found(founder, LABEL, policy, lambda _: True)
        created = room.first_entry
        room.take_entry(1, created.encode())
        leaf_of[founder.fingerprint] = created.entry.detail.subject.leaf  # type: ignore[union-attr]  # of a create entry
        people = [Identity.generate() for _ in range(members - 1)]
        for seq, each in enumerate(people, start=2):
            leaf = XWing.generate()
            leaf_of[each.fingerprint] = leaf.public
            signed, secret = room.propose(agreed(room, founder, each, leaf))
            room.take_entry(seq, signed.encode())
        entrance = Entrance(signed, secret, leaf)
        last = Room.enter(each, LABEL, entrance, room.log.snapshot(), lambda _: True)
        last.take_entry(seq, signed.encode())
        return cls(room, last, people[0], leaf_of, seq)

    def removal(self) -> Change:
        """Return the change by which the founder removes who leaves."""
        membership = self.founder.log.membership
        row = membership.rows[membership.index[self.leaver.fingerprint]]
        signature = self.leaver.sign("leave", *leaving(self.founder.id, row))
        return self.founder.remove((Removal(row.fingerprint, Why.LEFT, signature),))


def agreed(room: Room, voucher: Identity, newcomer: Identity, leaf: XWing) -> Add:
    """Return what *newcomer* agrees to; what else an admission hands over is made up."""
    init, th1, place = random_bytes(HASH_LENGTH), random_bytes(HASH_LENGTH), room.place
    me, by, hashed = newcomer.fingerprint, voucher.fingerprint, leaf_hash(leaf.public)
    content = consent(place.room, place.epoch, place.head, me, by, init, hashed, th1)
    signature = newcomer.sign("consent", *content)
    subject = Subject.of(newcomer.bundle, leaf.public)
    return Add(subject, init, th1, signature, place.epoch, place.head)


def measure(members: int, rounds: int) -> Costs:
    """Return what it costs a room of *members* to lose one."""
    crowd = Crowd.gather(members)
    remaining = [
        crowd.leaves[row.fingerprint]
        for row in crowd.founder.roster
        if row.fingerprint != crowd.leaver.fingerprint
    ]
    everybody, secret = list(crowd.leaves.values()), random_bytes(KEY_LENGTH)
    context = crowd.founder.place.head
    seals, removals = [], []
    for _ in range(rounds):
        took, _ = _timed(lambda: [seal(key, "rekey", context, secret) for key in everybody])
        seals.append(took)
        took, (change, sealed) = _timed(lambda: _removed(crowd, remaining))
        removals.append(took)
    lines = _staged(crowd.founder.id, change, sealed)
    entry, own = change.signed.encode(), sealed[-1]
    took, events = _timed(lambda: crowd.last.take_entry(crowd.seq + 1, entry, own))
    if not any(isinstance(event, MemberRemoved) for event in events):
        raise AssertionError(f"the entry was not taken: {events}")
    down = [
        Slice(crowd.last.id, crowd.seq + 1, own),
        Changed(crowd.last.id, crowd.seq + 1, entry),
    ]
    keys = [
        LeafKeys(crowd.last.id, crowd.seq, first, b"".join(everybody[first : first + KEYS_A_LINE]))
        for first in range(0, members, KEYS_A_LINE)
    ]
    return Costs(
        members=members,
        rounds=rounds,
        removal=median(removals),
        seals=median(seals),
        up=_size(lines),
        lines_up=len(lines),
        keys_down=_size(keys),
        down=_size(down),
        take=took,
    )


def _removed(crowd: Crowd, keys: Sequence[bytes]) -> tuple[Change, list[bytes]]:
    change = crowd.removal()
    return change, list(change.slices(keys))


def _staged(room: bytes, change: Change, sealed: Sequence[bytes]) -> list[Line]:
    """Return the lines by which the relay gets *change* with its slices."""
    parts = [
        Slices(room, first, b"".join(sealed[first : first + SLICES_A_LINE]))
        for first in range(0, len(sealed), SLICES_A_LINE)
    ]
    return [Begin(room, change.signed.encode()), *parts, Commit(room)]


def _size(lines: Sequence[Line]) -> int:
    return sum(len(serialise(line)) + len(b"\r\n") for line in lines)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return how many milliseconds *work* took, and its result."""
    begun = perf_counter()
    result = work()
    return (perf_counter() - begun) * 1_000, result


def as_table(costs: Costs) -> str:
    """Return *costs* for people."""
    rows = [
        (f"{costs.members:,} bare seals", f"{costs.seals:,.1f} ms"),
        (f"entry and {costs.members - 1:,} slices", f"{costs.removal:,.1f} ms"),
        ("that is, of the bare seals", f"{costs.ratio:.2f} times"),
        (f"up, in {costs.lines_up} lines", f"{costs.up:,} bytes"),
        ("leaf keys down, for who rekeys", f"{costs.keys_down:,} bytes"),
        ("down, for each member", f"{costs.down:,} bytes"),
        ("a member takes it in", f"{costs.take:,.1f} ms"),
    ]
    title = f"a room of {costs.members:,} members loses one (median of {costs.rounds} rounds)"
    return "\n".join([title, *(f"{name:<32}{value:>20}" for name, value in rows)])


@click.command()
@click.option("--members", default=1_000, show_default=True, type=click.IntRange(3, MAX_ROSTER))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_data", is_flag=True, help="Print an object instead of a table.")
def main(members: int, rounds: int, as_data: bool) -> None:
    """Measure what it costs a room to lose a member."""
    costs = measure(members, rounds)
    if as_data:
        click.echo(json.dumps({**attrs.asdict(costs), "ratio": costs.ratio}, indent=2))
    else:
        click.echo(as_table(costs))


if __name__ == "__main__":
    main()
