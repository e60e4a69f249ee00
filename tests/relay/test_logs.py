"""The log as JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from twisted.logger import Logger, LogPublisher
from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase

from securechat.relay.logs import json_observer


class JSONTests(SynchronousTestCase):
    """One object a line."""

    def logged(self, logfile: str | None = None, *, foreground: bool = True) -> Logger:
        """Return a logger that logs where twistd with these options would."""
        observer = json_observer(logfile, foreground=foreground)
        return Logger("securechat.test", observer=LogPublisher(observer))

    def output(self) -> list[dict[str, Any]]:
        """Return what was written to standard output."""
        return [json.loads(line) for line in self.stdout.getvalue().splitlines()]

    def setUp(self) -> None:
        self.stdout = io.StringIO()
        self.patch(sys, "stdout", self.stdout)

    def test_an_event_is_an_object(self) -> None:
        """With when, how bad, whence, what, and the event's own fields."""
        self.logged().info("{peer} has {count}", peer="ALICE", count=3, thing=object())
        (event,) = self.output()
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$")
        self.assertEqual(
            event,
            {
                "level": "info",
                "from": "securechat.test",
                "message": "ALICE has 3",
                "peer": "ALICE",
                "count": 3,
            },
        )

    def test_a_failure_has_its_traceback(self) -> None:
        """A mistake of ours is logged whole."""
        try:
            raise RuntimeError("a mistake")
        except RuntimeError:
            self.logged().failure("it failed")
        (event,) = self.output()
        self.assertEqual((event["level"], event["message"]), ("critical", "it failed"))
        self.assertIn("RuntimeError: a mistake", event["traceback"])

    def test_a_field_cannot_pose_as_the_event(self) -> None:
        """What is logged keeps its meaning, whatever its fields are called."""
        self.logged().info("real", message="forged")
        self.assertEqual(self.output()[0]["message"], "real")

    def test_events_of_old_are_understood(self) -> None:
        """Twisted still logs some without a level."""
        observer = json_observer("-", foreground=False)
        observer({"log_time": 0.0, "log_format": "old"})
        self.assertEqual(
            self.output(),
            [
                {
                    "time": "1970-01-01T00:00:00+00:00",
                    "level": "info",
                    "from": "-",
                    "message": "old",
                }
            ],
        )

    def test_where_a_daemon_logs(self) -> None:
        """Into the file that was named."""
        path = Path(self.mktemp())
        self.logged(str(path), foreground=False).info("hello")
        self.assertEqual(json.loads(path.read_text("utf-8"))["message"], "hello")
        self.assertEqual(self.output(), [])

    def test_where_a_daemon_logs_by_default(self) -> None:
        """Into twistd's own file, in the directory where it was started."""
        files = {"twistd.log": io.StringIO()}
        self.patch(LogFile, "fromFullPath", files.__getitem__)
        self.logged(foreground=False).info("hello")
        self.assertIn("hello", files["twistd.log"].getvalue())
