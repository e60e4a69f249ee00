"""
The lock of a state directory: one client at a time goes on from what is kept there.

Two would each use keys that the other has used. The lock is the operating system's, so it ends
with the process that has it, however that ends; the file stays, and says which process it was.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from securechat.errors import StateInUse
from securechat.files import private_file

LOCK_FILE = "state.lock"


class Lock:
    """The lock of one directory, held until `release` or the end of the process."""

    def __init__(self, home: Path) -> None:
        """
        :raises StateInUse: if another has it.
        :raises NotPrivate: if others than the user have access to the directory.
        """
        self._descriptor = private_file(home / LOCK_FILE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            self.release()
            # Between taking the lock and writing the number there is none.
            holder = f"The process {number}" if number.isdigit() else "Another process"
            raise StateInUse(path=home, holder=holder) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)
