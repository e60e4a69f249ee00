"""
What is on this machine: the directory and its files, the identity, trust, rooms, disk and clock.

Nothing is made, repaired or brought up to date here. What needs the identity's key is left out
where the passphrase is not to be had.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securechat import keyfile
from securechat.address import Address
from securechat.cli.doctor.findings import Report
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import PROFILE_FILE, Profile
from securechat.cli.roster import count
from securechat.client.database import Database
from securechat.client.directory import STATE_FILE
from securechat.client.known import ROOMS_FILE, KnownRooms
from securechat.client.lock import LOCK_FILE, Lock
from securechat.client.parts import Parts
from securechat.errors import (
    KeysGone,
    NoIdentity,
    NoTerminal,
    NotPrivate,
    StateInUse,
)
from securechat.files import check_private
from securechat.fingerprint import to_groups
from securechat.group.room import Room
from securechat.identity import Identity
from securechat.trust import TRUST_FILE, TrustStore

SCARCE = 100 * 2**20
"""Bytes on the disk below which somebody should make room: a room of 1,000 takes a few MB."""

TOLERANCE = timedelta(minutes=5)
"""How far in the future a time may be: other machines share directories, too."""

_OURS = keyfile.KEY_FILE, PROFILE_FILE, TRUST_FILE, ROOMS_FILE, STATE_FILE, LOCK_FILE
_CERTIFICATES = "revocation-*.txt", "succession-*.txt"


class Here:
    """
    The directory *home*.

    :ivar identity: whose it is, if that could be opened.
    :ivar trust: whom that one trusts, if that could be.
    :ivar known: which rooms it knows, if that could be.
    :ivar in_use: who goes on from what is kept here at this moment.
    :ivar is_free: whether it is known that nobody does.
    """

    def __init__(self, home: Path, report: Report) -> None:
        self.identity: Identity | None = None
        self.trust: TrustStore | None = None
        self.known: KnownRooms | None = None
        self.in_use: StateInUse | None = None
        self.is_free = False
        self._home = home
        self._report = report
        self._sound = False  # whether what is kept of rooms can be used

    def examine(self, passphrase: Passphrase, held: ExitStack) -> None:
        """
        Look at all of it.

        :param held: keeps the lock: while the doctor logs in nobody else is to begin to.
        """
        if not self._home.exists():
            self._report.wrong("directory", NoIdentity(path=self._home))
            return
        self._files()
        self._identity(passphrase)
        if self.identity is not None:
            self._trust(self.identity)
            self._rooms(self.identity)
            self._state(self.identity)
        self._lock(held)
        self._disk()
        self._clock()

    def room(self, address: Address) -> bytes | None:
        """
        Return G of the room that *address* leads to, if it is known; say if its keys are lost.
        """
        label, path = str(address.room), self._home / STATE_FILE
        if self.identity is None or self.known is None or not self._sound:
            return None
        room = self.known.find(address, label)
        if room is not None and path.exists():
            with closing(Database(path)) as database:
                for parts in Parts(database, self.identity).of(address.dialled):
                    each = Room.restore(self.identity, parts, lambda _: False)
                    if each.id == room and each.stuck:
                        self._report.wrong("room", KeysGone(label=label))
        return room

    def _present(self) -> Iterator[Path]:
        """Yield each file of ours that is there."""
        certificates = (each for name in _CERTIFICATES for each in sorted(self._home.glob(name)))
        for path in (*(self._home / name for name in _OURS), *certificates):
            if path.exists():
                yield path

    def _files(self) -> None:
        sound = []
        with self._report.looking("directory"):
            check_private(self._home)
            self._accessible(self._home, os.R_OK | os.W_OK | os.X_OK)
            self._report.ok("directory", f"{self._home} is yours alone")
        for path in self._present():
            try:
                check_private(path)
                self._accessible(path, os.R_OK | os.W_OK)
                sound.append(path.name)
            except NotPrivate as error:
                if path.suffix == ".txt":  # securechat writes those and does not read them
                    self._report.warning("files", str(error))
                else:
                    self._report.wrong("files", error)
            except OSError as error:
                self._report.wrong("files", error)
        if sound:
            self._report.ok("files", f"{', '.join(sound)}: yours alone, and can be read")

    def _accessible(self, path: Path, mode: int) -> None:
        """Check that *path* can be used as *mode* says, without doing so."""
        if not os.access(path, mode):
            raise PermissionError(13, "You may not read and write it", str(path))
        if path != self._home and not path.is_file():
            raise IsADirectoryError(21, "It is no file. Move it away", str(path))

    def _identity(self, passphrase: Passphrase) -> None:
        report = self._report
        with report.looking("identity"):
            encrypted = keyfile.needs_passphrase(self._home / keyfile.KEY_FILE)
            try:
                profile, identity = Profile.unlock(self._home, passphrase)
            except NoTerminal:
                report.skipped(
                    "identity",
                    "it is encrypted, and there is no terminal to ask for the passphrase at: what "
                    "is under it is not looked at. Give it by --passphrase-file",
                )
                return
            self.identity = identity
            how = "under a passphrase" if encrypted else "without a passphrase"
            name = profile.name or "without a name"
            report.ok("identity", f"{name}, {to_groups(identity.fingerprint)}, {how}")
            if not (self._home / PROFILE_FILE).exists():
                report.warning(
                    "profile",
                    f"{self._home / PROFILE_FILE} is missing: in rooms you have no name. Bring "
                    "it back from a backup, or say --name NAME when you chat",
                )

    def _trust(self, identity: Identity) -> None:
        with self._report.looking("trust"):
            self.trust = TrustStore.open(self._home, identity)
            if len(self.trust):
                trusted, revoked = len(self.trust), len(self.trust.revoked)
                self._report.ok("trust", f"{trusted:,} trusted, {revoked:,} revoked")
            else:
                self._report.warning(
                    "trust",
                    "you trust nobody yet, so nobody can let you into a room. Let a friend tell "
                    "you a fingerprint, and say securechat trust add NAME FINGERPRINT",
                )

    def _rooms(self, identity: Identity) -> None:
        with self._report.looking("rooms"):
            self.known = KnownRooms.open(self._home, identity)
            self._report.ok("rooms", f"you know {count(len(tuple(self.known)), 'room')}")

    def _state(self, identity: Identity) -> None:
        path = self._home / STATE_FILE
        if not path.exists():  # and it is not made
            self._sound = True
            self._report.ok("state", "no keys of rooms are kept here yet")
            return
        with self._report.looking("state"), closing(Database(path)) as database:
            Parts(database, identity)
            self._sound = True
            self._report.ok("state", "the keys of your rooms are whole")

    def _lock(self, held: ExitStack) -> None:
        if not (self._home / LOCK_FILE).exists():  # nor is this
            self.is_free = True
            self._report.ok("lock", "no chat has run here yet")
            return
        with self._report.looking("lock"):
            try:
                held.callback(Lock(self._home).release)
                self.is_free = True
                self._report.ok("lock", "no chat is running here")
            except StateInUse as error:
                self.in_use = error
                self._report.ok("lock", f"a chat is running here: {error.holder} has the lock")

    def _disk(self) -> None:
        with self._report.looking("disk"):
            free = shutil.disk_usage(self._home).free
            words = f"{free / 2**20:,.0f} MiB are free for {self._home}"
            if free < SCARCE:
                self._report.warning("disk", f"{words}. Make room, before nothing can be kept")
            else:
                self._report.ok("disk", words)

    def _clock(self) -> None:
        """
        Nobody tells the time here: TLS does not, nor does the relay. But nothing can have been
        written later than now.
        """
        now = datetime.now(UTC)
        what, latest = max(self._times(), key=lambda each: each[1])
        shown = f"it is {now:%Y-%m-%d %H:%M} UTC by this machine"
        if latest > now + TOLERANCE:
            self._report.warning(
                "clock",
                f"{shown}, but {what} that is still to come, {latest:%Y-%m-%d %H:%M}: the clock "
                "is behind, or was ahead then. Set it: certificates are judged by it",
            )
        else:
            self._report.ok("clock", f"{shown}, and nothing here is from later")

    def _times(self) -> Iterator[tuple[str, datetime]]:
        for path in (Path(keyfile.__file__), *self._present()):
            yield f"{path} was written at a time", datetime.fromtimestamp(path.stat().st_mtime, UTC)
        for each in self.trust or ():
            yield f"{each.petname} was trusted at a time", each.when
