"""
How the relay says no: one exception, which becomes one `error` line.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from securechat.wire import Code, ErrorLine


def subject(identifier: bytes) -> str:
    """Return how a room or an attempt is spelled as the subject of an `error` line."""
    return urlsafe_b64encode(identifier).rstrip(b"=").decode("ascii")


class Refusal(Exception):
    """
    A client may not have what it asked for.

    Whatever handles a line raises this; the connection answers with `line` and, where
    `closes` is true, hangs up. It never reaches a person as an exception.
    """

    def __init__(self, code: Code, words: str, about: str = "-", *, closes: bool = False) -> None:
        super().__init__(words)
        self.line = ErrorLine(code, about, words)
        self.closes = closes
