"""
JSON-RPC 2.0 (https://www.jsonrpc.org/specification), the side that answers: requests, one by one
or in batches, to methods that take their time.

A request begins in the order in which it came, and is answered when it is done. One without an id
is a notification, and is never answered, whatever becomes of it.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from types import UnionType
from typing import Any, TypeAlias, get_args, get_origin

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from securechat.cli.options import to_json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_WORDS = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
}

MAX_BATCH = 64
"""Requests in one batch."""

Action: TypeAlias = Callable[..., Awaitable[object]]
"""What a method does: its parameters have names and types, and its result is JSON."""


@attrs.define(slots=False)
class Fault(Exception):
    """A request has failed: what its answer says."""

    code: int
    message: str
    data: dict[str, object] | None = None

    @classmethod
    def of(cls, code: int, why: str = "") -> Fault:
        """Return what the specification calls *code*, and *why*."""
        return cls(code, f"{_WORDS[code]}: {why}" if why else _WORDS[code])

    def value(self) -> dict[str, object]:
        """Return the object ``error``."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}


@attrs.define
class Server:
    """
    Answers one client.

    :param methods: what it may ask for, by name.
    :param say: takes each answer, a line without an end.
    :param explain: returns what to answer where a method has raised an expected error.
    """

    _methods: Mapping[str, Action]
    _say: Callable[[str], None]
    _explain: Callable[[Exception], Fault | None]
    _pending: set[Deferred[None]] = attrs.field(factory=set, init=False)
    _fewer: Deferred[None] | None = attrs.field(default=None, init=False)
    _log = Logger()

    def take(self, line: str) -> None:
        """Begin what *line* asks for."""
        try:
            message = _parsed(line)
        except Fault as fault:
            self._answer(_failed(None, fault))
            return
        doing = Deferred.fromCoroutine(
            self._batch(message) if isinstance(message, list) else self._one(message)
        )
        self._pending.add(doing)
        doing.addBoth(self._over, doing)

    def refuse(self, why: str) -> None:
        """Answer to what is no line: *why*."""
        self._answer(_failed(None, Fault.of(PARSE_ERROR, why)))

    async def fewer_than(self, most: int) -> None:
        """Wait until fewer than *most* lines are being answered."""
        while len(self._pending) >= most:
            self._fewer = Deferred()
            await self._fewer

    def end(self) -> None:
        """Answer nothing more."""
        for each in list(self._pending):
            each.cancel()

    async def _one(self, message: object) -> None:
        answer = await self._respond(message)
        if answer is not None:
            self._answer(answer)

    async def _batch(self, messages: list[object]) -> None:
        if not 1 <= len(messages) <= MAX_BATCH:
            why = f"a batch has 1 to {MAX_BATCH} requests"
            self._answer(_failed(None, Fault.of(INVALID_REQUEST, why)))
            return
        every = [Deferred.fromCoroutine(self._respond(each)) for each in messages]
        done = await DeferredList(every, consumeErrors=True)
        answers = [answer for fine, answer in done if fine and answer is not None]
        if answers:
            self._answer(answers)

    async def _respond(self, message: object) -> dict[str, object] | None:
        """Do what one request asks for; return the answer, None where it wants none."""
        try:
            name, params, number = _request(message)
        except Fault as fault:
            return _failed(_number(message), fault)
        try:
            answer = _answer(number, await self._call(name, params))
        except Fault as fault:
            answer = _failed(number, fault)
        return answer if isinstance(message, dict) and "id" in message else None

    async def _call(self, name: str, params: list[Any] | dict[str, Any]) -> object:
        action = self._methods.get(name)
        if action is None:
            raise Fault.of(METHOD_NOT_FOUND, "the methods are " + ", ".join(self._methods))
        bound = _bound(action, params)
        try:
            return await action(*bound.args, **bound.kwargs)
        except (CancelledError, Fault):
            raise
        except Exception as error:
            fault = self._explain(error)
            if fault is None:
                self._log.failure("The method {name} failed", name=name)
                fault = Fault.of(INTERNAL_ERROR)
            raise fault from None

    def _answer(self, value: object) -> None:
        self._say(to_json(value))

    def _over(self, result: object, doing: Deferred[None]) -> None:
        if isinstance(result, Failure) and not result.check(CancelledError):
            self._log.failure("A line could not be answered", result)
        self._pending.discard(doing)
        if self._fewer is not None:
            fewer, self._fewer = self._fewer, None
            fewer.callback(None)


def _parsed(line: str) -> object:
    """:raises Fault: if *line* is no JSON."""
    try:
        return json.loads(line, parse_constant=_no_number, parse_float=_number_of)
    except RecursionError:
        raise Fault.of(PARSE_ERROR, "it is nested too deeply") from None
    except ValueError as error:
        raise Fault.of(PARSE_ERROR, str(error)) from None


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


def _number_of(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # it could not be answered under that id
        raise ValueError("a number is too large")
    return number


def _number(message: object) -> object:
    """Return the id of *message* where it has one."""
    number = message.get("id") if isinstance(message, dict) else None
    return number if _fits(number, str | int | float) else None


def _request(message: object) -> tuple[str, list[Any] | dict[str, Any], object]:
    """
    Return the name of the method, its parameters and the id that *message* has.

    :raises Fault: if it is no request.
    """
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Fault.of(INVALID_REQUEST, 'an object with "jsonrpc": "2.0" is one')
    name, params = message.get("method"), message.get("params", {})
    if not isinstance(name, str):
        raise Fault.of(INVALID_REQUEST, '"method" has to be a string')
    if not isinstance(params, list | dict):
        raise Fault.of(INVALID_REQUEST, '"params" have to be an object or an array')
    number = _number(message)
    if number is None and message.get("id") is not None:
        raise Fault.of(INVALID_REQUEST, '"id" has to be a string or a number')
    return name, params, number


def _bound(action: Action, params: list[Any] | dict[str, Any]) -> inspect.BoundArguments:
    """
    Return *params* as the arguments of *action*.

    :raises Fault: if they are not.
    """
    signature = inspect.signature(action, eval_str=True)
    try:
        bound = signature.bind(**params) if isinstance(params, dict) else signature.bind(*params)
    except TypeError as error:
        raise Fault.of(INVALID_PARAMS, str(error)) from None
    for name, value in bound.arguments.items():
        if not _fits(value, signature.parameters[name].annotation):
            raise Fault.of(INVALID_PARAMS, f"{name!r} is of a wrong type")
    return bound


def _fits(value: object, kind: Any) -> bool:
    if isinstance(kind, UnionType):
        return any(_fits(value, each) for each in get_args(kind))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return isinstance(value, list) and all(_fits(each, item) for each in value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _answer(number: object, result: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _failed(number: object, fault: Fault) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "error": fault.value()}
