"""The programs that measure: whether they would notice."""
