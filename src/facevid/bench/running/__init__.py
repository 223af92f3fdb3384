"""A whole benchmark: what is judged, what it is held against, and what is written about it."""
