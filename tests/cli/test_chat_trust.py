"""``securechat chat``: who is let in, by whom, and who seems to be who."""

from __future__ import annotations

from datetime import UTC, datetime

from securechat.fingerprint import short, to_groups, to_words
from securechat.trust import TrustStore
from tests.cli.chatting import ChatTestCase


class TrustTests(ChatTestCase):
    """Who is let in, and by whom."""

    async def test_stranger(self) -> None:
        """A newcomer whom nobody trusts is told; members see its fingerprint, and stay."""
        alice = await self.founder()
        self.trust(self.carol, self.alice)
        await self.ends(carol := self.chat(self.carol), 5)
        self.assertIn("securechat id", carol.errors)
        await alice.says(f"whom you do not trust asks to join.*{to_groups(self.fp(self.carol))}")

    async def test_trusted_meanwhile(self) -> None:
        """Whom the user comes to trust while the command runs is let in at once."""
        alice = await self.founder()
        self.trust(self.carol, self.alice)
        await self.ends(self.chat(self.carol), 5)
        self.trust(self.alice, self.carol)
        carol = self.chat(self.carol)
        await carol.says("you are in #lobby")
        await alice.says("carol is in")

    async def test_voucher_who_is_not_trusted(self) -> None:
        """A newcomer is warned with the voucher's fingerprint and words, and goes no further."""
        await self.founder()
        self.trust(self.alice, self.carol)
        await self.ends(carol := self.chat(self.carol), 4)
        self.assertIn(to_groups(self.fp(self.alice)), carol.errors)
        self.assertIn(to_words(self.fp(self.alice)), " ".join(carol.errors.split()))

    async def test_wait_for_somebody_trusted(self) -> None:
        """With ``--wait-for-trusted`` such a voucher is passed over, and the next one comes."""
        await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        self.trust(self.alice, self.carol)
        self.trust(self.bob, self.carol)
        self.trust(self.carol, self.bob)
        carol = self.chat(self.carol, "--wait-for-trusted")
        await carol.says("bob vouches for you")
        alice = short(self.fp(self.alice))
        await carol.says(rf"you are in #lobby, with \({alice}\), bob")
        bob.type("welcome")
        await carol.says("bob: welcome")

    async def test_members_whom_the_user_does_not_trust(self) -> None:
        """They bear the name that they say, with the beginning of their fingerprint."""
        alice = await self.founder()
        bob = self.chat(self.bob, "--name", "alice")
        await bob.says("you are in")
        self.trust(self.bob, self.carol)
        self.trust(self.carol, self.bob)
        carol = self.chat(self.carol, "--name", "bob")
        await carol.says("you are in #lobby")
        fp = short(self.fp(self.carol))
        await alice.says(rf"\({fp}\) is in: bob vouched for them")
        await alice.says(rf"\({fp}\) calls themselves bob")
        carol.type("I am Bob!")
        await alice.says(rf"bob \({fp}\): I am Bob!")
        bob.type("No, I am")
        await alice.says(rf"bob \({short(self.fp(self.bob))}\): No, I am")

    async def test_name_of_a_friend(self) -> None:
        """Who comes by a friend's name is no friend: both identities are shown, once."""
        alice = await self.founder()
        self.trust(self.alice, self.carol)
        store = TrustStore.open(self.alice, self.identities[self.alice])
        store.remove("bob")
        store.add("Bob", bytes(32), "typed", datetime.now(UTC))
        self.trust(self.carol, self.alice)
        self.trust(self.carol, self.bob)
        self.trust(self.bob, self.carol)
        carol = self.chat(self.carol)
        await carol.says("you are in #lobby")
        bob = self.chat(self.bob)
        await alice.says("! @+\n! @ +A NAME AND A FINGERPRINT THAT DO NOT BELONG TOGETHER")
        await alice.says("! Somebody in #lobby, whom carol let in, goes by the name of Bob\\.")
        await alice.says(f"! +{to_groups(bytes(32))}")
        await alice.says(f"! +{to_groups(self.fp(self.bob))}")
        await alice.says("! What is safe:")
        bob.type("it is me")
        await alice.says(rf"bob \({short(self.fp(self.bob))}\): it is me")
        self.assertEqual(alice.output.count("BELONG TOGETHER"), 1)

    async def test_room_becomes_confirmed(self) -> None:
        """Once somebody trusted, who is not the voucher, has spoken, the room is confirmed."""
        alice = await self.founder()
        bob = self.chat(self.bob)
        await bob.says("you are in")
        self.trust(self.bob, self.carol)
        for each in self.alice, self.bob:
            self.trust(self.carol, each)
        carol = self.chat(self.carol)
        await carol.says("The room is unconfirmed")
        alice.type("I am here too")
        await carol.says("the room is confirmed: alice")
