"""How a code is asked for, and given on the command line; the rest of an invite's small parts."""

from __future__ import annotations

import builtins
import sys
from io import StringIO
from typing import Any

from click import Abort
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.cli.codes import TRIES, asked
from securechat.cli.happenings import InviteOpen, Notice
from securechat.cli.hosting import ENTER_SECONDS, Waiting, host
from securechat.cli.talking import Inside
from securechat.errors import BadCode, NotInYet
from securechat.pairing import Code
from securechat.testing import Network
from tests.cli import CommandTestCase, invoke

ADDRESS = Address(host="relay.example").in_room("lobby")


class AskedTests(SynchronousTestCase):
    """`asked`, with a terminal and lines that the test plays."""

    def type(self, *lines: str, terminal: bool = True) -> list[str]:
        """Let *lines* be typed, one after the other; return the prompts that there were."""
        typed, prompts = list(lines), []

        def line(prompt: str) -> str:
            prompts.append(prompt)
            if not typed:
                raise EOFError
            return typed.pop(0)

        self.patch(builtins, "input", line)
        stdin: Any = self
        self.terminal = terminal
        self.complaints = StringIO()
        self.patch(sys, "stdin", stdin)
        self.patch(sys, "stderr", self.complaints)
        return prompts

    def isatty(self) -> bool:
        return self.terminal

    def test_typed(self) -> None:
        """Whoever sits at a terminal is asked, and after a slip again."""
        prompts = self.type("7 piano", "7-piano-catcus", "7 pian cact")
        self.assertEqual(asked(), Code(7, "piano-cactus"))
        self.assertEqual(prompts, ["Code: "] * 3)
        first, second = self.complaints.getvalue().splitlines()
        self.assertIn("it has 2 words after the number, not 1", first)
        self.assertIn("the second word is not on the list", second)

    def test_enough(self) -> None:
        """After some slips it is an error."""
        self.type(*["7 piano"] * TRIES, "7-piano-cactus")
        self.assertRaises(BadCode, asked)

    def test_pipe(self) -> None:
        """Without a terminal the code is one line, of which there is one."""
        self.assertEqual(self.type("7-piano-cactus", terminal=False), [])
        self.assertEqual(asked(), Code(7, "piano-cactus"))
        prompts = self.type("7-piano", "7-piano-cactus", terminal=False)
        self.assertRaises(BadCode, asked)
        self.assertEqual(prompts, [""])

    def test_nothing(self) -> None:
        """Who ends the input gives up."""
        for terminal in True, False:
            self.type(terminal=terminal)
            self.assertRaises(Abort, asked)


class ArgumentTests(CommandTestCase):
    """What is wrong before anything is done."""

    def test_code_that_is_none(self) -> None:
        """It is a wrong usage, and not repeated."""
        for words in ("7-velvet-catcus",), ("7", "velvet", "catcus"):
            complaint = self.fails(2, "accept", str(ADDRESS), *words)
            self.assertIn("the second word is not on the list", complaint)
            self.assertNotIn("velvet", complaint)

    def test_names(self) -> None:
        """A name that could be mistaken for something else is none for a friend."""
        for command in "invite", "accept":
            for name in "", "you", "bob:", "a\u202eb":
                self.assertIn("--as", self.fails(2, command, "--as", name, str(ADDRESS)))

    def test_no_identity(self) -> None:
        """Where nobody sits at a terminal no identity is made."""
        for command in ("invite", str(ADDRESS)), ("accept", str(ADDRESS), "7-piano-cactus"):
            self.assertIn("There is no identity", self.fails(1, *command))

    def test_relay_address(self) -> None:
        """An invite is to a room."""
        self.assertIn("A room's is", self.fails(2, "invite", str(ADDRESS.relay)))

    def test_examples(self) -> None:
        """The help of both shows how they are used."""
        for command in "invite", "accept":
            self.assertIn(f"  securechat {command} '", invoke(command, "--help").output)


class Shown:
    """A terminal that remembers what was written, and what was shown below the lines."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)

    def show(self, text: str) -> None:
        self.texts.append(text)


class WaitingTests(SynchronousTestCase):
    """The line that shows that somebody waits."""

    def test_counts_down(self) -> None:
        """It is renewed each second, down to nothing, and is gone at the end."""
        clock, terminal = Clock(), Shown()
        shown: Any = terminal
        waiting = Waiting(clock, shown, somebody=True)
        waiting.begin("waiting", 61.5)
        clock.pump([1] * 2)
        waiting.begin("on the way", 1)
        clock.pump([1] * 2)
        waiting.end()
        waiting.end()
        self.assertEqual(
            terminal.texts,
            [
                *("waiting, 1:02 left ", "waiting, 1:00 left ", "waiting, 1:00 left ", ""),
                *("on the way, 0:01 left ", "on the way, 0:00 left ", "on the way, 0:00 left "),
                "",
            ],
        )
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """Where nobody looks nothing is written."""
        clock, terminal = Clock(), Shown()
        shown: Any = terminal
        waiting = Waiting(clock, shown, somebody=False)
        waiting.begin("waiting", 60)
        waiting.end()
        self.assertEqual((terminal.texts, clock.getDelayedCalls()), ([], []))


class HostTests(SynchronousTestCase):
    """The inviter's command, with a relay in memory."""

    def setUp(self) -> None:
        self.network = Network()
        self.alice, self.bob = self.network.client("alice"), self.network.client("bob")
        room = self.network.get(self.alice.chat.found("lobby"))
        self.terminal = Shown()
        self.told: list[object] = []
        shown: Any = self.terminal
        tell = self.told.append
        inside = Inside(self.network.clock, self.alice.chat, room, shown, tell)
        self.hosting = Deferred.fromCoroutine(host(inside, ADDRESS, None, as_json=True))
        self.network.settle()

    def accept(self) -> None:
        """Let Bob come with the code."""
        (opened,) = self.told
        assert isinstance(opened, InviteOpen)
        self.network.get(self.bob.chat.accept(opened.code, "lobby"))
        self.assertNoResult(self.hosting)

    def test_friend_who_comes_in(self) -> None:
        """It ends once the friend is in the room, and says how to talk."""
        self.accept()
        self.network.get(self.bob.chat.join("lobby"))
        self.successResultOf(self.hosting)
        command = "securechat chat securechat://relay.example/lobby"
        self.assertEqual(self.told[-1], Notice(f"bob is in the room. To talk: {command}"))

    def test_friend_who_does_not_come_in(self) -> None:
        """Who is trusted and does not come in is not waited for without end."""
        self.accept()
        self.network.turn(ENTER_SECONDS - 1, step=1)
        self.assertNoResult(self.hosting)
        self.network.turn(1)
        self.failureResultOf(self.hosting, NotInYet)

    def test_friend_who_is_there_already(self) -> None:
        """Who is a member already need not come in."""
        self.alice.trust(self.bob)
        self.bob.trust(self.alice)
        self.network.get(self.bob.chat.join("lobby"))
        (opened,) = self.told
        assert isinstance(opened, InviteOpen)
        self.network.get(self.bob.chat.accept(opened.code, "lobby"))
        self.successResultOf(self.hosting)
