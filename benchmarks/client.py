"""
What a client computes for a message and for an admission, beside the primitives alone.

::

    python -m benchmarks.client

A room of 100 members is made in memory by 99 admissions, with real keys and every step of both
sides; the last of them are measured. Then one member says texts of 60 bytes, each up to the line
`send` as it is written, and another takes in lines `frame` of everybody else, each from its bytes
up to the event.

Beside each step stand the primitives that no client could do without, on input of the same sizes:
`budget` says which. All is CPU time. A step and its primitives take turns, since a machine is not
always equally fast: a figure is the median of the rounds, with the least and the most, and a ratio
is the median of the ratios of each round.
"""

from __future__ import annotations

import cProfile
import io
import json
import pstats
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from statistics import median
from time import process_time
from typing import TypeVar

import attrs
import click

from benchmarks.bare import Bare, Call
from securechat.group.detail import Add
from securechat.group.entry import SignedEntry
from securechat.group.events import Confirmed, MemberAdded, Message, RoomEvent
from securechat.group.joiner import Joiner, joiner
from securechat.group.keys import EpochKeys
from securechat.group.messages import Content, Frame, Header, Kind, seal_frame
from securechat.group.room import Room
from securechat.group.roster import MAX_ROSTER, Policy
from securechat.group.transcript import Transcript
from securechat.group.voucher import voucher
from securechat.identity import Bundle, Identity
from securechat.primitives import digest, random_bytes
from securechat.wire import FROM_RELAY, FrameLine, Send, parse, serialise

LABEL = "benchmark"
TEXT = b"Sixty bytes are about what a person says in one line of talk"
ENCRYPT, DECRYPT = "encrypt a message", "decrypt and verify a message"
TAKE = "entry taken by a member"
PROFILED = 15

T = TypeVar("T")


def budget(bare: Bare, members: int) -> dict[str, list[Call]]:
    """
    Return the primitives of each step in a room of *members*.

    The sizes are those of the CBOR arrays that are hashed, signed or sealed, near enough: 1,216
    bytes of an X-Wing key, 1,136 that sealing adds, 1,800 of an entry that adds somebody, 180 of
    a row of the roster. To seal and to open take the hash of what they are bound to.
    """
    bind, item, key = bare.hash(100), bare.hash(1_800), bare.hash(1_250)
    roster = bare.hash(180 * members)
    epoch = [item, bare.mac(32), bare.expand()]
    confirm = [bare.expand(), bare.mac(1_700)]
    senders = [bare.expand() for _ in range(members + 1)]
    handover = [bare.mac(110), bare.expand(), bind]
    proof = [bare.expand(), bare.mac(140), key, key]
    ratchet = [bare.expand(), bare.expand()]
    return {
        "vouch": [key, bind, bind, bare.seal(144), bare.hash(1_500)],
        "challenge": [
            *(bare.pair(), bare.pair(), bind, bare.open(144), bare.hash(1_500), bare.sign(280)),
            *(*proof, bind, bare.seal(2_580), bare.hash(3_800)),
        ],
        "challenge checked": [
            *(bind, bare.open(2_580), bare.verify_new(280), *proof, bare.hash(3_800)),
        ],
        "entry made": [roster, *epoch, *confirm, bare.sign(1_700)],
        "response": [bind, bare.seal(35), *handover, bare.encrypt(1_850)],
        "response checked": [
            *(bind, bare.open(35), *handover, bare.decrypt(1_850)),
            *(bare.verify_new(1_700), item, *confirm),
        ],
        TAKE: [
            *(item, bind, item, bare.verify(1_700), bare.verify_new(280), bind, key, roster),
            *(*epoch, *confirm, *senders),
        ],
        "entering": [
            *(bare.verify_new(1_500), *(item for _ in range(min(members, 16)))),
            *(*(bind for _ in range(members)), roster, key),
            *(bare.verify_new(1_700), bare.verify_new(280), *senders, item, bind),
        ],
        ENCRYPT: [*ratchet, bare.sign(230), bare.encrypt(196), bind],
        DECRYPT: [
            *(*ratchet, bare.decrypt(196), bare.verify(230), bind),
            *(bare.hash(250), bind),
        ],
    }


