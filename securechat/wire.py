"""
The lines of the protocol: what the relay and its clients say to each other.

A line is a verb and its fields, separated by single spaces, ended by CRLF: readable in
``openssl s_client`` and cheap to split. Numbers are decimal, binary is base64url without
padding, and each value has one spelling only, so that to parse a line and to serialise it
again gives the same bytes. No line is longer than 64 KiB.

Each line is a frozen class; its fields are annotated with the *form* that bounds, parses and
serialises them. `FROM_CLIENT` and `FROM_RELAY` say who may speak which. Whatever is not such
a line raises one error, `WireError`, and its text never repeats what came.

This module knows sizes and spellings. It knows no socket, no key and no room.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, get_type_hints

import attrs

from securechat.encoding import MAX_INTEGER
from securechat.errors import WireError

PROTOCOL_VERSION = 1

MAX_LINE = 65_536
"""Bytes in a line, without its CRLF."""

MAX_BUNDLE = 1_280
MAX_ENTRY = 16_384
MAX_SEALED = 4_096
MAX_RESPONSE = 8_192
MAX_CHUNK = 32_768
SLICE = 1_168
"""Bytes of one slice: a secret of 32 bytes, sealed to a leaf key."""
SLICES_A_LINE = MAX_CHUNK // SLICE
MAX_CIPHERTEXT = 40_960
MAX_ONLINE = 1_250
PAKE = 33
"""Bytes of a message of SPAKE2: whose it is, and an element of the group."""
MAX_MAIL = 4_096
MAX_WORDS = 400

_DIGITS, _ZERO = len(str(MAX_INTEGER)), ord("0")

T = TypeVar("T")


# Forms: how one field is bounded, parsed and serialised


class Form(Protocol[T]):
    """How a field is spelled."""

    def parse(self, field: bytes) -> T: ...

    def serialise(self, value: T) -> bytes: ...


@attrs.frozen
class Octets:
    """Between *least* and *most* bytes, as base64url without padding (RFC 4648, section 5)."""

    least: int
    most: int

    _TO_URL: ClassVar[bytes] = bytes.maketrans(b"+/", b"-_")
    _FROM_URL: ClassVar[bytes] = bytes.maketrans(b"-_", b"+/")

    def parse(self, field: bytes) -> bytes:
        if len(field) > self.most * 4 // 3 + 1:
            raise WireError(what="a binary field is too long")
        try:
            value = a2b_base64(field.translate(self._FROM_URL) + b"=" * (-len(field) % 4))
        except Error:
            raise WireError(what="a field is no base64url") from None
        # A decoder takes much that no encoder makes, and would give one value many spellings.
        if self.serialise(value) != field:
            raise WireError(what="a field is no base64url")
        return value

    def serialise(self, value: bytes) -> bytes:
        if not self.least <= len(value) <= self.most:
            raise WireError(what="a binary field has the wrong length")
        return b2a_base64(value, newline=False).translate(self._TO_URL).rstrip(b"=")


@attrs.frozen
class Decimal:
    """An unsigned integer below 2^53, without leading zeros."""

    def parse(self, field: bytes) -> int:
        if (
            not field.isdigit()
            or len(field) > _DIGITS
            or (value := int(field)) > MAX_INTEGER
            or (field[0] == _ZERO and len(field) > 1)
        ):
            raise WireError(what="a field is no number below 2^53")
        return value

    def serialise(self, value: int) -> bytes:
        if not 0 <= value <= MAX_INTEGER:
            raise WireError(what="a number is out of range")
        return b"%d" % value


@attrs.frozen
class Text:
    """Text of a limited alphabet."""

    pattern: re.Pattern[str]
    name: str

    def parse(self, field: bytes) -> str:
        try:
            value = field.decode("ascii")
        except UnicodeDecodeError:
            raise WireError(what=f"a field is no {self.name}") from None
        return self._checked(value)

    def serialise(self, value: str) -> bytes:
        return self._checked(value).encode("ascii")

    def _checked(self, value: str) -> str:
        if not self.pattern.fullmatch(value):
            raise WireError(what=f"a field is no {self.name}")
        return value


@attrs.frozen
class Versions:
    """Protocol versions in rising order, separated by commas."""

    _most: ClassVar[int] = 16
    _number: ClassVar[Decimal] = Decimal()

    def parse(self, field: bytes) -> tuple[int, ...]:
        if field.count(b",") >= self._most:
            raise WireError(what="no list of versions")
        return self._checked(tuple(self._number.parse(each) for each in field.split(b",")))

    def serialise(self, value: tuple[int, ...]) -> bytes:
        return b",".join(self._number.serialise(each) for each in self._checked(value))

    def _checked(self, value: tuple[int, ...]) -> tuple[int, ...]:
        if not 1 <= len(value) <= self._most or list(value) != sorted(set(value)):
            raise WireError(what="no list of versions")
        return value


@attrs.frozen
class Settings:
    """``name=number`` pairs separated by commas, each name once; unknown names are kept."""

    _most: ClassVar[int] = 32
    _name: ClassVar[Text] = Text(re.compile(r"[a-z][a-z-]{0,31}"), "name of a limit")
    _number: ClassVar[Decimal] = Decimal()

    def parse(self, field: bytes) -> Mapping[str, int]:
        if field.count(b",") >= self._most:
            raise WireError(what="no list of limits")
        pairs = [each.partition(b"=") for each in field.split(b",")]
        value = {self._name.parse(name): self._number.parse(number) for name, _, number in pairs}
        if len(value) != len(pairs):
            raise WireError(what="no list of limits")
        return value

    def serialise(self, value: Mapping[str, int]) -> bytes:
        if not 1 <= len(value) <= self._most:
            raise WireError(what="no list of limits")
        return b",".join(
            self._name.serialise(name) + b"=" + self._number.serialise(number)
            for name, number in value.items()
        )


class Code(Enum):
    """What an `error` line is about; the words beside it are for people."""

    VERSION = "version"
    """No protocol version in common."""
    PROOF = "proof"
    """The identity is not proved: signature, bundle or binding do not hold."""
    UNKNOWN = "unknown"
    """A verb that nobody may say."""
    MALFORMED = "malformed"
    """A line that does not parse."""
    STATE = "state"
    """A line that may not be said now."""
    TIMEOUT = "timeout"
    """No `identity` in time."""
    BUSY = "busy"
    """A limit of the relay is reached; the words say which."""
    SUPERSEDED = "superseded"
    """The same identity has connected anew."""
    CLOSING = "closing"
    """The relay is shutting down."""
    NO_ROOM = "no-room"
    """There is no room of that label."""
    TAKEN = "taken"
    """There is a room of that label already."""
    FOUNDERS = "founders"
    """The relay's operator does not let this identity found rooms."""
    NOT_MEMBER = "not-member"
    """Only members may say that of this room."""
    NOBODY = "nobody"
    """Nobody who is here vouches."""
    ATTEMPT = "attempt"
    """There is no such attempt, or it is over."""
    ENTRY = "entry"
    """The relay refuses the entry; the words say which rule it breaks."""
    FORK = "fork"
    """The log that the client knows is not the relay's."""
    GONE = "gone"
    """The relay no longer holds what was asked for."""
    NO_MAILBOX = "no-mailbox"
    """There is no mailbox of that number, it has expired, or its code is spent."""
    STORAGE = "storage"
    """The relay cannot store anything now; what it did not pass on it does not have."""


