"""What became of every text: counted from what the processes left on disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from benchmarks.soak.absence import Absences
from benchmarks.soak.account import Account, number_of, room_of
from securechat import keyfile
from securechat.address import Address
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms

Text = tuple[str, str]
"""The fingerprint of a sender, in hexadecimal, and what it said."""

PAGE = 1_000


@attrs.frozen
class Traces:
    """What one member left."""

    fingerprint: str
    account: Account
    kept: Mapping[str, list[Text]]
    """Of each room, by its label: what its state keeps as messages, in order."""
    numbers: Mapping[Text, set[int]]
    """Under which numbers its state keeps a text."""

    @classmethod
    def of(cls, home: Path, address: Address, labels: Iterable[str]) -> Traces:
        """Return what the member in the directory *home* left."""
        identity = keyfile.load(home / keyfile.KEY_FILE, None)
        known = KnownRooms.open(home, identity)
        kept: dict[str, list[Text]] = {}
        numbers: dict[Text, set[int]] = defaultdict(set)
        with StateDirectory.open(home, identity) as state:
            for label in labels:
                kept[label] = []
                for seq, text in _messages(state, known.find(address, label) or b""):
                    kept[label].append(text)
                    numbers[text].add(seq)
        return cls(identity.fingerprint.hex(), Account.read(home), kept, numbers)

    def said(self, texts: Iterable[str]) -> set[Text]:
        """Return *texts* as this member's."""
        return {(self.fingerprint, text) for text in texts}


@attrs.frozen
class Row:
    """The numbers of one member: the first four as a sender, the others as a reader."""

    sent: int
    acknowledged: int
    uncertain: int
    dropped: int
    """Meant, and died with its sender before it was accepted."""
    delivered: int
    lost: list[Text]
    doubled: list[Text]
    disordered: list[Text]
    invented: list[Text]
    unkept: int
    """Events that told of what the state does not keep."""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong with what this member was shown."""
        return not (self.lost or self.doubled or self.disordered or self.invented or self.unkept)


def count(traces: list[Traces]) -> list[Row]:
    """Return the numbers of each member."""
    count = _Count(traces)
    return [count.row(each) for each in traces]


class _Count:
    """What all members have left, together."""

    def __init__(self, traces: list[Traces]) -> None:
        self._meant: set[Text] = set()
        self._due: set[Text] = set()
        self._numbers: dict[Text, int] = {}
        for each in traces:
            account = each.account
            self._meant |= each.said(account.meant)
            self._due |= each.said(account.acknowledged | (account.accepted - account.uncertain))
            self._numbers.update((text, min(seqs)) for text, seqs in each.numbers.items())
        self._due |= self._numbers.keys()
        self._absences = Absences({each.fingerprint: each.account for each in traces})

    def row(self, one: Traces) -> Row:
        """Return the numbers of *one* member."""
        account = one.account
        sent = account.accepted | account.acknowledged
        shown = {text for sender, text in self._numbers if sender == one.fingerprint}
        own = {text for sender, text in one.numbers if sender == one.fingerprint}
        told = Counter((sender, text) for sender, text, _ in account.shown)
        doubled = {text for text, times in told.items() if times > 1}
        doubled |= {text for text, seqs in one.numbers.items() if len(seqs) > 1}
        return Row(
            sent=len(sent | shown),
            acknowledged=len(account.acknowledged | own),
            uncertain=len(account.uncertain - account.acknowledged - own),
            dropped=len(set(account.meant) - sent - shown - account.uncertain),
            delivered=len(one.numbers) - len(own),
            lost=sorted(self._missing(one)),
            doubled=sorted(doubled),
            disordered=[text for texts in one.kept.values() for text in _disordered(texts)],
            invented=sorted(one.numbers.keys() - self._meant),
            unkept=sum(
                seq not in one.numbers.get((sender, text), ())
                for sender, text, seq in account.shown
            ),
        )

    def _missing(self, one: Traces) -> Iterator[Text]:
        for text in self._due - one.numbers.keys():
            seq = self._numbers.get(text)
            if seq is None or not self._absences.has(room_of(text[1]), one.fingerprint, seq):
                yield text


def _disordered(texts: list[Text]) -> Iterator[Text]:
    newest: dict[str, int] = {}
    for sender, text in texts:
        number = number_of(text)
        if number < newest.get(sender, 0):
            yield sender, text
        newest[sender] = max(number, newest.get(sender, 0))


def _messages(state: StateDirectory, room: bytes) -> Iterator[tuple[int, Text]]:
    after = 0
    while page := state.messages(room, after=after, most=PAGE):
        for each in page:
            yield each.seq, (each.sender.hex(), each.text)
        after = page[-1].seq
