"""What the parts of one client share: who it is, whom it trusts, and how it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from securechat.client.events import Event, StorageFailed
from securechat.client.journal import Journal
from securechat.client.state import now
from securechat.client.trusting import Trusting, TrustPolicy
from securechat.errors import PetnameTaken, SecureChatError
from securechat.fingerprint import to_groups
from securechat.identity import Bundle, Identity
from securechat.pairing import Friend
from securechat.petname import free_petname
from securechat.trust import TrustStore
from securechat.trusted import Trusted, check_petname
from securechat.wire import Line, Nack

DISCREET_SECONDS = 0.5
"""
How long a member waits before it says no, whatever the reason, and a newcomer before it leaves
a voucher whom it does not know; as much again at most is added by chance. So nobody learns from
the time who is trusted by whom.
"""

MAX_DISCREET = 256
"""How much may wait to be said discreetly; a relay that asks for more gets no answer."""

LOOK_SECONDS = 1.0
"""How old what is remembered of the trusted identities may be where messages are concerned."""


class Party:
    """One user at one relay."""

    def __init__(
        self,
        identity: Identity,
        clock: IReactorTime,
        trust: TrustStore,
        chance: Callable[[], float],
        *,
        say: Callable[[Line], None],
        emit: Callable[[Event], None],
        silent: Callable[[float], None],
        journal: Journal,
        policy: TrustPolicy = TrustPolicy.PIN,
    ) -> None:
        """
        :param chance: random numbers from 0 to 1.
        :param say: sends a line, where there is a connection.
        :param silent: hears that the relay has not answered for so many seconds.
        :param journal: stores what becomes of rooms before anybody hears of it.
        :param policy: whom the client comes to trust by itself.
        """
        self.identity = identity
        self.clock = clock
        self.chance = chance
        self.say = say
        self.emit = emit
        self.silent = silent
        self.journal = journal
        self.staging = DeferredLock()
        """Held by the one room in which a change is on its way: a connection has one at a time."""
        self._trust = trust
        self._looked = clock.seconds()
        self.trusting = Trusting(
            policy, identity.fingerprint, trust, self.trusts, emit, self.storing
        )
        self._discreet: set[IDelayedCall] = set()

    # Trust

    def trusts(self, fingerprint: bytes) -> bool:
        """Whether *fingerprint* is among the trusted identities, now or a second ago."""
        self._look_again()
        return fingerprint in self._trust

    def confirms(self, fingerprint: bytes) -> bool:
        """
        Whether a room in which *fingerprint* speaks is the one that the user's friends are in:
        it is trusted on more than somebody's word.
        """
        self._look_again()
        known = self._trust.find(fingerprint)
        return known is not None and known.verified

    def revoked(self, fingerprint: bytes) -> bytes | None:
        """
        Return the signature, 64 bytes, by which *fingerprint* has revoked itself, as far as the
        user knew a second ago: the evidence on which any member may remove it.
        """
        self._look_again()
        return self._trust.revocation(fingerprint)

    def knows(self, bundle: Bundle) -> bool:
        """
        Whether *bundle* is that of a trusted identity, now: another program may have changed
        the store. Where only the fingerprint was known, the bundle is kept.
        """
        self._look()
        known = self._trust.find(bundle.fingerprint)
        if known is not None and known.bundle is None:
            with self.storing():
                self._trust.learn_bundle(bundle.fingerprint, bundle)
        return known is not None

    def check_free(self, petname: str) -> None:
        """
        Check that somebody new can be called *petname*.

        :raises BadPetname: if nobody can.
        :raises PetnameTaken: if somebody else is.
        """
        self._look()
        holder = self._trust.by_name(check_petname(petname))
        if holder is not None:
            raise PetnameTaken(petname=holder.petname, fingerprint=to_groups(holder.fingerprint))

    def befriend(self, friend: Friend, petname: str | None) -> Trusted:
        """
        Trust *friend*, who came by an invite. Whoever is trusted already keeps the petname.

        :param petname: what to call them; None: what they call themselves. Where another has it,
            by now, it is numbered.
        :raises IdentityRevoked, IdentitySucceeded: if the identity is never, or not any more, to
            be trusted.
        :raises DamagedFile, NotPrivate, UnsupportedVersion, OSError: if that cannot be kept.
        """
        self._trust.refresh()
        fp = friend.bundle.fingerprint
        known = self._trust.find(fp)
        if known is not None:
            name = known.petname
        else:
            name = free_petname(friend.name if petname is None else petname, self._trust)
        return self._trust.add(name, fp, "invited", now(), friend.bundle)

    def _look_again(self) -> None:
        if self.clock.seconds() - self._looked >= LOOK_SECONDS:
            self._look()

    def _look(self) -> None:
        self._looked = self.clock.seconds()
        with self.storing():
            self._trust.refresh()

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Tell, rather than raise, that a file could not be read or written."""
        try:
            yield
        except (SecureChatError, OSError) as error:
            self.emit(StorageFailed(error))

    # Discretion

    def discreetly(self, act: Callable[[], None]) -> None:
        """Call *act* after the time that a refusal takes, unless the connection is lost first."""

        def now() -> None:
            self._discreet.remove(call)
            act()

        call = self.clock.callLater(DISCREET_SECONDS * (1 + self.chance()), now)
        self._discreet.add(call)

    def decline(self, attempt: bytes) -> None:
        """Say `nack`, discreetly. Past what may wait it goes unsaid: never is it said sooner."""
        if len(self._discreet) < MAX_DISCREET:
            self.discreetly(lambda: self.say(Nack(attempt)))

    def connection_lost(self) -> None:
        """There is nobody to say anything to."""
        while self._discreet:
            self._discreet.pop().cancel()
