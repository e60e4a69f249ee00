"""``securechat demo``, and what it does when something is not as it should be."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.cli.demo import actor, command, evidence, process
from securechat.cli.demo.actor import Actor
from securechat.cli.demo.narration import Narration
from securechat.cli.demo.play import Play
from securechat.client.events import Connected
from securechat.errors import Deviation, NotConnected
from securechat.group.events import Alarm, Reason
from securechat.group.messages import Frame
from securechat.wire import FrameLine
from tests.cli.processes import Process, ProcessTestCase, reactor
from tests.group.kit import ALICE, BOB, CAROL, room_of

STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("listening to nobody", flush=True)
signal.pause()
"""


class DemoTests(ProcessTestCase):
    """The command, as a process."""

    def demo(self, **how: Any) -> tuple[Process, Path]:
        """Start it, with a directory of its own for temporary files."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        return self.start("demo", TMPDIR=str(directory), **how), directory

    async def test_whole_conversation(self) -> None:
        """It ends well, has shown every message of the first sketch, and leaves nothing behind."""
        demo, directory = self.demo()
        self.assertEqual(await demo.ended, 0, demo.output + demo.errors)
        for verb in (
            "identity", "ack", "new_user", "nack", "vouch", "challenge", "response", "add_user",
            "user_added", "leave", "slices", "commit", "changed",
        ):  # fmt: skip
            self.assertRegex(demo.output, rf"→ \w+ +{verb} ")
        self.assertIn("hello_i_am from bob: my name is Bob Baker", demo.output)
        self.assertIn("carol sees   alice: Bob, bring the map.", demo.output)
        self.assertRegex(demo.output, "(alice|bob) sees   .* has left")
        self.assertIn("alice sees   * connection lost, retrying in", demo.output)
        self.assertIn("bob sees   alice: Bob, the map is in the oak.", demo.output)
        self.assertIn("here again in #lobby, 2 messages since you were away", demo.output)
        self.assertIn("it saw ciphertext only", demo.output)
        self.assertNotIn("\x1b", demo.output)
        self.assertEqual(demo.errors, "")
        self.assertEqual(list(directory.iterdir()), [])

    async def test_interrupt(self) -> None:
        """Ctrl-C ends it, and the relay with it; nothing is left behind."""
        demo, directory = self.demo(terminal=True, NO_COLOR="")
        await demo.says("A second user")
        demo.type("\x03")
        self.assertEqual(await demo.ended, 130)
        self.assertIn("\x1b[1m4. A second user", demo.output)
        self.assertEqual(list(directory.iterdir()), [])

    async def test_end_of_the_terminal(self) -> None:
        """A terminal that is closed takes the relay with it, too."""
        demo, directory = self.demo()
        await demo.says("A second user")
        demo.kill("HUP")
        self.assertEqual(await demo.ended, 130)
        self.assertEqual(list(directory.iterdir()), [])

    async def test_reader_that_has_gone(self) -> None:
        """Whoever reads it may stop: it plays on, quietly."""
        demo, _ = self.demo()
        await demo.says("1. A relay")
        demo.transport.closeStdout()
        self.assertEqual((await demo.ended, demo.errors), (0, ""))


class DeviationTests(ProcessTestCase):
    """What is not as the play has it."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.patch(Narration, "_echo", lambda *_, **__: None)

    async def deviation(self, work: Coroutine[Any, Any, object]) -> str:
        """What *work* ends with."""
        try:
            await work
        except Deviation as error:
            return str(error)
        self.fail("nothing was wrong")

    async def test_relay_that_does_not_start(self) -> None:
        """If there is no relay, it says what that had to say."""
        self.patch(process, "_TWISTD", "raise SystemExit('no twistd here')")
        said = await self.deviation(command.perform(reactor, self.directory))
        self.assertIn("no twistd here", said)

    async def test_relay_that_says_nothing(self) -> None:
        """A relay that neither listens nor ends is given up, and killed."""
        self.patch(process, "_TWISTD", STUBBORN)
        self.patch(process, "START_SECONDS", 0.0)
        self.patch(process, "STOP_SECONDS", 0.0)
        said = await self.deviation(command.perform(reactor, self.directory))
        self.assertIn("did not listen", said)

    async def test_message_out_of_turn(self) -> None:
        """Where somebody says something else, the play ends with what it should have been."""

        async def friendships(play: Play) -> None:
            play.alice.trust(play.bob, play.carol)
            play.bob.trust(play.alice, play.carol)
            play.carol.trust(play.alice, play.bob)
            for each in play.cast:
                play.narration.introduce(each.nick, each.identity.fingerprint)

        self.patch(Play, "friendships", friendships)
        said = await self.deviation(command.perform(reactor, self.directory))
        self.assertRegex(said, "at alice's, <new_user >vouch .*instead of <new_user >nack")

    async def test_stranger_who_is_let_in(self) -> None:
        """Where a stranger gets in, the play ends."""
        stranger = Play.stranger

        async def betrayed(play: Play) -> None:
            play.alice.trust(play.trudy)
            await stranger(play)

        self.patch(Play, "stranger", betrayed)
        said = await self.deviation(command.perform(reactor, self.directory))
        self.assertIn("trudy is in", said)

    async def test_client_that_fails(self) -> None:
        """Any error of a client is one of the play."""

        async def perform(play: Play) -> None:
            raise NotConnected

        self.patch(Play, "perform", perform)
        said = await self.deviation(command.perform(reactor, self.directory))
        self.assertIn(str(NotConnected()), said)


