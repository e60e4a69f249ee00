"""What a relay counts of what happens, and of what there is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.counts import Census
from securechat.relay.limits import Limits
from securechat.relay.pace import BACKLOG, LAG
from securechat.relay.protocol import ENOUGH
from securechat.wire import Code, ErrorLine, FrameLine, Join, NewUser
from tests.relay.clients import Client, Relay
from tests.relay.test_audience import Turns
from tests.relay.test_pace import Behind


class CountsCase(SynchronousTestCase):
    """A relay, and what it has counted since a test asked last."""

    def begin(self, **settings: Any) -> None:
        """Have a relay."""
        self.relay = Relay(**settings)
        self._before: dict[str, Any] = {}
        self.counted()

    def counted(self) -> dict[str, Any]:
        """Return by how much which counts are more than the last time."""
        now = attrs.asdict(self.relay.factory.counts, recurse=False)
        now |= {name: Counter(each) for name, each in now.items() if isinstance(each, Counter)}
        before, self._before = self._before, now
        return {
            name: count - before[name]
            for name, count in now.items()
            if before and count != before[name]
        }


class ConnectionTests(CountsCase):
    """Connections."""

    def test_who_comes(self) -> None:
        """Everybody counts, and again who has proved an identity; to go is not counted."""
        self.begin()
        client = self.relay.connect()
        self.assertEqual(self.counted(), {"connections_accepted": 1})
        self.relay.client()
        self.assertEqual(self.counted(), {"connections_accepted": 1, "connections_proved": 1})
        client.lose()
        self.assertEqual(self.counted(), {})

    def test_a_crowd(self) -> None:
        """Who is one too many is hung up on; who is so beyond that, dropped."""
        self.begin(limits=Limits(unproved_per_address=1))
        for more in ({}, {"hang_ups": {Code.BUSY: 1}}, {"connections_dropped": 1}):
            self.relay.connect()
            self.assertEqual(self.counted(), {"connections_accepted": 1} | more)

    def test_refusals(self) -> None:
        """By their code."""
        self.begin()
        client = self.relay.client()
        self.counted()
        client.says(Join("lobby"), Join("den"))
        self.assertEqual(self.counted(), {"refusals": {Code.NO_ROOM: 2}})

    def test_hang_ups(self) -> None:
        """By their code, once for each connection."""
        self.begin()
        for said, code in (b"nonsense", Code.UNKNOWN), (b"who me", Code.MALFORMED):
            client = self.relay.client()
            self.counted()
            client.says(said)
            client.connection.hang_up(ErrorLine(Code.BUSY, "-", "once more"))
            self.assertEqual(self.counted(), {"hang_ups": {code: 1}})

    def test_who_does_not_read(self) -> None:
        """It is hung up on for being busy; that it is for that reason is counted as well."""
        self.begin(limits=Limits(unread_bytes=200_000))
        client = self.relay.client()
        client.connection.pauseProducing()
        self.counted()
        client.connection.write(bytes(200_001))
        self.assertEqual(self.counted(), {})
        self.relay.clock.advance(0)
        self.assertEqual(self.counted(), {"hang_ups": {Code.BUSY: 1}, "slow_clients": 1})

    def test_who_does_not_speak(self) -> None:
        """The same."""
        self.begin()
        self.relay.client()
        self.counted()
        self.relay.factory.watch.look()
        self.relay.clock.advance(600)
        self.relay.factory.watch.look()
        self.assertEqual(self.counted(), {"hang_ups": {Code.TIMEOUT: 1}, "silent_clients": 1})

    def test_for_whom_most_is_held(self) -> None:
        """Whether it is hung up on for that, or was before."""
        self.begin(limits=Limits(buffered_bytes=2**20, unread_bytes=2**21))
        client = self.relay.client()
        client.connection.pauseProducing()
        self.counted()
        client.connection.write(bytes(2**20))
        self.relay.clock.advance(0)
        self.assertEqual(self.counted(), {"hang_ups": {Code.BUSY: 1}, "greedy_clients": 1})


class RoomTests(CountsCase):
    """What rooms are told."""

    def setUp(self) -> None:
        self.history = Turns()
        self.begin(history=self.history)
        self.alice, self.bob, self.carol = self.members = self.relay.room(3)
        self.counted()

    def say(self, count: int = 1, size: int = 80) -> None:
        """Have Alice say that many frames in one turn."""
        self.history.gathering = True
        for _ in range(count):
            self.alice.says(self.alice.frame(ciphertext=bytes(size)))
        self.history.gathering = False
        self.history.tell()

    def test_frames(self) -> None:
        """Each once for the room, and once for each who hears it at once, who says it included."""
        self.say(5)
        size = len(self.bob.transport.value())
        self.assertEqual(
            self.counted(),
            {"frames": 5, "frame_bytes": size, "deliveries": 15, "delivered_bytes": 3 * size},
        )

    def test_who_is_behind(self) -> None:
        """Nothing is delivered to it at once; it reads the history when it reads again."""
        self.bob.connection.pauseProducing()
        self.say()
        self.assertEqual(self.counted()["deliveries"], 2)
        self.bob.connection.resumeProducing()
        self.assertEqual(len(self.bob.hears_all(FrameLine)), 1)
        self.assertEqual(self.counted(), {"catch_up_reads": 1})

    def test_entries(self) -> None:
        """Each once, whoever hears it."""
        self.alice.land(self.alice.update())
        self.assertEqual(self.counted(), {"entries": 1})

    def test_a_flood_that_others_cannot_hear(self) -> None:
        """Who speaks is held, once."""
        for member in (self.bob, self.carol):
            member.connection.pauseProducing()
        self.say(LAG // 30_000, 30_000)
        self.say()
        self.assertEqual(self.counted()["senders_held"], 1)

    def test_who_is_here(self) -> None:
        """The census follows who comes, falls behind and goes; the rest it takes as it is."""
        self.bob.connection.pauseProducing()
        self.carol.lose()
        self.relay.connect()
        self.alice.connection.dataReceived(b"who ")
        self.history.backlog = 7
        self.assertEqual(
            self.relay.factory.census(),
            Census(
                connections=3,
                sessions=2,
                rooms=1,
                members_online=2,
                members_behind=1,
                newcomers_waiting=0,
                mailboxes=0,
                buffered_bytes=4 + ENOUGH,
                history_backlog_bytes=7,
            ),
        )

    def test_who_waits(self) -> None:
        """Those who are admitted do not."""
        joiners: list[Client] = [self.relay.client() for _ in range(6)]
        for joiner in joiners:
            joiner.join()
        self.assertEqual(len(self.alice.hears_all(NewUser)), 4)
        self.assertEqual(self.relay.factory.census().newcomers_waiting, 2)


class DiskTests(CountsCase):
    """A history that cannot store as fast as is spoken."""

    def test_who_waits_for_it(self) -> None:
        """Is held each time."""
        history = Behind()
        self.begin(history=history)
        alice, _ = self.relay.room(2)
        self.counted()
        history.backlog = BACKLOG + 1
        alice.says(alice.frame())
        self.assertEqual(self.counted()["senders_held"], 1)
