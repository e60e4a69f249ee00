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

HERE = Path(__file__).absolute().parents[1]
LOAD = HERE / "load"
LIMIT = HERE / "peers" / "limit"

_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("-lssl", "-lcrypto")


class CannotBuild(click.ClickException):
    """The compiler refuses."""


class Lacking(CannotBuild):
    """Something has to be installed first."""


def build(sources: Path, kept: Path, *flags: str) -> Path:
    """
    Return the program that the ``*.c`` files in *sources* make.

    :param kept: a directory of such programs.
    :param flags: further ones of the compiler's.
    :raises CannotBuild: if they cannot be compiled.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Lacking("there is no C compiler: apt-get install gcc libssl-dev")
    files = sorted(sources.glob("*.[ch]"))
    content = b"".join(each.read_bytes() for each in files) + " ".join([*_FLAGS, *flags]).encode()
    program = kept / f"{sources.name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if program.exists():
        return program
    units = [str(each) for each in files if each.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=kept) as made:
        output = Path(made) / "program"
        command = [compiler, *_FLAGS, *flags, "-o", str(output), *units, *_LIBRARIES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            if "fatal error: openssl/" in done.stderr:
                raise Lacking("OpenSSL's headers are not here: apt-get install libssl-dev")
            raise CannotBuild(f"{done.stderr}\n{sources} cannot be compiled.")
        output.rename(program)
    return program
