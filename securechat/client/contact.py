"""
The life of one connection to a relay, as the client sees it: a state machine.

::

    connected ──banner──▶ proving ──ack──▶ proved
        └──────────────lost──┴───────────────┴──▶ closed

The relay speaks first. To its banner the client answers with the proof of its identity, and
from `ack` on everything that the relay says is for the client to hear. An `error` before that
is the end, and so is whatever else is said out of turn.

This module knows when; `securechat.client.protocol` knows how.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachineBuilder

from securechat.errors import SecureChatError
from securechat.wire import Banner, Line


class Contact(Protocol):
    """What can happen on a connection."""

    def banner(self, line: Banner, raw: bytes) -> None:
        """The relay greeted."""

    def ack(self) -> None:
        """The relay accepted the identity."""

    def other(self, line: Line) -> None:
        """The relay said anything else."""

    def lost(self, error: SecureChatError) -> None:
        """The connection is over."""


class Core(Protocol):
    """What a connection does."""

    def prove(self, banner: Banner, raw: bytes) -> None:
        """Say who the client is, and prove it."""

    def accepted(self) -> None:
        """The identity is proved: tell who waits for that."""

    def hear(self, line: Line) -> None:
        """Take a line of the conversation that follows."""

    def refused(self, line: Line) -> None:
        """Take an `error` in place of `banner` or `ack`."""

    def out_of_turn(self) -> None:
        """Drop a relay that says what may not be said now."""

    def failed(self, error: SecureChatError) -> None:
        """Tell who waits for the proof that it failed."""

    def over(self, error: SecureChatError) -> None:
        """Tell who listens that there is no connection any more."""


_builder = TypeMachineBuilder(
    Contact,
    Core,  # type: ignore[type-abstract]  # Automat uses it as a type only
)

connected = _builder.state("connected")
proving = _builder.state("proving")
proved = _builder.state("proved")
closed = _builder.state("closed")


@connected.upon(Contact.banner).to(proving)
def prove(_: Contact, core: Core, line: Banner, raw: bytes) -> None:
    core.prove(line, raw)


@proving.upon(Contact.ack).to(proved)
def accepted(_: Contact, core: Core) -> None:
    core.accepted()


@proved.upon(Contact.other).loop()
def hear(_: Contact, core: Core, line: Line) -> None:
    core.hear(line)


@connected.upon(Contact.other).loop()
@proving.upon(Contact.other).loop()
def refused(_: Contact, core: Core, line: Line) -> None:
    core.refused(line)


@proving.upon(Contact.banner).loop()
@proved.upon(Contact.banner).loop()
def greeted_again(_: Contact, core: Core, line: Banner, raw: bytes) -> None:
    core.out_of_turn()


@connected.upon(Contact.ack).loop()
@proved.upon(Contact.ack).loop()
def accepted_again(_: Contact, core: Core) -> None:
    core.out_of_turn()


@connected.upon(Contact.lost).to(closed)
@proving.upon(Contact.lost).to(closed)
def failed(_: Contact, core: Core, error: SecureChatError) -> None:
    core.failed(error)


@proved.upon(Contact.lost).to(closed)
def over(_: Contact, core: Core, error: SecureChatError) -> None:
    core.over(error)


contact_machine = _builder.build()
"""Call it with a `Core`; ``contact_machine.asDigraph()`` draws it."""
