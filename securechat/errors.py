"""
Every error that a person or an embedder can meet.

The docstring of an error is what its user reads: `str` fills the error's fields into it. So
each says what happened and, where there is something to do, what to do next. Fields never
hold a secret: an error's text ends in logs and in tracebacks.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TypeVar, dataclass_transform

import attrs

_E = TypeVar("_E", bound="SecureChatError")


@dataclass_transform(kw_only_default=True, field_specifiers=(attrs.field,))
def _error(cls: type[_E]) -> type[_E]:
    return attrs.define(kw_only=True, eq=False, repr=False, str=False, slots=False)(cls)


class SecureChatError(Exception):
    """Something in securechat failed."""

    def __str__(self) -> str:
        text = " ".join(inspect.cleandoc(type(self).__doc__ or type(self).__name__).split())
        return text.format_map(vars(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


# What is malformed or does not verify


class Malformed(SecureChatError):
    """Bytes that came from elsewhere are not what the protocol allows."""


@_error
class EncodingError(Malformed):
    """A structure is malformed: {what}."""

    what: str


@_error
class WireError(Malformed):
    """A line is malformed: {what}."""

    what: str
    unknown: bool = False


@_error
class BadSignature(SecureChatError):
    """The signature of {what!r} does not hold."""

    what: str


@_error
class BadCiphertext(SecureChatError):
    """
    A ciphertext does not open: it was made for another key or another place in the
    conversation, or somebody changed it.
    """


# The membership log


@_error
class EntryRefused(SecureChatError):
    """An entry of the membership log breaks a rule: {why}."""

    why: str


class StaleEntry(SecureChatError):
    """
    An entry of the membership log does not stand on the log's head: another one came first.
    """


# Identity and trust


@_error
class UnsupportedVersion(Malformed):
    """
    The {what} is of version {version}, and this securechat knows version {known}: {who} must
    upgrade.
    """

    what: str
    version: int
    known: int
    who: str = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: "you" if self.version > self.known else "whoever made it", takes_self=True
        ),
    )


@_error
class BadFingerprint(Malformed):
    """That is no fingerprint: {what}. Compare it with the original and type it again."""

    what: str


@_error
class AddressError(Malformed):
    """
    That is no address: {what}. A relay's address is securechat://HOST:PORT#PIN, a room's
    securechat://HOST:PORT/ROOM#PIN. Copy it again, whole, and between quotes.
    """

    what: str


@_error
class DamagedInstallation(SecureChatError):
    """{name} is not the file that came with securechat. Install securechat again."""

    name: str


# Files


@_error
class NotPrivate(SecureChatError):
    """
    Others than you have access to {path} (its mode is {found}). Take it from them with
    chmod {mode} '{path}', and ask yourself who may have used it.
    """

    path: Path
    found: str
    mode: str


@_error
class FileExists(SecureChatError):
    """
    There is already a file {path}, and it is not overwritten. Choose another name, or move that
    one away.
    """

    path: Path


@_error
class DamagedFile(SecureChatError):
    """
    The file {path} cannot be used: {what}. It was left as it is; bring it back from a backup,
    or move it away.
    """

    path: Path
    what: str


@_error
class DamagedState(DamagedFile):
    """
    The file {path}, which holds the keys of your rooms, cannot be used: {what}. Move it away,
    with those beside it whose names begin like its own, and come back into your rooms as one
    who has lost the keys. An old copy does not help: the rooms have gone on since.
    """


@_error
class StateNotKept(SecureChatError):
    """
    What this client knows of its rooms cannot be kept in {path}: {why}. Nothing that depends
    on it was sent. Make room on the disk, or let the file be written, and try again.
    """

    path: Path | str
    why: str


@_error
class StateInUse(SecureChatError):
    """
    {holder} uses the rooms in {path}, and one at a time can. End that one first, or choose
    another directory with --home.
    """

    path: Path
    holder: str


@_error
class NoIdentity(SecureChatError):
    """
    There is no identity in {path}. Make one with "securechat init --name NAME", or choose
    another directory with --home.
    """

    path: Path


class EmptyPassphrase(SecureChatError):
    """An empty passphrase protects nothing: give another, or say --no-passphrase."""


@_error
class PassphraseNeeded(SecureChatError):
    """
    The identity in {path} is encrypted, and its passphrase is needed. Give it at a terminal, or
    by --passphrase-file.
    """

    path: Path


@_error
class NotEncrypted(SecureChatError):
    """
    A passphrase was given for {path}, but the identity there is not encrypted. If you chose
    so, give none; if you did not, somebody replaced the file: bring yours back from a backup.
    """

    path: Path


@_error
class WrongPassphrase(SecureChatError):
    """The passphrase does not open the identity in {path}. Try again."""

    path: Path


# Trust


@_error
class BadPetname(SecureChatError):
    """That is no name for a trusted identity: {what}. Choose another."""

    what: str


@_error
class PetnameTaken(SecureChatError):
    """
    {petname} is already the name of {fingerprint}. Choose another name, or first say
    securechat trust remove '{petname}'.
    """

    petname: str
    fingerprint: str


@_error
class AlreadyTrusted(SecureChatError):
    """
    That identity is already trusted, as {petname}. To rename it, first say
    securechat trust remove '{petname}'.
    """

    petname: str


@_error
class NotTrusted(SecureChatError):
    """{who} is not among your trusted identities; securechat trust list shows them."""

    who: str


@_error
class FingerprintDiffers(SecureChatError):
    """
    That is not the fingerprint by which you know {petname}{whose}. It was not noted as compared.
    Say nothing to {petname} here that a stranger should not read, until you know which one is
    theirs.
    """

    petname: str
    whose: str = ""


@_error
class IdentityRevoked(SecureChatError):
    """
    {fingerprint} was revoked, with its own key: it may be in the hands of a thief, and is never
    trusted again. Ask its owner for the fingerprint of a new identity, in a way in which they
    would be recognised.
    """

    fingerprint: str


@_error
class SuccessorOfRevoked(SecureChatError):
    """
    {fingerprint} was revoked, so nobody can take its place any more: whoever stole its key could
    name a successor just as its owner can. Ask the owner for the new fingerprint, in a way in
    which they would be recognised, and trust that one by securechat trust add.
    """

    fingerprint: str


@_error
class IdentitySucceeded(SecureChatError):
    """
    {fingerprint} has a successor already, whom you trust as {petname}: {successor}. If that is
    the wrong one, first say securechat trust remove '{petname}'.
    """

    fingerprint: str
    petname: str
    successor: str


@_error
class BundleMismatch(SecureChatError):
    """
    The bundle belongs to {found}, not to {wanted}: two were mixed up, or somebody poses as
    somebody else. Ask your friend which of the two fingerprints is theirs, by another way.
    """

    found: str
    wanted: str


# Invites


@_error
class BadCode(Malformed):
    """
    That is no code of an invite: {what}. A code is a number and two words, such as
    7-piano-cactus; a word can be cut down to its first four letters.
    """

    what: str


class WrongCode(SecureChatError):
    """
    The other side does not have this code: a word was wrong, or it was for another room, or
    somebody guessed. The code is spent now, and nobody is trusted by it. If it was your friend,
    make a new one with securechat invite.
    """


@_error
class CodeRefused(SecureChatError):
    """
    The other side has ended the invite: most likely a word of the code was wrong, or it was for
    another room than #{label}. The code is spent now. Ask for a new one.
    """

    label: str


@_error
class CodeSpent(SecureChatError):
    """
    There is no invite number {number} at this relay: the number is wrong, or the invite was
    ended, has expired, or was used by somebody else. Ask for a new code.
    """

    number: int


@_error
class InviteExpired(SecureChatError):
    """
    Nobody has come with the code in {minutes:.0f} minutes, and it is good no more. Make a new one
    with securechat invite.
    """

    minutes: float


@_error
class OtherGone(SecureChatError):
    """
    The other side of the invite to #{label} has gone in the middle of it. The code is spent now,
    and nobody is trusted by it. Make a new one with securechat invite, or ask for one.
    """

    label: str


@_error
class NotInYet(SecureChatError):
    """
    {petname} has come with the code, and you trust each other now, but they have not entered
    #{label} yet. They need no code any more: securechat chat lets them in, while you or another
    who trusts them is there.
    """

    label: str
    petname: str


class OwnInvite(SecureChatError):
    """
    That is your own invite. The code is for your friend, who says securechat accept and has an
    identity of their own.
    """


class NoMailboxes(SecureChatError):
    """
    This relay carries no invites: it is older than they are. Trust each other by your
    fingerprints instead: securechat id shows yours, and securechat trust add takes that of your
    friend.
    """


# Messages


@_error
class MessageTooLong(SecureChatError):
    """
    The message is {size} bytes long; at most {most} fit into one. Send it in parts. Nothing
    was sent.
    """

    size: int
    most: int


@_error
class FateUnknown(SecureChatError):
    """
    Nobody knows whether a message of yours arrived in #{label}: you were away for so long that
    the relay does not have that part of the conversation any more. It is not sent again; ask the
    others, and say it again if they have not seen it.
    """

    label: str


# Admission


@_error
class AdmissionRefused(SecureChatError):
    """
    Joining #{label} was refused at the step {step!r}: {why}. Somebody on the way, the relay or
    the member who answered, does not keep to the protocol. Nobody was admitted. Tell the others in
    the room, by another way, and join again when another member is there.
    """

    label: str
    step: str
    why: str


@_error
class VoucherUnknown(SecureChatError):
    """
    A member of #{label} vouches for you whom you do not trust: {groups} ({words}). If you know
    whose fingerprint that is, because its owner told you, add it with "securechat trust add
    NAME FINGERPRINT" and join again. Otherwise stay out: a relay can invent rooms.
    """

    label: str
    fingerprint: bytes
    groups: str
    words: str


# The client


class Unreachable(SecureChatError):
    """The relay cannot be reached, or cannot be used as it is."""


@_error
class ConnectFailed(Unreachable):
    """
    No connection to {address}: {why}. Check the address and your network, and that the relay
    is running.
    """

    address: str
    why: str


@_error
class WrongPin(Unreachable):
    """
    The relay at {address} is not the one that the address names: its key has the pin {shown},
    and the address says {expected}. Either the relay has a new key, or somebody stands between
    you and it. Nothing was sent. Ask whoever runs the relay for its address, by another way.
    """

    address: str
    expected: str
    shown: str


@_error
class WrongName(Unreachable):
    """
    The relay at {address} shows a certificate for {shown}, not for {expected}. Use the name
    that it is for, or an address with the relay's pin (securechat://HOST:PORT#PIN).
    """

    address: str
    expected: str
    shown: str


@_error
class UntrustedCertificate(Unreachable):
    """
    No certificate authority that this machine knows vouches for the relay at {address}: {why}.
    Ask whoever runs the relay for its address with the pin (securechat://HOST:PORT#PIN).
    """

    address: str
    why: str


@_error
class NeedsEndpoint(Unreachable):
    """
    {address} is an onion service, and only Tor gets there: say how, with a tunnel or a proxy
    as the endpoint.
    """

    address: str


@_error
class NotARelay(Unreachable):
    """
    What answers at {address} does not speak as a relay does: {why}. Check the host and the port of
    the address; securechat doctor shows what is there.
    """

    address: str
    why: str


@_error
class RelaySilent(Unreachable):
    """The relay at {address} has not answered for {seconds:.0f} seconds. Try again later."""

    address: str
    seconds: float


@_error
class VersionMismatch(Unreachable):
    """
    This securechat speaks version {mine} of the protocol, and the relay speaks version
    {theirs}: {who} must upgrade.
    """

    mine: int
    theirs: int
    who: str = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: "you" if self.mine < self.theirs else "the relay", takes_self=True
        ),
    )


@_error
class ConnectionLost(Unreachable):
    """
    The connection to {address} was lost: {why}. Try again; if that happens often, say
    securechat doctor.
    """

    address: str
    why: str


class NotConnected(SecureChatError):
    """There is no connection to the relay: connect first."""


@_error
class RelayRefused(SecureChatError):
    """The relay refused: {words}. If that does not help you, ask whoever runs it."""

    words: str


class ProofRefused(RelayRefused):
    """
    The relay does not accept the proof of your identity: {words}. If it should be reached
    under another address, use that one.
    """


class RelayBusy(RelayRefused):
    """The relay has reached a limit: {words}. Try again later, or ask whoever runs it."""


class RelayClosing(RelayRefused):
    """The relay is shutting down. Connect again later."""


class Superseded(RelayRefused):
    """
    The same identity has connected from elsewhere, and the relay keeps the newer connection.
    If that was not you, somebody has your key: give your friends your revocation certificate, the
    file revocation-….txt beside it.
    """


@_error
class NoSuchRoom(SecureChatError):
    """The relay has no room #{label}. Check the address, or found the room with --found."""

    label: str


@_error
class RoomTaken(SecureChatError):
    """The relay has a room #{label} already: join it, or found one of another name."""

    label: str


@_error
class MayNotFound(SecureChatError):
    """
    Whoever runs the relay has not allowed you to found rooms there. Tell them your fingerprint, or
    let somebody found #{label} who may.
    """

    label: str


@_error
class StateLost(SecureChatError):
    """
    You are a member of #{label} already, but its keys are not here: another device had them, or
    they are lost. Come back with that one. If there is none, join with --rejoin: then you leave,
    and somebody there has to let you in again. What was said until then cannot be read.
    """

    label: str


@_error
class KeysGone(SecureChatError):
    """
    You are a member of #{label} and have lost its keys: somebody renewed them and did not give
    you yours. Leave the room and join it again; securechat chat --rejoin does both.
    """

    label: str


@_error
class NotAMember(SecureChatError):
    """You are no member of #{label}, or the relay says so. securechat chat joins it."""

    label: str


@_error
class HasLeft(NotAMember):
    """You have left #{label}. To be in it again, join it again."""


@_error
class WasRemoved(NotAMember):
    """
    You are no member of #{label} any more: {groups} removed you, {why}. Its keys are gone from
    here. To come back, join again, if somebody there still vouches for you.
    """

    by: bytes
    groups: str
    why: str


@_error
class NoSuchMember(SecureChatError):
    """{groups} is no member of #{label}. securechat members shows who is."""

    label: str
    groups: str


@_error
class MayNotKick(SecureChatError):
    """
    In #{label} only owners may remove members, and moderators those who are no owners. Ask one of
    them. To go yourself, leave.
    """

    label: str


@_error
class MayNotReform(SecureChatError):
    """Only owners may change the rules of #{label}, or who has a say. Ask one of them."""

    label: str


@_error
class NobodyVouches(SecureChatError):
    """
    Nobody let you into #{label}: {words}. Ask somebody in the room to trust your fingerprint
    ("securechat id" shows it) and to be there, and join again; "securechat chat --wait" waits.
    """

    label: str
    words: str


@_error
class RelayForked(SecureChatError):
    """
    The relay shows another past of #{label} than the one that you have seen. It was restored
    from an old copy, or it lies. Talk to the other members by another way.
    """

    label: str


@_error
class FoundedAnew(SecureChatError):
    """
    #{label} is not the room that you knew by this name: it was founded anew. If the other
    members tell you, by another way, that this is right, forget the old room first. Nothing was
    joined.
    """

    label: str


@_error
class RoomKnown(SecureChatError):
    """
    You know a room #{label} at this relay, and the relay has lost it or hides it. Ask whoever
    runs it, and the others in the room, by another way. To found it anew would put another room
    in its place: choose another name, or forget the old room first.
    """

    label: str


@_error
class AlreadyThere(SecureChatError):
    """You are in #{label} already, or on the way into it: go on there, or leave it first."""

    label: str


# The relay


@_error
class CannotListen(SecureChatError):
    """
    The relay cannot listen: {why}. If another program listens there, stop it; or choose another
    endpoint with --listen, or --metrics if it is for that.
    """

    why: str


class NoAddress(SecureChatError):
    """
    A --listen-plain is no unix socket, so that the relay does not know its own address there,
    and nobody could prove an identity. Give it by --address, such as
    securechat+onion://NAME.onion.
    """


class NoMetrics(SecureChatError):
    """
    --metrics needs the library prometheus_client, which is not installed. Say
    pip install 'securechat[metrics]', or leave the option out.
    """


@_error
class UnusableCertificate(SecureChatError):
    """The relay cannot use {path}: {what}. Give it others by --certificate and --key."""

    path: Path
    what: str


class HistoryError(SecureChatError):
    """The relay's history cannot be used."""


@_error
class NoHistory(HistoryError):
    """There is no history {path}. Say with --state-dir where the relay has its own."""

    path: Path


@_error
class HistoryLocked(HistoryError):
    """
    Another relay is using the history {path}. Stop that one, or give this one a directory of its
    own with --state-dir.
    """

    path: Path


@_error
class HistoryDamaged(HistoryError):
    """
    The history {path} is damaged: {what}. Nothing in it was changed. Stop the relay, move the
    file and those whose names begin with its name away, and put a backup in its place; without
    one the relay begins anew.
    """

    path: Path
    what: str


@_error
class HistoryForeign(HistoryError):
    """
    {path} is a database, but no history of a relay: another program made it. Give the relay a
    directory of its own with --state-dir.
    """

    path: Path


@_error
class HistoryVersion(HistoryError):
    """
    The history {path} is of version {version}, and this securechat knows version {known}: {what}.
    """

    path: Path
    version: int
    known: int
    what: str = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: (
                "upgrade securechat, or bring back the backup that you made before the last upgrade"
                if self.version > self.known
                else "start a relay with it, which brings it up to date"
            ),
            takes_self=True,
        ),
    )


