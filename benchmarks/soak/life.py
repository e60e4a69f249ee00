"""One life of a member of the soak, from the start of its process until that is killed."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from benchmarks.soak.witness import Witness
from securechat import keyfile
from securechat.address import Address
from securechat.client.client import ChatClient
from securechat.client.directory import StateDirectory
from securechat.client.known import KnownRooms
from securechat.errors import RoomKnown, SecureChatError
from securechat.group.room import Room
from securechat.trust import TrustStore

RETRY_SECONDS = 0.5
MOST_WAITING = 100
"""Texts that wait; past that none is sent, so that the end comes soon after the last kill."""
BURST = 4
"""Texts that are sent at once, at most."""


class Life:
    """A client that is in rooms, and does what it is told to."""

    def __init__(
        self,
        reactor: Any,
        home: Path,
        address: Address,
        labels: list[str],
        tell: Callable[..., None],
        *,
        rate: float,
        seed: str,
        founds: bool,
    ) -> None:
        """
        :param home: has its identity, its trusted identities, its state, and its account.
        :param tell: tells who has started the process how it goes.
        :param rate: texts that it sends in a second, on average.
        :param seed: of its chances.
        :param founds: whether it makes the rooms.
        """
        identity = keyfile.load(home / keyfile.KEY_FILE, None)
        self._reactor = reactor
        self._labels = labels
        self._tell = tell
        self._rate = rate
        self._chance = random.Random(seed)
        self._founds = founds
        self._rooms: dict[str, Room] = {}
        self._witness = Witness(reactor, home, labels, tell, self._removed)
        self._said = len(self._witness.account.meant)
        self._sending = False
        self._end: Deferred[None] = Deferred()
        self._state = StateDirectory.open(home, identity, messages=True)
        self._client = ChatClient(
            reactor,
            identity,
            TrustStore.open(home, identity),
            address,
            name=home.name,
            known=KnownRooms.open(home, identity),
            state=self._state,
        )
        self._client.observe(self._witness)

    async def live(self) -> None:
        """Be in the rooms until the end is said."""
        for label in self._labels:
            self._rooms[label] = await self._enter(label)
        self._tell("in")
        LoopingCall(self._tally).start(1)
        self._say_next()
        await self._end
        await self._client.close()
        self._state.close()

    # What the play says

    def hear_go(self) -> None:
        self._sending = True
        self._witness.lenient = False

    def hear_change(self) -> None:
        for room in self._rooms.values():
            change = self._reform(room) if self._founds else self._client.renew(room)
            change.addCallbacks(lambda _: self._tell("changed"), self._not_changed)

    def hear_leave(self) -> None:
        if self._rooms:
            Deferred.fromCoroutine(self._leave(self._chance.choice(sorted(self._rooms))))

    def hear_stop(self) -> None:
        self._sending = False

    def hear_where(self, question: str) -> None:
        numbers = {label: room.seq for label, room in self._rooms.items()}
        self._tell("here", int(question), self._unsent(), numbers)

    def hear_end(self) -> None:
        if not self._end.called:
            self._end.callback(None)

    # Coming and going

    async def _enter(self, label: str) -> Room:
        rejoin = self._witness.left(label)  # it may have been killed while it came in again
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
                print(f"{label}: {error}", file=sys.stderr)
                await deferLater(self._reactor, RETRY_SECONDS)

    async def _leave(self, label: str) -> None:
        """Leave the room once nothing waits there, and come back as anybody else."""
        room = self._rooms.pop(label)
        while room.unsent or room.held:
            await deferLater(self._reactor, RETRY_SECONDS)
        self._witness.leaves(label, room.seq)
        try:
            await self._client.leave(room)
        except SecureChatError as error:
            print(f"{label}: {error}", file=sys.stderr)
        else:
            self._tell("left")
        self._rooms[label] = await self._enter(label)

    def _removed(self, label: str) -> None:
        if self._rooms.pop(label, None):
            Deferred.fromCoroutine(self._return(label))

    async def _return(self, label: str) -> None:
        self._rooms[label] = await self._enter(label)

    # Saying

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
        self._witness.means(text)
        sent = self._client.send(self._rooms[label], text)
        sent.addCallback(self._witness.sent, text)
        sent.addErrback(self._witness.not_sent, text)
        # The client stores what it was given at the end of this turn of the reactor. What is
        # called in the next one calls in the one after it, whatever the clock says.
        accepted = partial(self._witness.accepted, text)
        self._reactor.callLater(0, self._reactor.callLater, 0, accepted)

    def _reform(self, room: Room) -> Deferred[None]:
        """Change the policy, for there is no limit on that like the one on new leaves."""
        policy = room.log.membership.policy
        new = attrs.evolve(policy, rounds=policy.rounds + 1)
        return self._client.reform(room, policy=new)

    def _not_changed(self, reason: Failure) -> None:
        reason.trap(SecureChatError)
        print(reason.getErrorMessage(), file=sys.stderr)

    def _tally(self) -> None:
        self._tell("tally", self._witness.acknowledged, self._witness.shown)
