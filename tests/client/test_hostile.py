"""
A relay that says whatever it wants: valid lines, at any time, in any order, about things that
are there and things that are not. Nothing is raised, nothing hangs, and the client can be closed.
"""

from __future__ import annotations

from typing import Any, get_type_hints

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from securechat.client.refusals import subject
from securechat.encoding import MAX_INTEGER, encode
from securechat.errors import WireError
from securechat.group.detail import Removal, Why
from securechat.group.entry import SignedEntry
from securechat.identity import Bundle, Identity
from securechat.testing import WRITTEN
from securechat.wire import (
    FROM_RELAY,
    Changed,
    Choice,
    Code,
    Form,
    LeafKeys,
    Leaving,
    Line,
    Member,
    NewUser,
    Octets,
    Online,
    Over,
    Resumed,
    Settings,
    UserAdded,
    Versions,
    Vouch,
    Words,
    serialise,
)
from tests.adversary.forgery import adding, agreeing
from tests.adversary.kit import LyingNetwork, room, said

LABELS = ("lobby", "attic", "cellar", "nowhere")
ATTEMPTS = [bytes([number]) * 16 for number in range(4)]


def broken(identity: Identity) -> Bundle:
    """Return a bundle to which nothing can be sealed."""
    return Bundle(1, identity.bundle.ed25519, bytes(1216))


def garbled(signed: SignedEntry) -> SignedEntry:
    """Return *signed* with a signature that does not hold."""
    return attrs.evolve(signed, signature=bytes(64))


