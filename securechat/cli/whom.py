"""
Which member of a room somebody means by a name that they type.

A name is first of all one that the user gave, to somebody trusted. Else it is what a member
calls itself, which anybody can, so it has to be one member's alone; else the beginning of a
fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable

from securechat.cli.names import ME, Names, look
from securechat.errors import CalledYou, NobodyCalled, SeveralCalled
from securechat.fingerprint import to_groups
from securechat.group.room import Room

MIN_BEGINNING = 4
"""Characters of a fingerprint that are the beginning of one member's by no accident."""


def member(name: str, room: Room, names: Names, *, me: bytes | None = None) -> bytes:
    """
    Return the fingerprint of the member of *room* whom *name* means.

    :param me: who may not be meant: the user's own fingerprint.
    :raises NobodyCalled: if it means none.
    :raises SeveralCalled: if it may mean several.
    :raises CalledYou: if it means *me*.
    """
    meant = next(filter(None, _meant(name, room, names)), [])
    if not meant:
        raise NobodyCalled(label=room.label, name=name)
    if len(meant) > 1:
        who = ", ".join(f"{names.said(each)} {to_groups(each)}".lstrip() for each in meant)
        raise SeveralCalled(label=room.label, name=name, who=who)
    if meant == [me]:
        raise CalledYou(label=room.label, name=name)
    return meant[0]


def _meant(name: str, room: Room, names: Names) -> Iterable[list[bytes]]:
    """The members whom *name* may mean, by one way of naming after the other."""
    members = [row.fingerprint for row in room.roster]
    yield [each for each in members if look(name) == ME == names.of(each)]
    friend = names.trusted(name)
    yield [each for each in members if friend is not None and each == friend.fingerprint]
    yield [each for each in members if names.said(each) and look(names.said(each)) == look(name)]
    beginning = "".join(name.upper().replace("-", " ").split())
    if len(beginning) >= MIN_BEGINNING:
        yield [each for each in members if to_groups(each).replace("-", "").startswith(beginning)]
