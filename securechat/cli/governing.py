"""``securechat kick``, ``policy`` and ``renew``: what a member changes in a room."""

from __future__ import annotations

from typing import Any

import attrs
import click

from securechat.cli.options import echo_json
from securechat.cli.roster import policy_lines, policy_value
from securechat.cli.visiting import Inside, Visit, visiting
from securechat.cli.whom import member
from securechat.fingerprint import short
from securechat.group.roster import MAX_ROSTER, Policy, Vouchers
from securechat.text import printable


@click.command(short_help="Remove members from a room.")
@visiting
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def kick(visit: Visit, names: tuple[str, ...]) -> None:
    """
    Remove the members called NAME from the room at ADDRESS, and make new keys.

    A NAME is your own for somebody whom you trust, else what a member calls itself, if that is
    one member's alone, else the beginning of a fingerprint. Owners may remove anybody, moderators
    everybody but owners.

    \b
    Examples:
      securechat kick 'securechat://relay.example/lobby#PIN' mallory
      securechat kick ADDRESS KRSXG5A2
    """

    async def remove(inside: Inside) -> None:
        room, who = inside.room, inside.names
        gone = {member(name, room, who, me=who.me): None for name in names}
        shown = [f"{who.of(each)} {short(each)}" for each in gone]
        people = [who.person(each) for each in gone]
        await inside.client.kick(room, *gone)
        if visit.as_json:
            echo_json({"room": room.label, "removed": people})
        else:
            click.echo(
                f"Removed from #{room.label}: {printable(', '.join(shown))}. Its keys are new."
            )

    visit.pay(remove, typed="/kick NAME")


@click.command(short_help="Show or change the rules of a room.")
@visiting
@click.option(
    "--vouchers",
    type=click.Choice([each.name.lower() for each in Vouchers]),
    help="Who may vouch for newcomers: every member, or owners and moderators.",
)
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(min=1),
    help="Let a member whose keys were not renewed for N changes of each member be removed by "
    "anyone.",
)
@click.option(
    "--maximum",
    metavar="N",
    type=click.IntRange(min=1, max=MAX_ROSTER),
    help="How many members there may be.",
)
@click.option("--owner", "owner", metavar="NAME", multiple=True, help="Make a member an owner.")
@click.option("--no-owner", metavar="NAME", multiple=True, help="Make an owner none.")
@click.option("--moderator", metavar="NAME", multiple=True, help="Make a member a moderator.")
@click.option("--no-moderator", metavar="NAME", multiple=True, help="Make a moderator none.")
def policy(visit: Visit, vouchers: str | None, **changed: Any) -> None:
    """
    Show the rules of the room at ADDRESS, after having changed what an option says.

    Only owners can change them. NAME is as for "securechat kick", or "you". The four options
    with a NAME can be given more than once.

    \b
    Examples:
      securechat policy 'securechat://relay.example/lobby#PIN'
      securechat policy --vouchers moderators --moderator bob ADDRESS
      securechat policy --maximum 50 ADDRESS
    """

    async def reform(inside: Inside) -> None:
        room = inside.room
        if vouchers is not None or any(changed.values()):
            old = room.log.membership

            def named(option: str) -> list[bytes]:
                return [member(name, room, inside.names) for name in changed[option]]

            await inside.client.reform(
                room,
                policy=_changed(old.policy, vouchers, changed),
                owners=_among(old.owners, named("owner"), named("no_owner")),
                moderators=_among(old.moderators, named("moderator"), named("no_moderator")),
            )
        membership = room.log.membership
        if visit.as_json:
            echo_json(policy_value(room.label, membership, inside.names))
        else:
            for line in policy_lines(membership, inside.names):
                click.echo(line)

    visit.pay(reform)


@click.command(short_help="Renew your keys in a room.")
@visiting
def renew(visit: Visit) -> None:
    """
    Renew your keys in the room at ADDRESS, and with them those of the room.

    Who has stolen your keys of this room, but not your identity, can read no further. A chat does
    so by itself once a day; the relay takes it once an hour.

    \b
    Example:
      securechat renew 'securechat://relay.example/lobby#PIN'
    """

    async def refresh(inside: Inside) -> None:
        await inside.client.renew(inside.room)
        if visit.as_json:
            echo_json({"room": visit.label, "renewed": True})
        else:
            click.echo(f"Your keys in #{visit.label} are new, and so are those of the room.")

    visit.pay(refresh)


def _changed(old: Policy, vouchers: str | None, changed: dict[str, Any]) -> Policy:
    wanted = {
        "vouchers": None if vouchers is None else Vouchers[vouchers.upper()],
        "rounds": changed["rounds"],
        "roster_maximum": changed["maximum"],
    }
    return attrs.evolve(old, **{name: each for name, each in wanted.items() if each is not None})


def _among(old: tuple[bytes, ...], more: list[bytes], fewer: list[bytes]) -> list[bytes]:
    """Return *old* with *more* and without *fewer*, in order, each once."""
    return [each for each in dict.fromkeys([*old, *more]) if each not in fewer]
