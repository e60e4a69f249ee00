"""``securechat bot``: real programs in a room, at a real relay."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from securechat import revocation
from securechat.client.events import Event
from securechat.fingerprint import to_groups
from securechat.group.events import MemberAdded, MemberRemoved, Message
from securechat.identity import Identity
from securechat.trust import TrustStore
from tests.cli import invoke
from tests.cli.insiders import Insider, InsiderTestCase
from tests.cli.processes import Process, reactor
from tests.cli.schema import check

PUPPET = Path(__file__).with_name("puppet.py")
BOTS = Path(__file__).resolve().parents[2] / "docs" / "examples" / "bots"


class BotProcess(Process):
    """A bot: what it and its command write on stderr counts as its output."""

    def errReceived(self, data: bytes) -> None:
        super().errReceived(data)
        self.outReceived(data)

    def lines(self, mark: str) -> list[Any]:
        """Return what its command has read (<) or written (>)."""
        shown = [line for line in self.output.splitlines() if line.startswith(f"{mark} ")]
        return [json.loads(line[2:]) for line in shown]


class BotTestCase(InsiderTestCase):
    """Tests with bots of Bob's."""

    def bot(self, *arguments: str | Path, options: tuple[str, ...] = ()) -> BotProcess:
        """Start one that runs the Python program of *arguments*."""
        process = BotProcess()
        command = [sys.executable, "-m", "securechat", "bot", "--home", self.bob, *options]
        command += [str(self.address), "--", sys.executable, *arguments]
        reactor.spawnProcess(process, sys.executable, list(map(str, command)), env=os.environ)
        self.addCleanup(self._end, process)
        return process

    async def puppet(self, *arguments: str, options: tuple[str, ...] = ()) -> BotProcess:
        """Start one that does what is said in the room, and wait until it is there."""
        bot = self.bot(PUPPET, *arguments, options=options)
        await bot.says(r'< .*"event": "(entered|returned)".*\n')
        return bot

    async def ask(self, who: Insider, bot: BotProcess, method: str, **params: Any) -> Any:
        """Let the bot ask for something; return its answer."""
        request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        await who.says(json.dumps(request))
        answer = await bot.says(rf'< .*"id": "{method}".*\n')
        return json.loads(answer[2:])

    def lets_bob_in(self, event: Event) -> bool:
        """Whether Bob is in by *event*."""
        return isinstance(event, MemberAdded) and event.member == self.fp(self.bob)

    def check_lines(self, bot: BotProcess) -> None:
        """Check all that its command has read and written against the schema."""
        methods = {}
        for line in bot.lines(">"):
            check("fromCommand", line)
            for each in line if isinstance(line, list) else [line]:
                methods[each.get("id")] = each["method"]
        for line in bot.lines("<"):
            check("toCommand", line)
            for each in line if isinstance(line, list) else [line]:
                if "result" in each:
                    check(f"{methods[each['id']]}.result", each["result"])


