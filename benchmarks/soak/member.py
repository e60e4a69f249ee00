"""
A client of the soak, as a process: ``python -m benchmarks.soak.member``.

It hears words on stdin, ``go`` (send), ``change`` (give the rooms new keys), ``leave`` (a room, and
join it again), ``stop`` (send no more), ``where N`` (answer), ``end``, and tells on stdout, each
line a JSON array of a word and values:

``in``             it is in all rooms, after so many seconds of its life
``back``           a connection was lost, and all rooms are live again, after so many seconds
``changed``        it has given a room new keys
``left``           it has left a room
``tally``          how many texts it has acknowledged and been shown in this life
``here``           to ``where N``: N, how many texts wait, and the newest number of each room
``trouble``        something that must not be
"""

from __future__ import annotations

import json
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import stdio, task
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from benchmarks.soak.account import Account, Pen, room_of
from securechat import keyfile
from securechat.address import Address
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.events import CaughtUp, Disconnected, Event, Refusal, StorageFailed
from securechat.client.known import KnownRooms
from securechat.errors import FateUnknown, NotAMember, RoomKnown, SecureChatError, StateLost
from securechat.group.events import (
    Alarm,
    Delivered,
    FramesMissing,
    KeysLost,
    MemberAdded,
    MemberRemoved,
    Message,
    Removed,
    Uncertain,
)
from securechat.group.room import Room
from securechat.trust import TrustStore

RETRY_SECONDS = 0.5
MOST_WAITING = 100
"""Texts that wait; past that none is sent, so that the end comes soon after the last kill."""
BURST = 4
"""Texts that are sent at once, at most."""

_TROUBLE = (Alarm, FramesMissing, KeysLost, Removed, Refusal, StorageFailed)


def tell(*values: object) -> None:
    """Write a line of *values* for who has started this process."""
    print(json.dumps(values), flush=True)


class Ear(LineOnlyReceiver):
    """Hears what the play says."""

    delimiter = b"\n"

    def __init__(self, member: Member) -> None:
        self._member = member

    def lineReceived(self, line: bytes) -> None:
        word, *values = line.decode().split()
        getattr(self._member, f"hear_{word}")(*values)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._member.hear_end()


