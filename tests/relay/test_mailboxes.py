"""Mailboxes: who opens, claims and ends them, who is told what, and what strangers can do."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from securechat.encoding import MAX_INTEGER
from securechat.group.detail import Why
from securechat.relay import mailboxes
from securechat.relay.limits import Limits
from securechat.relay.session import Session
from securechat.wire import (
    MAX_MAIL,
    PAKE,
    Banner,
    Claim,
    Claimed,
    Close,
    Closed,
    Code,
    ErrorLine,
    Invite,
    Invited,
    Join,
    Line,
    Mail,
)
from tests.relay.clients import Client, Relay

FIRST = b"A" + bytes(range(PAKE - 1))
"""What an inviter says: the relay takes any bytes."""


class MailboxCase(SynchronousTestCase):
    """A relay, Alice who is in a room, and two who are in none: Bob, and Mallory."""

    def setUp(self) -> None:
        self.begin()

    def begin(self, **limits: Any) -> None:
        """Have a relay with these *limits*."""
        self.relay = Relay(limits=Limits(**limits))
        (self.alice,) = self.relay.room(1)
        self.bob, self.mallory = self.relay.client(), self.relay.client()
        self.timers = len(self.relay.clock.getDelayedCalls())

    def invite(self, client: Client | None = None) -> int:
        """Have *client* open a mailbox, by default Alice; return its number."""
        client = client or self.alice
        client.says(Invite(FIRST))
        return client.hears(Invited).number

    def shared(self) -> int:
        """Have Alice open a mailbox, and Bob claim it; return its number."""
        number = self.invite()
        self.bob.says(Claim(number))
        self.bob.hears(Claimed)
        return number

    def refused(self, client: Client, line: Line) -> tuple[Code, str]:
        """Have *client* say what the relay refuses; return the code and the subject."""
        client.says(line)
        error = client.hears(ErrorLine)
        self.assertFalse(client.hung_up)
        return error.code, error.subject

    def hears_nothing(self, *clients: Client) -> None:
        """See that nobody has heard anything."""
        self.assertEqual([client.hear() for client in clients], [[] for _ in clients])

    def left(self) -> None:
        """See that nothing is left of any mailbox: no entry, no timer."""
        self.assertEqual(self.relay.factory.census().mailboxes, 0)
        self.assertEqual(len(self.relay.clock.getDelayedCalls()), self.timers)
        for connection in self.relay.factory.connections:
            if connection.session is not None:
                self.assertEqual(connection.session.mailboxes, {})


def session(client: Client) -> Session:
    """Return the relay's session of *client*."""
    found = client.connection.session
    assert found is not None
    return found


class OpenTests(MailboxCase):
    """`invite`."""

    def test_a_number_and_a_time(self) -> None:
        """The inviter is told both; the banner has said that there are mailboxes."""
        self.begin(mailbox_seconds=90.5, mailboxes_per_connection=3)
        self.alice.says(Invite(FIRST))
        invited = self.alice.hears(Invited)
        self.assertIn(invited.number, range(1, 100))
        self.assertEqual(invited.seconds, 90)
        self.assertEqual(self.relay.connect().hears(Banner).limits["mailboxes"], 3)
        self.assertEqual(self.relay.factory.census().mailboxes, 1)

    def test_not_for_who_is_in_no_room(self) -> None:
        """Neither a stranger, nor a member that has not resumed; once it has, it may."""
        self.assertEqual(self.refused(self.bob, Invite(FIRST)), (Code.STATE, "0"))
        self.alice.lose()
        alice = self.relay.again(self.alice)
        self.assertEqual(self.refused(alice, Invite(FIRST)), (Code.STATE, "0"))
        self.left()
        alice.resume()
        alice.hear()
        self.invite(alice)

    def test_not_for_who_joins(self) -> None:
        """Who waits to be let in is no member."""
        self.bob.join()
        self.bob.hear()
        self.assertEqual(self.refused(self.bob, Invite(FIRST)), (Code.STATE, "0"))

    def test_not_for_who_was_removed(self) -> None:
        """Not even as long as it has yet to hear of it."""
        alice, bob = Relay().room(2)
        bob.connection.pauseProducing()
        alice.land(alice.removal(bob, why=Why.KICKED))
        self.assertTrue(session(bob).rooms)
        self.assertFalse(session(bob).live)
        bob.says(Invite(FIRST))
        bob.connection.resumeProducing()
        self.assertEqual([each.code for each in bob.hears_all(ErrorLine)], [Code.STATE])

    def test_numbers_grow_with_how_many_there_are(self) -> None:
        """Of two digits up to 50, then of three: never is more than every second one taken."""
        self.begin(mailboxes_per_connection=1_000, mailboxes_per_address=1_000)
        numbers = [self.invite() for _ in range(50)]
        self.assertLess(max(numbers), 100)
        more = [self.invite() for _ in range(100)]
        self.assertGreater(max(more), 99)
        self.assertLess(max(more), 1_000)
        self.assertEqual(len({*numbers, *more}), 150)

    def test_numbers_come_by_chance(self) -> None:
        """Nobody can tell which is next."""
        sequences = set()
        for _ in range(2):
            self.begin(mailboxes_per_connection=20)
            sequences.add(tuple(self.invite() for _ in range(20)))
        self.assertEqual(len(sequences), 2)

    def test_a_number_is_not_given_twice(self) -> None:
        """Where chance has it so, it is asked again; once a mailbox is over its number is free."""
        self.draw(6, 6, 8, 6)
        self.assertEqual([self.invite(), self.invite()], [7, 9])
        self.alice.says(Close(7))
        self.assertEqual(self.invite(), 7)

    def draw(self, *numbers: int) -> None:
        """Have chance give these *numbers*."""
        left = iter(numbers)
        self.patch(mailboxes, "randbelow", lambda most: next(left))


