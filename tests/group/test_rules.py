"""What may follow what: each rule of removing, renewing and reforming, kept and broken."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import EntryRefused
from securechat.group.detail import (
    MAX_REMOVALS,
    Detail,
    Reform,
    Removal,
    Remove,
    Update,
    Why,
    leaf_hash,
)
from securechat.group.log import CONSENT_WINDOW, Log
from securechat.group.roster import Policy, Vouchers
from securechat.group.rules import is_stale
from securechat.identity import Identity
from securechat.primitives import HASH_LENGTH
from securechat.revocation import check_revocation, revocation
from tests.group.kit import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MALLORY,
    adding,
    flipped,
    followed,
    founded,
    grown,
    leave_of,
    person,
    place_of,
    unchecked,
)

NEW_LEAF = b"\7" * 1216


def kick(*members: Identity) -> Remove:
    """The removal of *members*, because the author wants it."""
    return Remove(tuple(Removal(each.fingerprint, Why.KICKED) for each in members))


def stale(*members: Identity) -> Remove:
    """The removal of *members*, because their leaf keys are old."""
    return Remove(tuple(Removal(each.fingerprint, Why.STALE) for each in members))


def left(member: Identity, signature: bytes) -> Remove:
    """The removal of *member*, which has signed its leave."""
    return Remove((Removal(member.fingerprint, Why.LEFT, signature),))


def revoked(member: Identity, signature: bytes) -> Remove:
    """The removal of *member*, whose identity was revoked."""
    return Remove((Removal(member.fingerprint, Why.REVOKED, signature),))


class RulesCase(SynchronousTestCase):
    """Alice, who owns the room; Bob, a moderator; Carol and Dave."""

    def setUp(self) -> None:
        """All four are on the roster."""
        log = founded()
        for each in (BOB, CAROL, DAVE):
            log = log.after(adding(log, each, ALICE))
        reform = Reform(Policy(), (ALICE.fingerprint,), (BOB.fingerprint,))
        self.log = followed(log, reform, ALICE)

    def refused(self, why: str, detail: Detail, author: Identity, log: Log | None = None) -> None:
        """*detail* by *author* may not follow, for a reason with *why* in its words."""
        log = log or self.log
        error = self.assertRaises(EntryRefused, log.after, unchecked(log, detail, author))
        self.assertIn(why, str(error))

    def members(self, log: Log) -> list[bytes]:
        """The fingerprints on the roster."""
        return [row.fingerprint for row in log.membership.rows]


class AllTests(RulesCase):
    """What holds for every type."""

    def test_strangers_change_nothing(self) -> None:
        """Every author is a member."""
        signature = leave_of(self.log, CAROL)
        reform = Reform(Policy(), (ALICE.fingerprint,), ())
        for detail in (kick(CAROL), left(CAROL, signature), Update(NEW_LEAF), reform):
            self.refused("its author is not a member", detail, MALLORY)

    def test_the_state_hash_is_of_what_it_leads_to(self) -> None:
        """An entry with another state hash than its roster's is refused."""
        for detail in (kick(CAROL), Update(NEW_LEAF), Reform(Policy(), (ALICE.fingerprint,), ())):
            self.refused("state hash", detail, ALICE)

    def test_the_author_signs(self) -> None:
        """An owner's kick by somebody else's signature is refused."""
        log = followed(self.log, kick(CAROL), ALICE)
        forged = unchecked(
            self.log,
            kick(CAROL),
            BOB,
            author=ALICE.fingerprint,
            state_hash=log.membership.hash,
        )
        self.assertIn("signature", str(self.assertRaises(EntryRefused, self.log.after, forged)))

    def test_what_has_no_encoding_is_not_proposed(self) -> None:
        """Nobody, too many or one twice to remove; too many owners; a policy that is none."""
        me, many = ALICE.fingerprint, [person(f"member {number}") for number in range(101)]
        for detail in (
            Remove(()),
            kick(*many),
            kick(CAROL, CAROL),
            Reform(Policy(), tuple(each.fingerprint for each in many), ()),
            Reform(Policy(rounds=0), (me,), ()),
        ):
            self.assertRaises(EntryRefused, self.log.proposed, detail, me, 0, bytes(HASH_LENGTH))

    def test_proposals_are_what_may_follow(self) -> None:
        """A proposal on the log's head, by its author, with what that one has seen."""
        me, view = ALICE.fingerprint, b"\5" * HASH_LENGTH
        entry = self.log.proposed(kick(CAROL), me, 9, view)
        self.assertEqual((entry.room, entry.prev), (self.log.room, self.log.head))
        self.assertEqual((entry.epoch, entry.author), (self.log.epoch + 1, me))
        self.assertEqual((entry.seq, entry.transcript), (9, view))
        self.assertEqual(entry.state_hash, followed(self.log, kick(CAROL), ALICE).membership.hash)
        self.assertRaises(EntryRefused, self.log.proposed, kick(ALICE), CAROL.fingerprint, 9, view)


