"""
What the relay costs, beside other servers that pass messages on: ``python -m benchmarks``.

For each workload and each round, each server in turn is started anew, loaded by one generator
(``benchmarks/load``, in C), and stopped. So whatever a machine does at the time, it does to all of
them alike, and what counts is the ratio within one round.

=============  ================================================================
`cast`         the rooms and members that our relay has before it starts
`build`        the C programs, compiled when they are needed first
`process`      a process that is bounded, and certainly gone in the end
`servers`      our relay and its peers, and how each is started
`workloads`    what is measured: a table
`measure`      one server under one workload
`rounds`       all of them, in turn
`results`      medians, spreads, ratios
`goals`        what our relay has to reach
`table`        all that for people
`profiling`    where the relay's time goes
=============  ================================================================

Our relay is ``twistd -n securechat`` with its default options but for its port and its state
directory: TLS 1.3, every identity proved, every message durable in SQLite before anybody sees it.
All servers speak TLS 1.3, and a message has everywhere the size that a ciphertext has with us.
"""
