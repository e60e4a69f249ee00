"""One connection: lines, time, backpressure, and how it ends."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from securechat.fingerprint import short
from securechat.relay.factory import LINGER, MAX_LOGGED
from securechat.relay.limits import Limits
from securechat.relay.protocol import MAX_REFUSALS_LOGGED
from securechat.wire import (
    MAX_LINE,
    Banner,
    Cancel,
    Code,
    ErrorLine,
    FrameLine,
    Join,
    Roster,
    Send,
    serialise,
)
from tests.relay.clients import Client, Relay, Transport, kinds


class TimeTests(SynchronousTestCase):
    """How long a connection may take."""

    def test_who_proves_nothing_in_time_is_sent_away(self) -> None:
        """After `identify_seconds`, with an error."""
        relay = Relay(limits=Limits(identify_seconds=7))
        client = relay.connect()
        client.hears(Banner)
        relay.clock.advance(6.9)
        self.assertEqual(client.hear(), [])
        relay.clock.advance(0.2)
        self.assertIs(client.refused(), Code.TIMEOUT)
        self.assertTrue(client.hung_up)

    def test_dribbling_does_not_help(self) -> None:
        """Bytes that are no whole line do not extend the time."""
        relay = Relay(limits=Limits(identify_seconds=7))
        client = relay.connect()
        client.hears(Banner)
        for _ in range(8):
            client.connection.dataReceived(b"i")
            relay.clock.advance(1)
        self.assertIs(client.refused(), Code.TIMEOUT)

    def test_who_has_proved_has_no_timer(self) -> None:
        """All connections together are looked at now and then, while the relay listens."""
        relay = Relay()
        client = relay.client()
        relay.clock.advance(10_000)
        self.assertEqual(client.hear(), [])
        self.assertFalse(client.hung_up)
        self.assertEqual(relay.clock.getDelayedCalls(), [])

    def test_a_close_that_takes_long_is_aborted(self) -> None:
        """TLS would wait for ever for the other side's goodbye."""
        relay = Relay()
        client = relay.client()
        client.says(b"nonsense")
        self.assertTrue(client.hung_up)
        relay.clock.advance(LINGER - 0.1)
        self.assertFalse(client.transport.aborted)
        relay.clock.advance(0.2)
        self.assertTrue(client.transport.aborted)
        client.lose()
        self.assertEqual(relay.clock.getDelayedCalls(), [])

    def test_a_close_in_time_is_not_aborted(self) -> None:
        """Where the other side goes, nothing is left to be done."""
        relay = Relay()
        for client in (relay.client(), relay.connect()):
            client.says(b"nonsense")
            client.lose()
        self.assertEqual(relay.clock.getDelayedCalls(), [])

    def test_a_connection_that_breaks_leaves_no_timer(self) -> None:
        """Before and after the proof."""
        relay = Relay()
        for client in (relay.client(), relay.connect()):
            client.lose()
        self.assertEqual(relay.clock.getDelayedCalls(), [])