@_error
class HistoryFull(HistoryError):
    """
    There is no space left for the history {path}. Make room on its disk, or have the relay keep
    less (--retain-days, --retain-messages, --retain-bytes). Nothing that the relay had passed on
    is lost; while it runs, it goes on as soon as there is space.
    """

    path: Path


@_error
class HistoryFailed(HistoryError):
    """
    The history {path} cannot be read or written: {why}. Look after the disk and after who may
    use the file and its directory. Nothing that the relay had passed on is lost.
    """

    path: Path
    why: str


@_error
class BackupFailed(HistoryError):
    """
    The backup {path} was not made: {why}. The history itself is as it was. Mend that, or choose
    another place, and try again.
    """

    path: Path
    why: str


# The command


@_error
class NobodyToAsk(SecureChatError):
    """There is no terminal to ask at: {instead}."""

    instead: str


class NoTerminal(SecureChatError):
    """
    There is no terminal to ask for the passphrase at: give it by --passphrase-file or
    --passphrase-fd.
    """


@_error
class OtherProfile(SecureChatError):
    """
    {path} shows another identity than the one whose key is beside it: somebody exchanged one
    of the two, or copied only one. Bring back both from a backup. If you are sure of the key,
    remove {path}.
    """

    path: Path


class OwnFingerprint(SecureChatError):
    """That is your own fingerprint. Ask your friend for theirs, and give them this one."""


