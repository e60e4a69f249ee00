"""What people read when something fails."""

from __future__ import annotations

from pathlib import Path
from string import Formatter
from typing import Any, get_args, get_origin

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat import errors
from securechat.errors import EncodingError, SecureChatError

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
