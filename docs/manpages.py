"""
Write the manual pages: ``python docs/manpages.py``.

There is one for each command, made of its help, and one for the relay, made of its options. They
are committed, so that the wheel is built without the command; a test compares them with the code.

click-man is not used: it knows neither the paragraphs in which click keeps the lines as they are,
of which our examples are, nor what roff takes for a command.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from securechat.cli.command import securechat
from securechat.relay.options import RelayOptions

DIRECTORY = Path(__file__).parent / "man"
"""As ``share/man`` is laid out."""

RELAY = "twistd-securechat"

_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def escaped(text: str) -> str:
    """Return *text* as roff shows it, character by character."""
    plain = "".join(
        _SPECIAL.get(each) or (each if each < "\x7f" else rf"\[u{ord(each):04X}]") for each in text
    )
    return re.sub(r"^\.", r"\&.", plain, flags=re.MULTILINE)


def bold(text: str) -> str:
    """Return *text* in bold."""
    return rf"\fB{escaped(text)}\fR"


def page_name(words: Iterable[str]) -> str:
    """Return what the page of the command *words* is called, without its section."""
    return "-".join(words)


def head(name: str, section: int, does: str) -> list[str]:
    """Return how a page begins: *does* says what it is about, in a sentence."""
    title = f'.TH {escaped(name.upper())} {section} "" securechat "securechat manual"'
    return [title, ".SH NAME", rf"{escaped(name)} \- {escaped(does.rstrip('.'))}"]


def described(help: str) -> Iterator[str]:
    """Yield the lines of a command's *help*; where lines stay as they are, a section begins."""
    first = True
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(help)):
        if not paragraph.startswith("\b"):
            yield from ([] if first else [".PP"])
            yield escaped(" ".join(paragraph.split()))
            first = False
            continue
        title, *lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        yield from (f".SH {escaped(title.rstrip(':').upper())}", ".nf")
        yield from (escaped(line.removeprefix("  ")) for line in lines)
        yield ".fi"


def command_pages(
    command: click.Command = securechat, above: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the page of *command*, and of those below it: where it goes, and its text."""
    context = click.Context(
        command, info_name=command.name, parent=above, **command.context_settings
    )
    words = context.command_path.split()
    others = [f"{bold(page_name(words[:each]))}(1)" for each in range(1, len(words))]
    usage = " ".join(command.collect_usage_pieces(context))
    does = command.short_help or "group chat through a relay that can read nothing"
    lines = [
        *head(page_name(words), 1, does),
        *(".SH SYNOPSIS", f"{bold(context.command_path)} {escaped(usage)}"),
        *(".SH DESCRIPTION", *described(command.help or "")),
        ".SH OPTIONS",
    ]
    for each in command.get_params(context):
        if isinstance(each, click.Option) and (record := each.get_help_record(context)):
            lines += [".TP", bold(record[0]), escaped(" ".join(record[1].split()))]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for name, below in command.commands.items():
            page = f"{bold(page_name([*words, name]))}(1)"
            lines += [".TP", page, escaped(below.short_help or "")]
    lines += [".SH SEE ALSO", ", ".join(others or [f"{bold(RELAY)}(8)"])]
    yield f"man1/{page_name(words)}.1", "\n".join([*lines, ""])
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from command_pages(below, context)


def relay_page() -> tuple[str, str]:
    """Return the page of the relay: where it goes, and its text."""
    options: Any = RelayOptions(None)
    takes = {each.rstrip("=") for each in options.longOpt if each.endswith("=")}
    lines = [
        *head(RELAY, 8, "relay of group chat that it cannot read"),
        *(".SH SYNOPSIS", f"{bold('twistd -n securechat')} [OPTIONS]"),
        *(".SH DESCRIPTION", escaped(options.longdesc), ".SH OPTIONS"),
    ]
    for each in sorted(each.rstrip("=") for each in options.longOpt):
        text = " ".join((options.docs.get(each) or "").split())
        default = options.defaults.get(each)
        if each in takes and default is not None:
            text = f"{text} [default: {default}]"
        value = " N" if isinstance(default, (int, float)) else " VALUE"
        lines += [".TP", bold(f"--{each}{value if each in takes else ''}"), escaped(text)]
    lines += [".SH SEE ALSO", f"{bold('securechat')}(1), {bold('twistd')}(1)"]
    return f"man8/{RELAY}.8", "\n".join([*lines, ""])


def pages() -> dict[str, str]:
    """Return all pages: where each goes, and its text."""
    return dict([*command_pages(), relay_page()])


def main() -> None:
    """Write every page, and no other."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    for name, text in pages().items():
        path = DIRECTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")


if __name__ == "__main__":
    main()
