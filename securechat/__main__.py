"""``python -m securechat``: the command, where its script is not on the path."""

from __future__ import annotations

from securechat.cli import main

main()
