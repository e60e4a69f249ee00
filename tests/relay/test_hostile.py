"""
Whatever clients say: the relay answers with an error or does what was asked, and goes on.

trial fails a test in which anything was logged as an error, so a traceback is seen even where
it would end only one connection.
"""

from __future__ import annotations

import contextlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from securechat.errors import EntryRefused
from securechat.group.detail import Why
from securechat.relay.limits import Limits
from securechat.wire import (
    FROM_CLIENT,
    PAKE,
    SLICE,
    AddUser,
    Begin,
    Cancel,
    Challenge,
    Claim,
    Close,
    Code,
    Commit,
    ErrorLine,
    Found,
    Invite,
    Invited,
    Join,
    Leave,
    Leaves,
    Line,
    Mail,
    Nack,
    NewUser,
    Response,
    Restore,
    Resume,
    Roster,
    Slices,
    Vouch,
    Who,
)
from tests.relay.clients import Client, Relay
from tests.relay.stored import StoredHistory

T = TypeVar("T")

# Bytes that get further into the parser than random ones do.
VERBS = st.sampled_from(sorted(line.verb.encode() for line in FROM_CLIENT))
FIELDS = st.one_of(
    st.binary(max_size=40).map(urlsafe_b64encode),
    st.binary(max_size=40).map(lambda data: urlsafe_b64encode(data).rstrip(b"=")),
    st.sampled_from([16, 32, 12, 64]).map(lambda size: urlsafe_b64encode(bytes(size)).strip(b"=")),
    st.integers(0, 2**60).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"lobby", b"-", b"\r", b"\n", "é".encode()]),
)
LINES = st.builds(
    lambda verb, fields: b" ".join([verb, *fields]), VERBS, st.lists(FIELDS, max_size=7)
)
BYTES = st.one_of(
    st.binary(max_size=300), st.lists(LINES, max_size=6).map(lambda lines: b"\r\n".join(lines))
).map(lambda data: data + b"\r\n")


class BytesTests(SynchronousTestCase):
    """Any bytes, in any pieces."""

    def answer(self, data: bytes, *, proved: bool, bytewise: bool) -> list[Line]:
        """Return what a connection that gets *data* hears, its own errors last."""
        relay = Relay()
        relay.room(1)
        client = relay.client() if proved else relay.connect()
        client.hear()
        size = 1 if bytewise else len(data)
        for start in range(0, len(data), size):
            client.connection.dataReceived(data[start : start + size])
        heard = client.hear()
        for line in heard[:-1]:
            if isinstance(line, ErrorLine):
                self.assertNotIn(line.code, {Code.UNKNOWN, Code.MALFORMED}, "nothing follows")
        if client.hung_up:
            self.assertIsInstance(heard[-1], ErrorLine)
        client.lose()
        self.assertEqual(relay.clock.getDelayedCalls(), [])
        return heard

    @given(BYTES)
    def test_before_the_proof(self, data: bytes) -> None:
        """One error, whatever it is."""
        for bytewise in (False, True):
            heard = self.answer(data, proved=False, bytewise=bytewise)
            self.assertEqual([type(line) for line in heard], [ErrorLine])

    @given(BYTES)
    def test_after_the_proof(self, data: bytes) -> None:
        """The same answers, whole and a byte at a time."""
        codes = [
            [line.code for line in heard if isinstance(line, ErrorLine)]
            for bytewise in (False, True)
            for heard in [self.answer(data, proved=True, bytewise=bytewise)]
        ]
        self.assertEqual(codes[0], codes[1])


