"""Vectors: values that every implementation of the protocol computes alike."""
