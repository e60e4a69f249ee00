"""``securechat doctor``: what it finds, each thing made wrong in turn."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory
from twisted.internet.ssl import TLSVersion
from zope.interface import implementer

from securechat import keyfile
from securechat.address import Address, pin_text
from securechat.channel import pin_of
from securechat.cli.doctor import command, local, look, remote
from securechat.cli.doctor.findings import Finding, Level, Report
from securechat.cli.doctor.local import Here
from securechat.cli.doctor.remote import Caller, There
from securechat.cli.passphrase import Passphrase
from securechat.client.client import ChatClient
from securechat.client.directory import STATE_FILE
from securechat.client.lock import LOCK_FILE, Lock
from securechat.identity import Identity
from securechat.relay.factory import RelayFactory
from securechat.trust import TrustStore
from securechat.wire import Ack, Banner, Online, serialise
from tests.cli import CommandTestCase, invoke
from tests.cli.chatting import ChatTestCase
from tests.cli.test_rooms import ADDRESS, RoomsTestCase
from tests.client.certificates import Authority
from tests.client.test_tls import AUTHORITY, BANNER, NAME, Between, Loopback

reactor: Any = _reactor  # a module, to the type checker

OK, SKIPPED, WARNING, WRONG = Level


def found(findings: list[Finding], level: Level) -> dict[str, str]:
    """What was found to be so, by check."""
    return {each.check: each.words for each in findings if each.level is level}


def tree(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """All files of a directory: mode, time and content."""
    return {
        path.name: (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in home.iterdir()
    }


class LocalTests(CommandTestCase):
    """What is on this machine."""

    def findings(self, *arguments: str | Path, code: int = 0) -> dict[str, tuple[str, str]]:
        """Let the doctor look, and return results and words by check, the last of each."""
        result = invoke("--home", self.home, "doctor", "--json", *arguments)
        self.assertEqual(result.exit_code, code, result.output)
        values = [json.loads(line) for line in result.stdout.splitlines()]
        return {each["check"]: (each["result"], each["words"]) for each in values}

    def test_healthy(self) -> None:
        """Where all is as it should be each line says so, and the exit code is 0."""
        self.init()
        self.ok("trust", "add", "bob", self.friend("bob")["fingerprint"])
        lines = self.ok("doctor").splitlines()
        self.assertEqual(lines[-1], "Nothing is wrong.")
        self.assertEqual({line.split()[0] for line in lines[:-1]}, {"ok"})
        checks = [line.split()[1] for line in lines[:-1]]
        names = "directory files identity trust rooms state lock disk clock"
        self.assertEqual(checks, [f"{each}:" for each in names.split()])

    def test_nothing_is_changed(self) -> None:
        """No file is made, nor written, nor is its mode changed."""
        self.init()
        before = tree(self.home)
        self.ok("doctor")
        self.assertEqual(tree(self.home), before)

    def test_no_identity(self) -> None:
        """Who has none is told how to make one; and no directory is made."""
        result, words = self.findings(code=1)["directory"]
        self.assertEqual(result, "wrong")
        self.assertIn("securechat init --name NAME", words)
        self.assertFalse(self.home.exists())
        self.home.mkdir(0o700)
        self.assertIn("securechat init", self.findings(code=1)["identity"][1])

    def test_nobody_trusted(self) -> None:
        """That is not wrong, but nobody could be let in: it is a warning, and the code 0."""
        self.init()
        result, words = self.findings()["trust"]
        self.assertEqual(result, "warning")
        self.assertIn("securechat trust add", words)
        self.assertIn("Found: 1 warning.", self.ok("doctor"))

    def test_others_have_access(self) -> None:
        """To a file, or the directory: the command that takes it from them is shown."""
        self.init()
        (self.home / "identity").chmod(0o640)
        self.assertIn("chmod 600", self.complains())
        (self.home / "identity").chmod(0o600)
        self.home.chmod(0o755)
        self.assertIn("chmod 700", self.findings(code=1)["directory"][1])

    def complains(self) -> str:
        """What the doctor shows where something is wrong."""
        result = invoke("--home", self.home, "doctor")
        self.assertEqual(result.exit_code, 1)
        self.assertRegex(result.stdout, r"Found: \d wrong(, 1 warning)?\.\n\Z")
        return result.stdout

    def test_others_may_revoke(self) -> None:
        """A certificate that others can read is a warning: a chat does not need it."""
        self.init()
        (certificate,) = self.home.glob("revocation-*.txt")
        certificate.chmod(0o644)
        shown = self.ok("doctor")
        self.assertRegex(shown, rf"(?m)^warning files: .*chmod 600 '{certificate}'")

    def test_no_file(self) -> None:
        """What is there in a file's place is named; so is a file that may not be used."""
        self.init()
        (self.home / "rooms").mkdir(0o700)
        self.assertIn("It is no file", self.complains())
        (self.home / "rooms").rmdir()
        self.patch(os, "access", lambda path, mode: Path(path).name != "profile")
        self.assertIn("profile: You may not read and write it. Have its owner", self.complains())

    def test_passphrase(self) -> None:
        """What is under a passphrase is left out where it is not given, and nobody can be asked."""
        passphrase = Path(self.mktemp()).absolute()
        passphrase.write_text("a long passphrase\n")
        self.ok("init", "--name", "alice", "--passphrase-file", passphrase)
        findings = self.findings()
        self.assertEqual(findings["identity"][0], "skipped")
        self.assertIn("--passphrase-file", findings["identity"][1])
        self.assertNotIn("trust", findings)
        findings = self.findings("--passphrase-file", passphrase)
        self.assertIn("alice, ", findings["identity"][1])
        self.assertIn("under a passphrase", findings["identity"][1])
        passphrase.write_text("another\n")
        findings = self.findings("--passphrase-file", passphrase, code=1)
        self.assertIn("does not open the identity", findings["identity"][1])

    def test_profile(self) -> None:
        """One that is missing leaves the user without a name; another's is wrong."""
        self.init()
        (self.home / "profile").unlink()
        self.assertIn("--name NAME", self.findings()["profile"][1])
        other = Path(self.mktemp()).absolute()
        self.init("bob", other)
        (other / "profile").rename(self.home / "profile")
        self.assertIn("exchanged one of the two", self.findings(code=1)["identity"][1])

    def test_damaged_files(self) -> None:
        """Each sealed file is opened, and the database looked through."""
        self.init()
        for name, check in (("trust", "trust"), ("rooms", "rooms"), (STATE_FILE, "state")):
            path = self.home / name
            path.write_bytes(b"no such file")
            path.chmod(0o600)
            result, words = self.findings(code=1)[check]
            self.assertEqual(result, "wrong")
            self.assertIn(str(path), words)
            path.unlink()

    def test_lock(self) -> None:
        """A chat that is running is named, and is nothing wrong."""
        self.init()
        lock = Lock(self.home)
        self.assertIn(f"process {os.getpid()}", self.findings()["lock"][1])
        lock.release()
        self.assertEqual(self.findings()["lock"], ("ok", "no chat is running here"))
        (self.home / LOCK_FILE).chmod(0o644)
        self.assertEqual(self.findings(code=1)["lock"][0], "wrong")
        found: list[Finding] = []
        report = Report(found.append)
        with ExitStack() as held:
            here = Here(self.home, report)
            here.examine(Passphrase(), held)
            caller = command._caller(
                here, Address.parse("securechat://relay.example"), False, report
            )
        self.assertFalse(caller.own)  # it would be cut off if it is running
        self.assertIn("whether a chat is running here could not be seen", found[-1].words)

    def test_disk(self) -> None:
        """Little space is a warning, before there is none."""
        self.init()
        self.patch(local, "SCARCE", 2**80)
        result, words = self.findings()["disk"]
        self.assertEqual(result, "warning")
        self.assertIn("Make room", words)

    def test_clock(self) -> None:
        """A file, or a trust, from the future shows that the clock is wrong, or was."""
        self.init()
        later = datetime(2100, 1, 1, tzinfo=UTC)
        os.utime(self.home / "profile", (later.timestamp(), later.timestamp()))
        result, words = self.findings()["clock"]
        self.assertEqual(result, "warning")
        self.assertIn(f"{self.home / 'profile'} was written at a time that is still to come", words)
        self.assertIn("2100-01-01", words)
        os.utime(self.home / "profile")
        identity = keyfile.load(self.home / keyfile.KEY_FILE, None)
        bob = Identity.generate().fingerprint
        TrustStore.open(self.home, identity).add("bob", bob, "typed", later)
        self.assertIn("bob was trusted at a time", self.findings()["clock"][1])

    def test_no_address(self) -> None:
        """What is none is wrong usage, and said by its own name in JSON."""
        self.init()
        result = invoke("--home", self.home, "doctor", "relay.example/lobby", "--json")
        self.assertEqual(result.exit_code, 2)
        last = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((last["check"], last["result"]), ("address", "wrong"))
        self.assertEqual(last["error"], "AddressError")
        self.assertIn("does not begin with securechat://", last["words"])


