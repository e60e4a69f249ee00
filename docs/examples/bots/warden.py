"""
A bot that asks, and looks at who asks it: ``!who`` says who is there, and ``!kick FINGERPRINT``
removes a member, for those only whom the bot's user trusts.

    securechat --home HOME bot 'securechat://HOST:7117/lobby#PIN' -- python3 warden.py
"""

import json
import sys
from collections import deque
from itertools import count
from typing import Any

numbers = count(1)
events: deque[dict[str, Any]] = deque()  # that came while an answer was awaited


def ask(method: str, **params: object) -> Any:
    """Return the answer to a request: its result, or its error."""
    number = next(numbers)
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    print(json.dumps(request), flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "event":
            events.append(message["params"])
        elif message["id"] == number:
            return message
    sys.exit()  # the bot ends


def next_event() -> dict[str, Any]:
    """Return what happens next."""
    while not events:
        message = json.loads(next(sys.stdin, None) or sys.exit())
        if message.get("method") == "event":
            events.append(message["params"])
    return events.popleft()


while True:
    event = next_event()
    if event["event"] != "message":
        continue
    command, _, rest = event["text"].partition(" ")
    if command == "!who":
        members = ask("members")["result"]["members"]
        here = sum(each["online"] for each in members)
        ask("send", text=f"{len(members)} members, {here} here")
    elif command == "!kick" and event["sender"]["trusted"]:
        answer = ask("kick", members=[rest])
        ask("send", text=answer["error"]["message"] if "error" in answer else "done")
