"""
A directory of bundles: the files that friends made by ``securechat id --export``.

Who filled it is not known, so a file counts as what it holds and nothing else: what is no plain
file, or too long to be a bundle, is not read, and no link is followed out of the directory.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from securechat import armour
from securechat.errors import EncodingError, NoBundle
from securechat.identity import Bundle


def read_bundles(directory: Path) -> dict[str, Bundle | NoBundle]:
    """
    Return the bundle in each file of *directory*, by the file's name, in the order of the names;
    or what is wrong with the file.

    :raises OSError: if the directory cannot be read.
    """
    found: dict[str, Bundle | NoBundle] = {}
    for name in sorted(os.listdir(directory)):
        try:
            found[name] = Bundle.from_armour(_read(directory / name))
        except EncodingError as error:
            found[name] = NoBundle(name=name, what=error.what)
        except OSError as error:
            found[name] = NoBundle(name=name, what=error.strerror or str(error))
    return found


def _read(path: Path) -> str:
    """:raises EncodingError: if *path* cannot be a bundle's file. What is no file is not opened."""
    kind = os.lstat(path).st_mode
    if stat.S_ISLNK(kind):
        raise EncodingError(what="it is a symbolic link, and none is followed")
    if not stat.S_ISREG(kind):
        raise EncodingError(what="it is no plain file")
    # Between the two it may have become something else: no link, and no pipe to wait at.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        text = file.read(armour.MAX_LENGTH + 1)
    if len(text) > armour.MAX_LENGTH:
        raise EncodingError(what=f"it is longer than {armour.MAX_LENGTH:,} characters")
    return text
