"""
What the documents promise about the code, checked against the code.

Somebody may write another client from ``docs/protocol.md`` alone, so a label, verb or error
code that is missing there, or is there and nowhere else, is a fault.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import attrs
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

import securechat
from securechat import wire
from securechat.group.events import Reason
from tests.adversary.lies import GREAT_LIES, LIES

PACKAGE = Path(securechat.__file__).parent
DOCS = Path(__file__).resolve().parent.parent / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")
SECURITY = (DOCS / "security.md").read_text("utf-8")

LABELLED = {
    "digest": "H",
    "sign": "Sign",
    "verify": "Sign",
    "seal": "Seal",
    "open_sealed": "Seal",
    "expand": "Expand",
    "expander": "Expand",
    "derive": "Expand",
    "SealedFile": "Expand",
}
"""Functions that take a label, and what the document calls them."""

Use: TypeAlias = tuple[str, str]
"""A label and the function that it is used with."""


def section(document: str, title: str) -> str:
    """The part of *document* under the heading *title*, up to the next heading."""
    found = re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", document, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title}"
    return found[1]


def cells(table: str) -> Iterator[list[str]]:
    """The cells of each row of a Markdown table whose first cell is code."""
    for line in table.splitlines():
        if line.startswith("| `"):
            yield [each.strip() for each in line.strip("|").split("|")]


def used_labels() -> Iterator[Use]:
    """Every label that is written in the code, for each time that it is."""
    for path in PACKAGE.rglob("*.py"):
        if path.name == "primitives.py":
            continue  # there labels are only passed on
        kept = {}  # name to label, of those that are made once
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made, args=args)):
                    if _name(made) == "Label" and (label := _text(args)):
                        kept[name] = label
                case ast.Call(func=used, args=args) if function := LABELLED.get(_name(used)):
                    match used:
                        case ast.Attribute(value=ast.Name(id=name)) if name in kept:
                            yield kept[name], function
                        case _:
                            if label := _text(args):
                                yield label, function


def _text(arguments: list[ast.expr]) -> str | None:
    """The first of *arguments* that is a text, and not empty."""
    texts = (each.value for each in arguments if isinstance(each, ast.Constant))
    return next((text for text in texts if isinstance(text, str) and text), None)


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


class ProtocolTests(SynchronousTestCase):
    """``docs/protocol.md``."""

    def test_every_label_is_documented(self) -> None:
        """The table of labels has those of the code, each with its function, and no other."""
        rows = [(label.strip("`"), function) for label, function, _ in self.rows("Labels")]
        self.assertEqual(len(rows), len(set(rows)))
        self.assertEqual(set(rows), set(used_labels()))

    def test_every_line_is_documented(self) -> None:
        """The table of lines has every verb with the names of its fields, and who says it."""
        documented = {row[0].strip("`"): row[1] for row in self.rows("Lines")}
        lines = wire.FROM_CLIENT | wire.FROM_RELAY
        self.assertEqual(set(documented), {spelled(line) for line in lines})
        for line in lines:
            direction = documented[spelled(line)]
            self.assertEqual(line in wire.FROM_RELAY, bool(re.search("R →", direction)), line)
            self.assertEqual(
                line in wire.FROM_CLIENT, bool(re.search("[CJV] → R", direction)), line
            )

    def test_every_error_code_is_documented(self) -> None:
        """The table of errors has every code, and no other."""
        codes = [row[0].strip("`") for row in self.rows("Errors")]
        self.assertEqual(sorted(codes), sorted(code.value for code in wire.Code))

    def test_sizes_are_those_of_the_code(self) -> None:
        """The numbers that bound the lines are in the document."""
        for size in (
            wire.MAX_LINE,
            wire.MAX_BUNDLE,
            wire.MAX_ENTRY,
            wire.MAX_SEALED,
            wire.MAX_RESPONSE,
            wire.MAX_CHUNK,
            wire.MAX_CIPHERTEXT,
            wire.PAKE,
            wire.MAX_MAIL,
            wire.MAX_WORDS,
        ):
            self.assertIn(f"{size:,}", section(PROTOCOL, "Transport and lines"))

    def rows(self, title: str) -> list[list[str]]:
        """The rows of the table in the section *title*."""
        return list(cells(section(PROTOCOL, title)))


def spelled(line: type[wire.Line]) -> str:
    """A line's verb and the names of its fields, as the document has them."""
    return " ".join([line.verb, *(field.name for field in attrs.fields(line))])


class SecurityTests(SynchronousTestCase):
    """``docs/security.md``."""

    def test_every_named_test_exists(self) -> None:
        """Whoever reads that a test mounts an attack can run it."""
        named = re.findall(r"`(tests\.[\w.]+)`", SECURITY)
        self.assertTrue(named)
        missing = [name for name in named if not exists(name)]
        self.assertFalse(missing, "these do not exist: " + ", ".join(missing))

    def test_every_attack_that_is_stopped_names_a_test(self) -> None:
        """A row without one says that it is a residual, or not in this version."""
        for line in SECURITY.splitlines():
            if re.match(r"\| [A-G][0-9]", line) and "`tests." not in line:
                self.assertRegex(line, r"\*\*Residual|\*\*not in this version")

    def test_every_lie_is_in_the_table(self) -> None:
        """The table of lies has every lie that a relay is made to tell, and no other."""
        rows = list(cells(section(SECURITY, "Lies of a relay")))
        names = [row[0].strip("`") for row in rows]
        self.assertEqual(sorted(names), sorted([*LIES, *GREAT_LIES]))
        for row in rows:
            self.assertIn("`tests.adversary.test_lies.", row[-1], row[0])

    def test_every_alarm_is_explained(self) -> None:
        """The table of alarms has every reason, and no other."""
        rows = re.findall(r"^\| ([a-z ]+) \|", section(SECURITY, "Alarms"), re.MULTILINE)
        self.assertEqual(sorted(rows), sorted(["alarm", *(reason.value for reason in Reason)]))


def exists(name: str) -> bool:
    """Whether *name* can be imported."""
    try:
        return callable(namedAny(name))
    except (AttributeError, ValueError):  # ValueError: namedAny found no such module
        return False
