"""
Programs that measure, and print tables. What they print depends on the machine, so that nothing
here is a test: ``python -m benchmarks`` compares the relay with other servers, and
``python -m benchmarks.NAME`` measures other things.
"""
