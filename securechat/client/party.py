"""What the parts of one client share: who it is, whom it trusts, and how it speaks."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from securechat.client.events import Event
from securechat.identity import Bundle, Identity
from securechat.wire import Line

DISCREET_SECONDS = 0.5
"""
How long a member waits before it says no, whatever the reason, and a newcomer before it leaves
a voucher whom it does not know; as much again at most is added by chance. So nobody learns from
the time who is trusted by whom.
"""


@attrs.frozen
class Party:
    """One user at one relay."""

    identity: Identity
    clock: IReactorTime
    trusts: Callable[[bytes], bool]
    """Whether a fingerprint is among the trusted identities."""
    say: Callable[[Line], None]
    """Send a line, where there is a connection."""
    emit: Callable[[Event], None]
    met: Callable[[Bundle], None]
    """Somebody trusted has shown this bundle."""
    chance: Callable[[], float]
    """A random number from 0 to 1."""

    def discreetly(self, act: Callable[[], None]) -> IDelayedCall:
        """Call *act* after the time that a refusal takes."""
        return self.clock.callLater(DISCREET_SECONDS * (1 + self.chance()), act)
