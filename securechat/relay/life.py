"""
The life of one connection, as a state machine.

::

    greeted ──proved──▶ proved ──hang_up──▶ closing ──lost──▶ gone
       └───────────hang_up, timeout──────────▲

Until its identity is proved a connection is *greeted*: it has the banner and may say one
line. *Proved*, it has a session, which takes its lines from then on. *Closing*, it has been told
why and is not listened to any more; if it does not go by itself it is aborted, since TLS waits
for ever for a peer that does not say goodbye.

This module knows when; `securechat.relay.protocol` knows how.
"""

from __future__ import annotations

from typing import Protocol

from automat import TypeMachineBuilder

from securechat.identity import Bundle
from securechat.wire import Code, ErrorLine


class Life(Protocol):
    """What can happen to a connection."""

    def line(self, line: bytes) -> None:
        """The client said a line, and there is no session to take it."""

    def proved(self, bundle: Bundle) -> None:
        """The client proved that it is the owner of *bundle*."""

    def timeout(self) -> None:
        """The time for what the state waits for is over."""

    def hang_up(self, error: ErrorLine) -> None:
        """The relay wants to end the connection, and says why."""

    def lost(self) -> None:
        """The transport is gone."""


class Core(Protocol):
    """What a connection does."""

    def identify(self, line: bytes) -> None:
        """Take the first line."""

    def acknowledge(self, bundle: Bundle) -> None:
        """Say that the identity is proved, and begin the session."""

    def say_goodbye(self, error: ErrorLine) -> None:
        """End the session, say why, and close the transport."""

    def abort(self) -> None:
        """Close the transport without waiting for the other side."""

    def forget(self) -> None:
        """End the session and all timers: there is no transport any more."""


_builder = TypeMachineBuilder(
    Life,
    Core,  # type: ignore[type-abstract]  # Automat uses it as a type only
)

greeted = _builder.state("greeted")
proved = _builder.state("proved")
closing = _builder.state("closing")
gone = _builder.state("gone")


@greeted.upon(Life.line).loop()
def identify(life: Life, core: Core, line: bytes) -> None:
    core.identify(line)


@greeted.upon(Life.proved).to(proved)
def acknowledge(life: Life, core: Core, bundle: Bundle) -> None:
    core.acknowledge(bundle)


@greeted.upon(Life.timeout).to(closing)
def too_late(life: Life, core: Core) -> None:
    core.say_goodbye(
        ErrorLine(Code.TIMEOUT, "-", "you have not proved your identity in time: connect again")
    )


@greeted.upon(Life.hang_up).to(closing)
@proved.upon(Life.hang_up).to(closing)
def say_goodbye(life: Life, core: Core, error: ErrorLine) -> None:
    core.say_goodbye(error)


@closing.upon(Life.timeout).loop()
def abort(life: Life, core: Core) -> None:
    core.abort()


closing.upon(Life.line).loop().returns(None)
closing.upon(Life.hang_up).loop().returns(None)


@greeted.upon(Life.lost).to(gone)
@proved.upon(Life.lost).to(gone)
@closing.upon(Life.lost).to(gone)
def forget(life: Life, core: Core) -> None:
    core.forget()


life_machine = _builder.build()
"""Call it with a `Core`; ``life_machine.asDigraph()`` draws it."""