@_error
class NeitherFingerprintNorFile(SecureChatError):
    """
    There is no file {name!r}, and that is no fingerprint either. A fingerprint is typed as
    securechat id shows it, in groups or in words.
    """

    name: str


@_error
class NoBundle(SecureChatError):
    """
    {name} holds no bundle that can be used: {what}. A friend makes one by securechat id --export.
    """

    name: str
    what: str


@_error
class NoBackup(SecureChatError):
    """
    {name} holds no backup that can be used: {what}. "securechat id backup" makes one; if it was
    copied, copy it again.
    """

    name: Path | str
    what: str


@_error
class NothingToRemember(SecureChatError):
    """The identity in {path} is not encrypted: there is no passphrase to remember."""

    path: Path


@_error
class NoCertificate(SecureChatError):
    """
    {name} holds no {kind} certificate that can be used: {what}. Whoever it is about has it in a
    file {kind}-….txt beside their key, and can send it again.
    """

    name: str
    kind: str
    what: str


@_error
class OwnCertificate(SecureChatError):
    """
    That certificate is about your own identity, and is for your friends: send it to them, and let
    them say securechat trust {verb} FILE.
    """

    verb: str


@_error
class IdentityExists(FileExists):
    """
    You have an identity already, in {path}, and it is not overwritten. "securechat id" shows it;
    another one needs a directory of its own (--home).
    """


