"""Who was off the roster of which room, and when, by the numbers of its stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import inf

from benchmarks.soak.account import Account


class Absences:
    """
    The absences of all members, from what all of them have noted: an event that one of them was
    killed before, the others have.
    """

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """:param accounts: by fingerprint, in hexadecimal."""
        changes: dict[tuple[str, str], set[tuple[int, str]]] = defaultdict(set)
        for account in accounts.values():
            for label, seq, sign, member in account.roster:
                changes[label, member].add((seq, sign))
        self._absences: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for (label, member), signs in changes.items():
            left = [seq for room, seq in accounts[member].left if room == label]
            self._absences[label, member] = list(_absences(sorted(signs), left))

    def has(self, label: str, member: str, seq: int) -> bool:
        """Whether *member* was absent from the room when *seq* was the newest number."""
        return any(since < seq < until for since, until in self._absences.get((label, member), ()))


def _absences(signs: list[tuple[int, str]], left: list[int]) -> list[tuple[float, float]]:
    """Return from where to where somebody was away: it sees nothing more once it says it leaves."""
    found: list[tuple[float, float]] = []
    for number, (seq, sign) in enumerate(signs):
        if sign == "-":
            since = max((each for each in left if each <= seq), default=seq)
            until = next((later for later, back in signs[number:] if back == "+"), inf)
            found.append((since, until))
    return found