class ActionTests(BotTestCase):
    """What a program in a room can have done."""

    async def test_room(self) -> None:
        """It hears what is said, speaks, asks who is there, and leaves."""
        alice = await self.insider(self.alice)
        bot = await self.puppet(options=("--keep-messages",))
        await alice.says('{"jsonrpc": "2.0", "method": "send", "params": ["hello\\nall"]}')
        await alice.hears("hello\nall")
        answer = await self.ask(alice, bot, "send", text="and more")
        self.assertGreater(answer["result"]["seq"], 1)
        await alice.hears("and more")
        members = (await self.ask(alice, bot, "members"))["result"]["members"]
        self.assertEqual(
            [(each["name"], each["online"]) for each in members][:1], [("alice", True)]
        )
        online = (await self.ask(alice, bot, "online"))["result"]["online"]
        self.assertEqual(sorted(each["me"] for each in online), [False, True])
        policy = (await self.ask(alice, bot, "policy"))["result"]
        self.assertEqual([each["name"] for each in policy["owners"]], ["alice"])
        refused = (await self.ask(alice, bot, "reform", rounds=3))["error"]
        self.assertEqual((refused["code"], refused["data"]), (-32005, {"error": "MayNotReform"}))
        kick = await self.ask(alice, bot, "kick", members=[to_groups(self.fp(self.alice))])
        self.assertEqual(kick["error"]["data"], {"error": "MayNotKick"})
        wrong = await self.ask(alice, bot, "kick", members=["bob"])
        self.assertEqual(wrong["error"]["data"], {"error": "BadFingerprint"})
        history = (await self.ask(alice, bot, "history", most=2))["result"]
        self.assertEqual((len(history["messages"]), history["more"]), (2, True))
        self.assertEqual(history["messages"][1]["text"], "hello\nall")
        renewed = await self.ask(alice, bot, "renew")
        self.assertEqual(renewed["result"], {"renewed": True})
        await alice.says('[{"jsonrpc": "2.0", "id": 1, "method": "leave"}]')
        await bot.says(r'< \[.*"left": true')
        await alice.sees(lambda event: isinstance(event, MemberRemoved))
        await bot.says("! closed")
        await self.ends(bot, 0)
        self.check_lines(bot)

    async def test_owner(self) -> None:
        """As an owner it changes rules, and removes members."""
        bot = self.bot(PUPPET, options=("--found",))
        await bot.says('"event": "entered"')
        alice = await self.insider(self.alice, found=False)
        mine, theirs = (to_groups(self.fp(each)) for each in (self.bob, self.alice))
        rules = {"vouchers": "moderators", "roster_maximum": 7, "rounds": 3}
        changed = await self.ask(alice, bot, "reform", **rules, owners=[mine], moderators=[theirs])
        result = changed["result"]
        self.assertEqual({name: result[name] for name in rules}, rules)
        self.assertEqual([each["me"] for each in result["moderators"]], [False])
        await alice.says(
            json.dumps({"jsonrpc": "2.0", "id": 5, "method": "kick", "params": [[theirs]]})
        )
        answer = json.loads((await bot.says(r'< .*"id": 5.*\n'))[2:])
        self.assertEqual([each["name"] for each in answer["result"]["removed"]], ["alice"])
        self.check_lines(bot)

    async def test_trust(self) -> None:
        """It sees and changes whom its user trusts; what it may not is an error with a name."""
        alice = await self.insider(self.alice)
        bot = await self.puppet()
        friend = Identity.generate()
        groups = to_groups(friend.fingerprint)
        added = await self.ask(alice, bot, "trust_add", name="friend", fingerprint=groups)
        self.assertEqual((added["result"]["how"], added["result"]["verified"]), ("typed", True))
        own = await self.ask(
            alice, bot, "trust_add", name="me", fingerprint=to_groups(self.fp(self.bob))
        )
        self.assertEqual(own["error"]["data"], {"error": "OwnFingerprint"})
        other = Identity.generate()
        armour = other.bundle.armour()
        file = await self.ask(alice, bot, "trust_add", name="other", bundle=armour)
        self.assertEqual(file["result"]["how"], "file")
        both = await self.ask(alice, bot, "trust_add", name="none")
        self.assertEqual(both["error"]["code"], -32602)
        listed = (await self.ask(alice, bot, "trust_list"))["result"]
        self.assertEqual([each["name"] for each in listed["trusted"]], ["alice", "friend", "other"])
        removed = await self.ask(alice, bot, "trust_remove", name="friend")
        self.assertEqual(removed["result"]["fingerprint"], groups)
        certificate = revocation.to_armour(revocation.revocation(other))
        revoked = await self.ask(alice, bot, "trust_revoke", certificate=certificate)
        self.assertEqual(revoked["result"]["name"], "other")
        mine = self.identities[self.bob]
        certificate = revocation.to_armour(revocation.revocation(mine))
        own = await self.ask(alice, bot, "trust_revoke", certificate=certificate)
        self.assertEqual(own["error"]["data"], {"error": "OwnCertificate"})
        none = await self.ask(alice, bot, "trust_follow", certificate="none")
        self.assertEqual(none["error"]["data"], {"error": "EncodingError"})
        closing = await self.ask(alice, bot, "close")
        self.assertEqual(closing["result"], {"closing": True})
        await self.ends(bot, 0)
        self.assertEqual(len(TrustStore.open(self.bob, mine).revoked), 1)
        self.check_lines(bot)

    async def test_what_is_no_request(self) -> None:
        """Whatever it writes is answered as JSON-RPC has it, and the bot goes on."""
        alice = await self.insider(self.alice)
        bot = await self.puppet()
        for line, code in (
            ("{", -32700),
            ("[]", -32600),
            ('{"jsonrpc": "1.0", "id": 3, "method": "send"}', -32600),
            ('{"jsonrpc": "2.0", "id": 3, "method": "shout"}', -32601),
            ('{"jsonrpc": "2.0", "id": 3, "method": "send"}', -32602),
            ('{"jsonrpc": "2.0", "id": 3, "method": "reform", "params": ["all"]}', -32602),
            ('{"jsonrpc": "2.0", "id": 3, "method": "reform", "params": {"rounds": 0}}', -32602),
        ):
            await alice.says(line)
            await bot.says(rf'< .*"code": {code}')
        await alice.says('[{"jsonrpc": "2.0", "method": "send", "params": ["still here"]}]')
        await alice.hears("still here")


