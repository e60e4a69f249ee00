"""The play: who does what, and what has to come of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

from securechat.address import Address
from securechat.cli.demo import evidence
from securechat.cli.demo.actor import Actor
from securechat.cli.demo.narration import Narration
from securechat.cli.demo.process import Relay
from securechat.cli.happenings import Returned
from securechat.client.events import CaughtUp, Connected, Disconnected
from securechat.errors import Deviation, NobodyVouches
from securechat.group.entry import SignedEntry
from securechat.group.events import Confirmed, MemberAdded, MemberRemoved, Message, Named
from securechat.wire import Changed, FrameLine

LABEL = "lobby"

Scene: TypeAlias = Callable[["Play"], Coroutine[Any, Any, None]]


def _scene(title: str) -> Callable[[Scene], Scene]:
    """Announce a scene by its *title* and its docstring: the audience reads them."""

    def announced(scene: Scene) -> Scene:
        @functools.wraps(scene)
        async def play(self: Play) -> None:
            self.narration.scene(title, inspect.getdoc(scene) or "")
            await scene(self)

        return play

    return announced


class Play:
    """
    The seed's conversation.

    :ivar cast: everybody.
    :ivar said: every text that was said in the room.
    """

    def __init__(
        self,
        reactor: Any,
        relay: Relay,
        address: Address,
        directory: Path,
        narration: Narration,
    ) -> None:
        """:param directory: where everybody gets a home."""

        def actor(name: str) -> Actor:
            return Actor(reactor, name, directory / name, address, narration)

        self.relay = relay
        self.narration = narration
        self.alice, self.bob = actor("Alice Arnold"), actor("Bob Baker")
        self.carol, self.trudy = actor("Carol Cooper"), actor("Trudy Thorn")
        self.cast = [self.alice, self.bob, self.carol, self.trudy]
        self.said: list[str] = []
        self._before: dict[str, bytes] = {}

    async def perform(self) -> None:
        """
        Play it.

        :raises Deviation: if anything is not as it has to be.
        """
        await self.friendships()
        await self.first_contact()
        await self.second_user()
        await self.third_user()
        await self.stranger()
        await self.everybody_talks()
        await self.lost_connection()
        await self.leaver()
        await self.nothing_more_to_read()
        await self.killed_relay()
        await self.comeback()
        for each in self.cast:
            each.is_done()

    async def end(self) -> None:
        """Let everybody go."""
        for each in self.cast:
            await each.ends()

    @_scene("Who trusts whom")
    async def friendships(self) -> None:
        """
        Everybody has an identity, known by its fingerprint. Alice and Bob trust each other. So
        do Bob and Carol. Carol trusts Alice as well, but Alice does not know Carol. Nobody
        knows Trudy.
        """
        self.alice.trust(self.bob)
        self.bob.trust(self.alice, self.carol)
        self.carol.trust(self.alice, self.bob)
        self.trudy.trust(self.alice, self.bob, self.carol)
        for each in self.cast:
            self.narration.introduce(each.nick, each.identity.fingerprint)

    @_scene("First contact")
    async def first_contact(self) -> None:
        """
        Alice shows the relay who she is, and that she holds the key. The room that she founds
        exists by an entry that she signs; the relay numbers it.
        """
        await self._connect(self.alice)
        self.alice.room = await self.alice.client.found(LABEL)
        await self.alice.goes_through(">found <user_added")
        await self.alice.hears("frame")  # her own `hello_i_am`, which nobody else hears

    @_scene("A second user")
    async def second_user(self) -> None:
        """
        Bob asks to join. The relay asks Alice whether she knows him. The two check each other
        through it, and Alice hands Bob the session key; the relay cannot read it.
        """
        await self._connect(self.bob)
        await self._join(self.bob)
        await self.alice.goes_through("<new_user >vouch <challenge >response >add_user <user_added")
        await self._greets(self.bob, [self.alice])

    @_scene("A third user, whom the first member does not know")
    async def third_user(self) -> None:
        """
        The relay asks Alice about Carol, and Alice says nack. So it asks the next member, Bob.
        Alice accepts Carol as a member: Bob signed for her. For Carol the room is confirmed
        once Alice, whom she trusts too, has spoken in it.
        """
        await self._connect(self.carol)
        await self._join(self.carol)
        await self.alice.goes_through("<new_user >nack <user_added")
        await self.bob.goes_through("<new_user >vouch <challenge >response >add_user <user_added")
        await self._greets(self.carol, [self.alice, self.bob])

    @_scene("A stranger")
    async def stranger(self) -> None:
        """
        Trudy knows everybody's fingerprint, but nobody knows hers. The relay asks one member,
        then two more; then it tells her so, and closes the connection.
        """
        await self._connect(self.trudy)
        try:
            await self.trudy.client.join(LABEL)
        except NobodyVouches as error:
            self.narration.screen(self.trudy.nick, str(error))
        else:
            raise Deviation(what="trudy is in")
        await self.trudy.goes_through(">join <error")
        for member in self.alice, self.bob, self.carol:
            await member.goes_through("<new_user >nack")
        await self.trudy.notices(Disconnected, retry_in=None)

    @_scene("Everybody talks")
    async def everybody_talks(self) -> None:
        """
        Each message has a key of its own, is signed by its author, and says what its author had
        seen. It counts as sent once the relay has numbered it for everybody.
        """
        members = [self.alice, self.bob, self.carol]
        await self._says(self.alice, "Welcome, Carol. Can the relay read this?", members)
        await self.carol.notices(Confirmed, by=self.alice.identity.fingerprint)
        await self._says(self.bob, "It sees who speaks, and when. Not what.", members)
        await self._says(self.carol, "Then let us meet at the old mill at noon.", members)

    @_scene("A lost connection")
    async def lost_connection(self) -> None:
        """
        Somebody cuts Bob's cable. His client connects again, as soon as it can, proves who he
        is, and asks for what has come since.
        """
        self.bob.cable.cut()
        await self.bob.notices(Disconnected)
        await self._says(self.alice, "Bob, bring the map.", [self.alice, self.carol])
        self.narration.say("(the cable is mended)")
        self.bob.cable.mend()
        await self._proves(self.bob)
        await self.bob.notices(Message, text=self.said[-1])
        await self.bob.notices(CaughtUp)
        await self._says(self.bob, "I am back. Which map?", [self.alice, self.bob, self.carol])

    @_scene("Somebody leaves")
    async def leaver(self) -> None:
        """
        Carol leaves. The relay stores her signed word and passes it on; a member who is there
        takes her off the roster, and seals a fresh secret to everybody else. Every key of the
        room follows from it.
        """
        self._before = self.carol.kept()
        await self._says(self.bob, "Farewell, Carol.", [self.alice, self.bob, self.carol])
        await self.carol.client.leave(self.carol.room)
        await self.carol.goes_through(">leave <leaving")
        gone = [
            await member.notices(MemberRemoved, member=self.carol.identity.fingerprint)
            for member in (self.alice, self.bob)
        ]
        for member in self.alice, self.bob:
            rekeys = gone[0].by == member.identity.fingerprint
            said = " >begin >slices >commit" if rekeys else ""
            await member.goes_through(f"<leaving{said} <slice <changed")
        await self.carol.goes_through("<changed")

    @_scene("Who has left reads nothing any more")
    async def nothing_more_to_read(self) -> None:
        """
        Suppose that Carol's program had kept every key that it ever had of the room, and that the
        relay gives her what comes after.
        """
        await self._says(self.alice, "Now we are two.", [self.alice, self.bob])
        *_, before = self.carol.heard(FrameLine)
        *_, after = self.bob.heard(FrameLine)
        (changed,) = self.carol.heard(Changed)
        removal = SignedEntry.decode(changed.entry)
        if not evidence.can_read(before, self._before, []):
            raise Deviation(what="carol's keys did not open what she was meant to read")
        if evidence.can_read(after, self._before, [removal]):
            raise Deviation(what="carol can read what was said after she left")
        self.narration.say(
            f"Bob's farewell, number {before.seq}, opens with those keys. Number {after.seq} does "
            "not: the secret"
        )
        self.narration.say("that is new since then was sealed to others only.")

    @_scene("The relay is killed")
    async def killed_relay(self) -> None:
        """
        Bob's program ends; he stays a member. Alice writes to him. Then somebody kills the relay,
        and starts it again: what was acknowledged is on its disk.
        """
        await self.bob.ends()
        await self._says(self.alice, "Bob, the map is in the oak.", [self.alice])
        self.narration.say("(the relay is killed)")
        await self.relay.kill()
        await self.alice.notices(Disconnected)
        self.relay.start()
        await self.relay.listening()
        self.narration.say(f"$ {self.relay.command}")
        await self._proves(self.alice)
        await self.alice.notices(CaughtUp)
        await self._says(self.alice, "So is the key.", [self.alice])

    @_scene("A comeback")
    async def comeback(self) -> None:
        """
        Bob starts his program again. It knows the room from what it has kept, with the keys as
        they were, and reads what was said meanwhile.
        """
        self.bob.begins()
        await self._connect(self.bob)
        await self.bob.comes_back(LABEL)
        for text in self.said[-2:]:
            await self.bob.notices(Message, text=text)
        await self.bob.notices(Returned, messages=2)
        await self._says(self.bob, "I have both.", [self.alice, self.bob])

    # What happens again and again

    async def _connect(self, who: Actor) -> None:
        await who.client.connect()
        await self._proves(who)

    async def _proves(self, who: Actor) -> None:
        await who.goes_through(">identity <ack")
        await who.notices(Connected)

    async def _join(self, who: Actor) -> None:
        who.room = await who.client.join(LABEL)
        await who.goes_through(">join <vouch >challenge <response <user_added")

    async def _greets(self, who: Actor, members: list[Actor]) -> None:
        """The newcomer has said the seed's `hello_i_am`, and the *members* know its name."""
        for member in members:
            await member.notices(MemberAdded, member=who.identity.fingerprint)
            await member.notices(Named, member=who.identity.fingerprint, name=who.name)

    async def _says(self, who: Actor, text: str, online: list[Actor]) -> None:
        """*who* says *text*, and everybody else of those *online* reads it."""
        self.said.append(text)
        await who.client.send(who.room, text)
        for member in online:
            if member is not who:
                await member.notices(Message, sender=who.identity.fingerprint, text=text)
