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

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, FileBodyProducer, readBody

import securechat
from securechat.client.client import ChatClient
from securechat.group.events import Message
from securechat.identity import Identity
from securechat.testing import WRITTEN
from securechat.trust import TrustStore
from tests.cli.processes import Process, ProcessTestCase, Relay, reactor

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs"


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


class ExampleTests(ProcessTestCase):
    """The bot beside a web site."""

    async def test_hook_bot(self) -> None:
        """It is vouched in, says what is posted to it, and answers."""
        relay = Relay(Path(self.mktemp()))
        address = await relay.begin()
        self.addCleanup(relay.stop)
        home, bot = self.home("bot")
        alice, trust = Identity.generate(), TrustStore()
        TrustStore.open(home, bot).add("alice", alice.fingerprint, "typed", WRITTEN)
        trust.add("bot", bot.fingerprint, "typed", WRITTEN)
        chat = ChatClient(reactor, alice, trust, address)
        self.addCleanup(chat.close)
        heard: list[str] = []
        waiting: list[Deferred[None]] = []

        def hear(event: object) -> None:
            if isinstance(event, Message):
                heard.append(event.text)
                waiting.pop().callback(None)

        chat.observe(hear)
        await chat.connect()
        room = await chat.found("lobby")
        process = Process()
        program = DOCUMENTS / "examples" / "hook_bot.py"
        arguments = [program, home, address.in_room("lobby"), 0]
        reactor.spawnProcess(
            process, sys.executable, [sys.executable, *map(str, arguments)], env=os.environ
        )
        self.addCleanup(self._end, process)
        port = re.findall(r"\d+", await process.says(r"in #lobby, listening on port \d+\n"))[-1]

        waiting.append(Deferred())
        said = waiting[-1]
        answer: Any = await Agent(reactor).request(
            b"POST",
            f"http://127.0.0.1:{port}/".encode(),
            bodyProducer=FileBodyProducer(BytesIO(b"the backup is done")),
        )
        self.assertEqual(await readBody(answer), b"delivered\n")
        await said

        waiting.append(Deferred())
        said = waiting[-1]
        await chat.send(room, "!members")
        await said
        self.assertEqual(heard, ["the backup is done", "we are 2"])
