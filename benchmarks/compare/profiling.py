"""
Where the relay's time goes: a profile of it under serial and flood.

With py-spy (``pip install py-spy``), which looks at the process from outside, it is a flame graph;
without, a table of Python's own profiler, which makes each call dearer and so shows rather what
is called often than what costs much.
"""

from __future__ import annotations

import io
import pstats
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.compare.measure import Bench
from benchmarks.compare.process import Failed, bind, cores
from benchmarks.compare.servers import Place, Server, relay_command
from benchmarks.compare.workloads import WORKLOADS, Workload

PROFILED = tuple(each for each in WORKLOADS if each.name in ("serial-100", "flood-100"))

_SECONDS, _MARGIN = 5, 3
_RATE = 200  # looks at the process a second
_PATIENCE = 60.0
_SHOWN = 40
_STATS = "stats"


def profile(bench: Bench, server: Server, directory: Path) -> list[Path]:
    """
    Write a profile of the relay *server* for each of `PROFILED` into *directory*.

    :return: the files.
    :raises Failed: if it could not be taken.
    """
    directory.mkdir(parents=True, exist_ok=True)
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    return [
        _table(bench, workload, server, directory)
        if spy is None
        else _flame_graph(bench, workload, server, directory, spy)
        for workload in PROFILED
    ]


def _flame_graph(
    bench: Bench, workload: Workload, server: Server, directory: Path, spy: str
) -> Path:
    path = directory.absolute() / f"{workload.name}.svg"
    spying: list[subprocess.Popen[str]] = []
    with bench.started(workload, server) as started, ExitStack() as stack:

        def look() -> None:
            if not spying:  # after a second, when all are connected
                process = stack.enter_context(_looking(spy, started.pid, path))
                spying.append(process)

        bench.loaded(workload, started, _SECONDS + _MARGIN, look)
        said, _ = spying[0].communicate(timeout=_PATIENCE)
    if not path.exists():
        raise Failed(f"py-spy has no profile: {said.strip()[-800:]}")
    return path


@contextmanager
def _looking(spy: str, pid: int, path: Path) -> Iterator[subprocess.Popen[str]]:
    options = (f"--pid={pid}", f"--duration={_SECONDS}", f"--rate={_RATE}", f"--output={path}")
    process = subprocess.Popen(
        [spy, "record", "--native", "--function", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=partial(bind, cores()[1]),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _table(bench: Bench, workload: Workload, server: Server, directory: Path) -> Path:
    def command(place: Place) -> list[str]:
        twistd = ("--profile", _STATS, "--profiler", "cprofile", "--savestats")
        return relay_command(place, twistd)

    path, text = directory / f"{workload.name}.txt", io.StringIO()
    with bench.started(workload, server, command) as started:
        bench.loaded(workload, started, _SECONDS)
        started.process.terminate()  # twistd writes it in the end
        started.process.wait(_PATIENCE)
        stats = pstats.Stats(str(started.directory / _STATS), stream=text)
    stats.strip_dirs().sort_stats("tottime").print_stats(_SHOWN)
    path.write_text(text.getvalue(), "utf-8")
    return path
