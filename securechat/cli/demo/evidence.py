"""
What there is to show for it: that the relay saw nothing that was meant for the members alone, and
that who has left reads nothing any more.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from securechat.errors import BadCiphertext, Deviation
from securechat.group.entry import SignedEntry
from securechat.group.keyring import Keyring
from securechat.group.keys import NOTHING_FRESH, epoch_secret
from securechat.group.log import Log
from securechat.group.messages import Frame, Header, open_frame
from securechat.wire import FrameLine

_SHOWN = 92


def said_to(log: str) -> list[str]:
    """Return the lines that clients said, as the relay's *log* has them."""
    return re.findall(r" says: (.*)", log)


def samples(log: str) -> Iterator[str]:
    """Return the first line of each kind that carries a secret, cut short."""
    for verb in "vouch", "challenge", "response", "send":
        first = next(line for line in said_to(log) if line.startswith(f"{verb} "))
        yield f"{first[:_SHOWN]}…"


def check(log: str, wire: Iterable[bytes], kept: bytes, secrets: Iterable[str]) -> None:
    """
    Check that none of the *secrets* is in the relay's *log*, nor in what it has *kept*, nor in
    any line that went over the *wire*, as it stands or inside its base64.

    :raises Deviation: if one is.
    """
    lines = [log.encode(), kept, *wire]
    lines += [each for line in lines for each in _unwrapped(line)]
    for secret in secrets:
        if any(secret.encode() in line for line in lines):
            raise Deviation(what=f"the relay could read {secret!r}")


def can_read(line: FrameLine, kept: Mapping[str, bytes], entries: Iterable[SignedEntry]) -> bool:
    """
    Return whether the frame of *line* opens with all that a member had *kept* of the room, who
    goes on by the *entries* since as far as anybody can without a slice of them.
    """
    log, keyring = Log.restored(kept["log"]), Keyring()
    keyring.secrets.fill(kept)
    keyring.ratchets.fill(kept)
    for signed in entries:
        log = log.after(signed)
        guessed = epoch_secret(keyring.chain, NOTHING_FRESH, signed.entry)
        keyring.renew(guessed, log.membership.index)
    row, ratchet = log.membership.rows[line.row], keyring.ratchets[line.row]
    frame = Frame(Header(line.epoch, line.row, line.n), line.nonce, line.ciphertext)
    try:
        open_frame(frame, row.ed25519, ratchet.skip(line.n - ratchet.n), log.room, log.head)
    except BadCiphertext:
        return False
    return True


def _unwrapped(line: bytes) -> Iterator[bytes]:
    for field in line.split(b" "):
        with suppress(binascii.Error):
            yield urlsafe_b64decode(field + b"=" * (-len(field) % 4))
