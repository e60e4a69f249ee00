"""How what happens is written: as text for people, as JSON for programs."""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from typing import Any, Protocol

import attrs
import click

from securechat.cli.happenings import Happening, SameName
from securechat.cli.names import Names
from securechat.cli.options import to_json
from securechat.cli.wording import Wording
from securechat.group.events import Alarm, Message, Named
from securechat.group.roster import Policy
from securechat.text import printable


class View(Protocol):
    """One way to write what happens."""

    def __call__(self, event: Happening) -> str | None:
        """Return the line, or lines, that tell *event*; None where there is nothing to tell."""


class TextView:
    """
    Lines for people: ``name: message``, ``* what happens``, ``! an alarm``.

    Names never hold a colon, a star or an exclamation mark, so nobody's message looks like
    another line than it is.
    """

    def __init__(self, names: Names, *, asks: bool, colour: bool) -> None:
        """:param asks: as for `Wording`."""
        self._wording = Wording(names, asks=asks)
        self._colour = colour

    def __call__(self, event: Happening) -> str | None:
        text = self._wording(event)
        match event:
            case _ if text is None:
                return None
            case Message():
                return printable(text)
            case SameName():
                lines = (f"! {printable(line)}".rstrip() for line in text.split("\n"))
                return "\n".join(self._styled(line, fg="red", bold=True) for line in lines)
            case Alarm():
                return self._styled(f"! {printable(text)}", fg="red", bold=True)
            case _:
                return self._styled(f"* {printable(text)}", dim=True)

    def _styled(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colour else text


class JSONView:
    """
    A JSON object a line: ``event`` is the name of what happened, in lower case with ``_``, and
    the rest are its fields.

    The label of a room is ``room``; a member, or whoever wants to be one, is an object of
    ``fingerprint``, ``name``, ``trusted`` and ``me``; an error one of ``error`` and ``words``; a
    policy one of its rules.
    """

    def __init__(self, names: Names) -> None:
        self._names = names

    def __call__(self, event: Happening) -> str:
        return to_json(self.value(event))

    def value(self, event: Happening) -> dict[str, object]:
        """Return the object."""
        if isinstance(event, Named):
            self._names.hear(event)
        fields = {
            {"label": "room"}.get(name, name): self._value(value)
            for name, value in attrs.asdict(event, recurse=False).items()
        }
        name = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
        return {"event": name, **fields}

    def _value(self, value: object) -> object:
        match value:
            case bytes():
                return self._names.person(value)
            case tuple():
                return [self._value(each) for each in value]
            case IntEnum():
                return value.name.lower()
            case Enum():
                return value.value
            case Policy():
                fields = attrs.asdict(value, recurse=False)
                return {name: self._value(each) for name, each in fields.items()}
            case Exception():
                return {"error": type(value).__name__, "words": str(value)}
            case _:
                return value