class RemoveTests(RulesCase):
    """Taking members off the roster."""

    def test_one_entry_removes_several(self) -> None:
        """Each for its own reason; who remains keeps its row and its place."""
        signature = leave_of(self.log, DAVE)
        remove = Remove((*kick(CAROL).removals, *left(DAVE, signature).removals))
        log = followed(self.log, remove, BOB)
        self.assertEqual(log.membership.rows, self.log.membership.rows[:2])

    def test_who_is_not_there(self) -> None:
        """Nobody is removed who is not a member, for no reason."""
        for remove in (kick(MALLORY), stale(MALLORY), left(MALLORY, bytes(64))):
            self.refused("who is removed is not a member", remove, ALICE)

    def test_nobody_removes_itself(self) -> None:
        """Who leaves cannot make the key change that shuts it out, so others remove it."""
        for remove in (kick(ALICE), kick(CAROL, ALICE), left(ALICE, leave_of(self.log, ALICE))):
            self.refused("removes itself", remove, ALICE)

    def test_one_bad_removal_spoils_the_entry(self) -> None:
        """An entry holds as a whole or not at all."""
        remove = Remove((*kick(CAROL).removals, *stale(DAVE).removals))
        self.refused("not that old", remove, ALICE)

    def test_anybody_removes_who_left(self) -> None:
        """A signed leave is enough, for any member."""
        remove = left(CAROL, leave_of(self.log, CAROL))
        for author in (ALICE, BOB, DAVE):
            self.assertNotIn(CAROL.fingerprint, self.members(followed(self.log, remove, author)))

    def test_even_an_owner_may_leave(self) -> None:
        """Its leave is as good as anybody's, and the first row owns the room then."""
        log = followed(self.log, left(ALICE, leave_of(self.log, ALICE)), CAROL)
        self.assertEqual(log.membership.owners, (BOB.fingerprint,))
        self.assertEqual(log.membership.moderators, ())

    def test_a_leave_that_is_not_signed(self) -> None:
        """Not by the member, not in this room, not for this leaf, not at all."""
        wrong = "signature of who is removed does not hold"
        good = leave_of(self.log, CAROL)
        other = followed(founded(), Reform(Policy(), (ALICE.fingerprint,), ()), ALICE)
        other = attrs.evolve(other.after(adding(other, CAROL, ALICE)), room=b"\1" * 32)
        for bad in (
            bytes(64),
            flipped(good),
            leave_of(self.log, DAVE),
            leave_of(other, CAROL),
            CAROL.sign("revocation", CAROL.fingerprint),
        ):
            self.refused(wrong, left(CAROL, bad), ALICE)
        renewed = followed(self.log, Update(NEW_LEAF), CAROL)
        self.refused(wrong, left(CAROL, good), ALICE, renewed)

    def test_owners_kick_anybody(self) -> None:
        """Another owner too."""
        two = (ALICE.fingerprint, CAROL.fingerprint)
        log = followed(self.log, Reform(Policy(), two, (BOB.fingerprint,)), ALICE)
        for author, member in ((ALICE, BOB), (ALICE, CAROL), (CAROL, ALICE), (ALICE, DAVE)):
            gone = followed(log, kick(member), author)
            self.assertNotIn(member.fingerprint, self.members(gone))

    def test_moderators_kick_all_but_owners(self) -> None:
        """They cannot turn the room over."""
        self.assertNotIn(CAROL.fingerprint, self.members(followed(self.log, kick(CAROL), BOB)))
        self.refused("may not remove that member", kick(ALICE), BOB)

    def test_the_rest_kicks_nobody(self) -> None:
        """A member without office needs evidence."""
        for member in (ALICE, BOB, DAVE):
            self.refused("may not remove that member", kick(member), CAROL)

    def test_anybody_removes_who_is_revoked(self) -> None:
        """A revocation certificate's signature is enough, for any member and about anybody."""
        certificate = revocation(ALICE)
        self.assertEqual(check_revocation(certificate), ALICE.fingerprint)
        remove = revoked(ALICE, ALICE.sign("revocation", ALICE.fingerprint))
        self.assertEqual(len(self.members(followed(self.log, remove, CAROL))), 3)

    def test_a_revocation_that_is_none(self) -> None:
        """Not signed, signed by another, or a signature of something else."""
        for bad in (
            bytes(64),
            BOB.sign("revocation", CAROL.fingerprint),
            CAROL.sign("revocation", BOB.fingerprint),
            leave_of(self.log, CAROL),
        ):
            self.refused("does not hold", revoked(CAROL, bad), ALICE)

    def test_as_many_as_an_entry_holds(self) -> None:
        """A hundred at once."""
        people = [person(f"member {number}") for number in range(MAX_REMOVALS)]
        log = founded()
        for each in people:
            log = log.after(adding(log, each, ALICE))
        self.assertEqual(self.members(followed(log, kick(*people), ALICE)), [ALICE.fingerprint])


