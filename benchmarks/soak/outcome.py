"""What came of a soak."""

from __future__ import annotations

import attrs

from benchmarks.soak.count import Row


@attrs.frozen
class Outcome:
    """The numbers of all members, and what happened meanwhile."""

    rows: list[Row]
    seconds: float
    """How long it was played, without coming in and catching up."""
    quiet_after: float | None
    """In how many seconds all had caught up; None: they did not."""
    relay_kills: int
    client_kills: list[int]
    cuts: int
    changes: int
    """How often a member knew that it had given a room new keys."""
    departures: int
    """How often a member knew that it had left a room."""
    backs: list[float]
    """In how many seconds each, after a kill or a cut, a member was live in all rooms."""
    troubles: list[str]

    @property
    def good(self) -> bool:
        """Whether all is as it has to be."""
        right = all(row.right for row in self.rows)
        return right and self.quiet_after is not None and not self.troubles