@attrs.frozen
class Choice:
    """One of the codes of an `error` line."""

    def parse(self, field: bytes) -> Code:
        try:
            return Code(field.decode("ascii"))
        except ValueError:
            raise WireError(what="an unknown error code") from None

    def serialise(self, value: Code) -> bytes:
        return value.value.encode("ascii")


@attrs.frozen
class Words:
    """The rest of a line: printable UTF-8 without control characters, for people."""

    def parse(self, field: bytes) -> str:
        if len(field) > MAX_WORDS:
            raise WireError(what="too many words")
        try:
            return self._checked(field.decode("utf-8"))
        except UnicodeDecodeError:
            raise WireError(what="words that are no UTF-8") from None

    def serialise(self, value: str) -> bytes:
        words = self._checked(value).encode("utf-8")
        if len(words) > MAX_WORDS:
            raise WireError(what="too many words")
        return words

    def _checked(self, value: str) -> str:
        if not value or not value.isprintable():
            raise WireError(what="words that cannot be printed")
        return value


LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""How a room's label is spelled; people see it with a ``#`` before it."""

Number = Annotated[int, Decimal()]
Attempt = Annotated[bytes, Octets(16, 16)]
"""The attempt id *a* of one member asked about one newcomer, chosen by the relay."""
Room = Annotated[bytes, Octets(32, 32)]
"""G, the hash of a room's create entry."""
Label = Annotated[str, Text(LABEL, "label of a room")]
Hash = Annotated[bytes, Octets(32, 32)]
Signature = Annotated[bytes, Octets(64, 64)]
Pake = Annotated[bytes, Octets(PAKE, PAKE)]
"""A message of SPAKE2, by which two who know the same words agree on a key."""
BundleBytes = Annotated[bytes, Octets(1, MAX_BUNDLE)]
EntryBytes = Annotated[bytes, Octets(1, MAX_ENTRY)]
Sealed = Annotated[bytes, Octets(1, MAX_SEALED)]


