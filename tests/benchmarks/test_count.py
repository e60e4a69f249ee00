"""What the soak counts from what its processes left."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.soak.account import ACCOUNT_FILE, Account, Pen
from benchmarks.soak.count import Row, Text, Traces, count

ALICE, BOB, CAROL = "aa", "bb", "cc"
ONE, TWO = (ALICE, "room 1"), (ALICE, "room 2")


def account(*lines: str) -> Account:
    """Return what the *lines* of an account file say."""
    home = Path("account-of-a-test")
    home.mkdir(exist_ok=True)
    (home / ACCOUNT_FILE).write_text("".join(f"{line}\n" for line in lines))
    return Account.read(home)


def traces(fingerprint: str, texts: list[Text], *lines: str) -> Traces:
    """Return the traces of a member who was shown *texts*, numbered from 1, and noted *lines*."""
    shown = [f"shown {seq} {sender} {text}" for seq, (sender, text) in enumerate(texts, 1)]
    noted = account(*lines, *shown)
    numbers: dict[Text, set[int]] = {}
    for seq, text in enumerate(texts, 1):
        numbers.setdefault(text, set()).add(seq)
    return Traces(fingerprint, noted, {"room": texts}, numbers)


def counted(*said: str, bob: list[Text], carol: list[Text]) -> list[Row]:
    """Return the numbers of Alice, who has noted *said*, and of two who were shown something."""
    own = [(ALICE, line.partition(" ")[2]) for line in said if line.startswith("acknowledged")]
    return count([traces(ALICE, own, *said), traces(BOB, bob), traces(CAROL, carol)])


class CountTests(SynchronousTestCase):
    """`count`."""

    def test_all_is_well(self) -> None:
        """What was acknowledged and shown to everybody once is right."""
        said = ("meant room 1", "accepted room 1", "acknowledged room 1")
        alice, bob, carol = counted(*said, bob=[ONE], carol=[ONE])
        self.assertEqual((alice.sent, alice.acknowledged, alice.delivered), (1, 1, 0))
        self.assertEqual((bob.sent, bob.delivered, carol.delivered), (0, 1, 1))
        self.assertTrue(alice.right and bob.right and carol.right)

    def test_acknowledged_and_missing(self) -> None:
        """What was acknowledged is lost at each who was not shown it."""
        _, bob, carol = counted("meant room 1", "acknowledged room 1", bob=[ONE], carol=[])
        self.assertTrue(bob.right)
        self.assertEqual(carol.lost, [ONE])
        self.assertFalse(carol.right)

    def test_accepted_and_missing(self) -> None:
        """So is what its sender's client had taken, even where it never learnt of it again."""
        _, bob, carol = counted("meant room 1", "accepted room 1", bob=[], carol=[])
        self.assertEqual((bob.lost, carol.lost), ([ONE], [ONE]))

    def test_shown_to_some(self) -> None:
        """So is what others were shown, even if its sender died before it knew."""
        alice, _, carol = counted("meant room 1", bob=[ONE], carol=[])
        self.assertEqual((alice.sent, alice.dropped, carol.lost), (1, 0, [ONE]))

    def test_never_accepted(self) -> None:
        """What died with its sender is not lost: nobody was promised anything."""
        alice, bob, _ = counted("meant room 1", bob=[], carol=[])
        self.assertEqual((alice.sent, alice.dropped, bob.lost), (0, 1, []))

    def test_acknowledged_and_not_kept(self) -> None:
        """What was acknowledged is lost at its own sender too, if that does not keep it."""
        alice, _ = count([traces(ALICE, [], "acknowledged room 1"), traces(BOB, [ONE])])
        self.assertEqual(alice.lost, [ONE])

    def test_kept_and_not_acknowledged(self) -> None:
        """What its sender keeps was acknowledged: it was killed before it could note that."""
        alice, bob = count([traces(ALICE, [ONE], "meant room 1"), traces(BOB, [ONE])])
        self.assertEqual((alice.acknowledged, alice.delivered, bob.delivered), (1, 0, 1))

    def test_away(self) -> None:
        """What came while a member was off the roster is not lost there, what came before is."""
        away = ("left 1 room", "roster 3 - bb room", "roster 5 + bb room")
        texts = [(ALICE, f"room {number}") for number in range(1, 7)]
        said = [f"acknowledged room {number}" for number in range(1, 7)]
        _, bob = count([traces(ALICE, texts, *said), traces(BOB, [], *away)])
        self.assertEqual(bob.lost, [texts[0], texts[4], texts[5]])

    def test_removed_and_not_gone(self) -> None:
        """Who said nothing of leaving is due all up to its removal."""
        texts = [(ALICE, f"room {number}") for number in range(1, 4)]
        said = [f"acknowledged room {number}" for number in range(1, 4)]
        _, bob = count([traces(ALICE, texts, *said, "roster 3 - bb room"), traces(BOB, [])])
        self.assertEqual(bob.lost, texts)

    def test_uncertain(self) -> None:
        """What is uncertain may be shown to nobody, and not to some."""
        said = ("meant room 1", "accepted room 1", "uncertain room 1")
        alice, bob, _ = counted(*said, bob=[], carol=[])
        self.assertEqual((alice.uncertain, bob.lost), (1, []))
        _, bob, carol = counted(*said, bob=[ONE], carol=[])
        self.assertEqual((bob.lost, carol.lost), ([], [ONE]))

    def test_kept_twice(self) -> None:
        """What a member keeps under two numbers is doubled."""
        _, bob, _ = counted("meant room 1", "acknowledged room 1", bob=[ONE, ONE], carol=[ONE])
        self.assertEqual(bob.doubled, [ONE])
        self.assertFalse(bob.right)

    def test_told_twice(self) -> None:
        """So is what two events told of, over all lives, though it is kept once."""
        noted = account("shown 1 aa room 1", "shown 1 aa room 1")
        bob = Traces(BOB, noted, {"room": [ONE]}, {ONE: {1}})
        self.assertEqual(count([traces(ALICE, [], "meant room 1"), bob])[1].doubled, [ONE])

    def test_out_of_order(self) -> None:
        """What comes after a later text of the same sender is disordered."""
        said = ("meant room 1", "meant room 2")
        _, bob, carol = counted(*said, bob=[TWO, ONE], carol=[ONE, TWO])
        self.assertEqual((bob.disordered, carol.disordered), ([ONE], []))
        self.assertFalse(bob.right)

    def test_invented(self) -> None:
        """What its sender never meant is invented."""
        _, bob, _ = counted("meant room 1", bob=[TWO], carol=[TWO])
        self.assertEqual(bob.invented, [TWO])
        self.assertFalse(bob.right)

    def test_told_and_not_kept(self) -> None:
        """An event has to tell of what is kept, under that number."""
        noted = account("shown 2 aa room 1")
        bob = Traces(BOB, noted, {"room": [ONE]}, {ONE: {1}})
        row = count([traces(ALICE, [], "meant room 1"), bob])[1]
        self.assertEqual((row.unkept, row.right), (1, False))


class AccountTests(SynchronousTestCase):
    """`Pen` and `Account`."""

    def test_half_a_line(self) -> None:
        """A line that was not written to its end is as if it were not; the next one is whole."""
        home = Path(self.mktemp())
        home.mkdir()
        (home / ACCOUNT_FILE).write_text("meant room 1\nmeant room 1")
        Pen(home).note("meant", "room 3")
        self.assertEqual(Account.read(home).meant, ["room 1", "room 3"])
