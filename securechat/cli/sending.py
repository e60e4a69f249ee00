"""``securechat send``: one message, for scripts."""

from __future__ import annotations

import os
import sys

import attrs
import click

from securechat.cli.happenings import (
    ComingBack,
    Connecting,
    Entered,
    Happening,
    Returned,
    Staying,
)
from securechat.cli.options import json_option
from securechat.cli.unattended import Errand, Guest, unattended
from securechat.cli.views import JSONView, TextView, View
from securechat.cli.visiting import nobody
from securechat.client.events import Connected, MembersAsked, VoucherMet, Waiting
from securechat.errors import MessageTooLong, NothingToSend, NotText, SecureChatError
from securechat.group.events import Delivered
from securechat.group.messages import MAX_BODY

_PROGRESS = (
    *(Connecting, Connected, Waiting, MembersAsked, VoucherMet, Entered, ComingBack, Returned),
    Staying,
)
"""What a person who waits wants to know, and a script does not."""

_CHUNK = 65_536


@click.command(short_help="Send one message, from a script.")
@unattended
@click.argument("message", required=False)
@json_option
def send(errand: Errand, message: str | None, as_json: bool) -> None:
    """
    Send one message to the room at ADDRESS, and end once it is in the room.

    The message is MESSAGE, or all of stdin where that is "-", or where there is no MESSAGE and
    stdin is no terminal. Many lines are one message of many lines; one line end at the end is not
    part of it. Other users of this machine can see a MESSAGE among the arguments while the
    command runs: what they must not read goes through stdin.

    You come back to the room, or are let in as by "securechat chat"; you stay a member. What was
    said meanwhile is shown on stderr, since it is shown once, and would be missing from the next
    chat. With --json the event "delivered" is written to stdout, all others to stderr.

    \b
    Examples:
      securechat send 'securechat://relay.example/lobby#PIN' 'the backup is done'
      df -h | securechat send ADDRESS
      securechat send --json ADDRESS - < report.txt
    """
    text = _argument(message) if message not in (None, "-") else _stdin(asked=message == "-")
    if not text.strip():
        raise NothingToSend

    async def say(guest: Guest) -> None:
        names, kept = guest.names, guest.client.kept
        view: View = JSONView(names) if as_json else TextView(names, asks=False, colour=False)
        earlier = {ticket for each in kept if each.label == errand.label for ticket in each.waiting}

        def tell(event: Happening) -> None:
            if not as_json and isinstance(event, _PROGRESS):
                return
            line = view(event)
            if line is not None:
                mine = isinstance(event, Delivered) and event.ticket not in earlier
                click.echo(line, err=not mine)

        await guest.conversation(_Once(text), tell)

    errand.run(say, nobody)


@attrs.define
class _Once:
    """One message in the place of a terminal."""

    _text: str | None

    async def next_line(self) -> str | SecureChatError | None:
        text, self._text = self._text, None
        return text


def _argument(message: str | None) -> str:
    assert message is not None
    return _text(os.fsencode(message))


def _stdin(*, asked: bool) -> str:
    if not asked and sys.stdin.isatty():
        raise click.UsageError(
            "There is nothing to send: give MESSAGE, or - to type it here and end it by Ctrl-D."
        )
    data, size = b"", 0
    while chunk := sys.stdin.buffer.read(_CHUNK):
        size += len(chunk)
        data = (data + chunk)[: MAX_BODY + 3]  # and a line end, and what is too much
    if size > len(data):
        raise MessageTooLong(size=size, most=MAX_BODY)
    return _text(data.removesuffix(b"\n").removesuffix(b"\r"))


def _text(data: bytes) -> str:
    if len(data) > MAX_BODY:
        raise MessageTooLong(size=len(data), most=MAX_BODY)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotText from None
