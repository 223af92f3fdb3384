"""Holds every byte, row and member of a dataset against what it should be, and names each fault."""
