"""``securechat doctor`` itself: where to look, and how to tell what is found."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from securechat.address import Address
from securechat.cli.colour import colourful
from securechat.cli.dialling import dialled, endpoint_option
from securechat.cli.doctor.findings import USAGE, Finding, Level, Report
from securechat.cli.doctor.local import Here
from securechat.cli.doctor.remote import Caller, There
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.roster import count
from securechat.cli.running import run
from securechat.errors import AddressError
from securechat.identity import Identity
from securechat.text import printable

_STYLES: dict[Level, dict[str, Any]] = {
    Level.OK: {"fg": "green"},
    Level.SKIPPED: {"dim": True},
    Level.WARNING: {"fg": "yellow"},
    Level.WRONG: {"fg": "red", "bold": True},
}
_WIDTH = max(len(each.value) for each in Level)


@click.command(short_help="Find out what is wrong, and what to do.")
@click.argument("text", metavar="[ADDRESS]", required=False)
@click.option(
    "--no-login",
    is_flag=True,
    help="Do not log in as yourself: a chat of yours on another machine would be cut off.",
)
@endpoint_option
@passphrase_options
@json_option
@common
def doctor(
    home: Path,
    text: str | None,
    no_login: bool,
    endpoint: str | None,
    passphrase: Passphrase,
    as_json: bool,
) -> None:
    """
    Find out what is wrong, and what to do about it.

    It looks at your directory, identity, trusted friends, rooms, disk and clock; and with the
    ADDRESS of a relay, or of a room there, at all that is on the way: name, port, TLS, the
    relay's key, your login, the room. Each line is one thing: ok, skipped, a warning, or wrong,
    and then what to do next.

    It changes nothing. While a chat of this directory is running it does not log in as you, since
    a relay keeps one connection of an identity; another identity, made for that and forgotten,
    shows whether the relay lets people in.

    The exit code is that of the worst that is wrong.

    \b
    Examples:
      securechat doctor
      securechat doctor 'securechat://relay.example/lobby#PIN'
      securechat doctor --json --passphrase-file FILE ADDRESS
    """
    report = Report(_tell_json if as_json else _tell)
    with ExitStack() as held:
        here = Here(home, report)
        here.examine(passphrase, held)
        address = None if text is None else _address(text, report)
        if address is not None:
            caller = _caller(here, address, no_login, report)
            run(lambda reactor: _ask(reactor, address, endpoint, report, caller))
    if not as_json:
        click.echo(_summary(report))
    raise click.exceptions.Exit(report.code)


async def _ask(
    reactor: Any, address: Address, endpoint: str | None, report: Report, caller: Caller
) -> None:
    await There(reactor, address, dialled(reactor, endpoint), report).examine(caller)


def _address(text: str, report: Report) -> Address | None:
    try:
        address = Address.parse(text)
    except AddressError as error:
        report.wrong("address", error, code=USAGE)
        return None
    report.ok("address", str(address))
    return address


def _caller(here: Here, address: Address, no_login: bool, report: Report) -> Caller:
    """Return who is to log in, after having said why that is not the user."""
    if here.in_use is not None:
        why = f"{here.in_use.holder} is connected as you, perhaps, and would be cut off"
    elif not here.is_free:
        why = "whether a chat is running here could not be seen, and it would be cut off"
    elif no_login:
        why = "you have asked for it (--no-login)"
    elif here.identity is None:
        why = "your identity could not be opened"
    else:
        known = None if address.room is None else here.room(address)
        if address.room is not None and known is None:
            report.skipped(
                "room",
                f"you do not know #{address.room} yet, and to ask the relay for it is to ask to be "
                "let in: securechat chat does",
            )
        return Caller(here.identity, own=True, room=known)
    what = "" if address.room is None else f", nor is the relay asked about #{address.room}"
    report.skipped("login", f"you are not logged in{what}: {why}")
    return Caller(Identity.generate(), own=False)


def _tell(finding: Finding) -> None:
    level = finding.level.value.ljust(_WIDTH)
    if colourful():
        level = click.style(level, **_STYLES[finding.level])
    click.echo(f"{level} {finding.check}: {printable(finding.words)}")


def _tell_json(finding: Finding) -> None:
    echo_json(
        {
            "check": finding.check,
            "result": finding.level.value,
            "words": finding.words,
            "error": None if finding.error is None else type(finding.error).__name__,
        }
    )


def _summary(report: Report) -> str:
    wrong, warnings = report.count(Level.WRONG), report.count(Level.WARNING)
    if not wrong and not warnings:
        return "Nothing is wrong."
    found = [f"{wrong} wrong"] if wrong else []
    if warnings:
        found.append(count(warnings, "warning"))
    return f"Found: {', '.join(found)}."