class LineTests(SynchronousTestCase):
    """Which lines end the connection, and which do not."""

    def ends(self, data: bytes, code: Code) -> None:
        """A client that says *data* gets an error of that *code*, and no more."""
        client = Relay().client()
        client.connection.dataReceived(data)
        self.assertIs(client.refused(), code)
        self.assertTrue(client.hung_up)

    def test_unknown_verbs(self) -> None:
        """Nobody may say that."""
        self.ends(b"nonsense\r\n", Code.UNKNOWN)
        self.ends(b"\r\n", Code.UNKNOWN)
        self.ends(b"user_added x\r\n", Code.UNKNOWN)

    def test_malformed_lines(self) -> None:
        """A known verb, and fields that are none."""
        self.ends(b"join\r\n", Code.MALFORMED)
        self.ends(b"join UPPER\r\n", Code.MALFORMED)
        self.ends(b"nack ====\r\n", Code.MALFORMED)

    def test_a_line_that_is_too_long(self) -> None:
        """Whole or not, it is refused at 64 KiB, with an error first."""
        self.ends(b"x" * (MAX_LINE + 1), Code.MALFORMED)
        self.ends(b"x" * (MAX_LINE + 1) + b"\r\n", Code.MALFORMED)

    def test_a_line_that_is_just_not_too_long(self) -> None:
        """Also where the two bytes of its end come one by one."""
        for most, words in (3_000, "identity takes"), (2_999, "a line is longer"):
            client = Relay(limits=Limits(identify_bytes=most)).connect()
            client.hears(Banner)
            for piece in b"identity ".ljust(3_000, b"x") + b"\r", b"\n":
                client.connection.dataReceived(piece)
            (error,) = client.hear()
            assert isinstance(error, ErrorLine)
            self.assertIn(words, error.words)

    def test_others_have_their_turn(self) -> None:
        """However many lines come at once: some hundred are taken, and the rest after others."""
        client = Relay().client()
        clock = client.relay.clock
        client.connection.dataReceived(b"cancel a\r\n" * 1_000)
        self.assertEqual(client.transport.producerState, "paused")
        client.connection.dataReceived(b"cancel a\r\n" * 10)  # which was read with them
        answered = []

        def look() -> None:
            answered.append(client.transport.value().count(b"\n"))
            if client.transport.producerState == "paused":
                clock.callLater(0, look)

        look()
        clock.advance(0)
        self.assertEqual(answered, [256, 512, 768, 1_010])
        self.assertEqual(client.relay.factory.buffers.total, 0)

    def test_it_has_one_turn(self) -> None:
        """However often it may go on meanwhile: the next is planned once."""
        client = Relay().client()
        connection, clock = client.connection, client.relay.clock
        connection.dataReceived(b"cancel a\r\n" * 1_500)
        for _ in range(2):
            connection.pauseProducing()
            connection.resumeProducing()
        for _ in range(2):
            connection.hold()
            connection.release()
        self.assertEqual([call.getTime() for call in clock.getDelayedCalls()], [clock.seconds()])
        self.assertEqual(client.transport.value().count(b"\n"), 768)

    def test_the_first_line_is_shorter(self) -> None:
        """Before the proof a few KiB are the most."""
        client = Relay(limits=Limits(identify_bytes=3_000)).connect()
        client.hears(Banner)
        client.connection.dataReceived(b"identity 1 " + b"x" * 3_000)
        self.assertIs(client.refused(), Code.MALFORMED)
        self.assertTrue(client.hung_up)

    def test_what_is_only_refused_does_not_end_anything(self) -> None:
        """After a refusal the next line is served."""
        client = Relay().client()
        client.says(Join("nowhere"), Cancel("nowhere"))
        first, second = client.hear()
        assert isinstance(first, ErrorLine)
        assert isinstance(second, ErrorLine)
        self.assertEqual([first.code, second.code], [Code.NO_ROOM, Code.STATE])
        self.assertEqual([first.subject, second.subject], ["nowhere", "nowhere"])
        self.assertFalse(client.hung_up)


