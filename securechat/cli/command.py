"""The command itself: its parts, and what becomes of errors."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import click

from securechat.cli.bot import bot
from securechat.cli.chat import chat
from securechat.cli.completion import completion
from securechat.cli.demo.command import demo
from securechat.cli.doctor.command import doctor
from securechat.cli.failures import INTERRUPTED, exit_code, fail
from securechat.cli.governing import kick, policy, renew
from securechat.cli.history import history
from securechat.cli.identity import id_, init
from securechat.cli.inviting import accept, invite
from securechat.cli.leaving import leave
from securechat.cli.listening import listen
from securechat.cli.members import members
from securechat.cli.options import home_option, version_option
from securechat.cli.relay import relay
from securechat.cli.revoking import revoke
from securechat.cli.rooms import rooms
from securechat.cli.rotating import rotate
from securechat.cli.sending import send
from securechat.cli.succeeding import succeed
from securechat.cli.trusting import trust
from securechat.errors import SecureChatError
from securechat.files import told


class Command(click.Group):
    """A group of commands that end, where an error is expected, with a message and a code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except SecureChatError as error:
            fail(str(error), exit_code(error))
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads the output has enough of it
                raise
            fail(told(error))
        except (click.Abort, KeyboardInterrupt):
            click.echo(err=True)  # from the end of the prompt to a new line
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@home_option(envvar="SECURECHAT_HOME", show_envvar=True)
@version_option
def securechat(home: Path) -> None:
    """
    Chat in groups, through a relay that cannot read what is said.

    Members let each other in: you are in a room once somebody inside who trusts your
    fingerprint vouches for you, and you trust theirs.

    \b
    To begin:
      securechat demo                         see a whole conversation, here and now
      securechat init                         make your identity
      securechat invite ADDRESS               found a room, and a code for a friend
      securechat accept ADDRESS               come in by the code of a friend
      securechat chat ADDRESS                 enter a room again, and talk
      securechat id                           show your fingerprint: friends can trust
      securechat trust add bob FINGERPRINT    each other by theirs, without a code
      securechat trust verify bob             compare it with your friend
      securechat history ADDRESS              show what was said there, if you kept it
      securechat leave ADDRESS                leave it for good
      securechat doctor ADDRESS               find out what is wrong
      securechat send ADDRESS MESSAGE         say one thing, from a script

    \b
    Exit codes:
      0  all went well              4  trust: somebody is not who they should be
      1  something failed here      5  refused, by the relay or the room
      2  wrong usage                6  something that was sent was not delivered
      3  the network, or the relay  130  interrupted
    """


for each in (
    *(demo, init, id_, rotate, succeed, revoke, trust),
    *(chat, invite, accept, members, leave, kick, policy, renew, history, rooms),
    *(send, listen, bot),
    *(doctor, completion),
    relay,
):
    securechat.add_command(each)