class Member:
    """One life of a member."""

    def __init__(
        self,
        reactor: Any,
        home: Path,
        address: Address,
        labels: list[str],
        rate: float,
        seed: str,
        *,
        founds: bool,
    ) -> None:
        """
        :param home: has its identity, its trusted identities, its state, and its account.
        :param founds: whether it makes the rooms.
        :param rate: texts that it sends in a second, on average.
        :param seed: of its chances.
        """
        identity = keyfile.load(home / keyfile.KEY_FILE, None)
        self._reactor = reactor
        self._born = self._lost_at = reactor.seconds()
        self._home = home
        self._rate = rate
        self._chance = random.Random(seed)
        self._labels = labels
        self._founds = founds
        self._rooms: dict[str, Room] = {}
        self._behind = set(labels)  # rooms that are not live
        self._state = StateDirectory.open(home, identity, messages=True)
        self._pen = Pen(home)
        self._pen.note("born")
        account = Account.read(home)
        self._said = len(account.meant)
        self._left = {label for label, _ in account.left}
        self._acknowledged = self._shown = 0
        self._pending: set[str] = set()  # what was sent in this life
        self._sending = False
        self._end: Deferred[None] = Deferred()
        trust = TrustStore.open(home, identity)
        self._client = ChatClient(
            reactor,
            identity,
            trust,
            address,
            name=home.name,
            known=KnownRooms.open(home, identity),
            state=self._state,
        )
        self._client.observe(self._happened)

    async def live(self) -> None:
        """Be in the rooms until the end is said."""
        stdio.StandardIO(Ear(self))
        for label in self._labels:
            self._rooms[label] = await self._enter(label)
        tell("in", self._reactor.seconds() - self._born)
        task.LoopingCall(self._tally).start(1)
        self._say_next()
        await self._end
        await self._client.close()
        self._state.close()

    # What the play says

    def hear_go(self) -> None:
        self._sending = True

    def hear_change(self) -> None:
        for room in self._rooms.values():
            change = self._reform(room) if self._founds else self._client.renew(room)
            change.addCallbacks(lambda _: tell("changed"), self._not_changed)

    def hear_leave(self) -> None:
        if self._rooms:
            Deferred.fromCoroutine(self._leave(self._chance.choice(sorted(self._rooms))))

    def hear_stop(self) -> None:
        self._sending = False

    def hear_where(self, question: str) -> None:
        numbers = {label: room.seq for label, room in self._rooms.items()}
        tell("here", int(question), self._unsent(), numbers)

    def hear_end(self) -> None:
        if not self._end.called:
            self._end.callback(None)

    # How

    async def _enter(self, label: str) -> Room:
        rejoin = False
        while True:
            try:
                await self._client.connect()
                if self._founds:
                    try:
                        return await self._client.found(label)
                    except RoomKnown:  # from an earlier life
                        pass
                return await self._client.join(label, rejoin=rejoin)
            except SecureChatError as error:
                rejoin = isinstance(error, StateLost)  # it was killed while it came in
                print(f"{label}: {error}", file=sys.stderr)
                await task.deferLater(self._reactor, RETRY_SECONDS)

    async def _leave(self, label: str) -> None:
        """Leave the room once nothing waits there, and come back as anybody else."""
        room = self._rooms.pop(label)
        while room.unsent or room.held:
            await task.deferLater(self._reactor, RETRY_SECONDS)
        self._pen.note("left", room.seq, label)
        self._left.add(label)
        try:
            await self._client.leave(room)
        except SecureChatError as error:
            print(f"{label}: {error}", file=sys.stderr)
        else:
            tell("left")
        self._rooms[label] = await self._enter(label)

    async def _removed(self, label: str) -> None:
        """A leave of an earlier life has come to its end."""
        account = Account.read(self._home)
        for text in account.accepted - account.acknowledged - account.uncertain - self._pending:
            if room_of(text) == label:
                self._pen.note("uncertain", text)
        if self._rooms.pop(label, None):
            self._rooms[label] = await self._enter(label)

    def _unsent(self) -> int:
        return sum(room.unsent + room.held for room in self._rooms.values())

    def _say_next(self) -> None:
        number = self._chance.randint(1, BURST)
        pause = self._chance.expovariate(self._rate / number)
        self._reactor.callLater(pause, self._say_next)
        for _ in range(number):
            label = self._chance.choice(self._labels)
            if self._sending and label in self._rooms and self._unsent() < MOST_WAITING:
                self._say(label)

    def _say(self, label: str) -> None:
        self._said += 1
        text = f"{label} {self._said}"
        self._pen.note("meant", text)
        self._pending.add(text)
        sent = self._client.send(self._rooms[label], text)
        sent.addCallbacks(self._sent, self._not_sent, callbackArgs=(text,), errbackArgs=(text,))
        # The client stores what it was given at the end of this turn of the reactor. What is
        # called in the next one calls in the one after it, whatever the clock says.
        accepted = partial(self._pen.note, "accepted", text)
        self._reactor.callLater(0, self._reactor.callLater, 0, accepted)

    def _sent(self, _: int, text: str) -> None:
        self._pending.discard(text)
        self._acknowledged += 1
        self._pen.note("acknowledged", text)

    def _not_sent(self, reason: Failure, text: str) -> None:
        if reason.check(FateUnknown, NotAMember):
            self._pen.note("uncertain", text)
        else:
            reason.trap(SecureChatError)  # the client is closed, and the text stays in the state

    def _reform(self, room: Room) -> Deferred[None]:
        """Change the policy, for there is no limit on that like the one on new leaves."""
        policy = room.log.membership.policy
        new = attrs.evolve(policy, rounds=policy.rounds + 1)
        return self._client.reform(room, policy=new)

    def _not_changed(self, reason: Failure) -> None:
        reason.trap(SecureChatError)
        print(reason.getErrorMessage(), file=sys.stderr)

    def _tally(self) -> None:
        tell("tally", self._acknowledged, self._shown)

    def _happened(self, event: Event) -> None:
        match event:
            case Message():
                self._message(event)
            case Delivered() if event.text and event.text not in self._pending:
                self._sent(event.seq, event.text)  # in an earlier life, of which no Deferred knows
            case Uncertain() if event.text and event.text not in self._pending:
                self._pen.note("uncertain", event.text)
            case MemberAdded():
                self._pen.note("roster", event.seq, "+", event.member.hex(), event.label)
            case MemberRemoved():
                self._pen.note("roster", event.seq, "-", event.member.hex(), event.label)
            case Removed() if event.label in self._left:
                Deferred.fromCoroutine(self._removed(event.label))
            case Disconnected() if not self._behind:
                self._lost_at, self._behind = self._reactor.seconds(), set(self._rooms)
            case CaughtUp() if event.label in self._behind:
                self._behind.remove(event.label)
                if not self._behind:
                    tell("back", self._reactor.seconds() - self._lost_at)
            case Refusal() if not self._sending:
                # Where many come in at once, who vouches for them soon has no entries left.
                print(event.why, file=sys.stderr)
            case _ if isinstance(event, _TROUBLE):
                tell("trouble", repr(event))

    def _message(self, event: Message) -> None:
        self._shown += 1
        self._pen.note("shown", event.seq, event.sender.hex(), event.text)


async def main(reactor: Any, home: str, address: str, rate: str, seed: str, *words: str) -> None:
    """Live, in the rooms of *words*, of which the first is ``found`` or ``join``."""
    founds, *labels = words
    member = Member(
        reactor,
        Path(home),
        Address.parse(address),
        labels,
        float(rate),
        seed,
        founds=founds == "found",
    )
    await member.live()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
