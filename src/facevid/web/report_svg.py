"""Plots of a report as inline SVG: bars with a reported mark, histograms with thresholds drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW, _LABEL, _BAR, _NUMBER = 20, 104, 128, 128
_WIDTH, _HEIGHT, _FOOT = 360, 96, 18


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of, its share (0 to 1), what is written behind it, and a share that others report."""

    label: str
    share: float
    text: str
    reported: float | None = None


def bars(rows: Sequence[Bar], title: str) -> str:
    """Horizontal bars from 0 to the largest share; a reported share is a tick across its row."""
    if not rows:
        return ""
    most = max(max(r.share, r.reported or 0.0) for r in rows) or 1.0
    width, height = _LABEL + _BAR + _NUMBER, _ROW * len(rows) + 4
    parts = []
    for k, row in enumerate(rows):
        y = k * _ROW
        parts.append(f'<text class="l" x="{_LABEL - 8}" y="{y + 14}">{escape(row.label)}</text>')
        parts.append(
            f'<rect class="b" x="{_LABEL}" y="{y + 3}" width="{row.share / most * _BAR:.1f}" height="{_ROW - 6}"/>'
        )
        if row.reported is not None:
            x = _LABEL + row.reported / most * _BAR
            parts.append(f'<path class="r" d="M{x:.1f} {y + 1}v{_ROW - 2}"/>')
        parts.append(f'<text x="{_LABEL + _BAR + 8}" y="{y + 14}">{escape(row.text)}</text>')
    return _svg(width, height, title, parts)


def histogram(
    edges: Sequence[float],
    kept: Sequence[int],
    rejected: Sequence[int] = (),
    bounds: Sequence[tuple[str, float]] = (),
    *,
    title: str,
) -> str:
    """Columns of kept with rejected stacked on top; a bound outside the range is named at its edge, not drawn.

    edges: one more than kept, ascending. bounds: (name, value).
    """
    if not kept or len(edges) < 2:
        return ""
    above = list(rejected) or [0] * len(kept)
    most = max(a + b for a, b in zip(kept, above, strict=True)) or 1
    low, high = edges[0], edges[-1]
    step = _WIDTH / len(kept)
    parts = []
    for k, (a, b) in enumerate(zip(kept, above, strict=True)):
        ha, hb = a / most * _HEIGHT, b / most * _HEIGHT
        place = f'x="{k * step + 0.5:.1f}" width="{step - 1:.1f}"'
        if a:
            parts.append(f'<rect class="b" {place} y="{4 + _HEIGHT - ha:.1f}" height="{ha:.1f}"/>')
        if b:
            parts.append(f'<rect class="x" {place} y="{4 + _HEIGHT - ha - hb:.1f}" height="{hb:.1f}"/>')
    for _, value in bounds:
        if low <= value <= high:
            x = (value - low) / (high - low) * _WIDTH
            parts.append(f'<path class="t" d="M{x:.1f} 0v{_HEIGHT + 4}"/>')
    parts.append(f'<path class="a" d="M0 {_HEIGHT + 4.5}h{_WIDTH}"/>')
    foot = _HEIGHT + _FOOT
    parts.append(f'<text x="0" y="{foot}">{number(low)}</text>')
    parts.append(f'<text class="l" x="{_WIDTH}" y="{foot}">{number(high)}</text>')
    parts.append(f'<text class="m" x="{_WIDTH / 2:g}" y="{foot}">{escape(title)}</text>')
    return _svg(_WIDTH, foot + 6, title, parts)


def number(value: float) -> str:
    """A number for people: three significant digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
