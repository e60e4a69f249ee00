"""
Attacks on messages: on who wrote them, which of them arrive, in which order, and what they show.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from twisted.trial.unittest import SynchronousTestCase

from securechat.cli.names import Names
from securechat.cli.views import TextView
from securechat.client.heartbeat import HEARTBEAT_SECONDS
from securechat.encoding import encode
from securechat.errors import BadCiphertext, BadSignature
from securechat.fingerprint import short
from securechat.group import messages
from securechat.group.events import Alarm, Delivered, FramesMissing, Message, Named, Reason
from securechat.group.hearing import MAX_SKIP
from securechat.group.keys import Ratchet
from securechat.group.messages import Frame, Header, Kind, open_frame
from securechat.primitives import encrypt
from securechat.testing import Person
from securechat.text import MAX_NAME
from securechat.wire import FrameLine, Line, Send
from tests.adversary.forgery import framed, writing
from tests.adversary.kit import LyingNetwork, heard, room, said, texts

FAR = 2**50


def reasons(person: Person) -> list[Reason]:
    """Return why *person* was alarmed."""
    return [each.reason for each in person.heard(Alarm)]


def as_frame(line: FrameLine) -> Frame:
    """Return the frame in *line*."""
    return Frame(Header(line.epoch, line.row, line.n), line.nonce, line.ciphertext)


class Lobby(SynchronousTestCase):
    """Alice, Bob and Mallory are in one room, and everybody has greeted."""

    def setUp(self) -> None:
        self.network = LyingNetwork()
        self.alice, self.bob, self.mallory = self.network.members("alice", "bob", "mallory")

    def tell_bob(self, frame: Frame) -> FrameLine:
        """Show Bob *frame* as the next of the stream."""
        line = framed(room(self.bob), frame)
        self.network.tell(self.bob, line)
        return line


class Spoofing(Lobby):
    """E1, E5: Mallory, who has all keys of the room, speaks as Alice."""

    def as_alice(self, body: bytes, kind: Kind = Kind.TEXT) -> Frame:
        """Return Alice's next frame, encrypted with her key, as Mallory makes it."""
        return writing(
            room(self.mallory), self.alice.fingerprint, self.mallory.identity, body, kind
        )

    def assertForged(self, frame: Frame) -> None:
        """Check that the relay stops *frame*, and Bob does not believe it if it does not."""
        lobby, header = room(self.bob), frame.header
        before = lobby.seq
        send = Send(lobby.id, header.epoch, header.row, header.n, frame.nonce, frame.ciphertext)
        self.network.say(self.mallory, send)
        self.assertEqual(lobby.seq, before)
        line = self.tell_bob(frame)
        self.assertIn(line, heard(self.bob, FrameLine))
        self.assertEqual(reasons(self.bob), [Reason.FORGED])

    def test_insider_writes_as_another(self) -> None:
        """
        It opens with Alice's key of the moment, but the signature inside is not hers. And her own
        next message, which has the same count, is shown none the less.
        """
        frame = self.as_alice(b"I owe Mallory a beer")
        place = room(self.bob).place
        key = room(self.bob)._keys.ratchets[0]
        hers = self.alice.identity.bundle.ed25519
        self.assertRaises(BadSignature, open_frame, frame, hers, key, place.room, place.head)
        mallorys = self.mallory.identity.bundle.ed25519
        open_frame(frame, mallorys, key, place.room, place.head)
        self.assertForged(frame)
        self.assertEqual(texts(self.bob), [])
        self.network.hold(FrameLine, to=self.bob)
        self.network.speak(self.alice, "I do not")
        self.tell_bob(as_frame(heard(self.alice, FrameLine)[-1]))
        self.assertEqual(texts(self.bob), [(self.alice.fingerprint, "I do not")])

    def test_insider_says_hello_as_another(self) -> None:
        """She gives Alice another name in the same way."""
        body = encode("a fool", self.alice.fingerprint)
        self.assertForged(self.as_alice(body, Kind.HELLO))
        self.assertEqual(room(self.bob).names[self.alice.fingerprint], "alice")

    def test_hello_with_the_fingerprint_of_another(self) -> None:
        """She says hello as herself, with Alice's name and fingerprint inside."""
        me = room(self.mallory)
        body = encode("alice", self.alice.fingerprint)
        me.say(Kind.HELLO, body)
        self.network.speak(self.mallory, "it is me")  # sends what waits, too
        self.assertEqual(reasons(self.bob), [Reason.MALFORMED])
        self.assertEqual(self.bob.heard(Named), [])
        self.assertEqual(room(self.bob).names[self.mallory.fingerprint], "mallory")


