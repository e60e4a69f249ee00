"""Tests of `securechat.cli.terminal` that need no process of their own."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli import terminal
from securechat.errors import NotText


class TerminalTests(SynchronousTestCase):
    """What is typed, as bytes."""

    def test_line_that_is_no_text(self) -> None:
        """It comes as the error that it is, and the next one is as good as any."""
        self.patch(terminal, "StandardIO", lambda it, reactor: it.makeConnection(StringTransport()))
        here = terminal.Terminal(Clock())
        asked: Deferred[Any] = Deferred.fromCoroutine(here.next_line())
        here.dataReceived(b"\xff\nhello\n")
        self.assertIsInstance(self.successResultOf(asked), NotText)
        asked = Deferred.fromCoroutine(here.next_line())
        self.assertEqual(self.successResultOf(asked), "hello")
