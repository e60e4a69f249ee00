"""What the members of one room know: cryptography without sockets, clocks or files."""
