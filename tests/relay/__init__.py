"""
The relay, in memory: scripted clients with real keys, a clock to turn, no socket.
"""
