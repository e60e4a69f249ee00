"""The options of ``twistd securechat``."""

from __future__ import annotations

import io
import re
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver
from twisted.python.usage import Options, UsageError
from twisted.trial.unittest import SynchronousTestCase

from securechat.fingerprint import to_groups, to_words
from securechat.relay.limits import Limits
from securechat.relay.listening import EverywhereEndpoint
from securechat.relay.options import RelayOptions
from securechat.relay.retention import Retention

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
ONION = f"securechat+onion://{'a' * 56}.onion"


def parse(*arguments: str, parent: Any = None) -> RelayOptions:
    """Return what the command line *arguments* ask for."""
    options = RelayOptions(MemoryReactorClock())
    options.parent = parent
    options.parseOptions(list(arguments))
    return options


class OptionsTests(SynchronousTestCase):
    """What can be asked for."""

    def refuses(self, *arguments: str, parent: Any = None) -> str:
        """See that *arguments* are refused; return why, which is one line."""
        with self.assertRaises(UsageError) as caught:
            parse(*arguments, parent=parent)
        complaint = str(caught.exception)
        self.assertEqual(len(complaint.splitlines()), 1)
        return complaint

    def test_no_option_at_all(self) -> None:
        """Then it listens everywhere, under this machine's name, with the usual limits."""
        options = parse()
        (endpoint,) = options.tls
        self.assertIsInstance(endpoint, EverywhereEndpoint)
        self.assertEqual((options.plain, options.addresses), ([], []))
        self.assertEqual(options.limits, Limits())
        self.assertEqual(options.name, socket.gethostname())
        self.assertEqual(options.state.name, "securechat-relay")
        self.assertIsNone(options.founders)

    def test_endpoints(self) -> None:
        """Any number, with and without TLS; the default is for who names none."""
        options = parse("--listen", "tcp:1", "--listen=tcp:2", "--listen-plain", "unix:/x")
        self.assertEqual((len(options.tls), len(options.plain)), (2, 1))
        self.assertIsInstance(options.tls[0], TCP4ServerEndpoint)
        self.assertEqual(parse("--listen-plain", "unix:/x").tls, [])

    def test_metrics(self) -> None:
        """They have endpoints of their own, and by default none."""
        options = parse("--metrics=tcp:9117:interface=127.0.0.1", "--metrics=unix:/x")
        self.assertEqual((len(options.metrics), len(options.tls)), (2, 1))
        self.assertEqual(parse().metrics, [])

    def test_no_endpoint(self) -> None:
        """It says which it was."""
        self.assertIn("'nonsense:1' is no server endpoint", self.refuses("--listen=nonsense:1"))
        self.assertIn("'tcp:x'", self.refuses("--listen-plain=tcp:x"))
        self.assertIn("'tcp:y'", self.refuses("--metrics=tcp:y"))

    def test_addresses(self) -> None:
        """Of what is reached without TLS, rooms aside."""
        options = parse("--listen-plain=tcp:1", f"--address={ONION}/lobby", f"--address={ONION}:9")
        self.assertEqual([str(each) for each in options.addresses], [ONION, f"{ONION}:9"])

    def test_no_address(self) -> None:
        """Nor that of a host over TLS, which follows from the name."""
        self.assertIn("--address", self.refuses("--address=nonsense"))
        self.assertIn("--name", self.refuses("--address=securechat://relay.example"))

    def test_each_limit_is_an_option(self) -> None:
        """By its name with hyphens."""
        for field in attrs.fields(Limits):
            option = "--" + field.name.replace("_", "-")
            assert field.default is not None
            value = field.default + 1
            limits = parse(option, str(value)).limits
            self.assertEqual(limits, attrs.evolve(Limits(), **{field.name: value}), option)

    def test_what_is_kept(self) -> None:
        """Each bound of it is an option, too."""
        retention = parse("--retain-days=0.5", "--retain-bytes=1", "--retain-messages=2").retention
        kept = Retention(retain_days=0.5, retain_bytes=1, retain_messages=2)
        self.assertEqual(retention, kept)
        self.assertEqual(parse().retention, Retention())
        self.assertIn("retain-messages", self.refuses("--retain-messages=0"))

    def test_what_the_history_outlasts(self) -> None:
        """There are two answers."""
        self.assertEqual(parse("--durability=power")["durability"], "power")
        self.assertIn("not 'fire'", self.refuses("--durability=fire"))

    def test_no_limit(self) -> None:
        """Neither words nor what is too low."""
        self.assertIn("--ask-timeout takes a number, not 'x'", self.refuses("--ask-timeout=x"))
        self.assertIn("rooms-in-all", self.refuses("--rooms-in-all=0"))
        self.assertIn("takes a number", self.refuses("--rooms-in-all=1.5"))

    def test_names(self) -> None:
        """A host's name or an IP address."""
        self.assertEqual(parse("--name=relay.example").name, "relay.example")
        self.assertEqual(parse("--name=2001:db8::1").name, "2001:db8::1")
        self.assertIn("--name", self.refuses("--name=relay example"))

    def test_a_machine_without_a_proper_name(self) -> None:
        """The operator is asked for one."""
        self.patch(socket, "gethostname", lambda: "(none)")
        self.assertIn("'(none)' is no host name", self.refuses())

    def test_the_state_directory_is_absolute(self) -> None:
        """twistd changes the directory."""
        self.assertEqual(parse("--state-dir=here").state, Path("here").absolute())

    def test_certificate_and_key_go_together(self) -> None:
        """One without the other is refused."""
        self.assertEqual(parse("--certificate=a", "--key=b")["key"], "b")
        self.assertIn("go together", self.refuses("--key=b"))

    def test_founders(self) -> None:
        """One fingerprint a line, in either form, with comments."""
        first, second = bytes(32), bytes(range(32))
        path = Path(self.mktemp())
        path.write_text(f"# friends\n{to_groups(first)}  # Alice\n\n{to_words(second)}\n")
        self.assertEqual(parse(f"--founders={path}").founders, {first, second})

    def test_no_founders(self) -> None:
        """The line is named, or the file."""
        path = Path(self.mktemp())
        path.write_text(f"{to_groups(bytes(32))}\nnonsense\n")
        self.assertIn(f"{path}, line 2", self.refuses(f"--founders={path}"))
        path.write_bytes(b"\xff")
        self.assertIn(str(path), self.refuses(f"--founders={path}"))
        path.unlink()
        self.assertIn("No such file", self.refuses(f"--founders={path}"))

    def test_the_version(self) -> None:
        """It is shown, and that is all."""
        stdout = io.StringIO()
        self.patch(sys, "stdout", stdout)
        with self.assertRaises(SystemExit) as caught:
            parse("--version")
        self.assertEqual(caught.exception.code, 0)
        self.assertEqual(stdout.getvalue(), f"securechat {version('securechat')}\n")

    def test_nothing_else(self) -> None:
        """Unknown options and arguments are refused."""
        self.assertIn("not recognized", self.refuses("--nonsense"))
        self.assertIn("number of arguments", self.refuses("nonsense"))


