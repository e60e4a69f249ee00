"""
Codes of invites at a terminal: how one is asked for, with Tab for its words, and how one is told.

A code is typed for all to see, since it is good once, and slips are what people make. As an
argument other users of the machine can read it while the command runs.
"""

from __future__ import annotations

import shlex
import sys

import click

from securechat.address import Address
from securechat.cli.happenings import InviteOpen
from securechat.client.inviting import Invitation
from securechat.errors import BadCode
from securechat.pairing import Code, complete

TRIES = 3

_PROMPT = "Code: "


def asked() -> Code:
    """
    Return the code that whoever sits at the terminal types; without one, the next line of stdin.

    :raises BadCode: if that is none. At a terminal it is asked for again, some times.
    :raises Abort: if there is none.
    """
    for _ in range(TRIES - 1 if sys.stdin.isatty() else 0):
        try:
            return Code.parse(_line())
        except BadCode as error:
            click.echo(f"{error}", err=True)
    return Code.parse(_line())


def _line() -> str:
    if sys.stdin.isatty():
        _complete_by_tab()
    try:
        return input(_PROMPT if sys.stdin.isatty() else "")
    except EOFError:
        raise click.Abort from None


def _complete_by_tab() -> None:
    """Let Tab complete the words, where there is GNU readline, or what stands in for it."""
    try:
        import readline
    except ImportError:
        return
    readline.set_completer_delims("")  # the whole line is completed, not its last word

    def candidate(text: str, state: int) -> str | None:
        found = complete(text)
        return found[state] if state < len(found) else None

    readline.set_completer(candidate)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")


def told(invitation: Invitation, address: Address) -> InviteOpen:
    """Return what there is to tell of *invitation*, to the room at *address*."""
    command = f"securechat accept {shlex.quote(str(address))}"
    return InviteOpen(invitation.label, invitation.code, command, invitation.seconds)
