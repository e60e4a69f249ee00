"""What ``twistd securechat`` makes, on a reactor in memory."""

from __future__ import annotations

import io
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.application.service import Application
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from securechat.address import Address
from securechat.relay.daemon import Daemon, make_service
from securechat.relay.memory import MemoryHistory
from securechat.relay.options import RelayOptions
from securechat.relay.signals import Signals
from securechat.relay.sqlite import SQLiteHistory
from securechat.relay.tls import own_certificate
from tests.relay.histories import ROOM, frame, head, landing, seqs
from tests.relay.test_service import Endpoint

ONION = f"securechat+onion://{'a' * 56}.onion"


class Reactor(MemoryReactorClock):
    """A reactor in memory, on which a port can be taken."""

    taken = False
    stopped = 0

    def listenTCP(self, port: int, *arguments: Any, **more: Any) -> Any:
        if self.taken:
            raise CannotListenError(None, port, OSError(98, "Address already in use"))
        return super().listenTCP(port, *arguments, **more)

    def stop(self) -> None:
        self.stopped += 1

    def callFromThread(self, function: Any, *arguments: Any, **more: Any) -> None:
        self.callLater(0, function, *arguments, **more)


class DaemonTests(SynchronousTestCase):
    """`make_service` and the `Daemon`."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.state = Path(self.mktemp()).absolute()
        self.stdout = io.StringIO()
        self.patch(sys, "stdout", self.stdout)

    def options(self, *arguments: str) -> RelayOptions:
        """Return the options of *arguments*."""
        options = RelayOptions(self.reactor)
        options.parseOptions(["--name=relay.example", f"--state-dir={self.state}", *arguments])
        return options

    def make(self, *arguments: str) -> Daemon:
        """Return the service for *arguments*, which end with where to listen."""
        service = make_service(self.options(*arguments))
        assert isinstance(service, Daemon)
        self.addCleanup(service.stopService)
        return service

    def refuses(self, *arguments: str) -> str:
        """See that no service is made; return the line that says why."""
        with self.assertRaises(SystemExit) as caught:
            self.make(*arguments)
        line = caught.exception.code
        assert isinstance(line, str)
        self.assertEqual(len(line.splitlines()), 1)
        return line

    def addresses(self) -> list[Address]:
        """Return the addresses in the state directory."""
        text = (self.state / "addresses").read_text("ascii")
        return [Address.parse(line) for line in text.splitlines()]

    def test_addresses_are_told(self) -> None:
        """Printed while somebody reads, logged, and written for programs."""
        with capturedLogs() as events:
            self.make("--listen=tcp:7117", "--listen=tcp:8000")
        first, second = self.addresses()
        self.assertEqual((first.host, first.port), ("relay.example", 7117))
        self.assertEqual((second.pin, second.port), (first.pin, 8000))
        self.assertIsNotNone(first.pin)
        self.assertEqual(self.stdout.getvalue(), f"{first}\n{second}\n")
        logged = [formatEvent(event) for event in events]
        self.assertIn(f"clients reach this relay at {first}", logged)

    def test_the_default(self) -> None:
        """Where nobody says where, it listens everywhere: that is one address."""
        self.patch(socket, "has_dualstack_ipv6", lambda: False)
        self.patch(socket, "create_server", lambda *_, **__: socket.socket())
        self.make()
        self.assertEqual([each.host for each in self.addresses()], ["relay.example"])

    def test_the_state_is_private(self) -> None:
        """The directory is made, for this user alone; others' would be refused."""
        self.make("--listen=tcp:1")
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o700)
        self.state.chmod(0o755)
        self.assertIn("chmod 700", self.refuses("--listen=tcp:1"))

    def test_the_pin_stays(self) -> None:
        """From one start to the next."""
        self.make("--listen=tcp:1").stopService()
        (before,) = self.addresses()
        self.make("--listen=tcp:1")
        self.assertEqual(self.addresses(), [before])

    def test_the_operators_certificate(self) -> None:
        """It is used instead of an own one."""
        elsewhere = Path(self.mktemp())
        elsewhere.mkdir(0o700)
        certificate, key = own_certificate(elsewhere)
        self.make(f"--certificate={certificate}", f"--key={key}", "--listen=tcp:1")
        self.assertFalse((self.state / "key.pem").exists())

    def test_a_port_that_is_taken(self) -> None:
        """One line; the addresses of who has it are left alone."""
        self.reactor.taken = True
        self.assertIn("Address already in use", self.refuses("--listen=tcp:1"))
        self.assertFalse((self.state / "addresses").exists())

    def test_a_state_directory_that_cannot_be(self) -> None:
        """What the system says is in the line."""
        self.state.write_text("a file")
        self.assertIn("File exists", self.refuses("--listen=tcp:1"))

    def test_unix_sockets_know_their_address(self) -> None:
        """Their path is what clients dial, and what they sign."""
        daemon = self.make("--listen-plain=unix:/run/relay")
        (address,) = self.addresses()
        self.assertEqual(address, Address("unix", path="/run/relay"))
        self.assertEqual(daemon.factory.addresses, [address])

    def test_other_plain_listeners_are_told_theirs(self) -> None:
        """By `--address`; without it nobody could prove an identity."""
        daemon = self.make("--listen-plain=tcp:1", f"--address={ONION}")
        self.assertEqual([str(each) for each in self.addresses()], [ONION])
        self.assertEqual([str(each) for each in daemon.factory.addresses], [ONION])
        daemon.stopService()
        self.assertIn("--address", self.refuses("--listen-plain=tcp:1"))

    def test_settings_reach_the_relay(self) -> None:
        """Limits, and whether lines are logged."""
        factory = self.make("--listen=tcp:1", "--rooms-in-all=5", "--log-wire").factory
        self.assertEqual((factory.limits.rooms_in_all, factory.log_wire), (5, True))

    def test_metrics_are_served(self) -> None:
        """Where the operator says, and where clients do not know of it."""
        self.make("--listen=tcp:1", "--metrics=tcp:9117:interface=127.0.0.1")
        (address,) = self.addresses()
        self.assertEqual(address.port, 1)
        metrics, _ = self.reactor.tcpServers
        port, site, _, interface = metrics
        self.assertEqual((port, type(site).__name__, interface), (9117, "MetricsSite", "127.0.0.1"))

    def test_metrics_that_cannot_be_served(self) -> None:
        """One line; clients have not been told of any address then."""
        self.reactor.taken = True
        self.assertIn(
            "Address already in use", self.refuses("--listen-plain=unix:/run/x", "--metrics=tcp:1")
        )
        self.assertFalse((self.state / "addresses").exists())

    def test_metrics_without_their_library(self) -> None:
        """One line says how to get it; who wants no metrics does not need it."""
        with patch.dict(sys.modules):
            sys.modules["prometheus_client"] = None  # type: ignore[assignment]  # not there
            sys.modules.pop("securechat.relay.metrics", None)
            line = self.refuses("--listen=tcp:1", "--metrics=tcp:2")
            self.assertIn("pip install 'securechat[metrics]'", line)
            self.make("--listen=tcp:1")

    def test_the_history_is_on_disk(self) -> None:
        """In a file of the relay's own, which stays the relay's until it has stopped."""
        daemon = self.make("--listen=tcp:1", "--retain-messages=1")
        path = self.state / "history.sqlite"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertIn("Another relay is using", self.refuses("--listen=tcp:1"))
        daemon.startService()
        history = daemon.factory.history
        history.append_entry(ROOM, landing())
        for _ in range(2):
            history.append_frame(ROOM, head(1), frame())
        stopped = daemon.stopService()
        self.reactor.advance(0)
        self.successResultOf(stopped)
        again = SQLiteHistory(path, self.reactor)
        self.addCleanup(again.database.close)
        self.assertEqual(seqs(self.successResultOf(again.read(ROOM, 0, 1_000, ROOM))), [1, 3])

    def test_no_connection_is_carried_over_a_fork(self) -> None:
        """What SQLite puts beside the file is gone while nobody uses it."""
        self.make("--listen=tcp:1")
        names = [each.name for each in self.state.iterdir() if "sqlite" in each.name]
        self.assertEqual(sorted(names), ["history.sqlite", "history.sqlite-lock"])

    def test_a_history_in_memory(self) -> None:
        """It leaves nothing behind."""
        daemon = self.make("--listen=tcp:1", "--memory")
        self.assertIsInstance(daemon.factory.history, MemoryHistory)
        self.assertEqual([each for each in self.state.iterdir() if "history" in each.name], [])

    def test_a_history_that_outlasts_a_loss_of_power(self) -> None:
        """SQLite waits for the disk then."""
        history = self.make("--listen=tcp:1", "--durability=power").factory.history
        assert isinstance(history, SQLiteHistory)
        setting = history.database.writer.execute("PRAGMA synchronous").fetchone()
        self.assertEqual(setting, (2,))

    def test_a_history_that_cannot_be_used(self) -> None:
        """One line says why and what to do."""
        self.make("--listen=tcp:1").stopService()
        (self.state / "history.sqlite").write_bytes(b"nonsense" * 1_000)
        self.assertIn("put a backup in its place", self.refuses("--listen=tcp:1"))

    def test_the_application_logs_as_it_is_asked_to(self) -> None:
        """By the observer that twistd looks for."""
        for kind in ("text", "json"):
            options = RelayOptions(self.reactor)
            twistd: Any = {"logfile": None, "nodaemon": True}
            options.parent = twistd
            options.parseOptions(
                [
                    *("--name=relay", f"--state-dir={self.state}", "--listen=tcp:1"),
                    f"--log-format={kind}",
                ]
            )
            application: Any = Application("securechat")
            service = make_service(options)
            service.setServiceParent(application)
            service.stopService()
            observer = application.getComponent(ILogObserver)
            self.assertEqual(observer is not None, kind == "json")

    def test_an_endpoint_that_takes_its_time(self) -> None:
        """Its addresses are told when it listens."""
        pending: Deferred[IListeningPort] = Deferred()
        options = self.options(f"--address={ONION}", "--listen-plain=tcp:1")
        options.plain = [Endpoint(pending)]
        daemon = make_service(options)
        self.addCleanup(daemon.stopService)
        daemon.startService()
        self.assertFalse((self.state / "addresses").exists())
        pending.callback(self.reactor.listenTCP(1, None))
        self.assertEqual([str(each) for each in self.addresses()], [ONION])
        self.assertEqual(self.stdout.getvalue(), "")

    def test_an_endpoint_that_fails_late(self) -> None:
        """A relay that cannot be reached says so and stops."""
        pending: Deferred[IListeningPort] = Deferred()
        options = self.options("--listen=tcp:1")
        options.tls = [Endpoint(pending)]
        daemon = make_service(options)
        self.addCleanup(daemon.stopService)
        daemon.startService()
        with capturedLogs() as events:
            pending.errback(OSError("no Tor here"))
        self.assertIn("no Tor here", formatEvent(events[-1]))
        self.assertIs(events[-1]["log_level"], LogLevel.critical)
        self.assertEqual(self.reactor.stopped, 1)

    def test_a_new_certificate(self) -> None:
        """It is for the connections to come, and the addresses are told anew."""
        daemon = self.make("--listen=tcp:1")
        (before,) = self.addresses()
        (self.state / "key.pem").unlink()
        own_certificate(self.state)
        daemon.reload()
        self.assertNotEqual(self.addresses(), [before])

    def test_a_bad_new_certificate(self) -> None:
        """It is logged why, and the old one stays."""
        daemon = self.make("--listen=tcp:1")
        before = self.addresses()
        (self.state / "certificate.pem").write_text("nonsense")
        with capturedLogs() as events:
            daemon.reload()
        self.assertIn("no PEM certificate", formatEvent(events[-1]))
        self.assertIs(events[-1]["log_level"], LogLevel.error)
        self.assertEqual(self.addresses(), before)

    def test_addresses_that_cannot_be_written(self) -> None:
        """Such as after privileges were given up: it is logged, and the relay goes on."""
        daemon = self.make("--listen=tcp:1")
        (self.state / "addresses").unlink()
        (self.state / "addresses").mkdir()
        with capturedLogs() as events:
            daemon.reload()
        self.assertIn("could not be written", formatEvent(events[-1]) or "")


class SignalTests(SynchronousTestCase):
    """`Signals`, with the process's real ones."""

    def setUp(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = Reactor()
        self.reloads = 0
        self.signals = Signals(self.reactor, self.reload)
        self.signals.startService()
        self.reactor.run()
        self.reactor.stopped = 0  # in memory, it stops when it has run

    def reload(self) -> None:
        self.reloads += 1

    def test_hangup_reloads(self) -> None:
        """In the reactor's turn, not in the handler."""
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.reloads, 0)
        self.reactor.advance(0)
        self.assertEqual(self.reloads, 1)

    def test_termination_stops(self) -> None:
        """Once, however often it is asked for."""
        signal.raise_signal(signal.SIGTERM)
        self.reactor.advance(0)
        self.signals.stopService()
        signal.raise_signal(signal.SIGTERM)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.stopped, 1)
