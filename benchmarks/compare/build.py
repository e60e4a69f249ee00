"""
The C programs, compiled when they are needed first, and again when their source has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import click
import platformdirs

HERE = Path(__file__).absolute().parents[1]
LOAD = HERE / "load"
LIMIT = HERE / "peers" / "limit"

_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")
_LIBRARIES = ("-lssl", "-lcrypto")


class CannotBuild(click.ClickException):
    """There is no compiler here, or it refuses."""


def kept() -> Path:
    """Return the directory of what is made once: programs, and casts."""
    return platformdirs.user_cache_path("securechat-benchmarks")


def build(sources: Path) -> Path:
    """
    Return the program that the ``*.c`` files in *sources* make.

    :raises CannotBuild: if they cannot be compiled; it says what is lacking.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CannotBuild("there is no C compiler: apt-get install gcc libssl-dev")
    files = sorted(sources.glob("*.[ch]"))
    content = b"".join(each.read_bytes() for each in files) + " ".join(_FLAGS).encode()
    program = kept() / f"{sources.name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if program.exists():
        return program
    kept().mkdir(mode=0o700, parents=True, exist_ok=True)
    units = [str(each) for each in files if each.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=kept()) as made:
        output = Path(made) / "program"
        command = [compiler, *_FLAGS, "-o", str(output), *units, *_LIBRARIES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            hint = "apt-get install libssl-dev" if "openssl" in done.stderr else ""
            raise CannotBuild(f"{done.stderr}\n{sources} cannot be compiled. {hint}")
        output.rename(program)
    return program
