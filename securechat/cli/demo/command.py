"""``securechat demo`` itself: make room, run the relay, play, look at what the relay saw."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from securechat.cli.colour import colourful
from securechat.cli.demo import evidence
from securechat.cli.demo.narration import Narration
from securechat.cli.demo.play import Play
from securechat.cli.demo.process import Relay
from securechat.cli.options import common
from securechat.cli.running import run
from securechat.errors import Deviation, SecureChatError


@click.command(short_help="See a whole conversation, here and now.")
@common
def demo(home: Path) -> None:
    """
    See a whole conversation, here and now.

    A relay is started on this machine, and four people talk through it over TLS. You see each
    line between each client and the relay, and what each person would see on the screen:
    friends let each other in, somebody leaves, the relay is killed, somebody comes back; at the
    end, what the relay knows about it. It takes some seconds, uses directories of its own,
    and leaves nothing behind. If anything is not as it should be it says so and ends with 1.

    \b
    Example:
      securechat demo
    """
    with TemporaryDirectory(prefix="securechat-demo-") as directory:
        run(lambda reactor: perform(reactor, Path(directory)))


async def perform(reactor: Any, directory: Path) -> None:
    """
    Give the whole demonstration, in *directory*.

    :raises Deviation: if anything is not as it should be.
    """
    narration = Narration(colour=colourful())
    relay = Relay(reactor, directory)
    relay.start()
    try:
        narration.scene("A relay", "It listens on a free port of this machine, with a new key.")
        narration.say(f"$ {relay.command}")
        address = await relay.listening()
        narration.say(str(address))
        play = Play(reactor, relay, address, directory, narration)
        try:
            await play.perform()
        except Deviation:
            raise
        except SecureChatError as error:
            raise Deviation(what=str(error)) from error
        finally:
            await play.end()
    finally:
        await relay.stop()
    _conclude(narration, relay, play)


def _conclude(narration: Narration, relay: Relay, play: Play) -> None:
    """Show what the relay saw, once its log is complete."""
    narration.scene(
        "What the relay saw",
        "This is from the relay's own log, which has the beginning of every line that it was told:",
    )
    for line in evidence.samples(relay.log):
        narration.say(line)
    wire = [line for each in play.cast for line in each.wire]
    names = [each.name for each in play.cast]
    kept = relay.kept()
    evidence.check(relay.log, wire, kept, [*play.said, *names])
    narration.say("")
    narration.say(
        f"In its log, in the {len(kept):,} bytes of its history, and in all {len(wire)} lines"
    )
    narration.say(
        f"between it and the clients, none of the {len(play.said)} messages occurs, and none of the"
    )
    narration.say("names: it saw ciphertext only.")
    narration.say("All went as it should.")
