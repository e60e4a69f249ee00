"""A fingerprint on the screen: in groups, in words, and as a QR code beside them."""

from __future__ import annotations

import sys
import textwrap
from io import StringIO

import click
import segno

from securechat.cli.colour import colourful
from securechat.fingerprint import to_groups, to_words

WIDTH = 72

_WORD = len("24 umbrella")  # no word of the list has more than eight letters


def groups_and_words(fp: bytes) -> str:
    """Return *fp* in groups and, below, in words."""
    words = textwrap.fill(to_words(fp), WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"    {to_groups(fp)}\n\n{words}"


def side_by_side(fp: bytes) -> str:
    """Return the words of *fp*, each with its number, at a terminal beside a QR code."""
    words = [f"{number:2} {word}" for number, word in enumerate(to_words(fp).split(), start=1)]
    half = len(words) // 2
    table = [f"{words[row].ljust(_WORD)}   {words[row + half]}" for row in range(half)]
    if not has_room():
        return "\n".join(f"    {each}" for each in table)
    code = qr(to_groups(fp)).splitlines()
    above = (len(code) - half) // 2
    table = [*[""] * above, *table, *[""] * (len(code) - half - above)]
    return "\n".join(f"{left}   {right}".rstrip() for left, right in zip(code, table, strict=True))


def has_room() -> bool:
    """Return whether stdout is a terminal, where a QR code can be seen."""
    return sys.stdout is not None and sys.stdout.isatty()  # None: it was closed


def qr(text: str) -> str:
    """
    Return *text* as a QR code: dark on light, whatever colours the terminal has, or if there
    are to be no colours, as it comes out at a dark terminal.
    """
    drawn = StringIO()
    segno.make(text, error="m", micro=False).terminal(drawn, border=2, compact=True)
    lines = drawn.getvalue().splitlines()
    if colourful():
        lines = [click.style(line, fg="bright_white", bg="black") for line in lines]
    return "\n".join(lines)
