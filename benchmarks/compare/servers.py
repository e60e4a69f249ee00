"""
The servers that are compared: our relay and its peers.
"""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.compare.build import HERE
from benchmarks.compare.workloads import Workload

MOSQUITTO, RELAY = "mosquitto", "relay"
"""What ratios are to, and what they are of."""

_TWISTD = "from twisted.scripts.twistd import run; run()"  # the script may not be on the path
_SBIN = "/usr/sbin"


@attrs.frozen
class Place:
    """Where a server is started, once."""

    directory: Path
    """Its own."""
    port: int
    """On which it is to listen, with TLS."""
    spare: int
    """For one that cannot do without a port without TLS."""
    certificate: Path
    key: Path
    limit: Path
    """The program that `build` makes of `LIMIT`."""


@attrs.frozen
class Server:
    """One that can be compared."""

    name: str
    protocol: str
    """As the load generator names it."""
    command: Callable[[Place], Sequence[str]]
    """Writes what it needs into its directory, and returns how to start it there."""
    environment: Mapping[str, str] = attrs.field(factory=dict)
    program: str | None = None
    """What has to be installed, in the package of the same name."""
    most_connections: int | None = None
    """With more it does not come to an end."""

    @property
    def is_relay(self) -> bool:
        return self.protocol == "securechat"

    def takes(self, workload: Workload) -> bool:
        """Whether it can be put under *workload*."""
        if workload.relay_only and not self.is_relay:
            return False
        return self.most_connections is None or workload.connections <= self.most_connections

    @property
    def lacks(self) -> str | None:
        """Return how to install it, if it is not."""
        if self.program is None or _found(self.program):
            return None
        return f"apt-get install {self.program}"


def relay(checkout: Path = HERE.parent, name: str = RELAY) -> Server:
    """Return the relay of *checkout*. Its state directory is ``relay`` where it is started."""
    return Server(name, "securechat", relay_command, _path(checkout))


def _path(first: Path) -> dict[str, str]:
    """Return the environment in which Python looks for packages in *first* before all else."""
    others = filter(None, [os.environ.get("PYTHONPATH")])
    return {"PYTHONPATH": os.pathsep.join([str(first.absolute()), *others])}


def relay_command(place: Place, twistd: Sequence[str] = ()) -> list[str]:
    """Return how to start the relay, with further options for *twistd*."""
    return [
        *(sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "--logfile=log", *twistd),
        *("securechat", "--name=127.0.0.1", "--state-dir=relay"),
        f"--listen=tcp:{place.port}:interface=127.0.0.1",
    ]


def _mosquitto(place: Place) -> list[str]:
    config = f"""
        listener {place.port} 127.0.0.1
        certfile {place.certificate}
        keyfile {place.key}
        tls_version tlsv1.3
        allow_anonymous true
        max_queued_messages 100000
        log_dest none
        set_tcp_nodelay true
        user {getpass.getuser()}
    """
    return [_found("mosquitto"), "-c", _written(place, config)]


def _ngircd(place: Place) -> list[str]:
    # A server of root gives itself to nobody, who could not read the key.
    user = "ServerUID = root\nServerGID = root" if os.getuid() == 0 else ""
    config = f"""
        [Global]
        Name = irc.localhost
        Info = benchmark
        MotdPhrase = hello
        Listen = 127.0.0.1
        Ports = {place.spare}
        {user}
        [Limits]
        MaxConnections = 0
        MaxConnectionsIP = 0
        MaxJoins = 0
        MaxPenaltyTime = 0
        PingTimeout = 600
        [Options]
        DNS = no
        Ident = no
        PAM = no
        ScrubCTCP = no
        [SSL]
        CertFile = {place.certificate}
        KeyFile = {place.key}
        Ports = {place.port}
    """
    return [_found("ngircd"), "-n", "-f", _written(place, config)]


def _nats(place: Place) -> list[str]:
    config = f"""
        listen: "127.0.0.1:{place.port}"
        write_deadline: "30s"
        max_pending: 268435456
        tls {{
          cert_file: "{place.certificate}"
          key_file: "{place.key}"
          timeout: 5
        }}
    """
    return [_found("nats-server"), "-c", _written(place, config)]


def _limit(place: Place) -> list[str]:
    return [str(place.limit), str(place.port), str(place.certificate), str(place.key)]


def _naive(place: Place) -> list[str]:
    where = f"ssl:{place.port}:interface=127.0.0.1"
    endpoint = f"{where}:certKey={place.certificate}:privateKey={place.key}"
    return [sys.executable, "-m", "benchmarks.peers.naive", endpoint]


PEERS = (
    Server(MOSQUITTO, "mqtt", _mosquitto, program="mosquitto"),
    Server("nats", "nats", _nats, program="nats-server"),
    # Each member is told of each other one that joins, and with a thousand it pauses for seconds.
    Server("ngircd", "irc", _ngircd, program="ngircd", most_connections=500),
    Server("limit", "raw", _limit),
    Server("naive", "raw", _naive, _path(HERE.parent)),
)
"""``limit`` is the least that C needs, ``naive`` what one writes first with Twisted."""


def _found(program: str) -> str:
    """Return the path of *program*, empty where it is not installed."""
    return shutil.which(program) or shutil.which(program, path=_SBIN) or ""


def _written(place: Place, config: str) -> str:
    path = place.directory / "config"
    lines = [line.strip() for line in config.strip().splitlines()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)
