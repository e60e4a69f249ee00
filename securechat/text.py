"""
Text of others, made fit for a terminal.

What others write may hold escape sequences that command the terminal, characters that turn
the direction of what follows (UAX #9, and "Trojan Source"), line ends that fake a line of
somebody else, and characters that nobody can see (UTR #36, section 2; UTS #39). Everything
that others wrote goes through here before it is shown or kept as a name.
"""

from __future__ import annotations

import unicodedata

MAX_NAME = 64
"""The longest name, in characters."""

MARKS = '*!:;,()[]<>"'
"""What the lines of a chat are made of on a screen: in a name it could fake one."""

# Controls, formats (bidi, zero width, tags), surrogates, private use, unassigned.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Letters, marks and symbols that show nothing: default ignorable or blank.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SPACES = frozenset({"Zs", "Zl", "Zp"})


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category in _UNSEEN_CATEGORIES or character in _UNSEEN else character


def printable(text: str) -> str:
    """
    Return *text* on one line, in NFC, without any character that a terminal might obey.

    Every white space becomes a space. Nothing is cut off, so bound the length elsewhere.
    """
    return unicodedata.normalize("NFC", "".join(map(_shown, text)))


def clean_name(text: str) -> str:
    """
    Return *text* as a name: `printable`, spaces made single, at most 64 characters.

    It is empty if nothing can be seen of it.
    """
    return " ".join(printable(text).split())[:MAX_NAME].rstrip()
