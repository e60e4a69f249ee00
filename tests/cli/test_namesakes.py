"""Who is in a room under a name that the user has given to somebody else."""

from __future__ import annotations

from datetime import UTC, datetime

from securechat.cli.happenings import Entered, Happening, Notice, Returned, SameName
from securechat.cli.names import Names
from securechat.cli.namesakes import Namesakes
from securechat.group.events import MemberAdded, Named
from securechat.trust import TrustStore
from tests.cli.test_slash import A, B, C, D, RoomTestCase

FRIEND = bytes(32)


class NamesakeTests(RoomTestCase):
    """Alice, in a room with Bob, Carol and Dave, trusts Bob, and an Eve who is not there."""

    def setUp(self) -> None:
        super().setUp()
        store = TrustStore()
        store.add("Bob", B, "typed", datetime.now(UTC))
        store.add("Eve", FRIEND, "typed", datetime.now(UTC))
        self.names = Names(A, "eve", store)
        self.namesakes = Namesakes(self.names, lambda: [self.room])

    def told(self, event: Happening) -> list[SameName]:
        """What is told after *event*."""
        if isinstance(event, Named):
            self.names.hear(event)
        return list(self.namesakes.after(event))

    def test_says_the_name(self) -> None:
        """Whoever takes a friend's name is told, in any case, with who let it in; and once."""
        event = Named("lobby", C, "EVE!")
        self.assertEqual(self.told(event), [SameName("lobby", C, FRIEND, A)])
        self.assertEqual(self.told(event), [])
        self.assertEqual(self.told(Named("lobby", C, "carol")), [])
        self.assertEqual(self.told(Named("lobby", D, "bob")), [SameName("lobby", D, B, A)])

    def test_comes_with_the_name(self) -> None:
        """Whose name is known from an earlier run is told when it comes, or when the user does."""
        self.names.learn({C: "eve", D: "eve"})
        self.assertEqual(
            self.told(MemberAdded("lobby", D, A, 3)), [SameName("lobby", D, FRIEND, A)]
        )
        for event in (
            Entered("lobby", (A, B, C), founded=False, confirmed=True),
            Returned("lobby", (A, C), confirmed=True, messages=1),
        ):
            self.names.learn({C: "eve"})
            namesakes = Namesakes(self.names, lambda: [self.room])
            self.assertEqual(list(namesakes.after(event)), [SameName("lobby", C, FRIEND, A)])

    def test_friends_and_the_user(self) -> None:
        """The user, and whoever is trusted under a name of their own, may be called anything."""
        self.assertEqual(self.told(Named("lobby", A, "Eve")), [])
        self.assertEqual(self.told(Named("lobby", B, "Eve")), [])
        self.assertEqual(self.told(Notice("Eve")), [])

    def test_before_the_room_is_there(self) -> None:
        """Until the user is in the room nothing is told; then it is."""
        self.namesakes = Namesakes(self.names, list)
        self.assertEqual(self.told(Named("lobby", C, "Eve")), [])
        self.namesakes = Namesakes(self.names, lambda: [self.room])
        self.assertEqual(self.told(Named("attic", C, "Eve")), [])
