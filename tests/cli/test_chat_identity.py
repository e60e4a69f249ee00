"""Rooms after an identity was brought back from a backup, or was rotated."""

from __future__ import annotations

from pathlib import Path

from securechat.fingerprint import short
from tests.cli.chatting import ChatTestCase


class IdentityTests(ChatTestCase):
    """Alice and Bob have a room; Bob is there."""

    async def test_restored(self) -> None:
        """Who was brought back on another machine knows its friends, and is let in again."""
        await self.meet(self.bob, self.alice)
        secret = Path(self.mktemp()).absolute()
        secret.write_text("secret")
        file, new = (Path(self.mktemp()).absolute() for _ in range(2))
        options = "--backup-passphrase-file", secret
        await self.ends(self.start("id", "backup", "--home", self.alice, *options, file), 0)
        arguments = "id", "restore", "--home", new, "--passphrase-file", secret, "--no-passphrase"
        await self.ends(self.start(*arguments, file), 0)
        bob = self.chat(self.bob)
        await bob.says("here again in #lobby")
        alice = self.chat(new, "--rejoin")
        await alice.says("you are in #lobby, with bob")
        alice.type("it is me")
        await bob.says("alice: it is me")

    async def test_rotated(self) -> None:
        """The new identity is let in by a friend who has followed, and the old one leaves."""
        await self.meet(self.bob, self.alice)
        await self.ends(self.start("rotate", "--home", self.alice, "--yes"), 0)
        aside = self.alice.with_name(f"alice-{short(self.fp(self.alice))}")
        (file,) = self.alice.glob("succession-*.txt")
        bob = self.chat(self.bob)
        await bob.says("here again in #lobby")
        await self.ends(self.start("trust", "follow", "--home", self.bob, file), 0)
        alice = self.chat(self.alice)
        await alice.says("you are in #lobby")
        alice.type("it is me")
        await bob.says(r"\nalice( \(\w+\))?: it is me")
        await self.ends(self.start("leave", "--home", aside, "--yes", str(self.address)), 0)
        await bob.says("has left")
