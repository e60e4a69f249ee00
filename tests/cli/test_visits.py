"""``securechat members``, ``leave``, ``kick``, ``policy`` and ``renew``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from securechat.fingerprint import short, to_groups
from tests.cli.chatting import ChatTestCase
from tests.cli.processes import Process


class VisitTestCase(ChatTestCase):
    """Alice and Bob are in the lobby, Alice as its founder, and have ended their chats."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        await super().setUp()
        await self.meet(self.alice, self.bob)

    def visit(self, command: str, who: Path, *more: str, **how: Any) -> Process:
        """Start a command that visits the lobby."""
        return self.start(command, "--home", who, str(self.address), *more, **how)

    async def ok(self, command: str, who: Path, *more: str) -> Process:
        """Run one that has to go well."""
        process = self.visit(command, who, *more)
        await self.ends(process, 0)
        return process


class MembersTests(VisitTestCase):
    """``securechat members``."""

    async def test_members(self) -> None:
        """It shows who is who, who is there, and what was said meanwhile, on stderr."""
        alice = self.chat(self.alice)
        await alice.says("here again")
        bob = self.chat(self.bob)
        await bob.says("here again")
        bob.type("hello")
        await alice.says("bob: hello")
        alice.end_input()
        await self.ends(alice, 0)
        bob.type("are you there?")
        bob.type("")
        members = await self.ok("members", self.alice)
        first, second = (to_groups(self.fp(each))[:8] for each in (self.alice, self.bob))
        self.assertEqual(
            members.output.splitlines(),
            [
                "#lobby has 2 members:",
                f"you  {first}  online  owner, founded it, calls themselves alice",
                f"bob  {second}  online  vouched for by you",
            ],
        )
        self.assertIn("bob: are you there?\n", members.errors)
        self.assertIn("here again in #lobby, 1 message since you were away", members.errors)

    async def test_json(self) -> None:
        """Programs get the same as one object; the events are objects on stderr."""
        members = await self.ok("members", self.bob, "--json")
        value = json.loads(members.output)
        self.assertEqual((value["room"], value["confirmed"]), ("lobby", False))
        alice, bob = value["members"]
        self.assertEqual((alice["name"], alice["role"], alice["online"]), ("alice", "owner", False))
        self.assertEqual((bob["me"], bob["role"], bob["online"]), (True, None, True))
        self.assertEqual(bob["voucher"], alice["voucher"])
        events = [json.loads(line)["event"] for line in members.errors.splitlines()]
        self.assertIn("returned", events)
        unconfirmed = await self.ok("members", self.bob)
        self.assertIn("The room is unconfirmed", unconfirmed.output)
        self.assertIn("away    owner", unconfirmed.output)

    async def test_no_such_room(self) -> None:
        """Where nothing of the room is kept nobody is asked to let the user in."""
        members = self.visit("members", self.carol)
        await self.ends(members, 5)
        self.assertIn("No room #lobby of that relay is kept in", members.errors)

    async def test_chat_is_running(self) -> None:
        """Who chats with that directory is told what to type there."""
        alice = self.chat(self.alice)
        await alice.says("here again")
        for command, hint in (("members", "type /members there"), ("policy", "End that one first")):
            other = self.visit(command, self.alice)
            await self.ends(other, 1)
            self.assertIn(hint, other.errors)
            self.assertIn(f"The process {alice.transport.pid} uses", other.errors)

    async def test_relay_is_away(self) -> None:
        """A relay that is not there is an error of the network."""
        await self.relay.end()
        await self.ends(self.visit("members", self.alice), 3)


