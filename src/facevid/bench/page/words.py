"""How the pages of a benchmark write numbers, intervals and counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from facevid.bench.measures.metric import BY_NAME, Better

Interval = tuple[float, float]

NONE = "–"
"""What stands in a cell without a value."""

SURE = 0.05
"""A gap between groups whose adjusted p is below this is one that chance hardly explains."""

_SIDES = {"higher": "higher is better", "lower": "lower is better", "as real": "best near the real mean"}


def number(value: float) -> str:
    """Three significant digits; thousands apart."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def spread(value: float, interval: Interval | None) -> tuple[str, str]:
    """A value and its interval, "0.512" and "0.492 to 0.532", with as many decimals as the interval's width is worth:
    two of its digits. The second is empty where there is no interval."""
    if interval is None:
        return number(value), ""
    low, high = interval
    width = high - low
    decimals = 1 - math.floor(math.log10(width)) if width > 0 and math.isfinite(width) else -1
    if not 0 <= decimals <= 6:
        return number(value), f"{number(low)} to {number(high)}"
    return f"{value:,.{decimals}f}", f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def signed(difference: float) -> str:
    """A difference with its sign."""
    return f"{'+' if difference > 0 else ''}{number(difference)}"


def chance(p: float) -> str:
    """A p value as it is printed."""
    return "p < .001" if p < 0.001 else f"p = {f'{p:.3f}'.removeprefix('0')}"


def count(n: int, what: str) -> str:
    """Such as "1 video" or "1,024 videos"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def listed(items: Iterable[str]) -> str:
    """Such as "a, b and c"."""
    *most, last = list(items) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def capital(text: str) -> str:
    """With a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def shape_text(shape: Mapping[str, Any]) -> str:
    """Such as "64 x 64 pixels, 25 frames, 12.5 frames a second"; empty for an empty shape."""
    parts = []
    if "width" in shape and "height" in shape:
        parts.append(f"{shape['width']} x {shape['height']} pixels")
    if "frames" in shape:
        parts.append(f"{shape['frames']} frames")
    if "fps" in shape:
        parts.append(f"{shape['fps']:g} frames a second")
    return ", ".join(parts)


def setting(value: Any) -> str:
    """A setting of bench.json, of whatever kind, in a line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {setting(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(setting(one) for one in value) or "none"
    return str(value)


def title_of(metric: str) -> str:
    """How people call a metric; its name where this facevid does not know it."""
    return BY_NAME[metric].title if metric in BY_NAME else metric


def unit_of(metric: str) -> str:
    """The unit of a metric; empty for shares, plain numbers and unknown metrics."""
    return BY_NAME[metric].unit if metric in BY_NAME else ""


def about_of(metric: str) -> str:
    """What a metric says; empty where this facevid does not know it."""
    return BY_NAME[metric].about if metric in BY_NAME else ""


def better_of(metric: str) -> Better | None:
    """Which way is better; None where this facevid does not know the metric."""
    return BY_NAME[metric].better if metric in BY_NAME else None


def side(better: Better | None) -> str:
    """Which way is better, in words."""
    return NONE if better is None else _SIDES[better]


def in_order(names: Iterable[str]) -> list[str]:
    """Metrics without repeats, in the order in which they are shown; unknown ones last, as they come."""
    given = list(dict.fromkeys(names))
    return [name for name in BY_NAME if name in given] + [name for name in given if name not in BY_NAME]
