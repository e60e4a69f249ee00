"""
What the command of a bot may ask for: each a method of JSON-RPC, with the names and types of its
parameters.

Members are named by whole fingerprints only: what somebody calls itself proves nothing, and there
is nobody here to look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from securechat import fingerprint, revocation, succession
from securechat.cli.child import Child
from securechat.cli.conversation import Conversation
from securechat.cli.failures import exit_code
from securechat.cli.history import kept_value
from securechat.cli.jsonrpc import INVALID_PARAMS, Action, Fault
from securechat.cli.names import check_on_screen
from securechat.cli.roster import people, policy_value, value
from securechat.cli.standing import described, described_revoked
from securechat.cli.unattended import Guest
from securechat.errors import OwnCertificate, OwnFingerprint, SecureChatError
from securechat.group.room import Room
from securechat.group.roster import MAX_ROSTER, Vouchers
from securechat.identity import Bundle
from securechat.trusted import How

MAX_HISTORY = 100
"""How many kept messages one answer has."""

MAX_HISTORY_SIZE = 262_144
"""After how many characters of text an answer has no further message."""

_SERVER_ERROR = -32_000


@attrs.frozen
class Actions:
    """The methods, in one room."""

    _guest: Guest
    _room: Room
    _talk: Conversation
    _child: Child

    def table(self) -> Mapping[str, Action]:
        """Return the methods by their names."""
        return {
            "send": self.send,
            "members": self.members,
            "online": self.online,
            "kick": self.kick,
            "policy": self.policy,
            "reform": self.reform,
            "renew": self.renew,
            "leave": self.leave,
            "history": self.history,
            "trust_list": self.trust_list,
            "trust_add": self.trust_add,
            "trust_remove": self.trust_remove,
            "trust_revoke": self.trust_revoke,
            "trust_follow": self.trust_follow,
            "close": self.close,
        }

    # The room

    async def send(self, text: str) -> object:
        """Say *text*; answered once it is in the room."""
        return {"seq": await self._talk.send(self._room, text)}

    async def members(self) -> object:
        """Who is in the room."""
        guest = self._guest
        return value(self._room, guest.names, await guest.client.online(self._room))

    async def online(self) -> object:
        """Who is there now, as the relay says."""
        online = await self._guest.client.online(self._room)
        return {"online": people(sorted(online), self._guest.names)}

    async def kick(self, members: list[str]) -> object:
        """Remove *members*."""
        gone = _fingerprints(members)
        names = people(gone, self._guest.names)
        await self._guest.client.kick(self._room, *gone)
        return {"removed": names}

    async def policy(self) -> object:
        """The rules of the room."""
        return policy_value(self._room.label, self._room.log.membership, self._guest.names)

    async def reform(
        self,
        vouchers: str | None = None,
        rounds: int | None = None,
        roster_maximum: int | None = None,
        owners: list[str] | None = None,
        moderators: list[str] | None = None,
    ) -> object:
        """Change the rules of the room, or who has a say, as a whole."""
        changed: dict[str, Any] = {}
        if vouchers is not None:
            if vouchers.upper() not in Vouchers.__members__:
                raise Fault.of(INVALID_PARAMS, "vouchers are 'anyone' or 'moderators'")
            changed["vouchers"] = Vouchers[vouchers.upper()]
        if rounds is not None:
            changed["rounds"] = _between(1, rounds, "rounds", 1_000_000)
        if roster_maximum is not None:
            changed["roster_maximum"] = _between(1, roster_maximum, "roster_maximum", MAX_ROSTER)
        await self._guest.client.reform(
            self._room,
            policy=attrs.evolve(self._room.log.membership.policy, **changed) if changed else None,
            owners=None if owners is None else _fingerprints(owners),
            moderators=None if moderators is None else _fingerprints(moderators),
        )
        return await self.policy()

    async def renew(self) -> object:
        """Renew this member's keys, and with them those of the room."""
        await self._guest.client.renew(self._room)
        return {"renewed": True}

    async def leave(self) -> object:
        """Leave the room for good; that is the end."""
        await self._guest.client.leave(self._room)
        self._guest.reactor.callLater(0, self._talk.left)  # once it is answered
        return {"left": True}

    async def history(self, after: int = 0, most: int = MAX_HISTORY) -> object:
        """The kept messages after the number *after*, at most *most* of them."""
        _between(0, after, "after", 2**63 - 2)
        kept = self._guest.state.messages(
            self._room.id, after=after, most=_between(1, most, "most", MAX_HISTORY) + 1
        )
        page, size = [], 0
        for each in kept[:most]:
            page.append(kept_value(each, self._room.label, self._guest.names))
            size += len(each.text)
            if size > MAX_HISTORY_SIZE:
                break
        return {"messages": page, "more": len(page) < len(kept)}

    async def close(self) -> object:
        """End, and stay a member."""
        self._child.stop_reading()
        return {"closing": True}

    # Trust

    async def trust_list(self) -> object:
        """Whom this user trusts, and who was revoked."""
        store = self._guest.trust
        store.refresh()
        return {
            "trusted": [described(each) for each in store],
            "revoked": [described_revoked(each) for each in store.revoked],
        }

    async def trust_add(
        self, name: str, fingerprint: str | None = None, bundle: str | None = None
    ) -> object:
        """Trust the owner of a *fingerprint*, or of a *bundle* as text, under a *name*."""
        check_on_screen(name)
        how: How = "typed" if bundle is None else "file"
        theirs = None if bundle is None else Bundle.from_armour(bundle)
        if (fingerprint is None) == (theirs is None):
            raise Fault.of(INVALID_PARAMS, "either 'fingerprint' or 'bundle' is needed")
        if theirs is None:
            (fp,) = _fingerprints([fingerprint or ""])
        else:
            fp = theirs.fingerprint
        if fp == self._guest.names.me:
            raise OwnFingerprint
        return described(self._guest.trust.add(name, fp, how, datetime.now(UTC), theirs))

    async def trust_remove(self, name: str) -> object:
        """Trust the owner of *name* no more."""
        return described(self._guest.trust.remove(name))

    async def trust_revoke(self, certificate: str) -> object:
        """Never trust the identity again whose revocation *certificate*, as text, this is."""
        signed = revocation.from_armour(certificate)
        if revocation.check_revocation(signed) == self._guest.names.me:
            raise OwnCertificate(verb="revoke")
        return described_revoked(self._guest.trust.revoke(signed, datetime.now(UTC)))

    async def trust_follow(self, certificate: str) -> object:
        """Trust a successor, by a succession *certificate* as text, in the place of the old one."""
        signed = succession.from_armour(certificate)
        said = succession.check_succession(signed)
        if self._guest.names.me in (said.old, said.new.fingerprint):
            raise OwnCertificate(verb="follow")
        was, now = self._guest.trust.follow(signed, datetime.now(UTC))
        return {"old": described(was), "new": described(now)}


def explain(error: Exception) -> Fault | None:
    """Return what is answered where an action fails because of *error*, None if it is a fault."""
    match error:
        case SecureChatError():
            code = _SERVER_ERROR - exit_code(error)
        case OSError():
            code = _SERVER_ERROR - 1
        case _:
            return None
    return Fault(code, str(error), {"error": type(error).__name__})


def _fingerprints(texts: list[str]) -> list[bytes]:
    """:raises BadFingerprint: if one of *texts* shows none."""
    return [fingerprint.parse(each) for each in texts]


def _between(least: int, number: int, name: str, most: int) -> int:
    if not least <= number <= most:
        raise Fault.of(INVALID_PARAMS, f"{name!r} is {least} to {most}")
    return number
