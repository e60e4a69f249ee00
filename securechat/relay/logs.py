"""
The relay's log as one JSON object a line, for programs that read logs.

Each has ``time`` (ISO 8601, UTC), ``level``, ``from`` (the module), ``message``, and the
event's own fields.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
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


def json_observer(twistd: Mapping[str, Any]) -> Callable[[], ILogObserver]:
    """
    Return what makes the observer that ``twistd``'s option ``--logger`` would name.

    :param twistd: twistd's own options: where the log goes.
    """

    def observer() -> ILogObserver:
        return FileLogObserver(_file(twistd), json_line)

    return observer


def _file(twistd: Mapping[str, Any]) -> IO[Any]:
    name = twistd["logfile"] or ("-" if twistd["nodaemon"] else "twistd.log")
    return sys.stdout if name == "-" else LogFile.fromFullPath(name)
