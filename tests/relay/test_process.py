"""The relay as people start it: twistd as a process, with ``-n`` and as a daemon."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from securechat.address import DEFAULT_PORT, Address
from securechat.channel import pin_of
from securechat.relay.tls import own_certificate
from securechat.wire import Banner, Code, ErrorLine, Line, parse

SCRIPTS = Path(sysconfig.get_path("scripts"))
PATIENCE = 60  # seconds until a process that does not end is a failure


class TLS:
    """A client over TLS that only listens."""

    def __init__(self, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket = context.wrap_socket(plain)
        self.lines = self.socket.makefile("rb")

    def __enter__(self) -> TLS:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()

    def hears(self) -> Line:
        """Return the next line."""
        return parse(self.lines.readline().removesuffix(b"\r\n"))

    @property
    def pin(self) -> bytes:
        """The SHA-256 of the key that the relay has shown."""
        certificate = self.socket.getpeercert(binary_form=True)
        assert certificate is not None
        return pin_of(x509.load_der_x509_certificate(certificate))


class ProcessTests(SynchronousTestCase):
    """``twistd securechat``."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.state = self.directory / "state"
        self.pid = self.directory / "twistd.pid"
        self.log = self.directory / "twistd.log"

    def start(self, *arguments: str, program: str = "twistd", **environment: str) -> Any:
        """Return the process of a command."""
        process = subprocess.Popen(
            [SCRIPTS / program, *arguments],
            cwd=self.directory,
            env=os.environ | {"HOME": str(self.directory)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def relay(
        self,
        *twistd: str,
        listen: str = "tcp:0:interface=127.0.0.1",
        options: Sequence[str] = (),
    ) -> Any:
        """Return the process of a relay, whose log is a file."""
        return self.start(
            *(*twistd, "-l", str(self.log), "securechat"),
            *("--name=127.0.0.1", f"--state-dir={self.state}", f"--listen={listen}"),
            *options,
        )

    def ended(self, process: Any) -> tuple[int, str, str]:
        """Return the exit status of a process that ends, and what it said and complained."""
        said, complained = process.communicate(timeout=PATIENCE)
        return process.returncode, said, complained

    def daemon(self) -> tuple[int, Address]:
        """Return the process id and the address of a relay that runs as a daemon."""
        status, said, complained = self.ended(self.relay())
        self.assertEqual((status, complained), (0, ""))
        number = int(self.pid.read_text())
        self.addCleanup(self.kill, number)
        return number, Address.parse(said)

    def kill(self, number: int) -> None:
        """End a daemon for good, if it is still there."""
        if self.alive(number):
            os.kill(number, signal.SIGKILL)

    def alive(self, number: int) -> bool:
        """Whether a daemon still runs."""
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return False
        return "twistd" in Path(f"/proc/{number}/cmdline").read_text()

    def await_end(self, number: int) -> None:
        """Wait until a daemon has ended."""
        try:
            daemon = os.pidfd_open(number)
        except ProcessLookupError:
            return
        try:
            ended, _, _ = select.select([daemon], [], [], PATIENCE)
        finally:
            os.close(daemon)
        self.assertEqual(ended, [daemon], "the daemon does not end")

    def test_in_the_foreground(self) -> None:
        """It prints its address, serves, says goodbye on SIGTERM, and leaves nothing behind."""
        process = self.relay("-n")
        address = Address.parse(process.stdout.readline())
        self.assertEqual((self.state / "addresses").read_text(), f"{address}\n")
        with TLS(address.port) as client:
            self.assertIsInstance(client.hears(), Banner)
            self.assertEqual(client.pin, address.pin)
            self.assertTrue(self.pid.exists())
            process.send_signal(signal.SIGTERM)
            error = client.hears()
            assert isinstance(error, ErrorLine)
            self.assertIs(error.code, Code.CLOSING)
        self.assertEqual(self.ended(process), (0, "", ""))
        self.assertFalse(self.pid.exists())
        self.assertNotIn("Traceback", self.log.read_text())

    def test_as_a_daemon(self) -> None:
        """The same; the address is printed before it goes to the background."""
        number, address = self.daemon()
        with TLS(address.port) as client:
            self.assertIsInstance(client.hears(), Banner)
            self.assertEqual(client.pin, address.pin)
            os.kill(number, signal.SIGTERM)
            error = client.hears()
            assert isinstance(error, ErrorLine)
            self.assertIs(error.code, Code.CLOSING)
        self.await_end(number)
        self.assertFalse(self.pid.exists())
        self.assertIn(str(address), self.log.read_text())
        self.assertNotIn("Traceback", self.log.read_text())

    def test_clients_that_do_not_go(self) -> None:
        """They do not keep the relay from ending."""
        process = self.relay("-n")
        address = Address.parse(process.stdout.readline())
        with (
            socket.create_connection(("127.0.0.1", address.port)),
            TLS(address.port) as client,
        ):
            client.hears()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(self.ended(process)[0], 0)

    def test_a_port_that_is_taken(self) -> None:
        """One clear line, with ``-n`` and as a daemon; no traceback, no hang, no pid file."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            for foreground in (["-n"], []):
                status, said, complained = self.ended(self.relay(*foreground, listen=listen))
                self.assertEqual((status, said), (1, ""))
                self.assertRegex(complained, r"^securechat relay: .*already in use.*\n\Z")
                self.assertFalse(self.pid.exists())
                self.assertFalse(self.log.exists())

    def test_a_unix_socket_of_a_daemon(self) -> None:
        """It is the daemon's: another relay does not take it, and nothing is left of it."""
        short = Path(tempfile.mkdtemp())  # a socket's path has at most 107 bytes
        self.addCleanup(shutil.rmtree, short)
        path = short / "socket"
        plain = f"--listen-plain=unix:{path}"
        status, _, complained = self.ended(self.relay(options=[plain]))
        self.assertEqual((status, complained), (0, ""))
        number = int(self.pid.read_text())
        self.addCleanup(self.kill, number)
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as lines:
            client.connect(str(path))
            lines.readline()  # so it has started
            for foreground in (["-n"], []):
                other = self.relay(*foreground, "--pidfile=other.pid", options=[plain, "--memory"])
                status, said, complained = self.ended(other)
                self.assertEqual((status, said), (1, ""))
                self.assertRegex(complained, r"^securechat relay: .*Cannot acquire lock.*\n\Z")
        os.kill(number, signal.SIGTERM)
        self.await_end(number)
        self.assertEqual([each.name for each in short.glob("socket*")], [])

    def test_metrics(self) -> None:
        """A daemon, too, tells of what happens in it."""
        short = Path(tempfile.mkdtemp())  # a socket's path has at most 107 bytes
        self.addCleanup(shutil.rmtree, short)
        status, said, complained = self.ended(self.relay(options=[f"--metrics=unix:{short}/m"]))
        self.assertEqual((status, complained), (0, ""))
        self.addCleanup(self.kill, int(self.pid.read_text()))
        with TLS(Address.parse(said).port) as client, socket.socket(socket.AF_UNIX) as scraper:
            client.hears()
            scraper.connect(f"{short}/m")
            scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with scraper.makefile("rb") as answer:
                lines = answer.read().splitlines()
        self.assertIn(b"securechat_connections 1.0", lines)

    def test_a_second_relay(self) -> None:
        """It does not use the same history: one clear line, with ``-n`` and as a daemon."""
        number, _ = self.daemon()
        for foreground in (["-n"], []):
            other = self.relay(*foreground, "--pidfile=other.pid")
            status, said, complained = self.ended(other)
            self.assertEqual((status, said), (1, ""))
            self.assertRegex(complained, r"^securechat relay: Another relay is using .*\n\Z")
        os.kill(number, signal.SIGTERM)
        self.await_end(number)
        process = self.relay("-n")
        with TLS(Address.parse(process.stdout.readline()).port) as client:
            client.hears()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(process)[0], 0)

    def test_a_bad_option(self) -> None:
        """One clear line after the usage, with ``-n`` and as a daemon."""
        for foreground in (["-n"], []):
            status, said, complained = self.ended(self.relay(*foreground, listen="nonsense:1"))
            self.assertEqual((status, complained), (1, ""))
            self.assertIn("--listen=", said)
            self.assertIn("'nonsense:1' is no server endpoint", said.splitlines()[-1])
            self.assertFalse(self.pid.exists())

    def test_a_new_certificate(self) -> None:
        """SIGHUP reads it; the address is written anew."""
        process = self.relay("-n")
        before = Address.parse(process.stdout.readline())
        (self.state / "key.pem").unlink()
        own_certificate(self.state)
        addresses = self.state / "addresses"
        with TLS(before.port) as client:
            client.hears()  # so it runs, and handles signals
            self.assertEqual(client.pin, before.pin)
        process.send_signal(signal.SIGHUP)
        shown = before.pin
        while shown == before.pin:  # until it has got to the signal
            with TLS(before.port) as client:
                client.hears()
                shown = client.pin
        after = Address.parse(addresses.read_text())
        self.assertEqual(after.pin, shown)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(process)[0], 0)

    def test_no_option_at_all(self) -> None:
        """It makes its state and its key, and serves on the default port."""
        try:
            socket.create_server(("", DEFAULT_PORT)).close()
        except OSError:
            raise SkipTest(f"something else has port {DEFAULT_PORT}") from None
        process = self.start("-n", "securechat", XDG_DATA_HOME=str(self.directory))
        address = Address.parse(process.stdout.readline())
        self.assertEqual(address.port, DEFAULT_PORT)
        with TLS(DEFAULT_PORT) as client:
            client.hears()
            self.assertEqual(client.pin, address.pin)
        key = self.directory / "securechat-relay" / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(process)[0], 0)

    def test_a_log_for_programs(self) -> None:
        """Each line of it is an object."""
        process = self.start(
            *("-n", "-l", str(self.log), "securechat", "--log-format=json"),
            *("--name=127.0.0.1", f"--state-dir={self.state}", "--listen=tcp:0"),
        )
        address = process.stdout.readline().strip()
        with TLS(Address.parse(address).port) as client:
            client.hears()
        process.send_signal(signal.SIGTERM)
        self.ended(process)
        events = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.assertIn(address, [event.get("address") for event in events])

    def test_twist(self) -> None:
        """Twisted's other runner, too."""
        process = self.start(
            *("--log-file=/dev/null", "securechat", "--name=127.0.0.1"),
            *(f"--state-dir={self.state}", "--listen=tcp:0:interface=127.0.0.1"),
            program="twist",
        )
        address = Address.parse(process.stdout.readline())
        with TLS(address.port) as client:
            client.hears()
            process.send_signal(signal.SIGTERM)
            self.assertIsInstance(client.hears(), ErrorLine)
        self.assertEqual(self.ended(process)[0], 0)