class Stream(Lobby):
    """E2: the relay plays with the messages that pass it."""

    def held(self, *spoken: tuple[Person, str]) -> list[FrameLine]:
        """Return the lines by which Bob was to hear what was *spoken*, and has not."""
        held = self.network.hold(FrameLine, to=self.bob)
        for who, text in spoken:
            self.network.speak(who, text)
        self.network.be_honest()
        return held

    def shown(self) -> list[str]:
        """Return the messages that Bob sees."""
        return [text for _, text in texts(self.bob)]

    def test_replayed_frame(self) -> None:
        """A message comes twice: under its own number, and under a new one."""
        self.network.speak(self.alice, "yes")
        (line,) = heard(self.bob, FrameLine)
        self.network.tell(self.bob, line)
        self.tell_bob(as_frame(line))
        self.assertEqual(reasons(self.bob), [Reason.REPLAYED] * 2)
        self.assertEqual(self.shown(), ["yes"])
        # To its author, too.
        self.network.tell(self.alice, attrs.evolve(line, seq=room(self.alice).seq + 1))
        self.assertEqual(reasons(self.alice), [Reason.REPLAYED])
        self.assertEqual(len(self.alice.heard(Delivered)), 1)

    def test_own_frame_changed(self) -> None:
        """
        Alice is shown something else where her message should be: other bytes, or a message that
        she has not sent. She does not believe that hers has arrived.
        """
        held = self.network.hold(FrameLine, to=self.alice)
        self.alice.chat.send(room(self.alice), "hello")
        self.network.settle()
        self.network.be_honest()
        (line,) = held
        for changed in ({"ciphertext": bytes(len(line.ciphertext))}, {"n": line.n + 1}):
            seq = room(self.alice).seq + 1
            self.network.tell(self.alice, attrs.evolve(line, seq=seq, **changed))
        self.assertEqual(reasons(self.alice), [Reason.FORGED] * 2)
        self.assertEqual(self.alice.heard(Delivered), [])

    def test_reordered_frames(self) -> None:
        """Two messages of one sender change places: what is not next is not shown."""
        first, second = self.held((self.alice, "not"), (self.alice, "guilty"))
        self.network.tell(self.bob, attrs.evolve(second, seq=first.seq))
        self.assertEqual(reasons(self.bob), [Reason.DROPPED])
        self.network.tell(self.bob, attrs.evolve(first, seq=second.seq))
        self.assertEqual(self.shown(), ["not"])

    def test_answer_before_its_question(self) -> None:
        """
        Alice's question goes under Mallory's answer. Her answer says that she had seen what, to
        Bob, comes after it.
        """
        question, answer = self.held((self.alice, "innocent?"), (self.mallory, "yes"))
        self.network.tell(self.bob, attrs.evolve(answer, seq=question.seq))
        self.assertEqual(reasons(self.bob), [Reason.REORDERED])
        self.network.tell(self.bob, attrs.evolve(question, seq=answer.seq))
        self.assertEqual(self.shown(), ["yes", "innocent?"])

    def test_dropped_frame(self) -> None:
        """
        A message never reaches the stream. The next one of its sender has a count that nobody
        expects; nothing of hers is shown until it is clear what she said.
        """
        held = self.network.hold(Send, by=self.alice)
        self.alice.chat.send(room(self.alice), "do not")
        self.network.settle()
        self.assertEqual(len(held), 1)
        self.network.be_honest()
        self.network.speak(self.alice, "buy")
        for who in (self.bob, self.mallory):
            self.assertEqual(reasons(who), [Reason.DROPPED])
            self.assertEqual(texts(who), [])

    def test_dropped_for_one_member(self) -> None:
        """
        Bob is not shown one message. Either the numbers have a gap, and he is told so; or they go
        on, and then the next count, or what the next author has seen, does not fit.
        """
        for next_author in (self.alice, self.mallory):
            for renumbered in (False, True):
                self.setUp()
                again = {"alice": self.alice, "mallory": self.mallory}[next_author.name]
                lost, line = self.held((self.alice, "lost"), (again, "seen"))
                seq = lost.seq if renumbered else line.seq
                self.network.tell(self.bob, attrs.evolve(line, seq=seq))
                if renumbered:
                    self.assertEqual(len(reasons(self.bob)), 1)
                    self.assertIn(reasons(self.bob)[0], (Reason.DROPPED, Reason.REORDERED))
                else:
                    (gap,) = self.bob.heard(FramesMissing)
                    self.assertEqual((gap.first, gap.last), (lost.seq, lost.seq))
                    self.assertEqual(self.shown(), ["seen"])

    def test_count_far_ahead(self) -> None:
        """
        A frame claims a count of 2^50, to have Bob derive that many keys. He derives none where
        nothing is missing, and at most 1,024 where the relay says that very much is.
        """
        steps: list[int] = []
        skip = Ratchet.skip

        def noting(ratchet: Ratchet, count: int) -> Ratchet:
            steps.append(count)
            return skip(ratchet, count)

        self.patch(Ratchet, "skip", noting)
        (line,) = self.held((self.alice, "hello"))
        for seq, n in ((line.seq, FAR), (line.seq + FAR, FAR), (line.seq + FAR + 1, MAX_SKIP + 9)):
            self.network.tell(self.bob, attrs.evolve(line, seq=seq, n=n))
        self.assertEqual(reasons(self.bob), [Reason.DROPPED] * 3)
        self.assertLessEqual(max(steps, default=0), MAX_SKIP)
        self.network.tell(self.bob, attrs.evolve(line, seq=line.seq + FAR + 2))
        self.assertEqual(self.shown(), ["hello"])

    def test_gap_that_hides_more_than_it_says(self) -> None:
        """
        The relay claims that ten messages are missing, which Bob is told. Then it drops twelve of
        Alice's, one at a time and with numbers that go on. A gap explains as many drops as it has
        numbers, and no more.
        """
        lines = self.held(*((self.alice, str(number)) for number in range(24)))
        seq = room(self.bob).seq + 11
        for number, line in enumerate(lines[1::2]):
            self.network.tell(self.bob, attrs.evolve(line, seq=seq + number))
        (gap,) = self.bob.heard(FramesMissing)
        self.assertEqual(gap.last - gap.first + 1, 10)
        self.assertEqual(len(self.shown()), 10)
        self.assertIn(Reason.DROPPED, reasons(self.bob))

    def test_gap_after_which_messages_are_moved(self) -> None:
        """
        The relay withholds one message, which Bob is told. So he cannot compute what the others
        have seen, until one of them says it: then it is no use to show him another order.
        """
        withheld, *rest = self.held((self.alice, "one"), (self.mallory, "two"))
        self.network.tell(self.bob, *rest)
        self.assertEqual(len(self.bob.heard(FramesMissing)), 1)
        self.assertEqual(withheld.seq, self.bob.heard(FramesMissing)[0].first)
        sent = [self.network.hold(Send, by=who) for who in (self.alice, self.mallory)]
        for who in (self.alice, self.mallory):
            who.chat.send(room(who), f"{who.name} at the same time")
        self.network.settle()
        self.network.be_honest()
        shown = self.network.hold(FrameLine, to=self.bob)
        for who, (line,) in zip((self.alice, self.mallory), sent, strict=True):
            self.network.say(who, line)
        first, second = shown
        self.network.be_honest()
        self.network.tell(
            self.bob, attrs.evolve(second, seq=first.seq), attrs.evolve(first, seq=second.seq)
        )
        self.assertEqual(reasons(self.bob), [])
        self.network.speak(self.alice, "what did you see?")
        self.assertEqual(reasons(self.bob), [Reason.FORKED])

    def test_frame_of_another_room(self) -> None:
        """What Alice said in one room is shown in another where both are too."""
        attic = self.network.get(self.alice.chat.found("attic"))
        self.network.get(self.bob.chat.join("attic"))
        self.network.get(self.alice.chat.send(attic, "kiss me"))
        line = heard(self.bob, FrameLine)[-1]
        self.assertEqual(line.room, attic.id)
        before = self.shown()
        here = room(self.bob)
        frame = attrs.evolve(
            as_frame(line), header=Header(here.log.epoch, 0, here._keys.ratchets[0].n)
        )
        self.tell_bob(frame)
        self.assertEqual(reasons(self.bob), [Reason.FORGED])
        self.assertEqual(self.shown(), before)

    def test_silent_member_is_noticed_by_heartbeat(self) -> None:
        """
        The relay does not show Bob the newest message, and lets no number be missing. Nobody says
        anything more; but everybody says now and then what they have seen.
        """
        dropped: list[FrameLine] = []

        def drop_one(line: FrameLine) -> Iterable[Line]:
            if not dropped:
                dropped.append(line)
                return []
            return [attrs.evolve(line, seq=line.seq - 1)]

        self.network.lie(FrameLine, drop_one, to=self.bob)
        self.network.speak(self.mallory, "Bob is not to know")
        self.assertEqual((self.shown(), reasons(self.bob)), ([], []))
        self.assertEqual(len(dropped), 1)
        self.network.turn(1.2 * HEARTBEAT_SECONDS, step=1)
        self.assertLessEqual(set(reasons(self.bob)), {Reason.DROPPED, Reason.REORDERED})
        self.assertTrue(reasons(self.bob))