class ActorTests(ProcessTestCase):
    """What an actor waits for."""

    def setUp(self) -> None:
        self.patch(actor, "PATIENCE_SECONDS", 0.0)
        narration = Narration(colour=False)
        self.patch(Narration, "_echo", lambda *_, **__: None)
        home = Path(self.mktemp()).absolute()
        relay = Address(host="127.0.0.1", port=1)
        self.alice = Actor(reactor, "Alice Arnold", home, relay, narration)

    async def test_what_does_not_come(self) -> None:
        """Nobody waits for ever; the complaint says for what."""
        for work in self.alice.goes_through(">join"), self.alice.notices(Connected):
            with self.assertRaisesRegex(Deviation, "nobody saw alice"):
                await work

    async def test_too_much(self) -> None:
        """A message that nobody waits for is found at the end."""
        self.alice.is_done()
        self.alice.hear_line("C", b"join lobby")
        with self.assertRaisesRegex(Deviation, "there was >join too"):
            self.alice.is_done()

    async def test_trouble(self) -> None:
        """An alarm is never part of the play."""
        self.alice.hear_event(Alarm("lobby", Reason.FORGED, None, 3))
        with self.assertRaisesRegex(Deviation, "forged"):
            await self.alice.notices(Connected)


class EvidenceTests(SynchronousTestCase):
    """Looking for what the relay should not have seen."""

    def test_plain_text(self) -> None:
        """A secret is found in the log, on the wire, and inside base64."""
        for log, wire, kept in (
            ("a says: send the old mill", [], b""),
            ("", [b"send the old mill"], b""),
            ("", [b"send eHg dGhlIG9sZCBtaWxs"], b""),
            ("", [], b"SQLite the old mill"),
        ):
            self.assertRaises(Deviation, evidence.check, log, wire, kept, ["the old mill"])
        evidence.check("send a", [b"send b", b"x"], b"SQLite", ["the old mill"])

    def test_who_has_left(self) -> None:
        """What a member had kept opens what was said to it, and nothing after it was removed."""
        stream, (alice, _, carol) = room_of(ALICE, BOB, CAROL)
        kept = {name: data for name, data in carol.room.changes().items() if data is not None}
        stream.say(alice, "one")
        before = alice.said("two")
        stream.append(before)
        self.assertTrue(evidence.can_read(_line(before), kept, []))
        stream.remove(alice, carol)
        removal = alice.room.log.recent[-1]
        after = alice.said("three")
        self.assertFalse(evidence.can_read(_line(after), kept, [removal]))


def _line(frame: Frame) -> FrameLine:
    """What the relay says to pass *frame* on."""
    header = frame.header
    where = bytes(32), 9, header.epoch, header.row, header.n
    return FrameLine(*where, frame.nonce, frame.ciphertext)
