"""Axes of the study's pictures: linear and logarithmic scales, their ticks, and the frame, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from facevid.bench.study.words import four

WIDE, HIGH = 720, 400
LEFT, RIGHT, TOP, FOOT = 64, 118, 12, 44
COLOURS = ("#3b7dd8", "#d9822b", "#2a9d74", "#b5519c", "#8a7a16", "#d0453e", "#5b6bd6", "#7a7f87")
"""Of the sizes, in turn; each is told from the page's white and its black, and sizes have marks of their own too."""


@dataclass(frozen=True)
class Axis:
    """Values from low to high, along pixels from first to last; log: of both kinds of scale the logarithmic one."""

    low: float
    high: float
    first: float
    last: float
    log: bool

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, x = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.first + (x - low) / ((high - low) or 1.0) * (self.last - self.first)

    def ticks(self, count: int = 6) -> list[float]:
        """Round values within, few enough to be read."""
        return log_ticks(self.low, self.high, count) if self.log else even_ticks(self.low, self.high, count)


def spanned(values: Sequence[float], first: float, last: float, *, log: bool, room: float = 0.06) -> Axis:
    """An axis over values, with room at both ends as a share of its length; values shall be finite, and above 0 on a
    logarithmic one."""
    low, high = min(values), max(values)
    if log:
        a, b = math.log(low), math.log(high)
        gap = room * ((b - a) or 0.5)
        return Axis(math.exp(a - gap), math.exp(b + gap), first, last, True)
    gap = room * ((high - low) or abs(high) or 1.0)
    return Axis(low - gap, high + gap, first, last, False)


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """1, 2 and 5 times powers of ten; evenly spaced round values where those are fewer than three."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        found = [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]
        if 3 <= len(found) <= 2 * count:
            return found
    return even_ticks(low, high, count) if len(found) < 3 else found[:: -(-len(found) // count)]


def even_ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def frame(x: Axis, y: Axis, x_name: str, y_name: str) -> list[str]:
    """Grid lines, numbers and names of both axes."""
    parts = []
    for value in x.ticks():
        at = x.at(value)
        parts.append(f'<path class="axis" d="M{at:.1f} {TOP}V{HIGH - FOOT}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HIGH - FOOT + 15}" text-anchor="middle">{short(value)}</text>')
    for value in y.ticks():
        at = y.at(value)
        parts.append(f'<path class="axis" d="M{LEFT} {at:.1f}H{WIDE - RIGHT}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{at + 4:.1f}">{short(value)}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HIGH - 8}" text-anchor="middle">{escape(x_name)}</text>')
    parts.append(
        f'<text x="14" y="{HIGH / 2:.0f}" text-anchor="middle" transform="rotate(-90 14 {HIGH / 2:.0f})">'
        f"{escape(y_name)}</text>"
    )
    return parts


def drawn(parts: Sequence[str], title: str) -> str:
    """The picture, in a box that scrolls sideways where the screen is narrower."""
    return (
        f'<div class="wide"><svg viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg></div>'
    )


def colour(place: int) -> str:
    """The colour of a size by its place."""
    return COLOURS[place % len(COLOURS)]


def mark(x: float, y: float, place: int, *, hollow: bool = False) -> str:
    """The mark of a run: circle, square, diamond or triangle by the size's place; hollow for one held out."""
    paint = f'fill="none" stroke="{colour(place)}" stroke-width="2"' if hollow else f'fill="{colour(place)}"'
    kind = place % 4
    if kind == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {paint}/>'
    corners = {
        1: ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        2: ((0, -6), (6, 0), (0, 6), (-6, 0)),
        3: ((0, -5.5), (5.5, 4.5), (-5.5, 4.5)),
    }[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {paint}/>'


def path(xs: Sequence[float], ys: Sequence[float]) -> str:
    """The data of a line through points in pixels."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def apart(places: Sequence[float], least: float = 13.0) -> list[float]:
    """Heights of labels, moved so that neighbours are `least` pixels apart, in the order given."""
    order = np.argsort(places, kind="stable")
    out = np.asarray(places, float).copy()
    for before, here in pairwise(order):
        out[here] = max(out[here], out[before] + least)
    over = out[order[-1]] - (HIGH - FOOT) if len(out) else 0.0
    return [float(v) for v in (out - max(0.0, over))]


def short(value: float) -> str:
    """A tick's number."""
    if value == 0:
        return "0"
    size = abs(value)
    for unit, scale in (("B", 1e9), ("M", 1e6)):
        if size >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}" if size >= 0.001 else four(value)