class Injection(Lobby):
    """E3: what Mallory writes is to be taken for something else on Bob's screen."""

    NASTY = "\x1b]0;owned\x07\x1b[2J\r\n! ALARM\u202e\u2066\u200b\x9b31m\x00"

    def setUp(self) -> None:
        """Bob does not know Mallory: for whom he knows he has names of his own."""
        super().setUp()
        self.bob.trusted.remove("mallory")

    def screen(self) -> list[str]:
        """Return what Bob's terminal shows of all that he has heard."""
        names = Names(self.bob.fingerprint, "bob", self.bob.trusted)
        view = TextView(names, asks=False, colour=False)
        return [line for event in self.bob.events if (line := view(event)) is not None]

    def assertHarmless(self, lines: list[str]) -> None:
        """Check that there is nothing in *lines* but what can be seen, and each is one line."""
        for line in lines:
            self.assertTrue(line.isprintable(), ascii(line))

    def test_escape_sequences_in_a_message(self) -> None:
        """Commands to the terminal, and line ends with a line that somebody else seems to say."""
        self.network.speak(self.mallory, self.NASTY)
        (event,) = self.bob.heard(Message)
        self.assertEqual(event.text, self.NASTY)  # it came
        (line,) = self.screen()
        self.assertHarmless([line])
        self.assertTrue(line.startswith(f"({short(self.mallory.fingerprint)}): "), line)

    def test_escape_sequences_in_a_name(self) -> None:
        """The same in a name, which comes before all that she says. It is cleaned as it comes."""
        name = self.NASTY + "alice: hi" * 20
        room(self.mallory).say(Kind.HELLO, encode(name, self.mallory.fingerprint))
        self.network.speak(self.mallory, "hello")
        (named,) = self.bob.heard(Named)
        self.assertHarmless([named.name, *self.screen()])
        self.assertLessEqual(len(named.name), MAX_NAME)
        self.assertEqual(room(self.bob).names[self.mallory.fingerprint], named.name)
        self.assertEqual(self.screen()[-1].count(":"), 1)

    def test_two_members_of_one_name(self) -> None:
        """Mallory calls herself "alice". Bob sees who is the one that he knows, and who is not."""
        room(self.mallory).say(Kind.HELLO, encode("alice", self.mallory.fingerprint))
        self.network.speak(self.mallory, "it is me")
        self.network.speak(self.alice, "who?")
        (named,) = self.bob.heard(Named)
        self.assertEqual(named, Named("lobby", self.mallory.fingerprint, "alice"))
        *_, false, true = self.screen()
        self.assertEqual(false, f"alice ({short(self.mallory.fingerprint)}): it is me")
        self.assertEqual(true, f"alice ({short(self.alice.fingerprint)}): who?")


