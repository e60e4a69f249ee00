"""
The lies of a relay: each a function that tells one lie to one victim.

Some are told at once. Others are told from now on, of each line that they are about, until
`LyingNetwork.be_honest`; they can be told together, to one or to many. `LIES` has all of them, by
their names. Two are of another size, `GREAT_LIES`: they are told to everybody in a `Cast`.

What each of them does to people is in ``docs/security.md``, and shown by
`tests.adversary.test_lies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import attrs

from securechat.client.refusals import subject
from securechat.encoding import decode, encode
from securechat.group.detail import Removal, Why
from securechat.group.entry import SignedEntry
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH, XWing, random_bytes
from securechat.testing import Person
from securechat.wire import (
    SLICE,
    Begin,
    Behind,
    Changed,
    Code,
    Commit,
    ErrorLine,
    FrameLine,
    LeafKeys,
    Leaving,
    Line,
    Online,
    Overtaken,
    Page,
    Resumed,
    Send,
    Slice,
    UserAdded,
)
from tests.adversary.cast import Cast
from tests.adversary.forgery import adding, agreeing, landing, removing
from tests.adversary.kit import LyingNetwork, room

L = TypeVar("L", bound=Line)
Lie: TypeAlias = Callable[[LyingNetwork, Person], None]
"""Tells a lie to a victim, who is in the lobby or, where it is about joining, on its way there."""

LIES: dict[str, Lie] = {}
GREAT_LIES: dict[str, Callable[[Cast], None]] = {}

MOLE = XWing.generate()
"""A key of the relay's own."""

ENTRY = UserAdded, Changed
STREAM = (*ENTRY, FrameLine, Slice)


def told(lie: Lie) -> Lie:
    """Put *lie* among `LIES`."""
    LIES[lie.__name__] = lie
    return lie


def once(lie: Callable[[L], Iterable[Line]]) -> Callable[[L], Iterable[Line]]:
    """Return *lie*, told of the first line alone."""
    lines: list[L] = []

    def first(line: L) -> Iterable[Line]:
        lines.append(line)
        return lie(line) if len(lines) == 1 else [line]

    return first


def of(victim: Person) -> Callable[[Any], bool]:
    """Return what tells lines about the victim's lobby from those about other rooms."""
    lobby = room(victim).id
    return lambda line: bool(line.room == lobby)


# It drops and delays


@told
def drops_a_message(network: LyingNetwork, victim: Person) -> None:
    """The next message to the victim never comes."""
    network.lie(FrameLine, once(lambda line: []), to=victim)


@told
def drops_a_message_and_closes_the_gap(network: LyingNetwork, victim: Person) -> None:
    """The same, and all that comes after it has a number less."""
    dropped: list[FrameLine] = []

    def drop(line: Line) -> Iterable[Line]:
        if isinstance(line, FrameLine) and not dropped:
            dropped.append(line)
            return []
        if dropped and isinstance(line, (*STREAM, Resumed)):
            return [attrs.evolve(line, seq=line.seq - 1)]
        return [line]

    network.lie(Line, drop, to=victim)


@told
def says_nothing(network: LyingNetwork, victim: Person) -> None:
    """The victim hears nothing of the room any more."""
    for kind in (*STREAM, Resumed):
        network.hold(kind, to=victim)


@told
def swallows_messages(network: LyingNetwork, victim: Person) -> None:
    """What the victim says is not passed on."""
    network.hold(Send, by=victim)


@told
def swallows_changes(network: LyingNetwork, victim: Person) -> None:
    """What the victim changes never lands."""
    for kind in (Begin, Commit):
        network.hold(kind, by=victim)


@told
def delays_messages(network: LyingNetwork, victim: Person) -> None:
    """Each message reaches the victim only with the next line of the stream."""
    waiting: list[Line] = []

    def delay(line: Line) -> Iterable[Line]:
        if not isinstance(line, STREAM):
            return [line]
        now = waiting[:]
        waiting[:] = [line] if isinstance(line, FrameLine) else []
        return now if waiting else [*now, line]

    network.lie(Line, delay, to=victim)


# It replays and reorders


@told
def replays_a_message(network: LyingNetwork, victim: Person) -> None:
    """The victim is sent the newest message again, as it was."""
    network.tell(victim, *network.newest(FrameLine, of(victim)))


@told
def replays_a_message_as_new(network: LyingNetwork, victim: Person) -> None:
    """The victim is sent the newest message again, under the next number."""
    for line in network.newest(FrameLine, of(victim)):
        network.tell(victim, attrs.evolve(line, seq=room(victim).seq + 1))


@told
def replays_an_entry(network: LyingNetwork, victim: Person) -> None:
    """The victim is sent the newest entry again, under the next number."""
    for line in network.newest(UserAdded, of(victim)):
        network.tell(victim, attrs.evolve(line, seq=room(victim).seq + 1))


