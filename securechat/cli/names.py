"""
What members are called on the screen.

Whom the user trusts bears the user's own name for them. Everybody else bears the name that
they gave themselves, and the beginning of their fingerprint, since a name is no proof: nobody
can pass for a friend by a name. Where two would look the same all bear it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from securechat.errors import BadPetname
from securechat.fingerprint import short, to_groups
from securechat.group.events import Named
from securechat.text import MARKS
from securechat.trust import TrustStore
from securechat.trusted import Trusted

ME = "you"

_PUNCTUATION = str.maketrans("", "", MARKS)


def check_on_screen(petname: str) -> None:
    """
    Check that lines with *petname* in them look like no other ones.

    :raises BadPetname: if they could.
    """
    if any(ord(each) in _PUNCTUATION for each in petname):
        raise BadPetname(what=f"in a chat it would be mistaken for more: leave out {MARKS}")
    if look(petname) == ME:
        raise BadPetname(what="in a chat that is what you are called")


class Names:
    """
    The names of the members of a room.

    :ivar me: the user's own fingerprint.
    :ivar store: whom the user trusts.
    """

    def __init__(self, me: bytes, name: str, trust: TrustStore) -> None:
        """
        :param name: what the user says to be called.
        """
        self.me = me
        self.store = trust
        self._said = {me: name}

    def hear(self, event: Named) -> bool:
        """A member said its name; returns whether that is news."""
        if self._said.get(event.member) == event.name:
            return False
        self._said[event.member] = event.name
        return True

    def learn(self, said: Mapping[bytes, str]) -> None:
        """Take what members called themselves in an earlier run, by fingerprint."""
        self._said = {**said, **self._said}

    def of(self, fp: bytes) -> str:
        """Return the name to show for the fingerprint *fp*."""
        if fp == self.me:
            return ME
        trusted = self.store.find(fp)
        if trusted is None:
            return f"{self.said(fp)} ({short(fp)})".lstrip()
        if any(
            look(said) == look(trusted.petname) for other, said in self._said.items() if other != fp
        ):
            return f"{trusted.petname} ({short(fp)})"
        return trusted.petname

    def trusted(self, petname: str) -> Trusted | None:
        """Return whom the user calls *petname*."""
        return self.store.by_name(petname)

    def namesake(self, fp: bytes) -> Trusted | None:
        """Return whom the user calls what *fp* calls itself, if *fp* is somebody unknown."""
        return None if fp == self.me or fp in self.store else self.store.by_name(self.said(fp))

    def said(self, fp: bytes) -> str:
        """Return what the member *fp* calls itself, empty if it has not said."""
        return " ".join(self._said.get(fp, "").translate(_PUNCTUATION).split())

    def person(self, fp: bytes) -> dict[str, object]:
        """Return who *fp* is, for programs."""
        trusted = self.store.find(fp)
        return {
            "fingerprint": to_groups(fp),
            "name": trusted.petname if trusted else self._said.get(fp),
            "trusted": trusted is not None,
            "me": fp == self.me,
        }


def look(name: str) -> str:
    """Return what two names have in common that look alike."""
    return unicodedata.normalize("NFKC", name).casefold()
