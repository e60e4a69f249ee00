"""
What a newcomer gets once more if its connection broke when it was added.

That is the voucher's response and the entry, kept until the newcomer's first frame shows that
it has the room's keys. The response is a value of the room, put with the entry; the entry's
line is in the stream.
"""

from __future__ import annotations

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.relay.attempt import ID_LENGTH
from securechat.relay.history import IHistory
from securechat.relay.refusal import Refusal, subject
from securechat.relay.stream import BATCH
from securechat.wire import Code, Response


@attrs.frozen
class Handover:
    """The response, and where in the stream the entry is."""

    response: Response
    before: int
    """The newest number when the entry was taken: the next entry after it is this one."""

    def encode(self) -> bytes:
        """Return the CBOR array [attempt, sealed, before]."""
        return encode(self.response.attempt, self.response.sealed, self.before)

    @classmethod
    def decode(cls, data: bytes) -> Handover:
        """Return the handover of which *data* is the encoding; raise `EncodingError`."""
        attempt, sealed, before = shaped(decode(data), ID_LENGTH, bytes, int)
        return cls(Response(attempt, sealed), before)

    async def added(self, history: IHistory, room: bytes) -> bytes:
        """
        Return the line `user_added`, with its CRLF.

        :raises Refusal: if it is not there, since the room is over.
        """
        seq = self.before
        while items := await history.read(room, seq, BATCH, b""):
            for item in items:
                if item.is_entry:
                    return item.line
            seq = items[-1].seq
        raise Refusal(Code.GONE, "this relay no longer has the room: join again", subject(room))