class RoomTests(RoomsTestCase):
    """What is known here of the room that is asked about."""

    def test_room(self) -> None:
        """It is found by the address; and that its keys are lost is said."""
        self.init()
        address = Address.parse(ADDRESS)
        report, here = self.here()
        self.assertIsNone(here.room(address))
        self.keep()
        report, here = self.here()
        self.assertEqual(here.room(address), self.known().find(address, "lobby"))
        self.assertEqual(found(report.findings, WRONG), {})
        self.known().forget(address, "lobby")
        self.keep(stuck=True)
        report, here = self.here()
        here.room(address)
        self.assertIn("securechat chat --rejoin", found(report.findings, WRONG)["room"])
        self.assertEqual(report.code, 5)

    def test_nothing_is_changed(self) -> None:
        """What is kept of rooms stays byte for byte; only the lock says who had it last."""
        self.init()
        self.keep()
        before = tree(self.home)
        _, here = self.here()
        self.assertIsNotNone(here.room(Address.parse(ADDRESS)))
        after = tree(self.home)
        del before[LOCK_FILE], after[LOCK_FILE]
        self.assertEqual(after, before)

    def test_damage(self) -> None:
        """Of a database that is damaged no room is taken."""
        self.init()
        self.keep()
        (self.home / STATE_FILE).write_bytes(b"no database")
        _, here = self.here()
        self.assertIsNone(here.room(Address.parse(ADDRESS)))

    def here(self) -> tuple[Report, Here]:
        """Look at the directory."""
        report = Report(lambda _: None)
        here = Here(self.home, report)
        with ExitStack() as held:
            here.examine(Passphrase(), held)
        return report, here


