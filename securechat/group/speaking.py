"""
What a member says and does in a room: messages, changes, and its leave.

Nothing of it is true before it comes in the stream. Messages are sealed here, and kept by the
outbox; a change is made here, and kept by nobody but who asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from securechat.encoding import encode
from securechat.errors import EntryRefused, KeysGone, NotAMember
from securechat.group.change import Change
from securechat.group.detail import Add, Detail, Reform, Removal, Remove, Update, leaving
from securechat.group.entry import SignedEntry
from securechat.group.events import RoomEvent
from securechat.group.keys import NOTHING_FRESH, epoch_secret
from securechat.group.messages import Content, Frame, Header, Kind, check_size, seal_frame
from securechat.group.outbox import Seal
from securechat.group.roster import Policy
from securechat.group.state import State
from securechat.text import clean_name


class Speaking(State):
    """A member's own part in a room."""

    # Messages

    def say(self, kind: Kind, body: bytes) -> int:
        """
        Encrypt a message, put its frame into `outgoing`, and return its ticket: `Delivered`
        names it. While somebody is `leaving` it is held, and encrypted once the keys are new; a
        heartbeat is then not said at all.

        :raises MessageTooLong: if the body is larger than 32 KiB.
        :raises KeysGone: if this member is stuck.
        :raises NotAMember: if it is gone.
        """
        if self.gone is not None:
            raise NotAMember(label=self.label)
        if self.stuck:
            raise KeysGone(label=self.label)
        check_size(body)  # also where it is held, and sealed only later
        return self._outbox.say(kind, body, self.seq, self._seal_now)

    def greet(self, name: str) -> int:
        """Say the seed's `hello_i_am(name, identity)`; raises what `say` does."""
        return self.say(Kind.HELLO, encode(clean_name(name), self._identity.fingerprint))

    def caught_up(self, seq: int) -> list[RoomEvent]:
        """The relay says that all up to *seq* was here: send again what has not come back."""
        if self.gone is not None:
            return []
        events = self._watch.expect(seq + 1)
        if self._seal_now is not None:
            self._outbox.send_again()
        return events

    @property
    def _seal_now(self) -> Seal | None:
        """What makes frames, if any may be made."""
        return None if self._leaves or self._keys.lost else self._seal

    def _seal(self, kind: Kind, body: bytes) -> Frame:
        row = self._members[self._identity.fingerprint]
        ratchet = self._keys.ratchets[row]
        header = Header(self.log.epoch, row, ratchet.n)
        content = Content(kind, *self._transcript.newest, body)
        frame = seal_frame(self._identity, ratchet, self.id, self.log.head, header, content)
        self._keys.ratchets[row] = ratchet.skip(1)
        return frame

    # Changes of the room

    def propose(self, add: Add) -> tuple[SignedEntry, bytes]:
        """
        Return the entry that would make *add* true on the log's head, and the secret of the
        epoch that it starts. Nothing changes here until it comes in the stream.

        :raises EntryRefused: if the log's rules forbid it, or this member has no keys.
        """
        change = self._change(add)
        return change.signed, epoch_secret(self._keys.chain, NOTHING_FRESH, change.signed.entry)

    def remove(self, removals: Iterable[Removal]) -> Change:
        """
        Return the change that takes members off the roster, at most 100.

        :raises EntryRefused: as `propose`.
        """
        return self._change(Remove(tuple(removals)))

    def update(self) -> Change:
        """
        Return the change that gives this member a new leaf key, and the room new keys. The key
        is among the `changes`: they are stored before the entry is sent.

        :raises EntryRefused: as `propose`.
        """
        self._check_keys()
        return self._change(Update(self._keys.next_leaf().public))

    def reform(
        self, policy: Policy, owners: Iterable[bytes], moderators: Iterable[bytes]
    ) -> Change:
        """
        Return the change to another *policy*, other *owners* and *moderators*: fingerprints.

        :raises EntryRefused: as `propose`.
        """
        return self._change(Reform(policy, tuple(owners), tuple(moderators)))

    def leave(self) -> bytes:
        """
        Return the signature by which this member asks to be taken off the roster.

        :raises NotAMember: if it is gone.
        """
        return self._identity.sign("leave", *leaving(self.id, self._row))

    def wipe(self) -> None:
        """Keep no key, and nothing that was to be said: this member has left."""
        self._keys.wipe()
        self._outbox.wipe()

    def _change(self, detail: Detail) -> Change:
        self._check_keys()
        me = self._identity.fingerprint
        entry = self.log.proposed(detail, me, *self._transcript.newest)
        if not detail.FRESH:
            return Change.make(entry, (), b"", self._keys.chain, self._identity)
        rows = self.log.membership_with(detail, me).rows
        leaf = detail.leaf if isinstance(detail, Update) else self._keys.leaf.public
        return Change.make(entry, rows, leaf, self._keys.chain, self._identity)

    def _check_keys(self) -> None:
        if self._keys.lost:
            raise EntryRefused(why="its author has not the room's keys")
