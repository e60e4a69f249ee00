"""
A petname for somebody who comes with a name of their own, and whom the user has not named.

What people call themselves may be anything, and may be what another is called already. So it is
cut down to what suits a screen, and numbered where it is taken: nobody comes by the petname of
somebody else.
"""

from __future__ import annotations

import unicodedata
from itertools import chain, count

from securechat.fingerprint import resembles
from securechat.text import MARKS, MAX_NAME, clean_name
from securechat.trust import TrustStore

NAMELESS = "friend"
"""Whom nothing better can be called."""

_MARKS = str.maketrans("", "", MARKS)
_NUMBER = 8  # characters that are left for one


def free_petname(wanted: str, store: TrustStore) -> str:
    """Return a petname like *wanted* that nobody in *store* has."""
    name = clean_name(wanted.translate(_MARKS))
    if unicodedata.normalize("NFKC", name).casefold() in ("", "you"):
        name = NAMELESS  # on a screen "you" is the user
    stem = name[: MAX_NAME - _NUMBER].rstrip()
    names = chain([name], (f"{stem} {number}" for number in count(2)))
    return next(each for each in names if not resembles(each) and store.by_name(each) is None)