class RemoteTests(Loopback):
    """What is on the way to a relay, and there."""

    async def ask(
        self, address: Address, port: int | None = None, caller: Caller | None = None
    ) -> dict[str, str]:
        """
        Let the doctor look at *address*, through an endpoint that leads to *port* if that is
        given; return what is wrong.
        """
        through = None if port is None else TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        self.report = Report(lambda _: None)
        caller = caller or Caller(Identity.generate(), own=True)
        await There(reactor, address, through, self.report).examine(caller)
        return found(self.report.findings, WRONG)

    def resolve(self, *addresses: Any) -> None:
        """Let every name stand for *addresses*."""
        old = reactor.installNameResolver(Resolver(addresses))
        self.addCleanup(reactor.installNameResolver, old)

    async def test_well(self) -> None:
        """Each step is told, as it goes, with what is shown there."""
        tls = Authority("nobody knows it").server(NAME)
        port = await self.relay(tls)
        address = Address(host="127.0.0.1", port=port, pin=pin_of(tls.certificate))
        self.assertEqual(await self.ask(address), {})
        steps = ["port", "tls", "certificate", "pin", "relay", "limits", "login"]
        self.assertEqual([each.check for each in self.report.findings], steps)
        shown = found(self.report.findings, OK)
        self.assertIn("TLSv1.3, keys by X25519", shown["tls"])
        self.assertIn("for relay.example, from 2020-01-01 to 2090-01-01", shown["certificate"])
        self.assertIn("version 1 ", shown["relay"])
        self.assertIn("line 65,536", shown["limits"])
        self.assertEqual(self.report.code, 0)

    async def test_name_under_an_authority(self) -> None:
        """Without a pin that of the relay is shown, and not judged."""
        tls = AUTHORITY.server(NAME)
        self.assertEqual(await self.ask(Address(host="relay.example"), await self.relay(tls)), {})
        skipped = found(self.report.findings, SKIPPED)
        self.assertIn(pin_text(pin_of(tls.certificate)), skipped["pin"])
        self.assertIn("--endpoint", skipped["name"])

    async def test_wrong_pin(self) -> None:
        """It is about trust, and both pins are shown."""
        tls = AUTHORITY.server(NAME)
        wrong = await self.ask(Address(host="relay.example", pin=bytes(32)), await self.relay(tls))
        self.assertEqual(list(wrong), ["pin"])
        self.assertIn(pin_text(pin_of(tls.certificate)), wrong["pin"])
        self.assertEqual(self.report.code, 4)

    async def test_wrong_certificate(self) -> None:
        """For another name, or by nobody whom this machine knows."""
        for tls in AUTHORITY.server(), Authority("nobody knows it").server(NAME):
            port = await self.relay(tls)
            self.assertEqual(
                list(await self.ask(Address(host="relay.example"), port)), ["certificate"]
            )
            self.assertEqual(self.report.code, 4)
        self.flushLoggedErrors()

    async def test_certificate_that_is_over(self) -> None:
        """It is a warning, and with a pin no more than that."""
        tls = AUTHORITY.server(NAME, end=datetime(2021, 1, 1, tzinfo=UTC))
        port = await self.relay(tls)
        address = Address(host="relay.example", pin=pin_of(tls.certificate))
        self.assertEqual(await self.ask(address, port), {})
        self.assertIn("which is over", found(self.report.findings, WARNING)["certificate"])
        wrong = await self.ask(Address(host="relay.example"), port)
        self.assertEqual(list(wrong), ["certificate"])
        self.assertIn("has to renew it", found(self.report.findings, WARNING)["certificate"])

    async def test_older_tls(self) -> None:
        """The version that is spoken is named."""
        port = await self.scripted(AUTHORITY.server(NAME, highest=TLSVersion.TLSv1_2))
        wrong = await self.ask(Address(host="relay.example"), port)
        self.assertIn("it speaks TLSv1.2, and securechat needs TLSv1.3", wrong["tls"])
        self.assertEqual(self.report.code, 3)

    async def test_no_tls(self) -> None:
        """Somebody speaks something else, hangs up, or says nothing."""
        address = Address(host="relay.example")
        wrong = await self.ask(address, await self.scripted(None, b"HTTP/1.1 400 Bad Request\r\n"))
        self.assertIn("TLS failed", wrong["tls"])
        wrong = await self.ask(address, await self.scripted(None, closes=True))
        self.assertIn("was lost", wrong["tls"])
        self.patch(look, "SECONDS", 0.1)
        self.assertIn("not answered", (await self.ask(address, await self.scripted(None)))["tls"])

    async def test_no_relay(self) -> None:
        """Another protocol, another version of ours, or a relay that has no place."""
        address = Address(host="relay.example")
        port = await self.scripted(AUTHORITY.server(NAME), b"220 mail.example ESMTP\r\n")
        self.assertIn("does not speak as a relay does", (await self.ask(address, port))["relay"])
        other = serialise(Banner((9,), bytes(32), {"line": 65_536})) + b"\r\n"
        port = await self.scripted(AUTHORITY.server(NAME), other)
        self.assertIn("version 9: you must upgrade", (await self.ask(address, port))["relay"])
        self.assertEqual(self.report.code, 3)

    async def test_login_refused(self) -> None:
        """What the relay is like was seen by then; that it does not let the user in is wrong."""
        port = await self.listen(
            Between(await self.relay(AUTHORITY.server(NAME))), AUTHORITY.server(NAME)
        )
        wrong = await self.ask(Address(host="relay.example"), port)
        self.assertIn("does not accept the proof", wrong["login"])
        self.assertIn("limits", found(self.report.findings, OK))
        self.assertEqual(self.report.code, 5)

    async def test_nobody_listens(self) -> None:
        """At the port, by any address; or at the end of the endpoint."""
        listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory())
        port = listening.getHost().port
        await listening.stopListening()
        wrong = await self.ask(Address(host="127.0.0.1", port=port))
        self.assertEqual(list(wrong), ["port"])
        self.assertIn("refused", wrong["port"])
        self.assertEqual(self.report.code, 3)
        wrong = await self.ask(Address(host="relay.example"), port)
        self.assertIn("refused", wrong["tls"])

    async def test_one_address_of_two(self) -> None:
        """A family of addresses by which nothing is reached is a warning, where another works."""
        tls = Authority("nobody knows it").server()
        port = await self.relay(tls)
        here = IPv4Address("TCP", "127.0.0.1", port)
        self.resolve(IPv6Address("TCP", "::1", port), here, here)
        address = Address(host="relay.example", port=port, pin=pin_of(tls.certificate))
        self.assertEqual(await self.ask(address), {})
        shown = found(self.report.findings, OK)
        self.assertEqual(shown["name"], "relay.example is ::1, 127.0.0.1")
        self.assertIn("127.0.0.1 takes connections", shown["port"])
        self.assertIn("::1 does not", found(self.report.findings, WARNING)["port"])

    async def test_no_such_name(self) -> None:
        """A host's name that leads nowhere."""
        self.resolve()
        wrong = await self.ask(Address(host="relay.example"))
        self.assertIn("there is no such name as relay.example", wrong["name"])
        self.assertEqual(self.report.code, 3)

    async def test_onion_service(self) -> None:
        """Only Tor gets there, so nothing is dialled without an endpoint."""
        wrong = await self.ask(Address("onion", host="a" * 56 + ".onion"))
        self.assertIn("only Tor gets there", wrong["address"])

    async def test_unix_socket(self) -> None:
        """There is no name, no port and no TLS to look at."""
        directory = TemporaryDirectory()  # a path that is short enough
        self.addCleanup(directory.cleanup)
        address = Address("unix", path=f"{directory.name}/relay")
        self.assertIn("No connection", (await self.ask(address))["relay"])
        factory = RelayFactory(reactor, addresses=[address])
        self.addCleanup(factory.close)
        port = await UNIXServerEndpoint(reactor, address.path).listen(factory)
        self.addCleanup(port.stopListening)
        self.assertEqual(await self.ask(address), {})
        steps = [each.check for each in self.report.findings]
        self.assertEqual(steps, ["relay", "limits", "login"])

    async def test_room(self) -> None:
        """Its members are told that it is there; others that they are none, or that it is gone."""
        tls = AUTHORITY.server(NAME)
        port = await self.relay(tls)
        address = Address(host="relay.example", room="lobby")
        identity, way = Identity.generate(), TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        chat = ChatClient(reactor, identity, TrustStore(), address, endpoint=way)
        self.addCleanup(chat.close)
        await chat.connect()
        room = await chat.found("lobby")
        await chat.close()
        caller = Caller(identity, own=True, room=room.id)
        self.assertEqual(await self.ask(address, port, caller), {})
        self.assertIn("#lobby is there", found(self.report.findings, OK)["room"])
        wrong = await self.ask(address, port, Caller(Identity.generate(), True, room.id))
        self.assertIn("no member of #lobby", wrong["room"])
        self.assertEqual(self.report.code, 5)
        wrong = await self.ask(address, port, Caller(identity, True, bytes(32)))
        self.assertIn("has lost it or hides it", wrong["room"])
        self.assertEqual(self.report.code, 4)

    async def test_no_answer(self) -> None:
        """A relay that says anything but what it was asked for is not waited for without end."""
        self.patch(remote, "SECONDS", 0.1)
        lines = BANNER, Ack(), Online(bytes(32), 1, b"x")
        said = b"".join(serialise(line) + b"\r\n" for line in lines)
        port = await self.scripted(AUTHORITY.server(NAME), said)
        caller = Caller(Identity.generate(), own=True, room=b"G" * 32)
        wrong = await self.ask(Address(host="relay.example", room="lobby"), port, caller)
        self.assertIn("has not answered", wrong["room"])


