"""
How many frames of a room are kept: by their age, their number and their bytes.

Where one of the three is passed the oldest frames go, until none is. Entries always stay. A
`Tally` is all that has to be known of the frames that are kept to say whether any goes; which
ones, `Retention.excess` finds out by looking at the oldest, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from attrs.validators import ge, gt

_DAY = 86_400.0


@attrs.define
class Tally:
    """How much of a room's frames is kept."""

    count: int = 0
    size: int = 0
    """Bytes of their lines."""
    oldest: float = float("-inf")
    """When the oldest came, in seconds; or any time before that."""

    def copy(self) -> Tally:
        """Return what is kept now."""
        return Tally(self.count, self.size, self.oldest)

    def add(self, count: int, size: int, time: float) -> None:
        """As many frames, of *size* bytes together, came at *time*."""
        if not self.count:
            self.oldest = time
        self.count += count
        self.size += size


def _kept(default: float, help: str, validator: Any) -> Any:
    return attrs.field(default=default, validator=validator, metadata={"help": help})


@attrs.frozen(kw_only=True)
class Retention:
    """
    What is kept of each room. The fields are options of ``twistd securechat``, as those of
    `securechat.relay.limits.Limits` are.

    :raises ValueError: for a number below 1, or no time at all.
    """

    retain_days: float = _kept(30.0, "Days for which messages are kept.", gt(0))
    retain_messages: int = _kept(100_000, "Messages that are kept for each room.", ge(1))
    retain_bytes: int = _kept(64 * 2**20, "Bytes of messages that are kept for each room.", ge(1))

    def is_passed(self, tally: Tally, now: float) -> bool:
        """Whether more is kept by *tally* than should be."""
        return tally.count > 0 and (
            tally.count > self.retain_messages
            or tally.size > self.retain_bytes
            or tally.oldest < now - self.retain_days * _DAY
        )

    def excess(
        self, tally: Tally, frames: Iterable[tuple[int, float, int]], now: float
    ) -> int | None:
        """
        Take from *tally* what is not kept any more.

        :param frames: number, time and size of the frames that are kept, the oldest first; no
            more of it is looked at than necessary.
        :return: the number of the last frame that goes, None if all stay.
        """
        last = None
        if self.is_passed(tally, now):
            for seq, tally.oldest, size in frames:
                if not self.is_passed(tally, now):
                    break
                tally.count -= 1
                tally.size -= size
                last = seq
        return last
