"""
The smallest bot: says again what follows ``!echo``.

    securechat --home HOME bot 'securechat://HOST:7117/lobby#PIN' -- python3 echo.py
"""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") != "event":
        continue  # an answer: nothing is asked here that would have one
    event = message["params"]
    if event["event"] == "message" and event["text"].startswith("!echo "):
        text = event["text"].removeprefix("!echo ")
        say = {"jsonrpc": "2.0", "method": "send", "params": {"text": text}}
        print(json.dumps(say), flush=True)