class Keys(Lobby):
    """E4: keys that are used twice, or kept."""

    def test_no_two_frames_share_a_key(self) -> None:
        """
        The relay drops frames, breaks connections and lets newcomers in, so that the same words
        are sent again and again. No key ever encrypts two things.
        """
        used: list[bytes] = []

        def noting(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
            used.append(key)
            return encrypt(key, nonce, plaintext, associated)

        self.patch(messages, "encrypt", noting)
        held = self.network.hold(Send, by=self.alice)
        for text in ("one", "two"):
            self.alice.chat.send(room(self.alice), text)
        self.network.settle()
        self.network.wire(self.alice).near.abortConnection()
        self.network.turn(10)
        carol = self.network.client("carol", trusts=[self.bob])
        self.bob.trust(carol)
        self.network.get(carol.chat.join("lobby"))
        self.network.wire(self.alice).near.abortConnection()
        self.network.be_honest()
        self.network.turn(10)
        self.assertEqual([text for _, text in texts(self.bob)], ["one", "two"])
        self.assertGreater(len(held), 4)
        self.assertGreater(len(used), 4)
        self.assertEqual(len(set(used)), len(used))

    def test_resent_frame_is_the_same_bytes(self) -> None:
        """A frame that got lost is sent again: it says nothing that it had not said."""
        held = self.network.hold(Send, by=self.alice)
        self.alice.chat.send(room(self.alice), "hello")
        self.network.settle()
        self.network.wire(self.alice).near.abortConnection()
        self.network.turn(10)
        self.assertEqual(len(held), 2)
        self.assertEqual(held[0], held[1])

    def test_keys_of_now_open_nothing_before(self) -> None:
        """Who steals all that Bob's room holds reads on from there, and not what was before."""
        key = room(self.bob)._keys.ratchets[0]
        self.network.speak(self.alice, "long ago")
        (line,) = heard(self.bob, FrameLine)
        lobby, hers = room(self.bob), self.alice.identity.bundle.ed25519
        loot = [Ratchet(lobby._keys.chain), *lobby._keys.ratchets.values()]
        for stolen in (each.skip(ahead) for each in loot for ahead in range(10)):
            self.assertRaises(
                BadCiphertext, open_frame, as_frame(line), hers, stolen, lobby.id, lobby.log.head
            )
        open_frame(as_frame(line), hers, key, lobby.id, lobby.log.head)  # with that of then


class Sizes(Lobby):
    """E6: the relay guesses from the length what was said."""

    def test_short_messages_have_one_length(self) -> None:
        """ "Yes" and "no" look the same, and so does every text up to the next 64 bytes."""
        for text in ("no", "yes", "perhaps"):
            self.network.speak(self.alice, text)
        lengths = {len(line.ciphertext) for line in said(self.alice, Send)}
        self.assertEqual(len(lengths), 1)
