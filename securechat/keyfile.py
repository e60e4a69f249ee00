"""
Key files: an identity's secrets on disk, encrypted under a passphrase.

The file is one CBOR array::

    ["securechat identity", version, [memory, iterations, lanes], salt, nonce, box, checksum]

``box`` is the secrets in ChaCha20-Poly1305 under a key that Argon2id (RFC 9106) makes of
passphrase and salt, with all that stands before it as associated data. Without a passphrase
the parameters, salt and nonce are empty and ``box`` is the secrets themselves. ``checksum`` is
a digest of all the rest: a damaged file is told from a wrong passphrase. It is no
authentication; who can write the file can put another identity there, which has another
fingerprint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from securechat import primitives, revocation
from securechat.encoding import decode, encode, shaped
from securechat.errors import (
    BadCiphertext,
    DamagedFile,
    EmptyPassphrase,
    EncodingError,
    FileExists,
    NoIdentity,
    NotEncrypted,
    PassphraseNeeded,
    WrongPassphrase,
)
from securechat.files import read_private, write_private
from securechat.fingerprint import short
from securechat.identity import Identity, check_version

VERSION = 1
KEY_FILE = "identity"

_MAGIC = "securechat identity"
_MAX_LENGTH = 4096
_SALT_LENGTH = 16


@attrs.frozen
class Argon2Parameters:
    """
    What one guess of a passphrase costs.

    The default is the second recommendation of RFC 9106, section 4. The bounds keep a file
    that somebody else wrote from costing more than seconds and a gigabyte.

    :param memory: in KiB, at least 8 a lane and at most 1 GiB.
    :param iterations: 1 to 16.
    :param lanes: 1 to 16.
    :raises TypeError, ValueError: for anything else.
    """

    memory: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def __attrs_post_init__(self) -> None:
        if not (
            1 <= self.lanes <= 16
            and 1 <= self.iterations <= 16
            and 8 * self.lanes <= self.memory <= 1024 * 1024
        ):
            raise ValueError("Argon2 parameters out of bounds")

    def derive(self, passphrase: bytes, salt: bytes) -> bytes:
        """Return the key, 32 bytes, that *passphrase* and *salt* make."""
        return Argon2id(
            salt=salt,
            length=primitives.KEY_LENGTH,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory,
        ).derive(passphrase)


def revocation_path(home: Path, identity: Identity) -> Path:
    """Return where `create` writes the revocation certificate of *identity*."""
    return home / f"revocation-{short(identity.fingerprint)}.txt"


def create(
    home: Path,
    identity: Identity,
    passphrase: bytes | None,
    *,
    kdf: Argon2Parameters = Argon2Parameters(),
) -> None:
    """
    Write a new *identity* into the directory *home*, with its revocation certificate beside it.

    The certificate comes first, so that no key is without one, and is never overwritten.

    :raises FileExists: if there is an identity already.
    :raises EmptyPassphrase: if *passphrase* is.
    :raises NotPrivate: if others have access to *home*.
    """
    key_file = home / KEY_FILE
    if key_file.exists():
        raise FileExists(path=key_file)
    certificate = revocation.to_armour(revocation.revocation(identity))
    write_private(revocation_path(home, identity), certificate.encode("ascii"))
    save(key_file, identity, passphrase, kdf=kdf)


def save(
    path: Path,
    identity: Identity,
    passphrase: bytes | None,
    *,
    kdf: Argon2Parameters = Argon2Parameters(),
) -> None:
    """
    Write *identity* to the new file *path*, in a directory that only the user can enter.

    :param passphrase: what it is encrypted under, not empty; None: not encrypted.
    :raises EmptyPassphrase: if it is.
    :raises FileExists: if there is such a file; it is never overwritten.
    :raises NotPrivate: if others have access to the directory.
    """
    write_private(path, lock(_MAGIC, VERSION, identity.encode(), passphrase, kdf))


def needs_passphrase(path: Path) -> bool:
    """
    Tell whether the key file *path* is encrypted.

    :raises: as `load`, as far as that can be known without a passphrase.
    """
    return bool(_read(path)[2])


def load(path: Path, passphrase: bytes | None) -> Identity:
    """
    Return the identity in the key file *path*.

    :raises NoIdentity: if there is no such file.
    :raises NotPrivate: if others have access to it or to its directory.
    :raises DamagedFile: if it is no key file, or not as it was written.
    :raises UnsupportedVersion: if another version of securechat wrote it.
    :raises PassphraseNeeded: if it is encrypted, and there is no *passphrase*.
    :raises NotEncrypted: if there is one, and it is not: somebody may have put it there.
    :raises WrongPassphrase: if it does not open with this one.
    """
    fields = _read(path)
    try:
        return Identity.decode(unlock(fields, passphrase, path))
    except EncodingError as error:
        raise DamagedFile(path=path, what=error.what) from None


def _read(path: Path) -> list[Any]:
    """Return the six fields before the checksum of the key file *path*."""
    try:
        return parse(read_private(path, _MAX_LENGTH), _MAGIC, VERSION, "key file", path)
    except FileNotFoundError:
        raise NoIdentity(path=path) from None
    except EncodingError as error:
        raise DamagedFile(path=path, what=error.what) from None


# What is encrypted under a passphrase, whatever it is


def lock(
    magic: str, version: int, secret: bytes, passphrase: bytes | None, kdf: Argon2Parameters
) -> bytes:
    """
    Return *secret* under *passphrase*, None: not encrypted, as the array that stands above.

    :raises EmptyPassphrase: if *passphrase* is.
    """
    if passphrase is None:
        fields: list[Any] = [magic, version, [], b"", b"", secret]
    elif not passphrase:
        raise EmptyPassphrase
    else:
        salt, nonce = map(primitives.random_bytes, (_SALT_LENGTH, primitives.NONCE_LENGTH))
        header: list[Any] = [magic, version, list(attrs.astuple(kdf)), salt, nonce]
        key = kdf.derive(passphrase, salt)
        fields = [*header, primitives.encrypt(key, nonce, secret, encode(*header))]
    return encode(*fields, primitives.digest("file", *fields))


def parse(data: bytes, magic: str, version: int, kind: str, path: Path) -> list[Any]:
    """
    Return the six fields before the checksum of *data*, which `lock` has made.

    :param kind: what it is, in words.
    :param path: where it was, for the errors.
    :raises EncodingError: if `lock` has not, with this *magic*.
    :raises UnsupportedVersion: if another version of securechat wrote it.
    """
    fields = decode(data)
    if fields[:1] != [magic]:
        raise EncodingError(what=f"it is no {kind} of securechat")
    check_version(fields[1:], f"{kind} {path}", version)
    *fields, checksum = shaped(fields, str, int, list, bytes, bytes, bytes, bytes)
    if checksum != primitives.digest("file", *fields):
        raise EncodingError(what="its checksum is wrong")
    return fields


def unlock(fields: list[Any], passphrase: bytes | None, path: Path) -> bytes:
    """
    Return the secret in *fields*, which `parse` has returned.

    :raises EncodingError: if it would cost too much to open.
    :raises PassphraseNeeded, NotEncrypted, WrongPassphrase: as `load`.
    """
    *header, box = fields
    _, _, parameters, salt, nonce = header
    if passphrase is None:
        if parameters:
            raise PassphraseNeeded(path=path)
        secret: bytes = box
        return secret
    if not parameters:
        raise NotEncrypted(path=path)
    try:
        key = Argon2Parameters(*parameters).derive(passphrase, salt)
    except (TypeError, ValueError):
        raise EncodingError(what="its Argon2 parameters are out of bounds") from None
    try:
        return primitives.decrypt(key, nonce, box, encode(*header))
    except BadCiphertext:
        raise WrongPassphrase(path=path) from None
