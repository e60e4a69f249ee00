"""
How a client's database looks to somebody who reads the file: names and boxes.

A *name* stands for what a row is about, such as a room, and is a MAC: equal for equal things
and otherwise noise. A *box* is ChaCha20-Poly1305 of what a row holds, bound to its place: it
opens nowhere else. Both keys are derived by the user's identity.
"""

from __future__ import annotations

from securechat import primitives
from securechat.encoding import Value, encode
from securechat.errors import BadCiphertext
from securechat.identity import Identity


class Safe:
    """The names and boxes of one kind of rows."""

    def __init__(self, identity: Identity, kind: str) -> None:
        self._names = identity.derive("kept", [kind, "names"])
        self._boxes = identity.derive("kept", [kind, "boxes"])

    def name(self, *things: Value) -> bytes:
        """Return what stands for *things*, 32 bytes."""
        return primitives.mac(self._names, *things)

    def box(self, content: bytes, *place: Value) -> bytes:
        """Return *content* in a box that opens at *place* only."""
        nonce = primitives.random_bytes(primitives.NONCE_LENGTH)
        return nonce + primitives.encrypt(self._boxes, nonce, content, encode(*place))

    def open(self, box: object, *place: Value) -> bytes:
        """
        Return what is in *box*.

        :raises BadCiphertext: if it is none, or of another place or identity.
        """
        if not isinstance(box, bytes):
            raise BadCiphertext
        nonce, ciphertext = box[: primitives.NONCE_LENGTH], box[primitives.NONCE_LENGTH :]
        return primitives.decrypt(self._boxes, nonce, ciphertext, encode(*place))
