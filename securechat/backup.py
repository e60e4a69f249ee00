"""
A backup: what an identity cannot be without, as one text under a passphrase.

It holds the identity itself, the name that its user goes by, whom it trusts and which rooms it
knows. It does not hold the keys of rooms: the rooms go on, and an old copy of their keys would
use keys again that were used (``docs/client.md``). The revocation certificate is made of the
identity, so it comes back with it.

The text is armour around the array of a key file (`securechat.keyfile`), of which the secret is
the array ``[identity, name, trusted, rooms]``; the last two are the files as they are on disk,
empty if there are none. They are sealed by the identity's own key already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from securechat import armour, keyfile
from securechat.encoding import decode, encode, shaped
from securechat.errors import EncodingError, NoBackup
from securechat.fingerprint import to_groups
from securechat.identity import Identity
from securechat.keyfile import Argon2Parameters

VERSION = 1
MAX_LENGTH = 64 * 1024 * 1024
"""The longest backup, in characters."""

DEFAULT_COST = Argon2Parameters()

_MAGIC = "securechat backup"
_KIND = "BACKUP"


@attrs.frozen
class Backup:
    """
    What is in a backup.

    :param name: what the user goes by, empty if that is not known.
    :param trusted: the file of trusted identities, as `securechat.sealedfile` writes it.
    :param rooms: the file of known rooms, likewise.
    """

    identity: Identity
    name: str
    trusted: bytes = attrs.field(repr=False)
    rooms: bytes = attrs.field(repr=False)

    def to_armour(self, passphrase: bytes, *, kdf: Argon2Parameters = DEFAULT_COST) -> str:
        """
        Return it as lines of ASCII text, under *passphrase*; the fingerprint can be read.

        :raises EmptyPassphrase: if *passphrase* is.
        """
        secret = encode(self.identity.encode(), self.name, self.trusted, self.rooms)
        locked = keyfile.lock(_MAGIC, VERSION, secret, passphrase, kdf)
        return armour.wrap(_KIND, locked, comment=to_groups(self.identity.fingerprint))


@attrs.frozen
class Locked:
    """A backup that is not opened yet; *path* is where it was."""

    path: Path
    _fields: list[Any] = attrs.field(repr=False)
    _comment: str = attrs.field(repr=False)

    @classmethod
    def from_armour(cls, text: str, path: Path) -> Locked:
        """
        Return the one backup in *text*; there may be anything around it.

        :raises NoBackup: if there is none that is whole.
        :raises UnsupportedVersion: if another version of securechat wrote it.
        """
        try:
            data, comment = armour.unwrap(_KIND, text, most=MAX_LENGTH)
            return cls(path, keyfile.parse(data, _MAGIC, VERSION, "backup", path), comment)
        except EncodingError as error:
            raise NoBackup(name=path, what=error.what) from None

    def open(self, passphrase: bytes) -> Backup:
        """
        Return what is in it.

        :raises WrongPassphrase: if it does not open with this one.
        :raises NotEncrypted: if it is not encrypted: securechat writes none that is not.
        :raises NoBackup: if what is in it is no backup.
        """
        try:
            secret = keyfile.unlock(self._fields, passphrase, self.path)
            identity, name, trusted, rooms = shaped(decode(secret), bytes, str, bytes, bytes)
            found = Backup(Identity.decode(identity), name, trusted, rooms)
            if self._comment not in ("", to_groups(found.identity.fingerprint)):
                raise EncodingError(what="its comment shows another fingerprint")
        except EncodingError as error:
            raise NoBackup(name=self.path, what=error.what) from None
        return found