# The lines


@attrs.frozen
class Line:
    """One line of the protocol."""

    verb: ClassVar[str]


@attrs.frozen
class Banner(Line):
    """
    R → C, first: the protocol versions that the relay speaks, a fresh nonce and its limits.
    What the client signs next holds the bytes of this line.
    """

    verb = "banner"
    versions: Annotated[tuple[int, ...], Versions()]
    nonce: Hash
    limits: Annotated[Mapping[str, int], Settings()]


@attrs.frozen
class IdentityLine(Line):
    """C → R, the seed's `identity`: who the client is, and the proof that it holds the key."""

    verb = "identity"
    version: Number
    bundle: BundleBytes
    signature: Signature


@attrs.frozen
class Ack(Line):
    """R → C, the seed's `Ack`: the identity is proved and the connection labelled."""

    verb = "ack"


@attrs.frozen
class ErrorLine(Line):
    """R → C: something was refused. *subject* is the label, room or attempt, or ``-``."""

    verb = "error"
    code: Annotated[Code, Choice()]
    subject: Annotated[str, Text(re.compile(r"[\w.-]{1,64}", re.ASCII), "subject")]
    words: Annotated[str, Words()]


@attrs.frozen
class Found(Line):
    """C → R: found a room by its first entry, which holds the label."""

    verb = "found"
    entry: EntryBytes


@attrs.frozen
class Join(Line):
    """C → R: find me somebody in this room who vouches for me."""

    verb = "join"
    label: Label


@attrs.frozen
class Cancel(Line):
    """C → R: I no longer want to join."""

    verb = "cancel"
    label: Label


@attrs.frozen
class Queued(Line):
    """R → joiner: the room admits others first; *position* 1 is next."""

    verb = "queued"
    label: Label
    position: Number


@attrs.frozen
class Asked(Line):
    """R → joiner: *asked* of the *online* members have been asked by now."""

    verb = "asked"
    label: Label
    asked: Number
    online: Number


@attrs.frozen
class NewUser(Line):
    """R → V, the seed's `new_user`: do you know this identity?"""

    verb = "new_user"
    attempt: Attempt
    room: Room
    bundle: BundleBytes


@attrs.frozen
class Nack(Line):
    """
    V → R, the seed's `Nack`: I do not vouch; no reason is given. J → R: this attempt failed.
    """

    verb = "nack"
    attempt: Attempt


@attrs.frozen
class Over(Line):
    """R → V or J: the attempt is over, without saying why."""

    verb = "over"
    attempt: Attempt


@attrs.frozen
class Vouch(Line):
    """V → R → J, the seed's `encrypted(client_2_pub, identity(client_1))`."""

    verb = "vouch"
    attempt: Attempt
    bundle: BundleBytes
    sealed: Sealed


@attrs.frozen
class Challenge(Line):
    """J → R → V, the seed's `encrypted(client_1_pub, challenge(nonce))`."""

    verb = "challenge"
    attempt: Attempt
    sealed: Sealed