class BackpressureTests(SynchronousTestCase):
    """Clients that do not read what they are sent."""

    def setUp(self) -> None:
        self.relay = Relay(limits=Limits(unread_bytes=200_000))
        self.writer, self.reader = self.relay.room(2)

    def stall(self) -> None:
        """The reader's transport has enough to write."""
        self.reader.connection.pauseProducing()

    def send(self, count: int, size: int = 100) -> list[Send]:
        """Have the writer send *count* frames."""
        frames = [self.writer.frame(ciphertext=bytes(size)) for _ in range(count)]
        self.writer.says(*frames)
        return frames

    def numbers(self) -> list[int]:
        """Return what the reader has heard of the writer's frames."""
        return [line.n for line in self.reader.hear() if isinstance(line, FrameLine)]

    def test_who_reads_slowly_costs_nothing(self) -> None:
        """Frames are not written to it, however many there are."""
        self.stall()
        self.send(100, 10_000)
        self.assertEqual(self.reader.transport.value(), b"")
        self.assertFalse(self.reader.hung_up)

    def test_who_reads_again_is_caught_up(self) -> None:
        """It gets what it missed from the history, in order, and is live after it."""
        self.stall()
        self.send(3)
        self.reader.connection.resumeProducing()
        self.assertEqual(self.numbers(), [0, 1, 2])
        self.send(1)
        self.assertEqual(self.numbers(), [3])

    def test_catching_up_stops_when_the_transport_has_enough(self) -> None:
        """It goes on batch by batch, each after the transport asked for more."""
        self.stall()
        self.send(30, 10_000)
        self.reader.transport = self.reader.connection.transport = Narrow()
        narrow = self.reader.transport
        narrow.registerProducer(self.reader.connection, True)
        heard: list[int] = []
        while len(heard) < 30:
            self.reader.connection.resumeProducing()
            self.relay.clock.advance(0)
            self.assertLess(len(narrow.value()), 2 * 65_536)
            now = self.numbers()
            self.assertGreater(len(now), 0)
            heard += now
        self.assertEqual(heard, list(range(30)))

    def test_all_rooms_get_their_turn(self) -> None:
        """Who is behind in two rooms is caught up in both, even if one always has more."""
        first = self.reader.room
        self.reader.found("second")
        friend = self.relay.client()
        friend.join_by(self.reader, "second")
        narrow = self.reader.connection.transport = self.reader.transport = Narrow()
        narrow.registerProducer(self.reader.connection, True)
        self.stall()
        friend.says(friend.frame())
        rooms = []
        for _ in range(2):
            self.send(1)
            self.reader.connection.resumeProducing()
            rooms += [line.room for line in self.reader.hear() if isinstance(line, FrameLine)]
        self.assertEqual(rooms, [first, friend.room])

    def test_who_does_not_read_is_not_listened_to(self) -> None:
        """Its lines wait, so it cannot have answers pile up; they are served once it reads."""
        self.stall()
        self.assertEqual(self.reader.transport.producerState, "paused")
        page = Roster(self.reader.room, 2, 0)
        self.reader.says(page, page, page)
        self.assertEqual(self.reader.transport.value(), b"")
        self.reader.connection.resumeProducing()
        self.assertEqual(len(self.reader.hear()), 3)
        self.assertEqual(self.reader.transport.producerState, "producing")

    def test_the_lines_that_wait_are_served_as_far_as_it_reads(self) -> None:
        """Each answer may fill the transport again; the next line then waits on."""
        narrow = self.reader.connection.transport = self.reader.transport = Narrow()
        narrow.registerProducer(self.reader.connection, True)
        self.stall()
        self.reader.says(Join("one"), Join("two"))
        for _ in range(2):
            self.reader.connection.resumeProducing()
            self.assertEqual(kinds(self.reader.hear()), [ErrorLine])
            self.assertEqual(narrow.producerState, "paused")
        self.reader.connection.resumeProducing()
        self.assertEqual(narrow.producerState, "producing")

    def test_there_is_an_end_to_patience(self) -> None:
        """What cannot wait in the history is bounded: who lets it pile up is disconnected."""
        self.stall()
        connection = self.reader.connection
        connection.write(bytes(100_000))
        self.relay.clock.advance(0)
        self.assertFalse(self.reader.hung_up)
        connection.write(bytes(100_000))
        connection.write(b"x")
        connection.write(b"x")
        self.assertFalse(self.reader.hung_up, "whoever writes may be going through a room")
        self.reader.transport.clear()
        self.relay.clock.advance(0)
        self.assertIs(self.reader.refused(), Code.BUSY)
        self.assertTrue(self.reader.hung_up)

    def test_the_goodbye_may_be_more_than_enough(self) -> None:
        """Then nothing is kept for later: there is no session any more."""
        narrow = self.reader.connection.transport = self.reader.transport = Narrow()
        narrow.registerProducer(self.reader.connection, True)
        self.reader.connection.hang_up(ErrorLine(Code.BUSY, "-", "go"))
        self.assertIs(self.reader.refused(), Code.BUSY)
        self.assertTrue(self.reader.hung_up)
        self.send(1)
        self.assertEqual(self.reader.hear(), [])

    def test_who_goes_in_that_moment_is_gone(self) -> None:
        """Nothing is left to be done for a connection that is lost."""
        self.stall()
        self.reader.connection.write(bytes(200_001))
        self.reader.lose()
        self.assertEqual(self.relay.clock.getDelayedCalls(), [])

    def test_a_transport_that_stops_the_producer_is_heeded(self) -> None:
        """Twisted says so right before the connection is lost."""
        self.reader.connection.stopProducing()
        self.reader.lose()
        self.send(1)
        self.assertEqual(len(self.writer.hear()), 1)


