"""
A program that commits the numbers 1, 2, 3, … to a state directory, and says each once it is
committed. It ends when it is killed.

``python committing.py HOME IDENTITY``, with the identity's secrets in hexadecimal.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from securechat.address import Address
from securechat.client.directory import StateDirectory
from securechat.identity import Identity

RELAY = Address(host="relay.example")
ROOM = bytes(32)
BOB = bytes(31) + b"B"
NAMES = [f"part {number}" for number in range(20)]
REPEATED = 50
"""How often the content of each part has the number."""


def main(home: str, identity: str) -> None:
    """Commit until the end."""
    state = StateDirectory.open(Path(home), Identity.decode(bytes.fromhex(identity)), messages=True)
    for number in count(1):
        content = b"%d" % number * REPEATED
        state.save(RELAY, ROOM, dict.fromkeys(NAMES, content))
        state.keep_message(ROOM, number, BOB, str(number))
        state.commit()
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
