"""The tests of what the members of a room know."""
