"""An example of every line of the protocol, and lines that are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from securechat import wire
from securechat.wire import FROM_CLIENT, FROM_RELAY, Code, Line, serialise

ATTEMPT = bytes(range(16))
ROOM = bytes(range(32))
HEAD = bytes(range(255, 223, -1))
NONCE = bytes(range(12))
BUNDLE, ENTRY, SEALED = b"a bundle", b"an entry", b"a sealed message"

EXAMPLES: tuple[Line, ...] = (
    wire.Banner((1,), ROOM, {"line": 65536, "rooms": 16}),
    wire.IdentityLine(1, BUNDLE, bytes(64)),
    wire.Ack(),
    wire.ErrorLine(Code.NOBODY, "lobby", "Nobody who is here knows you: ask a friend in."),
    wire.ErrorLine(Code.BUSY, "-", "Zu viele R\u00e4ume \u2013  sp\u00e4ter wieder."),
    wire.Found(ENTRY),
    wire.Join("lobby"),
    wire.Cancel("lobby"),
    wire.Queued("lobby", 3),
    wire.Asked("lobby", 2, 5),
    wire.NewUser(ATTEMPT, ROOM, BUNDLE),
    wire.Nack(ATTEMPT),
    wire.Over(ATTEMPT),
    wire.Vouch(ATTEMPT, BUNDLE, SEALED),
    wire.Challenge(ATTEMPT, SEALED),
    wire.Response(ATTEMPT, SEALED),
    wire.AddUser(ATTEMPT, ENTRY),
    wire.Stale(ATTEMPT, HEAD),
    wire.UserAdded(ROOM, 7, ENTRY),
    wire.Member("lobby", ROOM, HEAD),
    wire.Leave(ROOM, bytes(64)),
    wire.Leaving(ROOM, HEAD, bytes(64)),
    wire.Who(ROOM),
    wire.Online(ROOM, 3, b"\xa0"),
    wire.Leaves(ROOM, 3, 26),
    wire.LeafKeys(ROOM, 3, 26, b"keys"),
    wire.Begin(ROOM, ENTRY),
    wire.Slices(ROOM, 28, bytes(1168)),
    wire.Commit(ROOM),
    wire.Overtaken(ROOM, HEAD),
    wire.Changed(ROOM, 7, ENTRY),
    wire.Slice(ROOM, 7, bytes(1168)),
    wire.Behind(ROOM, 3, HEAD),
    wire.Restore(ROOM, 7, ENTRY),
    wire.Roster(ROOM, 3, 32768),
    wire.Page(ROOM, 3, 32768, 40000, b"\xff\xfe\xfd"),
    wire.Resume(ROOM, 3, HEAD, 9007199254740991),
    wire.Resumed(ROOM, 0),
    wire.Send(ROOM, 3, 1, 0, NONCE, SEALED),
    wire.FrameLine(ROOM, 8, 3, 1, 0, NONCE, SEALED),
    wire.Invite(bytes(range(33))),
    wire.Invited(7, 600),
    wire.Claim(7),
    wire.Claimed(7, bytes(range(33))),
    wire.Mail(7, SEALED),
    wire.Close(7),
    wire.Closed(7),
    wire.ErrorLine(Code.NO_MAILBOX, "7", "there is no such mailbox, or not any more"),
)

REFUSED = [
    "",
    "hello",
    "ACK",
    "ack ",
    " ack",
    "join",
    "join Lobby",
    "join  lobby",
    "join lobby ",
    "join lobby\r",
    "queued lobby 01",
    "queued lobby 9007199254740992",
    "queued lobby -1",
    "nack AAECAwQFBgcICQoLDA0ODw==",
    "nack AAECAwQFBgcICQoLDA0OD",
    "nack AAECAwQFBgcICQoLDA0ODx",
    "nack AAECAwQFBgcICQoLDA0O",
    "error nonsense - words",
    "error busy - ",
    "error busy - \u001b[2J",
    "error busy - \u202esdrow",
    "banner 2,1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 line=1",
    "banner 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 line=1,line=2",
    "invite AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "claim 07",
]
"""Lines that everybody refuses."""


def described(line: Line) -> dict[str, Any]:
    """Return a line with its fields, bytes in hexadecimal, and who says it."""
    fields: dict[str, Any] = {}
    for each in attrs.fields(type(line)):
        value = getattr(line, each.name)
        match value:
            case bytes():
                fields[each.name] = value.hex()
            case Code():
                fields[each.name] = value.value
            case tuple() | Mapping():
                fields[each.name] = dict(value) if isinstance(value, Mapping) else list(value)
            case _:
                fields[each.name] = value
    sides = {"client": FROM_CLIENT, "relay": FROM_RELAY}
    return {
        "line": serialise(line).decode("utf-8"),
        "verb": line.verb,
        "from": [side for side, says in sides.items() if type(line) in says],
        "fields": fields,
    }