class LogTests(SynchronousTestCase):
    """`--log-format`."""

    def test_json(self) -> None:
        """It goes where twistd's own log would."""
        twistd: Any = Options()
        twistd.update({"logfile": None, "nodaemon": 1})
        observer = parse("--log-format=json", parent=twistd).observer
        assert observer is not None
        self.assertTrue(ILogObserver.providedBy(observer()))

    def test_text(self) -> None:
        """Then it is as twistd does it."""
        self.assertIsNone(parse("--log-format=text").observer)

    def test_others(self) -> None:
        """There are two formats; and twist has its own option."""
        with self.assertRaisesRegex(UsageError, "text or json"):
            parse("--log-format=xml")
        with self.assertRaisesRegex(UsageError, "twist has an option of that name"):
            parse("--log-format=json", parent=Options())


class DocumentTests(SynchronousTestCase):
    """What ``docs/relay.md`` tells the operator."""

    def setUp(self) -> None:
        self.document = (DOCS / "relay.md").read_text("utf-8")

    def test_every_option_is_there(self) -> None:
        """Each in the first column of a table."""
        usage = str(RelayOptions(MemoryReactorClock()))
        options = set(re.findall(r"^ +--([a-z-]+)", usage, re.MULTILINE)) - {"help", "version"}
        shown = re.findall(r"^\| `--([a-z-]+)", self.document, re.MULTILINE)
        self.assertEqual(sorted(shown), sorted(options))

    def test_limits_have_their_defaults(self) -> None:
        """The numbers are those of the code."""
        for field in (*attrs.fields(Limits), *attrs.fields(Retention)):
            option = field.name.replace("_", "-")
            self.assertIn(f"| `--{option}` | {field.default:,.0f} |", self.document)


class UsageTests(SynchronousTestCase):
    """What ``--help`` shows."""

    def test_every_option_is_explained(self) -> None:
        """In one line each, or a few."""
        text = str(RelayOptions(MemoryReactorClock()))
        for name in (
            "listen",
            "listen-plain",
            "metrics",
            "address",
            "name",
            "state-dir",
            "founders",
        ):
            self.assertRegex(text, rf"--{name}=? +\S")
        for field in attrs.fields(Limits):
            self.assertIn("--" + field.name.replace("_", "-"), text)
        self.assertIn("7117", text)