@attrs.define
class Steps:
    """What each step and its primitives took, in microseconds of CPU, round by round."""

    bare: dict[str, list[Call]]
    took: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)

    def measure(self, name: str, work: Callable[[], T], times: int = 1) -> T:
        """Do *work*, which is the step *name* so many *times*, and its primitives as often."""
        calls = self.bare[name]
        begun = process_time()
        result = work()
        between = process_time()
        for _ in range(times):
            for call in calls:
                call()
        ended = process_time()
        each = 1_000_000 / times
        rounds = self.took.setdefault(name, [])
        rounds.append(((between - begun) * each, (ended - between) * each))
        return result


@attrs.frozen
class Row:
    """One step: medians in microseconds, with the least and the most of the rounds."""

    name: str
    took: float
    least: float
    most: float
    bare: float
    ratio: float

    @classmethod
    def of(cls, name: str, rounds: Sequence[tuple[float, float]]) -> Row:
        took, bare = zip(*rounds, strict=True)
        ratio = median(one / other for one, other in rounds)
        return cls(name, median(took), min(took), max(took), median(bare), ratio)


@attrs.define
class Crowd:
    """A room of many: its founder's view, and that of the first who came after."""

    people: list[Identity]
    """In the order of the roster."""
    founder: Room
    member: Room
    secret: bytes
    """Of its newest epoch."""

    @classmethod
    def gather(cls, members: int, rounds: int, steps: Steps) -> Crowd:
        """Let the founder admit all the others; in *steps* is what the last *rounds* took."""
        people = [Identity.generate() for _ in range(members)]
        founder = Room.found(people[0], LABEL, Policy(roster_maximum=MAX_ROSTER), _anybody)
        founder.take_entry(1, founder.first_entry.encode())
        member, secret = _admit(founder, people[0], people[1], Steps(steps.bare))
        for seq, each in enumerate(people[2:], start=3):
            measured = steps if members - seq < rounds else Steps(steps.bare)
            newcomer, secret = _admit(founder, people[0], each, measured)
            take = partial(member.take_entry, seq, newcomer.first_entry.encode())
            (event,) = measured.measure(TAKE, take)
            assert isinstance(event, MemberAdded)
        return cls(people, founder, member, secret)


def _anybody(_: bytes) -> bool:
    return True


def _admit(room: Room, by: Identity, newcomer: Identity, steps: Steps) -> tuple[Room, bytes]:
    """
    Let *by*, whose *room* it is, admit *newcomer*. Return the newcomer's room, and the secret of
    the epoch.
    """
    attempt, bundle, seq = random_bytes(16), Bundle.decode(newcomer.bundle.encode()), room.seq + 1
    old = voucher(by, attempt, bundle, room.place, LABEL)
    vouch = steps.measure("vouch", old.vouch)

    def challenge() -> tuple[Joiner, bytes]:
        new = joiner(newcomer, attempt, LABEL, _anybody)
        return new, new.vouched(by.bundle, vouch)

    new, challenged = steps.measure("challenge", challenge)
    steps.measure("challenge checked", lambda: old.challenged(challenged))
    made: list[tuple[SignedEntry, bytes]] = []

    def propose(add: Add) -> tuple[SignedEntry, bytes]:
        made.append(steps.measure("entry made", lambda: room.propose(add)))
        return made[-1]

    old.respond(propose)
    response, signed = steps.measure("response", lambda: old.respond(lambda _: made[0]))
    steps.measure("response checked", lambda: new.answered(response))
    entry = signed.encode()
    room.take_entry(seq, entry)
    snapshot = room.log.snapshot()

    def enter() -> Room:
        entered = Room.enter(newcomer, LABEL, new.landed(signed.head), snapshot, _anybody)
        entered.take_entry(seq, entry)
        return entered

    return steps.measure("entering", enter), made[0][1]


