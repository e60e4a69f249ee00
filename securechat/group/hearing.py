"""
What other members say: their frames opened, checked, and read.

A frame is believed once it opens under its sender's next key and the sender's signature holds;
a ratchet moves only then. Where numbers of the stream are missing, as many keys of a sender may
be skipped.
"""

from __future__ import annotations

from collections.abc import Callable

from securechat.encoding import decode, shaped
from securechat.errors import BadCiphertext, BadSignature, EncodingError
from securechat.group.events import Confirmed, Message, Named, Reason, RoomEvent
from securechat.group.keyring import Keyring
from securechat.group.log import Log
from securechat.group.messages import Content, Frame, Kind, open_frame
from securechat.group.table import Table, one
from securechat.group.watch import Watch
from securechat.primitives import HASH_LENGTH
from securechat.text import clean_name

MAX_SKIP = 1_024
"""Message keys that are skipped at most where frames are missing."""


class Hearing:
    """
    The frames of the others in one room.

    :ivar confirmed: whether somebody trusted, other than the voucher, was heard here.
    """

    def __init__(
        self, keys: Keyring, watch: Watch, trusts: Callable[[bytes], bool], voucher: bytes
    ) -> None:
        self.names: Table[bytes, str] = Table("name", bytes, lambda name: [name], one(str))
        """What members call themselves, by fingerprint."""
        self.confirmed = False
        self._keys = keys
        self._watch = watch
        self._trusts = trusts
        self._voucher = voucher

    def hear(self, seq: int, frame: Frame, log: Log) -> list[RoomEvent]:
        """Take number *seq* of the stream, the *frame* of another member of *log*."""
        watch, number = self._watch, frame.header.row
        row = log.membership.rows[number]
        sender = row.fingerprint
        ratchet = self._keys.ratchets[number]
        ahead = frame.header.n - ratchet.n
        if ahead < 0:
            return [watch.alarm(Reason.REPLAYED, sender, seq)]
        if ahead > min(watch.missed, MAX_SKIP):
            return [watch.alarm(Reason.DROPPED, sender, seq)]
        try:
            if ahead:
                ratchet = ratchet.skip(ahead)
            signed, after = open_frame(frame, row.ed25519, ratchet, log.room, log.head)
        except (BadCiphertext, BadSignature):
            return [watch.alarm(Reason.FORGED, sender, seq)]
        self._keys.ratchets[number] = after
        watch.missed -= ahead  # a missing number explains one skipped message, of one sender
        try:
            content = Content.unpadded(signed)
        except EncodingError:
            return [watch.alarm(Reason.MALFORMED, sender, seq)]
        events = watch.check_view(sender, seq, content.seen_seq, content.seen_transcript)
        if not self.confirmed and sender != self._voucher and self._trusts(sender):
            self.confirmed = True
            events.append(Confirmed(log.label, sender))
        return [*events, *self._read(seq, sender, content, log.label)]

    def _read(self, seq: int, sender: bytes, content: Content, label: str) -> list[RoomEvent]:
        try:
            match content.kind:
                case Kind.HELLO:
                    name, identity = shaped(decode(content.body), str, HASH_LENGTH)
                    if identity != sender:
                        return [self._watch.alarm(Reason.MALFORMED, sender, seq)]
                    name = clean_name(name)
                    if self.names.get(sender) == name:
                        return []  # said again for those who came since
                    self.names[sender] = name
                    return [Named(label, sender, name)]
                case Kind.TEXT:
                    return [Message(label, sender, content.body.decode("utf-8"), seq)]
                case _:
                    return []  # a heartbeat, or what a later version may say
        except (EncodingError, UnicodeDecodeError):
            return [self._watch.alarm(Reason.MALFORMED, sender, seq)]
