"""What the relay saw: its log, and whether anything in there was meant for the members alone."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress

from securechat.errors import Deviation

_SHOWN = 92


def said_to(log: str) -> list[str]:
    """Return the lines that clients said, as the relay's *log* has them."""
    return re.findall(r" says: (.*)", log)


def samples(log: str) -> Iterator[str]:
    """Return the first line of each kind that carries a secret, cut short."""
    for verb in "vouch", "challenge", "response", "send":
        first = next(line for line in said_to(log) if line.startswith(f"{verb} "))
        yield f"{first[:_SHOWN]}…"


def check(log: str, wire: Iterable[bytes], secrets: Iterable[str]) -> None:
    """
    Check that none of the *secrets* is in the relay's *log*, nor in any line that went over the
    *wire*, as it stands or inside its base64.

    :raises Deviation: if one is.
    """
    lines = [log.encode(), *wire]
    lines += [each for line in lines for each in _unwrapped(line)]
    for secret in secrets:
        if any(secret.encode() in line for line in lines):
            raise Deviation(what=f"the relay could read {secret!r}")


def _unwrapped(line: bytes) -> Iterator[bytes]:
    for field in line.split(b" "):
        with suppress(binascii.Error):
            yield urlsafe_b64decode(field + b"=" * (-len(field) % 4))
