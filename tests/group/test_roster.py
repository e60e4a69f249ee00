"""The roster: its policy, its rows, and the hash that covers all of them."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER, decode, encode
from securechat.errors import EncodingError
from securechat.group.roster import MAX_ROSTER, Membership, Policy, Row, Vouchers
from securechat.identity import fingerprint
from tests.group.kit import ALICE, BOB, CAROL

hashes = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, MAX_INTEGER)
policies = st.builds(
    Policy,
    vouchers=st.sampled_from(Vouchers),
    rounds=st.integers(1, MAX_INTEGER),
    roster_maximum=st.integers(1, MAX_ROSTER),
)
rows = st.builds(Row, numbers, hashes, hashes, hashes, numbers, hashes)
several = st.lists(hashes, max_size=3).map(tuple)
memberships = st.builds(
    Membership, policies, several, several, st.lists(rows, max_size=4).map(tuple)
)


def row(identity: Any, voucher: Any = ALICE, epoch: int = 1) -> Row:
    """A row for *identity*, with a leaf that says so."""
    bundle = identity.bundle
    leaf = bytes([epoch]) * 32
    return Row(1, bundle.ed25519, bundle.xwing_hash, leaf, epoch, voucher.fingerprint)


class EncodingTests(SynchronousTestCase):
    """From values to CBOR and back."""

    @given(memberships)
    def test_membership_survives(self, membership: Membership) -> None:
        """What is encoded and decoded is the same, with the same state hash."""
        back = Membership.of(decode(encode(*membership.value())))
        self.assertEqual(back, membership)
        self.assertEqual(back.hash, membership.hash)

    @given(memberships, memberships)
    def test_state_hash_tells_memberships_apart(self, one: Membership, other: Membership) -> None:
        """Two memberships have one state hash only if they are equal in all they hold."""
        self.assertEqual(one == other, one.hash == other.hash)

    @given(memberships, st.data())
    def test_everything_is_under_the_state_hash(
        self, membership: Membership, data: st.DataObject
    ) -> None:
        """Policy, owners, moderators, rows and their order: each change shows."""
        added = data.draw(rows)
        stranger = data.draw(hashes)
        others = [
            attrs.evolve(membership, policy=data.draw(policies)),
            attrs.evolve(membership, owners=(*membership.owners, stranger)),
            attrs.evolve(membership, moderators=(stranger, *membership.moderators)),
            attrs.evolve(membership, rows=membership.rows[::-1]),
            membership.with_row(added),
        ]
        for other in others:
            self.assertEqual(other == membership, other.hash == membership.hash)

    def test_policies_that_are_none(self) -> None:
        """Unknown vouchers, no rounds, a roster of none or of too many are refused."""
        for bad in (
            [2, 30, 10],
            [0, 0, 10],
            [0, 30, 0],
            [0, 30, MAX_ROSTER + 1],
            [0, 30],
            [0, 30, 10, 0],
            [0, 30, b"10"],
            7,
        ):
            self.assertRaises(EncodingError, Policy.of, bad)
        self.assertEqual(Policy.of([1, 1, MAX_ROSTER]), Policy(Vouchers.MODERATORS, 1, MAX_ROSTER))

    def test_rows_that_are_none(self) -> None:
        """A row has six fields of fixed types and lengths."""
        good = row(BOB).value()
        self.assertEqual(Row.of(good), row(BOB))
        strange: list[object] = [None, "x", b"short", -1.5, []]
        for at in range(len(good)):
            for bad in strange:
                self.assertRaises(EncodingError, Row.of, [*good[:at], bad, *good[at + 1 :]])
        self.assertRaises(EncodingError, Row.of, good[1:])

    def test_memberships_that_are_none(self) -> None:
        """Each of the four parts is checked."""
        good = Membership(Policy(), (bytes(32),), (bytes(32),), (row(ALICE),)).value()
        for at in range(4):
            for bad in (0, [0], [b"short"], [[0]], b""):
                broken = [*good[:at], bad, *good[at + 1 :]]
                self.assertRaises(EncodingError, Membership.of, broken)


class WhoTests(SynchronousTestCase):
    """Who is on the roster, and who may vouch."""

    def membership(self, vouchers: Vouchers) -> Membership:
        """Alice owns the room; Bob is in it, and a moderator Carol is named who is not."""
        return Membership(
            Policy(vouchers),
            (ALICE.fingerprint,),
            (CAROL.fingerprint,),
            (row(ALICE), row(BOB, epoch=2)),
        )

    def test_rows_prove_fingerprints(self) -> None:
        """A row's fingerprint is that of the bundle whose keys it holds."""
        bundle = BOB.bundle
        self.assertEqual(
            row(BOB).fingerprint, fingerprint(bundle.version, bundle.ed25519, bundle.xwing_hash)
        )
        self.assertEqual(row(BOB).fingerprint, BOB.fingerprint)

    def test_index_is_in_join_order(self) -> None:
        """The index gives the number of each row; who comes last is last."""
        membership = self.membership(Vouchers.ANYONE)
        self.assertEqual(membership.index, {ALICE.fingerprint: 0, BOB.fingerprint: 1})
        longer = membership.with_row(row(CAROL))
        self.assertEqual(longer.index[CAROL.fingerprint], 2)
        self.assertEqual(longer.rows[:2], membership.rows)

    def test_anyone_on_the_roster_may_vouch(self) -> None:
        """Where the policy says anyone, it still means a member."""
        membership = self.membership(Vouchers.ANYONE)
        self.assertTrue(membership.may_vouch(ALICE.fingerprint))
        self.assertTrue(membership.may_vouch(BOB.fingerprint))
        self.assertFalse(membership.may_vouch(CAROL.fingerprint))

    def test_only_owners_and_moderators_may_vouch(self) -> None:
        """Where the policy says moderators, they and the owners may, while on the roster."""
        membership = self.membership(Vouchers.MODERATORS)
        self.assertTrue(membership.may_vouch(ALICE.fingerprint))
        self.assertFalse(membership.may_vouch(BOB.fingerprint))
        self.assertFalse(membership.may_vouch(CAROL.fingerprint))
        self.assertTrue(membership.with_row(row(CAROL)).may_vouch(CAROL.fingerprint))


