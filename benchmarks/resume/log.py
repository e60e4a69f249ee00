"""The room of a month, made where the relay and the member will find it."""

from __future__ import annotations

import time
from pathlib import Path

from securechat import keyfile
from securechat.address import Address
from securechat.client.directory import StateDirectory
from securechat.group.messages import Kind
from securechat.group.room import Room
from securechat.relay import Draft, SQLiteHistory
from securechat.relay.retention import Retention
from securechat.testing import Network, Person
from securechat.trust import TrustStore
from securechat.wire import Send, serialise

LABEL = "lobby"
DAY = 86_400.0


def make(history: Path, home: Path, address: Address, messages: int, days: float) -> None:
    """
    Make the history of a room in which Alice said *messages* in *days* up to now.

    :param home: of Bob, who has been a member since before, and is away.
    :param address: where the relay will be.
    """
    network = Network()
    network.clock.advance(time.time() - days * DAY - 60)
    disk = SQLiteHistory(history, network.clock, Retention(retain_days=days + 1))
    network.relay = type(network.relay)(
        network.clock, addresses=network.relay.addresses, history=disk
    )
    alice, bob = network.client("alice"), network.client("bob")
    alice.trust(bob)
    bob.trust(alice)
    hers = network.get(alice.chat.found(LABEL))
    his = network.get(bob.chat.join(LABEL))
    _settle_down(home, address, bob, his)
    for person in (alice, bob):
        network.get(person.chat.close())
    _talk(network, disk, hers, messages, days)
    network.get(disk.close())


def _settle_down(home: Path, address: Address, bob: Person, room: Room) -> None:
    """Keep what Bob's next process needs: identity, trust, and the room."""
    keyfile.create(home, bob.identity, None)
    trust = TrustStore.open(home, bob.identity)
    for each in bob.trusted:
        trust.add(each.petname, each.fingerprint, "typed", each.when)
    with StateDirectory.open(home, bob.identity) as state:
        state.save(address, room.id, room.changes())
        state.commit()


def _talk(network: Network, disk: SQLiteHistory, room: Room, messages: int, days: float) -> None:
    """Let *room*'s member say all that, each once the one before is in the stream."""
    for number in range(messages):
        room.say(Kind.TEXT, f"message {number} of {messages}".encode())
        frame = room.outgoing.popleft()
        header = frame.header
        line = Send(room.id, header.epoch, header.row, header.n, frame.nonce, frame.ciphertext)
        rest = serialise(line).split(b" ", 2)[2]
        disk.append_frame(room.id, room.place.head, Draft(b"frame", rest))
        room.take_frame(room.seq + 1, frame)
        network.clock.advance(days * DAY / messages)
