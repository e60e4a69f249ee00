"""``securechat trust import``: all friends whose bundles are in a directory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePath

import attrs
import click

from securechat.bundlefiles import read_bundles
from securechat.cli.conflicts import warn, whose
from securechat.cli.failures import ELSE, TRUST, exit_code
from securechat.cli.names import check_on_screen
from securechat.cli.options import common, echo_json, json_option, passphrase_options
from securechat.cli.passphrase import Passphrase
from securechat.cli.profile import Profile
from securechat.cli.roster import count
from securechat.errors import BadPetname, NoBundle, OwnFingerprint, SecureChatError
from securechat.fingerprint import to_groups
from securechat.identity import Bundle, Identity
from securechat.text import printable
from securechat.trust import TrustStore
from securechat.trusted import Trusted, check_petname


@click.command("import", short_help="Trust all friends whose bundles are in a directory.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@passphrase_options
@json_option
@common
def import_(
    home: Path, directory: Path, dry_run: bool, passphrase: Passphrase, as_json: bool
) -> None:
    """
    Trust all friends whose bundles, made by "securechat id --export", are files in DIR.

    Each is called as its file, without the ending: bob.txt is bob. What becomes of each file is
    told. Those that cannot be taken are left out, and the others are trusted all at once. Who is
    known already stays as he is.

    Files can be exchanged on their way: compare each fingerprint with its owner
    (securechat trust verify).

    \b
    Examples:
      securechat trust import --dry-run ~/friends
      securechat trust import ~/friends
    """
    read = read_bundles(directory)
    _, identity = Profile.unlock(home, passphrase)
    store = TrustStore.open(home, identity)
    before = {each.fingerprint for each in store}
    files = [_File.of(name, found, identity) for name, found in read.items()]
    offers = [each.offer for each in files if each.offer is not None]
    outcomes = iter(store.add_all(offers, datetime.now(UTC), trial=dry_run))
    for place, each in enumerate(files):
        if each.offer is not None:
            files[place] = each.became(next(outcomes), before)
            before.add(each.offer[1].fingerprint)
    if as_json:
        echo_json({"dry_run": dry_run, "files": [each.value() for each in files]})
    else:
        _show(files, dry_run)
    for each in files:
        if isinstance(each.outcome, SecureChatError) and each.offer is not None:
            known = whose(each.outcome, store)
            if known is not None:
                what = f"A file in {directory} has the name of somebody whom you know."
                warn(printable(what), known, store, each.offer[1].fingerprint)
    codes = [exit_code(each.outcome) for each in files if isinstance(each.outcome, SecureChatError)]
    if codes:
        raise click.exceptions.Exit(TRUST if TRUST in codes else ELSE)


@attrs.frozen
class _File:
    """
    One file, and what became of it.

    :param offer: the petname and the bundle to trust, None where there is none.
    :param outcome: what is known of the identity now, or why it is not trusted.
    :param new: whether it was not trusted before.
    """

    name: str
    offer: tuple[str, Bundle] | None
    outcome: Trusted | SecureChatError | None
    new: bool = False

    @classmethod
    def of(cls, name: str, found: Bundle | NoBundle, me: Identity) -> _File:
        """Return what is to be done with the file *name*, in which *found* was."""
        if isinstance(found, NoBundle):
            return cls(name, None, found)
        if found.fingerprint == me.fingerprint:
            return cls(name, None, OwnFingerprint())
        petname = PurePath(name).stem
        try:
            check_on_screen(petname)
            return cls(name, (check_petname(petname), found), None)
        except BadPetname as error:
            return cls(name, None, error)

    def became(self, outcome: Trusted | SecureChatError, before: set[bytes]) -> _File:
        """Return the same with what became of it, where *before* were trusted."""
        new = isinstance(outcome, Trusted) and outcome.fingerprint not in before
        return attrs.evolve(self, outcome=outcome, new=new)

    def words(self, dry_run: bool) -> str:
        """Return what became of it, in words."""
        if not isinstance(self.outcome, Trusted):
            return f"NOT taken: {self.outcome}"
        if not self.new:
            return f"you know {self.outcome.petname} already"
        verb = "would trust" if dry_run else "trust"
        return f"you {verb} {self.outcome.petname} now: {to_groups(self.outcome.fingerprint)}"

    def value(self) -> dict[str, object]:
        """Return the same for programs."""
        if isinstance(self.outcome, Trusted):
            return {
                "file": self.name,
                "outcome": "added" if self.new else "known",
                "name": self.outcome.petname,
                "fingerprint": to_groups(self.outcome.fingerprint),
            }
        return {
            "file": self.name,
            "outcome": "refused",
            "error": type(self.outcome).__name__,
            "words": str(self.outcome),
        }


def _show(files: list[_File], dry_run: bool) -> None:
    width = max((len(printable(each.name)) for each in files), default=0)
    for each in files:
        click.echo(f"{printable(each.name).ljust(width)}  {printable(each.words(dry_run))}")
    new = sum(each.new for each in files)
    refused = sum(not isinstance(each.outcome, Trusted) for each in files)
    known = len(files) - new - refused
    click.echo(
        f"\n{count(len(files), 'file')}: {new} {'to trust' if dry_run else 'trusted now'}, "
        f"{known} known already, {refused} not taken."
    )
    if new and not dry_run:
        click.echo(
            "Files can be exchanged on their way. Compare each with its owner: securechat trust "
            "verify NAME"
        )