@implementer(IHostnameResolver)
class Resolver:
    """Finds the same addresses for every name."""

    def __init__(self, addresses: Any) -> None:
        self._addresses = addresses

    def resolveHostName(self, resolutionReceiver: Any, hostName: str, *_: Any, **__: Any) -> Any:
        resolutionReceiver.resolutionBegan(None)
        for each in self._addresses:
            resolutionReceiver.addressResolved(each)
        resolutionReceiver.resolutionComplete()


class DoctorTests(ChatTestCase):
    """The whole command, and a relay."""

    async def test_member(self) -> None:
        """Who is in a room and not there is told that all is well, and is logged in for it."""
        await self.meet(self.alice, self.bob)
        doctor = self.start("doctor", "--home", self.alice, str(self.address))
        await self.ends(doctor, 0)
        self.assertIn("login: the relay accepts your identity\n", doctor.output)
        self.assertIn("room: #lobby is there", doctor.output)
        self.assertIn("Nothing is wrong.\n", doctor.output)

    async def test_while_a_chat_is_running(self) -> None:
        """It is not cut off: somebody else, made for that, logs in."""
        alice = await self.founder()
        doctor = self.start("doctor", "--home", self.alice, str(self.address))
        await self.ends(doctor, 0)
        self.assertIn(f"The process {alice.transport.pid} is connected as you", doctor.output)
        self.assertIn("login: the relay accepts an identity that was made for this", doctor.output)
        alice.end_input()
        await self.ends(alice, 0)
        self.assertNotIn("connection lost", alice.output)

    async def test_no_login(self) -> None:
        """For who chats on another machine; and where there is no relay the code says so."""
        doctor = self.start("doctor", "--no-login", "--home", self.bob, str(self.address))
        await self.ends(doctor, 0)
        self.assertIn("you are not logged in, nor is the relay asked about #lobby", doctor.output)
        await self.relay.end()
        doctor = self.start("doctor", "--home", self.bob, str(self.address), "--json")
        await self.ends(doctor, 3)
        values = [json.loads(line) for line in doctor.output.splitlines()]
        self.assertEqual((values[-1]["check"], values[-1]["error"]), ("port", "ConnectFailed"))
        (room,) = [each for each in values if each["check"] == "room"]
        self.assertIn("securechat chat does", room["words"])
