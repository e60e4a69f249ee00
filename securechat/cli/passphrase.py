"""
Where passphrases come from: a file, a file descriptor, what is remembered, or a person at a
terminal.

Never from the command line, which every process on the machine can read, nor from the
environment, which children inherit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs
import click

from securechat import keyfile
from securechat.cli.remembered import Remembered
from securechat.errors import NoTerminal, WrongPassphrase
from securechat.identity import Identity

T = TypeVar("T")

MAX_LENGTH = 4096
"""The longest passphrase in a file, in bytes with its line end."""

TRIES = 3


@attrs.frozen
class Passphrase:
    """
    How this run comes by the passphrase.

    :param source: a file or a file descriptor; None: if it is not remembered, whoever sits at the
        terminal is asked.
    """

    source: Path | int | None = None
    asks: bool = True
    """Whether anybody may be asked."""

    def unlock(self, home: Path) -> Identity:
        """
        Return the identity in the directory *home*.

        :raises NoTerminal: if a passphrase is needed and there is nobody to ask.
        :raises: as `securechat.keyfile.load`.
        """
        identity, _ = self.unlocked(home)
        return identity

    def unlocked(self, home: Path) -> tuple[Identity, bytes | None]:
        """Return it as `unlock`, and the passphrase; None: it is not encrypted."""
        path = home / keyfile.KEY_FILE
        if self.source is None:
            if not keyfile.needs_passphrase(path):
                return keyfile.load(path, None), None
            if (found := _remembered(home)) is not None:
                return found
        return self.to_open(f"Passphrase for {path}", lambda secret: keyfile.load(path, secret))

    def to_open(self, prompt: str, opens: Callable[[bytes], T]) -> tuple[T, bytes]:
        """
        Return what *opens* returns for the passphrase, and that.

        :raises NoTerminal: if there is nobody to ask.
        :raises: as *opens*.
        """
        if self.source is not None:
            secret = self._read(self.source)
            return opens(secret), secret
        if not self.asks:
            raise NoTerminal
        for _ in range(TRIES - 1):
            try:
                return opens(secret := _ask(prompt)), secret
            except WrongPassphrase:
                click.echo("That passphrase does not open it. Try again.", err=True)
        return opens(secret := _ask(prompt)), secret

    def new(self, what: str = "your identity") -> bytes:
        """
        Return the passphrase for something new. At a terminal it is asked for twice.

        :param what: what it is for.
        :raises NoTerminal: if there is nobody to ask.
        """
        if self.source is not None:
            return self._read(self.source)
        return _ask(f"Passphrase for {what}", confirm="Once more, the same")

    def _read(self, source: Path | int) -> bytes:
        with open(source, "rb") as file:
            text = file.read(MAX_LENGTH + 1)
        if len(text) > MAX_LENGTH:
            raise click.UsageError(f"A passphrase has at most {MAX_LENGTH} bytes.")
        return re.sub(rb"\r?\n\Z", b"", text)


def _remembered(home: Path) -> tuple[Identity, bytes] | None:
    """Return the identity in *home*, if a passphrase is remembered that opens it, and that."""
    kept = Remembered.at(home)
    if kept is None:
        return None
    secret = kept.passphrase()
    if secret is None:
        click.echo("The keyring does not give the passphrase out now.", err=True)
        return None
    try:
        return keyfile.load(home / keyfile.KEY_FILE, secret), secret
    except WrongPassphrase:
        click.echo("The passphrase that is remembered is not the one of this key.", err=True)
        return None


def _ask(prompt: str, confirm: bool | str = False) -> bytes:
    if not has_terminal():
        raise NoTerminal
    answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer.encode("utf-8", "surrogateescape")


def has_terminal() -> bool:
    """Return whether somebody can be asked, whatever stdin is."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
