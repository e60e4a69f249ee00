"""What members look up: who is online, and the leaf keys of the roster."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from securechat.group.detail import leaf_hash
from securechat.primitives import XWING_LENGTH
from securechat.relay.lookup import Lookup
from securechat.wire import Code, LeafKeys, Leaves, Online, Who
from tests.relay.clients import Relay


class OnlineTests(SynchronousTestCase):
    """`who` and `online`."""

    def test_a_bit_for_each_row(self) -> None:
        """Row 0 is the highest bit of the first byte."""
        relay = Relay()
        members = relay.room(10)
        for away in (1, 8):
            members[away].lose()
        members[0].says(Who(members[0].room))
        heard = members[0].hears(Online)
        self.assertEqual(heard, Online(members[0].room, 10, bytes([0b10111111, 0b01000000])))

    def test_who_is_not_live_may_ask(self) -> None:
        """A member that has lost its keys sees whether anybody is there."""
        relay = Relay()
        alice, bob = relay.room(2)
        bob.lose()
        again = relay.again(bob)
        again.says(Who(alice.room))
        self.assertEqual(again.hears(Online).rows, b"\x80")

    def test_who_asks_again_costs_nothing(self) -> None:
        """
        As long as nothing has changed the answer is the one that there is, however often and
        whoever asks; the rows are looked at again when somebody comes or goes, or the log goes on.
        """
        relay = Relay()
        alice, bob = relay.room(2)
        lookup, who = Lookup(relay.factory.registry.room(alice.room)), Who(alice.room)
        answers = [lookup.answer(who)]

        def changed() -> None:
            answers.append(lookup.answer(who))
            self.assertIs(lookup.answer(who), answers[-1])
            self.assertNotEqual(answers[-1], answers[-2])

        self.assertIs(lookup.answer(who), answers[0])
        bob.lose()
        changed()
        bob = relay.again(bob)
        bob.resume()
        changed()
        alice.land(alice.update())
        changed()


class LeafKeyTests(SynchronousTestCase):
    """`leaves` and `leaf_keys`."""

    def setUp(self) -> None:
        self.relay = Relay()

    def test_in_pages(self) -> None:
        """All keys of the roster, in the order of its rows; their hashes are in the rows."""
        alice, *_ = self.relay.room(30)
        keys = b""
        while len(keys) < 30 * XWING_LENGTH:
            first = len(keys) // XWING_LENGTH
            alice.says(Leaves(alice.room, 30, first))
            heard = alice.hears(LeafKeys)
            self.assertEqual((heard.epoch, heard.first), (30, first))
            keys += heard.keys
        found = [
            leaf_hash(keys[start : start + XWING_LENGTH])
            for start in range(0, len(keys), XWING_LENGTH)
        ]
        self.assertEqual(found, [row.leaf_hash for row in alice.log.membership.rows])

    def test_only_of_the_newest_epoch(self) -> None:
        """And only of rows that there are."""
        alice, _ = self.relay.room(2)
        for epoch, first in ((1, 0), (3, 0), (2, 2)):
            alice.says(Leaves(alice.room, epoch, first))
            self.assertIs(alice.refused(), Code.GONE)
