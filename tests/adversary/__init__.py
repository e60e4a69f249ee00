"""
The attacks of ``docs/security.md``, mounted on the real code, each by a relay in memory that lies.
"""
