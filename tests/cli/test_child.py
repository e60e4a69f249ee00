"""A command as a child: lines, pipes that push back, and ends."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from securechat.cli import child as child_module
from securechat.cli.child import MAX_LINE, Child
from securechat.cli.lines import TooLong
from securechat.errors import CommandEnded
from tests.cli.processes import reactor

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)\n"
DEAF += "while True: time.sleep(60)"  # until it is killed: that is what is tested


class Client:
    """A client that can be paused."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.paused: Deferred[None] = Deferred()
        self.resumed: Deferred[None] = Deferred()

    def pause_reading(self) -> None:
        if not self.paused.called:
            self.paused.callback(None)

    def resume_reading(self) -> None:
        if not self.resumed.called:
            self.resumed.callback(None)


class ChildTests(TestCase):
    """`Child`, with real processes."""

    timeout = 30

    def setUp(self) -> None:
        self.patch(child_module, "END_SECONDS", 0.2)
        self.client = Client()

    def start(self, program: str) -> Child:
        """Start a program in Python."""
        client: Any = self.client
        child = Child(reactor, client)
        child.start([sys.executable, "-S", "-c", program])
        self.addCleanup(lambda: Deferred.fromCoroutine(child.close()))
        return child

    async def test_lines(self) -> None:
        """Lines in and out; what is too long is told by its size, the last needs no end."""
        child = self.start(
            f"import sys; print(input()); print('x' * {MAX_LINE}); print('y' * {MAX_LINE + 1});"
            "sys.stdout.write('end')"
        )
        child.write("hello")
        self.assertEqual(await child.next_line(), b"hello")
        self.assertEqual(await child.next_line(), b"x" * MAX_LINE)
        self.assertEqual(await child.next_line(), TooLong(MAX_LINE + 1))
        self.assertEqual(await child.next_line(), b"end")
        self.assertIsNone(await child.next_line())
        await child.close()
        self.assertTrue(child.finished)
        child.check()
        child.write("to nobody")

    async def test_slow_reader(self) -> None:
        """Who does not read has the client wait, and is not read; then both go on."""
        child = self.start(
            "import sys, time; print('begun', flush=True); sys.stdin.readline();"
            "print(sum(map(len, sys.stdin)))"
        )
        self.assertEqual(await child.next_line(), b"begun")
        line = "x" * 65_535
        for _ in range(8):
            child.write(line)
        await self.client.paused
        await self.client.resumed
        child.transport.closeStdin()
        self.assertEqual(await child.next_line(), str(7 * 65_536).encode())

    async def test_deaf(self) -> None:
        """What waits for who never reads is bounded: then it is ended, by force."""
        self.patch(child_module, "MAX_WAITING", 1_000_000)
        child = self.start(DEAF)
        self.assertEqual(await child.next_line(), b"1")
        for _ in range(30):
            child.write("x" * 65_535)
        self.assertIsNone(await child.next_line())
        await child.close()
        with self.assertRaisesRegex(CommandEnded, "did not read what happened"):
            child.check()

    async def test_is_not_read_while_it_does_not_read(self) -> None:
        """Requests of who reads no answers wait."""
        child = self.start(
            "import sys\nprint(1, flush=True)\nprint(2, flush=True)\nfor line in sys.stdin: pass"
        )
        self.assertEqual(await child.next_line(), b"1")
        child.write("x" * 1_000_000)
        second = Deferred.fromCoroutine(child.next_line())
        self.assertFalse(second.called)
        await self.client.resumed
        self.assertEqual(await second, b"2")

    async def test_status(self) -> None:
        """How it has ended is told."""
        for program, how in (
            ("import sys; sys.exit(3)", "ended with status 3"),
            ("import os; os.kill(os.getpid(), 9)", "signal 9 has ended it"),
        ):
            child = self.start(program)
            self.assertIsNone(await child.next_line())
            await child.close()
            with self.assertRaisesRegex(CommandEnded, how):
                child.check()

    async def test_end_of_its_input(self) -> None:
        """Whoever ends with its stdin is not killed; what it writes then keeps it from nothing."""
        child = self.start(
            "import sys\nfor line in sys.stdin: pass\nprint('x' * 1_000_000); sys.exit(4)"
        )
        self.patch(child_module, "END_SECONDS", 20)
        await child.close()
        with self.assertRaisesRegex(CommandEnded, "status 4"):
            child.check()
        self.assertFalse(child.finished)

    async def test_somebody_else_has_its_stdout(self) -> None:
        """It is over with the command, though a process that it left behind holds the pipe."""
        child = self.start(
            "import os, time\nif os.fork(): print(os.getpid(), flush=True); os._exit(0)\n"
            "os.read(0, 1)"
        )
        self.assertIsNotNone(await child.next_line())
        await child.close()
        child.check()