class StaleTests(RulesCase):
    """Rows whose leaf keys are old."""

    def aged(self, epochs: int, rounds: int = 2) -> Log:
        """A room of Alice, Bob and Carol in which Alice alone renews its leaf, so often."""
        log = founded(policy=Policy(rounds=rounds))
        log = log.after(adding(log, BOB, ALICE))
        log = log.after(adding(log, CAROL, ALICE))
        for _ in range(epochs):
            log = followed(log, Update(NEW_LEAF), ALICE)
        return log

    def test_exactly_when(self) -> None:
        """A row goes once its leaf is more than rounds · N entries older than the removal."""
        # Bob's leaf is of epoch 2, and 2 rounds of 3 rows are 6: of 8 entries not, of 9 yes.
        for epochs, epoch in ((4, 7), (5, 8)):
            log = self.aged(epochs)
            self.assertEqual(log.epoch, epoch)
            row = log.membership.rows[1]
            self.assertEqual(is_stale(log.membership, row, epoch + 1), epoch == 8)
        self.refused("not that old", stale(BOB), CAROL, self.aged(4))
        self.assertNotIn(BOB.fingerprint, self.members(followed(self.aged(5), stale(BOB), CAROL)))

    def test_a_renewed_leaf_is_young(self) -> None:
        """Who renews its leaf is not stale, however long it has been there."""
        self.refused("not that old", stale(ALICE), BOB, self.aged(9))
        log = followed(self.aged(9), Update(NEW_LEAF), BOB)
        self.refused("not that old", stale(BOB), ALICE, log)

    def test_the_policy_says_how_old(self) -> None:
        """With more rounds it takes longer."""
        self.refused("not that old", stale(BOB), ALICE, self.aged(9, rounds=4))
        self.assertEqual(len(self.members(followed(self.aged(12, rounds=4), stale(BOB), ALICE))), 2)


