"""
What the command says and returns when something fails.

Which exit code an error has is decided by its class: a script can tell a relay that is away
from one that is not the right one, and from a room that does not let its user in.
"""

from __future__ import annotations

from typing import NoReturn

import click

from securechat import errors
from securechat.text import printable

ELSE = 1
NETWORK = 3
TRUST = 4
REFUSED = 5
UNDELIVERED = 6
INTERRUPTED = 130
"""As shells have it: 128, and the number of SIGINT."""

_CODES: tuple[tuple[int, tuple[type[errors.SecureChatError], ...]], ...] = (
    (
        TRUST,
        (
            errors.AdmissionRefused,
            errors.BundleMismatch,
            errors.FingerprintDiffers,
            errors.FoundedAnew,
            errors.IdentityRevoked,
            errors.IdentitySucceeded,
            errors.PetnameTaken,
            errors.RelayForked,
            errors.RoomKnown,
            errors.SuccessorOfRevoked,
            errors.Superseded,
            errors.UntrustedCertificate,
            errors.VoucherUnknown,
            errors.WrongCode,
            errors.WrongName,
            errors.WrongPin,
        ),
    ),
    (NETWORK, (errors.Unreachable, errors.NotConnected, errors.RelayClosing)),
    (
        REFUSED,
        (
            errors.AlreadyThere,
            errors.CodeRefused,
            errors.CodeSpent,
            errors.EntryRefused,
            errors.InviteExpired,
            errors.KeysGone,
            errors.MayNotKick,
            errors.MayNotReform,
            errors.MayNotFound,
            errors.NobodyVouches,
            errors.NoMailboxes,
            errors.NoSuchRoom,
            errors.NoSuchMember,
            errors.NotAMember,
            errors.NotInYet,
            errors.NotThere,
            errors.OtherGone,
            errors.OwnInvite,
            errors.RelayRefused,
            errors.RoomTaken,
            errors.StateLost,
        ),
    ),
    (UNDELIVERED, (errors.Undelivered,)),
)
"""The first line that has an error's class, or one that it inherits from, has its code."""


def exit_code(error: errors.SecureChatError) -> int:
    """Return the exit code of *error*."""
    return code_of(type(error))


def code_of(kind: type[errors.SecureChatError]) -> int:
    """Return the exit code of errors of this *kind*."""
    return next((code for code, classes in _CODES if issubclass(kind, classes)), ELSE)


def fail(message: str, code: int = ELSE) -> NoReturn:
    """Say *message* on stderr, and end the command with the exit code *code*."""
    click.echo(f"securechat: {printable(message)}", err=True)
    raise click.exceptions.Exit(code)
