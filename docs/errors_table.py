"""
Bring the tables of ``docs/errors.md`` up to date: ``python docs/errors_table.py``.

What an error says comes from its docstring, and its exit code from the command; why somebody
meets it and what to do is written by hand in the tables, and stays. A new error gets a row in
which both are missing. A test compares the tables with the code, and fails for what is missing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import attrs

from securechat import errors
from securechat.cli.failures import code_of
from securechat.errors import SecureChatError

PAGE = Path(__file__).parent / "errors.md"

BEGIN, END = "<!-- tables -->\n", "<!-- end of the tables -->\n"

_HEAD = "| error | code | what it says | why | what to do |\n|---|---|---|---|---|\n"

Kind: TypeAlias = type[SecureChatError]
Written: TypeAlias = tuple[str, str]
"""Why, and what to do."""


def is_family(kind: Kind) -> bool:
    """Whether *kind* only holds others together, and is never met itself."""
    return bool(kind.__subclasses__()) and not (attrs.has(kind) and attrs.fields(kind))


def sections() -> Iterator[tuple[str, list[Kind]]]:
    """Yield the errors that can be met, under the headings that ``errors.py`` has for them."""
    found: dict[str, list[Kind]] = {}
    title = ""
    for line in inspect.getsource(errors).splitlines():
        if heading := re.match(r"# (\w.*)", line):
            title = heading[1]
        elif name := re.match(r"class (\w+)\(", line):
            kind = getattr(errors, name[1])
            if issubclass(kind, SecureChatError) and not is_family(kind):
                found.setdefault(title, []).append(kind)
    yield from found.items()


def says(kind: Kind) -> str:
    """Return what errors of this *kind* say, with the names of their fields in braces."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").split())


def written(page: str) -> dict[str, Written]:
    """Return what the tables of *page* hold that was written by hand, by error."""
    rows = re.findall(r"^\| `(\w+)` \| \d+ \| `.*?` \| (.*) \| (.*) \|$", page, re.MULTILINE)
    return {name: (why, what) for name, why, what in rows}


def tables(by_hand: Mapping[str, Written]) -> str:
    """Return all tables."""
    parts = []
    for title, kinds in sections():
        rows = []
        for kind in kinds:
            cells = f"`{kind.__name__}`", str(code_of(kind)), f"`{says(kind)}`"
            rows.append(f"| {' | '.join([*cells, *by_hand.get(kind.__name__, ('', ''))])} |\n")
        parts.append(f"## {title}\n\n{_HEAD}{''.join(rows)}\n")
    return "".join(parts)


def renewed(page: str) -> str:
    """Return *page* with the tables as they should be."""
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(written(old))}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