class Narrow(Transport):
    """A transport that has enough after each write."""

    def write(self, data: bytes) -> None:
        super().write(data)
        assert self.producer is not None
        self.producer.pauseProducing()


class LogTests(SynchronousTestCase):
    """What the operator sees."""

    def logged(self, client: Client, line: bytes) -> list[str | None]:
        """Return what is logged when *client* says *line*."""
        with capturedLogs() as events:
            client.says(line)
        return [formatEvent(event) for event in events]

    def test_who_comes_and_goes_is_not_logged(self) -> None:
        """Unless the operator asks for it, by `log_connections`."""
        for wanted in (False, True):
            with capturedLogs() as events:
                client = Relay(log_connections=wanted).client()
                client.lose()
            shown = [formatEvent(event) for event in events]
            name = short(client.fingerprint)
            self.assertEqual(shown, [f"{name} is connected", f"{name} is gone"] if wanted else [])

    def test_nobody_fills_the_log(self) -> None:
        """Not by any number of connections, whether they prove an identity or not."""
        for connect in (Relay.client, Relay.connect):
            relay = Relay()
            with capturedLogs() as events:
                for _ in range(MAX_LOGGED + 10):
                    connect(relay).says(b"join nowhere", b"nonsense")
            self.assertEqual(len(events), MAX_LOGGED)
            relay.clock.advance(60)
            self.assertEqual(len(self.logged(relay.client(), b"nonsense")), 1)

    def test_lines_are_not_logged(self) -> None:
        """Unless the operator asks for it."""
        client = Relay().client()
        self.assertNotIn("join lobby", "".join(map(str, self.logged(client, b"join lobby"))))

    def test_lines_are_logged_on_request(self) -> None:
        """By `log_wire`: who said what, cut."""
        client = Relay(log_wire=True).client()
        line = serialise(client_frame := Send(bytes(32), 1, 0, 0, bytes(12), bytes(500)))
        self.assertEqual(client_frame.n, 0)
        shown = self.logged(client, line)[0]
        self.assertEqual(shown, f"{short(client.fingerprint)} says: {line[:120].decode('ascii')}")

    def test_nothing_reaches_a_terminal(self) -> None:
        """Control characters of hostile lines are shown as escapes."""
        client = Relay(log_wire=True).client()
        shown = self.logged(client, b"\x1b[2J\xff\n")[0]
        self.assertEqual(shown, rf"{short(client.fingerprint)} says: \x1b[2J\xff\n")

    def test_refusals_are_logged(self) -> None:
        """With whom and why, and nothing of the line."""
        client = Relay().client()
        words = "there is no room of that label here"
        self.assertEqual(
            self.logged(client, b"join lobby"),
            [f"{short(client.fingerprint)} is refused: {words}"],
        )

    def test_refusals_do_not_fill_the_log(self) -> None:
        """Only the first of a connection are logged; all are answered."""
        client = Relay().client()
        lines = b"\r\n".join([b"join lobby"] * 100)
        self.assertEqual(len(self.logged(client, lines)), MAX_REFUSALS_LOGGED)
        self.assertEqual(len(client.hears_all(ErrorLine)), 100)
