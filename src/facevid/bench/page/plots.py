"""The small pictures of the pages, as inline SVG: intervals beside a floor, and two distributions back to back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from facevid.bench.page.words import Interval, number

Floats = NDArray[np.float64]

_WIDE, _EDGE, _ROW, _FOOT = 240, 8, 18, 16
_LABEL = 18
_BINS, _HALF = 24, 26


@dataclass(frozen=True)
class Span:
    """A value with its interval (None: only the value). label: of its row, may be empty."""

    label: str
    value: float
    interval: Interval | None


def spans(
    rows: Sequence[Span],
    title: str,
    band: tuple[float, float, float] | None = None,
    *,
    from_zero: bool = True,
) -> str:
    """Intervals one below the other on one axis; none for no rows.

    The axis begins at 0 (from_zero), or below where something does. band: lowest, mean, highest of a floor,
    drawn behind as a field with a line at its mean.
    """
    if not rows:
        return ""
    ends = [
        *([0.0] if from_zero else []),
        *(row.value for row in rows),
        *(x for row in rows for x in row.interval or ()),
        *(band or ()),
    ]
    axis = _Axis(min(ends), max(ends), left=_EDGE + (_LABEL if any(row.label for row in rows) else 0))
    bottom = _ROW * len(rows) + 4
    parts = []
    if band is not None:
        low, mean, high = (axis.at(x) for x in band)
        parts.append(
            f'<rect class="floor" x="{low:.1f}" y="1" width="{max(2.0, high - low):.1f}" height="{bottom - 1}"/>'
        )
        parts.append(f'<path class="floor-mean" d="M{mean:.1f} 1V{bottom}"/>')
    for k, row in enumerate(rows):
        parts += _span(row, axis, 2 + _ROW * k + _ROW / 2)
    parts += axis.drawn(bottom)
    return _svg(_WIDE, bottom + _FOOT, title, parts)


def back_to_back(made: Floats, real: Floats, title: str) -> str:
    """Two histograms over the same 24 bins, made (n,) upwards and real (m,) downwards; the fullest bin of each has full
    height. A line crosses each at its mean. None where there is no finite value."""
    made, real = made[np.isfinite(made)], real[np.isfinite(real)]
    if not len(made) + len(real):
        return ""
    both = np.concatenate([made, real])
    low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    axis = _Axis(low, high, left=_EDGE)
    step = axis.width / _BINS
    parts = []
    for values, name, up in ((made, "made", True), (real, "real", False)):
        if not len(values):
            continue
        counts = np.histogram(values, bins=_BINS, range=(low, high))[0]
        tall = counts / counts.max() * _HALF
        for k in np.flatnonzero(counts):
            y = _HALF - tall[k] if up else _HALF + 1
            parts.append(
                f'<rect class="{name}" x="{axis.left + k * step + 0.5:.1f}" y="{y:.1f}" width="{step - 1:.1f}" '
                f'height="{tall[k]:.1f}"/>'
            )
        x, y = axis.at(float(values.mean())), 0 if up else _HALF + 1
        parts.append(f'<path class="mean" d="M{x:.1f} {y}v{_HALF}"/>')
    bottom = 2 * _HALF + 1
    parts.append(f'<path class="axis" d="M{axis.left} {_HALF + 0.5}h{axis.width}"/>')
    parts += axis.ends(bottom)
    return _svg(_WIDE, bottom + _FOOT, title, parts)


@dataclass(frozen=True)
class _Axis:
    """Values from low to high on a width of the picture."""

    low: float
    high: float
    left: int

    @property
    def width(self) -> int:
        return _WIDE - _EDGE - self.left

    def at(self, value: float) -> float:
        over = (self.high - self.low) or 1.0
        return self.left + (value - self.low) / over * self.width

    def drawn(self, y: int) -> list[str]:
        return [f'<path class="axis" d="M{self.left} {y + 0.5}h{self.width}"/>', *self.ends(y)]

    def ends(self, y: int) -> list[str]:
        return [
            f'<text x="{self.left}" y="{y + 13}">{number(self.low) if self.low else "0"}</text>',
            f'<text class="end" x="{_WIDE - _EDGE}" y="{y + 13}">{number(self.high) if self.high else "0"}</text>',
        ]


def _span(row: Span, axis: _Axis, y: float) -> list[str]:
    parts = []
    if row.label:
        parts.append(f'<text x="2" y="{y + 4:g}">{escape(row.label)}</text>')
    if row.interval is not None:
        low, high = (axis.at(x) for x in row.interval)
        parts.append(
            f'<path class="span" d="M{low:.1f} {y - 4:g}v8M{low:.1f} {y:g}H{high:.1f}M{high:.1f} {y - 4:g}v8"/>'
        )
    parts.append(f'<circle class="value" cx="{axis.at(row.value):.1f}" cy="{y:g}" r="3.5"/>')
    return parts


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
