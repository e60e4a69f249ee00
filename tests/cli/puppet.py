"""
The command of a bot in tests. What is said in the room and looks like JSON it writes as a request;
on stderr it shows each line that it reads (<) or writes (>).

    puppet.py [--deaf] [STATUS]

``--deaf``: it reads nothing after its first line. STATUS: it ends with that once it hears "end".
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def show(mark: str, line: str) -> None:
    """Show what was read or written."""
    os.write(2, f"{mark} {line.strip()}\n".encode())


def main() -> None:
    """Be led."""
    arguments = sys.argv[1:]
    for line in sys.stdin:
        show("<", line)
        if "--deaf" in arguments:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            show("!", "deaf")
            while True:
                time.sleep(3600)  # until it is killed: that is what is tested
        message = json.loads(line)
        event = message.get("params", {}) if isinstance(message, dict) else {}
        if event.get("event") != "message":
            continue
        text = event["text"]
        if text == "end":
            sys.exit(int(arguments[0]))
        if text[:1] in "{[":
            show(">", text)
            print(text, flush=True)
    show("!", "closed")


if __name__ == "__main__":
    main()