class NotText(SecureChatError):
    """
    The line is no UTF-8 text, and was left out. Set the terminal, or the program that writes it, to
    UTF-8.
    """


@_error
class Undelivered(SecureChatError):
    """
    Not seen in the room before the end: {count} of the lines that you sent. {fate} The first of
    them: {first}
    """

    count: int
    first: str
    fate: str = "Nobody knows whether they arrived."


class NothingToSend(SecureChatError):
    """There is no text to send: nothing was sent."""


@_error
class CommandEnded(SecureChatError):
    """The command of the bot has not gone well: {how}."""

    how: str


@_error
class NotThere(SecureChatError):
    """
    No room #{label} of that relay is kept in {path}. Enter it with securechat chat, or choose
    another directory with --home.
    """

    label: str
    path: Path


@_error
class NobodyCalled(SecureChatError):
    """
    Nobody in #{label} is called {name!r}, and nobody's fingerprint begins so. securechat members,
    or /members in the chat, shows who is there.
    """

    label: str
    name: str


@_error
class SeveralCalled(SecureChatError):
    """
    {name!r} may be one of several in #{label}: {who}. Say the beginning of the fingerprint instead.
    """

    label: str
    name: str
    who: str


@_error
class CalledYou(SecureChatError):
    """{name!r} is you yourself. To go, leave #{label}."""

    label: str
    name: str


@_error
class NoSuchCommand(SecureChatError):
    """
    There is no command {name}. /help shows those that there are; to say a line that begins with
    a slash, begin it with two.
    """

    name: str


@_error
class Deviation(SecureChatError):
    """
    The demonstration did not go as it should, so do not rely on this installation: {what}
    """

    what: str
