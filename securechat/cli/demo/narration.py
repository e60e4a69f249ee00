"""What the audience reads: each line on the wire, in the words of the protocol's first sketch."""

from __future__ import annotations

import os
import textwrap
from typing import Any, Literal

import click

from securechat.fingerprint import short
from securechat.group.events import Named
from securechat.identity import Bundle
from securechat.wire import (
    Ack,
    AddUser,
    Asked,
    Banner,
    Begin,
    Challenge,
    Changed,
    Commit,
    ErrorLine,
    Found,
    FrameLine,
    IdentityLine,
    Join,
    LeafKeys,
    Leave,
    Leaves,
    Leaving,
    Line,
    Nack,
    NewUser,
    Online,
    Page,
    Response,
    Resume,
    Resumed,
    Roster,
    Send,
    Slice,
    Slices,
    UserAdded,
    Vouch,
    Who,
)

WIDTH = 96


class Narration:
    """Tells the story on stdout."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._scenes = 0
        self._people: dict[bytes, str] = {}

    def introduce(self, name: str, fp: bytes) -> None:
        """Let the audience know who *fp* is."""
        self._people[fp] = name
        self.say(f"{name} is {short(fp)}-…")

    def scene(self, title: str, text: str) -> None:
        """Begin a scene."""
        self._scenes += 1
        self._echo("")
        self._echo(f"{self._scenes}. {title}", bold=True)
        for line in textwrap.wrap(text, WIDTH, initial_indent="   ", subsequent_indent="   "):
            self._echo(line)
        self._echo("")

    def say(self, text: str) -> None:
        """Say something beside the conversation."""
        self._echo(f"   {text}")

    def wire(self, name: str, who: Literal["C", "R"], line: Line) -> None:
        """*name*, or the relay to it, said *line*."""
        here, there = (name, "relay") if who == "C" else ("relay", name)
        meaning = self._meaning(line)
        self._echo(f"   {here:>5} → {there:<5}  {line.verb:<10}  {meaning}", fg="cyan")

    def screen(self, name: str, line: str) -> None:
        """*name* reads *line*."""
        first = f"   {name:>5} sees   "
        for text in textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=" " * 16):
            self._echo(text, fg="green")

    def hello(self, name: str, event: Named) -> None:
        """*name* has opened the seed's `hello_i_am`."""
        who = f"{self._people[event.member]}: my name is {event.name}"
        self._echo(f"   {name:>5} opens  hello_i_am from {who}", fg="green")

    def _echo(self, text: str, **style: Any) -> None:
        try:
            click.echo(click.style(text, **style) if self._colour else text)
        except BrokenPipeError:  # whoever reads it has enough; the play goes on to its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def _meaning(self, line: Line) -> str:
        match line:
            case Banner():
                return "a fresh nonce"
            case IdentityLine():
                return "my public keys, and a signature over that nonce and this connection"
            case Ack():
                return "it is you"
            case Found():
                return "the first entry of the room's log, signed by me"
            case Join():
                return f"#{line.label}: does anybody vouch for me?"
            case Asked():
                return f"{line.asked} of {line.online} members are asked"
            case NewUser():
                return f"do you know {self._person(line.bundle)}?"
            case Nack():
                return "no (no reason is given, and never at once)"
            case Vouch():
                return f"sealed to the newcomer: my identity, and which room ({_size(line.sealed)})"
            case Challenge():
                return f"sealed to the voucher: a nonce, and my consent ({_size(line.sealed)})"
            case Response():
                return f"sealed to the newcomer: nonce and session key ({_size(line.sealed)})"
            case AddUser():
                return "the log's next entry, signed by me: this newcomer is a member"
            case UserAdded():
                return f"number {line.seq} of the room: that entry"
            case Roster():
                return "who is in the room?"
            case Page():
                return f"its roster ({_size(line.chunk)})"
            case Resume():
                return f"what has come after number {line.seq}?"
            case Resumed():
                return f"you have all, up to number {line.seq}"
            case Leave():
                return "I leave: take me off the roster (signed)"
            case Leaving():
                return f"{self._who(line.member)} leaves; until the keys are new nobody sends"
            case Who():
                return "which members are online?"
            case Online():
                return f"of the roster, {sum(map(int.bit_count, line.rows))} are"
            case Leaves():
                return "to which keys do I seal the new secret?"
            case LeafKeys():
                return f"one of each member ({_size(line.keys)})"
            case Begin():
                return "the log's next entry, signed by me, and with it:"
            case Slices():
                return f"a fresh secret, sealed to each who stays ({_size(line.sealed)})"
            case Commit():
                return "that is all of it"
            case Slice():
                return f"yours of it ({_size(line.sealed)})"
            case Changed():
                return f"number {line.seq} of the room: that entry"
            case Send():
                return f"to all, encrypted ({_size(line.ciphertext)})"
            case FrameLine():
                return f"number {line.seq} of the room, encrypted ({_size(line.ciphertext)})"
            case ErrorLine():
                return textwrap.shorten(
                    f"{line.code.value}: {line.words}", WIDTH - 32, placeholder="…"
                )
            case _:
                return ""

    def _person(self, bundle: bytes) -> str:
        return self._who(Bundle.decode(bundle).fingerprint)

    def _who(self, fp: bytes) -> str:
        return f"{short(fp)}-… ({self._people[fp]})"


def _size(data: bytes) -> str:
    return f"{len(data):,} bytes"
