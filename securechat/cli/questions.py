"""
Questions to whoever sits at the terminal, answered by a line among those that are messages.

A question never keeps a message waiting: only a line that is plainly a yes or a no answers it,
every other one is what it was going to be. Whoever says nothing in time has said no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from securechat.cli.happenings import AskToVouch, Happening
from securechat.identity import Bundle

ANSWER_SECONDS = 25.0
"""How long a newcomer waits for the user: less than a relay gives a voucher."""

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def yes_or_no(line: str) -> bool | None:
    """Return what *line* says, None if it is neither."""
    return _ANSWERS.get(line.strip().lower())


class Questions:
    """The questions of one conversation, one after the other."""

    def __init__(self, reactor: Any, tell: Callable[[Happening], None], *, somebody: bool) -> None:
        """
        :param tell: shows a question.
        :param somebody: whether there is anybody to answer; else every answer is no.
        """
        self._reactor = reactor
        self.somebody = somebody
        self._tell = tell
        self._open: list[Deferred[bool]] = []

    def ask(self, question: Happening) -> Deferred[bool]:
        """Fires with the answer to *question*."""
        if not self.somebody:
            return succeed(False)
        answer: Deferred[bool] = Deferred()
        self._open.append(answer)
        self._tell(question)
        answer.addTimeout(ANSWER_SECONDS, self._reactor, lambda _, __: False)
        return answer.addBoth(self._answered, answer)

    async def may_vouch(self, label: str, newcomer: Bundle) -> bool:
        """Ask whether to vouch for *newcomer*: for `ChatClient`."""
        return await self.ask(AskToVouch(label, newcomer.fingerprint))

    def answer(self, line: str) -> bool:
        """Return whether *line* answers the oldest open question, and so is no message."""
        said = yes_or_no(line)
        if said is None or not self._open:
            return False
        self._open[0].callback(said)
        return True

    def end(self) -> None:
        """Nobody will answer any more."""
        self.somebody = False
        while self._open:
            self._open[0].callback(False)

    def _answered(self, said: bool, answer: Deferred[bool]) -> bool:
        self._open.remove(answer)
        return said
