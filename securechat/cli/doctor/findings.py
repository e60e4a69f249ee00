"""What was looked at, and how it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

import attrs

from securechat.cli.failures import ELSE, NETWORK, REFUSED, TRUST, exit_code
from securechat.errors import SecureChatError
from securechat.files import told

USAGE = 2
"""As click has it."""

WORST_FIRST = (TRUST, ELSE, USAGE, NETWORK, REFUSED)
"""Which exit code counts where several things are wrong."""


class Level(Enum):
    """How it is."""

    OK = "ok"
    SKIPPED = "skipped"
    """It was not looked at, for a reason that is none to worry about."""
    WARNING = "warning"
    """It works, and should be seen to."""
    WRONG = "wrong"
    """It keeps its user from chatting, or others from being kept out."""


@attrs.frozen
class Finding:
    """
    One thing that was looked at.

    :param check: what was looked at, in a word.
    :param error: what a chat would fail with.
    :param code: the exit code of that, 0 where nothing is wrong.
    """

    check: str
    level: Level
    words: str
    error: SecureChatError | None = None
    code: int = 0


class Report:
    """All findings, each told to *tell* as it comes."""

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self._tell = tell
        self.findings: list[Finding] = []

    def ok(self, check: str, words: str) -> None:
        self._found(Finding(check, Level.OK, words))

    def skipped(self, check: str, words: str) -> None:
        self._found(Finding(check, Level.SKIPPED, words))

    def warning(self, check: str, words: str) -> None:
        self._found(Finding(check, Level.WARNING, words))

    def wrong(
        self, check: str, error: SecureChatError | OSError, *, code: int | None = None
    ) -> None:
        """:param code: the exit code, if it is not that of *error*."""
        if isinstance(error, OSError):
            self._found(Finding(check, Level.WRONG, told(error), code=ELSE))
        else:
            code = exit_code(error) if code is None else code
            self._found(Finding(check, Level.WRONG, str(error), error, code))

    @contextmanager
    def looking(self, check: str) -> Iterator[None]:
        """What fails meanwhile is wrong with *check*."""
        try:
            yield
        except (SecureChatError, OSError) as error:
            self.wrong(check, error)

    def count(self, level: Level) -> int:
        """Return how many findings are so."""
        return sum(each.level is level for each in self.findings)

    @property
    def code(self) -> int:
        """The exit code of the worst finding."""
        codes = {each.code for each in self.findings}
        return next((code for code in WORST_FIRST if code in codes), 0)

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._tell(finding)
