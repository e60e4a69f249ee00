"""
Relays that can do nothing but pass on: the least that C needs, and what one writes first with
Twisted. Both speak ``benchmarks/load/raw.c``.
"""