def line(kind: type[Line], values: dict[str, list[Any]]) -> st.SearchStrategy[Line]:
    """Return the lines of class *kind* whose fields have these *values*, or whatever fits."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for each in attrs.fields(kind):
        form = hints[each.name].__metadata__[0]
        fitting = [value for value in values.get(each.name, []) if fits(form, value)]
        fields[each.name] = st.sampled_from(fitting) if fitting else whatever(form)
    return st.builds(kind, **fields)


def fits(form: Form[Any], value: Any) -> bool:
    """Return whether *form* takes *value*."""
    try:
        form.serialise(value)
    except WireError:
        return False
    return True


def whatever(form: object) -> st.SearchStrategy[Any]:
    """Return values that *form* takes."""
    match form:
        case Octets():
            return st.just(bytes(form.least))
        case Choice():
            return st.sampled_from(Code)
        case Versions():
            return st.just((1,))
        case Settings():
            return st.just({"line": 1})
        case Words():
            return st.just("because")
        case _:
            return st.integers(0, 3)


class HostileTests(SynchronousTestCase):
    """
    Bob is in the room "lobby" with Alice, resumes it, joins "attic", where Alice is too, has begun
    to found "cellar", has said something, and wants to change the lobby, or to leave it; and the
    relay that did all that so far has become another.
    """

    def begin(self, *, leaves: bool) -> None:
        """Come as far as that."""
        self.network = LyingNetwork()
        self.alice, self.bob = self.network.members("alice", "bob")
        self.network.get(self.alice.chat.found("attic"))
        self.carol = Identity.generate()
        self.bob.trusted.add("carol", self.carol.fingerprint, "typed", WRITTEN)
        self.bob.transport.other.deaf = True
        chat, lobby = self.bob.chat, room(self.bob)
        self.waiting: list[Deferred[Any]] = [
            chat.join("attic", rejoin=True),
            chat.join("nowhere"),
            chat.found("cellar"),
            chat.resume(lobby),
            chat.send(lobby, "hello"),
            chat.renew(lobby),
            chat.online(lobby),
        ]
        if leaves:
            self.waiting.append(chat.leave(lobby))
        for each in self.waiting:
            each.addErrback(lambda _: None)

    def lines(self) -> st.SearchStrategy[Line]:
        """Any line that a relay may say, with what may mean something to Bob in its fields."""
        alice, bob = room(self.alice), room(self.bob)
        attic = room(self.alice, "attic")
        add = agreeing(self.carol.bundle, self.carol, bob.place, alice.first_entry.entry.author)
        entry, _ = adding(alice, self.alice.identity.bundle, self.alice.identity, add)
        mine = agreeing(
            self.bob.identity.bundle, self.bob.identity, attic.place, self.alice.fingerprint
        )
        landed, _ = adding(attic, self.alice.identity.bundle, self.alice.identity, mine)
        update = alice.update().signed
        remove = alice.remove([Removal(self.bob.fingerprint, Why.KICKED)]).signed
        rooms = [alice.id, attic.id, bytes(32)]
        bundles = [
            each.bundle.encode() for each in (self.alice.identity, self.carol, self.bob.identity)
        ] + [Identity.generate().bundle.encode(), broken(self.alice.identity).encode(), b"junk"]
        entries = [
            each.encode()
            for each in (
                alice.first_entry,
                bob.first_entry,
                attic.first_entry,
                entry,
                landed,
                update,
                remove,
            )
        ] + [garbled(entry).encode(), encode(), b"junk"]
        sealed = [self.vouch(attempt) for attempt in ATTEMPTS] + [b"junk"]
        values: dict[str, list[Any]] = {
            "attempt": ATTEMPTS,
            "room": rooms,
            "bundle": bundles,
            "entry": entries,
            "sealed": sealed,
            "head": [alice.place.head, bob.place.head, bytes(32)],
            "label": list(LABELS),
            "subject": [*LABELS, "-", *map(subject, rooms), *map(subject, ATTEMPTS)],
            "chunk": [attic.log.snapshot(), b"junk"],
            "epoch": [0, 1, 2, 3, MAX_INTEGER],
            "row": [0, 1, 2, MAX_INTEGER],
            "seq": [0, *range(bob.seq - 1, bob.seq + 5), MAX_INTEGER],
            "n": [0, 1, 2, 5, MAX_INTEGER],
            "total": [1, 4, len(attic.log.snapshot()), MAX_INTEGER],
            "offset": [0, 4, MAX_INTEGER],
            "member": [self.alice.fingerprint, self.bob.fingerprint, bytes(32)],
            "signature": [alice.leave(), bob.leave(), bytes(64)],
            "leaf": [row.leaf_hash for row in bob.roster] + [bytes(32)],
            "first": [0, 1, MAX_INTEGER],
            "keys": [b"junk", bytes(1216), bytes(2 * 1216)],
            "rows": [b"\x00", b"\xff", b"\x40\x00"],
        }
        true: list[Line] = [
            *(Vouch(*each) for each in zip(ATTEMPTS, bundles[:1] * 4, sealed, strict=False)),
            *(NewUser(each, alice.id, self.carol.bundle.encode()) for each in ATTEMPTS),
            *(Over(each) for each in ATTEMPTS),
            Resumed(alice.id, bob.seq),
            UserAdded(alice.id, bob.seq + 1, entry.encode()),
            UserAdded(attic.id, 2, landed.encode()),
            Changed(alice.id, bob.seq + 1, update.encode()),
            Changed(alice.id, bob.seq + 1, remove.encode()),
            Leaving(alice.id, self.alice.fingerprint, alice.leave()),
            Leaving(alice.id, self.bob.fingerprint, bob.leave()),
            Leaving(attic.id, self.bob.fingerprint, bob.leave()),
            LeafKeys(alice.id, bob.place.epoch, 0, bytes(2 * 1216)),
            Online(alice.id, bob.place.epoch, b"\xff"),
            Member("attic", attic.id, bytes(32)),
        ]
        lies = [line(kind, values) for kind in sorted(FROM_RELAY, key=str)]
        return st.one_of(st.sampled_from(true), *lies)

    def vouch(self, attempt: bytes) -> bytes:
        """Return what Alice seals to let Bob into the attic in *attempt*."""
        place = room(self.alice, "attic").place
        bundle = self.bob.identity.bundle.encode()
        self.network.tell(self.alice, NewUser(attempt, place.room, bundle))
        return said(self.alice, Vouch)[-1].sealed

    @given(st.data())
    def test_any_lines(self, data: st.DataObject) -> None:
        """
        Whatever comes, the client takes it without raising; time goes by, and it can be closed:
        then everybody who waited has been told, and no timer is left.
        """
        self.begin(leaves=data.draw(st.booleans()))
        told = data.draw(st.lists(self.lines(), max_size=20))
        for each in told:
            if not self.bob.transport.cut:
                self.bob.transport.protocol.dataReceived(serialise(each) + b"\r\n")
        self.network.turn(data.draw(st.sampled_from([0, 1, 40, 200])))
        self.network.get(self.bob.chat.close())
        for waited in self.waiting:
            self.assertTrue(waited.called)
        self.network.get(self.alice.chat.close())
        self.assertEqual(self.network.clock.getDelayedCalls(), [])
