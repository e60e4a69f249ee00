"""
``securechat completion``: what a shell runs so that Tab completes commands, options, choices and
files. Names of friends and rooms are under the passphrase, so they are not completed.
"""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from securechat.cli.options import common

SHELLS = "bash", "zsh", "fish"

_VARIABLE = "_SECURECHAT_COMPLETE"
"""By which the script asks the command, as click has it."""


@click.command(short_help="Let the Tab key complete commands and options.")
@click.argument("shell", type=click.Choice(SHELLS))
@common
def completion(home: Path, shell: str) -> None:
    """
    Write the script by which the Tab key completes commands, options and files in SHELL.

    It goes into a file that the shell finds by itself, in the next shell that you start. For zsh,
    ~/.zshrc has to hold, before compinit: fpath+=~/.zfunc

    \b
    Examples:
      securechat completion bash > ~/.local/share/bash-completion/completions/securechat
      securechat completion zsh > ~/.zfunc/_securechat
      securechat completion fish > ~/.config/fish/completions/securechat.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    command = click.get_current_context().find_root().command
    click.echo(kind(command, {}, "securechat", _VARIABLE).source())


def complete_file(_: click.Context, __: click.Parameter, value: str) -> list[CompletionItem[str]]:
    """Complete *value* as the name of a file; for an argument that can be something else too."""
    return [CompletionItem(value, type="file")]
