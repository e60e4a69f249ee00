"""
Admission: the seed's conversation between a newcomer J and the member V who vouches for it.

::

    V → J  vouch      c1 = Seal(J, "vouch", a ‖ fp_J, fp_V ‖ G ‖ epoch ‖ head ‖ k_V)
                      th1 = H("th1", a, fp_J, fp_V, G, epoch, head, c1)
    J → V  challenge  c2 = Seal(V, "challenge", th1, k_J ‖ init ‖ leaf ‖ consent ‖ m)
                      m = HMAC(Expand(k_V, "mac", ""), th1 ‖ k_J ‖ H(init) ‖ H(leaf))
                      th2 = H("th2", th1, c2)
    V → J  response   Seal(init, "response", th2, k_E) ‖ ChaCha20-Poly1305(K, es ‖ entry)
                      K = Expand(Extract(th2, k_V ‖ k_J ‖ k_E), "handover", "")

To open c1, J needs its own key, so m and K prove to V that J is here and wants this room, and
the `response` proves to J that V holds its key too: each nonce was sealed to the other. All
that was said is hashed into what is said next, so nothing can be carried from one attempt to
another. `docs/security.md` lists the attack that each of these fields stops.

This module has what both sides compute; `securechat.group.joiner` and
`securechat.group.voucher` are their state machines. One machine is one attempt, and an
attempt with a step that failed is over: it refuses all that comes after. Drop it, with its
keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

import attrs

from securechat.encoding import encode
from securechat.errors import AdmissionRefused, BadCiphertext, BadSignature, Malformed
from securechat.group.detail import leaf_hash
from securechat.primitives import NONCE_LENGTH, digest, expand, extract, mac

ONE_USE = bytes(NONCE_LENGTH)
"""The nonce of a key that encrypts one thing."""


def init_hash(init: bytes) -> bytes:
    """Return H("init", the joiner's one-use X-Wing key)."""
    return digest("init", init)


def first_transcript(
    attempt: bytes, joiner: bytes, voucher: bytes, place: Place, c1: bytes
) -> bytes:
    return digest("th1", attempt, joiner, voucher, place.room, place.epoch, place.head, c1)


def proof(k_v: bytes, th1: bytes, k_j: bytes, init: bytes, leaf: bytes) -> bytes:
    return mac(expand(k_v, "mac", ""), th1, k_j, init_hash(init), leaf_hash(leaf))


def handover_key(th2: bytes, k_v: bytes, k_j: bytes, k_e: bytes) -> bytes:
    return expand(extract(th2, encode(k_v, k_j, k_e)), "handover", "")


@attrs.frozen
class Place:
    """A room at one head of its log: what a voucher vouches for."""

    room: bytes
    epoch: int
    head: bytes


@contextmanager
def refusing(label: str, step: str) -> Iterator[None]:
    """Turn what fails while a message is opened into the refusal of that step."""
    try:
        yield
    except (BadCiphertext, BadSignature, Malformed) as error:
        raise AdmissionRefused(label=label, step=step, why=str(error)) from None


def out_of_turn(_: object, core: Attempt, *args: object, **kwargs: object) -> NoReturn:
    """Refuse a message that may not come now."""
    raise AdmissionRefused(label=core.label, step="conversation", why="a message out of turn")


class Attempt(Protocol):
    """What a side keeps of its attempt, whichever it is."""

    @property
    def label(self) -> str:
        """The label of the room that it is about."""

    over: bool
    """Whether a step has failed."""


M = TypeVar("M")
A = TypeVar("A", bound=Attempt)
P = ParamSpec("P")
R = TypeVar("R")


def fatal(step: Callable[Concatenate[M, A, P], R]) -> Callable[Concatenate[M, A, P], R]:
    """
    Let the attempt be over once *step* raises.

    A machine is in its next state before the step to it is done, so without this the steps
    that follow would be taken without what the one that failed has checked and left behind.
    """

    @wraps(step)
    def run(machine: M, core: A, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if core.over:
            raise AdmissionRefused(label=core.label, step="conversation", why="it has failed")
        core.over = True
        result = step(machine, core, *args, **kwargs)
        core.over = False
        return result

    return run