@attrs.frozen
class Response(Line):
    """V → R → J, the seed's `encrypted(client_2_pub, response(nonce, session_key))`."""

    verb = "response"
    attempt: Attempt
    sealed: Annotated[bytes, Octets(1, MAX_RESPONSE)]


@attrs.frozen
class AddUser(Line):
    """V → R, the seed's `add_user`: the entry that adds the newcomer."""

    verb = "add_user"
    attempt: Attempt
    entry: EntryBytes


@attrs.frozen
class Stale(Line):
    """R → author: another entry came first; *head* is the log's head now."""

    verb = "stale"
    attempt: Attempt
    head: Hash


@attrs.frozen
class UserAdded(Line):
    """R → all, the seed's `user_added`: the entry landed as number *seq* of the stream."""

    verb = "user_added"
    room: Room
    seq: Number
    entry: EntryBytes


@attrs.frozen
class Member(Line):
    """
    R → J, in answer to `join`: you are on the roster, with this hash of a leaf key. Who has the
    room's keys resumes; who has lost them leaves, and joins again.
    """

    verb = "member"
    label: Label
    room: Room
    leaf: Hash


@attrs.frozen
class Leave(Line):
    """C → R: take me off the roster; *signature* is over my row."""

    verb = "leave"
    room: Room
    signature: Signature


@attrs.frozen
class Leaving(Line):
    """R → members: *member* has signed its `leave`, and waits for somebody to remove it."""

    verb = "leaving"
    room: Room
    member: Hash
    signature: Signature


@attrs.frozen
class Who(Line):
    """C → R: which members are online?"""

    verb = "who"
    room: Room


@attrs.frozen
class Online(Line):
    """
    R → C, in answer to `who`: the rows of the roster at *epoch* that are online, one bit each;
    row 0 is the highest bit of the first byte.
    """

    verb = "online"
    room: Room
    epoch: Number
    rows: Annotated[bytes, Octets(1, MAX_ONLINE)]


@attrs.frozen
class Leaves(Line):
    """C → R: send me the leaf keys of the roster at *epoch*, from row *first* on."""

    verb = "leaves"
    room: Room
    epoch: Number
    first: Number


@attrs.frozen
class LeafKeys(Line):
    """R → C, in answer to `leaves`: X-Wing keys, one after the other, from row *first* on."""

    verb = "leaf_keys"
    room: Room
    epoch: Number
    first: Number
    keys: Annotated[bytes, Octets(1, MAX_CHUNK)]


@attrs.frozen
class Begin(Line):
    """C → R: I want to land this entry; its slices follow, then `commit`."""

    verb = "begin"
    room: Room
    entry: EntryBytes


@attrs.frozen
class Slices(Line):
    """
    C → R: slices of the entry that was begun, `SLICE` bytes each, for the rows that remain, from
    row *first* of the new roster on.
    """

    verb = "slices"
    room: Room
    first: Number
    sealed: Annotated[bytes, Octets(SLICE, MAX_CHUNK)]


@attrs.frozen
class Commit(Line):
    """C → R: the entry that was begun is complete: let it land."""

    verb = "commit"
    room: Room


@attrs.frozen
class Overtaken(Line):
    """R → author: another entry came first, and what was begun is dropped; *head* is new."""

    verb = "overtaken"
    room: Room
    head: Hash


@attrs.frozen
class Changed(Line):
    """R → all: an entry that adds nobody landed as number *seq* of the stream."""

    verb = "changed"
    room: Room
    seq: Number
    entry: EntryBytes


@attrs.frozen
class Slice(Line):
    """R → member: your slice of the entry *seq*, which is the next line about this room."""

    verb = "slice"
    room: Room
    seq: Number
    sealed: Annotated[bytes, Octets(SLICE, SLICE)]


@attrs.frozen
class Roster(Line):
    """C → R: send me the snapshot of the log as of *epoch*, from byte *offset*."""

    verb = "roster"
    room: Room
    epoch: Number
    offset: Number


@attrs.frozen
class Page(Line):
    """R → C: bytes of a snapshot that is *total* bytes long."""

    verb = "page"
    room: Room
    epoch: Number
    offset: Number
    total: Number
    chunk: Annotated[bytes, Octets(1, MAX_CHUNK)]


