"""How the user stands to an identity: trusted, since when and how, or revoked; for both readers."""

from __future__ import annotations

from securechat.fingerprint import to_groups
from securechat.trust import TrustStore
from securechat.trusted import Revoked, Trusted


def came(trusted: Trusted, store: TrustStore) -> str:
    """Return how the fingerprint of *trusted* came, in words."""
    if trusted.how == "succeeded":
        way = f"in the place of {to_groups(trusted.before[-1])}"
        return way if trusted.verified else f"{way}, not verified by you"
    if trusted.voucher is None:
        return {"typed": "by the fingerprint that you typed", "file": "by a file"}[trusted.how]
    voucher = store.find(trusted.voucher)
    who = to_groups(trusted.voucher) if voucher is None else voucher.petname
    return f"because {who} vouched, not verified by you"


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