class Crowd:
    """Members and newcomers who know what there is to know, and say anything of it."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.history = StoredHistory()
        self.relay = Relay(
            limits=Limits(waiting_per_room=2, rooms_per_connection=2, joins_per_connection=2),
            history=self.history,
        )
        self.clients = [*self.relay.room(3), *(self.relay.client() for _ in range(7))]
        self.log, self.seq = self.clients[0].log, self.clients[0].seq
        self.attempts: dict[bytes, Iterator[None]] = {}
        self.numbers: list[int] = []

    def pick(self, things: Sequence[T]) -> T:
        return self.data.draw(st.sampled_from(things))

    def act(self) -> None:
        """Have something happen to somebody."""
        client = self.pick(self.clients)
        if client.hung_up:
            client = self.again(client)
        what = self.pick(
            ["say"] * 9 + ["step"] * 6 + ["stall", "read", "break", "wait", "slow", "store", "lose"]
        )
        if what == "say":
            client.log, client.seq = self.log, self.seq
            # What it cannot even make it does not say.
            with contextlib.suppress(EntryRefused):
                self.say(client)
        elif what == "step" and self.attempts:
            with contextlib.suppress(EntryRefused):
                next(self.pick(list(self.attempts.values())), None)
        elif what == "stall":
            client.connection.pauseProducing()
        elif what == "read":
            client.connection.resumeProducing()
        elif what == "break":
            self.again(client)
        elif what == "slow":
            self.history.slow = True
        elif what == "store":
            self.history.slow = False
            self.history.store()
        elif what == "lose":
            self.history.lose()
        elif what == "wait":
            self.relay.clock.advance(self.pick([1, 31]))
        self.listen()

    def again(self, client: Client) -> Client:
        """Break the connection of *client*, and return a new one of the same identity."""
        client.lose()
        new = self.relay.client(client.identity)
        self.clients[self.clients.index(client)] = new
        return new

    def listen(self) -> None:
        """Have everybody hear, and remember what is new."""
        for client in self.clients:
            client.log = self.log
            for line in client.hear():
                if isinstance(line, NewUser):
                    self.attempts[line.attempt] = self.steps(client, line)
                elif isinstance(line, Invited):
                    self.numbers.append(line.number)
            self.log = max(self.log, client.log, key=lambda log: log.epoch)
        self.seq = max(client.seq for client in self.clients)
        held = sum(connection.held for connection in self.relay.factory.connections)
        assert self.relay.factory.buffers.total == held

    def steps(self, voucher: Client, asked: NewUser) -> Iterator[None]:
        """Take the steps of an attempt as they should be taken, one at a time."""
        joiner = next(
            each for each in self.clients if each.identity.bundle.encode() == asked.bundle
        )
        voucher.vouch(asked.attempt)
        yield
        joiner.challenge(asked.attempt)
        yield
        voucher.respond(asked.attempt)
        yield
        voucher.log, voucher.seq = self.log, self.seq
        known = joiner.fingerprint in self.log.membership.index
        if asked.room == self.log.room and not known:
            voucher.add(asked.attempt, joiner)

    def say(self, client: Client) -> None:
        """Have *client* say a line, or the lines of a change, in part or whole."""
        others = [
            other
            for other in self.clients
            if other is not client and other.fingerprint in self.log.membership.index
        ]
        member = client.fingerprint in self.log.membership.index
        what = self.pick(["line", "line", "update", "kick", "pieces", "leave"])
        if what == "line" or not member or not others:
            client.says(self.pick(self.lines(client))())
        elif what == "update":
            client.land(client.update())
        elif what == "kick" and client.fingerprint in self.log.membership.owners:
            client.land(client.removal(self.pick(others), why=Why.KICKED))
        elif what == "pieces":
            client.begin(client.update())
            client.slices(self.data.draw(st.integers(0, 4)), self.data.draw(st.integers(0, 2)))
        else:
            self.leave(client)

    def leave(self, client: Client) -> None:
        """Have *client* leave, and perhaps somebody remove it."""
        client.leave()
        if self.data.draw(st.booleans()):
            client.join()
        remover = self.pick(self.clients)
        remover.log, remover.seq = self.log, self.seq
        if remover is not client and remover.fingerprint in self.log.membership.index:
            remover.land(remover.removal(client))

    def lines(self, client: Client) -> list[Callable[[], Line | bytes]]:
        """Return what makes lines that *client* might say."""
        log = self.log
        attempt = self.pick([bytes(16), *self.attempts])
        number = self.pick([0, *self.numbers])
        says: list[Callable[[], Line | bytes]] = [
            lambda: Join("lobby"),
            lambda: Join("lobby"),
            lambda: Cancel("lobby"),
            lambda: Nack(attempt),
            lambda: Vouch(attempt, client.identity.bundle.encode(), b"sealed"),
            lambda: Challenge(attempt, b"sealed"),
            lambda: Response(attempt, b"sealed"),
            lambda: AddUser(attempt, client.creation("lobby").encode()),
            lambda: Roster(log.room, log.epoch, 0),
            lambda: Resume(log.room, log.epoch, log.head, 2),
            lambda: Resume(log.room, log.epoch, log.head, self.seq),
            lambda: Resume(log.room, log.epoch, log.head, self.seq + 3),
            lambda: Resume(log.room, log.epoch + 1, bytes(32), 2),
            lambda: Restore(log.room, self.seq + 1, log.recent[-1].encode()),
            lambda: Restore(log.room, self.seq + 5, client.creation("lobby").encode()),
            lambda: Leave(log.room, bytes(64)),
            lambda: Who(log.room),
            lambda: Leaves(log.room, log.epoch, 0),
            lambda: Begin(log.room, log.recent[-1].encode()),
            lambda: Slices(log.room, 0, bytes(SLICE)),
            lambda: Commit(log.room),
            lambda: Found(client.creation("other").encode()),
            lambda: b"join other",
            lambda: Invite(bytes(PAKE)),
            lambda: Claim(number),
            lambda: Mail(number, b"sealed"),
            lambda: Close(number),
        ]
        if client.fingerprint in log.membership.index:
            says += [client.frame, lambda: Begin(log.room, client.update().encode())]
            says.append(lambda: Restore(log.room, self.seq + 1, client.update().encode()))
        return says


class LinesTests(SynchronousTestCase):
    """Any sequence of well-formed lines."""

    @given(st.data())
    def test_nothing_goes_wrong(self, data: st.DataObject) -> None:
        """
        Whoever says, stalls, breaks, goes or comes back, whatever is stored late or lost: nobody
        finds a fault, and the room still works, unless everybody has left it.
        """
        crowd = Crowd(data)
        for _ in range(data.draw(st.integers(0, 60))):
            crowd.act()
        first, *others = crowd.clients
        for client in others:
            client.lose()
        last = crowd.again(first)
        crowd.history.slow = False
        crowd.history.store()
        last.log = crowd.log
        last.resume(seq=2)
        crowd.relay.clock.advance(0)
        heard = last.hear()[-1]
        if isinstance(heard, ErrorLine):
            self.assertIn(heard.code, {Code.NOT_MEMBER, Code.NO_ROOM})
        last.lose()
        crowd.relay.clock.advance(0)
        self.assertEqual(crowd.relay.clock.getDelayedCalls(), [])