@attrs.define
class Talk:
    """
    The messages of a room: the founder says some, and the member takes in those of all others.
    They go to each other through no relay: each has a stream of its own.
    """

    crowd: Crowd
    others: Iterator[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.others = self._said_by_others()

    def say(self, count: int) -> list[bytes]:
        """Return the lines by which the founder says so many texts."""
        room, lines = self.crowd.founder, []
        for _ in range(count):
            room.say(Kind.TEXT, TEXT)
            frame = room.outgoing.popleft()
            header = frame.header
            lines.append(
                serialise(
                    Send(
                        *(room.id, header.epoch, header.row, header.n),
                        *(frame.nonce, frame.ciphertext),
                    )
                )
            )
        return lines

    def said(self, lines: Iterable[bytes]) -> None:
        """These *lines* of the founder's have come back in its stream."""
        room = self.crowd.founder
        for line in lines:
            sent = parse(line)
            assert isinstance(sent, Send)
            room.take_frame(
                room.seq + 1,
                Frame(Header(sent.epoch, sent.row, sent.n), sent.nonce, sent.ciphertext),
            )

    def hear(self, lines: Iterable[bytes]) -> list[RoomEvent]:
        """Return what the member is told by these *lines* of its stream."""
        room, events = self.crowd.member, []
        for data in lines:
            line = parse(data, FROM_RELAY)
            assert isinstance(line, FrameLine)
            header = Header(line.epoch, line.row, line.n)
            events += room.take_frame(line.seq, Frame(header, line.nonce, line.ciphertext))
        return events

    def _said_by_others(self) -> Iterator[bytes]:
        """Yield lines of the member's stream, said by all others in turn."""
        crowd, room = self.crowd, self.crowd.member
        log = room.log
        rows = [number for number, row in enumerate(room.roster) if row.fingerprint != room.me]
        ratchets = EpochKeys.of(crowd.secret, log.membership.index).ratchets
        transcript = Transcript.starting(log.newest.seq, log.newest.transcript)
        transcript.fold(room.seq, digest("item", log.recent[-1].encode()))
        for seq, row in enumerate(cycle(rows), start=room.seq + 1):
            ratchet = ratchets[row]
            header = Header(log.epoch, row, ratchet.n)
            content = Content(Kind.TEXT, *transcript.newest, TEXT)
            frame = seal_frame(crowd.people[row], ratchet, room.id, log.head, header, content)
            ratchets[row] = ratchet.skip(1)
            transcript.fold(seq, frame.digest)
            line = FrameLine(
                *(room.id, seq, header.epoch, row, header.n), frame.nonce, frame.ciphertext
            )
            yield serialise(line)


def measure(members: int, messages: int, rounds: int) -> list[Row]:
    """Return what each step takes in a room of *members*: *rounds* of so many *messages*."""
    steps = Steps(budget(Bare(), members))
    talk = Talk(Crowd.gather(members, rounds, steps))
    for _ in range(rounds):
        talk.said(steps.measure(ENCRYPT, lambda: talk.say(messages), messages))
        lines = list(islice(talk.others, messages))
        events = steps.measure(DECRYPT, partial(talk.hear, lines), messages)
        if [type(event) for event in events if not isinstance(event, Confirmed)] != (
            [Message] * messages
        ):
            raise AssertionError("not every message was shown")
    return [Row.of(name, took) for name, took in steps.took.items()]


def profiled(members: int, messages: int) -> str:
    """Return where the time of so many *messages* goes, by functions' own time."""
    talk, text = Talk(Crowd.gather(members, 0, Steps(budget(Bare(), members)))), io.StringIO()
    talk.hear(islice(talk.others, members))  # all have been heard once
    lines = list(islice(talk.others, messages))
    for name, work in (
        (ENCRYPT, partial(talk.say, messages)),
        (DECRYPT, partial(talk.hear, lines)),
    ):
        profile = cProfile.Profile()
        profile.runcall(work)
        text.write(f"{name}, {messages} times\n")
        pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(PROFILED)
    return text.getvalue()


def as_table(rows: Sequence[Row], members: int, rounds: int) -> str:
    """Return *rows* for people."""
    title = f"a room of {members} members, µs of CPU (medians of {rounds} rounds)"
    head = f"{'':<30}{'took':>10}{'least':>10}{'most':>10}{'bare':>10}{'ratio':>8}"
    body = [
        f"{row.name:<30}{row.took:>10,.1f}{row.least:>10,.1f}{row.most:>10,.1f}"
        f"{row.bare:>10,.1f}{row.ratio:>8.2f}"
        for row in rows
    ]
    return "\n".join([title, head, *body])


@click.command()
@click.option("--members", default=100, show_default=True, type=click.IntRange(3, 1_000))
@click.option("--messages", default=100, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_data", is_flag=True, help="Print an object instead of a table.")
@click.option("--profile", is_flag=True, help="Print where the time goes instead.")
def main(members: int, messages: int, rounds: int, as_data: bool, profile: bool) -> None:
    """Measure what a client computes for a message, and for an admission."""
    if profile:
        click.echo(profiled(members, messages * rounds))
        return
    rows = measure(members, messages, rounds)
    if as_data:
        data = {"members": members, "messages": messages, "rounds": rounds}
        click.echo(json.dumps({**data, "steps": [attrs.asdict(row) for row in rows]}, indent=2))
    else:
        click.echo(as_table(rows, members, rounds))


if __name__ == "__main__":
    main()
