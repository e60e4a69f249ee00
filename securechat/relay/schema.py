"""
How the tables of a history came to be: one step for each version of the schema.

A database says by its application id that it is a history, and by its user version how many of
the steps it has been through; whoever opens it goes the rest of the way. A step that has been
released is never changed: what it left behind is out there.
"""

from __future__ import annotations

APPLICATION_ID = 0x7365_6368  # "sech"

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE rooms (
            id INTEGER PRIMARY KEY,
            room BLOB NOT NULL UNIQUE,  -- G
            label TEXT NOT NULL,
            head BLOB NOT NULL,
            newest INTEGER NOT NULL,  -- number given out
            frames INTEGER NOT NULL,  -- how many are kept,
            bytes INTEGER NOT NULL    -- and the length of their lines
        )
        """,
        # Apart from its room, since that is written with each turn and this is large.
        """
        CREATE TABLE states (
            room INTEGER PRIMARY KEY REFERENCES rooms ON DELETE CASCADE,
            state BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE entries (
            room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            head BLOB NOT NULL,
            line BLOB NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX entries_in_order ON entries (room, seq)",
        "CREATE UNIQUE INDEX entries_by_epoch ON entries (room, epoch)",
        """
        CREATE TABLE frames (
            room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time REAL NOT NULL,  -- when it came, in seconds since 1970
            line BLOB NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX frames_in_order ON frames (room, seq)",
        """
        CREATE TABLE slices (
            room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
            member BLOB NOT NULL,  -- its fingerprint
            seq INTEGER NOT NULL,  -- of the entry
            sealed BLOB NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX slices_in_order ON slices (room, member, seq)",
        """
        CREATE TABLE named (
            room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (room, name)
        ) WITHOUT ROWID
        """,
    ),
    # A row of frames holds all that came together: seq is the number of the last.
    ("ALTER TABLE frames ADD COLUMN count INTEGER NOT NULL DEFAULT 1",),
)