@attrs.frozen
class Resume(Line):
    """C → R: I am a member, I know the log up to *head*; send me what is after *seq*."""

    verb = "resume"
    room: Room
    epoch: Number
    head: Hash
    seq: Number


@attrs.frozen
class Resumed(Line):
    """R → C: you have all up to *seq*; from here on it is live."""

    verb = "resumed"
    room: Room
    seq: Number


@attrs.frozen
class Behind(Line):
    """
    R → C, in answer to `resume`: this relay was restored, and its log ends with *head*, of
    *epoch*; show me, by `restore`, the entries that came after, then resume again.
    """

    verb = "behind"
    room: Room
    epoch: Number
    head: Hash


@attrs.frozen
class Restore(Line):
    """C → R: this entry came next, as number *seq* of the stream."""

    verb = "restore"
    room: Room
    seq: Number
    entry: EntryBytes


@attrs.frozen
class Send(Line):
    """C → R: a frame for everybody in the room. The relay checks its header alone."""

    verb = "send"
    room: Room
    epoch: Number
    row: Number
    n: Number
    nonce: Annotated[bytes, Octets(12, 12)]
    ciphertext: Annotated[bytes, Octets(1, MAX_CIPHERTEXT)]


@attrs.frozen
class FrameLine(Line):
    """R → C: number *seq* of the room's stream is this frame."""

    verb = "frame"
    room: Room
    seq: Number
    epoch: Number
    row: Number
    n: Number
    nonce: Annotated[bytes, Octets(12, 12)]
    ciphertext: Annotated[bytes, Octets(1, MAX_CIPHERTEXT)]


@attrs.frozen
class Invite(Line):
    """C → R: open a mailbox in which *pake* waits for who has its code."""

    verb = "invite"
    pake: Pake


@attrs.frozen
class Invited(Line):
    """R → C, in answer to `invite`: mailbox *number* is open for so many *seconds*."""

    verb = "invited"
    number: Number
    seconds: Number


@attrs.frozen
class Claim(Line):
    """C → R: I have a code with this *number*."""

    verb = "claim"
    number: Number


@attrs.frozen
class Claimed(Line):
    """R → C, in answer to `claim`: the inviter's *pake*. The code is spent."""

    verb = "claimed"
    number: Number
    pake: Pake


@attrs.frozen
class Mail(Line):
    """C → R → C: *body*, from one of the two who share mailbox *number* to the other."""

    verb = "mail"
    number: Number
    body: Annotated[bytes, Octets(1, MAX_MAIL)]


@attrs.frozen
class Close(Line):
    """C → R: I am done with mailbox *number*."""

    verb = "close"
    number: Number


@attrs.frozen
class Closed(Line):
    """R → C: mailbox *number* has expired, or the other one has closed it or is gone."""

    verb = "closed"
    number: Number


FROM_CLIENT: frozenset[type[Line]] = frozenset(
    {
        IdentityLine, Found, Join, Cancel, Nack, Vouch, Challenge, Response, AddUser, Roster,
        Leave, Who, Leaves, Begin, Slices, Commit, Resume, Restore, Send, Invite, Claim, Mail,
        Close,
    }
)  # fmt: skip
FROM_RELAY: frozenset[type[Line]] = frozenset(
    {
        Banner, Ack, ErrorLine, Queued, Asked, Member, NewUser, Over, Vouch, Challenge, Response,
        Stale, UserAdded, Page, Leaving, Online, LeafKeys, Overtaken, Slice, Changed, Behind,
        Resumed, FrameLine, Invited, Claimed, Mail, Closed,
    }
)  # fmt: skip


# Parse and serialise


@attrs.frozen
class _Spelling(Generic[T]):
    """The class of a verb with the forms of its fields, in order."""

    line: type[Line]
    forms: tuple[tuple[str, Form[Any]], ...]
    splits: int
    """How often a line of this verb may be split: words keep their spaces."""


