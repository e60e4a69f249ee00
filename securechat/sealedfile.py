"""
Sealed files: what an identity keeps on disk, encrypted and authenticated by its own key.

The file is one CBOR array ``[kind, version, nonce, box]``; ``box`` is ChaCha20-Poly1305 under
a key that the identity derives for this kind, with kind and version as associated data. So
nobody else can read it, change it or slip in one of another identity or kind. That somebody
brought back an older one cannot be seen from the file.

Content of an earlier version is brought to this one, version by version, as it is read; on
disk it stays until something is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from securechat import primitives
from securechat.encoding import decode, encode, shaped
from securechat.errors import BadCiphertext, DamagedFile, EncodingError
from securechat.files import locked, private_directory, read_private, write_private
from securechat.identity import Identity, check_version

MAX_LENGTH = 64 * 1024 * 1024
"""The longest sealed file, in bytes."""


class SealedFile:
    """One file of one kind, of one identity."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        kind: str,
        version: int,
        older: Mapping[int, Callable[[bytes], bytes]] | None = None,
    ) -> None:
        """
        :param kind: what the file holds, one word.
        :param version: the version of what it holds, for `UnsupportedVersion`.
        :param older: for each earlier version, what makes its content that of the next one,
            or raises `EncodingError`.
        """
        self.path = path
        self._kind = kind
        self._version = version
        self._older = older or {}
        self._key = identity.derive(kind, "")

    def __repr__(self) -> str:
        return f"<SealedFile {self.path}>"

    def locked(self) -> AbstractContextManager[None]:
        """Keep other programs from changing the file; for a read and the write after it."""
        private_directory(self.path.parent)
        return locked(self.path.parent)

    def read(self) -> bytes | None:
        """
        Return the content, None if there is no file.

        :raises NotPrivate: if others have access to it.
        :raises DamagedFile: if it is not what this identity wrote.
        :raises UnsupportedVersion: if another version of securechat wrote it.
        """
        try:
            return self._open(read_private(self.path, MAX_LENGTH))
        except FileNotFoundError:
            return None
        except EncodingError as error:
            raise DamagedFile(path=self.path, what=error.what) from None
        except BadCiphertext:
            raise DamagedFile(
                path=self.path, what="another identity wrote it, or somebody changed it"
            ) from None

    def write(self, content: bytes) -> None:
        """
        Put *content* in the place of what was there, durably.

        :raises NotPrivate: if others have access to the directory.
        """
        nonce = primitives.random_bytes(primitives.NONCE_LENGTH)
        header = f"securechat {self._kind}", self._version
        box = primitives.encrypt(self._key, nonce, content, encode(*header))
        write_private(self.path, encode(*header, nonce, box), replace=True)

    def _open(self, data: bytes) -> bytes:
        fields = decode(data)
        if fields[:1] != [f"securechat {self._kind}"]:
            raise EncodingError(what=f"it is no {self._kind} file of securechat")
        known = next((each for each in self._older if fields[1:2] == [each]), self._version)
        check_version(fields[1:], f"file {self.path}", known)
        kind, version, nonce, box = shaped(fields, str, int, primitives.NONCE_LENGTH, bytes)
        content = primitives.decrypt(self._key, nonce, box, encode(kind, version))
        for each in range(version, self._version):
            content = self._older[each](content)
        return content
