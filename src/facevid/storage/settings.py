"""Numbers that the environment may set."""

from __future__ import annotations

import os

from facevid.storage.errors import PlaceError


def positive(name: str, default: float, unit: str) -> float:
    """The variable `name`, else the default. Raises PlaceError for what is no number above 0."""
    text = os.environ.get(name, "")
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise PlaceError("address", f"{name} is {text!r}; it must be {unit}, more than 0.")
    return number