class ClaimTests(MailboxCase):
    """`claim`."""

    def test_who_claims_hears_what_the_inviter_has_said(self) -> None:
        """The inviter hears nothing yet."""
        number = self.invite()
        self.bob.says(Claim(number))
        self.assertEqual(self.bob.hears(Claimed), Claimed(number, FIRST))
        self.hears_nothing(self.alice)

    def test_it_is_nobody_elses_then(self) -> None:
        """A third one gets nothing, and disturbs nobody."""
        number = self.shared()
        self.assertEqual(self.refused(self.mallory, Claim(number)), (Code.NO_MAILBOX, str(number)))
        self.hears_nothing(self.alice, self.bob)
        self.bob.says(Mail(number, b"to Alice"))
        self.assertEqual(self.alice.hears(Mail).body, b"to Alice")

    def test_why_there_is_none_is_not_said(self) -> None:
        """Never opened, spent, closed or expired: the answers are the same."""
        self.begin(mailbox_seconds=50)
        spent, closed, expired = self.shared(), self.invite(), self.invite()
        (never, *_) = {1, 2, 3, 4} - {spent, closed, expired}
        self.alice.says(Close(closed))
        errors = []
        for number in (never, spent, closed):
            self.mallory.says(Claim(number))
            errors.append((number, self.mallory.hears(ErrorLine)))
        self.relay.clock.advance(50)
        self.mallory.says(Claim(expired))
        errors.append((expired, self.mallory.hears(ErrorLine)))
        self.assertEqual([error.subject for _, error in errors], [str(n) for n, _ in errors])
        self.assertEqual({error.code for _, error in errors}, {Code.NO_MAILBOX})
        self.assertEqual(len({error.words for _, error in errors}), 1)

    def test_not_ones_own(self) -> None:
        """Then it is still there for who was meant."""
        number = self.invite()
        self.assertEqual(self.refused(self.alice, Claim(number)), (Code.STATE, str(number)))
        self.bob.says(Claim(number))
        self.bob.hears(Claimed)
        self.assertEqual(self.refused(self.bob, Claim(number)), (Code.STATE, str(number)))

    def test_any_number(self) -> None:
        """Numbers that no mailbox can have are those of none."""
        for number in (0, MAX_INTEGER):
            self.assertEqual(self.refused(self.bob, Claim(number)), (Code.NO_MAILBOX, str(number)))

    def test_who_has_claimed_is_not_sent_away(self) -> None:
        """Not even where it is in no room, and there is nobody to vouch for it."""
        self.shared()
        founder = self.relay.client()
        founder.found("desert")
        founder.lose()
        for client in (self.bob, self.mallory):
            client.says(Join("desert"))
            self.assertIs(client.hears_all(ErrorLine)[-1].code, Code.NOBODY)
        self.assertEqual((self.bob.hung_up, self.mallory.hung_up), (False, True))