class ChangeTests(SynchronousTestCase):
    """What removing, renewing and reforming make of it."""

    def setUp(self) -> None:
        """Alice owns the room, Bob is a moderator, Carol is in it."""
        self.membership = Membership(
            Policy(),
            (ALICE.fingerprint,),
            (BOB.fingerprint,),
            (row(ALICE), row(BOB, epoch=2), row(CAROL, epoch=3)),
        )

    def test_who_may_kick_whom(self) -> None:
        """Owners everybody, moderators all but owners, the rest nobody."""
        may = {
            (author, member)
            for author in (ALICE, BOB, CAROL)
            for member in (ALICE, BOB, CAROL)
            if self.membership.may_kick(author.fingerprint, member.fingerprint)
        }
        self.assertEqual(
            may, {(ALICE, ALICE), (ALICE, BOB), (ALICE, CAROL), (BOB, BOB), (BOB, CAROL)}
        )

    def test_without(self) -> None:
        """Rows close up in their order, and offices end with their holders."""
        without = self.membership.without({BOB.fingerprint})
        self.assertEqual(without.rows, (row(ALICE), row(CAROL, epoch=3)))
        self.assertEqual((without.owners, without.moderators), ((ALICE.fingerprint,), ()))
        self.assertEqual(self.membership.without(set()), self.membership)

    def test_the_first_row_owns_a_room_without_an_owner(self) -> None:
        """A moderator who becomes the owner is no moderator any more; the others stay."""
        moderated = attrs.evolve(self.membership, moderators=(BOB.fingerprint, CAROL.fingerprint))
        without = moderated.without({ALICE.fingerprint})
        self.assertEqual(without.owners, (BOB.fingerprint,))
        self.assertEqual(without.moderators, (CAROL.fingerprint,))

    def test_without_anybody(self) -> None:
        """A roster of nobody has no owner."""
        nobody = self.membership.without(set(self.membership.index))
        self.assertEqual((nobody.rows, nobody.owners, nobody.moderators), ((), (), ()))

    def test_with_leaf(self) -> None:
        """One row has another leaf since another epoch."""
        renewed = self.membership.with_leaf(BOB.fingerprint, bytes(32), 9)
        self.assertEqual(renewed.rows[1], attrs.evolve(row(BOB), leaf_hash=bytes(32), leaf_epoch=9))
        self.assertEqual(attrs.evolve(renewed, rows=self.membership.rows), self.membership)

    def test_reformed(self) -> None:
        """Everything but the rows."""
        policy = Policy(Vouchers.MODERATORS, 5, 50)
        reformed = self.membership.reformed(policy, (CAROL.fingerprint,), ())
        self.assertEqual(
            reformed, Membership(policy, (CAROL.fingerprint,), (), self.membership.rows)
        )
