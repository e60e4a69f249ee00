"""What people read when something fails."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from string import Formatter
from typing import Any, get_args, get_origin

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat import errors
from securechat.errors import EncodingError, SecureChatError
from tests import met

DOCS = Path(__file__).resolve().parent.parent / "docs"
TABLE = runpy.run_path(str(DOCS / "errors_table.py"))
TO_BE_MET = [kind.__name__ for _, kinds in TABLE["sections"]() for kind in kinds]
"""The errors that are not there only to hold others together."""

EVERY_ERROR = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, SecureChatError)
]


def some(kind: Any) -> Any:
    """A value of type *kind* that a template can show."""
    if arguments := get_args(kind):  # of a tuple, one; of a union, the first
        one = some(arguments[0])
        return (one,) if get_origin(kind) is tuple else one
    return {bytes: b"bytes", Path: Path("file")}.get(kind) or kind(1)


class TemplateTests(SynchronousTestCase):
    """The docstring of an error is its text."""

    def test_every_error_has_words_of_its_own(self) -> None:
        """No error is shown under the words of another: each class has a docstring."""
        for each in EVERY_ERROR:
            self.assertTrue((vars(each)["__doc__"] or "").strip(), each.__name__)

    def test_every_field_of_a_template_exists(self) -> None:
        """Every error can be shown: what its text names is a field, and the text is filled in."""
        for each in EVERY_ERROR:
            fields = attrs.fields_dict(attrs.resolve_types(each)) if attrs.has(each) else {}
            named = {field for _, field, _, _ in Formatter().parse(each.__doc__ or "") if field}
            self.assertLessEqual(named, set(fields), each.__name__)
            given = {name: some(field.type) for name, field in fields.items() if field.init}
            text = str(each(**given))
            self.assertNotRegex(text, r"[{}\n]", each.__name__)

    def test_repr_names_the_class_and_the_text(self) -> None:
        """A log shows which error it was, and what its user reads."""
        self.assertEqual(
            repr(EncodingError(what="too long")),
            "<EncodingError: A structure is malformed: too long.>",
        )


class TableTests(SynchronousTestCase):
    """``docs/errors.md``. Where one of these fails, run ``python docs/errors_table.py``."""

    def test_the_table_is_what_the_code_says(self) -> None:
        """It has every error, with its words and its exit code as they are, and no other."""
        page = (DOCS / "errors.md").read_text("utf-8")
        self.assertEqual(TABLE["renewed"](page), page)

    def test_every_error_is_explained(self) -> None:
        """Each row says why somebody meets the error, and what to do."""
        rows = TABLE["written"]((DOCS / "errors.md").read_text("utf-8"))
        self.assertEqual(sorted(rows), sorted(TO_BE_MET))
        for name, cells in rows.items():
            self.assertTrue(all(each.strip() for each in cells), name)

    def test_every_error_is_under_a_heading(self) -> None:
        """No error is left out of the table, but for those that hold others together."""
        families = {each.__name__ for each in EVERY_ERROR if TABLE["is_family"](each)}
        self.assertEqual(families, {"SecureChatError", "Malformed", "Unreachable", "HistoryError"})
        self.assertEqual({each.__name__ for each in EVERY_ERROR} - families, {*TO_BE_MET})


class MetTests(SynchronousTestCase):
    """A test meets each error: where securechat itself makes it."""

    def test_every_error_has_its_test(self) -> None:
        """Each has a line in `tests.met`, and nothing else has."""
        self.assertEqual(sorted(met.MET), sorted(TO_BE_MET))

    def test_every_test_meets_its_error(self) -> None:
        """The tests of `tests.met` are run, and securechat's own code makes the error in each."""
        here = Path(self.mktemp())
        here.mkdir()
        paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        run = subprocess.run(
            [sys.executable, "-m", "tests.met"],
            cwd=here,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        made = json.loads(run.stdout.splitlines()[-1])
        for name, test in met.MET.items():
            errors_made, failure = made[test]
            self.assertEqual(failure, "", f"{test}, which is to meet {name}")
            self.assertIn(name, errors_made, f"{test} is to meet {name}, and does not")
