"""
Invites: two people who share a short code give each other their bundles, through anybody.

A code is a number and two words, ``7-piano-cactus``: the number finds the mailbox at the
relay, and the words, which the relay never sees, are the password of SPAKE2 (Abdalla and
Pointcheval, 2005), in which A is who invites, and B who accepts. Who sits between can try one
pair of words, of four million, with either side, and is noticed by that; to record all of it
teaches nothing.

::

    A → B   pakeA
    B → A   pakeB ‖ ChaCha20-Poly1305(Expand(K, "invite-claim", th),  1 ‖ bundle ‖ name)
    A → B           ChaCha20-Poly1305(Expand(K, "invite-answer", th), 1 ‖ bundle ‖ name ‖ G)
                    th = H("invite", label, number, pakeA, pakeB)

B speaks first under the key: whoever only guesses learns that it guessed wrong, and A says
nothing to it. What is proved is that whoever said a bundle knew the code, no more; that it has
the keys of the bundle the admission proves afterwards.

Each side is good for one try, since a second one would be a second guess. This module knows no
socket. SPAKE2 comes from the package ``spake2``, which is older than RFC 9382 and differs from
it, and does not run in constant time. It is loaded when it is used: that takes 70 ms, for groups
of which one is needed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import attrs

from securechat.encoding import MAX_INTEGER, Value, decode, encode, shaped
from securechat.errors import BadCiphertext, BadCode, EncodingError, OwnInvite, WrongCode
from securechat.fingerprint import word_number, wordlist
from securechat.identity import Bundle, check_version
from securechat.primitives import (
    HASH_LENGTH,
    NONCE_LENGTH,
    PROTOCOL,
    decrypt,
    digest,
    encrypt,
    expand,
    random_bytes,
)
from securechat.text import clean_name
from securechat.wire import PAKE

VERSION = 1
"""The version of what the two sides say under the key."""

_WORDS = 2
_MAX_TEXT = 200
_ONE_USE = bytes(NONCE_LENGTH)  # each key encrypts one thing

_ORDINALS = "first", "second"


@attrs.frozen
class Code:
    """
    What one tells the other.

    :param number: of the mailbox.
    :param words: two whole words of the list, in lower case, with a hyphen between.
    """

    number: int
    words: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.number}-{self.words}"

    @classmethod
    def parse(cls, text: str) -> Code:
        """
        Return the code that *text* is. Case, spacing and punctuation do not matter, and a word
        may be cut down to its first four letters.

        :raises BadCode: if it is none. It names what is wrong by its place, and never repeats it.
        """
        if len(text) > _MAX_TEXT:
            raise BadCode(what="the text is too long")
        number, *words = re.findall("[a-z0-9]+", text.lower(), re.ASCII) or [""]
        if not number.isdigit():
            raise BadCode(what="it begins with a number")
        if len(number) > len(str(MAX_INTEGER)) or not 0 < int(number) <= MAX_INTEGER:
            raise BadCode(what="no invite has such a number")
        if len(words) != _WORDS:
            raise BadCode(what=f"it has {_WORDS} words after the number, not {len(words)}")
        for place, word in zip(_ORDINALS, words, strict=True):
            if word_number(word) < 0:
                raise BadCode(what=f"the {place} word is not on the list")
        return cls(int(number), "-".join(wordlist()[word_number(word)] for word in words))


def complete(text: str) -> list[str]:
    """
    Return what *text*, the beginning of a code, becomes by each word that its end may be the
    beginning of; nothing where no word is due.
    """
    done, _, begun = text.lower().rpartition("-")
    number, *words = done.split("-")
    if not number.isdigit() or len(words) >= _WORDS:
        return []
    end = "-" if len(words) < _WORDS - 1 else ""
    return [f"{done}-{word}{end}" for word in wordlist() if word.startswith(begun)]


def draw() -> str:
    """Return two words, each drawn from all of the list, with a hyphen between."""
    return "-".join(secrets.choice(wordlist()) for _ in range(_WORDS))


@attrs.frozen
class Friend:
    """
    Who is at the other side.

    :param name: what it calls itself, fit for a terminal; empty if it does not say.
    """

    bundle: Bundle
    name: str


class Inviter:
    """
    A: who makes the code.

    :ivar words: those of the code.
    :ivar pake: the first message, 33 bytes, for whoever claims the number.
    """

    def __init__(
        self,
        me: Bundle,
        name: str,
        label: str,
        room: bytes,
        *,
        words: str | None = None,
        entropy: Callable[[int], bytes] = random_bytes,
    ) -> None:
        """
        :param name: what this user calls itself.
        :param label: of the room that it invites to.
        :param room: G, which that label stands for, 32 bytes.
        :param words: for tests and vectors: instead of words that are drawn.
        :param entropy: likewise, instead of the operating system's generator.
        """
        self.words = draw() if words is None else words
        self._me = me
        self._name = clean_name(name)
        self._label = label
        self._room = room
        self._spake = _spake2("SPAKE2_A", self.words, label, entropy)
        self.pake: bytes = self._spake.start()

    def __repr__(self) -> str:
        return "<Inviter, secret>"

    def claimed(self, number: int, mail: bytes) -> tuple[Friend, bytes]:
        """
        The first `mail` came, in mailbox *number*: return who said it, and the answer.

        :raises WrongCode: if it was not made with the code, or is not the first.
        :raises OwnInvite: if it is this very identity.
        :raises UnsupportedVersion: if another version of securechat made it; it says who must
            upgrade.
        """
        spake, self._spake = self._spake, None
        try:
            theirs, box = shaped(decode(mail), PAKE, bytes)
        except EncodingError:
            raise WrongCode from None
        key = _agreed(spake, theirs)
        th = digest("invite", self._label, number, self.pake, theirs)
        friend, _ = _opened(expand(key, "invite-claim", th), th, box, self._me)
        content = VERSION, self._me.encode(), self._name, self._room
        return friend, _boxed(expand(key, "invite-answer", th), th, *content)


class Invited:
    """B: who was told the code."""

    def __init__(
        self,
        me: Bundle,
        name: str,
        label: str,
        code: Code,
        *,
        entropy: Callable[[int], bytes] = random_bytes,
    ) -> None:
        """:param entropy: for vectors: instead of the operating system's generator."""
        self._me = me
        self._name = clean_name(name)
        self._label = label
        self._number = code.number
        self._spake = _spake2("SPAKE2_B", code.words, label, entropy)
        self._pake: bytes = self._spake.start()
        self._agreed: tuple[bytes, bytes] | None = None  # the key for the answer, and th

    def __repr__(self) -> str:
        return "<Invited, secret>"

    def claim(self, pake: bytes) -> bytes:
        """
        `claimed` came, with the inviter's *pake*: return the `mail` to say.

        :raises WrongCode: if it is none, or not the first.
        """
        spake, self._spake = self._spake, None
        key = _agreed(spake, pake)
        th = digest("invite", self._label, self._number, pake, self._pake)
        self._agreed = expand(key, "invite-answer", th), th
        content = VERSION, self._me.encode(), self._name
        return encode(self._pake, _boxed(expand(key, "invite-claim", th), th, *content))

    def answered(self, mail: bytes) -> tuple[Friend, bytes]:
        """
        The inviter's `mail` came: return who it is, and G of the room that it invites to.

        :raises WrongCode: if it was not made with the code, or is not the first.
        :raises OwnInvite: if it is this very identity.
        :raises UnsupportedVersion: if another version of securechat made it; it says who must
            upgrade.
        """
        agreed, self._agreed = self._agreed, None
        if agreed is None:
            raise WrongCode
        friend, (room,) = _opened(*agreed, mail, self._me, HASH_LENGTH)
        return friend, room


