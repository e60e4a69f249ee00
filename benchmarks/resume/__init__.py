"""
A member comes back after 30 days: ``python -m benchmarks.resume``.

Alice and Bob found a room at a relay in memory that has its history on disk, and Bob keeps his
state. Then Bob is away, and Alice says 100,000 things in 30 days (`log`): real frames, signed and
sealed by her, which only the clock is told a lie about. Now a real relay process is started on
that history, and a process of Bob's on his state (`member`), which come back together over TLS.

Printed are how long it took, each one's CPU, and by how much each one's memory peaked above what
it had before Bob resumed. With ``--json``: an object.
"""
