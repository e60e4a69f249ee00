"""What a soak is to be like."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Plan:
    """
    The options. Times are in seconds; what comes *every* so many seconds comes after half to one
    and a half of them, and never where there are none.
    """

    seconds: float = 60.0
    clients: int = 20
    rooms: int = 1
    rate: float = 1.0
    """Texts that each client sends in a second, on average."""
    kill_relay_every: float = 5.0
    kill_client_every: float = 3.0
    cut_every: float = 2.0
    change_every: float = 15.0
    """How often a member gives the rooms new keys, so that what is on its way is sealed anew."""
    leave_every: float = 30.0
    """How often a member leaves a room, and joins it again."""
    seed: int = 0
    enough: int | None = None
    """
    Where given: the play is over before its time once so many texts were acknowledged and the
    relay, clients and connections have each died twice.
    """

    @property
    def labels(self) -> list[str]:
        """The rooms."""
        return [f"soak-{number}" for number in range(1, self.rooms + 1)]
