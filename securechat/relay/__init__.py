"""
The relay: it passes on what it cannot read, and orders it.

`RelayFactory` is the whole of it for an application that listens by itself; see its docstring.
"""

from securechat.relay.counts import Commits
from securechat.relay.factory import RelayFactory
from securechat.relay.history import Draft, IHistory, Item, Kept, Landing
from securechat.relay.limits import Limits
from securechat.relay.memory import MemoryHistory
from securechat.relay.retention import Retention
from securechat.relay.sqlite import SQLiteHistory

__all__ = [
    "Commits",
    "Draft",
    "IHistory",
    "Item",
    "Kept",
    "Landing",
    "Limits",
    "MemoryHistory",
    "RelayFactory",
    "Retention",
    "SQLiteHistory",
]
