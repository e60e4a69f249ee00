"""
The command, for people and pipes.

Only here is there a terminal, a global reactor, a clock on the wall and a place for files that
nobody named. `main` is the entry point; everything else is a command or a part of one.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command on this process's arguments, and exit."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # stdin, stdout or stderr was closed; the next file would have taken its place
    os.close(descriptor)
    from securechat.cli.command import securechat

    securechat(prog_name="securechat")
