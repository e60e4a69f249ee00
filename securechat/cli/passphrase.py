"""
Where passphrases come from: a file, a file descriptor, or a person at a terminal.

Never from the command line, which every process on the machine can read, nor from the
environment, which children inherit.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import attrs
import click

from securechat import keyfile
from securechat.errors import NoTerminal, WrongPassphrase
from securechat.identity import Identity

MAX_LENGTH = 4096
"""The longest passphrase in a file, in bytes with its line end."""

TRIES = 3


@attrs.frozen
class Passphrase:
    """
    How this run comes by the passphrase.

    :param source: a file or a file descriptor; None: whoever sits at the terminal is asked.
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
        path = home / keyfile.KEY_FILE
        if self.source is not None:
            return keyfile.load(path, self._read(self.source))
        if not keyfile.needs_passphrase(path):
            return keyfile.load(path, None)
        if not self.asks:
            raise NoTerminal
        for _ in range(TRIES - 1):
            try:
                return keyfile.load(path, _ask(f"Passphrase for {path}"))
            except WrongPassphrase:
                click.echo("That passphrase does not open it. Try again.", err=True)
        return keyfile.load(path, _ask(f"Passphrase for {path}"))

    def new(self) -> bytes:
        """
        Return the passphrase for a new identity. At a terminal it is asked for twice.

        :raises NoTerminal: if there is nobody to ask.
        """
        if self.source is not None:
            return self._read(self.source)
        return _ask("Passphrase for your identity", confirm="Once more, the same")

    def _read(self, source: Path | int) -> bytes:
        with open(source, "rb") as file:
            text = file.read(MAX_LENGTH + 1)
        if len(text) > MAX_LENGTH:
            raise click.UsageError(f"A passphrase has at most {MAX_LENGTH} bytes.")
        return re.sub(rb"\r?\n\Z", b"", text)


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
