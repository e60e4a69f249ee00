"""Tests of `securechat.petname`."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.names import check_on_screen
from securechat.fingerprint import short, to_groups
from securechat.petname import free_petname
from securechat.trust import TrustStore
from securechat.trusted import check_petname

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class PetnameTests(SynchronousTestCase):
    """What somebody is called whom the user has not named."""

    def setUp(self) -> None:
        self.store = TrustStore()

    def trust(self, name: str) -> None:
        """Let somebody be called so."""
        self.store.add(name, bytes([len(self.store)]) * 32, "typed", NOON)

    def test_own_name(self) -> None:
        """Where it can be, it is what they call themselves."""
        self.assertEqual(free_petname("bob", self.store), "bob")

    def test_taken(self) -> None:
        """A name that another has, in whatever case, is numbered, by the first free number."""
        self.trust("Bob")
        self.assertEqual(free_petname("bob", self.store), "bob 2")
        self.trust("bob 2")
        self.assertEqual(free_petname("bob", self.store), "bob 3")

    def test_none(self) -> None:
        """Who says no name, or one that could not be told from something else, is a friend."""
        for name in "", "\u200b", "***", "you", "YOU", "\uff59ou!":
            self.assertEqual(free_petname(name, self.store), "friend")

    def test_fingerprint(self) -> None:
        """Nobody comes to be called like a fingerprint, in whole or in part."""
        for name in short(bytes(32)), to_groups(bytes(32))[:62]:
            self.assertEqual(free_petname(name, self.store), f"{name[:56]} 2")

    def test_long(self) -> None:
        """A number finds its place after a long name, too."""
        self.trust("x" * 64)
        self.assertEqual(free_petname("x" * 70, self.store), "x" * 56 + " 2")

    @given(st.text(max_size=80))
    def test_any_name(self, name: str) -> None:
        """Whatever they call themselves, it can be a petname, and fakes no line of a chat."""
        self.store = TrustStore()
        for _ in range(2):
            chosen = free_petname(name, self.store)
            self.assertEqual(check_petname(chosen), chosen)
            check_on_screen(chosen)
            self.trust(chosen)