@told
def reorders_messages(network: LyingNetwork, victim: Person) -> None:
    """The victim is sent the next two messages the other way round, in each other's place."""
    waiting: list[FrameLine] = []

    def swap(line: FrameLine) -> Iterable[Line]:
        waiting.append(line)
        if len(waiting) == 1:
            return []
        if len(waiting) > 2:
            return [line]
        first, second = waiting
        return [attrs.evolve(second, seq=first.seq), attrs.evolve(first, seq=second.seq)]

    network.lie(FrameLine, swap, to=victim)


@told
def reorders_numbers(network: LyingNetwork, victim: Person) -> None:
    """The victim is sent the next two messages the other way round, with their numbers."""
    waiting: list[FrameLine] = []

    def swap(line: FrameLine) -> Iterable[Line]:
        waiting.append(line)
        return [] if len(waiting) == 1 else [line, *waiting[:1]] if len(waiting) == 2 else [line]

    network.lie(FrameLine, swap, to=victim)


# It rolls back, and shows two pasts


@told
def goes_back_in_the_stream(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is sent again the newest entry and message of before."""
    old = [*network.newest(UserAdded, of(victim)), *network.newest(FrameLine, of(victim))]
    network.lie(Resumed, lambda line: [*old, line], to=victim)


@told
def claims_an_older_log(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is told that the log ends before, with an unknown head."""
    network.lie(Resumed, lambda line: [Behind(line.room, 1, random_bytes(HASH_LENGTH))], to=victim)


@told
def claims_another_log(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is told that its log is not the relay's."""
    _refuses(network, victim, Code.FORK)


@told
def claims_that_a_member_is_none(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is told that it is no member."""
    _refuses(network, victim, Code.NOT_MEMBER)


@told
def claims_that_there_is_no_room(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is told that there is no such room."""
    _refuses(network, victim, Code.NO_ROOM)


def _refuses(network: LyingNetwork, victim: Person, code: Code) -> None:
    def refuse(line: Resumed) -> Iterable[Line]:
        return [ErrorLine(code, subject(line.room), "so it is")]

    network.lie(Resumed, refuse, to=victim)


@told
def claims_more_than_there_is(network: LyingNetwork, victim: Person) -> None:
    """The victim is told that it has numbers that were never given out."""
    network.change(Resumed, to=victim, seq=1_000_000)


@told
def hides_an_entry(network: LyingNetwork, victim: Person) -> None:
    """The next change of the room, and who comes into it, is not shown to the victim."""
    for kind in ENTRY:
        network.lie(kind, once(lambda line: []), to=victim)


# It invents members, and takes members away


@told
def invents_a_member(network: LyingNetwork, victim: Person) -> None:
    """The victim is shown an entry by which an identity of the relay's has let in a ghost."""
    ghost, me = Identity.generate(), Identity.generate()
    add = agreeing(ghost.bundle, ghost, room(victim).place, me.fingerprint)
    signed, _ = adding(room(victim), me.bundle, me, add)
    network.tell(victim, landing(room(victim), signed))


@told
def invents_a_vouch(network: LyingNetwork, victim: Person) -> None:
    """The victim is shown an entry by which the first member has let in a ghost."""
    ghost, where = Identity.generate(), room(victim)
    add = agreeing(ghost.bundle, ghost, where.place, where.roster[0].fingerprint)
    signed, _ = adding(where, victim.identity.bundle, ghost, add)
    author = attrs.evolve(signed.entry, author=where.roster[0].fingerprint)
    network.tell(victim, landing(where, SignedEntry.make(author, signed.tag, ghost)))


@told
def invents_a_removal(network: LyingNetwork, victim: Person) -> None:
    """The victim is shown an entry by which the first member has removed the last."""
    where = room(victim)
    signed = removing(where, victim.identity, Removal(where.roster[-1].fingerprint, Why.KICKED))
    entry = attrs.evolve(signed.entry, author=where.roster[0].fingerprint)
    forged = SignedEntry.make(entry, signed.tag, Identity.generate())
    network.tell(victim, Changed(where.id, where.seq + 1, forged.encode()))


@told
def invents_a_leave(network: LyingNetwork, victim: Person) -> None:
    """The victim is told that the first other member leaves, which that one never said."""
    others = [each.fingerprint for each in room(victim).roster]
    others.remove(victim.fingerprint)
    for member in others[:1]:
        network.tell(victim, Leaving(room(victim).id, member, random_bytes(64)))


@told
def replays_a_leave(network: LyingNetwork, victim: Person) -> None:
    """The victim is told again that a member leaves who has left, and come back."""
    network.tell(victim, *network.newest(Leaving, of(victim)))


@told
def hides_a_leave(network: LyingNetwork, victim: Person) -> None:
    """The victim is not told of those who leave."""
    network.hold(Leaving, to=victim)


@told
def alters_the_roster(network: LyingNetwork, victim: Person) -> None:
    """The victim, who joins, is shown a roster with a ghost in the place of the first member."""

    def alter(line: Page) -> Iterable[Line]:
        members, *rest = decode(line.chunk)
        ghost = Identity.generate()
        members[-1][0][1] = ghost.bundle.ed25519
        chunk = encode(members, *rest)
        return [attrs.evolve(line, chunk=chunk, total=len(chunk))]

    network.lie(Page, alter, to=victim)


# It plays with keys


@told
def withholds_slices(network: LyingNetwork, victim: Person) -> None:
    """The victim does not get its slices."""
    network.hold(Slice, to=victim)


@told
def gives_wrong_slices(network: LyingNetwork, victim: Person) -> None:
    """In place of its slices the victim gets what the relay made up."""
    network.lie(Slice, lambda line: [attrs.evolve(line, sealed=random_bytes(SLICE))], to=victim)


@told
def gives_slices_of_others(network: LyingNetwork, victim: Person) -> None:
    """Whatever slice was the last that anybody got, the victim gets it in place of its own."""

    def other(line: Slice) -> Iterable[Line]:
        for each in network.newest(Slice, lambda each: each.sealed != line.sealed):
            return [attrs.evolve(line, sealed=each.sealed)]
        return [line]

    network.lie(Slice, other, to=victim)


@told
def gives_wrong_leaf_keys(network: LyingNetwork, victim: Person) -> None:
    """Who makes new keys is given a key of the relay's as that of everybody."""

    def alter(line: LeafKeys) -> Iterable[Line]:
        keys = MOLE.public * (len(line.keys) // len(MOLE.public))
        return [attrs.evolve(line, keys=keys)]

    network.lie(LeafKeys, alter, to=victim)


@told
def withholds_leaf_keys(network: LyingNetwork, victim: Person) -> None:
    """Who makes new keys is given no leaf keys."""
    network.hold(LeafKeys, to=victim)


@told
def claims_to_be_overtaken(network: LyingNetwork, victim: Person) -> None:
    """The victim is told of each of its changes that another one came first."""

    def overtake(line: Begin) -> Iterable[Line]:
        network.whisper(victim, Overtaken(line.room, random_bytes(HASH_LENGTH)))
        return []

    network.lie(Begin, overtake, by=victim)
    network.hold(Commit, by=victim)


# It lies about presence


@told
def claims_that_nobody_is_online(network: LyingNetwork, victim: Person) -> None:
    """The victim is told that it is alone."""
    network.lie(Online, lambda line: [attrs.evolve(line, rows=bytes(len(line.rows)))], to=victim)


@told
def claims_that_everybody_is_online(network: LyingNetwork, victim: Person) -> None:
    """The victim is told that all members are there."""
    everybody = 0xFF
    network.lie(
        Online,
        lambda line: [attrs.evolve(line, rows=bytes([everybody] * len(line.rows)))],
        to=victim,
    )


@told
def does_not_say_who_is_online(network: LyingNetwork, victim: Person) -> None:
    """The victim is not told who is there."""
    network.hold(Online, to=victim)


# It answers with another room's data


@told
def shows_a_message_of_another_room(network: LyingNetwork, victim: Person) -> None:
    """The victim is shown a message of another room as one of this."""
    where = room(victim)
    for line in network.newest(FrameLine, lambda line: line.room != where.id):
        network.tell(victim, attrs.evolve(line, room=where.id, seq=where.seq + 1))


@told
def shows_an_entry_of_another_room(network: LyingNetwork, victim: Person) -> None:
    """The victim is shown an entry of another room as one of this."""
    where = room(victim)
    for line in network.newest(UserAdded, lambda line: line.room != where.id):
        network.tell(victim, attrs.evolve(line, room=where.id, seq=where.seq + 1))


@told
def resumes_another_room(network: LyingNetwork, victim: Person) -> None:
    """Whenever the victim resumes it is sent what another room's members were sent."""

    def mix(line: Resumed) -> Iterator[Line]:
        seq = line.seq
        for each in network.newest(FrameLine, lambda each: each.room != line.room):
            seq += 1
            yield attrs.evolve(each, room=line.room, seq=seq)
        yield attrs.evolve(line, seq=seq)

    network.lie(Resumed, mix, to=victim)


# It is not one relay, or not the newest


def great(lie: Callable[[Cast], None]) -> Callable[[Cast], None]:
    """Put *lie* among `GREAT_LIES`."""
    GREAT_LIES[lie.__name__] = lie
    return lie


@great
def shows_two_logs(cast: Cast) -> None:
    """
    From now on every other member is served from a copy of the room, which goes its own way,
    until its connection breaks.
    """
    cast.split(cast.members[::2])


@great
def goes_back_to_an_old_copy(cast: Cast) -> None:
    """The relay is killed, and starts again from the oldest copy that there is."""
    cast.restart_relay(cast.copies[0])
