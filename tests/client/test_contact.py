"""Tests of `securechat.client.contact`: every state and every input."""

from __future__ import annotations

from itertools import product

from automat import NoTransition
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.contact import Contact, contact_machine
from securechat.errors import NotConnected, SecureChatError
from securechat.wire import Ack, Banner, Line

BANNER = Banner((1,), bytes(32), {"line": 65_536})
LINE = Ack()  # any line
ERROR = NotConnected()

PATHS: dict[str, list[str]] = {
    "connected": [],
    "proving": ["banner"],
    "proved": ["banner", "ack"],
    "closed": ["lost"],
}
"""The inputs that lead to each state."""

OUTPUTS = {
    ("connected", "banner"): ("proving", "prove"),
    ("connected", "ack"): ("connected", "out of turn"),
    ("connected", "other"): ("connected", "refused"),
    ("connected", "lost"): ("closed", "failed"),
    ("proving", "banner"): ("proving", "out of turn"),
    ("proving", "ack"): ("proved", "accepted"),
    ("proving", "other"): ("proving", "refused"),
    ("proving", "lost"): ("closed", "failed"),
    ("proved", "banner"): ("proved", "out of turn"),
    ("proved", "ack"): ("proved", "out of turn"),
    ("proved", "other"): ("proved", "hear"),
    ("proved", "lost"): ("closed", "over"),
}
"""State and input: the next state, and what the connection has to do."""


class Done:
    """A `Core` that notes what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def prove(self, banner: Banner, raw: bytes) -> None:
        assert (banner, raw) == (BANNER, b"raw")
        self.asked.append("prove")

    def accepted(self) -> None:
        self.asked.append("accepted")

    def hear(self, line: Line) -> None:
        assert line is LINE
        self.asked.append("hear")

    def refused(self, line: Line) -> None:
        assert line is LINE
        self.asked.append("refused")

    def out_of_turn(self) -> None:
        self.asked.append("out of turn")

    def failed(self, error: SecureChatError) -> None:
        assert error is ERROR
        self.asked.append("failed")

    def over(self, error: SecureChatError) -> None:
        assert error is ERROR
        self.asked.append("over")


def put(contact: Contact, happening: str) -> None:
    """Let *happening* happen."""
    match happening:
        case "banner":
            contact.banner(BANNER, b"raw")
        case "ack":
            contact.ack()
        case "other":
            contact.other(LINE)
        case "lost":
            contact.lost(ERROR)


class ContactTests(SynchronousTestCase):
    """`contact_machine`."""

    def test_every_input_in_every_state(self) -> None:
        """
        Each input does one thing and leads to one state; when the connection is over nothing can
        happen any more.
        """
        for state, happening in product(PATHS, ("banner", "ack", "other", "lost")):
            for after in ("banner", "ack", "other", "lost"):
                done = Done()
                contact = contact_machine(done)
                for each in PATHS[state]:
                    put(contact, each)
                done.asked.clear()
                if state == "closed":
                    self.assertRaises(NoTransition, put, contact, happening)
                    continue
                now, asked = OUTPUTS[state, happening]
                put(contact, happening)
                self.assertEqual(done.asked, [asked])
                if now != "closed":
                    put(contact, after)
                    self.assertEqual(done.asked, [asked, OUTPUTS[now, after][1]])
