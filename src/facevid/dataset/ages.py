"""Ages as people and corpora write them: years, or a range of years."""

from __future__ import annotations

import math
import re
from typing import Any

_YEARS = r"\s*(?:years?|y)?\s*"
_NUMBER = re.compile(rf"\s*(\d+(?:\.\d+)?)\s*(?P<range>[-–]\s*\d+(?:\.\d+)?|\+)?{_YEARS}", re.IGNORECASE)


def years(value: Any) -> float | None:
    """The least age in years that a value allows: a number, or the lower end of a range (13-17, 60+); else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) and value >= 0 else None
    found = _NUMBER.fullmatch(str(value))
    return float(found.group(1)) if found else None


def is_range(value: Any) -> bool:
    """Whether a value is a range of ages, which the vocabulary, whose ages are numbers, has no word for."""
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return found is not None and found.group("range") is not None