class UpdateTests(RulesCase):
    """Renewing one's own leaf."""

    def test_the_authors_row_has_the_new_leaf(self) -> None:
        """Its hash, and the epoch since when; nothing else changes."""
        log = followed(self.log, Update(NEW_LEAF), CAROL)
        before, after = self.log.membership, log.membership
        self.assertEqual(after.rows[2].leaf_hash, leaf_hash(NEW_LEAF))
        self.assertEqual(after.rows[2].leaf_epoch, log.epoch)
        self.assertEqual(after.rows[2].fingerprint, CAROL.fingerprint)
        self.assertEqual(
            attrs.evolve(after, rows=before.rows),
            before,
        )
        self.assertEqual((after.rows[:2], after.rows[3:]), (before.rows[:2], before.rows[3:]))


class ReformTests(RulesCase):
    """Another policy, other offices."""

    def test_an_owner_reforms(self) -> None:
        """Policy and offices are what it says; the rows stay."""
        policy = Policy(Vouchers.MODERATORS, 7, 5)
        owners, moderators = (CAROL.fingerprint, ALICE.fingerprint), (DAVE.fingerprint,)
        log = followed(self.log, Reform(policy, owners, moderators), ALICE)
        self.assertEqual(log.membership.policy, policy)
        self.assertEqual((log.membership.owners, log.membership.moderators), (owners, moderators))
        self.assertEqual(log.membership.rows, self.log.membership.rows)
        self.refused("may not vouch", adding(log, MALLORY, BOB).entry.detail, BOB, log)

    def test_an_owner_may_give_the_room_away(self) -> None:
        """Who gave it to another has no say any more."""
        log = followed(self.log, Reform(Policy(), (CAROL.fingerprint,), ()), ALICE)
        self.refused("not an owner", Reform(Policy(), (ALICE.fingerprint,), ()), ALICE, log)

    def test_others_do_not(self) -> None:
        """Moderators neither."""
        for author in (BOB, CAROL):
            self.refused("not an owner", Reform(Policy(), (author.fingerprint,), ()), author)

    def test_somebody_owns_the_room(self) -> None:
        """There is an owner, always."""
        self.refused("without an owner", Reform(Policy(), (), (BOB.fingerprint,)), ALICE)

    def test_offices_are_members_once(self) -> None:
        """No stranger has a say, and nobody two offices."""
        alice, bob = ALICE.fingerprint, BOB.fingerprint
        for owners, moderators in (
            ((alice, MALLORY.fingerprint), ()),
            ((alice,), (MALLORY.fingerprint,)),
            ((alice, alice), ()),
            ((alice,), (bob, bob)),
            ((alice,), (alice,)),
        ):
            self.refused("members, each named once", Reform(Policy(), owners, moderators), ALICE)


class ReturnTests(RulesCase):
    """Who was removed, and comes back."""

    def test_an_old_consent_does_not_bring_anybody_back(self) -> None:
        """What was agreed before the removal is void, so no voucher can re-add who left."""
        before = place_of(self.log)
        log = followed(self.log, left(CAROL, leave_of(self.log, CAROL)), ALICE)
        old = adding(log, CAROL, ALICE, before).entry.detail
        self.refused("removed since it agreed", old, ALICE, log)

    def test_nor_after_other_entries(self) -> None:
        """As long as the consent's head is one of the last 16 the removal is looked for there."""
        before = place_of(self.log)
        log = followed(self.log, kick(CAROL), ALICE)
        log = grown(log, CONSENT_WINDOW - 2)
        old = adding(log, CAROL, ALICE, before).entry.detail
        self.refused("removed since it agreed", old, ALICE, log)
        log = grown(log, 1)
        self.refused("too old", adding(log, CAROL, ALICE, before).entry.detail, ALICE, log)

    def test_another_ones_removal_does_not_matter(self) -> None:
        """Who agreed before somebody else was removed comes in."""
        before = place_of(self.log)
        log = followed(self.log, kick(CAROL), ALICE)
        self.assertEqual(log.after(adding(log, MALLORY, ALICE, before)).epoch, log.epoch + 1)

    def test_a_new_consent_does(self) -> None:
        """Who agrees after the removal is a member again, in the last row."""
        log = followed(self.log, kick(CAROL), ALICE)
        log = log.after(adding(log, CAROL, BOB))
        self.assertEqual(self.members(log)[-1], CAROL.fingerprint)
