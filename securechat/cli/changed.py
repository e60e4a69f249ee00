"""
A name and a fingerprint that do not belong together: what the user reads wherever that is seen.

It may be a friend with a new identity, or somebody who poses as one. Both identities are shown
whole, with all that is known of them, and what is safe to do. No word of it is anybody's but the
user's own: a name is the one that the user gave.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator

from securechat.cli.drawing import WIDTH, groups_and_words
from securechat.cli.standing import came, compared
from securechat.trust import TrustStore
from securechat.trusted import Trusted

TITLE = "A NAME AND A FINGERPRINT THAT DO NOT BELONG TOGETHER"

_BAR = "@" * WIDTH


def changed(what: str, known: Trusted, store: TrustStore, other: bytes | None) -> Iterator[str]:
    """
    Yield the lines of the warning.

    :param what: a sentence that says what happened, in words of the user or of this program.
    :param known: whom the user knows by the name.
    :param other: the fingerprint that came with it, None if nobody knows it.
    """
    name = known.petname
    yield _BAR
    yield f"@{TITLE:^{WIDTH - 2}}@"
    yield _BAR
    yield from _wrapped(what)
    yield ""
    yield from _wrapped(f"You know {name} by this fingerprint, {_standing(known, store)}:")
    yield ""
    yield from groups_and_words(known.fingerprint).split("\n")
    yield ""
    if other is not None:
        yield from _wrapped(f"This one is another. {_note(known, store, other)}")
        yield ""
        yield from groups_and_words(other).split("\n")
        yield ""
    yield "What is safe:"
    for each in _safe(known, store, other):
        yield from _wrapped(f"- {each}", "  ")


def _standing(known: Trusted, store: TrustStore) -> str:
    since = f"{came(known, store)}, {known.when.date().isoformat()}"
    return since if known.verification is None else f"{since}; {compared(known.verification)}"


def _note(known: Trusted, store: TrustStore, other: bytes) -> str:
    rival = store.find(other)
    if rival is not None:
        return f"You trust it already, as {rival.petname}:"
    if store.revocation(other) is not None:
        return "It was revoked, with its own key:"
    if other in known.before:
        return f"It is an earlier identity of {known.petname}, whose place the first one took:"
    return "You do not trust it:"


def _safe(known: Trusted, store: TrustStore, other: bytes | None) -> Iterator[str]:
    name, quoted = known.petname, shlex.quote(known.petname)
    yield f"Nothing was changed here: by {name} you still mean the first one."
    if other is not None and (store.revocation(other) is not None or other in known.before):
        yield f"Do not trust it again. Its key was given up, and others than {name} may have it."
        return
    yield (
        f"Ask {name}, in a call or side by side, to read the words to you that securechat id shows "
        "there. A written message may be of whoever poses as them."
    )
    yield (
        f"If {name} has a new identity, there is a file for you by which it takes the place of the "
        "old one: securechat trust follow FILE. If the old key is lost, there is none: then say "
        f"securechat trust remove {quoted}, and securechat trust add {quoted} WORDS, with the "
        f"words that you have heard from {name}."
    )
    yield f"If {name} has none, somebody poses as {name}: trust nothing of it, and tell the others."


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
