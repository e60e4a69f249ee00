"""
The profile: what is public about the user's own identity, readable without the passphrase.

It is the name that the user goes by, and the bundle, so that a fingerprint can be shown
without opening the key. Whoever can write the directory could change it, but such a one could
change the key file as well; whenever the identity is opened, the two are compared.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from securechat.cli.passphrase import Passphrase
from securechat.encoding import decode, encode, shaped
from securechat.errors import DamagedFile, EncodingError, OtherProfile
from securechat.files import read_private, write_private
from securechat.identity import Bundle, Identity, check_version

PROFILE_FILE = "profile"
VERSION = 1

_MAGIC = "securechat profile"
_MAX_LENGTH = 4096


@attrs.frozen
class Profile:
    """
    A user's own name and bundle.

    :param name: what the user goes by; empty if that was not kept.
    """

    name: str
    bundle: Bundle

    def save(self, home: Path) -> None:
        """
        Write it into the directory *home*.

        :raises NotPrivate: if others have access to that.
        """
        data = encode(_MAGIC, VERSION, self.name, self.bundle.encode())
        write_private(home / PROFILE_FILE, data, replace=True)

    @classmethod
    def load(cls, home: Path, passphrase: Passphrase) -> Profile:
        """
        Return the profile in the directory *home*; where only the key file was brought back
        from a backup, one without a name, for which the passphrase is needed.

        :raises NotPrivate, DamagedFile, UnsupportedVersion: if it cannot be used.
        :raises: as `Passphrase.unlock`, where there is no profile.
        """
        return cls._read(home) or cls("", passphrase.unlock(home).bundle)

    @classmethod
    def unlock(cls, home: Path, passphrase: Passphrase) -> tuple[Profile, Identity]:
        """
        Return the profile and the identity in the directory *home*.

        :raises OtherProfile: if they are not of one identity.
        :raises: as `load` and `Passphrase.unlock`.
        """
        identity = passphrase.unlock(home)
        return cls.of(home, identity), identity

    @classmethod
    def of(cls, home: Path, identity: Identity) -> Profile:
        """
        Return the profile beside *identity* in the directory *home*.

        :raises OtherProfile: if they are not of one identity.
        :raises: as `load`.
        """
        profile = cls._read(home) or cls("", identity.bundle)
        if profile.bundle != identity.bundle:
            raise OtherProfile(path=home / PROFILE_FILE)
        return profile

    @classmethod
    def _read(cls, home: Path) -> Profile | None:
        path = home / PROFILE_FILE
        try:
            fields = decode(read_private(path, _MAX_LENGTH))
            if fields[:1] != [_MAGIC]:
                raise EncodingError(what="it is no profile of securechat")
            check_version(fields[1:], f"file {path}", VERSION)
            _, _, name, bundle = shaped(fields, str, int, str, bytes)
            return cls(name, Bundle.decode(bundle))
        except FileNotFoundError:
            return None
        except EncodingError as error:
            raise DamagedFile(path=path, what=error.what) from None
