"""``securechat invite`` and ``accept``, and ``/invite``, as processes, over a real relay."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from securechat import keyfile
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.relay.limits import Limits
from securechat.trust import TrustStore
from tests.cli.processes import Process, ProcessTestCase, Relay

CODE = r"\n    (\d+-[a-z]+-[a-z]+)\r?\n"


class InviteTestCase(ProcessTestCase):
    """A relay, and two who do not know each other, and have no identity before they need one."""

    limits = Limits()

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.relay = Relay(Path(self.mktemp()).absolute(), limits=self.limits)
        self.addCleanup(self.relay.stop)
        self.address = (await self.relay.begin()).in_room("lobby")
        self.alice = Path(self.mktemp()).absolute() / "alice"
        self.bob = Path(self.mktemp()).absolute() / "bob"

    def run_at(self, who: Path, command: str, *more: str, **how: Any) -> Process:
        """Start a command of somebody about the lobby."""
        how.setdefault("NO_COLOR", "1")
        return self.start(command, "--home", who, str(self.address), *more, **how)

    def known(self) -> None:
        """Give both an identity without a passphrase."""
        self.alice, _ = self.home("alice")
        self.bob, _ = self.home("bob")

    async def invited(self, *more: str, **how: Any) -> tuple[Process, str]:
        """Let Alice found the lobby and invite; return the process and the code."""
        alice = self.run_at(self.alice, "invite", "--found", *more, **how)
        return alice, await self.code(alice)

    async def code(self, inviter: Process) -> str:
        """The code that is shown."""
        found = re.search(CODE, await inviter.says(CODE))
        assert found is not None
        return found[1]

    async def ends(self, process: Process, status: int) -> None:
        """Wait until *process* ends, with the exit *status*."""
        self.assertEqual(await process.ended, status, process.output + process.errors)
        self.assertNotIn("Traceback", process.output + process.errors)

    def trusted(self, who: Path) -> list[tuple[str, str]]:
        """Whom somebody trusts, by which names, and how they came."""
        identity = keyfile.load(who / keyfile.KEY_FILE, None)
        return [(each.petname, each.how) for each in TrustStore.open(who, identity)]

    def wrong(self, code: str) -> str:
        """Another code of the same number."""
        number, _, words = code.partition("-")
        return f"{number}-{'zoo-zoo' if words != 'zoo-zoo' else 'zoo-zone'}"


class TerminalTests(InviteTestCase):
    """Two people at two terminals."""

    async def new_identity(self, process: Process, name: str) -> None:
        """Answer what is asked of somebody who has no identity."""
        await process.says("You have no identity yet")
        await process.says("Your name: ")
        process.type("a\u202eb")
        await process.says("Error: ")
        await process.says("Your name: ")
        process.type(name)
        await process.says("Passphrase for your identity: ")
        process.type("secret")
        await process.says("Once more, the same: ")
        process.type("secret")
        await process.says(f"{name}, this is your identity now")

    async def test_from_nothing_to_chatting(self) -> None:
        """Both make an identity on the way; one says the other a code; and they talk."""
        alice = self.run_at(self.alice, "invite", terminal=True)
        await self.new_identity(alice, "alice")
        await alice.says(r"Found it, as its first member\? \[y/N\]")
        alice.type("y")
        await alice.says("you have founded #lobby")
        command = await alice.says(r"    securechat accept '[^']*'")
        self.assertEqual(command.split("'")[1], str(self.address))
        code = await self.code(alice)
        await alice.says("It is good once, for 10 minutes")
        await alice.says(r"waiting for your friend, (10:00|9:\d\d) left")
        bob = self.run_at(self.bob, "accept", terminal=True)
        await self.new_identity(bob, "bob")
        await bob.says("Code: ")
        bob.type(code.replace("-", " "))
        await bob.says("alice knows the code: you trust each other now")
        await alice.says("bob knows the code: you trust each other now")
        await bob.says("you are in #lobby, with alice")
        await alice.says("bob is in: you vouched for them")
        await alice.says("bob is in the room. To talk: securechat chat 'securechat://")
        await self.ends(alice, 0)
        alice = self.run_at(self.alice, "chat", terminal=True)
        await alice.says("Passphrase for ")
        alice.type("secret")
        await alice.says("here again in #lobby")
        bob.type("hello, Alice")
        await alice.says("\nbob: hello, Alice\r\n")
        alice.type("hello, Bob")
        await bob.says("\nalice: hello, Bob\r\n")
        bob.type("\x04")
        await self.ends(bob, 0)
        self.assertEqual(Profile.load(self.bob, Passphrase()).name, "bob")

    async def test_tab(self) -> None:
        """Tab completes the words; a slip is asked about again."""
        self.known()
        alice, code = await self.invited()
        bob = self.run_at(self.bob, "accept", terminal=True)
        await bob.says("Code: ")
        bob.type("7-zoo")
        await bob.says("it has 2 words after the number, not 1")
        await bob.says("Code: ")
        number, first, second = code.split("-")
        # Three letters may begin several words: then they are all of one of them.
        typed = f"{first[:4]}\t" if len(first) > 3 else f"{first}-"
        bob.transport.write(f"{number}-{typed}{second[:4]}".encode())
        bob.transport.write(b"\t\n" if len(second) > 3 else b"\n")
        await bob.says(f"{number}-{first}-{second}")
        await bob.says("you are in #lobby")
        await self.ends(alice, 0)

    async def test_invite_within_a_chat(self) -> None:
        """``/invite`` does the same in a chat that is running, which a second command cannot."""
        self.known()
        alice = self.run_at(self.alice, "chat", "--found", terminal=True)
        await alice.says("you have founded #lobby")
        other = self.run_at(self.alice, "invite")
        await self.ends(other, 1)
        self.assertIn("type /invite there", other.errors)
        alice.type("/invite you")
        await alice.says("that is what you are called")
        alice.type("/invite Robert")
        told = await alice.says(r"the code is \d+-\w+-\w+: tell it to your friend")
        await alice.says("They type: securechat accept 'securechat://")
        bob = self.run_at(self.bob, "accept", told.split()[3].rstrip(":"), terminal=True)
        await bob.says("you are in #lobby, with alice")
        await alice.says("Robert knows the code: you trust each other now")
        await alice.says("Robert is in: you vouched for them")
        alice.type("welcome")
        await bob.says("\nalice: welcome\r\n")
        alice.type("/invite")
        await alice.says("the code is ")
        alice.type("\x04")
        await self.ends(alice, 0)

    async def test_interrupt(self) -> None:
        """Ctrl-C ends the waiting, and leaves no traces of it below."""
        self.known()
        alice, _ = await self.invited(terminal=True)
        await alice.says("waiting for your friend")
        alice.type("\x03")
        await alice.says("\r\x1b\\[K")
        await self.ends(alice, 130)


class PipeTests(InviteTestCase):
    """Programs invite and accept, too."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        await super().setUp()
        self.known()

    def events(self, process: Process) -> dict[str, dict[str, Any]]:
        """What a program reads of *process*: the events, by their names."""
        found = [json.loads(line) for line in process.output.splitlines()]
        return {each["event"]: each for each in found}

    async def test_json(self) -> None:
        """All that happens is an object a line; both end when the newcomer is in."""
        alice = self.run_at(self.alice, "invite", "--json", "--found", "--as", "Robert")
        await alice.says('"invite_open".*\n')
        opened = self.events(alice)["invite_open"]
        self.assertEqual((opened["room"], opened["seconds"]), ("lobby", 600))
        self.assertIn(str(self.address), opened["command"])
        bob = self.run_at(self.bob, "accept", "--json", "--as", "Alicia")
        bob.type(opened["code"])
        await self.ends(bob, 0)
        await self.ends(alice, 0)
        paired, entered = self.events(bob)["paired"], self.events(bob)["entered"]
        self.assertEqual((paired["room"], paired["petname"]), ("lobby", "Alicia"))
        self.assertEqual([each["name"] for each in entered["members"]], ["Alicia", "bob"])
        self.assertEqual(self.events(alice)["paired"]["friend"]["name"], "Robert")
        self.assertIn("member_added", self.events(alice))
        self.assertEqual(self.trusted(self.alice), [("Robert", "invited")])
        self.assertEqual(self.trusted(self.bob), [("Alicia", "invited")])

    async def test_wrong_code(self) -> None:
        """Both are told; the code is spent, and nobody is trusted."""
        alice, code = await self.invited()
        bob = self.run_at(self.bob, "accept", self.wrong(code))
        await self.ends(bob, 5)
        self.assertIn("most likely a word of the code was wrong", bob.errors)
        await self.ends(alice, 4)
        self.assertIn("The other side does not have this code", alice.errors)
        self.assertEqual((self.trusted(self.alice), self.trusted(self.bob)), ([], []))

    async def test_connection_lost(self) -> None:
        """An invite ends with the connection, as something of the network."""
        alice, _ = await self.invited()
        await self.relay.end()
        await self.ends(alice, 3)
        self.assertIn("The relay is shutting down", alice.errors)


class ExpiredTests(InviteTestCase):
    """A relay on which codes are good for a second."""

    limits = Limits(mailbox_seconds=1)

    async def test_expired(self) -> None:
        """Who has waited in vain is told so; to a pipe nothing is written meanwhile."""
        self.known()
        alice, code = await self.invited()
        await self.ends(alice, 5)
        self.assertIn("Nobody has come with the code", alice.errors)
        self.assertNotIn("\r", alice.output)
        bob = self.run_at(self.bob, "accept", code)
        await self.ends(bob, 5)
        self.assertIn("There is no invite number", bob.errors)
