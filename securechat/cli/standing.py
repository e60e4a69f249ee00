"""How the user stands to an identity: trusted, since when and how, or revoked; for both readers."""

from __future__ import annotations

from securechat.fingerprint import to_groups
from securechat.trust import TrustStore
from securechat.trusted import Revoked, Trusted, Verification

_CAME = {
    "typed": "by the fingerprint that you typed",
    "file": "by a file",
    "invited": "by an invite",
    "first-use": "believed at the first meeting",
}

_COMPARED = {
    "voice": "by voice",
    "in-person": "in person",
    "qr": "by a scanned code",
    "other": "by another way",
}


def came(trusted: Trusted, store: TrustStore) -> str:
    """Return how the fingerprint of *trusted* came, in words."""
    if trusted.how == "succeeded":
        way = f"in the place of {to_groups(trusted.before[-1])}"
    elif trusted.voucher is None:
        way = _CAME[trusted.how]
    else:
        voucher = store.find(trusted.voucher)
        way = (
            f"because {to_groups(trusted.voucher) if voucher is None else voucher.petname} vouched"
        )
    return way if trusted.verified else f"{way}, not verified by you"


def compared(verification: Verification) -> str:
    """Return how and when the user compared a fingerprint, in words."""
    day = verification.when.date().isoformat()
    return f"compared {_COMPARED[verification.way]}, {day}"


def shown(trusted: Trusted, store: TrustStore) -> str:
    """Return who is *trusted*, since when and how, in words."""
    since = f"{came(trusted, store)}, {trusted.when.date().isoformat()}"
    if trusted.verification is not None:
        since = f"{since}; {compared(trusted.verification)}"
    return f"{trusted.petname}  ({since})"


def described(trusted: Trusted) -> dict[str, object]:
    """Return what is known of *trusted*, for programs."""
    return {
        "name": trusted.petname,
        "fingerprint": to_groups(trusted.fingerprint),
        "how": trusted.how,
        "when": trusted.when.isoformat(),
        "voucher": trusted.voucher and to_groups(trusted.voucher),
        "before": [to_groups(each) for each in trusted.before],
        "verified": trusted.verified,
        "compared": trusted.verification
        and {
            "how": trusted.verification.way,
            "when": trusted.verification.when.isoformat(),
        },
    }


def shown_revoked(revoked: Revoked) -> str:
    """Return who is *revoked*, and since when the user knows it, in words."""
    who = revoked.petname or "somebody whom you did not trust"
    return f"{who}  (REVOKED, {revoked.when.date().isoformat()})"


def described_revoked(revoked: Revoked) -> dict[str, object]:
    """Return what is known of *revoked*, for programs."""
    return {
        "name": revoked.petname or None,
        "fingerprint": to_groups(revoked.fingerprint),
        "when": revoked.when.isoformat(),
    }
