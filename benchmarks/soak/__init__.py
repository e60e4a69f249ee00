"""
Is anything lost, or shown twice? A relay and its clients, killed and cut for as long as you like.

::

    python -m benchmarks.soak --seconds 600 --clients 20

A real relay (``twistd -n securechat``, with its default options, its history on disk) and real
clients, each a process of its own with identity, trusted identities and state in a directory,
talk over TLS in one room or more. Every few seconds the relay is killed with SIGKILL and started
again, so is one client after the other, and connections are cut in the middle of a line: between
the clients and the relay is a proxy that stops after any byte. Now and then a member gives the
room new keys, so that all that is on its way has to be sealed anew, and another leaves and joins
again. Then sending and killing stop,
everybody catches up, all processes end, and what is on disk is counted. The status is 0 if
nothing was lost, doubled or wrong.

What is counted how
===================

Nothing counts that a process said of itself: only what it had written before it was killed.

A *text* names its room and its number, and no member says one twice. Each sender keeps an account
of its texts (`benchmarks.soak.account`), to which it appends

``meant``
    before it calls `ChatClient.send`: after a kill that text is never tried again, whatever
    became of it;
``accepted``
    once the client has stored the text in its state, so that it will be sent also after a kill;
``acknowledged``
    once the Deferred of `send` has fired, or, for what was sent in an earlier life, the event
    `Delivered` has come;
``uncertain``
    if the client says that nobody can know, or that the member is off the roster before;
``left``, ``roster``
    the newest number of a room when the member says that it leaves, and what the events tell of
    who comes and goes: who is away is due nothing.

What was *shown* to a member is what its state directory keeps as messages, its own among them:
the client stores them together with the room, before an event tells of them. The events are noted
as well, to be held against that: each has to be there, and none may come twice, over all the lives
of a member.

sent
    accepted texts, and those that were shown to somebody.
dropped
    what was meant, and neither accepted nor shown to anybody: it died with its sender.
acknowledged
    texts that are noted so, and those that their sender keeps as delivered, and was killed before
    it could note that.
delivered
    texts of others that were shown.
lost
    pairs of text and member: the text was accepted, or acknowledged, or shown to another
    member, and is not shown to this one, the sender included, while it was on the roster. What is
    uncertain may be shown to nobody; but not to some.
doubled
    pairs of text and member: the member keeps it under two numbers, or two events told of it.
disordered
    pairs of text and member: shown after a later text of the same sender.
invented
    pairs of text and member: shown, but not meant by who is named as its sender.

A SIGKILL is a crash of the process, not of the machine: what was written to a file is there.
"""
