"""``docs/bot.schema.json`` says what the code does."""

from __future__ import annotations

import inspect
from typing import Any

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.actions import Actions
from securechat.cli.failures import ELSE, NETWORK, REFUSED, TRUST, UNDELIVERED
from securechat.cli.views import JSONView
from securechat.group.events import RoomEvent
from tests.cli.schema import check, schema
from tests.cli.test_views import every_happening, names


class SchemaTests(SynchronousTestCase):
    """The schema against the code."""

    def setUp(self) -> None:
        self.defined: dict[str, Any] = schema()["$defs"]

    def group(self, part: str, *, first: bool) -> dict[str, Any]:
        """Return the definitions of which *part* is the first, or the last, part of the name."""
        found = {}
        for name, definition in self.defined.items():
            before, _, after = name.partition(".")
            if after and part == (before if first else after):
                found[after if first else before] = definition
        return found

    def test_is_a_schema(self) -> None:
        """It is one, and all that it refers to is there."""
        Draft202012Validator.check_schema(schema())
        referred = set()

        def look(value: Any) -> None:
            if isinstance(value, dict):
                if "$ref" in value:
                    referred.add(value["$ref"].removeprefix("#/$defs/"))
                value = list(value.values())
            for each in value if isinstance(value, list) else ():
                look(each)

        look(schema())
        self.assertLessEqual(referred, set(self.defined))
        self.assertLessEqual(set(self.defined) - referred, {f"{m}.result" for m in self.methods()})

    def methods(self) -> dict[str, Any]:
        """Return the methods of the code."""
        nothing: Any = None
        return dict(Actions(nothing, nothing, nothing, nothing).table())

    def test_events(self) -> None:
        """Each event of the code is defined with its fields, and no other; one of each fits."""
        view = JSONView(names())
        written = {}
        for event in every_happening():
            if type(event) is not RoomEvent:
                value = view.value(event)
                name = str(value["event"])
                written[name] = set(value)
                check(f"event.{name}", value)
                check("toCommand", {"jsonrpc": "2.0", "method": "event", "params": value})
        defined = self.group("event", first=True)
        self.assertEqual(set(defined), set(written))
        for name, fields in written.items():
            self.assertEqual(set(defined[name]["required"]), fields, name)
            self.assertEqual(set(defined[name]["properties"]), fields, name)
        listed = {each["$ref"] for each in self.defined["event"]["oneOf"]}
        self.assertEqual(listed, {f"#/$defs/event.{name}" for name in written})

    def test_methods(self) -> None:
        """Each method of the code is defined with its parameters, and no other."""
        methods = self.methods()
        params = self.group("params", first=False)
        for part in ("request", "params", "result"):
            self.assertEqual(set(self.group(part, first=False)), set(methods), part)
        for name, action in methods.items():
            signature = inspect.signature(action).parameters.values()
            self.assertEqual(
                set(params[name]["properties"]), {each.name for each in signature}, name
            )
            needed = {each.name for each in signature if each.default is each.empty}
            self.assertEqual(set(params[name].get("required", ())), needed, name)
        self.assertEqual(
            [each["$ref"] for each in self.defined["request"]["oneOf"]],
            [f"#/$defs/{name}.request" for name in methods],
        )

    def test_codes(self) -> None:
        """The codes of errors are those of the exit codes, and of JSON-RPC."""
        codes = self.defined["fault"]["properties"]["code"]["enum"]
        mine = {-32000 - code for code in (ELSE, NETWORK, TRUST, REFUSED, UNDELIVERED)}
        self.assertEqual({code for code in codes if code > -32100}, mine)

    def test_what_does_not_fit(self) -> None:
        """What is no message of either side is refused."""
        values: tuple[object, ...] = (
            1,
            [],
            {"jsonrpc": "2.0", "method": "event"},
            {"jsonrpc": "2.0", "method": "shout"},
            {"jsonrpc": "2.0", "method": "send", "params": {"text": 1}},
            {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
        )
        for value in values:
            for name in ("toCommand", "fromCommand"):
                self.assertRaises(AssertionError, check, name, value)
