"""What `docs/embedding.md` shows runs as it stands there, and what it promises is there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, FileBodyProducer, readBody

import securechat
from securechat import keyfile
from securechat.client.client import ChatClient
from securechat.group.events import Message
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.testing import WRITTEN, Network, Person
from securechat.trust import TrustStore
from tests.cli.processes import Process, ProcessTestCase, Relay, reactor

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs"

NOT_FOR_EMBEDDERS: dict[type, set[str]] = {
    Network: {"connect"},  # for other protocols than ours
    Room: {"found", "enter", "take_leave", "take_entry", "take_frame"},  # the client's
}
"""Of each class what the document leaves out."""


class PromiseTests(SynchronousTestCase):
    """What ``securechat`` itself exports."""

    def test_every_name_is_there(self) -> None:
        """Each promised name can be imported, under its own name."""
        for name in securechat.__all__:
            self.assertEqual(getattr(getattr(securechat, name), "__name__", name), name)

    def test_checkers_see_the_same_names(self) -> None:
        """What type checkers are told is imported is what is imported."""
        source = Path(securechat.__file__).read_text("utf-8")
        told = {
            (node.module, alias.name)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("securechat.")
            for alias in node.names
        }
        self.assertEqual(told, {(home, name) for name, home in securechat._HOME.items()})
        self.assertEqual(sorted(securechat._HOME), securechat.__all__)

    def test_another_name(self) -> None:
        """A name that is not promised is missing as any attribute is."""
        with self.assertRaisesRegex(AttributeError, "'securechat' has no attribute 'Relay'"):
            securechat.Relay  # noqa: B018  # to look is the test

    def test_a_relay_loads_no_client(self) -> None:
        """To embed a relay imports nothing that holds keys of rooms."""
        program = (
            "import sys, securechat; securechat.RelayFactory; "
            "print([name for name in sys.modules if name.startswith('securechat.client')])"
        )
        loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual((loaded.stdout, loaded.returncode), ("[]\n", 0), loaded.stderr)


class DocumentTests(SynchronousTestCase):
    """``docs/embedding.md``."""

    PAGE = (DOCUMENTS / "embedding.md").read_text("utf-8")

    def test_every_name_is_explained(self) -> None:
        """All that is promised is there, by its name."""
        for name in securechat.__all__:
            self.assertRegex(self.PAGE, rf"`{name}\b", name)

    def test_every_method_of_the_client_is_explained(self) -> None:
        """So is what can be asked of a client, and of a network for tests."""
        for kind in ChatClient, Network, Person, Room:
            inherited = NOT_FOR_EMBEDDERS.get(kind, set())
            for name in {each for each in vars(kind) if not each.startswith("_")} - inherited:
                self.assertRegex(self.PAGE, rf"[`,] ?{name}\b", f"{kind.__name__}.{name}")

    def test_the_tests_run(self) -> None:
        """What is shown as a test is one that passes."""
        shown = re.findall(r"```python\n(.*?)```", self.PAGE.partition("## Tests\n")[2], re.DOTALL)
        self.assertEqual(len(shown), 2)
        for program in shown:
            exec(program, {})

    def test_every_example_is_shown(self) -> None:
        """And is among those that are run here."""
        names = sorted(path.name for path in (DOCUMENTS / "examples").glob("*.py"))
        self.assertEqual(sorted(re.findall(r"examples/(\w+\.py)$", self.PAGE, re.M)), names)
        self.assertEqual(names, ["bridge.py", "echo_bot.py", "hook_bot.py"])


class ExampleTests(ProcessTestCase):
    """Each example as a process, at a real relay over TLS."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        relay = Relay(Path(self.mktemp()))
        self.address = await relay.begin()
        self.addCleanup(relay.stop)

    def example(self, name: str, *arguments: object) -> Process:
        """Start an example."""
        process = Process()
        program = [sys.executable, DOCUMENTS / "examples" / name, *arguments]
        reactor.spawnProcess(process, sys.executable, [*map(str, program)], env=os.environ)
        self.addCleanup(self._end, process)
        return process

    async def founder(self, label: str, *bots: str) -> tuple[Heard, list[Path]]:
        """Somebody who has founded a room and trusts *bots*, and the directories of those."""
        identity, trust, homes = Identity.generate(), TrustStore(), []
        for name in bots:
            home, bot = self.home(name)
            TrustStore.open(home, bot).add("founder", identity.fingerprint, "typed", WRITTEN)
            trust.add(name, bot.fingerprint, "typed", WRITTEN)
            homes.append(home)
        chat = ChatClient(reactor, identity, trust, self.address, name=label)
        self.addCleanup(chat.close)
        await chat.connect()
        return Heard(chat, await chat.found(label)), homes

    async def test_echo_bot(self) -> None:
        """It answers who asks, and when it is started again what was asked meanwhile."""
        founder, (home,) = await self.founder("lobby", "echo")
        arguments = "echo_bot.py", home, self.address.in_room("lobby")
        bot = self.example(*arguments)
        await bot.says("in #lobby\n")
        await founder.say("hello")
        await founder.say("!echo hello")
        self.assertEqual(await founder.hears(), "hello")
        bot.kill()
        await bot.ended
        await founder.say("!echo are you back?")
        bot = self.example(*arguments)
        self.assertEqual(await founder.hears(), "are you back?")
        await founder.chat.kick(founder.room, keyfile.load(home / "identity", None).fingerprint)
        self.assertEqual(await bot.ended, 0, bot.errors)

    async def test_bridge(self) -> None:
        """What is said in one room is said in the other, once, under the name of its author."""
        east, (one,) = await self.founder("east", "one")
        west, (two,) = await self.founder("west", "two")
        places = one, self.address.in_room("east"), two, self.address.in_room("west")
        bridge = self.example("bridge.py", *places)
        await bridge.says("the bridge is open\n")
        await east.say("⇄ somebody: by another bridge")
        await east.say("hello, west")
        self.assertEqual(await west.hears(), "⇄ east: hello, west")
        await west.say("hello, east")
        self.assertEqual(await east.hears(), "⇄ west: hello, east")
        self.assertEqual((east.waiting, west.waiting), ([], []))

    async def test_hook_bot(self) -> None:
        """It is vouched in, says what is posted to it, and answers."""
        founder, (home,) = await self.founder("lobby", "bot")
        bot = self.example("hook_bot.py", home, self.address.in_room("lobby"), 0)
        port = re.findall(r"\d+", await bot.says(r"in #lobby, listening on port \d+\n"))[-1]
        answer: Any = await Agent(reactor).request(
            b"POST",
            f"http://127.0.0.1:{port}/".encode(),
            bodyProducer=FileBodyProducer(BytesIO(b"the backup is done")),
        )
        self.assertEqual(await readBody(answer), b"delivered\n")
        self.assertEqual(await founder.hears(), "the backup is done")
        await founder.say("!members")
        self.assertEqual(await founder.hears(), "we are 2")


class Heard:
    """Somebody in a room, and what others say there."""

    def __init__(self, chat: ChatClient, room: Room) -> None:
        self.chat = chat
        self.room = room
        self._heard: DeferredQueue[str] = DeferredQueue()
        chat.observe(self._hear)

    def say(self, text: str) -> Deferred[int]:
        return self.chat.send(self.room, text)

    def hears(self) -> Deferred[str]:
        return self._heard.get()

    @property
    def waiting(self) -> list[str]:
        """What was said, and not waited for."""
        return list(self._heard.pending)

    def _hear(self, event: object) -> None:
        if isinstance(event, Message):
            self._heard.put(event.text)