class LeaveTests(VisitTestCase):
    """``securechat leave``."""

    async def test_asks(self) -> None:
        """At a terminal it asks; a no changes nothing, a yes leaves, and nobody is back then."""
        leave = self.visit("leave", self.bob, terminal=True)
        await leave.says(r"Leave #lobby for good\? .*\[y/N\]")
        leave.type("n")
        await self.ends(leave, 1)
        self.assertIn("you have not left", leave.output)
        leave = self.visit("leave", self.bob, terminal=True)
        await leave.says(r"\[y/N\]")
        leave.type("y")
        await leave.says("You have left #lobby: the relay has stored it")
        await self.ends(leave, 0)
        alice = self.chat(self.alice)
        await alice.says("bob leaves; what is written now is sent once the keys are new")
        await alice.says("bob has left")
        await self.ends(self.visit("members", self.bob), 5)

    async def test_yes(self) -> None:
        """With --yes, and where no terminal is, it does not ask; programs get an object."""
        left = await self.ok("leave", self.bob, "--yes", "--json")
        self.assertEqual(json.loads(left.output), {"room": "lobby", "left": True})
        left = await self.ok("leave", self.alice)
        self.assertIn("You have left #lobby", left.output)
        await self.ends(self.visit("leave", self.alice), 5)

    async def test_state_is_lost(self) -> None:
        """Who has nothing of the room any more leaves by what the relay knows."""
        for path in self.bob.glob("state.*"):
            path.unlink()
        await self.ok("leave", self.bob)
        alice = self.chat(self.alice)
        await alice.says("bob has left")
        leave = self.visit("leave", self.bob)
        await self.ends(leave, 5)
        self.assertIn("no member of #lobby", leave.errors)


class GovernTests(VisitTestCase):
    """``securechat kick``, ``policy`` and ``renew``."""

    async def test_kick(self) -> None:
        """An owner removes a member, who is told so when it comes back."""
        kick = self.visit("kick", self.alice, "Trudy")
        await self.ends(kick, 1)
        self.assertIn("Nobody in #lobby is called 'Trudy'", kick.errors)
        kick = await self.ok("kick", self.alice, short(self.fp(self.bob)))
        self.assertIn(f"Removed from #lobby: bob {short(self.fp(self.bob))}.", kick.output)
        bob = self.chat(self.bob)
        await self.ends(bob, 5)
        self.assertIn("alice removed you from #lobby", bob.output)

    async def test_who_may_not(self) -> None:
        """A member who is no owner is told whom to ask, and may go itself."""
        kick = self.visit("kick", self.bob, "alice")
        await self.ends(kick, 5)
        self.assertIn("only owners may remove members", kick.errors)
        kick = self.visit("kick", self.bob, "you")
        await self.ends(kick, 1)
        self.assertIn("'you' is you yourself", kick.errors)
        await self.ends(policy := self.visit("policy", self.bob, "--rounds", "3"), 5)
        self.assertIn("Only owners may change the rules", policy.errors)

    async def test_policy(self) -> None:
        """It is shown, and changed by options; others are told."""
        shown = (await self.ok("policy", self.bob)).output.splitlines()
        self.assertEqual(shown[0], "vouchers    every member")
        self.assertEqual(shown[1], "maximum     1,000 members")
        self.assertEqual(shown[3:], ["owners      alice", "moderators  nobody"])
        changed = await self.ok(
            "policy",
            self.alice,
            *("--vouchers", "moderators", "--maximum", "7", "--rounds", "3"),
            *("--owner", "bob", "--moderator", "you", "--no-owner", "you", "--json"),
        )
        value = json.loads(changed.output)
        self.assertEqual(
            [value[each] for each in ("vouchers", "roster_maximum", "rounds")],
            ["moderators", 7, 3],
        )
        self.assertEqual([each["name"] for each in value["owners"]], ["bob"])
        self.assertEqual([each["me"] for each in value["moderators"]], [True])
        bob = self.chat(self.bob)
        await bob.says(
            "alice changed the rules: owners and moderators vouch for newcomers; at most 7 "
            "members; owners: you; moderators: alice"
        )

    async def test_renew(self) -> None:
        """A member renews its keys, once an hour."""
        renewed = await self.ok("renew", self.bob, "--json")
        self.assertEqual(json.loads(renewed.output), {"room": "lobby", "renewed": True})
        alice = self.chat(self.alice)
        await alice.says("bob has renewed the keys of the room")
        alice.end_input()
        await self.ends(alice, 0)
        await self.ends(self.visit("renew", self.bob), 5)
        renewed = await self.ok("renew", self.alice)
        self.assertIn("Your keys in #lobby are new", renewed.output)
