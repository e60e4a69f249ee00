"""
The passphrase where no one has to type it: in the keyring of the operating system, or in a file.

Beside the key a private file says which of the two it is, and for the second holds it. Without
that file no keyring is asked, so that nobody else's start slower, or open a window.

What a keyring does is out of our hands: it may be locked, gone, or fail in ways of its own. Then
nothing is remembered, and the user is asked.
"""

from __future__ import annotations

import base64
from pathlib import Path

import attrs

from securechat.encoding import decode, encode, shaped
from securechat.errors import SecureChatError
from securechat.files import read_private, write_private
from securechat.fingerprint import to_groups

REMEMBERED_FILE = "remembered"
VERSION = 1

_MAGIC = "securechat remembered"
_MAX_LENGTH = 8192
_SERVICE = "securechat"


@attrs.frozen
class Remembered:
    """
    Where the passphrase of one identity is kept.

    :param user: what it is called in the keyring: the fingerprint, in groups.
    :param secret: the passphrase, if it is in the file; empty: it is in the keyring.
    """

    user: str
    secret: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def at(cls, home: Path) -> Remembered | None:
        """Return what is remembered in the directory *home*; None if that cannot be used."""
        try:
            fields = decode(read_private(home / REMEMBERED_FILE, _MAX_LENGTH))
            magic, version, user, secret = shaped(fields, str, int, str, bytes)
        except (OSError, SecureChatError):
            return None
        return cls(user, secret) if (magic, version) == (_MAGIC, VERSION) else None

    @property
    def in_keyring(self) -> bool:
        """Whether it is in the keyring of the operating system, and not in the file."""
        return not self.secret

    def passphrase(self) -> bytes | None:
        """Return the passphrase, None where it cannot be had now."""
        return self.secret or _from_keyring(self.user)

    def save(self, home: Path) -> None:
        """:raises NotPrivate: if others have access to the directory *home*."""
        data = encode(_MAGIC, VERSION, self.user, self.secret)
        write_private(home / REMEMBERED_FILE, data, replace=True)


def user(fp: bytes) -> str:
    """Return what the passphrase of the identity *fp* is called in a keyring."""
    return to_groups(fp)


def keep_in_keyring(fp: bytes, passphrase: bytes) -> Remembered | None:
    """Keep *passphrase* of the identity *fp* in a keyring; None where there is none that does."""
    text = base64.b64encode(passphrase).decode("ascii")
    try:
        import keyring

        keyring.set_password(_SERVICE, user(fp), text)
    except Exception:  # whatever a backend raises, and that there is no such library
        return None
    found = Remembered(user(fp))
    return found if found.passphrase() == passphrase else None  # some forget at once


def forget(home: Path) -> bool:
    """
    Remember the passphrase of the identity in *home* no more.

    :returns: False if the keyring did not let it go.
    """
    found = Remembered.at(home)
    (home / REMEMBERED_FILE).unlink(missing_ok=True)
    if found is None or not found.in_keyring:
        return True
    try:
        import keyring

        if keyring.get_password(_SERVICE, found.user) is not None:
            keyring.delete_password(_SERVICE, found.user)
    except Exception:  # as above
        return False
    return True


def _from_keyring(name: str) -> bytes | None:
    try:
        import keyring

        text = keyring.get_password(_SERVICE, name)
        return None if text is None else base64.b64decode(text, validate=True)
    except Exception:  # as above; and what is no base64 was not kept by us
        return None