class MailTests(MailboxCase):
    """`mail`."""

    def test_each_hears_the_other(self) -> None:
        """As it was said, and as large as it may be."""
        number = self.shared()
        for sender, other in ((self.bob, self.alice), (self.alice, self.bob)):
            body = sender.fingerprint * (MAX_MAIL // 32)
            sender.says(Mail(number, body))
            self.assertEqual(other.hears(Mail), Mail(number, body))
            self.hears_nothing(sender)

    def test_once_each(self) -> None:
        """Whoever goes on is refused, and not heard; the mailbox stays."""
        number = self.shared()
        for sender, other in ((self.bob, self.alice), (self.alice, self.bob)):
            sender.says(Mail(number, b"first"))
            other.hears(Mail)
            self.assertEqual(
                self.refused(sender, Mail(number, b"second")), (Code.STATE, str(number))
            )
            self.hears_nothing(other)

    def test_not_to_nobody(self) -> None:
        """Before somebody has claimed it there is nobody; that does not count as said."""
        number = self.invite()
        self.assertEqual(
            self.refused(self.alice, Mail(number, b"early")), (Code.STATE, str(number))
        )
        self.bob.says(Claim(number))
        self.bob.hears(Claimed)
        self.alice.says(Mail(number, b"again"))
        self.assertEqual(self.bob.hears(Mail).body, b"again")

    def test_not_of_others(self) -> None:
        """To who is none of the two there is no such mailbox."""
        for number in (self.invite(), self.shared()):
            self.assertEqual(
                self.refused(self.mallory, Mail(number, b"psst")),
                (Code.NO_MAILBOX, str(number)),
            )
        self.hears_nothing(self.alice, self.bob)

    def test_not_after_the_end(self) -> None:
        """Nor by one of the two whose line has crossed it."""
        number = self.shared()
        self.alice.says(Close(number))
        self.bob.hears(Closed)
        for client in (self.alice, self.bob):
            self.assertEqual(
                self.refused(client, Mail(number, b"late")), (Code.NO_MAILBOX, str(number))
            )

    def test_sizes(self) -> None:
        """Whoever says more, or less, says no line, and goes; the other one is told."""
        for spelled in (b"", b"A" * 5_463, b"A" * 60_000):  # 5,463: one byte too many
            number = self.shared()
            self.bob.says(b"mail %d " % number + spelled)
            self.assertIs(self.bob.refused(), Code.MALFORMED)
            self.assertEqual(self.alice.hears(Closed), Closed(number))
            self.bob.lose()
            self.bob = self.relay.client()
        for size in (PAKE - 1, PAKE + 1):
            (alice,) = self.relay.room(1, f"room-{size}")
            alice.says(b"invite " + b"A" * (size * 4 // 3 + bool(size % 3)))
            self.assertIs(alice.refused(), Code.MALFORMED)


class EndTests(MailboxCase):
    """How a mailbox ends, who is told, and that nothing is left of it."""

    def over(self, number: int, *told: Client) -> None:
        """See that the mailbox is over, of which just those *told* have heard."""
        for client in (self.alice, self.bob):
            if not client.lost:
                heard = client.hears_all(Closed)
                self.assertEqual(heard, [Closed(number)] if client in told else [])
        self.left()
        self.assertEqual(self.refused(self.mallory, Claim(number)), (Code.NO_MAILBOX, str(number)))

    def test_closed_before_it_was_claimed(self) -> None:
        """There is nobody to tell."""
        number = self.invite()
        self.alice.says(Close(number))
        self.over(number)

    def test_closed_by_either(self) -> None:
        """The other one is told."""
        for client, other in ((self.alice, self.bob), (self.bob, self.alice)):
            number = self.shared()
            client.says(Close(number))
            self.over(number, other)

    def test_closed_by_others(self) -> None:
        """Nothing answers, and nothing comes of it."""
        for number in (self.invite(), self.shared(), 0, MAX_INTEGER):
            self.mallory.says(Close(number))
        self.hears_nothing(self.alice, self.bob, self.mallory)
        self.assertEqual(self.relay.factory.census().mailboxes, 2)

    def test_closed_again(self) -> None:
        """Lines cross: nothing answers."""
        number = self.shared()
        self.alice.says(Close(number))
        self.bob.says(Close(number))
        self.alice.says(Close(number))
        self.over(number, self.bob)

    def test_nobody_claims_it(self) -> None:
        """It is there as long as was said, and no longer."""
        number = self.invite()
        self.relay.clock.advance(599)
        self.hears_nothing(self.alice)
        self.relay.clock.advance(1)
        self.over(number, self.alice)

    def test_nothing_follows_a_claim(self) -> None:
        """From then on the ask timeout counts, however long the mailbox was open."""
        self.begin(ask_timeout=30)
        for before in (0, 599):
            number = self.invite()
            self.relay.clock.advance(before)
            self.bob.says(Claim(number))
            self.bob.hears(Claimed)
            self.relay.clock.advance(29)
            self.hears_nothing(self.alice, self.bob)
            self.relay.clock.advance(1)
            self.over(number, self.alice, self.bob)

    def test_a_connection_is_lost(self) -> None:
        """Whose ever it is: the other one is told, at once."""
        number = self.shared()
        self.bob.lose()
        self.over(number, self.alice)
        self.bob = self.relay.client()
        number = self.shared()
        self.alice.lose()
        self.over(number, self.bob)

    def test_both_connections_are_lost(self) -> None:
        """One after the other."""
        number = self.shared()
        self.alice.lose()
        self.bob.lose()
        self.over(number)

    def test_a_connection_is_superseded(self) -> None:
        """A mailbox is of a connection, not of an identity."""
        number = self.shared()
        old, self.alice = self.alice, self.relay.again(self.alice)
        self.assertEqual([each.code for each in old.hears_all(ErrorLine)], [Code.SUPERSEDED])
        old.lose()
        self.over(number, self.bob)
        self.assertEqual(
            self.refused(self.alice, Mail(number, b"mine")), (Code.NO_MAILBOX, str(number))
        )

    def test_all_of_a_connection(self) -> None:
        """Those that it has opened, and those that it has claimed."""
        (carol,) = self.relay.room(1, "den")
        opened = [self.shared(), self.invite(), self.invite()]
        claimed = self.invite(carol)
        self.alice.says(Claim(claimed))
        self.alice.hears(Claimed)
        self.alice.lose()
        self.assertEqual(self.bob.hears(Closed), Closed(opened[0]))
        self.assertEqual(carol.hears(Closed), Closed(claimed))
        self.left()

    def test_the_relay_ends(self) -> None:
        """No timer keeps it."""
        self.shared()
        self.invite()
        self.relay.factory.close()
        for client in (self.alice, self.bob, self.mallory):
            client.lose()
        self.left()

    def test_the_room_is_left(self) -> None:
        """Who has invited from it can still say what it has begun to."""
        carol = self.relay.client()
        carol.join_by(self.alice)
        number = self.invite(carol)
        self.alice.land(self.alice.removal(carol, why=Why.KICKED))
        carol.hear()
        self.assertFalse(session(carol).live)
        self.bob.says(Claim(number), Mail(number, b"hello"))
        self.assertEqual(carol.hears(Mail).body, b"hello")


class LimitTests(MailboxCase):
    """Each limit: reached, answered, and free again."""

    def test_mailboxes_per_connection(self) -> None:
        """What it has claimed does not count."""
        self.begin(mailboxes_per_connection=2)
        (carol,) = self.relay.room(1, "den")
        self.alice.says(Claim(self.invite(carol)))
        self.alice.hears(Claimed)
        numbers = [self.invite(), self.invite()]
        self.assertEqual(self.refused(self.alice, Invite(FIRST)), (Code.BUSY, "0"))
        self.alice.says(Close(numbers[0]))
        self.invite()

    def test_mailboxes_per_address(self) -> None:
        """Identities cost nothing, addresses do."""
        self.begin(mailboxes_per_address=2)
        members = [self.relay.room(1, label)[0] for label in ("a", "b", "c", "d")]
        members[2].connection.source = "elsewhere"
        number = self.invite(members[0])
        self.invite(members[1])
        self.invite(members[2])
        self.assertEqual(self.refused(members[3], Invite(FIRST)), (Code.BUSY, "0"))
        members[0].says(Close(number))
        self.invite(members[3])

    def test_mailboxes_in_all(self) -> None:
        """There is an end to the relay's memory."""
        self.begin(mailboxes_in_all=2)
        (carol,) = self.relay.room(1, "den")
        carol.connection.source = "elsewhere"
        number = self.invite()
        self.invite(carol)
        self.assertEqual(self.refused(self.alice, Invite(FIRST)), (Code.BUSY, "0"))
        self.alice.says(Close(number))
        self.invite()

    def test_claims_per_minute(self) -> None:
        """Of all who come from one address together. Past them, no code is spent."""
        self.begin(claims_per_minute=2)
        number = self.invite()
        for client in (self.bob, self.mallory):
            self.assertEqual(self.refused(client, Claim(0)), (Code.NO_MAILBOX, "0"))
        self.assertEqual(self.refused(self.bob, Claim(number)), (Code.BUSY, str(number)))
        elsewhere = self.relay.client()
        elsewhere.connection.source = "elsewhere"
        self.assertEqual(self.refused(elsewhere, Claim(0)), (Code.NO_MAILBOX, "0"))
        self.relay.clock.advance(60)
        self.bob.says(Claim(number))
        self.bob.hears(Claimed)

    def test_refused_claims_are_counted(self) -> None:
        """Wrong numbers, and too many: an operator sees that somebody guesses."""
        self.begin(claims_per_minute=2)
        self.shared()
        self.assertEqual(self.relay.factory.counts.claims_refused, 0)
        for _ in range(2):
            self.mallory.says(Claim(0))
        codes = [each.code for each in self.mallory.hears_all(ErrorLine)]
        self.assertEqual(codes, [Code.NO_MAILBOX, Code.BUSY])
        self.assertEqual(self.relay.factory.counts.claims_refused, 2)


class StrangerTests(MailboxCase):
    """What somebody can do who has any number of identities, and the code of nobody."""

    def test_guesses_numbers(self) -> None:
        """From one address few a minute, by however many identities: most are spared."""
        self.begin(mailboxes_per_connection=20)
        for _ in range(20):
            self.invite()
        hits = 0
        for number in range(1, 100):
            guesser = self.relay.client()
            guesser.says(Claim(number))
            hits += len(guesser.hears_all(Claimed))
            guesser.lose()
        self.assertLessEqual(hits, 10)
        self.assertEqual(len(self.alice.hears_all(Closed)), hits)
        self.assertEqual(self.relay.factory.census().mailboxes, 20 - hits)

    def test_holds_what_it_has_guessed(self) -> None:
        """The inviter hears after the ask timeout that this code is good for nothing."""
        number = self.invite()
        self.mallory.says(Claim(number))
        self.mallory.hears(Claimed)
        self.relay.clock.advance(30)
        self.assertEqual(self.alice.hears(Closed), Closed(number))

    def test_lets_go_what_it_has_guessed(self) -> None:
        """The code is spent all the same: nobody is given a second guess at it."""
        for goes in (False, True):
            number = self.invite()
            self.mallory.says(Claim(number))
            self.mallory.hears(Claimed)
            if goes:
                self.mallory.lose()
            else:
                self.mallory.says(Close(number))
            self.assertEqual(self.alice.hears(Closed), Closed(number))
            self.assertEqual(self.refused(self.bob, Claim(number)), (Code.NO_MAILBOX, str(number)))

    def test_speaks_from_a_mailbox_that_is_over(self) -> None:
        """Whoever had the number before is not heard by who has it now."""
        self.patch(mailboxes, "randbelow", lambda most: 6)
        number = self.invite()
        self.mallory.says(Claim(number))
        self.mallory.hears(Claimed)
        self.alice.says(Close(number))
        self.mallory.hears(Closed)
        self.assertEqual(self.shared(), number)
        self.assertEqual(
            self.refused(self.mallory, Mail(number, b"old")), (Code.NO_MAILBOX, str(number))
        )
        self.mallory.says(Close(number))
        self.hears_nothing(self.alice, self.bob, self.mallory)
        self.bob.says(Mail(number, b"new"))
        self.assertEqual(self.alice.hears(Mail).body, b"new")

    def test_opens_and_closes(self) -> None:
        """As often as it likes: nothing is left, and numbers stay short."""
        (mallory,) = self.relay.room(1, "den")
        for _ in range(300):
            number = self.invite(mallory)
            self.assertLess(number, 100)
            mallory.says(Close(number))
        self.left()

    def test_fills_the_relay(self) -> None:
        """One address gets its share, and leaves the others room."""
        self.begin(mailboxes_per_address=3, mailboxes_in_all=5)
        self.alice.connection.source = "elsewhere"
        for room in range(4):
            (mallory,) = self.relay.room(1, f"room-{room}")
            mallory.says(Invite(FIRST), Invite(FIRST))
        self.assertEqual(self.relay.factory.census().mailboxes, 3)
        self.invite()

    def test_says_much_to_who_does_not_read(self) -> None:
        """One mail waits for each code that is spent, and counts as what waits for a client."""
        self.begin(mailboxes_per_connection=8)
        numbers = [self.invite() for _ in range(8)]
        self.alice.connection.pauseProducing()
        before = self.relay.factory.buffers.total
        for number in numbers:
            self.mallory.says(Claim(number), *[Mail(number, bytes(MAX_MAIL))] * 3)
        waiting = self.relay.factory.buffers.total - before
        self.assertIn(waiting, range(8 * MAX_MAIL, 12 * MAX_MAIL))
        self.assertFalse(self.alice.hung_up)

    def test_comes_with_a_new_identity(self) -> None:
        """A claim is of its connection alone: another identity of the same one has nothing."""
        number = self.invite()
        self.mallory.says(Claim(number))
        other = self.relay.client()
        self.assertEqual(self.refused(other, Mail(number, b"psst")), (Code.NO_MAILBOX, str(number)))