class EndTests(BotTestCase):
    """How a bot ends."""

    async def test_command_ends(self) -> None:
        """With its command, whose failure is that of the bot; what it has said is delivered."""
        alice = await self.insider(self.alice)
        bot = await self.puppet("3")
        await alice.says("end")
        await self.ends(bot, 1)
        self.assertIn("has ended with status 3", bot.errors)
        say = '{"jsonrpc": "2.0", "method": "send", "params": ["and gone"]}'
        bot = self.bot("-c", f"print({say!r})")
        await self.ends(bot, 0)
        await alice.hears("and gone")
        self.assertIn("the command has ended, and so does the bot", bot.errors)

    async def test_signal(self) -> None:
        """Its command sees the end of its stdin, and may take a moment."""
        await self.insider(self.alice)
        bot = await self.puppet()
        bot.kill("TERM")
        await bot.says("! closed")
        await self.ends(bot, 130)
        self.assertEqual(bot.lines("<")[-1]["params"]["event"], "staying")

    async def test_removed(self) -> None:
        """Who is removed from the room has a bot no more."""
        alice = await self.insider(self.alice)
        bot = await self.puppet()
        await alice.client.kick(alice.room, self.fp(self.bob))
        await self.ends(bot, 5)
        names = [each["params"]["event"] for each in bot.lines("<")]
        self.assertEqual(names[-2:], ["removed", "failed"])
        self.check_lines(bot)

    async def test_connection(self) -> None:
        """A connection that is lost and back are events."""
        await self.insider(self.alice)
        bot = await self.puppet()
        await self.relay.end()
        await bot.says('"event": "disconnected"')
        await self.relay.begin()
        await bot.says('"event": "connected"')
        await bot.says('"event": "caught_up"')
        self.check_lines(bot)

    def test_no_command(self) -> None:
        """A command that is not there is wrong usage."""
        result = invoke("bot", "securechat://relay.invalid/lobby", "--", "no-such-command")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("'no-such-command'", result.stderr)


class ExampleTests(BotTestCase):
    """The bots of ``docs/bots.md``."""

    async def test_echo(self) -> None:
        """It echoes."""
        alice = await self.insider(self.alice)
        bot = self.bot(BOTS / "echo.py")
        await alice.sees(self.lets_bob_in)
        await alice.says("!echo well, hello")
        await alice.hears("well, hello")
        bot.kill("TERM")
        await self.ends(bot, 130)

    async def test_warden(self) -> None:
        """It counts, and obeys those only whom its user trusts."""
        alice = await self.insider(self.alice)
        bot = self.bot(BOTS / "warden.py")
        await alice.sees(self.lets_bob_in)
        self.trust(self.alice, self.carol)
        self.trust(self.carol, self.alice)
        carol = await self.insider(self.carol, found=False)
        await carol.says("!kick nobody")
        await alice.says("!who")
        await alice.hears("3 members, 3 here")
        await alice.says(f"!kick {to_groups(self.fp(self.carol))}")
        event = await alice.sees(lambda event: isinstance(event, Message))
        assert isinstance(event, Message)
        self.assertIn("only owners may remove members", event.text)
        bot.kill("TERM")
        await self.ends(bot, 130)
