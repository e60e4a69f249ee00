"""``python -m benchmarks.resume``: the options, the two processes, and the table."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
import click
from twisted.internet import task
from twisted.internet.defer import Deferred

from benchmarks.resume.log import make
from benchmarks.resume.memory import cpu, peak
from benchmarks.soak.process import Process
from benchmarks.soak.relay import Relay
from securechat.files import private_directory
from securechat.relay.database import NAME


@attrs.frozen
class Outcome:
    """What came out. Times in seconds, memory in bytes above what there was before."""

    messages: int
    shown: int
    troubles: int
    """Alarms, and gaps in the numbers."""
    log_bytes: int
    seconds: float
    relay_cpu: float
    relay_memory: int
    member_cpu: float
    member_memory: int


class Member(Process):
    """The member's process, which is heard line by line."""

    def __init__(self, reactor: Any, home: Path, address: str) -> None:
        self._heard: Deferred[Any] = Deferred()
        arguments = ["-m", "benchmarks.resume.member", str(home), address]
        super().__init__(reactor, arguments, home / "errors", self._line)

    def heard(self) -> Deferred[Any]:
        """Return what it says next."""
        return self._heard

    def _line(self, line: str) -> None:
        heard, self._heard = self._heard, Deferred()
        heard.callback(json.loads(line))


async def perform(reactor: Any, directory: Path, messages: int, days: float) -> Outcome:
    """Make the log, and let the member come back to it."""
    home, stored = directory / "bob", directory / "relay" / NAME
    relay = Relay(reactor, directory)
    private_directory(stored.parent)
    address = await relay.start()  # it makes its key, and so its address
    await relay.end()
    stored.unlink()
    click.echo(f"making {messages:,} messages of {days:g} days…", err=True)
    make(stored, home, address, messages, days)
    await relay.start()
    member = Member(reactor, home, str(address))
    await member.heard()
    pids = relay.pid, int(member.transport.pid)
    before = [(cpu(pid), peak(pid)) for pid in pids]
    start, back = time.monotonic(), member.heard()
    member.say("go on")
    shown, troubles = await back
    seconds = time.monotonic() - start
    (relay_cpu, relay_peak), (member_cpu, member_peak) = (
        (cpu(pid) - was_cpu, peak(pid) - was_peak)
        for pid, (was_cpu, was_peak) in zip(pids, before, strict=True)
    )
    await member.kill()
    await relay.end()
    size = stored.stat().st_size
    return Outcome(
        messages, shown, troubles, size, seconds, relay_cpu, relay_peak, member_cpu, member_peak
    )


@click.command()
@click.option("--messages", default=100_000, show_default=True, help="That were missed.")
@click.option("--days", default=29.0, show_default=True, help="In which they were said.")
@click.option("--json", "as_data", is_flag=True, help="Print an object instead of a table.")
def main(messages: int, days: float, as_data: bool) -> None:
    """Let a member come back who was away for a month."""

    async def run(reactor: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="securechat-resume-") as directory:
            outcome = await perform(reactor, Path(directory), messages, days)
        click.echo(json.dumps(attrs.asdict(outcome)) if as_data else table(outcome))
        if (outcome.shown, outcome.troubles) != (messages, 0):
            raise SystemExit(1)

    task.react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


def table(outcome: Outcome) -> str:
    """Return *outcome* for people."""
    mebi = 2**20
    relay, member = outcome.relay_memory / mebi, outcome.member_memory / mebi
    return "\n".join(
        [
            f"messages missed, shown       {outcome.messages:>10,}{outcome.shown:>10,}",
            f"alarms and gaps              {outcome.troubles:>10,}",
            f"the relay's history          {outcome.log_bytes / mebi:>10.1f} MiB",
            f"until all was here           {outcome.seconds:>10.1f} s",
            f"CPU, relay and member        {outcome.relay_cpu:>10.1f}{outcome.member_cpu:>10.1f} s",
            f"memory grew, relay and member{relay:>10.1f}{member:>10.1f} MiB",
        ]
    )


if __name__ == "__main__":
    main()
