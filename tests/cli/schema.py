"""``docs/bot.schema.json``, and what it says of a value."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

PATH = Path(__file__).resolve().parents[2] / "docs" / "bot.schema.json"


@cache
def schema() -> dict[str, Any]:
    """Return the schema."""
    loaded: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    return loaded


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**schema(), "anyOf": [{"$ref": f"#/$defs/{name}"}]})


def check(name: str, value: object) -> None:
    """Check that *value* is what the schema calls *name*."""
    errors = [error.message for error in _validator(name).iter_errors(value)]
    assert not errors, f"{value!r} is no {name}: {errors[0][:500]}"
