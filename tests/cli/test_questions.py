"""Questions at the terminal, and their answers among messages."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.happenings import AskToVouch, Happening
from securechat.cli.questions import ANSWER_SECONDS, Questions
from securechat.identity import Identity


class QuestionsTests(SynchronousTestCase):
    """`Questions`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[Happening] = []
        self.questions = Questions(self.clock, self.told.append, somebody=True)
        self.bob, self.carol = Identity.generate().bundle, Identity.generate().bundle

    def ask(self) -> list[bool]:
        """Ask about Bob; returns the answer once it is there."""
        answers: list[bool] = []
        asking = Deferred.fromCoroutine(self.questions.may_vouch("lobby", self.bob))
        asking.addCallback(answers.append)
        return answers

    def test_yes_and_no(self) -> None:
        """The spellings of yes and no answer the question; nothing is a no."""
        for line, said in (("y", True), (" YES ", True), ("n", False), ("No", False), ("", False)):
            answers = self.ask()
            self.assertTrue(self.questions.answer(line))
            self.assertEqual(answers, [said])
        self.assertEqual(self.told[0], AskToVouch("lobby", self.bob.fingerprint))

    def test_what_is_no_answer(self) -> None:
        """Every other line is a message, and so is a yes that nobody has asked for."""
        self.assertFalse(self.questions.answer("y"))
        answers = self.ask()
        self.assertFalse(self.questions.answer("yes, but who is it?"))
        self.assertEqual(answers, [])
        self.questions.end()

    def test_in_order(self) -> None:
        """Answers are to the oldest open question."""
        first, second = self.ask(), self.ask()
        self.questions.answer("y")
        self.assertEqual((first, second), ([True], []))
        self.questions.answer("n")
        self.assertEqual((first, second), ([True], [False]))

    def test_no_answer_in_time(self) -> None:
        """Whoever does not answer in time has said no, and the next line is a message."""
        answers = self.ask()
        self.clock.advance(ANSWER_SECONDS)
        self.assertEqual(answers, [False])
        self.assertFalse(self.questions.answer("y"))

    def test_nobody_there(self) -> None:
        """At the end of the input, all open questions and all later ones are answered no."""
        first, second = self.ask(), self.ask()
        self.questions.end()
        self.assertEqual((first, second, self.ask()), ([False], [False], [False]))
        self.assertEqual(len(self.told), 2)