def _spelling(line: type[Line]) -> _Spelling[Any]:
    hints = get_type_hints(line, include_extras=True)
    forms = [(each.name, hints[each.name].__metadata__[0]) for each in attrs.fields(line)]
    ends_in_words = forms and isinstance(forms[-1][1], Words)
    return _Spelling(line, tuple(forms), len(forms) if ends_in_words else -1)


def _by_verb(lines: Iterable[type[Line]]) -> dict[bytes, _Spelling[Any]]:
    return {line.verb.encode("ascii"): _spelling(line) for line in lines}


_SPELLINGS = _by_verb(FROM_CLIENT | FROM_RELAY)


@attrs.define  # and not frozen, which costs time
class Passing:
    """
    A `send` line as the relay takes it, which reads the header and passes on the rest as it
    stands. What a relay does most often is to take such a line, so it is not taken apart as
    others are; what is none to `parse` is none here.
    """

    room: bytes
    epoch: int
    row: int
    n: int
    rest: bytes
    """All that follows the room, as it is spelled in a `frame` line too."""

    _NUMBER: ClassVar[bytes] = rb"(0|[1-9][0-9]{0,15})"
    _HEADER: ClassVar[re.Pattern[bytes]] = re.compile(
        rb"send ([\w-]{42}[AEIMQUYcgkosw048]) (?=%b %b %b [\w-]{16} (.+))" % (3 * (_NUMBER,)),
        re.DOTALL,
    )
    _ALPHABET: ClassVar[bytes] = bytes(
        byte for byte in range(128) if re.fullmatch(rb"[\w-]", bytes((byte,)))
    )
    _LAST: ClassVar[tuple[bytes, ...]] = _ALPHABET, b"", b"AQgw", b"AEIMQUYcgkosw048"
    """By what the length leaves over in fours: how base64url may end."""

    @classmethod
    def of(cls, line: bytes) -> Passing:
        """
        Return what the bytes *line* (without CRLF) pass on.

        :raises WireError: if they are no `send` line.
        """
        header = cls._HEADER.match(line)
        if header is None:
            raise WireError(what="not what send takes")
        room, epoch, row, n, ciphertext = header.groups()
        # To delete all that may be there is four times as fast as to match it.
        if (
            ciphertext.translate(None, cls._ALPHABET)
            or ciphertext[-1] not in cls._LAST[len(ciphertext) % 4]
            or len(ciphertext) * 3 // 4 > MAX_CIPHERTEXT
        ):
            raise WireError(what="a field is no base64url, or too long")
        passing = cls(_room_of(room), int(epoch), int(row), int(n), line[header.end() :])
        if passing.n > MAX_INTEGER or passing.epoch > MAX_INTEGER or passing.row > MAX_INTEGER:
            raise WireError(what="a field is no number below 2^53")
        return passing


@lru_cache(1_024)
def _room_of(field: bytes) -> bytes:
    return Octets(32, 32).parse(field)


def parse(line: bytes, speaks: frozenset[type[Line]] = FROM_CLIENT | FROM_RELAY) -> Line:
    """
    Return the line that the bytes *line* (without CRLF) spell.

    :param speaks: what the other side may say: `FROM_CLIENT` or `FROM_RELAY`.
    :raises WireError: if they spell none; `WireError.unknown` is true where already the verb
        is nobody's, or not the speaker's.
    """
    if len(line) > MAX_LINE:
        raise WireError(what="longer than 64 KiB")
    spelling = _SPELLINGS.get(line.partition(b" ")[0])
    if spelling is None or spelling.line not in speaks:
        raise WireError(what="an unknown verb", unknown=True)
    fields = line.split(b" ", spelling.splits)[1:]
    if len(fields) != len(spelling.forms):
        raise WireError(what=f"{spelling.line.verb} takes {len(spelling.forms)} fields")
    return spelling.line(
        *[form.parse(field) for (_, form), field in zip(spelling.forms, fields, strict=True)]
    )


def serialise(line: Line) -> bytes:
    """
    Return the bytes of *line*, without CRLF.

    :raises WireError: if a field is out of its bounds, which is a mistake of the caller.
    """
    verb = line.verb.encode("ascii")
    return b" ".join(
        [verb, *[form.serialise(getattr(line, name)) for name, form in _SPELLINGS[verb].forms]]
    )
