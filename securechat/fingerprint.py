"""
A fingerprint as people read, say and type it: 8 groups of characters, or 24 words.

*Groups*: 8 groups of 8 base32 characters (RFC 4648, section 6). Each holds 32 bits of the
fingerprint and a CRC-8 of them that starts from the group's position, 1 to 8. So within a
group any one wrong character and any two that are swapped are always found, any other
mistake 255 times in 256, and a group in a wrong place always; the group is named.

*Words*: 24 words of the English list of BIP-39 (in ``wordlist/``), 11 bits each: the
fingerprint, then 8 check bits, the first byte of ``digest("words", fingerprint)``. An
unknown word is always found and named; a wrong word of the list, or words in another order,
255 times in 256.

The checks are against slips, not against enemies: programs compare all 256 bits, and so do
people who want to be sure.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from functools import cache
from importlib import resources

from securechat import primitives
from securechat.errors import BadFingerprint, DamagedInstallation

LENGTH = primitives.HASH_LENGTH
MAX_TEXT = 4096
"""The longest text that is read as a fingerprint, in characters."""

_GROUPS = 8
_GROUP = 8  # characters
_GROUP_BYTES = LENGTH // _GROUPS
_CHARACTERS = _GROUPS * _GROUP
_WORDS = 24
_WORD_BITS = 11
_PREFIX = 4  # no two words of the list begin with the same four letters
_WORDLIST_SHA256 = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
_LOOKALIKES = str.maketrans("08", "OB")  # base32 has neither, and 1 could be I or L


def to_groups(fp: bytes) -> str:
    """Return *fp* (32 bytes) as 8 groups of 8 characters with hyphens between, 71 in all."""
    return "-".join(_group(position, fp) for position in range(1, _GROUPS + 1))


def short(fp: bytes) -> str:
    """Return the first group of *fp*: to tell people apart, never to recognise one by."""
    return _group(1, fp)


def to_words(fp: bytes) -> str:
    """Return *fp* (32 bytes) as 24 words with spaces between."""
    number = int.from_bytes(fp + _words_check(fp), "big")
    places = range((_WORDS - 1) * _WORD_BITS, -1, -_WORD_BITS)
    return " ".join(wordlist()[number >> place & 0x7FF] for place in places)


def parse(text: str) -> bytes:
    """
    Return the fingerprint (32 bytes) that *text* shows, in groups or words.

    Case, spacing and punctuation do not matter; a word may be cut down to its first four
    letters or more, and 0 and 8 are read as O and B.

    :raises BadFingerprint: if it shows none; it names the groups or words that are wrong.
    """
    if len(text) > MAX_TEXT:
        raise BadFingerprint(what="the text is too long")
    tokens = re.findall("[a-z0-9]+", text.lower(), re.ASCII)
    # 24 words have 72 letters at least, so what has 64 characters can only be groups.
    known = sum(word_number(token) >= 0 for token in tokens)
    if sum(map(len, tokens)) != _CHARACTERS and 2 * known > len(tokens):
        return _parse_words(tokens)
    return _parse_groups([token.upper().translate(_LOOKALIKES) for token in tokens])


def resembles(text: str) -> bool:
    """Tell whether *text* could be taken for a fingerprint or for the beginning of one."""
    joined = "".join(re.findall("[A-Z0-9]+", text.upper(), re.ASCII)).translate(_LOOKALIKES)
    groups = _split(joined)
    return bool(groups) and all(_holds(position, group) for position, group in groups)


# Groups


def _crc(position: int, value: bytes) -> int:
    """Return the CRC-8 (polynomial x⁸+x²+x+1) of *value*, started from *position*."""
    crc = position
    for byte in value:
        crc = _CRCS[crc ^ byte]
    return crc


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
    return byte


_CRCS = bytes(map(_crc_of, range(256)))


def _group(position: int, fp: bytes) -> str:
    value = fp[(position - 1) * _GROUP_BYTES : position * _GROUP_BYTES]
    return base64.b32encode(value + bytes([_crc(position, value)])).decode("ascii")


def _split(joined: str) -> list[tuple[int, str]]:
    pieces = [joined[start : start + _GROUP] for start in range(0, len(joined), _GROUP)]
    return list(enumerate(pieces, start=1))


def _holds(position: int, group: str) -> bool:
    if not re.fullmatch(f"[A-Z2-7]{{{_GROUP}}}", group):
        return False
    *value, check = base64.b32decode(group)
    return _crc(position, bytes(value)) == check


def _complaint(position: int, group: str) -> str:
    """Return what is wrong with a group that does not hold at its position."""
    if strange := re.search("[^A-Z2-7]", group):
        return f"group {position} ({group}) has a {strange[0]}, which no fingerprint has"
    for other in range(1, _GROUPS + 1):
        if _holds(other, group):
            return f"group {position} ({group}) should be group {other}, or is mistyped"
    return f"group {position} ({group}) is mistyped"


def _parse_groups(tokens: list[str]) -> bytes:
    joined = "".join(tokens)
    if len(joined) != _CHARACTERS:
        raise BadFingerprint(what=_wrong_length(tokens))
    groups = _split(joined)
    if wrong := [_complaint(*each) for each in groups if not _holds(*each)]:
        raise BadFingerprint(what="; ".join(wrong))
    return b"".join(base64.b32decode(group)[:_GROUP_BYTES] for _, group in groups)


def _wrong_length(tokens: list[str]) -> str:
    count = sum(map(len, tokens))
    what = f"it has {count} characters, and a fingerprint has {_CHARACTERS}, or {_WORDS} words"
    odd = [
        f"group {position} has {len(token)}, not {_GROUP}"
        for position, token in enumerate(tokens, start=1)
        if len(token) != _GROUP
    ]
    # Where all other groups are whole, the one that is not is where the mistake is.
    return f"{what}; {odd[0]}" if len(tokens) == _GROUPS and len(odd) == 1 else what


# Words


@cache
def wordlist() -> tuple[str, ...]:
    """
    Return the 2,048 words.

    :raises DamagedInstallation: if the file is not the one that it should be.
    """
    data = resources.files("securechat").joinpath("wordlist/english.txt").read_bytes()
    if hashlib.sha256(data).hexdigest() != _WORDLIST_SHA256:
        raise DamagedInstallation(name="wordlist/english.txt")
    return tuple(data.decode("ascii").split())


@cache
def _prefixes() -> dict[str, int]:
    return {word[:_PREFIX]: index for index, word in enumerate(wordlist())}


def word_number(token: str) -> int:
    """
    Return the number of the word that *token*, in lower case, is, or begins with four letters or
    more; -1 if there is none.
    """
    index = _prefixes().get(token[:_PREFIX], -1)
    return index if wordlist()[index].startswith(token) else -1


def _words_check(fp: bytes) -> bytes:
    return primitives.digest("words", fp)[:1]


def _parse_words(tokens: list[str]) -> bytes:
    words = list(enumerate(tokens, start=1))[:_WORDS]
    if unknown := [_unknown(*each) for each in words if word_number(each[1]) < 0]:
        raise BadFingerprint(what="; ".join(unknown))
    if len(tokens) != _WORDS:
        raise BadFingerprint(what=f"it has {len(tokens)} words, and a fingerprint has {_WORDS}")
    number = 0
    for token in tokens:
        number = number << _WORD_BITS | word_number(token)
    data = number.to_bytes(LENGTH + 1, "big")
    fp, check = data[:LENGTH], data[LENGTH:]
    if _words_check(fp) != check:
        raise BadFingerprint(what="all words are known, but one is wrong or they are misplaced")
    return fp


def _unknown(position: int, token: str) -> str:
    word = token[:16]
    near = ", ".join(difflib.get_close_matches(word, wordlist()))
    return f"word {position} ({word}) is unknown" + (f"; near it are: {near}" if near else "")
