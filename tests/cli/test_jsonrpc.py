"""JSON-RPC 2.0, and whatever a program may write in its place."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.actions import explain
from securechat.cli.jsonrpc import MAX_BATCH, Action, Server
from securechat.errors import NotConnected, NotText, RelayClosing, WrongPin
from tests.cli.schema import check

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)

REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2]),
        "id": st.one_of(VALUES, st.sampled_from([0, 1, "a", None])),
        "method": st.sampled_from(["add", "fail", "later", "rpc.none", "", 1]),
        "params": st.one_of(VALUES, st.sampled_from([[1, 2], {"a": 1, "b": 2}, [], {}])),
    },
)

LINES = st.one_of(
    st.text(),
    VALUES.map(json.dumps),
    REQUESTS.map(json.dumps),
    st.lists(REQUESTS, max_size=MAX_BATCH + 2).map(json.dumps),
)


class ServerTests(SynchronousTestCase):
    """`Server`, with some methods."""

    def setUp(self) -> None:
        self.said: list[Any] = []
        self.waiting: list[Deferred[object]] = []
        self.error: Exception = NotText()

        async def add(a: int, b: int = 1) -> object:
            return a + b

        async def fail() -> object:
            raise self.error

        async def later() -> object:
            self.waiting.append(Deferred())
            return await self.waiting[-1]

        async def join(texts: list[str], flag: bool = False, most: int | None = None) -> object:
            return "".join(texts)[:most]

        methods: dict[str, Action] = {"add": add, "fail": fail, "later": later, "join": join}
        self.server = Server(methods, lambda line: self.said.append(json.loads(line)), explain)

    def answers(self, line: str) -> list[Any]:
        """Return what is answered to *line* at once."""
        self.said.clear()
        self.server.take(line)
        return list(self.said)

    def answer(self, **request: Any) -> Any:
        """Return the answer to one request."""
        (answer,) = self.answers(json.dumps({"jsonrpc": "2.0", "id": 1, **request}))
        return answer

    def code(self, line: str) -> int:
        """Return the code of the one error that *line* is answered with, under no id."""
        (answer,) = self.answers(line)
        self.assertIsNone(answer["id"])
        code: int = answer["error"]["code"]
        return code

    def test_requests(self) -> None:
        """Parameters come by name or by position; the id comes back as it was."""
        for number in (0, 1, -7, 1.5, "a", "\ud800", "", None):
            self.assertEqual(
                self.answers(
                    json.dumps({"jsonrpc": "2.0", "id": number, "method": "add", "params": [1, 2]})
                ),
                [{"jsonrpc": "2.0", "id": number, "result": 3}],
            )
        self.assertEqual(self.answer(method="add", params={"b": 5, "a": 2})["result"], 7)
        self.assertEqual(self.answer(method="add", params=[2])["result"], 3)

    def test_notifications(self) -> None:
        """What has no id is done, and not answered, whatever becomes of it."""
        for name in "add", "fail", "none":
            self.assertEqual(self.answers(json.dumps({"jsonrpc": "2.0", "method": name})), [])
        self.answers('{"jsonrpc": "2.0", "method": "later"}')
        self.assertEqual(len(self.waiting), 1)

    def test_wrong_params(self) -> None:
        """Too many, too few, unknown ones and ones of another type are refused."""
        for name, params in (
            ("add", []),
            ("add", [1, 2, 3]),
            ("add", {"a": 1, "c": 2}),
            ("add", {"a": "1"}),
            ("add", {"a": True}),
            ("add", {"a": None}),
            ("join", ["text"]),
            ("join", [["text", 1]]),
            ("join", [[], 1]),
            ("join", [[], True, "1"]),
        ):
            error = self.answer(method=name, params=params)["error"]
            self.assertEqual(error["code"], -32602, params)
        self.assertEqual(
            self.answer(method="join", params=[["a", "b"], True, None])["result"], "ab"
        )

    def test_unknown_method(self) -> None:
        """The error names those that there are."""
        error = self.answer(method="shout")["error"]
        self.assertEqual(error["code"], -32601)
        self.assertIn("add, fail, later", error["message"])

    def test_no_json(self) -> None:
        """What is no JSON, or holds what JSON cannot, is a parse error under no id."""
        deep = "[" * 100_000
        for line in ("", "{", "nul", '{"a": NaN}', "[1e999]", deep, '{"id": -Infinity}'):
            self.assertEqual(self.code(line), -32700, line[:20])

    def test_no_request(self) -> None:
        """What is JSON and no request is refused, under its id where it has one."""
        for line in ("1", "null", '"text"', "{}", '{"jsonrpc": "2.0"}', "[]"):
            self.assertEqual(self.code(line), -32600, line)
        for line in (
            '{"jsonrpc": "2.0", "id": [1], "method": "add"}',
            '{"jsonrpc": "2.0", "id": true, "method": "add"}',
        ):
            self.assertEqual(self.code(line), -32600, line)
        for wrong in ({"method": 1}, {"method": "add", "params": 1}, {"result": 1}):
            answer = self.answer(**wrong)
            self.assertEqual((answer["id"], answer["error"]["code"]), (1, -32600), wrong)

    def test_batch(self) -> None:
        """A batch is answered by one, once all is done; notifications in it are not."""
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1]},
            {"jsonrpc": "2.0", "method": "add", "params": [1]},
            {"jsonrpc": "2.0", "id": 2, "method": "later"},
            1,
        ]
        self.assertEqual(self.answers(json.dumps(batch)), [])
        self.waiting[0].callback("done")
        ((first, second, third),) = self.said
        self.assertEqual((first["result"], second["result"]), (2, "done"))
        self.assertEqual((third["id"], third["error"]["code"]), (None, -32600))
        self.assertEqual(self.answers(json.dumps(batch[1:2])), [])

    def test_batch_too_long(self) -> None:
        """A batch has a bound."""
        batch = [{"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1]}] * MAX_BATCH
        self.assertEqual(len(self.answers(json.dumps(batch))[0]), MAX_BATCH)
        self.assertEqual(self.code(json.dumps([*batch, 1])), -32600)

    def test_errors(self) -> None:
        """An expected error has its name, its words, and the code of its kind."""
        pin = WrongPin(address="a", expected="b", shown="c")
        for error, code in (
            (NotText(), -32001),
            (OSError(28, "No space left"), -32001),
            (NotConnected(), -32003),
            (pin, -32004),
            (RelayClosing(words="bye"), -32003),
        ):
            self.error = error
            answer = self.answer(method="fail")["error"]
            self.assertEqual(answer["code"], code)
            self.assertEqual(answer["message"], str(error))
            self.assertEqual(answer["data"], {"error": type(error).__name__})

    def test_fault_of_the_program(self) -> None:
        """What should not happen is logged, and told without its words."""
        self.error = KeyError("secret")
        answer = self.answer(method="fail")
        self.assertEqual(answer["error"], {"code": -32603, "message": "Internal error"})
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_result_that_is_no_json(self) -> None:
        """A fault after that is logged, too, and the next line is as good as any."""
        self.answers('{"jsonrpc": "2.0", "id": 1, "method": "later"}')
        self.waiting[0].callback(object())
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertEqual(self.answer(method="add", params=[1])["result"], 2)

    def test_bound(self) -> None:
        """Who waits until fewer lines are being answered waits so long."""
        for _ in range(3):
            self.answers('{"jsonrpc": "2.0", "id": 1, "method": "later"}')
        free = Deferred.fromCoroutine(self.server.fewer_than(2))
        self.waiting[0].callback(1)
        self.assertNoResult(free)
        self.waiting[2].callback(1)
        self.successResultOf(free)

    def test_end(self) -> None:
        """What is under way is given up, and not answered."""
        request = '{"jsonrpc": "2.0", "id": 1, "method": "later"}'
        self.answers(request)
        self.answers(f"[{request}]")
        self.server.end()
        self.assertEqual(self.said, [])
        self.successResultOf(Deferred.fromCoroutine(self.server.fewer_than(1)))

    def test_no_line(self) -> None:
        """What could not be read as a line is answered, too."""
        self.server.refuse("too long")
        (answer,) = self.said
        self.assertEqual(answer["error"]["message"], "Parse error: too long")

    @given(LINES)
    def test_anything(self, line: str) -> None:
        """Whatever is written, what is answered is JSON-RPC, and the next line is understood."""
        self.setUp()
        for answer in self.answers(line):
            for each in answer if isinstance(answer, list) else [answer]:
                self.assertEqual(each["jsonrpc"], "2.0")
                self.assertEqual(len(each), 3)
                if "error" in each:
                    check("fault", each["error"])
        while self.waiting:
            self.waiting.pop().callback(None)
        self.assertEqual(self.answer(method="add", params=[1])["result"], 2)
