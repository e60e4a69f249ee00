"""
Attacks with a stolen identity key, once its owner has said so: `revocation` and `succession`.
"""

from __future__ import annotations

from datetime import date

from twisted.trial.unittest import SynchronousTestCase

from securechat.client.events import NewcomerAsks
from securechat.errors import (
    BadSignature,
    EntryRefused,
    IdentityRevoked,
    IdentitySucceeded,
    NobodyVouches,
    NotTrusted,
    SuccessorOfRevoked,
    VoucherUnknown,
)
from securechat.group.detail import Removal, Remove, Why
from securechat.group.events import MemberAdded
from securechat.group.rules import membership_after
from securechat.identity import Identity
from securechat.revocation import check_revocation, revocation
from securechat.succession import succession
from securechat.testing import WRITTEN, Person
from securechat.wire import Vouch
from tests.adversary.kit import LABEL, LyingNetwork, heard, room

DAY = date(2030, 1, 2)


class StolenIdentity(SynchronousTestCase):
    """F2: Mallory has Bob's key. Alice, who trusts Bob, is in the room "lobby"."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        (self.alice,) = self.network.members("alice")
        self.bob = Identity.generate()
        self.alice.trusted.add("bob", self.bob.fingerprint, "typed", WRITTEN)

    def enter(self, identity: Identity) -> Person:
        """Let somebody who trusts Alice enter the room as *identity*."""
        person = self.network.client("bob", identity=identity, trusts=[self.alice])
        self.network.get(person.chat.join(LABEL))
        return person

    def is_turned_away(self, identity: Identity) -> None:
        """Check that *identity* is nobody to Alice."""
        self.assertRaises(NobodyVouches, self.enter, identity)
        asked = self.alice.heard(NewcomerAsks)[-1]
        self.assertEqual((asked.newcomer, asked.trusted), (identity.fingerprint, False))
        self.assertEqual(len(room(self.alice).log.membership.rows), 1)

    def test_thief_is_not_let_in(self) -> None:
        """Once Alice has the revocation she does not vouch for whoever has the key."""
        self.alice.trusted.revoke(revocation(self.bob), WRITTEN)
        self.is_turned_away(self.bob)

    def test_thief_lets_nobody_in(self) -> None:
        """Once a newcomer has the revocation the vouch of whoever has the key is a stranger's."""
        carol = self.network.client("carol", trusts=[self.alice])
        self.alice.trust(carol)
        carol.trusted.revoke(revocation(self.alice.identity), WRITTEN)
        self.assertRaises(VoucherUnknown, self.network.get, carol.chat.join(LABEL))
        self.assertEqual(len(heard(carol, Vouch)), 1)
        self.assertEqual(self.alice.heard(MemberAdded), [])

    def test_thief_inside_can_be_removed_by_anybody(self) -> None:
        """The revocation that a member holds is the evidence on which an entry removes the key."""
        self.enter(self.bob)
        log, alice = room(self.alice).log, self.alice.fingerprint
        self.alice.trusted.revoke(revocation(self.bob), WRITTEN)
        evidence = self.alice.trusted.revocation(self.bob.fingerprint)
        assert evidence is not None
        remove = Remove((Removal(self.bob.fingerprint, Why.REVOKED, evidence),))
        after = membership_after(log, remove, alice)
        self.assertEqual([row.fingerprint for row in after.rows], [alice])
        other = revocation(Identity.generate())[-64:]
        forged = Remove((Removal(self.bob.fingerprint, Why.REVOKED, other),))
        self.assertRaises(EntryRefused, membership_after, log, forged, alice)

    def test_thief_is_not_trusted_again(self) -> None:
        """Whatever name and way the thief is shown to Alice under, the key stays revoked."""
        self.alice.trusted.revoke(revocation(self.bob), WRITTEN)
        for name in "bob", "robert":
            with self.assertRaises(IdentityRevoked):
                self.alice.trusted.add(name, self.bob.fingerprint, "file", WRITTEN, self.bob.bundle)
        self.is_turned_away(self.bob)

    def test_thief_names_a_successor(self) -> None:
        """A revocation wins over a succession of any date; the thief's new key is a stranger's."""
        mallory = Identity.generate()
        self.alice.trusted.revoke(revocation(self.bob), WRITTEN)
        for day in date(1970, 1, 1), DAY, date(9999, 12, 31):
            with self.assertRaises(SuccessorOfRevoked):
                self.alice.trusted.follow(succession(self.bob, mallory, day), WRITTEN)
        self.is_turned_away(mallory)

    def test_thief_names_a_second_successor(self) -> None:
        """Where the owner was first, the thief's successor is refused."""
        owner, mallory = Identity.generate(), Identity.generate()
        self.alice.trusted.follow(succession(self.bob, owner, DAY), WRITTEN)
        with self.assertRaises(IdentitySucceeded):
            self.alice.trusted.follow(succession(self.bob, mallory, DAY), WRITTEN)
        self.is_turned_away(mallory)

    def test_place_that_nobody_gave(self) -> None:
        """Mallory, who has no key of Bob's, takes nobody's place, and nobody's name."""
        mallory, nobody = Identity.generate(), Identity.generate()
        with self.assertRaises(NotTrusted):
            self.alice.trusted.follow(succession(nobody, mallory, DAY), WRITTEN)
        forged = succession(nobody, mallory, DAY).replace(
            nobody.bundle.ed25519, self.bob.bundle.ed25519
        ).replace(nobody.bundle.xwing_hash, self.bob.bundle.xwing_hash)  # fmt: skip
        with self.assertRaises(BadSignature):
            self.alice.trusted.follow(forged, WRITTEN)
        self.is_turned_away(mallory)

    def test_revocation_that_the_owner_did_not_make(self) -> None:
        """Nobody else can have Bob kept out."""
        forged = revocation(Identity.generate())[:-64] + revocation(self.bob)[-64:]
        self.assertRaises(BadSignature, check_revocation, forged)
        self.assertRaises(BadSignature, self.alice.trusted.revoke, forged, WRITTEN)
        self.enter(self.bob)

    def test_successor_is_let_in_and_the_old_key_is_not(self) -> None:
        """Once Alice has followed, the old key opens nothing here, stolen or not."""
        owner = Identity.generate()
        self.alice.trusted.follow(succession(self.bob, owner, DAY), WRITTEN)
        self.is_turned_away(self.bob)
        self.enter(owner)
