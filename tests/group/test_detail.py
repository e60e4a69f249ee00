"""What is particular to each type of entry: its bytes and its bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, decode, encode
from securechat.errors import EncodingError
from securechat.group.detail import (
    MAX_OFFICES,
    MAX_REMOVALS,
    Detail,
    Reform,
    Removal,
    Remove,
    Update,
    Why,
    detail_of,
    leaving,
)
from securechat.group.roster import Policy
from tests.group.kit import ALICE, BOB, founded
from tests.group.test_entry import details, places, removes, replaced

FP = ALICE.fingerprint


def numbered(count: int) -> list[bytes]:
    """So many fingerprints that are nobody's."""
    return [number.to_bytes(32, "big") for number in range(count)]


class EncodingTests(SynchronousTestCase):
    """From details to values and back."""

    @given(details)
    def test_details_survive(self, detail: Detail) -> None:
        """What is encoded and decoded is the same."""
        self.assertEqual(detail_of(detail.KIND, decode(encode(*detail.value()))), detail)

    @given(details, st.data())
    def test_every_field_is_checked(self, detail: Detail, data: st.DataObject) -> None:
        """Wherever another type stands, the detail is refused."""
        value = detail.value()
        path = data.draw(st.sampled_from(places(value)))
        old: Any = value
        for at in path:
            old = old[at]
        new = data.draw(st.sampled_from([0, b"", "text", None]))
        if type(new) is not type(old):
            self.assertRaises(EncodingError, detail_of, detail.KIND, replaced(value, path, new))

    @given(st.integers(6, MAX_INTEGER) | st.just(0))
    def test_unknown_types(self, kind: int) -> None:
        """There are five types of entries."""
        self.assertRaises(EncodingError, detail_of, kind, [])


class RemoveTests(SynchronousTestCase):
    """Whom an entry removes."""

    @given(removes)
    def test_members(self, remove: Remove) -> None:
        """Who is removed, whatever the reason."""
        self.assertEqual(remove.members, {each.member for each in remove.removals})

    def test_how_many(self) -> None:
        """One member at least, 100 at most, each once."""
        most = [[each, int(Why.KICKED), b""] for each in numbered(MAX_REMOVALS)]
        self.assertEqual(len(Remove.of(most).removals), MAX_REMOVALS)
        for bad in ([], [*most, [FP, int(Why.KICKED), b""]], [most[0], most[0]]):
            self.assertRaises(EncodingError, Remove.of, bad)

    def test_evidence_goes_with_the_reason(self) -> None:
        """A signature for who left or is revoked, nothing for the rest, no other reasons."""
        for why in Why:
            for length in (0, 1, 63, 64, 65):
                value = [FP, int(why), bytes(length)]
                if length == (64 if why in (Why.LEFT, Why.REVOKED) else 0):
                    self.assertEqual(Removal.of(value), Removal(FP, why, bytes(length)))
                else:
                    self.assertRaises(EncodingError, Removal.of, value)
        for unknown in (0, 5, MAX_INTEGER):
            self.assertRaises(EncodingError, Removal.of, [FP, unknown, b""])
            self.assertRaises(EncodingError, Removal.of, [FP, unknown, bytes(64)])

    def test_what_a_leave_is_about(self) -> None:
        """A `leave` is for one room and one row with its leaf key."""
        log = founded()
        (row,) = log.membership.rows
        self.assertEqual(leaving(log.room, row), (log.room, FP, row.leaf_hash))


class UpdateTests(SynchronousTestCase):
    """A new leaf key."""

    def test_the_size_of_a_key(self) -> None:
        """A leaf is an X-Wing key, whose size is fixed."""
        self.assertEqual(Update.of([bytes(1216)]), Update(bytes(1216)))
        for bad in ([bytes(1215)], [bytes(1217)], [b""], []):
            self.assertRaises(EncodingError, Update.of, bad)


class ReformTests(SynchronousTestCase):
    """Another policy."""

    def test_how_many_offices(self) -> None:
        """So many owners and moderators as fit an entry, and no more."""
        policy, most = Policy(), numbered(MAX_OFFICES)
        reform = Reform.of([policy.value(), most, most])
        self.assertEqual(reform, Reform(policy, tuple(most), tuple(most)))
        for bad in ([[*most, FP], []], [[], [*most, FP]], [[b"short"], []], [[], [7]]):
            self.assertRaises(EncodingError, Reform.of, [policy.value(), *bad])

    def test_the_policy_is_checked(self) -> None:
        """A policy that is none makes no entry."""
        self.assertRaises(EncodingError, Reform.of, [[0, 0, 10], [FP], [BOB.fingerprint]])
