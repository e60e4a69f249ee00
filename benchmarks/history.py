"""
What the relay's history costs: ``python -m benchmarks.history``.

Frames of 400 bytes are appended to one room, one in each turn of the reactor and then fifty, and
read again in the batches in which a member who comes back gets them. Times are of CPU, of all
threads together. Then 100,000 messages of 30 days are put into one room, and a process of its own
reads them all from the disk, as for a member who was away that long.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from securechat.group.entry import ZERO
from securechat.relay import Draft, IHistory, Item, Landing, MemoryHistory, SQLiteHistory
from securechat.relay.stream import BATCH
from securechat.relay.worker import Worker

ROOM = bytes(range(32))
HEAD = b"h" * 32
FRAME = Draft(b"frame", b"1 0 12345 " + b"A" * 16 + b" " + b"A" * 320)
TURNS = 2_000
MESSAGES = 100_000
DAYS = 30


class Heard:
    """Who waits until a number of the stream is durable."""

    def __init__(self, history: IHistory) -> None:
        self._wanted = 0
        self._done: Deferred[None] = Deferred()
        self._newest = 0
        history.subscribe(ROOM, self._hear, lambda error: sys.exit(str(error)))

    def _hear(self, items: Sequence[Item]) -> None:
        self._newest = items[-1].seq
        if self._newest == self._wanted:
            self._done.callback(None)

    async def until(self, seq: int) -> None:
        """Return when *seq* has been heard."""
        if self._newest < seq:
            self._wanted, self._done = seq, Deferred()
            await self._done


class Calendar:
    """The reactor, but for its time, which is what one sets."""

    def __init__(self, reactor: Any) -> None:
        self.callLater = reactor.callLater
        self.now = 0.0

    def seconds(self) -> float:
        return self.now


@contextmanager
def measured(times: list[float], count: int) -> Iterator[None]:
    """Add to *times* the µs of CPU that each of *count* took."""
    start = time.process_time()
    yield
    times.append((time.process_time() - start) / count * 1e6)


async def costs(history: IHistory) -> list[float]:
    """Return µs for a frame: alone in its turn, among fifty, read."""
    times: list[float] = []
    heard = Heard(history)
    await history.append_entry(ROOM, Landing(Draft(b"entry", b""), ZERO, HEAD, 1, "room", b""))
    newest = 1
    for burst in 1, 50:
        with measured(times, TURNS * burst):
            for _ in range(TURNS):
                for _ in range(burst):
                    history.append_frame(ROOM, HEAD, FRAME)
                newest += burst
                await heard.until(newest)
    with measured(times, newest):
        seq = 0
        while items := await history.read(ROOM, seq, BATCH, b""):
            seq = items[-1].seq
    await history.close()
    return times


async def fill(reactor: Any, path: Path) -> None:
    """Put the messages of some weeks into a history."""
    clock: Any = Calendar(reactor)
    history = SQLiteHistory(path, clock)
    heard = Heard(history)
    await history.append_entry(ROOM, Landing(Draft(b"entry", b""), ZERO, HEAD, 1, "room", b""))
    for number in range(1, MESSAGES + 1):
        clock.now = number * DAYS * 86_400 / MESSAGES
        history.append_frame(ROOM, HEAD, FRAME)
        if not number % 100:
            await heard.until(number + 1)
    await history.close()


def resume(path: Path) -> tuple[int, int, float, int]:
    """
    Read all of a history, from its first number on.

    :return: items, bytes of their lines, seconds of CPU, and bytes by which the process grew.
    """
    history = SQLiteHistory(path, Clock())
    before, start = _peak(), time.process_time()
    count = size = seq = 0
    while items := _now(history.read(ROOM, seq, BATCH, b"")):
        seq = items[-1].seq
        count += len(items)
        size += sum(len(item.line) for item in items)
    return count, size, time.process_time() - start, _peak() - before


def _now(done: Deferred[Sequence[Item]]) -> Sequence[Item]:
    results: list[Sequence[Item]] = []
    done.addCallback(results.append)
    return results[0]


def _peak() -> int:
    """Return the most memory that this process has had, in bytes; Linux alone tells it right."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1_024


async def main(reactor: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        histories: dict[str, Callable[[], IHistory]] = {
            "memory": lambda: MemoryHistory(reactor),
            "SQLite, process": lambda: SQLiteHistory(directory / "a", reactor),
            "SQLite, power": lambda: SQLiteHistory(
                directory / "b", reactor, worker=Worker(reactor)
            ),
        }
        print(f"{'µs of CPU a frame':20}{'alone':>10}{'of fifty':>10}{'read':>10}")
        for label, make in histories.items():
            row = "".join(f"{each:10.1f}" for each in await costs(make()))
            print(f"{label:20}{row}", flush=True)
        await fill(reactor, directory / "c")
        with get_context("spawn").Pool(1) as pool:
            count, size, seconds, grown = pool.apply(resume, (directory / "c",))
        print(
            f"\n{count:,} items of {DAYS} days, {size / 2**20:.1f} MiB, read in {seconds:.2f} s "
            f"of CPU; the process grew by {grown / 2**20:.1f} MiB"
        )


if __name__ == "__main__":
    task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
