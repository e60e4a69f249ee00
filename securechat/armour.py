"""
Armour: bytes as lines of ASCII text that survive mail, chat and the clipboard.

::

    -----BEGIN SECURECHAT BUNDLE-----
    # a comment, one line
    base64 in lines of 64
    -----END SECURECHAT BUNDLE-----

Around the block may stand anything, and white space anywhere; of the block itself, every
character must be right (base64 of RFC 4648, section 4, canonical). This module knows no
meaning: who unwraps checks the comment.
"""

from __future__ import annotations

import base64
import binascii
import re

from securechat.errors import EncodingError

MAX_LENGTH = 65536
"""The longest text that is searched for a block, in characters, if nobody says otherwise."""

_WIDTH = 64


def _lines(kind: str) -> tuple[str, str]:
    return f"-----BEGIN SECURECHAT {kind}-----", f"-----END SECURECHAT {kind}-----"


def wrap(kind: str, data: bytes, *, comment: str) -> str:
    """
    Return *data* as an armoured block.

    :param kind: what it is, in capitals.
    :param comment: one line for people to read.
    """
    begin, end = _lines(kind)
    text = base64.b64encode(data).decode("ascii")
    body = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([begin, f"# {comment}", *body, end, ""])


def unwrap(kind: str, text: str, *, most: int = MAX_LENGTH) -> tuple[bytes, str]:
    """
    Return the data and the comment ("" if there is none) of the one block in *text*.

    :param most: how long the text may be, in characters.
    :raises EncodingError: if there is not exactly one block of this kind, or it is damaged.
    """
    name = kind.lower()
    if len(text) > most:
        raise EncodingError(what=f"the text is too long to be a {name}")
    begin, end = map(re.escape, _lines(kind))
    blocks = re.findall(f"{begin}(.*?){end}", text, re.DOTALL)
    if len(blocks) != 1:
        raise EncodingError(
            what=f"the text holds {len(blocks) or 'no'} armoured {name}s, and it must hold one"
        )
    lines = [line.strip() for line in blocks[0].splitlines()]
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    body = "".join("".join(line.split()) for line in lines if not line.startswith("#"))
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise EncodingError(what=f"the armoured {name} is damaged") from None
    if base64.b64encode(data) != body.encode("ascii"):
        raise EncodingError(what=f"the armoured {name} is damaged")
    return data, " ".join(comments)
