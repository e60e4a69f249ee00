"""
The relay's log as one JSON object a line, for programs that read logs.

Each has ``time`` (ISO 8601, UTC), ``level``, ``from`` (the module), ``message``, and the
event's own fields.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import IO, Any

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, formatEvent
from twisted.python.logfile import LogFile


def json_line(event: LogEvent) -> str:
    """Return *event* as a line."""
    failure = event.get("log_failure")
    level = event.get("log_level")
    shown: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(),
        "level": level.name if level else "info",
        "from": event.get("log_namespace", "-"),
        "message": formatEvent(event),
    }
    if failure is not None:
        shown["traceback"] = failure.getTraceback()
    fields = {name: value for name, value in event.items() if _is_plain(name, value)}
    return json.dumps(fields | shown) + "\n"


def _is_plain(name: str, value: object) -> bool:
    return not name.startswith("log_") and isinstance(value, str | int | float)


def json_observer(logfile: str | None, *, foreground: bool) -> ILogObserver:
    """
    Return what logs where twistd would.

    :param logfile: what its option ``--logfile`` says.
    :param foreground: whether it has the option ``-n``.
    """
    name = logfile or ("-" if foreground else "twistd.log")
    file: IO[Any] = sys.stdout if name == "-" else LogFile.fromFullPath(name)
    return FileLogObserver(file, json_line)
