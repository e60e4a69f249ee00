"""The other end of the line: connect to a relay, join rooms, speak and listen."""