def _spake2(side: str, words: str, label: str, entropy: Callable[[int], bytes]) -> Any:
    """Return one side; nobody is either of them in another room."""
    import spake2

    sides = encode(PROTOCOL, "inviter", label), encode(PROTOCOL, "invited", label)
    return getattr(spake2, side)(words.encode("ascii"), *sides, entropy_f=entropy)


def _agreed(spake: Any, theirs: bytes) -> bytes:
    """
    Return the key, 32 bytes, by the other side's message.

    :raises WrongCode: if that is no message of the other side, or *spake* was used before.
    """
    from spake2 import SPAKEError
    from spake2.ed25519_basic import NotOnCurve

    if spake is None or len(theirs) != PAKE:
        raise WrongCode
    try:
        key: bytes = spake.finish(theirs)
    except (SPAKEError, NotOnCurve, ValueError):
        raise WrongCode from None
    return key


def _boxed(key: bytes, th: bytes, *content: Value) -> bytes:
    return encrypt(key, _ONE_USE, encode(*content), th)


def _opened(
    key: bytes, th: bytes, box: bytes, me: Bundle, *shape: object
) -> tuple[Friend, list[Any]]:
    """Return who said what is in *box*, and what is there besides, of that *shape*."""
    try:
        fields = decode(decrypt(key, _ONE_USE, box, th))
        check_version(fields, "answer to an invite", VERSION)
        _, data, name, *more = shaped(fields, int, bytes, str, *shape)
        bundle = Bundle.decode(data)
    except (BadCiphertext, EncodingError):
        raise WrongCode from None
    if bundle.fingerprint == me.fingerprint:
        raise OwnInvite
    return Friend(bundle, clean_name(name)), more
